"""Measuring in words: what runs, what is known and how old it is, what no longer counts, what could not be told."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..core.errors import Reason
from ..core.measured import LayerSpeed, MeasuredPart, Measurements
from ..core.measured_age import Outdated
from ..i18n import _, ngettext, sentences
from ..usecases.measure import Step
from . import reasons
from .values import listed

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
SAME_S = 120.0
"""What was measured within so many seconds has one date."""


def step_text(step: Step) -> str:
    """What is measured just now."""
    percent = f"{step.fraction:.0%}".replace("%", " %")
    if step.part == "memory":
        return _("Measuring RAM · {percent}").format(percent=percent)
    if step.part == "disk":
        return _("Measuring the disk · {percent}").format(percent=percent)
    return _("Measuring {variant} {device} · {percent}").format(
        variant=step.variant, device=device_text(step.device or ""), percent=percent
    )


def device_text(device: str) -> str:
    """``cpu``, ``cpu-safe``, ``gpu:0`` for people."""
    if device == "cpu":
        return _("on the CPU")
    if device == "cpu-safe":
        return _("on the CPU with safe options")
    return _("on GPU {number}").format(number=device.partition(":")[2])


def failure_text(what: str, reason: Reason) -> str:
    """What could not be measured, and why."""
    names = {"memory": _("RAM"), "disk": _("Disk"), "model": _("Model speed")}
    name = names.get(what) or (device_text(what) if what.startswith(("cpu", "gpu:")) else what)
    variant = reason.as_dict().get("variant")
    if variant not in (None, what):
        name = _("{variant} {device}").format(variant=variant, device=name)
    return _("Not measured – {what}: {why}.").format(what=name, why=reasons.text(reason))


def when_text(taken: float | None, now: float | None = None) -> str:
    """``2026-11-21 10:05, 2 hours ago``; seconds since 1970."""
    if not taken:
        return _("at an unknown time")
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(taken))
    return _("{date}, {age}").format(date=date, age=age_text((time.time() if now is None else now) - taken))


def age_text(seconds: float) -> str:
    """``2 hours ago``; what a wrong clock puts into the future is of now."""
    if seconds < MINUTE_S:
        return _("just now")
    if seconds < HOUR_S:
        count = int(seconds / MINUTE_S)
        return ngettext("{count} minute ago", "{count} minutes ago", count).format(count=count)
    if seconds < DAY_S:
        count = int(seconds / HOUR_S)
        return ngettext("{count} hour ago", "{count} hours ago", count).format(count=count)
    count = int(seconds / DAY_S)
    return ngettext("{count} day ago", "{count} days ago", count).format(count=f"{count:,}")


def known_lines(known: Measurements | None, now: float | None = None) -> list[str]:
    """What is known, what was measured together in one line: ``RAM, disk, Q4_K_M on the CPU: 2026-11-21 10:05, 2 hours
    ago``; the newest first."""
    parts = known.parts if known is not None else ()
    groups: list[tuple[float, list[int]]] = []
    for number in sorted(range(len(parts)), key=lambda number: -(parts[number].taken or 0.0)):
        taken = parts[number].taken or 0.0
        if groups and groups[-1][0] - taken <= SAME_S:
            groups[-1][1].append(number)
        else:
            groups.append((taken, [number]))
    text = _("{parts}: {when}")
    found = []
    for taken, numbers in groups:
        names = dict.fromkeys(part_text(parts[number]) for number in sorted(numbers))
        found.append(text.format(parts=listed(names), when=when_text(taken, now)))
    return found


def part_text(part: MeasuredPart) -> str:
    """``RAM``, ``disk``, ``Q4_K_M on the CPU``"""
    if part.what == "model":
        return _("{variant} {device}").format(variant=part.variant, device=device_text(part.device or ""))
    return _("RAM") if part.what == "ram" else _("disk")


def layer_text(layer: LayerSpeed) -> str:
    """``Q4_K_M on the CPU``"""
    return _("{variant} {device}").format(variant=layer.variant, device=device_text(layer.device))


def outdated_text(one: Outdated, now: float | None = None) -> str:
    """What no longer counts, and why."""
    when, why = when_text(one.taken, now), reasons.text(one.reason)
    if one.layers:
        models = listed(layer_text(layer) for layer in one.layers)
        text = _("The speed of {models} ({when}) no longer counts: {why}.")
        return text.format(models=models, when=when, why=why)
    return _("What was measured ({when}) no longer counts: {why}.").format(when=when, why=why)


def known_text(
    known: Measurements | None, outdated: Sequence[Outdated] = (), now: float | None = None
) -> str:
    """All of it in sentences, a line each for what is known."""
    lines = known_lines(known, now)
    gone = [outdated_text(one, now) for one in outdated]
    if not lines:
        said = _(
            "Nothing has been measured here yet: speeds are estimates. Measuring takes about half a minute."
        )
        again = _("Speeds are estimates until it is measured anew, in about half a minute.")
        return sentences(*gone, again) if gone else said
    if known is not None and not known.layers and not gone:
        lines.append(_("The model's speed was not measured; it is estimated."))
    return "\n".join([*lines, *gone])
