"""What a model asks a phone to do: ``do(action="Tap", element=[x, y])``, ``finish(message="…")``. Pure.

A reply is split as the published agent does it (zai-org/Open-AutoGLM, phone_agent/model/client.py): at
``finish(message=``, else at ``do(action=``, else at ``<answer>``; what comes before is thinking. The names and their
arguments are those of its phone_agent/actions/handler.py. Places count from 0 to 999 in both directions, relative to
the picture. Nothing is ever evaluated: ``core/phone_calls.py`` reads the call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .errors import Reason
from .phone import END_OF_ANSWER, TEMPLATE_TOKENS
from .phone_calls import CallError, Value, read_call, written
from .thinking import ANSWER, END_OF_THINK, THINK

SCALE = 1000
"""Places per side; the agent divides by it."""
MOST_REPLY = 100_000
"""Characters of a reply that are looked at. 3000 tokens have some 10,000."""


@dataclass(frozen=True)
class Place:
    """From 0 to 999, from the left and from the top."""

    x: int
    y: int

    def pixel(self, width: int, height: int) -> tuple[int, int]:
        """Where that is on a picture, as the agent finds it: always inside."""
        return self.x * width // SCALE, self.y * height // SCALE


@dataclass(frozen=True)
class Tap:
    """``message``: why it is sensitive; the agent's user is asked first."""

    place: Place
    message: str | None = None


@dataclass(frozen=True)
class DoubleTap:
    place: Place


@dataclass(frozen=True)
class LongPress:
    place: Place


@dataclass(frozen=True)
class Swipe:
    start: Place
    end: Place


@dataclass(frozen=True)
class Type:
    text: str


@dataclass(frozen=True)
class Launch:
    app: str


@dataclass(frozen=True)
class Back:
    pass


@dataclass(frozen=True)
class Home:
    pass


@dataclass(frozen=True)
class Wait:
    """``seconds``: None where it isn't said, or not in seconds."""

    seconds: float | None = None


@dataclass(frozen=True)
class TakeOver:
    """The user is to do what the agent can't: log in, solve a captcha."""

    message: str | None = None


@dataclass(frozen=True)
class Note:
    message: str | None = None


@dataclass(frozen=True)
class CallApi:
    instruction: str | None = None


@dataclass(frozen=True)
class Interact:
    """The user is to choose."""

    message: str | None = None


@dataclass(frozen=True)
class Finish:
    message: str


@dataclass(frozen=True)
class Unknown:
    """An action that nobody knows, as it was written."""

    name: str
    arguments: tuple[tuple[str, str], ...] = ()


Action: TypeAlias = (
    Tap | DoubleTap | LongPress | Swipe | Type | Launch | Back | Home | Wait | TakeOver | Note | CallApi | Interact
    | Finish | Unknown
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A reply as the agent takes it. ``action``: None where there is none that can be read, for ``reason``
    (texts.reasons); ``written``: the action's own text, or what stands in its place."""

    thinking: str
    written: str
    action: Action | None = None
    reason: Reason | None = None


Arguments: TypeAlias = Mapping[str, Value]


def read_step(reply: str) -> Step:
    """Thinking and action of a reply, of which nothing is trusted."""
    thinking, text = split(reply[:MOST_REPLY])
    try:
        return Step(thinking, text, read_action(text))
    except CallError as error:
        return Step(thinking, text, None, error.reason)


def read_action(text: str) -> Action:
    """An action as it is written, with nothing around it. Raises CallError."""
    name, arguments = read_call(text)
    if name == "finish":
        return Finish(_text(arguments, "message", "finish"))
    if name != "do":
        raise CallError("action_none")
    action = _text(arguments, "action", "do")
    make = _MAKERS.get(action)
    if make is None:
        others = tuple((key, written(value)) for key, value in arguments.items() if key != "action")
        return Unknown(action, others)
    return make(arguments)


def places(action: Action | None) -> tuple[Place, ...]:
    """Where on the screen it is done; none for what is done elsewhere."""
    if isinstance(action, (Tap, DoubleTap, LongPress)):
        return (action.place,)
    if isinstance(action, Swipe):
        return (action.start, action.end)
    return ()


def split(reply: str) -> tuple[str, str]:
    """Thinking and action of a reply, without tags and template tokens around them."""
    for mark in ("finish(message=", "do(action="):
        before, found, after = reply.partition(mark)
        if found:
            return _bare(before), _bare_end(found + after)
    before, found, after = reply.partition(ANSWER)
    return (_bare(before), _bare_end(after)) if found else ("", _bare_end(reply))


def _bare(text: str) -> str:
    return _AROUND.sub("", text).strip()


def _bare_end(text: str) -> str:
    return _ENDING.sub("", text).strip()


_AROUND = re.compile("|".join(map(re.escape, (THINK, END_OF_THINK, ANSWER, END_OF_ANSWER, *TEMPLATE_TOKENS))))
_ENDING = re.compile(rf"(?:\s|{'|'.join(map(re.escape, (END_OF_ANSWER, *TEMPLATE_TOKENS)))})+\Z")
_SECONDS = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*(?:s|sec|secs|second|seconds|秒)?\s*\Z", re.IGNORECASE)


def _text(arguments: Arguments, key: str, action: str) -> str:
    value = arguments.get(key)
    if not isinstance(value, str):
        raise CallError("action_lacks", action=action, key=key)
    return value


def _place(arguments: Arguments, key: str, action: str) -> Place:
    value = arguments.get(key)
    if not isinstance(value, tuple) or len(value) != 2:
        raise CallError("action_lacks", action=action, key=key)
    x, y = value
    if not (0 <= x < SCALE and 0 <= y < SCALE):  # also of what is no number at all
        raise CallError("action_place", place=written(value), most=SCALE - 1)
    return Place(int(x), int(y))


def _said(arguments: Arguments, key: str) -> str | None:
    value = arguments.get(key)
    return None if value is None else value if isinstance(value, str) else written(value)


def _seconds(arguments: Arguments) -> float | None:
    value = arguments.get("duration")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if 0 <= value < 1_000_000 else None
    found = _SECONDS.match(value) if isinstance(value, str) else None
    return float(found[1]) if found is not None else None


_MAKERS: dict[str, Callable[[Arguments], Action]] = {
    "Launch": lambda given: Launch(_text(given, "app", "Launch")),
    "Tap": lambda given: Tap(_place(given, "element", "Tap"), _said(given, "message")),
    "Double Tap": lambda given: DoubleTap(_place(given, "element", "Double Tap")),
    "Long Press": lambda given: LongPress(_place(given, "element", "Long Press")),
    "Swipe": lambda given: Swipe(_place(given, "start", "Swipe"), _place(given, "end", "Swipe")),
    "Type": lambda given: Type(_text(given, "text", "Type")),
    "Type_Name": lambda given: Type(_text(given, "text", "Type_Name")),
    "Back": lambda _given: Back(),
    "Home": lambda _given: Home(),
    "Wait": lambda given: Wait(_seconds(given)),
    "Take_over": lambda given: TakeOver(_said(given, "message")),
    "Note": lambda given: Note(_said(given, "message")),
    "Call_API": lambda given: CallApi(_said(given, "instruction")),
    "Interact": lambda given: Interact(_said(given, "message")),
}
NAMES = tuple(_MAKERS)
"""The actions of ``do(…)`` that are known."""
