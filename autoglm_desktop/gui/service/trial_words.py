"""What the test as the phone agent says. Pure functions."""

from __future__ import annotations

from ...core.agent_request import GREETING_LIMIT_S
from ...core.units import format_bytes, format_seconds
from ...i18n import N_, _, ngettext, sentences
from ...texts import errors, phone_actions, reasons
from ...usecases import agent_trial
from ...usecases.agent_trial import Stepped
from ...usecases.session import SessionState
from .model import ServiceModel
from .trial import TrialController
from .words import Said

ACTS = {
    "trial_no_model": ("models", N_("Choose a model")),
    "trial_demo": ("models", N_("Choose a model")),
    "trial_no_vision": ("load", N_("Load it for pictures")),
    "trial_small_context": ("load", N_("Load it for the phone agent")),
}
HARD = ("trial_no_model", "trial_demo", "trial_no_vision")
"""With these it can't be tried at all."""


def obstacle(service: ServiceModel, state: SessionState) -> Said | None:
    """What stands in the way, and what to do."""
    if not service.is_on and service.wanted:
        return Said("busy", _("The service is being switched on"))
    if not service.is_on:
        return Said(
            "unknown", _("The service is off; it has to be on for this test."), "on", _("Switch it on")
        )
    found = agent_trial.obstacle(state)
    if found is None:
        return None
    act, text = ACTS.get(found.code, ("", ""))
    return Said("warn", reasons.text(found), act, _(text) if text else "")


def can_run(service: ServiceModel, state: SessionState) -> bool:
    found = agent_trial.obstacle(state)
    return service.is_on and (found is None or found.code not in HARD)


def progress(controller: TrialController) -> str:
    """``Step 1: it writes · 120 pieces · 31 s``"""
    seconds = format_seconds(controller.elapsed)
    if controller.greeted is None and not controller.prepared:
        return _("The screenshot is read") + f" · {seconds}"
    if controller.greeted is None:
        return _("The agent's check before it begins: a short question") + f" · {seconds}"
    if controller.asked is None:
        return _("The next step is prepared") + f" · {seconds}"
    number, heard = controller.asked.number, controller.heard
    if heard is None or not heard.pieces:
        size = format_bytes(controller.asked.size_bytes)
        text = _("Step {number}: prompt and screenshot ({size}) are sent and read").format(
            number=number, size=size
        )
        parts = [text, seconds]
        if heard is not None and heard.keep_alives:
            signs = ngettext("{count} sign of life", "{count} signs of life", heard.keep_alives)
            parts.append(signs.format(count=heard.keep_alives))
        return " · ".join(parts)
    pieces = ngettext("{count} piece", "{count} pieces", heard.pieces).format(count=heard.pieces)
    return " · ".join((_("Step {number}: the reply comes").format(number=number), pieces, seconds))


def step_title(step: Stepped) -> str:
    return _("Step {number}").format(number=step.number)


def step_text(step: Stepped) -> str:
    """The action in words, or why it can't be read."""
    if step.step.action is not None:
        return phone_actions.action_text(step.step.action)
    return _("The agent cannot read this: {why}. It would stop here.").format(
        why=reasons.text(step.step.reason)
    )


def step_seconds(step: Stepped) -> str:
    """``12 s for this step · first token after 9.1 s``"""
    parts = [_("{seconds} for this step").format(seconds=format_seconds(step.seconds))]
    if step.first_s is not None:
        parts.append(_("first token after {seconds}").format(seconds=format_seconds(step.first_s)))
    return " · ".join(parts)


def outcome(controller: TrialController) -> Said | None:
    """What came of the test, once it is over."""
    if controller.running or controller.order is None:
        return None
    if controller.error is not None:
        return Said("fail", errors.text(controller.error))
    if controller.stopped:
        return Said("unknown", _("Stopped."))
    steps, order = controller.steps, controller.order
    if not steps:
        return None
    if controller.swapped:
        return Said("warn", _("Another model was loaded during the test; run it again."))
    if steps[-1].step.action is None:
        text = _(
            "{model} answered, but not as the agent needs it: no action can be read in step {number}."
        ).format(model=order.model, number=steps[-1].number)
        other = _("{model} is not made for the phone agent; AutoGLM-Phone-9B is.").format(model=order.model)
        return Said("warn", text if order.phone else sentences(text, other))
    each = format_seconds(sum(step.seconds for step in steps) / len(steps))
    text = ngettext(
        "{model} answered {count} step, and the agent can read it: {seconds}.",
        "{model} answered {count} steps, and the agent can read all of them: {seconds} for each.",
        len(steps),
    ).format(model=order.model, count=len(steps), seconds=each)
    if controller.greeted is not None and controller.greeted.late:
        late = _(
            "The check before took longer than the {limit:.0f} s that the agent waits: load the model first."
        )
        return Said("warn", sentences(text, late.format(limit=GREETING_LIMIT_S)))
    return Said("ok", text if order.phone else sentences(text, _not_made(order.model)))


def _not_made(model: str) -> str:
    text = _(
        "{model} is not made for the phone agent: whether its actions are the right ones is another question."
    )
    return text.format(model=model)
