"""A conversation's transcript as Markdown, for people: what was asked and answered, by whom, in the versions shown."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from ..core.protocol import Done, Timings, Usage
from ..core.units import format_seconds
from ..i18n import _
from ..store.conversation_values import Conversation, StoredMessage
from ..texts.rungs import rung_text
from ..texts.session import done_text


def markdown(conversation: Conversation, messages: Sequence[StoredMessage], folder: str) -> str:
    """``folder``: where the pictures lie, seen from the file."""
    parts = [f"# {_line(conversation.title) or _('Conversation')}", _day(conversation.created)]
    if conversation.settings.system.strip():
        parts += ["## " + _("System prompt"), conversation.settings.system.strip()]
    for message in messages:
        parts.append("## " + (_("You") if message.role == "user" else _("Answer")))
        parts += [
            f"![{_line(picture.name) or _('Picture')}]({folder}/{picture.file_name})"
            for picture in message.pictures
        ]
        if message.text.strip():
            parts.append(_closed(message.text.strip("\n")))
        footer = _footer(message)
        if footer:
            parts.append(f"*{footer}*")
    return "\n\n".join(parts) + "\n"


def _footer(message: StoredMessage) -> str:
    facts = message.facts
    parts = [
        _line(facts.model or ""),
        rung_text(facts.rung) if facts.rung else "",
        _line(facts.endpoint or ""),
    ]
    if facts.tokens:
        usage, timings = Usage(0, facts.tokens), Timings(facts.first_token_s, None, facts.tokens_per_s)
        parts.append(done_text(Done("", usage, timings, message.finish_reason or "")))
    if facts.thinking_s is not None:
        parts.append(_("thought for {seconds}").format(seconds=format_seconds(facts.thinking_s)))
    return " · ".join(part for part in parts if part)


def _closed(text: str) -> str:
    """An answer that ended within a code block would swallow what follows."""
    open_fence = ""
    for line in text.splitlines():
        mark = line.lstrip()
        if open_fence:
            if (
                mark.rstrip()
                and set(mark.rstrip()) == {open_fence[0]}
                and len(mark.rstrip()) >= len(open_fence)
            ):
                open_fence = ""
        elif mark.startswith(("```", "~~~")):
            open_fence = mark[0] * (len(mark) - len(mark.lstrip(mark[0])))
    return f"{text}\n{open_fence}" if open_fence else text


def _line(text: str) -> str:
    """One line without what Markdown takes for brackets."""
    return " ".join(text.split()).replace("[", "(").replace("]", ")")


def _day(created: float) -> str:
    return datetime.datetime.fromtimestamp(created).strftime("%Y-%m-%d %H:%M")
