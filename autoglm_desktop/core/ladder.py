"""The ladder of a model on a machine: every rung once with its best plan, what starts now, what to get. Pure.

``plan_model`` gives the whole; ``core.gguf_plans`` enumerates placements of GGUF rungs, ``core.limits`` says
what this machine's system, driver and card rule out, ``core.choice`` prefers one plan over another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from . import choice, limits, speed, verdict
from .cards import Cards
from .choice import DESIGNED
from .errors import Reason
from .gguf_plans import best_plan, layers_of, placement_of, plan_at, shared
from .machine import EngineInfo, Machine
from .measured import Measurements
from .memory import IMAGE_TOKENS
from .pace import NO_TABLE
from .rungs import RUNGS, Basis, CrashNote, EngineState, ModelPlan, Recommendation, RungPlan
from .setting import DryRuns, Setting
from .subject import GgufWeights, SafetensorsWeights, Subject
from .torch_cpu import processor_memory, processor_tokens_per_s
from .torch_memory import transformers_memory
from .verdict import CANNOT, RUNS, RUNS_WELL
from .wishes import SCREENSHOTS, need_for

TRANSFORMERS_DTYPES = {"transformers-int8": "int8", "transformers-nf4": "nf4", "transformers-nf4-lean": "nf4"}
NEVER_AUTOMATIC = ("transformers-int8", "transformers-nf4-lean")
"""Not started or recommended by itself where a GGUF fits on the GPU."""


def plan_model(
    machine: Machine,
    subject: Subject,
    wish: str | None = None,
    *,
    context: int | None = None,
    variant: str | None = None,
    engines: tuple[EngineState, ...] = (),
    crashes: tuple[CrashNote, ...] = (),
    measured: Measurements | None = None,
    dry_runs: DryRuns | None = None,
    cards: Cards = NO_TABLE,
    order: str = DESIGNED,
) -> ModelPlan:
    """The ladder of ``subject`` for a wish (None: its own) on ``machine``.

    ``context`` replaces the wish's; ``variant`` restricts the GGUF rungs, and is recommended where it fits; ``order``:
    one of ORDERS. A smaller screenshot is planned only where with the full one nothing runs.
    Raises TargetError(variant_unknown).
    """
    safetensors = variant is not None and variant.lower() == "safetensors"
    narrowed = subject if variant is None or safetensors else subject.only(variant)
    best_card = limits.best_gpu(machine)

    def at(image_tokens: int) -> tuple[ModelPlan, bool]:
        need = need_for(narrowed, wish, context, image_tokens)
        setting = Setting(
            machine, narrowed, need, best_card, engines, crashes, limits.companions(machine, best_card),
            measured, dry_runs or {}, cards,
        )  # fmt: skip
        return _plan(setting, variant, order)

    full, *smaller = SCREENSHOTS
    found, runs = at(full)
    if runs or found.wish != "phone" or not narrowed.vision:
        return found
    for image_tokens in smaller:
        other, _runs = at(image_tokens)
        if other.verdict in (RUNS_WELL, RUNS) or (found.verdict == CANNOT and other.verdict != CANNOT):
            return other
    return found


def _plan(setting: Setting, variant: str | None, order: str) -> tuple[ModelPlan, bool]:
    """The ladder, and whether any plan of any variant that may be recommended runs."""
    need, subject = setting.need, setting.subject
    candidates = _candidates(setting, forced=variant is not None)
    ladder = [_row(setting, rung, candidates, order) for rung in RUNGS]
    offers = _offers(candidates, ladder)
    named = [
        plan for plan in offers if variant is not None and (plan.variant or "").lower() == variant.lower()
    ]
    best = choice.recommended(named or offers, need.wish, order)
    if best is not None:
        ladder = [best if _replaces(best, row) else row for row in ladder]
    nearest = choice.nearest(ladder) or ladder[-1]
    vision = subject.vision
    word, headline = verdict.of_model(best, need.wish, vision=vision, nearest=nearest)
    recommended = None
    if best is not None:
        recommended = Recommendation(best.rung, best.variant or "", best.download_bytes)
    plan = ModelPlan(
        id=subject.id,
        wish=need.wish,
        verdict=word,
        headline=headline,
        chosen=_chosen(ladder, need.wish, order),
        recommended=recommended,
        ladder=tuple(ladder),
    )
    return plan, any(verdict.judge(one, need.wish) in (RUNS_WELL, RUNS) for one in named or offers)


def engines_of(infos: tuple[EngineInfo, ...]) -> tuple[EngineState, ...]:
    """Engine states as a described machine (``--machine FILE``) tells them."""
    return tuple(
        EngineState(
            info.name,
            info.backend or ("transformers" if info.name.startswith("torch") else "llama.cpp"),
            installed=True,
            self_test=info.self_test,
            gpu=any(limits.is_gpu(device) for device in info.devices),
        )
        for info in infos
    )


def smaller_plans(
    plan: RungPlan,
    machine: Machine,
    subject: Subject,
    *,
    context: int | None = None,
    engines: tuple[EngineState, ...] = (),
    measured: Measurements | None = None,
    cards: Cards = NO_TABLE,
) -> Iterator[RungPlan]:
    """What to try after ``plan`` ran out of memory, each smaller than the one before, on the same rung.

    Down to the wish's least context (or ``context``), then the KV cache in 8 bits, then fewer GPU layers. A folder's
    only lever is the context: its layers never leave the GPU.
    """
    if plan.rung.startswith("transformers"):
        yield from _smaller_folders(plan, machine, subject, context, engines, cards)
        return
    weights = subject.weights(plan.variant or "")
    if weights is None or plan.context is None or plan.gpu_layers is None:
        return
    step = plan.phone_step
    need = need_for(
        subject, "phone" if step is not None else "text", context, step.image_tokens if step else IMAGE_TOKENS
    )
    card = limits.best_gpu(machine)
    more = limits.companions(machine, card) if plan.layers_by_gpu else ()
    setting = Setting(machine, subject, need, card, engines, (), more, measured, cards=cards)
    place = placement_of(setting, plan)

    def at(**changes: Any) -> RungPlan:
        nonlocal place
        place = replace(place, **changes)
        return plan_at(setting, plan.rung, weights, shared(setting, weights, replace(place, split=())))

    for smaller in need.smaller_contexts(plan.context):
        yield at(context=smaller)
    if place.kv_type != "q8_0":
        yield at(kv_type="q8_0")
    if plan.rung == "gguf-split":
        less = max(layers_of(subject) // 10, 1)
        for fewer in range(plan.gpu_layers - less, 0, -less):
            yield at(gpu_layers=fewer)


def _smaller_folders(
    plan: RungPlan,
    machine: Machine,
    subject: Subject,
    context: int | None,
    engines: tuple[EngineState, ...],
    cards: Cards,
) -> Iterator[RungPlan]:
    step = plan.phone_step
    image_tokens = step.image_tokens if step is not None else IMAGE_TOKENS
    wish = "phone" if step is not None else "text"
    need = need_for(subject, wish, context, image_tokens)
    card = limits.best_gpu(machine)
    for smaller in need.smaller_contexts(plan.context or 0):
        less = need_for(subject, wish, smaller, image_tokens)
        setting = Setting(machine, subject, less, card, engines, cards=cards)
        found = _transformers(setting, plan.rung)
        if found is not None:
            yield found


def _candidates(setting: Setting, *, forced: bool) -> dict[str, list[RungPlan]]:
    """Every rung's best plan of every variant. A variant that lies nowhere is no candidate, unless the user
    named it."""
    found: dict[str, list[RungPlan]] = {rung: [] for rung in RUNGS}
    for rung in RUNGS:
        if rung.startswith("transformers"):
            plan = _transformers(setting, rung)
            found[rung] = [plan] if plan is not None else []
            continue
        for weights in setting.subject.gguf:
            if weights.installed or weights.fetchable or forced:
                plan = _best_on_cards(setting, rung, weights)
                if plan is not None:
                    found[rung].append(plan)
    return found


def _best_on_cards(setting: Setting, rung: str, weights: GgufWeights) -> RungPlan | None:
    """On the one card, and on several where that brings more; a second card never makes faster what fits on one."""
    alone = best_plan(replace(setting, more_gpus=()), rung, weights)
    if not setting.more_gpus or rung not in limits.GPU_RUNGS:
        return alone
    if rung == "gguf-gpu" and alone is not None and alone.status == "fits":
        return alone
    together = best_plan(setting, rung, weights)
    fitting = [plan for plan in (alone, together) if plan is not None and plan.status == "fits"]
    return choice.best_placement(fitting) or together


def _row(
    setting: Setting, rung: str, candidates: dict[str, list[RungPlan]], order: str = DESIGNED
) -> RungPlan:
    """What the ladder shows of a rung: an installed variant that fits, else the best there is to get."""
    plans = [_settled(setting, plan) for plan in candidates[rung]]
    candidates[rung] = plans
    fitting = [plan for plan in plans if plan.status != "too_big"]
    wish = setting.need.wish
    row = choice.best([p for p in fitting if p.installed], wish, order) or choice.best(fitting, wish, order)
    if row is None:
        row = choice.nearest(plans)
    if row is None:
        reason = limits.hindrance(setting, rung) or Reason.of("no_such_weights")
        row = RungPlan(rung, engine_installed=limits.engine_for(setting, rung) is not None, reason=reason)
    return row


def _settled(setting: Setting, plan: RungPlan) -> RungPlan:
    """The status with what rules the rung out here; ``too_big`` wins."""
    plan = replace(plan, engine_installed=limits.engine_for(setting, plan.rung) is not None)
    if plan.status == "too_big":
        return plan
    hindrance = limits.hindrance(setting, plan.rung, plan.variant)
    if hindrance is not None:
        return replace(plan, status="unavailable", reason=hindrance)
    return plan


def _transformers(setting: Setting, rung: str) -> RungPlan | None:
    weights, gpu = setting.subject.safetensors, setting.gpu_budget
    if weights is None:
        return None
    need, subject = setting.need, setting.subject
    base = RungPlan(
        rung,
        variant="safetensors",
        dtype=TRANSFORMERS_DTYPES.get(rung) or limits.dtype_16bit(setting.gpu),
        installed=weights.installed,
        download_bytes=0 if weights.installed else weights.file_bytes,
        context=need.context,
        kv_type="f16",
        phone_step=need.step,
        basis=Basis(memory="table"),
    )
    tokens = need.image_tokens + speed.PHONE_PROMPT_TOKENS if need.step is not None else need.context
    if limits.on_processor(setting, rung):
        return _on_processor(setting, base, weights, min(tokens, need.context))
    if gpu is None or gpu.limit is None:
        return replace(base, status="unavailable", reason=limits.hindrance(setting, rung))
    memory = transformers_memory(rung, subject.shape, weights, need.context, tokens, gpu, setting.ram_budget)
    plan = replace(base, projector="gpu" if need.step is not None else "none", memory=memory)
    load_s = speed.load(weights.file_bytes, setting.disk) if rung == "transformers-16bit" else None
    return setting.with_status(replace(plan, load_s=load_s))


def _on_processor(setting: Setting, base: RungPlan, weights: SafetensorsWeights, tokens: int) -> RungPlan:
    """``base`` in RAM; a phone step's length is unknown, since nobody measured pictures there."""
    need, shape = setting.need, setting.subject.shape
    speed_there = processor_tokens_per_s(
        weights, shape, need.filled, setting.machine.cpu.memory_bandwidth_bytes_per_s
    )
    plan = replace(
        base,
        dtype="bfloat16",  # whatever the card has that is not used
        projector="cpu" if need.step is not None else "none",
        memory=processor_memory(shape, weights, need.context, tokens, setting.ram_budget),
        load_s=speed.load(weights.file_bytes, setting.disk),
        tokens_per_s=speed_there,
    )
    plan = setting.with_status(plan)
    return plan if plan.status != "fits" else replace(plan, reason=Reason.of("torch_on_processor"))


