"""Stored messages as the transcript shows them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from ...i18n import _
from ...store.conversations import StoredMessage
from . import words
from .transcript import Entry


def entries(messages: Sequence[StoredMessage], *, busy: bool) -> tuple[Entry, ...]:
    """One entry for each message; the last answer offers to be continued and asked for again unless ``busy``."""
    last = len(messages) - 1
    return tuple(entry(message, last=index == last and not busy) for index, message in enumerate(messages))


def entry(message: StoredMessage, *, last: bool) -> Entry:
    if message.role == "user":
        return Entry(message.id, "user", message.text)
    actions = []
    if message.text:
        actions.append(("copy", _("Copy")))
    if last and message.text and message.finish_reason in words.UNFINISHED:
        actions.append(("continue", _("Continue")))
    if last:
        actions.append(("again", _("Try again")))
    return Entry(
        message.id, "assistant", message.text, words.footer(message), words.remarks(message), tuple(actions)
    )
