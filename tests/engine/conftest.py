"""Real engines on tiny generated models. Nothing here needs a GPU or the network."""

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.host.command import engine_command, engine_environment
from autoglm_desktop.host.process import EngineProcess
from autoglm_desktop.store import gguf_tiny


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A tiny glm4 with M-RoPE sections; its folder's name has Chinese characters and spaces."""
    path = tmp_path_factory.mktemp("模型 folder") / "tiny model 小.gguf"
    gguf_tiny.write_tiny_glm4(path)
    return path


@pytest.fixture
def own_model(tiny_model, tmp_path):
    """A file of its own: what is remembered of it stays in this test."""
    path = tmp_path / "模型 小.gguf"
    path.write_bytes(tiny_model.read_bytes())
    return path


@pytest.fixture(scope="session")
def made_glm4v(tmp_path_factory) -> Path:
    """A tiny Glm4v folder for transformers."""
    pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")
    from tests.fakes import made_transformers

    return made_transformers.make_glm4v(tmp_path_factory.mktemp("模型 glm4v") / "model")


@pytest.fixture(scope="session")
def made_glm4(tmp_path_factory) -> Path:
    """A tiny Glm4 folder for transformers: text only."""
    pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")
    from tests.fakes import made_transformers

    return made_transformers.make_glm4(tmp_path_factory.mktemp("模型 glm4") / "model")


@pytest.fixture(scope="session")
def needs_llama() -> None:
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed in this environment (extra: llama)")


class Engine:
    """A started engine with a loaded model, driven from synchronous tests on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, process: EngineProcess) -> None:
        self.loop = loop
        self.process = process
        self._count = 0

    def job(self, job):
        return self.loop.run_until_complete(asyncio.wait_for(self.process.job(job), 60))

    def ask(self, *texts: str, on_delta=None, **sampling):
        """Messages in turn (user, assistant, …) → (text, last event, deltas)."""
        roles = ("user", "assistant")
        messages = tuple(protocol.Message(roles[i % 2], text) for i, text in enumerate(texts))
        return self.send(messages, on_delta=on_delta, **sampling)

    def send(self, messages, on_delta=None, **sampling):
        self._count += 1
        values = {"temperature": 0.0, "max_tokens": 16, **sampling}
        request = protocol.Generate(f"t{self._count}", tuple(messages), protocol.Sampling(**values))
        return self.loop.run_until_complete(asyncio.wait_for(self._collect(request, on_delta), 60))

    async def _collect(self, request, on_delta):
        deltas, last = [], None
        async for event in self.process.generate(request):
            last = event
            if isinstance(event, protocol.Delta):
                deltas.append(event)
                if on_delta is not None:
                    on_delta(request.id, len(deltas))
        return "".join(delta.text for delta in deltas), last, deltas


@pytest.fixture
def start_engine():
    """Start real engines; all are ended with the test."""
    loop = asyncio.new_event_loop()
    started = []

    def start() -> Engine:
        command = engine_command(Path(sys.executable))
        process = loop.run_until_complete(EngineProcess.start(command, engine_environment()))
        started.append(process)
        return Engine(loop, process)

    yield start
    for process in started:
        loop.run_until_complete(process.close())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def engine(needs_llama, start_engine, tiny_model) -> Engine:
    """A ready engine with the tiny model at 1,024 tokens of context."""
    started = start_engine()
    ready = started.job(protocol.Load("llama.cpp", str(tiny_model), 1024))
    assert isinstance(ready, protocol.Ready), ready
    started.proof = ready.proof
    return started
