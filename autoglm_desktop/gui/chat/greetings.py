"""Who answers, and what stands in the places where a question begins. Pure functions."""

from __future__ import annotations

from ...core.conversation import ConversationSettings
from ...core.remote import Endpoint
from ...i18n import _
from ...texts.remote import place_text
from ...usecases.session import SessionState


def is_demo(state: SessionState, settings: ConversationSettings) -> bool:
    """Whether the demo answers."""
    return settings.endpoint is None and state.target is not None and state.target.is_demo


def who(state: SessionState, settings: ConversationSettings, endpoint: Endpoint | None) -> str | None:
    """The name of what answers; None: nothing can. ``endpoint``: the one that ``settings`` name, None: it is gone or
    not known yet, and nothing else takes its place."""
    if endpoint is not None or settings.endpoint is not None:
        return endpoint.name if endpoint is not None else None
    return state.target.name if state.target is not None else None


def model(state: SessionState, settings: ConversationSettings, endpoint: Endpoint | None) -> str | None:
    """What the model that answers is called, on this machine or by the server."""
    if endpoint is not None:
        return settings.model or endpoint.model or None
    return state.target.name if state.target is not None else None


def remote_invitation(endpoint: Endpoint) -> tuple[str, str]:
    """The same as ``invitation`` where a server answers."""
    return _("What would you like to know?"), place_text(endpoint)


def demo_invitation(phase: str) -> tuple[str, str]:
    """The same where the demo answers: in one line what it is."""
    if phase == "failed":
        return invitation(phase, _("The demo"))
    text = _("This is the demo: a very small model that only knows this program.")
    if phase in ("loading", "installing"):
        return _("The demo is being loaded …"), text
    return _("Ask the demo about this program"), text


def demo_comes(coming: str) -> tuple[str, str]:
    """While the demo is waited for, which loads by itself. ``coming``: as ``DemoStart`` has it."""
    if coming == "installing":
        return _("You can chat in a few minutes"), _(
            "The part that runs models is being installed; the top of the window shows how far it is. Then the demo "
            "loads by itself: a very small model that comes with the program and answers questions on it."
        )
    return _("The demo is being loaded …"), _(
        "It is a very small model that comes with the program and answers questions on it."
    )


def invitation(phase: str, model: str | None) -> tuple[str, str]:
    """Title and text in the place of an empty conversation."""
    if model is None:
        return _("No model is loaded"), _(
            "Choose one on the Models tab: a model of the catalogue, or a GGUF file of your own."
        )
    if phase == "failed":
        return _("{model} is not running").format(model=model), _(
            "What happened, and what you can do about it, stands below."
        )
    if phase in ("loading", "installing"):
        text = _("You may write already; {model} answers as soon as it is loaded.")
    else:
        text = _("{model} answers on this machine. Nothing that you write leaves it.")
    return _("What would you like to know?"), text.format(model=model)


def hint(busy: bool, elsewhere: str | None) -> str:
    """Below the message. ``elsewhere``: the title of another conversation that is being answered."""
    if elsewhere is not None:
        return _("An answer is being written in “{title}”.").format(title=elsewhere)
    return _("Esc stops the answer.") if busy else _("Enter sends, Shift+Enter begins a new line.")


def placeholder(model: str | None, *, remote: bool = False, demo: bool = False) -> str:
    """``remote``: a server was chosen, so no model of this machine is missing; ``demo``: it answers, or is about to."""
    if demo:
        return _("Ask the demo")
    if model is None and remote:
        return _("Message")
    if model is None:
        return _("Choose a model first, on the Models tab.")
    return _("Write to {model}").format(model=model)
