"""What stands below a message: remarks, the engine's figures, its versions, what can be done with it."""

from __future__ import annotations

from PySide6.QtGui import QTextBlockFormat, QTextCharFormat, QTextCursor

from .. import theme
from . import code
from .entry import Entry

MORE = "more"
"""The link that opens a message's menu."""

GAP = "   "
BOTTOM = theme.GAP
"""Below it, in pixels."""


def block_format() -> QTextBlockFormat:
    form = QTextBlockFormat()
    form.setBottomMargin(BOTTOM)
    return form


def needed(entry: Entry) -> bool:
    return bool(entry.remarks or entry.footer or entry.actions or entry.versions > 1)


def write(entry: Entry, cursor: QTextCursor, scheme: str) -> None:
    """Write it into the empty block at ``cursor``."""
    form = cursor.blockFormat()
    form.setProperty(code.CHROME, True)
    cursor.setBlockFormat(form)
    small = code.small_format()
    for remark in entry.remarks:
        cursor.insertText(remark + "\n", small)
    cursor.insertText(entry.footer, small)
    gap = GAP if entry.footer else ""
    if entry.versions > 1:
        cursor.insertText(gap, small)
        _versions(entry, cursor, scheme)
        gap = GAP
    more = ((MORE, "⋯"),) if entry.more and entry.role != "user" else ()
    for name, text in (*entry.actions, *more):
        cursor.insertText(gap, small)
        cursor.insertText(text.replace(" ", "\u00a0"), _link(entry, name, scheme))
        gap = GAP
    cursor.setCharFormat(QTextCharFormat())


def _versions(entry: Entry, cursor: QTextCursor, scheme: str) -> None:
    """``‹ 2/3 ›``, with links to the versions beside it."""
    small = code.small_format()
    for name, mark, there in (
        ("older", "‹", entry.version > 1),
        ("", f" {entry.version}/{entry.versions} ", True),
        ("newer", "›", entry.version < entry.versions),
    ):
        cursor.insertText(mark, _link(entry, name, scheme) if name and there else small)


def _link(entry: Entry, name: str, scheme: str) -> QTextCharFormat:
    return code.link_format(f"{scheme}:{name}:{entry.key}")
