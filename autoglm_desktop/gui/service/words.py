"""What the Service page says. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import AppError
from ...core.units import format_seconds
from ...i18n import N_, _, ngettext
from ...texts import demo as demo_texts
from ...texts import errors
from ...texts.values import fill
from ...usecases.serve_gate import Live
from ...usecases.service_control import OFF, ON, STARTING, STOPPING, ServiceState
from ...usecases.service_settings import EVERYWHERE
from ...usecases.session import SessionState
from ..running import phases

HIDDEN = "•" * 12
"""In the place of a key that is not shown."""
WINDOW_ERRORS = {
    "port_in_use": N_(
        "Another program uses port {port}. Take a free port, or end that program and try again."
    ),
    "port_not_allowed": N_("This user may not use port {port}. Take a free port, or enter one above 1023."),
    "key_needed": N_(
        "Other machines need a key to use the service, and none could be made. Make a new one below."
    ),
}
"""Sentences for the window, where the usual ones speak of the terminal's options."""
PORT_ERRORS = ("port_in_use", "port_not_allowed")


@dataclass(frozen=True)
class Said:
    """A sentence with a mark (``widgets.mark``) and a thing to do: models | load | on | port | again, or none."""

    status: str
    text: str
    act: str = ""
    act_text: str = ""


def title(state: ServiceState, lan: bool) -> str:
    """Whether it is on."""
    if state.phase == OFF:
        return _("The service is off")
    if state.phase == STARTING:
        return _("The service is being switched on")
    if state.phase == STOPPING:
        return _("The service is being switched off")
    if lan and state.address is not None and state.address.host == EVERYWHERE:
        return _("The service is on, for this computer and your network")
    return _("The service is on, for this computer")


def subtitle(state: ServiceState) -> str:
    """What that is good for."""
    if state.phase == OFF and state.error is None:
        return _(
            "Switch it on, and the phone agent and other programs use the model that is loaded here. They speak to it "
            "as to OpenAI's service."
        )
    return ""


def error_text(error: AppError) -> str:
    """Why it is not on, and what to do."""
    template = WINDOW_ERRORS.get(error.code)
    if template is None:
        return errors.text(error)
    return fill(_(template), {key: str(value) for key, value in error.values.items()})


def trouble(state: ServiceState) -> Said | None:
    """What stands in the way of the service."""
    if state.error is None:
        return None
    if state.error.code in PORT_ERRORS:
        return Said("fail", error_text(state.error), "port", _("Use a free port"))
    return Said("fail", error_text(state.error), "again", _("Try again"))


def model_line(state: SessionState) -> Said:
    """Which model answers, and how it runs."""
    if state.target is None:
        text = _("No model is chosen yet: requests are refused until one is loaded.")
        return Said("warn", text, "models", _("Choose a model"))
    name = demo_texts.word() if state.target.is_demo else state.target.name
    if state.phase in ("ready", "generating"):
        return Said("ok", f"{name} · {phases.sentence(state)}")
    if state.phase in ("loading", "installing"):
        return Said("busy", _("{model} is being loaded").format(model=name) + f" · {phases.sentence(state)}")
    if state.phase == "failed":
        why = errors.text(state.error) if state.error is not None else ""
        return Said("fail", f"{name}: {why}", "models", _("Choose a model"))
    return Said("unknown", _("{model} is not loaded now; the first request loads it.").format(model=name))


def where_key(where: str | None) -> str:
    """Where the key is kept."""
    if where == "keyring":
        return _("It is kept in the system's keyring.")
    if where is None:
        return ""
    return _("No safe keyring was found here: the key is forgotten when the program ends, and made anew.")


def totals(state: ServiceState) -> str:
    """``12 requests and 3,400 tokens since it was switched on``"""
    if not state.begun:
        return ""
    asked = ngettext("{count} request", "{count} requests", state.begun).format(count=f"{state.begun:,}")
    written = ngettext("{count} token", "{count} tokens", state.tokens).format(count=f"{state.tokens:,}")
    return _("{requests} and {tokens} since it was switched on").format(requests=asked, tokens=written)


def nothing_asked(state: ServiceState) -> str:
    """In the place of the list while it is empty."""
    if state.phase != ON:
        return _("While the service is on, the requests of programs appear here.")
    if state.begun:
        return _("Nobody asks at the moment.")
    return _("Nobody has asked yet. Copy one of the examples above, or test below.")


def request_cells(one: Live) -> tuple[str, str, str, str, str]:
    """Route, client, state, tokens, seconds."""
    route = one.asking.route.removeprefix("/v1/")
    if one.asking.pictures:
        count = ngettext("{count} picture", "{count} pictures", one.asking.pictures)
        route += " · " + count.format(count=one.asking.pictures)
    doing = {
        "waiting": _("Waits, number {position}").format(position=one.position),
        "loading": _("Waits for the model"),
        "answering": _("Being answered") if one.tokens else _("Its prompt is read"),
    }[one.state]
    return (
        route,
        one.asking.client,
        doing,
        f"{one.tokens:,}" if one.tokens else "–",
        format_seconds(one.since_s),
    )


def request_heads() -> tuple[str, str, str, str, str]:
    return _("Request"), _("From"), _("State"), _("Tokens"), _("Since")
