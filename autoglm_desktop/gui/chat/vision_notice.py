"""What is said where pictures stand above a message and who answers cannot look at them. Pure."""

from __future__ import annotations

from ...core.errors import AppError
from ...core.remote import Endpoint
from ...i18n import _
from ...texts import errors
from ...texts.rungs import rung_text
from ...usecases.session_state import SessionState
from ...usecases.targets import Target
from .words import Action, Notice, see, to_models

RUNS = ("ready", "generating")
COMES = ("installing", "loading")


def notice_for(
    state: SessionState, seeing: Target | AppError | None, remote: Endpoint | None, pictures: bool
) -> Notice | None:
    """None where there is nothing to say. ``seeing``: what ``pictures.seeing`` gives or raises for the session's model,
    None while that is not known; ``remote``: the server that answers instead; ``pictures``: whether there are any.

    Actions: ``see`` (load the model so that it can look at pictures), ``models``, ``without`` (take the pictures out).
    """
    if not pictures:
        return None
    if remote is not None:
        return _remote(remote) if remote.leaves else None
    if state.target is None:
        return Notice("warn", _("No model is loaded that could look at the picture."), actions=(_models(),))
    if isinstance(seeing, AppError):
        return Notice("warn", _why(seeing), actions=(_models(), _without()))
    if state.phase in COMES or not _is_blind(state):
        return None
    text = _("{model} was loaded without its vision part ({rung}), so it cannot look at the picture.")
    rung = rung_text(state.plan.rung) if state.plan is not None else "?"
    steps = (see(), to_models(), _without())
    return Notice("warn", text.format(model=state.target.name, rung=rung), actions=steps)


def _remote(remote: Endpoint) -> Notice:
    """A picture shows more than people think of; whether the server takes any is only known once it is asked."""
    text = _("The picture goes to {name} ({host}): it leaves this machine.")
    return Notice("info", text.format(name=remote.name, host=remote.host), actions=(_without(),))


def _is_blind(state: SessionState) -> bool:
    return state.phase in RUNS and state.proof is not None and state.proof.projector is None


def _models() -> Action:
    return Action("models", _("Choose a model"), "primary")


def _without() -> Action:
    return Action("without", _("Leave the pictures out"))


def _why(error: AppError) -> str:
    """In the window nobody needs a command to fetch what is missing, or to name another model."""
    if error.code == "vision_none":
        text = _("{name} is a text model: it cannot look at pictures.")
        return text.format(name=error.values.get("name", "?"))
    if error.code != "vision_part_to_pull":
        return errors.text(error)
    text = _(
        "{name} cannot look at pictures here, because its vision part (mmproj) is missing: get it on the Models tab."
    )
    return text.format(name=error.values.get("name", "?"))
