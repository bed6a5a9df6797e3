"""Translations before anything is installed. Readable for Python 3.7, which only says that it is too old."""

from __future__ import annotations

import gettext
from pathlib import Path

from .. import po

_chosen = ""
_catalogue: gettext.NullTranslations | None = None


def set_language(wanted: str | None = None) -> str:
    """Choose the language of this process and return its name; the catalogue is read when first needed."""
    global _chosen, _catalogue
    _chosen = po.choose(wanted)
    _catalogue = None
    return _chosen


def _(message: str) -> str:
    global _catalogue
    if _catalogue is None:
        folder = Path(__file__).resolve().parents[2] / "resources" / "i18n"
        _catalogue = po.load(folder, _chosen or set_language())
    return _catalogue.gettext(message)
