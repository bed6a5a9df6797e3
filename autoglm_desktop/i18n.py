"""gettext for everything that people read: window, terminal, launcher. English is the source language.

Use ``_("Text with {name}").format(name=…)``; ``N_`` marks a string in a table that is translated when shown.
"""

from __future__ import annotations

import gettext
import os

from . import po
from .po import LANGUAGES, choose, sentences
from .store import paths

__all__ = [
    "LANGUAGES",
    "N_",
    "_",
    "as_started",
    "choose",
    "language",
    "ngettext",
    "sentences",
    "set_language",
]

_current: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def set_language(wanted: str | None = None) -> str:
    """Load a language for this process and return its name."""
    global _current, _language
    _language = choose(wanted)
    _current = po.load(paths.resources() / "i18n", _language)
    return _language


def language() -> str:
    return _language


def _(message: str) -> str:
    return as_started(_current.gettext(message))


def ngettext(singular: str, plural: str, count: int) -> str:
    return as_started(_current.ngettext(singular, plural, count))


def as_started(text: str) -> str:
    """Commands in a text as this user types them: ``launch.py`` says by AUTOGLM_COMMAND how it was started."""
    command = os.environ.get("AUTOGLM_COMMAND")
    return text.replace("autoglm-desktop ", f"{command} ") if command else text


def N_(message: str) -> str:
    """Mark a string for extraction; translate it with ``_`` when it is shown."""
    return message
