"""A message as the transcript shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core.phone_actions import Action

THINKING = "thinking"


@dataclass(frozen=True)
class Part:
    """A piece of an answer. ``kind``: thinking (shown collapsed) | text. ``seconds``: how long it took, where known."""

    kind: str
    text: str
    seconds: float | None = None


@dataclass(frozen=True)
class Shown:
    """A picture of a message. ``width``, ``height`` in pixels, upright; ``name``: what its file was called; ``tokens``
    that it takes at most, None: not known. ``path`` None: where it lies is not known."""

    path: Path | None
    width: int
    height: int
    name: str = ""
    tokens: int | None = None


@dataclass(frozen=True)
class PhoneStep:
    """An answer that is an action. ``written``: the action as the model wrote it; ``said``: what it said before;
    ``picture``: the screenshot that it belongs to."""

    action: Action
    written: str
    said: str = ""
    picture: Shown | None = None


@dataclass(frozen=True)
class Entry:
    """``footer``, ``remarks`` and ``actions`` ((name, text) pairs) stand below the message. ``text`` is Markdown, or of
    a question what was typed. ``parts``: the same taken apart; empty: it is all answer.

    ``role``: user | assistant. ``version`` of ``versions``, counted from 1. ``more``: actions that only the message's
    menu and the keyboard offer. ``pictures``: of a question. ``step``: the answer is shown as this action.
    """

    key: int
    role: str
    text: str
    footer: str = ""
    remarks: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()
    version: int = 1
    versions: int = 1
    more: tuple[tuple[str, str], ...] = ()
    pictures: tuple[Shown, ...] = ()
    step: PhoneStep | None = None

    @property
    def answer(self) -> str:
        """The text without thinking."""
        if not self.parts:
            return self.text
        return "\n\n".join(part.text for part in self.parts if part.kind != THINKING)

    @property
    def body(self) -> tuple[Part, ...]:
        """What stands above the small print."""
        return self.parts or ((Part("text", self.text),) if self.text else ())

    @property
    def thought(self) -> bool:
        """Whether there is thinking to be opened."""
        return any(part.kind == THINKING for part in self.parts)

    @property
    def drawn(self) -> tuple[tuple[Shown, Action | None], ...]:
        """The pictures that stand in the message, each with the action that is drawn on it."""
        if self.step is not None and self.step.picture is not None:
            return ((self.step.picture, self.step.action),)
        return tuple((picture, None) for picture in self.pictures)

    def reads_like(self, other: Entry) -> bool:
        """Whether all above the small print is the same."""
        return (self.text, self.parts, self.pictures, self.step) == (
            other.text, other.parts, other.pictures, other.step,
        )  # fmt: skip

    def offers(self, name: str) -> bool:
        """Whether an action can be done on it now."""
        return any(name == known for known, _text in (*self.actions, *self.more))
