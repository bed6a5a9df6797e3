"""How a variant would run here, before it is fetched: for window and terminal. Pure."""

from __future__ import annotations

from ..core.downloads import PullPlan
from ..core.errors import Reason
from ..core.outlook import Outlook
from ..core.rungs import RungPlan
from ..core.units import format_bytes
from ..i18n import N_, _, as_started
from . import errors, reasons
from .values import listed

BASES: dict[str, str] = {
    "table": N_("Sizes are computed from the model's shapes; the file itself was not looked at."),
    "header": N_("Sizes are from the file's own header."),
    "dry_run": N_("Sizes are from the file's own header, buffers from the installed engine."),
}


def takes(plan: RungPlan | None) -> str:
    """``It takes 6.0 GiB of GPU memory (7.2 GiB free) and 1.2 GiB of RAM.``; empty where that is not known, or where it
    does not fit and the headline says by how much."""
    if plan is None or plan.status != "fits":
        return ""
    parts = []
    for gpu in (True, False):
        devices = [device for key, device in plan.memory.items() if (key != "ram") == gpu and device.total]
        if not devices:
            continue
        needed = format_bytes(sum(device.total for device in devices))
        free = [device.available for device in devices]
        known = sum(one for one in free if one is not None)
        text = _("{size} of GPU memory") if gpu else _("{size} of RAM")
        text = text.format(size=needed)
        if None not in free:
            text = _("{amount} ({free} free)").format(amount=text, free=format_bytes(known))
        parts.append(text)
    return _("It takes {amounts}.").format(amounts=listed(parts)) if parts else ""


def based_on(plan: RungPlan | None) -> str:
    """Where the sizes come from; empty where there are none."""
    return _(BASES[plan.basis.memory]) if plan is not None and plan.memory else ""


def headline(found: Reason | None) -> str:
    """The conclusion; said so where there is none."""
    if found is None:
        return _("How it would run here is not known: nothing tells the model's shapes.")
    return reasons.text(found)


def lines(plan: PullPlan, *, terminal: bool = True) -> list[str]:
    """What is said before a download begins; nothing where all of it is here. ``terminal``: with commands."""
    found = plan.outlook
    if found is None:
        return []
    first = headline(found.headline)
    said = [
        _("On this machine: {sentence}").format(sentence=first) if terminal else first,
        takes(found.plan),
        instead_text(plan, found, terminal=terminal),
        errors.text(found.problem) if found.problem is not None else "",
        based_on(found.plan),
    ]
    return [line for line in said if line]


def instead_text(plan: PullPlan, found: Outlook, *, terminal: bool) -> str:
    """What would run, where this does not."""
    if found.instead is None:
        return ""
    if not terminal:
        return _("{variant} would run here.").format(variant=found.instead)
    command = as_started(f"autoglm-desktop pull {plan.model or plan.repo}:{found.instead}")
    return _("{variant} would run here: {command}").format(variant=found.instead, command=command)
