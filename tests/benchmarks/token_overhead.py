"""What our path (protocol, pipe, asyncio) adds per token to a direct low-level decode loop, interleaved."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from autoglm_desktop.core import protocol
from autoglm_desktop.host.command import engine_command, engine_environment
from autoglm_desktop.host.process import EngineProcess
from autoglm_desktop.store import gguf_tiny

from .timing import PYTHON, median_range

TOKENS = 1000
ROUNDS = 15
DIRECT = Path(__file__).with_name("direct_loop.py")


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.gguf"
        gguf_tiny.write_tiny_glm4(model)
        direct, ours, engine = asyncio.run(_measure(model))
    added = [a - b for a, b in zip(ours, direct, strict=True)]
    return [
        f"Tiny glm4 (F16, 2 layers), greedy, {TOKENS} tokens a round, {ROUNDS} rounds, the two alternating.",
        "",
        f"- direct loop (sample, piece, decode by ctypes in one process): {median_range(direct, 'ms/token')}",
        f"- our path, as the application receives it: {median_range(ours, 'ms/token')}",
        f"- inside our engine: {median_range(engine, 'ms/token')}",
        f"- added: {statistics.median(added):.3f} ms/token median of the paired differences (aim: at most 0.3); "
        f"ratio {statistics.median(ours) / statistics.median(direct):.2f}",
    ]


async def _measure(model: Path):
    process = await EngineProcess.start(engine_command(Path(sys.executable)), engine_environment())
    direct, ours, inside = [], [], []
    loop_process = subprocess.Popen(
        [PYTHON, str(DIRECT), str(model), str(TOKENS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready = await process.job(protocol.Load("llama.cpp", str(model), 4096))
        assert isinstance(ready, protocol.Ready), ready
        for number in range(ROUNDS + 1):  # the first round warms up
            loop_process.stdin.write("go\n")
            loop_process.stdin.flush()
            seconds = float(await asyncio.to_thread(loop_process.stdout.readline))
            per_token, engine_per_token = await _ours(process, number)
            if number:
                direct.append(seconds * 1000 / TOKENS)
                ours.append(per_token)
                inside.append(engine_per_token)
    finally:
        loop_process.stdin.close()
        loop_process.wait()
        await process.close()
    return direct, ours, inside


async def _ours(process, number):
    clock = asyncio.get_running_loop().time
    sampling = protocol.Sampling(temperature=0.0, max_tokens=TOKENS)
    request = protocol.Generate(f"r{number}", (protocol.Message("user", "hello"),), sampling)
    first = last = 0.0
    count = 0
    async for event in process.generate(request):
        if isinstance(event, protocol.Delta):
            first = first or clock()
            last = clock()
            count = event.tokens
        elif isinstance(event, protocol.Done):
            speed = event.timings.tokens_per_s
    assert count >= TOKENS - 2, count
    return (last - first) * 1000 / (count - 1), 1000 / speed
