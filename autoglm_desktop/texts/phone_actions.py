"""What a model asks a phone to do, in words. Texts of a model are shown as data: marked, on one line, cut, and without
the characters that turn the direction of what follows them."""

from __future__ import annotations

import unicodedata

from ..core import phone_actions as actions
from ..core.phone_actions import Action, Place
from ..core.units import format_seconds
from ..i18n import _
from ..usecases.phone_step import Result
from . import reasons

MOST = 300
"""Characters of a text that are shown."""
MOST_PROSE = 20_000
JOINERS = "\u200c\u200d"
"""Of scripts and emojis."""


def action_text(action: Action) -> str:
    """``Tap at 512, 930``, ``Type “hello”``."""
    placed = _placed(action)
    if placed is not None:
        return placed
    if isinstance(action, actions.Type):
        return _("Type “{text}”").format(text=quoted(action.text))
    if isinstance(action, actions.Launch):
        return _("Open the app “{app}”").format(app=quoted(action.app))
    if isinstance(action, actions.Back):
        return _("Go back")
    if isinstance(action, actions.Home):
        return _("Go to the home screen")
    if isinstance(action, actions.Wait):
        if action.seconds is None:
            return _("Wait")
        return _("Wait for {seconds}").format(seconds=f"{action.seconds:g} s")
    if isinstance(action, actions.Finish):
        return _("Finished: {message}").format(message=quoted(action.message))
    if isinstance(action, actions.Unknown):
        return _unknown(action)
    return _asked(action)


def kind_text(action: Action) -> str:
    """The kind alone, for a label on the picture: ``Tap``."""
    names = {
        actions.Tap: _("Tap"), actions.DoubleTap: _("Double tap"), actions.LongPress: _("Long press"),
        actions.Swipe: _("Swipe"),
    }  # fmt: skip
    return names.get(type(action), "")


def result_text(result: Result) -> str:
    """What is to be done, or why that can't be told."""
    if result.step.action is not None:
        return action_text(result.step.action)
    return _("No action can be read from this reply: {why}.").format(why=reasons.text(result.step.reason))


def seconds_text(result: Result) -> str:
    """``12 s for this step · first token after 9.1 s · thought until 11 s``"""
    parts = [_("{seconds} for this step").format(seconds=format_seconds(result.seconds))]
    if result.first_token_s is not None:
        parts.append(_("first token after {seconds}").format(seconds=format_seconds(result.first_token_s)))
    if result.thinking_s is not None:
        parts.append(_("thought for {seconds}").format(seconds=format_seconds(result.thinking_s)))
    return " · ".join(parts)


def place_text(place: Place) -> str:
    """``512, 930``, of 0 to 999."""
    return f"{place.x}, {place.y}"


def quoted(text: str) -> str:
    """A model's text on one line."""
    line = " ".join("".join(map(_shown, text[: MOST + 1])).split())
    return line[:MOST] + "…" if len(text) > MOST else line


def prose(text: str) -> str:
    """A model's text with its lines, at most 20,000 characters, without hidden characters."""
    lines = ("".join(map(_shown, line)) for line in text[:MOST_PROSE].split("\n"))
    return "\n".join(lines).strip() + ("…" if len(text) > MOST_PROSE else "")


def _shown(character: str) -> str:
    if character == "\n":
        return " ⏎ "
    if character.isspace():
        return " "
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") and character not in JOINERS
    return "" if hidden else character


def _placed(action: Action) -> str | None:
    if isinstance(action, actions.Tap):
        text = _("Tap at {place}").format(place=place_text(action.place))
        if action.message is None:
            return text
        return _("{action}, after asking the user: {message}").format(
            action=text, message=quoted(action.message)
        )
    if isinstance(action, actions.DoubleTap):
        return _("Tap twice at {place}").format(place=place_text(action.place))
    if isinstance(action, actions.LongPress):
        return _("Press long at {place}").format(place=place_text(action.place))
    if isinstance(action, actions.Swipe):
        return _("Swipe from {start} to {end}").format(
            start=place_text(action.start), end=place_text(action.end)
        )
    return None


def _asked(action: actions.TakeOver | actions.Interact | actions.Note | actions.CallApi | Action) -> str:
    """What the agent does without the screen, each with or without its text."""
    if isinstance(action, actions.TakeOver):
        return _with(_("Hand over to the user"), action.message)
    if isinstance(action, actions.Interact):
        return _with(_("Ask the user to choose"), action.message)
    if isinstance(action, actions.Note):
        flag = action.message is None or action.message.strip().lower() in ("true", "")
        return _with(_("Remember what this page says"), None if flag else action.message)
    assert isinstance(action, actions.CallApi)
    return _with(_("Summarise what was remembered"), action.instruction)


def _with(text: str, message: str | None) -> str:
    said = quoted(message) if message else ""
    return _("{action}: {message}").format(action=text, message=said) if said else text


def _unknown(action: actions.Unknown) -> str:
    text = _("An action that is not known here: {name}").format(name=quoted(action.name))
    given = ", ".join(f"{quoted(key)} = {quoted(value)}" for key, value in action.arguments)
    return f"{text} ({given})" if given else text
