"""What threads, memory lock, huge pages and NUMA options do to prefill and decode of llama.cpp on the processor: each
against the planner's default, all engines loaded at once and asked in turn. A second default engine tells the noise."""

import asyncio
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from autoglm_desktop.core import protocol
from autoglm_desktop.probe.cpu import probe_cpu

from .talking import engine

ROUNDS = 7
LAYERS, CONTEXT, REPLY_TOKENS = 3, 1024, 24
WORDS = "Tap the button, wait for the page, then read it aloud and go on. " * 2
DEFAULT, AGAIN = "default", "the same again (noise)"


def measure() -> list[str]:
    from tests.fakes.make_gguf import make_autoglm

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.gguf"
        size = make_autoglm(path, layers=LAYERS, ftype="Q4_K_M")
        proofs, speeds, tokens = asyncio.run(_measure(path))
    default = _default_threads()
    lines = [
        f"{LAYERS} layers of AutoGLM-Phone-9B's shapes (Q4_K_M, {size / 1e9:.2f} GB), prompt of {tokens} tokens,",
        f"{REPLY_TOKENS} answered, {ROUNDS} rounds. Ratios of tokens/s to the default ({default} threads, as the",
        "application sends) in the same round: median (lowest–highest). An effect counts where the median lies outside",
        "of the noise row's range.",
        "",
        "| option | threads, by the engine | came true | prefill | decode |",
        "|---|---|---|---|---|",
    ]
    for name in speeds:
        if name != DEFAULT:
            lines.append(_row(name, proofs[name], speeds))
    at = [statistics.median(one) for one in zip(*speeds[DEFAULT], strict=True)]
    return [*lines, "", f"- the default itself: prefill {at[0]:.1f}, decode {at[1]:.2f} tokens/s"]


def _default_threads() -> int | None:
    cpu = probe_cpu()
    return cpu.performance_cores or cpu.physical_cores


def _jobs(path: str) -> dict[str, protocol.Load]:
    cpu, default = probe_cpu(), _default_threads()

    def job(threads=default, **options) -> protocol.Load:
        return protocol.Load(
            "llama.cpp", path, CONTEXT, threads=threads, options=protocol.EngineOptions(**options)
        )

    counts = {
        "one thread": 1,
        "physical cores": cpu.physical_cores,
        "performance cores": cpu.performance_cores,
        "logical cores": cpu.logical_cores,
        "twice the logical cores": 2 * (cpu.logical_cores or 1),
    }
    seen, threads = {default}, {}
    for name, count in counts.items():
        if count is not None and count not in seen:
            seen.add(count)
            threads[name] = job(count)
    return {
        DEFAULT: job(),
        AGAIN: job(),
        **threads,
        "memory lock": job(memory_lock=True),
        "huge pages": job(huge_pages=True),
        "memory lock and huge pages": job(memory_lock=True, huge_pages=True),
        "numa distribute": job(numa="distribute"),
        "numa isolate": job(numa="isolate"),
    }


async def _measure(path: Path):
    """(proofs by name, [(prefill, decode), …] by name, the prompt's tokens)"""
    async with AsyncExitStack() as stack:
        loaded = {
            name: await stack.enter_async_context(engine(job)) for name, job in _jobs(str(path)).items()
        }
        speeds = {name: [] for name in loaded}
        for number in range(ROUNDS + 1):  # the first round warms up
            order = list(loaded.items())
            for name, one in order[number % len(order) :] + order[: number % len(order)]:
                said = await one.ask([protocol.Message("user", f"{number} {WORDS}")], REPLY_TOKENS)
                if number:
                    speeds[name].append((said.timings.prompt_tokens_per_s, said.timings.tokens_per_s))
            print(f"round {number} of {ROUNDS}", file=sys.stderr, flush=True)
        return {name: one.proof for name, one in loaded.items()}, speeds, said.usage.prompt_tokens


def _row(name: str, proof: protocol.Proof, speeds) -> str:
    cells = [name, str(proof.threads), _came_true(name, proof.options)]
    for kind in (0, 1):
        pairs = zip(speeds[name], speeds[DEFAULT], strict=True)
        ratios = [one[kind] / other[kind] for one, other in pairs]
        cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")
    return "| " + " | ".join(cells) + " |"


def _came_true(name: str, held: protocol.EngineOptions) -> str:
    """What the engine says of the row's options."""
    asked = {
        "lock": (held.memory_lock, "memory lock"), "huge": (held.huge_pages, "huge pages"), "numa": (held.numa, "numa"),
    }  # fmt: skip
    told = ["yes" if is_held else f"no {word}" for key, (is_held, word) in asked.items() if key in name]
    return ", ".join(dict.fromkeys(told)) or "–"
