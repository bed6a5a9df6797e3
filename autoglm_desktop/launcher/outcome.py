"""How the launcher ends and what it says meanwhile."""

from __future__ import annotations

import sys

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Stop(Exception):
    """Nothing more can be done: a sentence and an exit status."""

    def __init__(self, sentence: str, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.status = status


def say(sentence: str) -> None:
    """A line on stderr; stdout belongs to the application."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
