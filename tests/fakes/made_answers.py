"""made_: somebody who answers a conversation as a test scripts it, and an archive to keep it in."""

import asyncio

from autoglm_desktop.core.protocol import Delta, Done, Timings, Usage
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases import chat
from autoglm_desktop.usecases.session_state import SessionState


class MadeSession:
    """Answers with ``words``; then ends with ``done``, an error, or waits for ever ("wait")."""

    def __init__(self, words, end="stop", prompt_tokens=10):
        self.words, self.end, self.prompt_tokens = words, end, prompt_tokens
        self.state = SessionState("ready")
        self.asked = None

    async def generate(self, messages, sampling):
        self.asked, self.sampling = messages, sampling
        for count, word in enumerate(self.words, 1):
            yield Delta("r", word, count)
        if isinstance(self.end, Exception):
            raise self.end
        if self.end == "wait":
            await asyncio.Event().wait()
        usage = Usage(self.prompt_tokens, len(self.words), 0, 3 if self.end == "dropped" else 0)
        reason = self.end if self.end in ("length", "cancelled") else "stop"
        yield Done("r", usage, Timings(0.5, 100.0, 20.0), reason)

    def stop(self):
        raise NotImplementedError


async def collect(events):
    return [event async for event in events]


def with_archive(path, work):
    """The result of ``work(archive)`` on a loop of its own, with an archive in ``path``."""

    async def whole():
        archive = chat.Archive(Conversations(path))
        await archive.open()
        try:
            return await asyncio.wait_for(work(archive), 30)
        finally:
            await archive.close()

    return asyncio.run(whole())
