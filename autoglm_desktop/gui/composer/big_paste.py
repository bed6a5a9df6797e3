"""Text that is too much: for the model, which is asked about first, or for the field, which then shows it folded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from ...core.context_use import ContextUse, first_tokens, text_tokens
from ...core.pictures import REPLY_TOKENS
from ...core.units import format_bytes
from ...i18n import _
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label

FOLD = 20_000
"""Characters of a text that the field holds itself. A line of 500,000 costs 40 ms for each key that is pressed."""
UNFOLD = 100_000
"""Characters of a text that may be put into the field all the same: 10 to 30 ms for each key in the worst line."""
REPLY_SHARE = 4
"""A small context leaves a quarter to the reply at least, a large one ``REPLY_TOKENS``."""
TITLE = 60
"""Characters at its beginning by which a folded text is known."""


@dataclass(frozen=True)
class Folded:
    """A text that belongs to the question and is not in the field. ``tokens``: estimated, on the high side."""

    text: str
    tokens: int

    @property
    def title(self) -> str:
        """How it begins."""
        return " ".join(self.text[: 4 * TITLE].split())[:TITLE]

    @property
    def can_unfold(self) -> bool:
        return len(self.text) <= UNFOLD


@dataclass(frozen=True)
class Question:
    """What is to become of a text that does not fit. ``left``: tokens that there is room for."""

    text: str
    tokens: int
    context: int
    left: int


def fold(text: str, tokens: int | None = None) -> Folded:
    """``tokens``: where they are counted already."""
    return Folded(text, text_tokens(text) if tokens is None else tokens)


def size_text(folded: Folded) -> str:
    """``Pasted text, 4.8 MiB``"""
    size = format_bytes(len(folded.text.encode("utf-8", "surrogatepass")))
    return _("Pasted text, {size}").format(size=size)


def tokens_text(tokens: int) -> str:
    """``about 1,300,000 tokens``: two digits are what an estimate is good for."""
    return _("about {tokens} tokens").format(tokens=f"{round_up(tokens):,}")


def round_up(tokens: int) -> int:
    """To two digits, never to less."""
    step: int = 10 ** max(0, len(str(tokens)) - 2)
    return -(-tokens // step) * step


def room_for_text(use: ContextUse) -> int | None:
    """Tokens that the text of the question may have, beside all else and the beginning of a reply."""
    if use.context is None:
        return None
    reply = min(REPLY_TOKENS, use.context // REPLY_SHARE)
    return max(0, use.context - (use.used - use.draft) - reply)


def ask(text: str, context: int | None, left: int | None, written: int = 0) -> Question | None:
    """What is to be asked before a text is taken; None: it fits, or what fits is not known. ``left``: tokens for the
    whole question, of which ``written`` are taken already."""
    if context is None or left is None:
        return None
    tokens, left = text_tokens(text), max(0, left - written)
    return Question(text, tokens, context, left) if tokens > left else None


def beginning(question: Question) -> str:
    """As much of the text as fits, to the end of a line or of a word where one is near."""
    found = first_tokens(question.text, question.left)
    if len(found) == len(question.text):
        return found
    for mark in (r"\n", r"\s"):
        ends = [match.start() for match in re.finditer(mark, found[-2_000:])]
        if ends:
            return found[: len(found) - min(len(found), 2_000) + ends[-1]].rstrip()
    return found


def question_text(question: Question) -> str:
    """One sentence, with what is known."""
    text = _("This text has {tokens}; the model's context holds {context}, of which {left} are free.")
    return text.format(
        tokens=tokens_text(question.tokens), context=f"{question.context:,}", left=f"{question.left:,}"
    )


class BigPasteCard(QFrame):
    """Asks about a text that was pasted: ``answered(question, text to be taken or "")``. Esc leaves it out."""

    answered = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.question: Question | None = None
        self.setProperty("inset", True)
        self.setAccessibleName(_("A long text was pasted"))
        self.text = label("", "warn", wrap=True)
        self.fitting = button(_("Insert the beginning that fits"), self._take_beginning, "soft")
        self.whole = button(_("Insert anyway"), self._take_whole)
        self.nothing = button(_("Leave it out"), self.leave)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for part in (self.fitting, self.whole, self.nothing):
            row.addWidget(part)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(GAP + GAP // 2, GAP, GAP + GAP // 2, GAP)
        column.setSpacing(GAP)
        column.addWidget(self.text)
        column.addLayout(row)
        self.hide()

    def show_question(self, question: Question) -> None:
        """Ask; the keyboard goes to the answer that loses least."""
        self.question = question
        self.text.setText(question_text(question))
        for answer in (self.fitting, self.whole, self.nothing):
            answer.setAccessibleDescription(self.text.text())
        self.fitting.setVisible(question.left > 0)
        self.show()
        (self.fitting if question.left > 0 else self.nothing).setFocus()

    def leave(self) -> None:
        """Take none of it."""
        self._answer("")

    def forget(self) -> None:
        """Ask no more; nobody is told."""
        self.question = None
        self.hide()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and _is_escape(event):
            event.accept()  # before the page's own Esc
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if _is_escape(event):
            self.leave()
        else:
            super().keyPressEvent(event)

    def _take_whole(self) -> None:
        self._answer(self.question.text if self.question is not None else "")

    def _take_beginning(self) -> None:
        self._answer(beginning(self.question) if self.question is not None else "")

    def _answer(self, text: str) -> None:
        question, self.question = self.question, None
        self.hide()
        if question is not None:
            self.answered.emit(question, text)


def _is_escape(event: QEvent) -> bool:
    return isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
