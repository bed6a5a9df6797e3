"""Graphics cards in words: names, who holds their memory, links, power, what slows them down. Unknown is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..core.gpu_states import IDLE, OWN_PROGRAM, own_bytes, plain_name
from ..core.machine import Gpu, Program
from ..core.units import format_bytes
from ..i18n import N_, _
from .values import VENDORS, labelled, listed, short

SLOWED: dict[str, str] = {
    "application_clocks": N_("a clock that was set"),
    "power_cap": N_("its power limit"),
    "hardware_slowdown": N_("the board (heat or supply)"),
    "sync_boost": N_("another card it keeps pace with"),
    "heat": N_("heat"),
    "hardware_heat": N_("too much heat"),
    "power_brake": N_("the power supply"),
    "display_clocks": N_("the display's clock"),
    "board_limit": N_("the board's limit"),
    "reliability": N_("its voltage limit"),
}
"""Codes of ``core.gpu_states`` but for an idle card's low clocks."""
GB = 1e9


def name_text(gpu: Gpu) -> str:
    """Its name, else whose card it is."""
    if gpu.name:
        return gpu.name
    return _("{vendor} graphics card").format(vendor=VENDORS.get(gpu.vendor, gpu.vendor))


def memory_text(gpu: Gpu) -> str | None:
    """``6.8 GiB of 8.0 GiB free``; None where it does not tell."""
    free, total = gpu.memory_free_bytes, gpu.memory_total_bytes
    if free is None or total is None:
        return None
    return _("{free} of {total} free").format(free=format_bytes(free), total=format_bytes(total))


def held(programs: Iterable[Program]) -> tuple[str, ...]:
    """Who holds the most, the largest first: ``Held by game.exe: 3.0 GiB``. This program's own engines come first."""
    known = sorted((one for one in programs if one.memory_bytes), key=lambda one: -(one.memory_bytes or 0))
    text = _("Held by {name}: {size}")
    others = tuple(
        text.format(
            name=plain_name(one.name) if one.name else _("another program"),
            size=format_bytes(one.memory_bytes or 0),
        )
        for one in known
        if one.name != OWN_PROGRAM
    )
    own = own_bytes(known)
    said = _("Held by this program's engine: {size}").format(size=format_bytes(own))
    return (said, *others) if own else others


def facts(gpu: Gpu) -> tuple[str, ...]:
    """A line for each thing that it tells."""
    said = []
    if gpu.memory_bandwidth_bytes_per_s is not None:
        said.append(labelled(_("Memory bandwidth"), per_second(gpu.memory_bandwidth_bytes_per_s)))
    if gpu.compute_capability is not None:
        said.append(labelled(_("Compute capability"), ".".join(map(str, gpu.compute_capability))))
    if gpu.memory_reserved_bytes:
        said.append(labelled(_("Kept by the driver"), format_bytes(gpu.memory_reserved_bytes)))
    said += [text for text in (_link(gpu), _power(gpu)) if text is not None]
    if gpu.temperature_c is not None:
        said.append(labelled(_("Temperature"), f"{gpu.temperature_c} °C"))
    if (slowed := slowed_text(gpu.throttle_reasons)) is not None:
        said.append(slowed)
    if gpu.utilisation_percent is not None:
        said.append(labelled(_("Busy"), f"{gpu.utilisation_percent} %"))
    return tuple(said)


def slowed_text(reasons: Sequence[str] | None) -> str | None:
    """``Slowed down by: heat``; None where it is not told."""
    if reasons is None:
        return None
    by = [_(SLOWED[code]) if code in SLOWED else code for code in reasons if code != IDLE]
    if by:
        return labelled(_("Slowed down by"), listed(by))
    if IDLE in reasons:
        return labelled(_("Slowed down"), _("no; its clock is low while it has nothing to do"))
    return labelled(_("Slowed down"), _("no"))


def others(gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """Further cards, those that say the same in one line: ``GPU 1–15: NVIDIA A100 · 79.1 GiB of 80.0 GiB free``."""
    groups: dict[str, list[int]] = {}
    for gpu in gpus:
        size = memory_text(gpu) or _("memory not known")
        text = f"{name_text(gpu)} · {size}"
        groups.setdefault(text, []).append(gpu.index)
    return tuple(
        labelled(_("GPU {number}").format(number=_ranges(numbers)), text) for text, numbers in groups.items()
    )


def per_second(value: float) -> str:
    """``272 GB/s``"""
    return f"{short(value / GB)} GB/s"


def _link(gpu: Gpu) -> str | None:
    now = _lanes(gpu.pcie_generation, gpu.pcie_width)
    most = _lanes(gpu.pcie_generation_max, gpu.pcie_width_max)
    if now is None:
        return None
    return labelled(
        "PCIe", now if most in (None, now) else _("{now} (at most {most})").format(now=now, most=most)
    )


def _lanes(generation: int | None, width: int | None) -> str | None:
    return None if generation is None or width is None else f"{generation}.0 ×{width}"


def _power(gpu: Gpu) -> str | None:
    draw, limit = gpu.power_draw_w, gpu.power_limit_w
    if draw is not None and limit is not None:
        return labelled(
            _("Power"), _("{draw} W of {limit} W").format(draw=f"{draw:.0f}", limit=f"{limit:.0f}")
        )
    if draw is not None:
        return labelled(_("Power"), f"{draw:.0f} W")
    return labelled(_("Power limit"), f"{limit:.0f} W") if limit is not None else None


def _ranges(numbers: Sequence[int]) -> str:
    """``1–3, 5``"""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
