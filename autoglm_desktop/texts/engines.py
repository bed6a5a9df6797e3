"""Engine environments in words: what is not installed, what a machine should have."""

from __future__ import annotations

from ..core.units import format_bytes
from ..i18n import _
from ..usecases.engine_offer import Listed, Offer
from . import reasons

MB = 1_000_000


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
