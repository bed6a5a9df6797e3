"""What would help and has to be bought: more RAM, another card. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .cards import Cards
from .help_values import Help
from .machine import Gpu
from .measured import Measurements
from .prices import Part
from .units import GB, GIB
from .verdict import CANNOT
from .whatif_now import Now

MOST_CARDS = 3
RAM_GIB = (16, 32, 64)


def more_ram(now: Now) -> Iterator[Help]:
    """More of it, where the lack of RAM decides anything. Not on a Mac, and not where a container's limit counts."""
    memory = now.machine.memory
    if memory.total_bytes is None or memory.limit_bytes is not None or now.machine.os.name == "macOS":
        return
    if not short_of_ram(now):
        return
    best = now.before
    for size in RAM_GIB:
        more = size * GIB - memory.total_bytes
        if (
            more < 2 * GIB
        ):  # what a graphics unit keeps makes a machine's RAM a little less than it is sold as
            continue
        free = None if memory.available_bytes is None else memory.available_bytes + more
        changed = replace(memory, total_bytes=size * GIB, available_bytes=free)
        after = now.planned(replace(now.machine, memory=changed))
        if Help("more_ram", best, after).worthwhile:
            best = after
            yield Help("more_ram", now.before, after, bytes=size * GIB, parts=_ram_parts(now, size))


def short_of_ram(now: Now) -> bool:
    """Whether the lack of RAM decides anything."""
    short = any(row.reason is not None and row.reason.code == "ram_short" for row in now.plan.ladder)
    return short or now.before.verdict == CANNOT


def _ram_parts(now: Now, size: int) -> tuple[Part, ...]:
    """Kits of that size of the machine's kind of RAM, as far as both are known."""
    kind = now.machine.memory.kind
    fits = (
        part
        for part in now.prices.of("ram")
        if part.size_gb == size and (kind is None or "DDR" not in part.title or kind.upper() in part.title)
    )
    return tuple(part for part in fits if part.price is not None)


def other_cards(now: Now) -> Iterator[Help]:
    """The cards of prices.toml instead of the present one; not in a laptop, and not where the machine is unknown.

    Of one size of memory the cheaper stays, where both have a price in one currency, else the faster.
    """
    present, machine = now.gpu, now.machine
    laptop = present is not None and "laptop" in (present.name or "").lower()
    if machine.memory.total_bytes is None or machine.os.name == "macOS" or laptop:
        return
    if present is not None and present.memory_total_bytes is None and not present.integrated:
        return
    found: dict[int, Help] = {}
    for name, size in sorted({(p.gpu, p.size_gb) for p in now.prices.of("gpu") if p.gpu}, key=lambda c: c[1]):
        card = made_card(now.planning.cards, name, size)
        if card is None or (present is not None and _weaker(card, present)):
            continue
        after = now.planned(
            replace(machine, gpus=(card,)), measured=_without_gpus(now.planning.measured), dry_runs=None
        )
        priced = tuple(
            part
            for part in now.prices.of("gpu")
            if (part.gpu, part.size_gb) == (name, size) and part.price is not None
        )
        one = Help("other_gpu", now.before, after, gpu=f"{name} {size} GB", bytes=size * GIB, parts=priced)
        if one.worthwhile and (size not in found or _better_buy(one, found[size])):
            found[size] = one
    yield from sorted(found.values(), key=lambda one: one.rank)[:MOST_CARDS]


def _better_buy(one: Help, other: Help) -> bool:
    if one.after is not None and other.after is not None and one.after.verdict != other.after.verdict:
        return one.rank < other.rank
    prices = {part.currency: part.price or 0.0 for part in other.parts}
    pairs = [(part.price or 0.0, prices[part.currency]) for part in one.parts if part.currency in prices]
    return pairs[0][0] < pairs[0][1] if pairs else one.rank < other.rank


def made_card(cards: Cards, name: str | None, size_gb: int) -> Gpu | None:
    """A card of the table as the planner sees one; its free memory is left to the planner's assumption of what a
    desktop takes. None where the table does not know it, or not its bandwidth."""
    found = cards.find(name, size_gb * GIB)
    if found is None or found.bandwidth_gb_s is None or found.laptop or found.integrated:
        return None
    gpu = Gpu(
        0, found.vendor, name, size_gb * GIB, memory_bandwidth_bytes_per_s=int(found.bandwidth_gb_s * GB),
        power_limit_w=found.power_w, cores=found.shaders, core_clock_mhz=found.boost_mhz,
    )  # fmt: skip
    architecture = cards.architecture(gpu)
    capabilities = architecture.compute_capabilities if architecture is not None else ()
    return replace(gpu, compute_capability=capabilities[0]) if len(capabilities) == 1 else gpu


def _weaker(card: Gpu, present: Gpu) -> bool:
    """Less memory and less bandwidth than the present one, or the same card."""
    memory = (card.memory_total_bytes or 0) <= (present.memory_total_bytes or 0) + GIB // 2
    speed = (card.memory_bandwidth_bytes_per_s or 0) <= (present.memory_bandwidth_bytes_per_s or 0)
    return memory and speed


def _without_gpus(measured: Measurements | None) -> Measurements | None:
    """What was measured of another card says nothing about this one."""
    if measured is None:
        return None
    kept = tuple(layer for layer in measured.layers if not layer.device.startswith("gpu"))
    return replace(measured, layers=kept)
