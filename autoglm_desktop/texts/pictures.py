"""Pictures as sentences."""

from __future__ import annotations

from ..i18n import _
from ..usecases.pictures import Prepared


def shown_text(picture: Prepared) -> str:
    """``Picture: 532×1176, 798 tokens, scaled from 1080×2400``"""
    shown = f"{picture.size.width}×{picture.size.height}"
    original = f"{picture.width}×{picture.height}"
    tokens = f"{picture.size.tokens:,}"
    if shown == original:
        return _("Picture: {size}, {tokens} tokens").format(size=shown, tokens=tokens)
    return _("Picture: {size}, {tokens} tokens, scaled from {original}").format(
        size=shown, tokens=tokens, original=original
    )
