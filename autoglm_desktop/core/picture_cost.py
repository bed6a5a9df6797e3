"""What showing a picture to the loaded model costs, at the sizes to choose from. Pure; tokens, seconds, bytes.

Nothing is guessed here: times are the plan's or the engine's own, taken to another size by the planner's formula
(docs/numbers.md, section 12). Unknown is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from . import speed
from .memory import cells
from .pictures import MOST_TOKENS, PictureSize, shown_size
from .rungs import RungPlan

SHARES = (1.0, 3 / 4, 1 / 2, 1 / 3, 1 / 4)
"""Of the sides of the largest size that can be shown."""
MOST_DISTORTED = 1.25
"""How far the sides' ratio may be from that of the largest size: tiny and narrow pictures have few sizes."""
ESTIMATE_SPREAD = 0.15
"""Below and above an estimate, as ``texts.values`` shows it; a test holds both to the same."""


@dataclass(frozen=True)
class Range:
    """From the least to the most that is likely; the same twice where it was measured."""

    low: float
    high: float


@dataclass(frozen=True)
class PictureCost:
    """``seconds`` until the reply can begin: encoding the picture and reading its tokens. ``kv_bytes``: its share of
    the KV cache, which was reserved when the model was loaded: sending a picture takes no more memory than that."""

    tokens: int
    seconds: Range | None
    kv_bytes: int | None


def choices(width: int, height: int, most: int = MOST_TOKENS) -> tuple[PictureSize, ...]:
    """The sizes to choose from for a picture of ``width`` × ``height`` pixels, the largest first, none twice, each of
    at most ``most`` tokens; the smaller ones only where they keep its shape; none where there is no room for any.

    Raises AppError(picture_too_narrow).
    """
    if most < 1:
        return ()
    full = shown_size(width, height, most)
    found = [full]
    for share in SHARES[1:]:
        size = shown_size(width, height, max(1, math.floor(full.tokens * share**2)))
        if size.tokens < found[-1].tokens and _alike(size, full):
            found.append(size)
    return tuple(found)


def cost(size: PictureSize, plan: RungPlan | None, *, image_s: float | None = None) -> PictureCost:
    """Of a picture at a size with a plan. ``image_s``: what encoding the plan's largest picture took while the model
    was loaded (``Proof.image_s``), which goes before the plan's own figure."""
    if plan is None:
        return PictureCost(size.tokens, None, None)
    return PictureCost(size.tokens, _seconds(size.tokens, plan, image_s), _kv_bytes(size.tokens, plan))


def _alike(size: PictureSize, full: PictureSize) -> bool:
    ratio = size.width * full.height / (size.height * full.width)
    return 1 / MOST_DISTORTED <= ratio <= MOST_DISTORTED


def _seconds(tokens: int, plan: RungPlan, measured_s: float | None) -> Range | None:
    """Encoding goes with ``speed.vision_flop``: a linear part, and attention, which grows with the square."""
    largest_s = measured_s if measured_s is not None else plan.image_s
    step, reading = plan.phone_step, plan.prompt_tokens_per_s
    if largest_s is None or step is None or step.image_tokens < 1 or not reading:
        return None
    encoding = largest_s * speed.vision_flop(tokens) / speed.vision_flop(step.image_tokens)
    prefill = tokens / reading
    sure = plan.basis.speed == "measured"
    encoding_spread = 0.0 if sure or measured_s is not None else ESTIMATE_SPREAD * encoding
    spread = encoding_spread + (0.0 if sure else ESTIMATE_SPREAD * prefill)
    seconds = encoding + prefill
    return Range(seconds - spread, seconds + spread)


def _kv_bytes(tokens: int, plan: RungPlan) -> int | None:
    """The same share of the KV cache as of the context; llama.cpp's is made for a multiple of cells."""
    whole = sum(memory.kv_cache for memory in plan.memory.values())
    if not whole or not plan.context:
        return None
    return whole * tokens // (cells(plan.context) if plan.rung.startswith("gguf") else plan.context)
