"""Names of the programs whose models are used where they lie."""

from __future__ import annotations

from ..i18n import N_, _

TITLES = {
    "huggingface": N_("the Hugging Face cache"),
    "modelscope": N_("the ModelScope cache"),
    "lmstudio": "LM Studio",
    "jan": "Jan",
    "ollama": "Ollama",
}


def title(place: str) -> str:
    """``lmstudio`` → ``LM Studio``; an unknown one shows itself."""
    return _(TITLES[place]) if place in TITLES else place


def origin(place: str) -> str:
    """``from LM Studio``."""
    return _("from {program}").format(program=title(place))
