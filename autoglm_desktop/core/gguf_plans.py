"""Placements of a GGUF on a machine: KV type x projector's place and type x layers on the GPU; the best one. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace

from . import choice, gguf_speed
from .errors import Reason
from .memory import Placement, cards_memory, gguf_memory, room_for_layers
from .rungs import Basis, RungPlan
from .setting import Setting
from .speed import load
from .subject import GgufWeights, Subject
from .wishes import PHONE_CONTEXT, SCREENSHOTS

KV_TYPES = ("f16", "q8_0")
PROJECTOR_TYPES = ("f16", "q8_0")
SMALL_CONTEXT_REPLY_TOKENS = 2_500


def layers_of(subject: Subject) -> int:
    """llama.cpp's ``n_gpu_layers`` for everything: the layers and the output."""
    return subject.shape.layers + 1


def best_plan(setting: Setting, rung: str, weights: GgufWeights) -> RungPlan | None:
    """The best placement of one variant on a GGUF rung; the nearest one (``too_big``) where none fits.

    None where the rung needs a GPU whose memory is not known.
    """
    needs_gpu = rung in ("gguf-gpu", "gguf-split")
    if needs_gpu and (setting.gpu_budget is None or setting.gpu_budget.limit is None):
        return None
    if not needs_gpu and setting.ram_budget.limit is None:
        return None
    nearest: list[RungPlan] = []
    for context in setting.need.contexts:
        plans = [
            plan_at(setting, rung, weights, place) for place in placements(setting, rung, weights, context)
        ]
        fitting = [plan for plan in plans if plan.status == "fits"]
        nearest += [plan for plan in plans if plan.status != "fits"]
        found = choice.best_placement(fitting)
        if found is not None:
            return _noted(setting, _roomier(setting, found, weights))
    return choice.nearest(nearest)


def placements(setting: Setting, rung: str, weights: GgufWeights, context: int) -> Iterator[Placement]:
    """KV types x projector places and types; of the layer counts that fit the largest, and the smallest where the
    processor reads its memory faster than a card: with each layer a step takes so much less, or more."""
    everything = layers_of(setting.subject)
    for kv_type in KV_TYPES:
        for projector, kind in _projectors(setting, rung):
            place = Placement(
                context, kv_type, 0, projector, rung == "gguf-cpu", kind, setting.need.image_tokens
            )
            if rung == "gguf-split":
                most = everything if projector == "cpu" else everything - 1
                found = _most_layers(setting, weights, place, most)
                yield found
                if found.gpu_layers > 1 and _cpu_reads_faster(setting, weights):
                    yield _fewest_layers(setting, weights, found)
            elif rung == "gguf-gpu":
                yield shared(setting, weights, replace(place, gpu_layers=everything))
            else:
                yield place


def plan_at(setting: Setting, rung: str, weights: GgufWeights, place: Placement) -> RungPlan:
    """One placement with its memory, speeds and whether it fits."""
    budgets = setting.gpu_budgets if place.gpu_layers else ()
    dry = setting.dry_runs.get((weights.variant, place.layout))
    memory = gguf_memory(
        setting.subject.shape, weights, setting.subject.projector, place, budgets, setting.ram_budget,
        setting.machine.cpu.features, dry,
    )  # fmt: skip
    status, reason = setting.status(memory)
    speeds = gguf_speed.speeds(setting, rung, weights, place)
    return RungPlan(
        rung,
        variant=weights.variant,
        dtype=weights.variant,
        installed=_installed(setting, weights),
        download_bytes=_download(setting, weights),
        status=status,
        reason=reason,
        context=place.context,
        kv_type=place.kv_type,
        gpu_layers=place.gpu_layers,
        projector=place.projector,
        projector_type=place.projector_type if place.projector != "none" else None,
        layers_by_gpu={budget.key: count for budget, count in zip(budgets, place.split, strict=False)},
        memory=memory,
        tokens_per_s=speeds.tokens_per_s,
        prompt_tokens_per_s=speeds.prompt_tokens_per_s,
        image_s=speeds.image_s if place.projector != "none" else None,
        load_s=load(_file_bytes(setting, weights), setting.disk),
        phone_step_s=speeds.phone_step_s if place.projector != "none" else None,
        phone_step=setting.need.step if place.projector != "none" else None,
        basis=Basis("dry_run" if dry is not None else weights.basis, speeds.basis),
    )


def placement_of(setting: Setting, plan: RungPlan) -> Placement:
    """Where a GGUF plan lays things."""
    return Placement(
        plan.context or 0,
        plan.kv_type or "f16",
        plan.gpu_layers or 0,
        plan.projector,
        plan.rung == "gguf-cpu",
        plan.projector_type or "f16",
        setting.need.image_tokens,
        tuple(plan.layers_by_gpu.values()),
    )


