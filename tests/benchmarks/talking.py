"""A loaded engine to talk to."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path

from autoglm_desktop.core import protocol
from autoglm_desktop.host.command import engine_command, engine_environment
from autoglm_desktop.host.process import EngineProcess


class Answer:
    """``first_token_s``: from the request until the engine had it."""

    def __init__(self, text: str, done: protocol.Done) -> None:
        self.text, self.usage, self.timings = text, done.usage, done.timings
        self.first_token_s = done.timings.first_token_s


class Engine:
    """``ask`` answers greedily; ``proof``: of its load."""

    def __init__(self, process: EngineProcess, proof: protocol.Proof) -> None:
        self._process, self.proof, self._number = process, proof, 0

    async def ask(self, messages, tokens: int) -> Answer:
        self._number += 1
        sampling = protocol.Sampling(temperature=0.0, max_tokens=tokens)
        text, last = "", None
        request = protocol.Generate(f"r{self._number}", tuple(messages), sampling)
        async for event in self._process.generate(request):
            last = event
            text += event.text if isinstance(event, protocol.Delta) else ""
        assert isinstance(last, protocol.Done), last
        return Answer(text, last)


@asynccontextmanager
async def engine(job: protocol.Load):
    """A loaded Engine; its process ends with the block."""
    process = await EngineProcess.start(engine_command(Path(sys.executable)), engine_environment())
    try:
        ready = await process.job(job)
        assert isinstance(ready, protocol.Ready), ready
        yield Engine(process, ready.proof)
    finally:
        await process.close()
