"""The progress line of the terminal: on stderr, so that stdout holds results only."""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Callable
from typing import TextIO

from .host.install import InstallProgress
from .texts import session as texts

LEAST_S = 10.0
"""A pipe gets a line at most that often, but for a new stage."""
LONGEST_S = 60.0
"""… and one at least that often while something is under way."""
STEP = 0.1
"""… and one for each tenth that is done."""


class ProgressLine:
    """One line that is rewritten on a terminal, fitted to its width; in a pipe a line now and then, without ``\\r``.

    ``stream``: stderr; ``clock``: seconds that never go back.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._stage: str | None = None
        self._width = 0
        self._said_at = 0.0
        self._said = 0.0

    def show(self, text: str, stage: str, fraction: float | None = None) -> None:
        """``stage``: a pipe gets a line for each new one. ``fraction`` done, 0 to 1: also lines in between."""
        if self._terminal:
            self._rewrite(fitted(text, self._columns()))
        elif self._due(stage, fraction):
            self._stream.write(text + "\n")
            self._said_at, self._said = self._clock(), fraction or 0.0
        self._stage = stage
        self._stream.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._terminal and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def install(self, progress: InstallProgress) -> None:
        self.show(texts.install_text(progress), progress.stage)

    def _rewrite(self, line: str) -> None:
        width = columns_of(line)
        self._stream.write("\r" + line + " " * max(0, self._width - width))
        self._width = width

    def _due(self, stage: str, fraction: float | None) -> bool:
        if stage != self._stage:
            return True
        waited = self._clock() - self._said_at
        if fraction is None or waited < LEAST_S:
            return False
        return waited >= LONGEST_S or fraction - self._said >= STEP

    def _columns(self) -> int:
        """The terminal's width now; 80 where it does not say."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80


def columns_of(text: str) -> int:
    """How many columns a terminal takes for a text: Chinese characters take two."""
    return sum(_columns(char) for char in text)


def fitted(text: str, columns: int) -> str:
    """The text, cut so that it stays on one line of that many columns (the last one is left free)."""
    if columns_of(text) < columns:
        return text
    room, kept = columns - 2, ""
    for char in text:
        room -= _columns(char)
        if room < 0:
            break
        kept += char
    return kept + "…"


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
