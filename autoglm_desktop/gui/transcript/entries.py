"""Stored messages as the transcript shows them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from ...core import thinking
from ...core.errors import AppError
from ...core.pictures import MOST_TOKENS, shown_size
from ...core.thinking import parse_reply
from ...i18n import _
from ...store.conversation_values import Picture
from ...store.conversations import StoredMessage
from ...texts import reasons
from .answer_steps import refusal_of, step_of
from .entry import THINKING, Entry, Part, Shown
from .footers import UNFINISHED, footer, remarks

NOTHING: frozenset[str] = frozenset()


class Entries(Sequence[Entry]):
    """One entry for each message, made when it is asked for: of thousands only those near the view are."""

    def __init__(
        self, messages: Sequence[StoredMessage], *, busy: bool, can: frozenset[str], folder: Path | None
    ) -> None:
        self._messages, self._busy, self._can, self._folder = messages, busy, can, folder

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        message, place = self._messages[index], index % len(self._messages)
        before = self._messages[place - 1] if place else None
        return entry(
            message,
            last=place == len(self._messages) - 1,
            busy=self._busy,
            can=self._can,
            folder=self._folder,
            question=before if before is not None and before.role == "user" else None,
        )

    def place_of(self, key: int) -> int | None:
        """Where a message stands."""
        return next((place for place, message in enumerate(self._messages) if message.id == key), None)


def entries(
    messages: Sequence[StoredMessage],
    *,
    busy: bool,
    can: frozenset[str] = NOTHING,
    folder: Path | None = None,
) -> Entries:
    """The last answer offers to be continued and asked for again unless ``busy``.

    ``can``: what else may be done with a message: edit | again (of any answer) | delete. It is offered all the time, so
    that no line comes and goes with an answer. ``folder``: where the files of pictures lie.
    """
    return Entries(messages, busy=busy, can=can, folder=folder)


def entry(
    message: StoredMessage,
    *,
    last: bool,
    busy: bool,
    can: frozenset[str] = NOTHING,
    folder: Path | None = None,
    question: StoredMessage | None = None,
) -> Entry:
    """``question``: what an answer answers; its only picture is the screenshot that an action belongs to."""
    free = not busy
    delete = (("delete", _("Delete from here on")),) if "delete" in can else ()
    version, versions = version_of(message)
    if message.role == "user":
        edit = (("edit", _("Edit")),) if "edit" in can else ()
        return Entry(
            message.id,
            "user",
            message.text,
            actions=edit,
            version=version,
            versions=versions,
            more=((("copy", _("Copy")),) if message.text else ()) + delete,
            pictures=shown_pictures(message.pictures, folder),
        )
    found = reply_parts(parse_reply(message.text), message.facts.thinking_s)
    more = (("copy_markdown", _("Copy as Markdown")),) if message.text else ()
    said = "\n\n".join(part.text for part in found if part.kind != THINKING)
    seen = shown_pictures(question.pictures, folder) if question is not None else ()
    finished = message.finish_reason == "stop"
    step = step_of(message.text, said, seen[0] if len(seen) == 1 else None) if finished else None
    why = refusal_of(said) if finished and step is None else None
    unread = _("No action can be read from this reply: {why}.").format(why=reasons.text(why)) if why else ""
    return Entry(
        message.id,
        "assistant",
        said,
        footer(message),
        (*remarks(message), *filter(None, (unread,))),
        _actions(message, last=last, free=free, again=free if last else "again" in can),
        found if any(part.kind == THINKING for part in found) else (),
        version,
        versions,
        (*more, *delete),
        step=step,
    )


def shown_pictures(pictures: Sequence[Picture], folder: Path | None) -> tuple[Shown, ...]:
    """Pictures of a message whose files lie in ``folder``."""
    return tuple(
        Shown(
            folder / picture.file_name if folder is not None else None,
            picture.width,
            picture.height,
            picture.name,
            _tokens(picture),
        )
        for picture in pictures
    )


def _tokens(picture: Picture) -> int | None:
    """What it takes where there is room."""
    try:
        return shown_size(picture.width, picture.height, picture.most_tokens or MOST_TOKENS).tokens
    except (AppError, ZeroDivisionError):
        return None


def reply_parts(parts: Sequence[thinking.Part], seconds: float | None = None) -> tuple[Part, ...]:
    """A reply that was taken apart, as it is shown. ``seconds``: how long it thought, where the parts don't know."""
    return tuple(
        Part(part.kind, part.text, (part.seconds or seconds) if part.kind == THINKING else None)
        for part in parts
    )


def version_of(message: StoredMessage) -> tuple[int, int]:
    """(which version of a message it is, counted from 1; how many there are)."""
    if message.id not in message.versions:
        return 1, 1
    return message.versions.index(message.id) + 1, len(message.versions)


def _actions(message: StoredMessage, *, last: bool, free: bool, again: bool) -> tuple[tuple[str, str], ...]:
    found = []
    if message.text:
        found.append(("copy", _("Copy")))
    if last and free and message.text and message.finish_reason in UNFINISHED:
        found.append(("continue", _("Continue")))
    if again:
        found.append(("again", _("Try again")))
    return tuple(found)
