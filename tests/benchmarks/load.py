"""Loading a full-size file (40 layers of AutoGLM-Phone-9B's shapes, random weights) that is in the page cache."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autoglm_desktop.core import protocol
from autoglm_desktop.host.command import engine_command, engine_environment
from autoglm_desktop.host.process import EngineProcess

from .timing import PYTHON, median_range

ROUNDS = 4


def full_size_file(folder: Path) -> Path:
    """The generated file; AUTOGLM_BENCHMARK_FOLDER keeps it between runs (5.8 GB)."""
    path = folder / "made-autoglm-phone-9b-q4_k_m.gguf"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [PYTHON, "-m", "tests.fakes.make_gguf", "--layers", "40", "--type", "Q4_K_M", str(path)]
        subprocess.run(command, check=True)
    return path


def measure() -> list[str]:
    kept = os.environ.get("AUTOGLM_BENCHMARK_FOLDER")
    if kept:
        return _measure(full_size_file(Path(kept)))
    with tempfile.TemporaryDirectory() as folder:
        return _measure(full_size_file(Path(folder)))


def _measure(path: Path) -> list[str]:
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass
    lines = [
        f"File: {path.stat().st_size / 2**30:.3f} GiB, read once before (page cache), context 4096, KV f16.",
        "",
    ]
    for name, extra in (
        ("fast kernels (weights repacked into RAM)", True),
        ("safe options (mapped, no repack)", False),
    ):
        found = [asyncio.run(_load(path, extra)) for _ in range(ROUNDS)]
        ready = [total for total, _warm, _rss, _speed, _prompt in found]
        before = [total - warm for total, warm, *_rest in found]
        lines += [
            f"- {name}: to `ready` {median_range(ready, digits=2)}, of which before the warm-up "
            f"{median_range(before, digits=2)}; RSS {found[-1][2] / 2**30:.2f} GiB; "
            f"decode {max(f[3] for f in found):.2f} tokens/s, prefill {max(f[4] for f in found):.1f} tokens/s (best)",
        ]
    lines.append("- aim: at most 1 s to `ready`, warm-up apart")
    return lines


async def _load(path: Path, extra: bool):
    """(seconds to ready, seconds of the warm-up, RSS bytes, decode tokens/s, prefill tokens/s)"""
    begun = time.perf_counter()
    warm_up_began = 0.0

    def progress(event):
        nonlocal warm_up_began
        if event.phase == "warm_up" and not warm_up_began:
            warm_up_began = time.perf_counter()

    process = await EngineProcess.start(engine_command(Path(sys.executable)), engine_environment())
    try:
        options = protocol.EngineOptions(use_extra_bufts=extra)
        ready = await process.job(protocol.Load("llama.cpp", str(path), 4096, options=options), progress)
        done = time.perf_counter()
        assert isinstance(ready, protocol.Ready), ready
        text = "How many tokens does this prompt have, and how fast are they read? " * 12
        sampling = protocol.Sampling(temperature=0.0, max_tokens=24)
        request = protocol.Generate("r", (protocol.Message("user", text),), sampling)
        async for event in process.generate(request):
            last = event
        rss = process.memory.resident_bytes
        return (
            done - begun,
            done - warm_up_began,
            rss,
            last.timings.tokens_per_s,
            last.timings.prompt_tokens_per_s,
        )
    finally:
        await process.close()
