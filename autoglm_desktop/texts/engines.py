"""Engine environments in words: what is not installed, what a machine should have."""

from __future__ import annotations

from ..core.machine import Gpu
from ..core.units import format_bytes
from ..host.environments import Environment
from ..i18n import N_, _, as_started, sentences
from ..usecases.engine_offer import Gain, Listed, Offer, Standing
from . import ladder, reasons
from .values import VENDORS, fill, labelled

MB = 1_000_000

TITLES = {
    "llama-cuda": N_("llama.cpp for NVIDIA cards"),
    "llama-vulkan": N_("llama.cpp for cards with a Vulkan driver"),
    "llama-metal": N_("llama.cpp for Apple's GPU"),
    "torch-cuda": N_("transformers for NVIDIA cards"),
}


def missing_text(one: Listed) -> str:
    """One line on an engine that is not installed."""
    name = one.description.name
    if one.obstacle is not None:
        return _("{name}: cannot work here: {why}").format(name=name, why=reasons.text(one.obstacle))
    if one.download_mb is not None:
        return _(
            "{name}: not installed, a download of {size} (autoglm-desktop engines install {name})"
        ).format(name=name, size=size_text(one.download_mb))
    return _("{name}: not installed (autoglm-desktop engines install {name})").format(name=name)


def offer_text(one: Offer) -> str:
    """What to install on this machine, why, and how much it is."""
    why = reasons.text(one.reason)
    if one.download_mb is None:
        return _("For the graphics card of this machine: {name} ({why}).").format(name=one.name, why=why)
    return _("For the graphics card of this machine: {name} ({why}), a download of {size}.").format(
        name=one.name, why=why, size=size_text(one.download_mb)
    )


def size_text(megabytes: int) -> str:
    return format_bytes(megabytes * MB)


def title_text(name: str) -> str:
    """``llama.cpp for NVIDIA cards (llama-cuda)``"""
    if name not in TITLES:
        return name
    return _("{title} ({name})").format(title=_(TITLES[name]), name=name)


def gpu_text(gpu: Gpu | None) -> str:
    """``NVIDIA GeForce RTX 4060, driver 551.23``"""
    if gpu is None:
        return _("the graphics card")
    name = gpu.name or VENDORS.get(gpu.vendor, gpu.vendor)
    if gpu.driver_version is None:
        return name
    return _("{gpu}, driver {version}").format(gpu=name, version=gpu.driver_version)


def why_line(found: Standing) -> str:
    """Which card it is for, and why this engine."""
    assert found.offer is not None
    return _("For {gpu}: {why}.").format(gpu=gpu_text(found.gpu), why=reasons.text(found.offer.reason))


def gain_line(gain: Gain) -> str:
    """What runs with it, and how much faster than by the processor."""
    text = N_("{model} then runs on the card ({rung}).")
    speed, now = ladder.speed_text(gain.plan), ladder.speed_text(gain.now) if gain.now is not None else "–"
    if gain.plan.tokens_per_s is not None and gain.now is not None and gain.now.tokens_per_s is not None:
        text = N_(
            "{model} then runs on the card ({rung}): {speed} tokens/s instead of {now} on the processor."
        )
    elif gain.plan.tokens_per_s is not None:
        text = N_("{model} then runs on the card ({rung}): {speed} tokens/s.")
    values = {"model": gain.title, "rung": ladder.rung_name(gain.plan), "speed": speed, "now": now}
    return fill(_(text), values)


def size_line(one: Offer) -> str:
    """What it takes to get and to keep it, as far as that is known."""
    if one.download_mb is None and one.installed_mb is None:
        return _("How large the download is will be shown when it begins.")
    if one.download_mb is None:
        return _("It takes {size} on the disk.").format(size=size_text(one.installed_mb or 0))
    if one.installed_mb is None:
        return _("A download of {size}.").format(size=size_text(one.download_mb))
    return _("A download of {size}; it takes {disk} on the disk.").format(
        size=size_text(one.download_mb), disk=size_text(one.installed_mb)
    )


def command_line(one: Offer, gpu: Gpu | None) -> str:
    """One line for the terminal: the command that installs it, and its size."""
    values = {
        "gpu": (gpu.name or VENDORS.get(gpu.vendor, gpu.vendor))
        if gpu is not None
        else _("the graphics card"),
        "command": f"autoglm-desktop engines install {one.name}",
    }
    if one.download_mb is None:
        return as_started(_("The engine for {gpu} is not installed: {command}").format(**values))
    text = _("The engine for {gpu} is not installed: {command} (a download of {size})")
    return as_started(text.format(**values, size=size_text(one.download_mb)))


def failed_line(environment: Environment) -> str:
    """That an engine's self-test failed, and what it said."""
    told = _("its self-test failed: {message}").format(message=environment.record.message or "?")
    return labelled(title_text(environment.record.name), told)


def installed_line(environment: Environment) -> str:
    """That an engine can be used now."""
    name = title_text(environment.record.name)
    if environment.record.self_test == "safe_mode":
        return sentences(
            _("{name} is installed.").format(name=name),
            _("Its fast kernels crash here, so safe options are used from now on."),
        )
    return sentences(
        _("{name} is installed.").format(name=name), _("Its self-test has passed: it is used from now on.")
    )
