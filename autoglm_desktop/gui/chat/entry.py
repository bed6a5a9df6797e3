"""A message as the transcript shows it."""

from __future__ import annotations

from dataclasses import dataclass

THINKING = "thinking"


@dataclass(frozen=True)
class Part:
    """A piece of an answer. ``kind``: thinking (shown collapsed) | text. ``seconds``: how long it took, where known."""

    kind: str
    text: str
    seconds: float | None = None


@dataclass(frozen=True)
class Entry:
    """``footer``, ``remarks`` and ``actions`` ((name, text) pairs) stand below the message. ``text`` is Markdown, or of
    a question what was typed. ``parts``: the same taken apart; empty: it is all answer.

    ``role``: user | assistant. ``version`` of ``versions``, counted from 1. ``more``: actions that only the message's
    menu and the keyboard offer.
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

    def offers(self, name: str) -> bool:
        """Whether an action can be done on it now."""
        return any(name == known for known, _text in (*self.actions, *self.more))
