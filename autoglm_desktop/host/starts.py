"""From a plan to the ``load`` command: which environment, which files, which of its devices. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core import protocol
from ..core.engine_tuning import USUAL, Tuning
from ..core.limits import is_gpu
from ..core.rungs import RungPlan
from .environments import Environment

QUANTISATIONS = {"transformers-int8": "int8", "transformers-nf4": "nf4", "transformers-nf4-lean": "nf4-lean"}
PROOF_TOKENS_ON_CPU = 64
"""Of the picture that loading encodes on the processor. A screenshot takes one to three minutes there (docs/numbers.md,
section 5), and what it would prove on a card, that its buffer fits, is no question of a card's memory there."""
DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


@dataclass(frozen=True)
class Files:
    """What a plan is loaded from: a GGUF file or a folder, its projector file; ``saved``: where the 4-bit form lies or
    is to be written (``save``)."""

    model: Path
    projector: Path | None = None
    saved: Path | None = None
    save: bool = False


@dataclass(frozen=True)
class Start:
    """One way to load a model: a plan, the environment that runs it, its files. ``cards``: names of the machine's
    cards by ``gpu:0`` …; ``dtype``: what transformers computes in (bfloat16 | float16 | float32); ``tuning``: what the
    user set; ``batch``: text answers to write at once. ``apart``: what its file does says nothing of other files, and
    the crash memory keeps it apart. ``make`` makes what is still missing of the files just before they are used (a
    smaller projector)."""

    plan: RungPlan
    environment: Environment
    files: Files
    cards: tuple[tuple[str, str], ...] = ()
    dtype: str | None = None
    tuning: Tuning = USUAL
    make: Callable[[RungPlan], Awaitable[Files]] | None = None
    batch: int = 1
    apart: bool = False

    async def ready(self) -> Start:
        """With files that are there. Raises AppError."""
        return replace(self, files=await self.make(self.plan)) if self.make is not None else self


def load_job(start: Start, threads: int | None = None) -> protocol.Load:
    """The command that loads what ``start`` says."""
    plan, files, environment = start.plan, start.files, start.environment
    transformers = environment.description.backend == "transformers"
    keys = tuple(plan.layers_by_gpu) or tuple(key for key in plan.memory if key.startswith("gpu:"))
    devices = native_devices(keys, environment.record.devices, dict(start.cards))
    dtype = DTYPES.get(plan.dtype or "") or DTYPES.get(start.dtype or "")
    return protocol.Load(
        backend=environment.description.backend,
        model=str(files.model),
        context=plan.context or 4096,
        gpu_layers=plan.gpu_layers or 0,
        kv_type=plan.kv_type or "f16",
        threads=start.tuning.threads or threads,
        options=_options(start),
        projector=_largest_picture(plan) if transformers else _projector(plan, files),
        devices=devices,
        split=tuple(plan.layers_by_gpu.values()) if len(plan.layers_by_gpu) > 1 else (),
        dtype=dtype if transformers else None,
        quantisation=QUANTISATIONS.get(plan.rung),
        max_memory=room_for_weights(plan) if transformers else {},
        saved=str(files.saved) if files.saved is not None else None,
        save=files.save,
        batch=start.batch,
    )


def _options(start: Start) -> protocol.EngineOptions:
    """The rung's, or the safe ones that the environment's self-test needed, with what the user set."""
    record = start.environment.record
    options = record.options if record.self_test == "safe_mode" else start.plan.options
    return start.tuning.applied(options)


def _projector(plan: RungPlan, files: Files) -> protocol.Projector | None:
    if files.projector is None or plan.projector == "none":
        return None
    tokens = plan.phone_step.image_tokens if plan.phone_step is not None else 0
    if plan.projector == "gpu":
        return protocol.Projector(str(files.projector), True, tokens)
    return protocol.Projector(str(files.projector), False, tokens, PROOF_TOKENS_ON_CPU)


def _largest_picture(plan: RungPlan) -> protocol.Projector | None:
    """A folder brings its vision part with it; told is only the picture that loading proves on a card. On the processor
    that would take minutes, so a small one is proved there."""
    on_card = any(key.startswith("gpu:") for key in plan.memory)
    if plan.phone_step is None or not on_card:
        return None
    return protocol.Projector("", True, plan.phone_step.image_tokens)


def room_for_weights(plan: RungPlan) -> dict[str, int]:
    """Bytes that weights may take on each device: what is free without the margin and what a request needs."""
    return {
        key: max(0, memory.available - memory.margin - memory.kv_cache - memory.compute - memory.overhead)
        for key, memory in plan.memory.items()
        if memory.available is not None
    }


def native_devices(keys: Sequence[str], devices: Sequence[str], cards: Mapping[str, str]) -> tuple[str, ...]:
    """The engine's own names of the cards that a plan calls ``gpu:0`` …; empty (the engine's choice) where it has one
    card only, or where a card can't be told.

    By the card's name first, since Vulkan numbers cards in another order than NVML; several cards of one name are in
    the same order in both.
    """
    labels = [label for label in devices if is_gpu(label)]
    if not keys or len(labels) < 2:
        return ()
    found = []
    for key in keys:
        name = cards.get(key)
        if name is None:
            return ()
        same = [other for other in sorted(cards) if cards[other] == name]
        named = [label for label in labels if _card_of(label, cards.values()) == name]
        if len(named) < len(same):
            return ()
        found.append(named[same.index(key)].partition(" (")[0])
    return tuple(found)


def _card_of(label: str, names: Iterable[str]) -> str | None:
    """The card that an engine's name of a device tells of. The longest name counts: one may begin another (RTX 4060,
    RTX 4060 Ti)."""
    return max((name for name in names if name.lower() in label.lower()), key=len, default=None)
