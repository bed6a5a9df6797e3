"""Measuring in words."""

from __future__ import annotations

from ..core.errors import Reason
from ..i18n import _
from ..usecases.measure import Step
from . import reasons


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
    return _("Not measured – {what}: {why}.").format(what=name, why=reasons.text(reason))
