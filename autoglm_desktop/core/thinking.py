"""A streamed reply taken apart: what the model thought, what it says, and marks that nobody shall see.

``<think>…</think>`` is thinking, ``<answer>`` is unwrapped, the tokens of GLM's template are left out, wherever the
stream cuts them. The history that the phone agent sends back has them doubled (``<think><think>…</think>\\n<answer>
</think><answer>…``), and so may a reply. What stands in a code block, between backticks or in quotes is text *about*
marks and stays. Templates that begin the thinking themselves leave a reply with ``</think>`` alone: what came before
it was thinking ("relabel").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .phone import END_OF_ANSWER, TEMPLATE_TOKENS
from .thinking_line import Line

THINK, END_OF_THINK, ANSWER = "<think>", "</think>", "<answer>"
MARKS = (THINK, END_OF_THINK, ANSWER, END_OF_ANSWER, *TEMPLATE_TOKENS)
CALLS = ("do(", "finish(")
OPENING, CLOSING = "`'\"“‘「『", "`'\"”’」』"

_ANY = "|".join(map(re.escape, MARKS))
_MARK = re.compile(_ANY)
_RUN = re.compile(rf"(?:{_ANY})(?:\s|{_ANY})*")
_TICK = re.compile("[`\n]")
FAR = 400
"""Characters in which the backtick is looked for that ends code within a line."""
_LONGEST = max(map(len, MARKS))


@dataclass(frozen=True)
class Piece:
    """What a feed has made certain. ``kind``: text | thinking | relabel (all text until now was thinking; no text)."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class Part:
    """``kind``: text | thinking. ``began``, ``ended``: the ``at`` of the feeds that held its first and its last word,
    None where none was given or it goes on; ``closed``: of thinking, whether its end was written."""

    kind: str
    text: str
    began: float | None = None
    ended: float | None = None
    closed: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return self.ended - self.began if self.began is not None and self.ended is not None else None


class _Open:
    """A part that grows. White space around it is no part of it."""

    def __init__(self, kind: str, at: float | None) -> None:
        self.kind, self.began, self.line = kind, at, Line()
        self.pieces: list[str] = []
        self._white = ""
        self._break = False

    def add(self, text: str) -> str:
        """What of it is certain to be shown."""
        self.line.add(text)
        text = self._white + text
        bare = text.rstrip()
        if not bare or not self.pieces:
            self._white = text if self.pieces else ""
            bare = bare.lstrip()
        if not bare:
            return ""
        self._white = text[len(text.rstrip()) :]
        if self._break and self.pieces and "\n" not in bare[: len(bare) - len(bare.lstrip())]:
            bare = "\n" + bare.lstrip()
        self._break = False
        self.pieces.append(bare)
        return bare

    def break_line(self) -> None:
        """What follows stands on a line of its own."""
        if self.pieces:
            self._break = True
            self.line.end()

    def part(self, ended: float | None, *, closed: bool) -> Part:
        return Part(self.kind, "".join(self.pieces), self.began, ended, closed)


