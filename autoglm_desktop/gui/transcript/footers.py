"""The small print of an answer: what the engine reported of it, how it ended, what was left out. Pure functions."""

from __future__ import annotations

from ...core.protocol import Done, Timings, Usage
from ...i18n import _, ngettext
from ...store.conversations import StoredMessage
from ...texts import session as texts
from ...texts.rungs import rung_text

UNFINISHED = ("length", "cancelled", "failed", None)


def footer(message: StoredMessage) -> str:
    """What the engine reported of an answer, and how it ended: ``128 tokens · 12.3 tokens/s · …``"""
    facts = message.facts
    parts = []
    if facts.tokens:
        usage, timings = Usage(0, facts.tokens), Timings(facts.first_token_s, None, facts.tokens_per_s)
        parts.append(texts.done_text(Done("", usage, timings, message.finish_reason or "")))
    if facts.rung is not None:
        parts.append(rung_text(facts.rung))
    if facts.model is not None:
        parts.append(facts.model)
    if facts.endpoint is not None:
        parts.append(_("answered by {server}").format(server=facts.endpoint))
    return " · ".join(parts)


def remarks(message: StoredMessage) -> tuple[str, ...]:
    """What else is to be said of an answer: how it ended, what was left out of its context."""
    found = []
    if message.facts.dropped:
        found.append(texts.dropped_text(message.facts.dropped))
    if message.facts.unseen:
        count = message.facts.unseen
        text = ngettext(
            "{count} picture of earlier messages was not shown to this model.",
            "{count} pictures of earlier messages were not shown to this model.",
            count,
        )
        found.append(text.format(count=count))
    if message.finish_reason == "length":
        found.append(_limit_text(message.facts.tokens))
    elif message.finish_reason == "cancelled":
        found.append(_("Stopped by you.") if message.text else _("Stopped by you before it began."))
    elif message.finish_reason == "failed":
        found.append(_("Not finished: the engine failed."))
    elif message.finish_reason == "unsaved":
        found.append(_("This answer could not be saved."))
    elif message.finish_reason is None:
        found.append(_("Not finished: the program ended while it was written."))
    return tuple(found)


def _limit_text(tokens: int | None) -> str:
    if tokens is None:
        return _("It ended at its limit of tokens.")
    text = ngettext(
        "It ended at its limit of {count} token.", "It ended at its limit of {count} tokens.", tokens
    )
    return text.format(count=tokens)
