"""A phone action in place of the answer that it was written as: in words, drawn on its screenshot, and as written."""

from __future__ import annotations

import re

from PySide6.QtGui import QFont, QTextCharFormat, QTextCursor

from ...i18n import _
from ...texts import phone_actions as texts
from ..theme import GAP
from . import code, picture_lines
from .body import Body
from .entry import PhoneStep
from .region import Region

WRITTEN = "written"
"""The link that opens and closes the action as it was written."""

_TICKS = re.compile("`+")


def write(step: PhoneStep, key: int, region: Region, font: QFont, scheme: str, *, opened: bool) -> None:
    """Write it at the end of ``region``. ``opened``: with the action as it was written."""
    _write_words(step, region.new_block(bottom=GAP), font)
    if step.picture is not None:
        picture_lines.insert(region.new_block(bottom=GAP), key, (step.picture,), scheme, drawn=True)
    _write_opener(region.new_block(bottom=GAP), key, scheme, opened=opened)
    if opened:
        body = Body(region, font, scheme)
        body.add(fenced(step.written))
        body.draw()
        body.finish()


def words(step: PhoneStep) -> str:
    """The action for people; nothing in it is trusted."""
    return texts.action_text(step.action)


def fenced(text: str) -> str:
    """A text as a block of code, whatever marks stand in it."""
    ticks = "`" * max((len(found) + 1 for found in _TICKS.findall(text)), default=3)
    ticks = ticks if len(ticks) >= 3 else "```"
    return f"{ticks}python\n{text}\n{ticks}\n"


def _write_words(step: PhoneStep, cursor: QTextCursor, font: QFont) -> None:
    chars = QTextCharFormat()
    chars.setFontWeight(QFont.Weight.DemiBold)
    chars.setFontPointSize(font.pointSizeF() * 1.12)
    cursor.insertText(words(step), chars)


def _write_opener(cursor: QTextCursor, key: int, scheme: str, *, opened: bool) -> None:
    form = cursor.blockFormat()
    form.setProperty(code.CHROME, True)
    cursor.setBlockFormat(form)
    mark = "▾" if opened else "▸"
    text = _("As it was written")
    cursor.insertText(f"{mark} {text}", code.link_format(f"{scheme}:{WRITTEN}:{key}", strong=False))
