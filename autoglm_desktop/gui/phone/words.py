"""What the view of a phone step says, and what it offers to do. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import AppError
from ...core.remote import Endpoint
from ...core.units import format_seconds
from ...i18n import _, ngettext
from ...texts import errors, values
from ...texts.remote import place_text
from ...usecases.phone_step import Written
from ...usecases.pictures import Prepared
from ...usecases.session import SessionState

NO_VISION = ("no_vision_loaded", "no_vision", "image_needs_projector")
NO_PART = (
    "vision_none",
    "vision_no_sections",
    "vision_part_missing",
    "vision_part_to_pull",
    "vision_part_damaged",
)


@dataclass(frozen=True)
class Offer:
    """A next step. ``name``: models | load | close."""

    name: str
    text: str


@dataclass(frozen=True)
class Remark:
    """``tone``: warn | bad, as the roles of labels."""

    tone: str
    text: str
    offers: tuple[Offer, ...] = ()


def remark(state: SessionState, error: AppError | None, remote: Endpoint | None = None) -> Remark | None:
    """What stands in the way of a step, and what to do; None where nothing does. ``remote``: the server that answers
    instead of this machine."""
    if remote is not None:
        close = (Offer("close", _("Close")),)
        return Remark("error", errors.text(error), close) if error is not None else None
    to_models = Offer("models", _("Choose a model"))
    if state.target is None:
        return Remark("warn", _("No model is loaded. Choose one that can look at pictures."), (to_models,))
    if error is not None and error.code not in NO_VISION:
        offers = (Offer("close", _("Close")),)
        return Remark("error", errors.text(error), (to_models, *offers) if error.code in NO_PART else offers)
    if error is not None or _is_blind(state):
        text = _(
            "{model} runs without its vision part now, so it cannot look at a screenshot. Load it again for that, or "
            "choose a model that can."
        ).format(model=state.target.name)
        return Remark("warn", text, (Offer("load", _("Load it for pictures")), to_models))
    return None


def can_run(state: SessionState, remote: Endpoint | None = None) -> bool:
    """Whether a step can be asked for: a model that isn't loaded yet is loaded first."""
    return remote is not None or (state.target is not None and not _is_blind(state))


def progress_text(
    state: SessionState,
    shown: Prepared | None,
    written: Written | None,
    elapsed: float,
    remote: Endpoint | None = None,
) -> str:
    """``Thinking · 120 tokens · 14 s``"""
    if written is not None:
        doing = _("Thinking") if written.thinking else _("Writing the action")
        if remote is not None:  # a server's pieces are no tokens
            return f"{doing} · {format_seconds(elapsed)}"
        count = ngettext("{count} token", "{count} tokens", written.tokens).format(count=written.tokens)
        return f"{doing} · {count} · {format_seconds(elapsed)}"
    if shown is not None:
        doing = _("Looking at the screenshot ({tokens} tokens)").format(tokens=f"{shown.size.tokens:,}")
    elif remote is None and state.phase in ("loading", "installing"):
        doing = _("Loading {model}").format(model=state.target.name if state.target is not None else "?")
    else:
        doing = _("Preparing the screenshot")
    return f"{doing} · {format_seconds(elapsed)}"


def invitation(remote: Endpoint | None) -> str:
    """What becomes of a screenshot that is dropped."""
    if remote is None or not remote.leaves:
        return _("It stays on this machine. Nothing is done on any phone: you see what the model would do.")
    return _(
        "It is sent to {name} when you ask for the step. Nothing is done on any phone: you see what the model would do."
    ).format(name=remote.name)


def who_text(state: SessionState, remote: Endpoint | None) -> str:
    """Who answers, and where the screenshot goes."""
    if remote is not None:
        return f"{remote.name}: {place_text(remote)}"
    name = state.target.name if state.target is not None else None
    return _("{model} answers on this machine.").format(model=name) if name is not None else ""


def expected_text(state: SessionState) -> str:
    """How long a step takes with what runs now; empty where that is not known."""
    plan = state.plan
    if plan is None or plan.phone_step_s is None or state.phase not in ("ready", "generating"):
        return ""
    measured = plan.basis.speed == "measured"
    return _("A step takes {seconds} with this model.").format(
        seconds=values.seconds(plan.phone_step_s, measured=measured)
    )


def _is_blind(state: SessionState) -> bool:
    """Whether what runs can't look at pictures."""
    return (
        state.phase in ("ready", "generating") and state.proof is not None and state.proof.projector is None
    )