def _offers(candidates: dict[str, list[RungPlan]], ladder: list[RungPlan]) -> list[RungPlan]:
    """What may be recommended: all that fits, but nothing NEVER_AUTOMATIC where a GGUF fits on the GPU."""
    on_gpu = any(row.rung == "gguf-gpu" and row.status == "fits" for row in ladder)
    return [
        plan
        for rung, plans in candidates.items()
        for plan in plans
        if plan.status == "fits" and not (on_gpu and rung in NEVER_AUTOMATIC)
    ]


def _replaces(best: RungPlan, row: RungPlan) -> bool:
    """Whether the recommended plan stands in the ladder for its rung: not over one that could start."""
    return best.rung == row.rung and not (row.installed and row.status == "fits")


def _chosen(ladder: list[RungPlan], wish: str, order: str) -> str | None:
    """The first rung that could start now; in another order than the designed one, the best of those."""
    on_gpu = any(row.rung == "gguf-gpu" and row.status == "fits" and row.installed for row in ladder)
    able = [
        row
        for row in ladder
        if row.status == "fits"
        and row.installed
        and row.engine_installed
        and not (on_gpu and row.rung in NEVER_AUTOMATIC)
    ]
    if not able or order == DESIGNED:
        return able[0].rung if able else None
    best = choice.recommended(able, wish, order)
    return best.rung if best is not None else None
