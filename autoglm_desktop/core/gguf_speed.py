"""The speeds of a GGUF placement: what lies where, at which pace. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from . import speed
from .memory import Placement, kv_bytes, kv_on_gpu
from .pace import Pace
from .setting import Setting
from .speed import Share
from .subject import GgufWeights


@dataclass(frozen=True)
class Speeds:
    """As in a RungPlan. ``basis``: ``measured`` where every device that works was measured on this very variant. How
    long an image takes is never measured yet, so a phone step is an estimate."""

    tokens_per_s: float | None
    prompt_tokens_per_s: float | None
    image_s: float | None
    phone_step_s: float | None
    basis: str


def speeds(setting: Setting, rung: str, weights: GgufWeights, place: Placement) -> Speeds:
    """Of a placement; unknown where the pace of a device that works is."""
    paces = setting.gpu_paces(weights) if place.gpu_layers else ()
    cpu = setting.cpu_pace(weights, safe=rung == "gguf-cpu-safe")
    on_cards, host = shares(setting, weights, place)
    cells = min(setting.need.filled, place.context)
    works = [*zip(on_cards, paces, strict=True), (host, cpu)]
    decode = _sum([speed.decode_s(share, how, cells) for share, how in works])
    tokens = setting.need.read_tokens
    prefill = _prefill(setting, works, tokens)
    planned = setting.need.step if place.projector != "none" else None
    image = step = None
    if planned is not None:
        image = speed.image_s(paces[0] if place.projector == "gpu" else cpu, setting.need.image_tokens)
        if place.context >= planned.tokens:
            prompt = tokens / prefill if prefill else None
            step = speed.phone_step(planned, image, prompt, 1 / decode if decode else None)
    sure = planned is None and all(how.layer is not None for share, how in works if not share.empty)
    return Speeds(
        1 / decode if decode else None,
        tokens / prefill if prefill else None,
        image,
        step,
        "measured" if sure else "estimated",
    )


def shares(setting: Setting, weights: GgufWeights, place: Placement) -> tuple[list[Share], Share]:
    """What lies on each card, and in RAM."""
    shape, table = setting.subject.shape, weights.table
    filled = kv_bytes(shape, min(setting.need.filled, place.context), place.kv_type)
    behind = k = place.gpu_layers
    cards = []
    for count in (place.split or (k,)) if k else ():
        rest = behind - count
        layers = _repeating(shape.layers, behind) - _repeating(shape.layers, rest)
        head = table.output if rest == 0 and count else 0
        size = table.on_gpu(behind) - table.on_gpu(rest) - head
        cards.append(
            Share(layers, size, head, kv_on_gpu(shape, filled, behind) - kv_on_gpu(shape, filled, rest))
        )
        behind = rest
    layers = shape.layers - _repeating(shape.layers, k)
    head = 0 if k else table.output
    size = table.full_gpu - table.on_gpu(k) - head
    return cards, Share(layers, size, head, filled - kv_on_gpu(shape, filled, k))


def _repeating(layers: int, gpu_layers: int) -> int:
    return min(max(gpu_layers - 1, 0), layers)


def _prefill(setting: Setting, works: list[tuple[Share, Pace]], tokens: int) -> float | None:
    """Seconds; layers in RAM beside a card are carried to it."""
    shape = setting.subject.shape
    *cards, (host, cpu) = works
    times = [speed.prefill_s(share, how, shape, tokens) for share, how in cards]
    if cards:
        times.append(speed.carried_s(host, cards[0][1], shape, tokens))
    else:
        times.append(speed.prefill_s(host, cpu, shape, tokens))
    return _sum(times)


def _sum(times: list[float | None]) -> float | None:
    """All of them together; None where one is unknown."""
    known = [seconds for seconds in times if seconds is not None]
    return sum(known) if len(known) == len(times) else None
