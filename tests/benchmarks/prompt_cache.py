"""How much sooner the second turn of a 4k-token conversation starts because of the prompt cache: the same request to
the same engine, behind the first turn and behind another conversation, alternating. Made models of 24 M parameters."""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from autoglm_desktop.core import protocol
from autoglm_desktop.store import gguf_tiny

from .talking import engine
from .timing import median_range

ROUNDS = 3
TOKENS, REPLY_TOKENS = 4000, 16
CONTEXT = 6144
SIDES = (28 * 40, 28 * 50)  # 2,000 cells
HIDDEN, LAYERS = 512, 8
WORDS = "Tap the button, wait for the page, then read it aloud and go on. "


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            f"Time to the first token of turn 2 (turn 1: about {TOKENS} tokens and {REPLY_TOKENS} answered), "
            f"{ROUNDS} rounds, the two",
            "alternating; aim: at least 10 times as soon.",
            "",
            "| backend | history | model | tokens | of them cached | first token without | with | times as soon |",
            "|---|---|---|---|---|---|---|---|",
            *asyncio.run(_all(Path(folder))),
        ]


async def _all(folder: Path) -> list[str]:
    from tests.fakes import made_glm4v, made_pair

    text = folder / "text.gguf"
    gguf_tiny.write_tiny_glm4(
        text, hidden=HIDDEN, layers=LAYERS, feed_forward=1504, context=8192, weight_type="Q8_0"
    )
    projector = made_glm4v.write_projector(folder / "mmproj.gguf", out=HIDDEN)
    cells = SIDES[0] // 28 * (SIDES[1] // 28)
    seeing = protocol.Projector(str(projector), image_tokens=cells)
    picture = made_glm4v.write_picture(folder / "picture.rgb", *SIDES)
    plain = made_pair.make_pair(folder / "glm4", width=512, layers=8)
    visual = made_pair.make_pair(folder / "glm4v", "glm4v", width=512, layers=8)
    llama, torch = "glm4, 24 M, Q8_0", "24 M, fp32"
    return [
        await _row(protocol.Load("llama.cpp", str(text), CONTEXT), llama, None),
        await _row(protocol.Load("llama.cpp", str(text), CONTEXT, projector=seeing), llama, picture),
        await _row(
            protocol.Load("transformers", str(plain.folder), CONTEXT, dtype="fp32"), f"glm4, {torch}", None
        ),
        await _row(
            protocol.Load("transformers", str(visual.folder), CONTEXT, dtype="fp32"),
            f"glm4v, {torch}",
            picture,
        ),
    ]


async def _row(job: protocol.Load, model: str, picture) -> str:
    async with engine(job) as loaded:
        ask = loaded.ask
        parts = [{"type": "text", "text": WORDS}] + ([picture] if picture is not None else [])
        one = await ask([protocol.Message("user", parts)], 1)
        each = (await ask([protocol.Message("user", WORDS * 11)], 1)).usage.prompt_tokens
        each = (each - (await ask([protocol.Message("user", WORDS)], 1)).usage.prompt_tokens) / 10
        more = round((TOKENS - one.usage.prompt_tokens) / each)
        parts[0] = {"type": "text", "text": WORDS * (more + 1)}
        first = protocol.Message("user", parts)
        other = [protocol.Message("user", "Something else. " * 3)]
        cold, warm = [], []
        for number in range(ROUNDS):
            await ask(other, 1)
            said = await ask([first], REPLY_TOKENS)
            turns = [
                first,
                protocol.Message("assistant", said.text),
                protocol.Message("user", f"And then? {number}"),
            ]
            kept = await ask(turns, 1)
            warm.append(kept.first_token_s)
            await ask(other, 1)
            anew = await ask(turns, 1)
            cold.append(anew.first_token_s)
            assert anew.usage.cached_tokens < 32 and anew.usage.prompt_tokens == kept.usage.prompt_tokens, (
                anew
            )
    cells = [
        job.backend,
        f"with a picture of {kept.usage.image_tokens} tokens" if picture is not None else "text",
        model,
        str(kept.usage.prompt_tokens),
        str(kept.usage.cached_tokens),
        median_range(cold, digits=2),
        median_range(warm),
        f"{statistics.median(a / b for a, b in zip(cold, warm, strict=True)):.0f} "
        f"({min(a / b for a, b in zip(cold, warm, strict=True)):.0f} at least)",
    ]
    line = "| " + " | ".join(cells) + " |"
    print(line, file=sys.stderr, flush=True)
    return line
