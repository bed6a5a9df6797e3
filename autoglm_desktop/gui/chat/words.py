"""What the chat tab says: small print under answers, notices with their next steps. Pure functions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ...core.errors import AppError
from ...host.supervisor import LadderFailed
from ...i18n import _
from ...store.conversation_file import Opening
from ...texts import errors, walk
from ...texts import session as texts
from ...texts.engines import size_text
from ...texts.remote import left_out_text
from ...texts.rungs import rung_text
from ...texts.walk import Line
from ...usecases.session import SessionState

LOCK_CODES = ("locked_rung_failed", "rung_cannot", "rung_unknown", "file_refused", "engine_not_installed")
"""Failures of a load that a locked rung may be the cause of."""


@dataclass(frozen=True)
class Action:
    """A next step. ``name``: again | continue | load | unlock | models | new | cancel | close | leave | undo |
    undo_conversation | see | without | settings | install:ENGINE."""

    name: str
    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Notice:
    """A card above the composer. ``progress``: 0…1, -1 for unknown, None for none. ``tone``: info | warn | bad.
    ``walk``: tries, between the text and the details."""

    tone: str
    text: str
    details: tuple[str, ...] = ()
    progress: float | None = None
    actions: tuple[Action, ...] = ()
    walk: tuple[Line, ...] = ()


def again() -> Action:
    return Action("again", _("Try again"))


def go_on() -> Action:
    return Action("continue", _("Continue"), "primary")


def see() -> Action:
    return Action("see", _("Load it so that it can see"), "primary")


def to_models() -> Action:
    return Action("models", _("Choose a model"))


def continue_question() -> str:
    """What is asked when an answer is to go on."""
    return _("Please go on from where you stopped.")


def unlock() -> Action:
    return Action("unlock", _("Unlock and load"), "primary")


INSTALL = "install:"


def engine_of(action: str) -> str | None:
    """The engine that an action installs."""
    return action.removeprefix(INSTALL) if action.startswith(INSTALL) else None


def _install(error: AppError) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """The button that installs a missing engine, and how much room it takes; nothing for other errors."""
    if error.code != "engine_not_installed":
        return (), ()
    name, size = str(error.values["name"]), error.values.get("size_mb")
    room = (_("It takes {size} on the disk.").format(size=size_text(size)),) if isinstance(size, int) else ()
    return (Action(INSTALL + name, _("Install {name}").format(name=name), "primary"),), room


def failure_notice(error: AppError, *, partial: bool, locked: bool = False) -> Notice:
    """Why there is no answer, and what to do. ``partial``: some of it was written and kept; ``locked``: only one rung
    may be tried."""
    steps: list[Action] = []
    if error.code == "context_full":
        steps = [Action("new", _("New conversation"), "primary")]
    elif error.code == "no_model_loaded":
        steps = [to_models()]
    elif error.code == "no_vision_loaded":
        steps = [see(), again(), to_models()]
    elif error.code in ("state_unwritable", "file_unreadable"):
        steps = [Action("close", _("Close"))]
    elif error.code == "engine_freed":
        steps = [*([go_on()] if partial else []), again(), Action("close", _("Close"))]
    elif locked and error.code in LOCK_CODES:
        steps = [unlock(), again(), to_models()]
    else:
        steps = [*([go_on()] if partial else []), again(), to_models()]
    tone = "warn" if error.code == "engine_freed" else "bad"
    install, room = _install(error)
    return Notice(tone, _why(error), room, actions=(*install, *steps), walk=_tries(error))


def _why(error: AppError) -> str:
    """In the window nobody needs an option of the command line."""
    if error.code != "no_vision_loaded":
        return errors.text(error)
    text = _("The model was loaded without its vision part ({rung}), so it cannot look at pictures.")
    return text.format(rung=rung_text(str(error.values.get("rung") or "")) or "?")


def elsewhere_notice(error: AppError, title: str) -> Notice:
    """An answer in another conversation failed."""
    where = _("This happened in “{title}”.").format(title=title)
    close = (Action("close", _("Close")),)
    return Notice("bad", errors.text(error), (where,), actions=close, walk=_tries(error))


def state_notice(state: SessionState, *, waiting: bool, tries_seen: int) -> Notice | None:
    """What the loading of a model is doing or has met; None where there is nothing to say.

    ``waiting``: a question waits for it; ``tries_seen``: how many failed tries the user has closed.
    """
    name = state.target.name if state.target is not None else ""
    if state.phase in ("installing", "loading"):
        quiet = (
            state.target is not None and state.target.is_demo and state.install is None and not state.tries
        )
        return None if quiet and not waiting else _loading(state, name, waiting=waiting)
    failed = tuple(walk.of_try(tried) for tried in state.tries if tried.kind is not None)
    if state.phase == "failed" and state.error is not None:
        install, room = _install(state.error)
        plain = state.locked is not None or install
        load = Action("load", _("Load again"), "plain" if plain else "primary")
        steps = (*install, *((unlock(),) if state.locked is not None else ()), load, to_models())
        return Notice("bad", errors.text(state.error), room, actions=steps, walk=failed)
    if state.phase == "ready" and state.plan is not None and len(failed) > tries_seen:
        text = _("{model} runs as: {rung}. This failed before it:").format(
            model=name, rung=rung_text(state.plan.rung)
        )
        return Notice("warn", text, actions=(Action("close", _("Close")),), walk=failed)
    return None


def opening_notice(opening: Opening) -> Notice | None:
    """What happened to the file of conversations, where something did."""
    close = (Action("close", _("Close")),)
    if opening.kind == "set_aside":
        text = _("The file of conversations was damaged. It is kept as {path}; a new one has been begun.")
        text = text.format(path=opening.path)
        if opening.rescued is not None:
            found = _("Read from it and kept: conversations: {conversations}, messages: {messages}.")
            counts = opening.rescued
            text += " " + found.format(conversations=counts.conversations, messages=counts.messages)
        return Notice("warn", text, actions=close)
    if opening.kind == "newer":
        text = _(
            "The conversations were written by a newer version of AutoGLM Desktop. They can be read; nothing that "
            "you change now is kept."
        )
        return Notice("warn", text, actions=close)
    if opening.kind == "not_kept":
        text = _("Conversations cannot be kept: {path} cannot be used ({detail}). You can chat all the same.")
        return Notice("bad", text.format(path=opening.path, detail=opening.detail), actions=close)
    return None


def trouble_notice(error: AppError) -> Notice:
    """Something else than an answer could not be done: its next steps are not those of a question."""
    close = Action("close", _("Close"))
    steps = (to_models(), close) if error.code.startswith("vision_") else (close,)
    install, room = _install(error)
    return Notice("bad", _why(error), room, actions=(*install, *steps), walk=_tries(error))


def editing_notice() -> Notice:
    """What is written is another version of a question."""
    text = _(
        "You are changing a question. It is asked again from there; the one before stays as another version."
    )
    return Notice("info", text, actions=(Action("leave", _("Cancel")),))


def removed_notice(title: str) -> Notice:
    """A conversation was deleted, and can come back."""
    steps = (Action("undo_conversation", _("Undo"), "primary"), Action("close", _("Close")))
    return Notice("info", _("“{title}” is deleted.").format(title=title or _("Untitled")), actions=steps)


def left_out_notice(names: tuple[str, ...]) -> Notice:
    """Settings of the conversation that its server does not know."""
    return Notice("info", left_out_text(names), actions=(Action("close", _("Close")),))


def gone_notice() -> Notice:
    """The server that a conversation wants was removed."""
    text = _(
        "The remote server of this conversation is no longer in the list; choose who answers in its settings."
    )
    return Notice("warn", text, actions=(Action("settings", _("Settings"), "primary"),))


def first(state: Notice | None, pictures: Notice | None) -> Notice | None:
    """Which of two is shown: what a load does or has met, or what the pictures of the question need."""
    busy = state is not None and (state.progress is not None or state.tone == "bad")
    return state if busy or pictures is None else pictures


def beside(shown: Notice | None, other: Notice | None) -> Notice | None:
    """Both on one card: the second as details of the first."""
    if shown is None or other is None or shown == other:
        return shown or other
    steps = (*shown.actions, *(step for step in other.actions if step not in shown.actions))
    return dataclasses.replace(shown, details=(*shown.details, other.text), actions=steps)


def _loading(state: SessionState, name: str, *, waiting: bool) -> Notice:
    progress: float | None = -1.0
    doing: tuple[str, ...] = ()
    if state.install is not None:
        doing = (texts.install_text(state.install),)
        progress = state.install.fraction if state.install.fraction is not None else -1.0
    elif state.step is None:
        doing = (_("Planning for this machine"),)
    elif state.step.progress is not None and state.step.failed is None:
        progress = state.step.progress.fraction
    lines = tuple(line for line in walk.lines(state) if line.state != walk.AHEAD)
    waits = (_("Your message is answered as soon as it is ready."),) if waiting else ()
    details = (*doing, *filter(None, (walk.next_text(state),)), *waits)
    title = _("Loading {model}").format(model=name)
    return Notice("info", title, details, progress, (Action("cancel", _("Cancel")),), lines)


def _tries(error: AppError) -> tuple[Line, ...]:
    if not isinstance(error, LadderFailed):
        return ()
    return tuple(walk.of_try(tried) for tried in error.tries)
