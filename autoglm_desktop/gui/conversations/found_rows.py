"""What a search has found, as rows: a conversation's title, then its messages, the best conversation first. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from ...core.search_text import folded, terms
from ...i18n import _
from ...store.conversation_search import Found, Hit
from ..transcript.visible import visible

MOST_EACH = 3
"""Messages of one conversation that are shown before its others are asked for."""
BEFORE = 12
"""Characters of a message before what was found: it has to be seen in a narrow list."""

Marks: TypeAlias = "tuple[tuple[int, int], ...]"
"""(begin, end) of each place to be marked, in characters, from the left."""


@dataclass(frozen=True)
class Title:
    """A conversation. ``found``: it is called so, and the row can be chosen; else it is the heading of its messages."""

    conversation: int
    text: str
    marks: Marks = ()
    found: bool = False


@dataclass(frozen=True)
class Message:
    conversation: int
    message: int
    who: str
    when: str
    text: str
    marks: Marks = ()


@dataclass(frozen=True)
class More:
    """``count`` further messages of a conversation."""

    conversation: int
    count: int


@dataclass(frozen=True)
class Remark:
    """A sentence that cannot be chosen."""

    text: str


FoundRow: TypeAlias = "Title | Message | More | Remark"


def rows_of(found: Found, query: str, now: float, opened: Collection[int] = ()) -> list[FoundRow]:
    """``opened``: the conversations of which all messages are shown. ``now``: seconds since the epoch."""
    together: dict[int, list[Hit]] = {}
    for hit in found.hits:
        together.setdefault(hit.conversation, []).append(hit)
    rows: list[FoundRow] = []
    for conversation, hits in together.items():
        messages = [hit for hit in hits if hit.message is not None]
        title = visible(hits[0].title) or _("Untitled")
        called_so = len(messages) < len(hits)
        rows.append(Title(conversation, title, marks_of(title, query), called_so))
        most = len(messages) if conversation in opened or len(messages) == MOST_EACH + 1 else MOST_EACH
        rows += [_message(hit, query, now) for hit in messages[:most]]
        if len(messages) > most:
            rows.append(More(conversation, len(messages) - most))
    if found.more:
        rows.append(Remark(_("There is more. Another word narrows it down.")))
    return rows


def _message(hit: Hit, query: str, now: float) -> Message:
    assert hit.message is not None
    text = visible(hit.snippet)
    begin = hit.begin if len(text) == len(hit.snippet) else 0
    if begin > BEFORE:
        start = begin - BEFORE
        space = text.find(" ", start, begin - 1)
        text = "…" + text[space + 1 if space >= 0 else start :]
    marks = marks_of(text, query)
    if not marks and hit.end > hit.begin and len(text) == len(hit.snippet):
        marks = ((hit.begin, hit.end),)
    who = _("You") if hit.role == "user" else _("Answer")
    return Message(hit.conversation, hit.message, who, when_text(hit.created, now), text, marks)


def when_text(created: float, now: float) -> str:
    """``14:05`` of today, else ``2026-11-03``, in local time."""
    moment = datetime.datetime.fromtimestamp(created)
    today = datetime.date.fromtimestamp(now)
    return moment.strftime("%H:%M") if moment.date() == today else moment.date().isoformat()


def marks_of(text: str, query: str) -> Marks:
    """Where the words of a query stand in a short text, whatever their case and diacritics."""
    plain, places = "", []
    for place, character in enumerate(text):
        part = folded(character)
        plain += part
        places += [place] * len(part)
    hits = []
    for term in terms(query):
        at = plain.find(term)
        while at >= 0:
            hits.append((places[at], places[at + len(term) - 1] + 1))
            at = plain.find(term, at + len(term))
    return _merged(hits)


def _merged(hits: list[tuple[int, int]]) -> Marks:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(hits):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)


def summary(found: Found | None) -> str:
    """One line over the rows."""
    if found is None:
        return _("Searching…")
    late = "" if found.complete else _("Not all texts are in the index yet, so more may be found in a while.")
    if not found.hits:
        return " ".join(filter(None, (_("Nothing found."), late)))
    return late
