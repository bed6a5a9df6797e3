"""What is said of the demo model wherever it answers."""

from __future__ import annotations

from ..i18n import N_, _

QUESTIONS = (
    N_("Can my PC run AutoGLM-Phone-9B?"),
    N_("What is VRAM?"),
    N_("How do I connect Open-AutoGLM?"),
)
"""That the demo is sure to know, to begin with. Translated where they are shown."""


def word() -> str:
    """The mark beside its name."""
    return _("Demo")


def told() -> str:
    """What it is, in one line."""
    return _(
        "This is the demo, a very small model that only knows this program. It says nothing about how well a real "
        "model answers."
    )


def listed(size: str) -> str:
    """Its line below the files of this machine."""
    text = _("The demo comes with the program and is no model file ({size}): autoglm-desktop chat demo")
    return text.format(size=size)


def suggested() -> str:
    """What to ask it, as a line for the terminal."""
    return _("Ask it for example: {questions}").format(questions=" · ".join(questions()))


def questions() -> tuple[str, ...]:
    return tuple(_(text) for text in QUESTIONS)
