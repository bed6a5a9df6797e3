"""Where streamed Markdown may be cut: what lies before the cut never changes its look again."""

from __future__ import annotations

import re

_FENCE = re.compile(r"(`{3,}|~{3,})")
_LIST_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?:\s|$)")
_MAY_BECOME_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)]?)$")


def finished_length(text: str) -> int:
    """How many characters of ``text`` are finished blocks.

    A cut is made before a line that begins a new block: after a blank line outside a fence, not indented and no list
    item; and after a fence that closed at the left margin.
    """
    fence: str | None = None
    cut, position, blank = 0, 0, False
    lines = text.split("\n")
    for number, line in enumerate(lines):
        complete = number < len(lines) - 1
        if fence is not None:
            closed = complete and _closes(line, fence)
            if closed:
                fence, cut = None, position + len(line) + 1
            blank = False
        elif not line.strip():
            blank = True
        else:
            if blank and _begins_block(line, complete=complete):
                cut = position
            opened = _FENCE.match(line)
            fence = opened.group(1) if opened is not None and complete else None
            blank = False
        position += len(line) + 1
    return min(cut, len(text))


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip()
    return line[:1] == fence[0] and len(stripped) >= len(fence) and set(stripped) == {fence[0]}


def _begins_block(line: str, *, complete: bool) -> bool:
    if line[0] in " \t>" or _LIST_ITEM.match(line):
        return False
    return complete or not _MAY_BECOME_ITEM.match(line)
