"""The choice of a language, and a small reader of gettext .po files.

Standard library only: ``launch.py`` uses it before anything is installed.

The catalogues are read at start instead of compiled ones: there is no .mo file that could be stale, missing
in a checkout or unwritable, and ~1,000 messages take a few milliseconds.
"""

from __future__ import annotations

import ast
import gettext
import locale
import os
from pathlib import Path

LANGUAGES = ("en", "zh_CN")


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


def sentences(*parts: str) -> str:
    """Sentences one after the other; full-width stops and parentheses need no blank."""
    text = ""
    for part in filter(None, parts):
        joined = not text or text.endswith("。") or part.startswith("（")
        text += part if joined else f" {part}"
    return text


def parse(text: str) -> dict[tuple[str, int] | str, str]:
    """Messages of a .po file as gettext's own catalogue: ``id`` → text, plurals as ``(id, n)`` → text.

    Fuzzy and untranslated entries are left out. Raises ValueError on a malformed file.
    """
    catalogue: dict[tuple[str, int] | str, str] = {}
    entry: dict[str, str] = {}
    fuzzy = False
    field = ""

    def commit() -> None:
        nonlocal fuzzy
        context = entry["msgctxt"] + "\x04" if "msgctxt" in entry else ""
        message = entry.get("msgid")
        if message is not None and not fuzzy:
            for key, value in entry.items():
                if key == "msgstr" and value:
                    catalogue[context + message] = value
                elif key.startswith("msgstr[") and value:
                    catalogue[(context + message, int(key[7:-1]))] = value
        entry.clear()
        fuzzy = False

    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("#"):
            if field.startswith("msgstr"):
                commit()
                field = ""
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        if not line:
            continue
        if line.startswith('"'):
            if not field:
                raise ValueError(f"a string without a keyword: {line[:60]}")
            entry[field] += _string(line)
            continue
        keyword, _, rest = line.partition(" ")
        if keyword in ("msgctxt", "msgid") and field.startswith("msgstr"):
            commit()
        field = keyword
        entry[field] = _string(rest.strip())
    commit()
    return catalogue


def _string(text: str) -> str:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"not a string: {text[:60]}") from error
    if not isinstance(value, str):
        raise ValueError(f"not a string: {text[:60]}")
    return value


class Translations(gettext.NullTranslations):
    """gettext over a parsed .po file (languages without plural forms or with the English ones)."""

    def __init__(self, catalogue: dict[tuple[str, int] | str, str]) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._single_form = "nplurals=1" in catalogue.get("", "")

    def gettext(self, message: str) -> str:
        return self._catalogue.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        form = 0 if self._single_form or n == 1 else 1
        return self._catalogue.get((msgid1, form), msgid1 if n == 1 else msgid2)

    def pgettext(self, context: str, message: str) -> str:
        return self._catalogue.get(f"{context}\x04{message}", message)


def load(folder: Path, language: str) -> gettext.NullTranslations:
    """The catalogue of a language in ``folder``; English (no translation) where there is none."""
    path = folder / f"{language}.po"
    if not path.is_file():
        return gettext.NullTranslations()
    return Translations(parse(path.read_text(encoding="utf-8")))