def shared(setting: Setting, weights: GgufWeights, place: Placement) -> Placement:
    """Its GPU layers shared out over the setting's cards: the first takes what fits it, then the next; the last takes
    the rest, whether or not it fits."""
    budgets, left = setting.gpu_budgets, place.gpu_layers
    if len(budgets) < 2:
        return place
    sizes = setting.layers_on_gpu(weights, place)
    counts: list[int] = []
    for room in room_for_layers(setting.subject.shape, setting.subject.projector, place, budgets[:-1]):
        rest = bisect_left(sizes, sizes[left] - max(room, 0), 0, left)
        counts.append(left - rest)
        left = rest
    return replace(place, split=(*counts, left))


def _projectors(setting: Setting, rung: str) -> Iterator[tuple[str, str]]:
    """(place, type) of the projector."""
    if setting.need.step is None or setting.subject.projector is None:
        yield ("none", "f16")
        return
    places = {"gguf-gpu": ("gpu",), "gguf-split": ("gpu", "cpu")}.get(rung, ("cpu",))
    projector = setting.subject.projector
    small = projector.quantised_bytes is not None
    for place in places:
        for kind in PROJECTOR_TYPES if small else PROJECTOR_TYPES[:1]:
            yield (place, kind)


def _most_layers(setting: Setting, weights: GgufWeights, place: Placement, most: int) -> Placement:
    """The split with the most layers on the GPU that fits; with one layer where none does. Memory on the GPU
    grows with the layers, so halving finds it."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        trial = shared(setting, weights, replace(place, gpu_layers=middle))
        low, high = (middle, high) if _fits_cards(setting, weights, trial) else (low, middle - 1)
    return shared(setting, weights, replace(place, gpu_layers=low))


def _cpu_reads_faster(setting: Setting, weights: GgufWeights) -> bool:
    cards, cpu = setting.gpu_paces(weights), setting.cpu_pace(weights).read
    return cpu is not None and any(card.read is not None and card.read < cpu for card in cards)


def _fewest_layers(setting: Setting, weights: GgufWeights, place: Placement) -> Placement:
    """The same with the fewest layers on the GPU that leave no more in RAM than fits there."""
    low, high = 1, place.gpu_layers
    while low < high:
        middle = (low + high) // 2
        trial = shared(setting, weights, replace(place, gpu_layers=middle))
        memory = gguf_memory(
            setting.subject.shape, weights, setting.subject.projector, trial, setting.gpu_budgets, setting.ram_budget
        )  # fmt: skip
        low, high = (low, middle) if setting.ram_budget.lacks(memory["ram"]) <= 0 else (middle + 1, high)
    return shared(setting, weights, replace(place, gpu_layers=low))


def _fits_cards(setting: Setting, weights: GgufWeights, place: Placement) -> bool:
    dry = setting.dry_runs.get((weights.variant, place.layout))
    memory = cards_memory(
        setting.subject.shape, weights, setting.subject.projector, place, setting.gpu_budgets, dry
    )
    return all(budget.lacks(memory.get(budget.key)) <= 0 for budget in setting.gpu_budgets)


def _roomier(setting: Setting, plan: RungPlan, weights: GgufWeights) -> RungPlan:
    """The recommended context instead of the least where the same placement has room for it."""
    larger = setting.need.larger
    if larger is None or plan.context != setting.need.context or plan.gpu_layers is None:
        return plan
    place = replace(placement_of(setting, plan), context=larger, split=())
    wide = plan_at(setting, plan.rung, weights, shared(setting, weights, place))
    return wide if wide.status == "fits" else plan


def _noted(setting: Setting, plan: RungPlan) -> RungPlan:
    """Says that the context is below the wish's and what that limits, or that the screenshot is made smaller."""
    need, tokens = setting.need, plan.context
    if need.step is None or tokens is None:
        return plan
    if tokens < min(PHONE_CONTEXT, need.context):
        reason = Reason.of(choice.SMALL_CONTEXT, tokens=tokens, reply_tokens=SMALL_CONTEXT_REPLY_TOKENS)
        return replace(plan, reason=reason)
    full = next(iter(SCREENSHOTS))
    if need.image_tokens < full:
        size = SCREENSHOTS.get(need.image_tokens, "")
        return replace(plan, reason=Reason.of("smaller_screenshot", size=size, full=SCREENSHOTS[full]))
    return plan


def _needs_projector_file(setting: Setting) -> bool:
    return setting.need.step is not None


def _installed(setting: Setting, weights: GgufWeights) -> bool:
    projector = setting.subject.projector
    if _needs_projector_file(setting) and projector is not None and not projector.installed:
        return False
    return weights.installed


def _download(setting: Setting, weights: GgufWeights) -> int | None:
    """Bytes still to fetch for this wish: with the projector where pictures are wanted."""
    total = 0 if weights.installed else weights.file_bytes
    projector = setting.subject.projector
    if _needs_projector_file(setting) and projector is not None and not projector.installed:
        return None if projector.file_bytes is None else total + projector.file_bytes
    return total


def _file_bytes(setting: Setting, weights: GgufWeights) -> int | None:
    projector = setting.subject.projector
    if _needs_projector_file(setting) and projector is not None:
        return None if projector.file_bytes is None else weights.file_bytes + projector.file_bytes
    return weights.file_bytes
