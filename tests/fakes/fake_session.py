"""made_: a session for the service's tests: a scripted answer, held back until the test lets it go."""

import asyncio
from pathlib import Path

from autoglm_desktop.core.protocol import Delta, Done, Proof, Timings, Usage
from autoglm_desktop.usecases.session import SessionState
from autoglm_desktop.usecases.targets import Target

TARGET = Target("AutoGLM 模型", Path("/made/model.gguf"), "autoglm-phone-9b", "Q4_K_M")
READY = SessionState("ready", TARGET, engine="llama-cpu", proof=Proof("llama.cpp", "fake", context=4096))


class FakeSession:
    """Answers with ``pieces``, one token each; an exception among them is raised. ``held``: wait for ``go``."""

    def __init__(self, *pieces, state=READY, held=False, usage=None, finish="stop"):
        self.state = state
        self.pieces = pieces or ("你好", "，", "world")
        self.usage = usage or Usage(12, len(self.pieces), 3)
        self.finish = finish
        self.listeners = []
        self.go = asyncio.Event()
        if not held:
            self.go.set()
        self.started = asyncio.Event()
        self.requests = []
        self.streamed = 0
        self.closed = 0
        self.running = 0
        self.most_running = 0

    async def generate(self, messages, sampling):
        self.requests.append((messages, sampling))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.started.set()
        try:
            await self.go.wait()
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                self.streamed += 1
                yield Delta("r", piece, self.streamed)
                await asyncio.sleep(0)
            yield Done("r", self.usage, Timings(), self.finish)
        finally:
            self.running -= 1
            self.closed += 1

    def stop(self):
        self.go.set()

    def listen(self, listener):
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def show(self, state):
        """Another state, told to those who listen."""
        self.state = state
        for listener in list(self.listeners):
            listener(state)
