"""Remote servers in words: what a test has found, where an address leads, where a key is kept."""

from __future__ import annotations

from ..core.remote import AWAY, HERE, NEAR, Endpoint
from ..core.remote_check import FINE, KEY_REFUSED, NOT_OPENAI, TROUBLE, UNREACHABLE, Finding
from ..i18n import N_, _
from . import errors
from .values import fill, shown

QUESTIONS: dict[str, str] = {
    "reached": N_("Reachable"),
    "key": N_("Key"),
    "model": N_("Model"),
    "streams": N_("Streaming"),
    "pictures": N_("Pictures"),
}

FOUND: dict[str, str] = {
    "reached": N_("{host} answers and lists its models: {count}."),
    "reached_only": N_("The server answers."),
    "reached_no_list": N_("The server answers, but gives no list of models; type the model's name."),
    "key_taken": N_("The server takes the key."),
    "key_not_needed": N_("The server wants no key."),
    "key_not_asked": N_("Not known yet: only an answer of the model shows it."),
    "model_there": N_("{model} answers."),
    "model_not_listed": N_(
        "{model} is not in the server's list, and yet something answers: check which model it is."
    ),
    "model_not_chosen": N_("Choose a model from the list, then test again."),
    "streams": N_("The first word came after {first_s}."),
    "in_one_piece": N_("The answer comes in one piece at its end; nothing is seen until then."),
    "pictures_seen": N_("It takes pictures; a small one was {tokens} tokens."),
    "pictures_left_out": N_(
        "The server takes pictures and leaves them out: the model sees only the text. Load a model with vision there."
    ),
    "pictures_taken": N_(
        "It accepts pictures, but doesn't count tokens, so it is not known whether the model sees them."
    ),
    "pictures_no": N_("It takes no pictures: {why}"),
    "not_tried": N_("Not tried."),
}

VERDICTS: dict[str, str] = {
    FINE: N_("This server works."),
    KEY_REFUSED: N_("The key is refused"),
    UNREACHABLE: N_("Not reachable"),
    NOT_OPENAI: N_("No OpenAI-compatible server"),
    TROUBLE: N_("It does not work yet"),
}

PLACES: dict[str, str] = {
    HERE: N_(
        "On this machine: what you write goes to the program at {host} and, as far as the address tells, no further."
    ),
    NEAR: N_(
        "Leaves this machine: what you write, the whole conversation and its pictures are sent to {host} in your "
        "network."
    ),
    AWAY: N_(
        "Leaves this machine: what you write, the whole conversation and its pictures are sent to {host} over the "
        "internet, and its operator can read them."
    ),
}

SHORT_PLACES: dict[str, str] = {
    HERE: N_("on this machine"),
    NEAR: N_("leaves this machine"),
    AWAY: N_("leaves this machine"),
}


def question_text(question: str) -> str:
    return _(QUESTIONS[question])


def finding_text(finding: Finding) -> str:
    """One sentence."""
    if finding.code is None:
        return errors.text(finding.error) if finding.error is not None else ""
    values = {key: shown(key, value, measured=True) for key, value in finding.values.items()}
    if finding.error is not None:
        values["why"] = errors.text(finding.error)
    return fill(_(FOUND[finding.code]), values)


def verdict_text(verdict: str) -> str:
    return _(VERDICTS[verdict])


def place_text(endpoint: Endpoint) -> str:
    """Where it leads, in a sentence that stands beside every choice of it."""
    text = fill(_(PLACES[endpoint.place]), {"host": endpoint.host})
    if endpoint.place == NEAR and endpoint.url.startswith("http:"):
        text += " " + _("The way there is not encrypted.")
    return text


def short_place_text(endpoint: Endpoint) -> str:
    """For a label beside its name."""
    return _(SHORT_PLACES[endpoint.place])


def key_text(endpoint: Endpoint, where: str | None) -> str:
    """Where a key that was entered just now is kept."""
    if where == "keyring":
        return _("The key for {name} is in this system's keyring.").format(name=endpoint.name)
    return _(
        "This system has no keyring that can be used, so the key for {name} is kept until this program ends; enter it "
        "again the next time."
    ).format(name=endpoint.name)


def dropped_key_text(endpoint: Endpoint) -> str:
    return _(
        "The address is another one now, so the key of the old one was removed; enter a key for {host} if it wants one."
    ).format(host=endpoint.host)


def left_out_text(names: tuple[str, ...]) -> str:
    """Settings that a server doesn't know."""
    return _("The server does not know these settings and goes without them: {names}.").format(
        names=", ".join(names)
    )
