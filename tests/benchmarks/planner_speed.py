"""The speed of full-size files (AutoGLM-Phone-9B's shapes, random weights) as told by small cuts, and as it is.

Cuts are timed before and after the whole model runs, each time within 15 s: two predictions. The machine should do
nothing else. ``python -m tests.benchmarks.planner_speed [--type Q4_K_M] [--phone]``; AUTOGLM_BENCHMARK_FOLDER keeps
the files.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autoglm_desktop.core import protocol
from autoglm_desktop.core.cut_times import solve
from autoglm_desktop.core.cuts import measure_job, plan_cuts
from autoglm_desktop.core.shapes import AUTOGLM_PHONE_9B
from autoglm_desktop.host.command import engine_command, engine_environment
from autoglm_desktop.host.process import EngineProcess
from autoglm_desktop.probe.cpu import probe_cpu
from autoglm_desktop.store import gguf_tiny

from .timing import PYTHON

TYPES = ("Q4_K_M", "Q8_0")
RUNGS = (("gguf-cpu", True), ("gguf-cpu-safe", False))
LIMIT_S = 12.0
"""For timing; starting three engines comes on top."""
TEXT_TOKENS, PHONE_TOKENS = 512, 5354
REPLY_TOKENS = 32
QUIET, TRIES = 1.1, 3
"""How far the predictions before and after may be apart, and how often a noisy comparison is made."""


def measure() -> list[str]:
    """All types and both wishes: some 25 minutes on two cores."""
    return run(TYPES, phone=True)


def run(types, *, phone: bool) -> list[str]:
    kept = os.environ.get("AUTOGLM_BENCHMARK_FOLDER")
    if kept:
        return _run(Path(kept), types, phone)
    with tempfile.TemporaryDirectory() as folder:
        return _run(Path(folder), types, phone)


def _run(folder: Path, types, phone: bool) -> list[str]:
    lines = [
        f"Decode and prefill of the whole model behind {TEXT_TOKENS} tokens"
        + (f" and {PHONE_TOKENS} (phone)" if phone else "")
        + ", predicted from cuts before and after it ran; aim: within 15 %.",
        "",
        "| type | rung | tokens | decode is | predicted | | prefill is | predicted | | cuts |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for ftype in types:
        path = full_size_file(folder, ftype)
        _read(path)
        with tempfile.TemporaryDirectory(dir=folder) as cuts_folder:
            plan, written = _write_cuts(Path(cuts_folder), ftype)
            for rung, extra in RUNGS:
                for tokens in (TEXT_TOKENS, PHONE_TOKENS) if phone else (TEXT_TOKENS,):
                    lines.append(_row(path, Path(cuts_folder), plan, written, rung, extra, tokens))
                    print(lines[-1], file=sys.stderr, flush=True)
        if not os.environ.get("AUTOGLM_BENCHMARK_FOLDER"):
            path.unlink()
    return lines


def full_size_file(folder: Path, ftype: str) -> Path:
    path = folder / f"made-autoglm-phone-9b-{ftype.lower()}.gguf"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [PYTHON, "-m", "tests.fakes.make_gguf", "--layers", "40", "--type", ftype, str(path)], check=True
        )
    return path


def _read(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def _write_cuts(folder: Path, ftype: str):
    """(the plan, seconds to write it)"""
    begun = time.perf_counter()
    plan = plan_cuts(AUTOGLM_PHONE_9B, ftype, cache_bytes=probe_cpu().l3_bytes)
    for cut in plan.files:
        gguf_tiny.write_cut(folder / f"{cut.name}.gguf", cut.shapes, dict(cut.types), ftype)
    return plan, time.perf_counter() - begun


def _row(path, folder, plan, written, rung, extra, tokens) -> str:
    """One comparison; anew, ``TRIES`` times, while the predictions before and after tell of a machine that changed."""
    for _ in range(TRIES):
        line, quiet = _compare(path, folder, plan, written, rung, extra, tokens)
        if quiet:
            return line
    return line.removesuffix(" |") + "; **not quiet** |"


def _compare(path, folder, plan, written, rung, extra, tokens):
    """(the line, whether both predictions are alike)"""
    options = protocol.EngineOptions(use_extra_bufts=extra)
    before, first_s = _predict(folder, plan, options)
    prompt_tokens, decode, prefill = asyncio.run(_whole(path, options, tokens))
    after, second_s = _predict(folder, plan, options)
    told = [speed for speed in (before, after) if speed is not None]
    decodes = [speed.decode_s(40, prompt_tokens + REPLY_TOKENS // 2) for speed in told]
    prefills = [speed.prefill_s(40, prompt_tokens) for speed in told]
    cells = [
        plan.variant, rung, str(prompt_tokens),
        f"{1 / decode:.2f}/s", " ".join(f"{1 / seconds:.2f}" for seconds in decodes) or "busy",
        " ".join(f"{decode / seconds - 1:+.1%}" for seconds in decodes),
        f"{prompt_tokens / prefill:.1f}/s", " ".join(f"{prompt_tokens / s:.1f}" for s in prefills) or "busy",
        " ".join(f"{prefill / seconds - 1:+.1%}" for seconds in prefills),
        f"{plan.written_bytes / 1e9:.2f} GB, {written:.1f} + {first_s:.1f}, {second_s:.1f} s",
    ]  # fmt: skip
    quiet = len(told) == 2 and all(max(pair) <= QUIET * min(pair) for pair in (decodes, prefills))
    return "| " + " | ".join(cells) + " |", quiet


def _predict(folder: Path, plan, options):
    """(the speeds from one pass over the cuts, seconds that took)"""
    begun = time.perf_counter()
    on = protocol.Measure("llama.cpp", "", options=options)
    times = {}
    for cut in plan.files:
        job = measure_job(cut, str(folder / f"{cut.name}.gguf"), on, LIMIT_S)
        answer = asyncio.run(_ask(job))
        assert isinstance(answer, protocol.Measured), answer
        times[cut.name] = [answer]
    return solve(plan, "cpu", times), time.perf_counter() - begun


async def _ask(job):
    process = await EngineProcess.start(engine_command(Path(sys.executable)), engine_environment())
    try:
        await process._send(job)
        while isinstance(event := await process._next(None), protocol.Progress):
            pass
        return event
    finally:
        await process.close()


async def _whole(path: Path, options, tokens: int):
    """(prompt tokens, seconds of a decoded token behind them, seconds to read them) of the real path."""
    process = await EngineProcess.start(engine_command(Path(sys.executable)), engine_environment())
    try:
        ready = await process.job(protocol.Load("llama.cpp", str(path), 8192, options=options))
        assert isinstance(ready, protocol.Ready), ready
        text = "0" * (tokens - 8)  # a token each; the template's come on top
        sampling = protocol.Sampling(temperature=0.0, max_tokens=REPLY_TOKENS)
        async for event in process.generate(
            protocol.Generate("r", (protocol.Message("user", text),), sampling)
        ):
            last = event
        assert isinstance(last, protocol.Done), last
        count = last.usage.prompt_tokens
        return count, 1 / last.timings.tokens_per_s, count / last.timings.prompt_tokens_per_s
    finally:
        await process.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--type", action="append", choices=TYPES)
    parser.add_argument(
        "--phone", action="store_true", help="also behind a phone step's tokens: minutes each"
    )
    options = parser.parse_args()
    print("\n".join(run(options.type or TYPES, phone=options.phone)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
