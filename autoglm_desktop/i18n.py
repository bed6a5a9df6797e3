"""gettext for everything that people read: window, terminal, launcher. English is the source language.

Use ``_("Text with {name}").format(name=…)``; ``N_`` marks a string in a table that is translated when shown.
"""

from __future__ import annotations

import gettext
import locale
import os

from . import po
from .store import paths

LANGUAGES = ("en", "zh_CN")
_current: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def choose(wanted: str | None = None) -> str:
    """The best of LANGUAGES for ``--lang``, ``AUTOGLM_LANG`` or the system's language, in that order."""
    candidates = [wanted, os.environ.get("AUTOGLM_LANG")]
    candidates += [os.environ.get(name) for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")]
    if os.name == "nt":
        candidates.append(_windows_language())
    elif not any(candidates):
        candidates.append(locale.getlocale()[0])
    for candidate in candidates:
        if candidate:
            return "zh_CN" if candidate.lower().replace("-", "_").startswith(("zh", "chinese")) else "en"
    return "en"


def _windows_language() -> str | None:
    import ctypes

    windll = getattr(ctypes, "windll", None)
    if windll is None:
        return None
    return locale.windows_locale.get(windll.kernel32.GetUserDefaultUILanguage())


def set_language(wanted: str | None = None) -> str:
    """Load a language for this process and return its name."""
    global _current, _language
    _language = choose(wanted)
    _current = po.load(paths.resources() / "i18n", _language)
    return _language


def language() -> str:
    return _language


def _(message: str) -> str:
    return _current.gettext(message)


def ngettext(singular: str, plural: str, count: int) -> str:
    return _current.ngettext(singular, plural, count)


def N_(message: str) -> str:  # noqa: N802 - gettext's name
    """Mark a string for extraction; translate it with ``_`` when it is shown."""
    return message
