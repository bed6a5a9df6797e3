"""What would help: the same planner on a changed machine, and what each change leads to. Pure.

Every change is planned with the variant that is planned now (where that has fewer than 4 bits, with Q4_K_M beside it):
what a change leads to is at least as good as told here. Nothing is proposed for what is not known of a machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from . import choice
from .gguf_plans import best_plan
from .gpu_states import holders
from .help_values import Held, Help, Planning
from .limits import GPU_RUNGS
from .machine import Gpu, Machine, Program
from .prices import Prices
from .rungs import ModelPlan
from .subject import PROJECTOR_Q8_0_BYTES, PROJECTOR_WEIGHTS_BYTES, Subject, at_least_4_bits
from .verdict import RUNS_WELL, SLOW, VERDICTS
from .whatif_hardware import more_ram, other_cards, short_of_ram
from .whatif_now import Now, best_row, of_row
from .wishes import SCREENSHOTS

MOST_HELPS = 6
MOST_VARIANTS = 3
LEAST_HELD_BYTES = 256 * 1024**2
"""Closing a program that holds less changes nothing."""
MOST_CLOSED = 3
"""Who has to close more programs than this for it needs another machine."""
NO_PRICES = Prices()


def helps(
    machine: Machine, subject: Subject, plan: ModelPlan, planning: Planning, prices: Prices = NO_PRICES
) -> tuple[Help, ...]:
    """At most MOST_HELPS changes that improve the verdict, or the figure by LEAST_GAIN; the most useful first.

    ``plan``: what ``plan_model`` says now with the same ``planning``. About a dozen small plans at most.
    """
    row = best_row(plan)
    if row is None or (plan.wish == "phone" and not subject.vision):
        return ()
    now = Now(machine, subject, plan, planning, prices, row, of_row(row, plan))
    makers: tuple[Callable[[Now], Iterator[Help]], ...] = (
        _measure, _driver, _closed, _closed_for_ram, _projector, _variants, _screenshots, more_ram, other_cards,
    )  # fmt: skip
    found = [one for make in makers for one in make(now) if one.worthwhile]
    return tuple(sorted(found, key=lambda one: one.rank)[:MOST_HELPS])


def _measure(now: Now) -> Iterator[Help]:
    """Where something fits whose speed nobody knows, and no model's speed was measured here."""
    done = now.planning.measured is not None and now.planning.measured.layers
    if now.planning.here and not done and now.row.status == "fits" and choice.cost(now.row) is None:
        yield Help("measure", now.before, None)


def _driver(now: Now) -> Iterator[Help]:
    """The driver that GGUF on the card asks for, where the present one is too old for it."""
    gpu = now.gpu
    old = (row.reason for row in now.plan.ladder if row.reason is not None and row.rung in GPU_RUNGS)
    told = next((reason.as_dict() for reason in old if reason.code == "driver_too_old"), None)
    if gpu is not None and told is not None:
        required = str(told["required"])
        after = now.planned(_with_card(now.machine, gpu, replace(gpu, driver_version=required)))
        yield Help("update_driver", now.before, after, driver=required)


def _closed(now: Now) -> Iterator[Help]:
    """The card without the programs that hold its memory."""
    gpu = now.gpu
    if gpu is None or gpu.memory_free_bytes is None or gpu.memory_total_bytes is None:
        return
    held = _held(gpu.processes)
    most = gpu.memory_total_bytes - (gpu.memory_reserved_bytes or 0)
    freed = min(sum(one.memory_bytes for one in held), most - gpu.memory_free_bytes)
    if freed > 0:
        changed = replace(gpu, memory_free_bytes=gpu.memory_free_bytes + freed)
        after = now.planned(_with_card(now.machine, gpu, changed))
        yield Help("close_programs", now.before, after, bytes=freed, programs=held)


def _closed_for_ram(now: Now) -> Iterator[Help]:
    """RAM without the largest programs: the fewest of them that improve anything. Not where a container's limit
    counts, which stays."""
    memory = now.machine.memory
    total, free = memory.total_bytes, memory.available_bytes
    if total is None or free is None or memory.limit_bytes is not None or not short_of_ram(now):
        return
    held = _held(memory.programs)
    for count in range(1, min(len(held), MOST_CLOSED) + 1):
        freed = min(sum(one.memory_bytes for one in held[:count]), total - free)
        changed = replace(memory, available_bytes=free + freed)
        after = now.planned(replace(now.machine, memory=changed))
        one = Help("close_ram_programs", now.before, after, bytes=freed, programs=held[:count])
        if one.worthwhile:
            yield one
            return


def _held(programs: Iterable[Program]) -> tuple[Held, ...]:
    """Programs with a name that hold much, by name, the largest first; not the desktop itself, not this program."""
    return tuple(
        Held(one.name, one.memory_bytes)
        for one in holders(programs)
        if one.name is not None and one.memory_bytes and one.memory_bytes >= LEAST_HELD_BYTES
    )


def _projector(now: Now) -> Iterator[Help]:
    """The projector in 8 bits, where the file here is the one whose size in 8 bits is known and the plan has it in 16
    bits because no such file is known."""
    known, weights = now.subject.projector, now.weights
    if known is None or weights is None or now.plan.wish != "phone" or known.quantised_bytes is not None:
        return
    if known.memory_bytes != PROJECTOR_WEIGHTS_BYTES:
        return
    subject = replace(now.narrowed, projector=replace(known, quantised_bytes=PROJECTOR_Q8_0_BYTES))
    yield Help("q8_projector", now.before, now.planned(now.machine, subject))


def _variants(now: Now) -> Iterator[Help]:
    """A smaller one of at least 4 bits: the largest, a middle one or the smallest, the first that runs well."""
    present = now.weights
    if now.before.verdict == RUNS_WELL or present is None:
        return
    able = [
        one
        for one in sorted(now.subject.gguf, key=lambda one: -one.table.total)
        if at_least_4_bits(one.variant)
        and one.table.total < present.table.total
        and (one.installed or one.fetchable)
    ]
    tried = able if len(able) <= MOST_VARIANTS else [able[0], able[len(able) // 2], able[-1]]
    found: list[Help] = []
    for weights in tried:
        subject = replace(now.subject, gguf=(weights,), safetensors=None)
        after = now.planned(now.machine, subject, variant=None)
        found.append(Help("smaller_variant", now.before, after, variant=weights.variant))
        if after.verdict == RUNS_WELL:
            break
    yield from sorted((one for one in found if one.worthwhile), key=lambda one: one.rank)[:1]


def _screenshots(now: Now) -> Iterator[Help]:
    """The same rung with pictures made smaller: the first size that raises the verdict, else the smallest."""
    step, weights = now.row.phone_step, now.weights
    if (
        now.before.verdict == RUNS_WELL
        or step is None
        or weights is None
        or not now.row.rung.startswith("gguf")
    ):
        return
    found: list[Help] = []
    for tokens, size in SCREENSHOTS.items():
        if tokens >= step.image_tokens:
            continue
        row = best_plan(now.setting(tokens), now.row.rung, weights)
        if row is not None and row.status == "fits":
            after = of_row(row, replace(now.plan, verdict=SLOW))
            found.append(Help("smaller_screenshots", now.before, after, screenshot=size))
            if VERDICTS.index(after.verdict) < VERDICTS.index(now.before.verdict):
                break
    yield from found[-1:]


def _with_card(machine: Machine, old: Gpu, new: Gpu) -> Machine:
    return replace(machine, gpus=tuple(new if gpu.index == old.index else gpu for gpu in machine.gpus))
