"""The numbers of a conversation's settings as people type and read them. Pure."""

from __future__ import annotations

import unicodedata

from ...core.conversation import RANGES, WHOLE
from ...core.protocol import Sampling
from ...i18n import N_, _

NAMES = {
    "temperature": N_("Temperature"),
    "top_p": N_("Top-p"),
    "top_k": N_("Top-k"),
    "min_p": N_("Min-p"),
    "max_tokens": N_("Longest answer (tokens)"),
    "frequency_penalty": N_("Frequency penalty"),
    "presence_penalty": N_("Presence penalty"),
    "seed": N_("Seed"),
}
EXPLAINED = {
    "temperature": N_(
        "How freely words are chosen. 0: always the likeliest one, so the same answer each time."
    ),
    "top_p": N_("Only the likeliest words that together have this share are chosen from. 1: all."),
    "top_k": N_("Only so many of the likeliest words are chosen from. 0: all."),
    "min_p": N_("Words that are less likely than this share of the likeliest one are left out. 0: none."),
    "max_tokens": N_(
        "Where an answer is cut off. A token is about a Chinese character, or most of an English word."
    ),
    "frequency_penalty": N_("Above 0: a word becomes less likely each time it is used. Against repetitions."),
    "presence_penalty": N_("Above 0: words that were used once become less likely. Towards new topics."),
    "seed": N_("The same seed and the same question give the same answer. Empty: another one each time."),
}
STEPS = {"top_k": 1.0, "max_tokens": 256.0, "seed": 1.0, "top_p": 0.05, "min_p": 0.05}
"""Of the arrow keys; 0.1 for the others."""

Number = float | int


class WrongNumber(ValueError):
    """What was typed is no number that can be used."""


def parse(name: str, text: str) -> Number | None:
    """A number as it was typed, with full-width digits and a decimal comma taken as well; None: empty.

    Raises WrongNumber.
    """
    plain = unicodedata.normalize("NFKC", text).strip().replace(",", ".").replace("−", "-").replace("。", ".")
    if not plain:
        return None
    least, most = RANGES[name]
    try:
        value: Number = int(plain) if name in WHOLE else float(plain)
    except ValueError:
        raise WrongNumber(name) from None
    if not least <= value <= most:  # also what is not a number
        raise WrongNumber(name)
    return value


def wrong_text(name: str, used: Number | None) -> str:
    """What may be typed, and what is used until then (None: a random seed)."""
    least, most = (number_text(one) for one in RANGES[name])
    if name in WHOLE:
        text = _("A whole number from {least} to {most} is expected; until then it is {value}.")
    else:
        text = _("A number from {least} to {most} is expected; until then it is {value}.")
    return text.format(least=least, most=most, value=_("random") if used is None else number_text(used))


def number_text(value: Number) -> str:
    """``0.7``, ``1024``: as it can be typed."""
    return str(int(value)) if value == int(value) else repr(round(value, 6))


def default_text(name: str, defaults: Sampling) -> str:
    """The model's own value."""
    value = getattr(defaults, name)
    return _("random") if value is None else number_text(value)


def stepped(name: str, value: Number | None, by: int) -> Number:
    """A value some steps further, inside its range. ``value`` None: 0."""
    step = STEPS.get(name, 0.1)
    least, most = RANGES[name]
    found = min(max(round((value or 0) + by * step, 6), least), most)
    return int(found) if name in WHOLE else found
