"""Conversations by date, as a list of groups."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from ...i18n import _
from ...store.conversations import Conversation


def grouped(conversations: Sequence[Conversation], now: float) -> list[tuple[str, list[Conversation]]]:
    """(heading, conversations) in the order they come; ``now`` in seconds since the epoch, days in local time."""
    groups: list[tuple[str, list[Conversation]]] = []
    today = datetime.date.fromtimestamp(now)
    for conversation in conversations:
        heading = heading_of(datetime.date.fromtimestamp(conversation.updated), today)
        if not groups or groups[-1][0] != heading:
            groups.append((heading, []))
        groups[-1][1].append(conversation)
    return groups


def heading_of(day: datetime.date, today: datetime.date) -> str:
    """``Today``, ``Yesterday``, ``The last 7 days``, ``The last 30 days``, then the month."""
    age = (today - day).days
    if age <= 0:
        return _("Today")
    if age == 1:
        return _("Yesterday")
    if age < 7:
        return _("The last 7 days")
    if age < 30:
        return _("The last 30 days")
    return _("{year}-{month}").format(year=day.year, month=f"{day.month:02}")
