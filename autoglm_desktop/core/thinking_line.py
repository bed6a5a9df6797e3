"""Where the end of a text that grows stands in Markdown: in which line, and whether in code."""

from __future__ import annotations

import re

HEAD = 120
"""Characters of a line that are kept. A fence's line is shorter."""

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})([^`]*)\Z")


class Line:
    """The last line of a text, and the fence that it may stand in."""

    def __init__(self) -> None:
        self._fence = ""
        self.last = ""
        """The last character; empty at the beginning."""
        self._begin()

    @property
    def blank(self) -> bool:
        """Whether nothing but white space stands in this line."""
        return self._blank

    @property
    def in_fence(self) -> bool:
        """In a fenced block, before the fence that closes it."""
        return bool(self._fence) and not self._closes()

    @property
    def ticked(self) -> bool:
        """Behind an odd number of backticks in this line: in code, if another one follows."""
        return not self._fence and self._ticks % 2 == 1

    def add(self, text: str) -> None:
        """Go on with this."""
        first, *others = text.split("\n")
        self._grow(first)
        for other in others:
            self.end()
            self._grow(other)

    def end(self) -> None:
        """Begin a new line."""
        if self._fence:
            if self._closes():
                self._fence = ""
        else:
            found = _FENCE.match(self._head)
            if found is not None and self._length <= HEAD:
                self._fence = found[1]
        self._begin()
        self.last = "\n"

    def _begin(self) -> None:
        self._head, self._length, self._ticks, self._blank = "", 0, 0, True

    def _grow(self, text: str) -> None:
        if not text:
            return
        if len(self._head) < HEAD:
            self._head += text[: HEAD - len(self._head)]
        self._length += len(text)
        self._ticks += len(re.findall(r"`+", text)) - (text[0] == "`" and self.last == "`")
        self._blank = self._blank and not text.strip()
        self.last = text[-1]

    def _closes(self) -> bool:
        found = _FENCE.match(self._head)
        return (
            found is not None
            and self._length <= HEAD
            and found[1].startswith(self._fence)
            and not found[2].strip()
        )
