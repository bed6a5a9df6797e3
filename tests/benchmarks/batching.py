"""How much more 2 and 4 text answers at once give than one after the other, and what a batch costs a lone answer.

transformers' continuous batching through our engine's process, made models; figures are ratios within one run.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from autoglm_desktop.core import protocol
from autoglm_desktop.host.command import engine_command, engine_environment
from autoglm_desktop.host.process import EngineProcess

from .timing import median_range

ROUNDS = 3
TOKENS = 48
CONTEXT = 4096
AT_ONCE = (1, 2, 4)
SHAPES = {"tiny, 2 layers": (128, 2), "medium, 8 layers": (512, 8)}
WORDS = "Tap the button, wait for the page, then read it aloud and go on. "


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        rows = [asyncio.run(_rows(Path(folder), name, *shape)) for name, shape in SHAPES.items()]
    return [
        f"Answers of {TOKENS} tokens to prompts of about 20 and 300 tokens, greedy, fp32 on the processor, {ROUNDS} "
        "rounds; all tokens by the time of all",
        "answers, beside the same engine without a batch, which writes them one after the other.",
        "",
        "| model | at once | tokens/s of all | times one after the other |",
        "|---|---|---|---|",
        *[row for found, _ in rows for row in found],
        "",
        *[line for _, line in rows],
    ]


async def _rows(folder: Path, name: str, width: int, layers: int) -> tuple[list[str], str]:
    import transformers

    from tests.fakes.made_transformers import TEXT, make_text

    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    shape = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers}
    config = transformers.Glm4Config(
        **{**TEXT, **shape, "head_dim": width // 4}, rope_parameters=rope, pad_token_id=None
    )
    model = make_text(folder / f"{width}", config)
    plain, batched = await _loaded(model, 1), await _loaded(model, max(AT_ONCE))
    try:
        found: dict[int, list[tuple[float, float]]] = {count: [] for count in AT_ONCE}
        first: dict[str, list[float]] = {"plain": [], "batched": []}
        for number in range(ROUNDS + 1):  # the first round warms up
            for count in AT_ONCE:
                alone, together = await _speed(plain, count), await _speed(batched, count)
                if number:
                    found[count].append((together, alone))
            for key, engine in (("plain", plain), ("batched", batched)):
                first[key] += [await _first(engine) for _ in range(5 if number else 0)]
    finally:
        await plain.close()
        await batched.close()
    rows = [
        f"| {name} | {count} | {median_range([a for a, _ in pairs], '', 0).strip()} | "
        f"{statistics.median(a / b for a, b in pairs):.2f} |"
        for count, pairs in found.items()
    ]
    added = statistics.median(first["batched"]) - statistics.median(first["plain"])
    return rows, f"- {name}: a lone answer's first token comes {added * 1000:+.1f} ms later in a batch of one"


async def _loaded(model: Path, batch: int) -> EngineProcess:
    process = await EngineProcess.start(engine_command(Path(sys.executable)), engine_environment())
    job = protocol.Load("transformers", str(model), CONTEXT, dtype="fp32", threads=1, batch=batch)
    ready = await process.job(job)
    if not isinstance(ready, protocol.Ready) or ready.proof.batch != batch:
        await process.close()
        raise RuntimeError(f"not loaded for {batch} answers at once: {process.stderr_tail[-400:]}")
    return process


async def _speed(engine: EngineProcess, count: int) -> float:
    """Tokens/s of ``count`` answers asked for at the same time."""
    begun = time.perf_counter()
    tokens = await asyncio.gather(*(_ask(engine, f"{count} {n} {time.monotonic_ns()}") for n in range(count)))
    return sum(tokens) / (time.perf_counter() - begun)


async def _ask(engine: EngineProcess, name: str) -> int:
    text = name + " " + WORDS * (4 if int(name.split()[1]) % 2 else 1)
    last = [event async for event in engine.generate(_request(name, text, TOKENS))][-1]
    assert isinstance(last, protocol.Done), last
    return last.usage.completion_tokens


async def _first(engine: EngineProcess) -> float:
    """Seconds until the first token of a lone answer, as the application sees it."""
    begun = time.perf_counter()
    request = _request(f"first {time.monotonic_ns()}", "hello", 4)
    seconds = None
    async for _event in engine.generate(request):
        seconds = seconds or time.perf_counter() - begun
    assert seconds is not None
    return seconds


def _request(name: str, text: str, tokens: int) -> protocol.Generate:
    sampling = protocol.Sampling(temperature=0.0, max_tokens=tokens)
    return protocol.Generate(name, (protocol.Message("user", text),), sampling)
