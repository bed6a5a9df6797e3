"""The keyboard in the transcript: a focus that moves from message to message, and what acts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QAccessible, QAccessibleEvent, QKeyEvent, QKeySequence

from ...i18n import _
from . import picture_lines, step_picture
from .entry import Entry
from .message_menu import SHORTCUTS, offered

if TYPE_CHECKING:
    from .transcript import Transcript

SAID = 200
"""Characters of a message that a screen reader is given when the focus comes to it."""


def press(transcript: Transcript, event: QKeyEvent) -> bool:
    """Do what a key asks for; whether it was one of ours."""
    pressed = QKeySequence(event.keyCombination()).toString(QKeySequence.SequenceFormat.PortableText)
    if pressed in ("Ctrl+Home", "Home"):
        transcript.scroll_to_start()
    elif pressed in ("Ctrl+End", "End"):
        transcript.scroll_to_end()
    elif pressed in ("Alt+Up", "Alt+Down"):
        _step(transcript, -1 if pressed == "Alt+Up" else 1)
    elif pressed in ("Return", "Enter", "Menu") and transcript.focused is not None:
        transcript.open_menu(transcript.focused, transcript.mapToGlobal(transcript.rect().center()))
    else:
        return _act(transcript, pressed)
    return True


def announce(transcript: Transcript, entry: Entry) -> None:
    """Tell a screen reader which message has the focus."""
    transcript.setAccessibleDescription(spoken(entry))
    QAccessible.updateAccessibility(QAccessibleEvent(transcript, QAccessible.Event.DescriptionChanged))


def spoken(entry: Entry) -> str:
    """A message as a screen reader says it: who wrote it, its pictures, an action in words, its beginning."""
    who = _("You") if entry.role == "user" else _("Answer")
    said = entry.answer[:SAID] if entry.step is None else step_picture.words(entry.step)
    shown = [picture_lines.description(picture) for picture, _action in entry.drawn]
    pictures = [_("Pictures: {names}").format(names="; ".join(shown))] if shown else []
    return f"{who}: " + ". ".join([*([said] if said else []), *pictures])


def _step(transcript: Transcript, by: int) -> None:
    entries = transcript.chat.entries
    if not entries:
        return
    keys = [entry.key for entry in entries]
    if transcript.focused in keys:
        place = min(max(keys.index(transcript.focused) + by, 0), len(keys) - 1)
    else:
        place = len(keys) - 1
    transcript.focus_entry(keys[place])


def _act(transcript: Transcript, pressed: str) -> bool:
    name = next((name for name, keys in SHORTCUTS.items() if keys == pressed), None)
    entry = transcript.chat.find(transcript.focused)
    if name is None or entry is None or (name == "copy" and transcript.textCursor().hasSelection()):
        return False
    if any(name == known for known, _text in offered(entry)):
        transcript.act(name, entry.key)
    return True
