"""Names of devices as plans and proofs call them."""

from __future__ import annotations

from ..i18n import _


def device_name(key: str) -> str:
    """``ram``, ``gpu:0`` for people; another name as it is."""
    if key == "ram":
        return _("RAM")
    kind, divide, number = key.partition(":")
    return _("GPU {number}").format(number=number) if kind == "gpu" and divide else key
