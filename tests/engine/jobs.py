"""Asks a real engine for a job that answers neither ``ready`` nor a list of devices."""

import asyncio

from autoglm_desktop.core import protocol


def ask(engine, job, limit_s=60):
    """(the answer, the progress before it)"""

    async def wait():
        await engine.process._send(job)
        told = []
        while isinstance(event := await engine.process._next(None), protocol.Progress):
            told.append(event)
        return event, told

    return engine.loop.run_until_complete(asyncio.wait_for(wait(), limit_s))