class ReplyParser:
    """``feed`` the pieces of a reply, then ``end``; ``parts`` is all of it so far. Any way to cut a reply into pieces
    gives the same parts."""

    def __init__(self) -> None:
        self._held = ""
        self._done: list[Part] = []
        self._open = _Open("text", None)
        self._at: float | None = None
        self._marked = False  # <think> or <answer> was there
        self._out: list[Piece] = []

    @property
    def thinking(self) -> bool:
        """Whether it is thinking now."""
        return self._open.kind == "thinking"

    @property
    def parts(self) -> tuple[Part, ...]:
        """Without empty ones; the last one may grow."""
        last = self._open.part(None, closed=False)
        return (*self._done, last) if last.text else tuple(self._done)

    def feed(self, text: str, at: float | None = None) -> tuple[Piece, ...]:
        """What ``text`` has made certain. ``at``: the caller's clock, in seconds."""
        self._at = at
        self._held += text
        self._held = self._held[self._run(final=False) :]
        return self._taken()

    def end(self, at: float | None = None) -> tuple[Piece, ...]:
        """The reply ends here, wherever it is."""
        self._at = at
        self._run(final=True)
        self._held = ""
        self._close(closed=False)
        return self._taken()

    def _taken(self) -> tuple[Piece, ...]:
        pieces, self._out = tuple(self._out), []
        return pieces

    def _run(self, *, final: bool) -> int:
        """Take in what can be told; returns how much of the held text that was."""
        text, place = self._held, 0
        while True:
            mark = _MARK.search(text, place)
            if mark is None:
                cut = len(text) if final else len(text) - _overlap(text[place:])
                self._say(text[place:cut])
                return cut
            self._say(text[place : mark.start()])
            place = mark.start()
            after = self._mark(text, mark, final=final)
            if after is None:
                return place
            place = after

    def _mark(self, text: str, mark: re.Match[str], *, final: bool) -> int | None:
        """Where to go on after a mark; None: what follows it has to be known first."""
        if not self.thinking and self._open.line.in_fence:
            return self._in_fence(text, mark.start(), final=final)
        named = self._is_named(mark.group(), text[mark.end() : mark.end() + FAR], final=final)
        if named is None:
            return None
        if named:
            self._say(mark.group())
        else:
            self._act(mark.group())
        return mark.end()

    def _is_named(self, word: str, rest: str, *, final: bool) -> bool | None:
        """Whether the text only speaks of a mark: ``rest`` follows it. None where too little of that is known."""
        line, last = self._open.line, self._open.line.last
        if not self.thinking and line.ticked:
            tick = _TICK.search(rest)
            if tick is None and not final and len(rest) < FAR:
                return None
            if tick is not None and tick.group() == "`":
                return True
        if last and last in OPENING + " \t" and not rest and not final:
            return None
        if last and last in OPENING and rest[:1] and rest[0] in CLOSING:
            return True
        if line.blank:
            return False
        if word == END_OF_THINK and not self.thinking:
            return last in " \t" and rest[:1] in (" ", "\t")
        if word == ANSWER and self.thinking:
            if not final and any(call.startswith(rest) for call in CALLS):
                return None
            return not rest.startswith(CALLS)
        return word == THINK

    def _in_fence(self, text: str, start: int, *, final: bool) -> int | None:
        """Marks in a code block are text, unless nothing but marks follows: then the reply ends in the code block."""
        run = _RUN.match(text, start)
        assert run is not None
        rest = text[run.end() : run.end() + _LONGEST]
        if not final and any(mark.startswith(rest) for mark in MARKS):
            return None
        if rest:
            self._say(run.group())
        return run.end()

    def _act(self, word: str) -> None:
        """A mark that means what it says."""
        self._marked = self._marked or word in (THINK, ANSWER)
        if word == THINK and not self.thinking:
            self._close(closed=True)
            self._open = _Open("thinking", self._at)
        elif word == END_OF_THINK:
            self._end_thinking()
        elif word == ANSWER:
            if self.thinking:
                self._end_thinking()
            self._open.break_line()
        elif word == END_OF_ANSWER and not self.thinking:
            self._open.break_line()

    def _end_thinking(self) -> None:
        if self.thinking:
            self._close(closed=True)
            self._open = _Open("text", None)
        elif not self._marked and not self._done and self._open.pieces:
            self._open.kind = "thinking"
            self._out.append(Piece("relabel"))
            self._end_thinking()

    def _close(self, *, closed: bool) -> None:
        part = self._open.part(self._at, closed=closed)
        if part.text:
            self._done.append(part)
        self._open = _Open("text", None)

    def _say(self, text: str) -> None:
        if not text:
            return
        shown = self._open.add(text)
        if shown:
            if self._open.began is None:
                self._open.began = self._at
            self._out.append(Piece(self._open.kind, shown))


def parse_reply(text: str) -> tuple[Part, ...]:
    """A whole reply."""
    parser = ReplyParser()
    parser.feed(text)
    parser.end()
    return parser.parts


def _overlap(text: str) -> int:
    """Length of the longest end of ``text`` that begins a mark."""
    tail = text[-_LONGEST:]
    for length in range(min(_LONGEST - 1, len(tail)), 0, -1):
        if any(mark.startswith(tail[-length:]) for mark in MARKS):
            return length
    return 0
