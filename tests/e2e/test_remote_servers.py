"""Real servers of others, from the package registry, answer: llama-cpp-python's and transformers'.

Both need packages that this program doesn't (docs/remote.md says which, and what was run): without them, skipped.
"""

import asyncio
import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from autoglm_desktop.core.protocol import Delta, Message, Sampling
from autoglm_desktop.core.remote import Endpoint, RemoteError
from autoglm_desktop.core.remote_check import FINE, KEY_REFUSED, QUESTIONS, verdict
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.store.web import Web
from autoglm_desktop.texts.remote import finding_text
from autoglm_desktop.usecases.remote import Remote
from autoglm_desktop.usecases.remote_trial import Listed, try_out
from tests.unit.test_keys import Ring

KEY = "made-key"
STARTED = "Uvicorn running on"
PATIENCE_S = 120


def needs(*packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


llama = needs("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings")
transformers = needs("torch", "transformers", "openai", "fastapi", "uvicorn", "rich")


@contextlib.contextmanager
def serving(*command, **environment):
    """A server process; (base URL, its lines so far). ``{port}`` in the command is a free one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(port=port) for part in command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    lines, started = [], threading.Event()

    def read():
        for line in process.stdout:
            lines.append(line)
            if STARTED in line:
                started.set()
        started.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert started.wait(PATIENCE_S) and process.poll() is None, "".join(lines[-20:])
        yield f"http://127.0.0.1:{port}/v1", lines
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def talk(url, model, work, key=None):
    async def go():
        web = Web(Keys({}, Ring))
        try:
            return await work(Remote(web, Endpoint("real", "made", url, model), key=key))
        finally:
            await web.close()

    return asyncio.run(asyncio.wait_for(go(), PATIENCE_S))


async def tried(remote, with_key):
    found = [one async for one in try_out(remote, with_key)]
    findings = tuple(one for one in found if not isinstance(one, Listed))
    assert tuple(one.question for one in findings) == QUESTIONS
    assert all(finding_text(one).endswith(".") for one in findings)
    return findings


async def asked(remote, tokens=24, stop_after=None):
    deltas, done = [], None
    async with contextlib.aclosing(
        remote.generate([Message("user", "Hello!")], Sampling(max_tokens=tokens))
    ) as events:
        async for event in events:
            if isinstance(event, Delta):
                deltas.append(event.text)
                if len(deltas) == stop_after:
                    remote.stop()
            else:
                done = event
    return deltas, done


@pytest.fixture(scope="module")
def llama_server(tmp_path_factory):
    file = tmp_path_factory.mktemp("remote") / "made.gguf"
    write_tiny_glm4(file)
    command = ["llama_cpp.server", "--model", str(file), "--model_alias", "made", "--n_ctx", "512"]
    with serving(*command, "--port", "{port}", "--host", "127.0.0.1", "--api_key", KEY) as (url, lines):
        yield url, lines


@llama
def test_llama_cpp_server_answers(llama_server):
    url, _lines = llama_server
    deltas, done = talk(url, "made", asked, KEY)
    assert len(deltas) > 1 and done.finish_reason in ("stop", "length")
    assert not done.counted, "it counts no tokens in a stream"


@llama
def test_llama_cpp_server_is_tried_out(llama_server):
    url, _lines = llama_server
    findings = talk(url, "made", lambda remote: tried(remote, True), KEY)
    assert verdict(findings) == FINE
    assert findings[-1].code == "pictures_left_out", "a text model: the picture's tokens are missing"
    assert verdict(talk(url, "made", lambda remote: tried(remote, False))) == KEY_REFUSED
    assert verdict(talk(url, "made", lambda remote: tried(remote, True), "another")) == KEY_REFUSED


@llama
def test_llama_cpp_server_notices_a_stop(llama_server):
    url, lines = llama_server
    deltas, done = talk(url, "made", lambda remote: asked(remote, 400, stop_after=2), KEY)
    assert len(deltas) == 2 and done.finish_reason == "cancelled"
    assert talk(url, "made", asked, KEY)[1].finish_reason in ("stop", "length"), "it goes on answering"
    assert any("isconnected" in line for line in lines)


@llama
def test_llama_cpp_server_with_too_much_text(llama_server):
    async def ask(remote):
        with pytest.raises(RemoteError) as raised:
            async for _event in remote.generate([Message("user", "Hello " * 2000)], Sampling()):
                raise AssertionError("no word of an answer")
        return raised.value

    url, _lines = llama_server
    assert talk(url, "made", ask, KEY).code in ("remote_empty", "remote_context_full")


@transformers
def test_transformers_serve_answers(tmp_path):
    from tests.fakes.made_transformers import make_glm4

    folder = make_glm4(tmp_path / "glm4")
    (folder / "processor_config.json").unlink(missing_ok=True)  # its video part needs torchvision
    (tmp_path / "hub" / "hub").mkdir(parents=True)
    command = ["transformers.cli.transformers", "serve", "--host", "127.0.0.1", "--port", "{port}"]
    environment = {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    with serving(*command, "--device", "cpu", Path(folder).as_posix(), **environment) as (url, _lines):

        async def twice(remote):
            first, done = await asked(remote)
            await asked(remote)
            return first, done, remote.left_out

        deltas, done, left_out = talk(url, str(folder), twice)
        assert deltas and done.counted and done.usage.completion_tokens > 0
        assert left_out == ("top_k", "min_p"), "it refuses what OpenAI's protocol lacks"
        findings = talk(url, str(folder), lambda remote: tried(remote, False))
        assert verdict(findings) == FINE
