"""Stored messages as the transcript shows them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from ...i18n import _, ngettext
from ...store.conversations import StoredMessage
from . import words
from .document import Entry

PORTION = 60
"""How many messages of a long conversation are shown at first, and more at each wish."""


def entries(messages: Sequence[StoredMessage], first: int, *, busy: bool) -> tuple[Entry, ...]:
    """One entry for each message from ``first`` on, and a line that offers those before it.

    The last answer offers to be continued and asked for again unless ``busy``.
    """
    last = len(messages) - 1
    shown = tuple(
        entry(messages[index], last=index == last and not busy) for index in range(first, len(messages))
    )
    return (earlier(first), *shown) if first else shown


def earlier(count: int) -> Entry:
    text = ngettext("Show {count} earlier message", "Show {count} earlier messages", count)
    return Entry(-1, "earlier", "", actions=(("earlier", text.format(count=count)),))


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
