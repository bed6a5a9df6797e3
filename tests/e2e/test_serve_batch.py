"""``serve --batch-size`` as a process: several streams at once where the engine can, a word where it can't."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path

import httpx
import pytest

from autoglm_desktop.store import gguf_tiny

ROOT = Path(__file__).resolve().parents[2]
BODY = {"messages": [{"role": "user", "content": "你好"}], "stream": True, "max_tokens": 4000}
ENDLESS = ("--tokens", "100000", "--delay", "0.01")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@contextlib.asynccontextmanager
async def serving(home, mode, size):
    """(address, what it said on stderr until it was ready)"""
    model = home / "模型.gguf"
    gguf_tiny.write_tiny_glm4(model)
    command = ["-m", "tests.fakes.fake_services", str(home), *mode, "--", "--lang", "en", "serve", str(model)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--port", "0", "--batch-size", str(size),
        cwd=ROOT, env={**os.environ, "AUTOGLM_HOME": str(home)}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    said = ""
    try:
        while "Ctrl-C" not in said:
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
        yield re.search(r"http://[\d.]+:\d+", said)[0], said
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0


async def spoken(lines):
    """Read a stream until its first words."""
    async for line in lines:
        if line.startswith("data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
            return
    raise AssertionError("the stream ended before it said anything")


def run(work):
    return asyncio.run(asyncio.wait_for(work, 90))


def test_so_many_streams_speak_at_once_and_one_that_leaves_makes_room(tmp_path):
    async def work():
        async with (
            serving(tmp_path, ("ok", "--batch", *ENDLESS), 3) as (address, said),
            httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as client,
            contextlib.AsyncExitStack() as rest,
        ):
            streams = []
            for _ in range(3):
                stack = await rest.enter_async_context(contextlib.AsyncExitStack())
                answer = await stack.enter_async_context(
                    client.stream("POST", "/v1/chat/completions", json=BODY)
                )
                lines = answer.aiter_lines()
                await spoken(lines)  # none of them ends by itself: all three run now
                streams.append((stack, lines))
            health = (await client.get("/health")).json()
            await streams[0][0].aclose()
            late = await rest.enter_async_context(client.stream("POST", "/v1/chat/completions", json=BODY))
            await spoken(late.aiter_lines())
            await spoken(streams[1][1])
            return said, health

    said, health = run(work())
    assert "--batch-size" not in said
    assert health["queue"]["answering"] == 3


def test_an_engine_that_writes_one_at_a_time_says_so_once(tmp_path):
    async def work():
        async with serving(tmp_path, ("ok", *ENDLESS), 3) as (_, said):
            return said

    said = run(work())
    assert said.count("--batch-size has no effect: gguf-cpu writes one answer at a time.") == 1
