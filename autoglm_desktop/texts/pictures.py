"""Pictures as sentences: how large they are shown, what that costs, why one cannot be used."""

from __future__ import annotations

from ..core.errors import AppError
from ..core.picture_cost import PictureCost, Range
from ..core.pictures import PictureSize
from ..core.units import format_bytes
from ..i18n import N_, _, ngettext
from ..usecases.pictures import Prepared
from . import errors
from .values import fill, listed


def shown_text(picture: Prepared) -> str:
    """``Picture: 532×1176, 798 tokens, scaled from 1080×2400``"""
    shown = pixels(picture.size.width, picture.size.height)
    original = pixels(picture.width, picture.height)
    tokens = f"{picture.size.tokens:,}"
    if shown == original:
        return _("Picture: {size}, {tokens} tokens").format(size=shown, tokens=tokens)
    return _("Picture: {size}, {tokens} tokens, scaled from {original}").format(
        size=shown, tokens=tokens, original=original
    )


def pixels(width: int, height: int) -> str:
    """``540×1200``"""
    return f"{width}×{height}"


def size_text(size: PictureSize) -> str:
    """``532×1176: 798 tokens``"""
    return _("{size}: {tokens} tokens").format(
        size=pixels(size.width, size.height), tokens=f"{size.tokens:,}"
    )


def duration_text(seconds: Range) -> str:
    """``about 2 s``, ``about 2–4 s``, ``under 1 s``: what somebody who waits wants to know."""
    if seconds.high < 1:
        return _("under 1 s")
    minutes = seconds.high >= 120
    low, high = (max(1, round(value / 60 if minutes else value)) for value in (seconds.low, seconds.high))
    span = f"{high}" if low >= high else f"{low}–{high}"
    return (_("about {span} min") if minutes else _("about {span} s")).format(span=span)


def choice_text(size: PictureSize, cost: PictureCost) -> str:
    """A line of a menu: ``532×1176: 798 tokens, about 2 s``"""
    parts = [size_text(size)]
    if cost.seconds is not None:
        parts.append(duration_text(cost.seconds))
    return listed(parts)


def cost_text(cost: PictureCost) -> str:
    """``about 2 s · 31 MiB of memory``; what is not known is left out."""
    parts = []
    if cost.seconds is not None:
        parts.append(duration_text(cost.seconds))
    if cost.kv_bytes is not None:
        parts.append(_("{size} of memory").format(size=format_bytes(cost.kv_bytes)))
    return " · ".join(parts)


def cost_tip(cost: PictureCost) -> str:
    """What the figures of ``cost_text`` mean."""
    parts = []
    if cost.seconds is not None:
        parts.append(_("Time to look at it, before the answer begins."))
    if cost.kv_bytes is not None:
        parts.append(_("Memory of the context that it fills; it was reserved when the model was loaded."))
    return "\n".join(parts)


def together_text(count: int, tokens: int, seconds: Range | None) -> str:
    """``3 pictures: 2,394 tokens, about 6 s``"""
    text = ngettext("{count} picture: {tokens} tokens", "{count} pictures: {tokens} tokens", count)
    parts = [text.format(count=count, tokens=f"{tokens:,}")]
    if seconds is not None:
        parts.append(duration_text(seconds))
    return listed(parts)


def shrunk_text(count: int) -> str:
    """That pictures could be shown larger, were there more room."""
    return ngettext(
        "There is no room to show the picture larger.",
        "There is no room to show them larger: they share what is left of the context.",
        count,
    )


def too_little_text(count: int, room: int) -> str:
    """Why a question with these pictures would fail, and what to do."""
    text = ngettext(
        "{room} tokens are left of the context, too few for the picture: begin a new conversation, or remove it.",
        "{room} tokens are left of the context, too few for the pictures: begin a new conversation, or remove some.",
        count,
    )
    return text.format(room=f"{room:,}")


def more_refused_text(count: int) -> str:
    """What stands below the first sentences about files that cannot be used."""
    text = ngettext("{count} more could not be used.", "{count} more could not be used.", max(count, 1))
    return text.format(count=count)


PASTED = {
    "picture_unknown": N_("What was pasted is no picture that can be read here: PNG, JPEG, WebP, BMP and GIF can."),
    "picture_damaged": N_("The pasted picture is damaged or not complete; copy it again."),
    "picture_too_large": N_(
        "The pasted picture has {megapixels} megapixels, more than the {most} that are read here; make it smaller."
    ),
}  # fmt: skip
"""Of what has no file and no name."""


def error_text(error: AppError, name: str) -> str:
    """Why something that was given is no picture that can be used. It is called by its file's name, not its path."""
    if not name and error.code in PASTED:
        return fill(_(PASTED[error.code]), {key: str(value) for key, value in error.values.items()})
    if "path" not in error.values:
        return errors.text(error)
    whole, values = str(error.values["path"]), dict(error.values)
    values["path"] = name or _("The pasted picture")
    if whole and isinstance(values.get("detail"), str):
        values["detail"] = str(values["detail"]).replace(whole, str(values["path"]))
    return errors.text(AppError(error.code, **values))
