"""Bring resources/i18n/*.po up to date with the source: ``python packaging/translations.py`` (needs Babel).

Extracts every ``_()``, ``N_()`` and ``ngettext()``, keeps translations, drops what is gone, and lists what is missing.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "resources" / "i18n"
LANGUAGES = ("zh_CN",)
HEADER = "# Simplified Chinese texts of AutoGLM Desktop. Written by packaging/translations.py; edit the msgstr lines."
UNUSED = (
    "POT-Creation",
    "PO-Revision",
    "Report-Msgid",
    "Last-Translator",
    "Language-Team",
    "Generated-By",
    "Project-Id",
)
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}


def extracted() -> Catalog:
    """All messages of the package and launch.py, without places: line numbers would change with every commit."""
    catalog = Catalog(project="AutoGLM Desktop", charset="utf-8")
    sources = extract_from_dir(ROOT / "autoglm_desktop", keywords=KEYWORDS, comment_tags=("Translators:",))
    for _name, _line, message, comments, context in sources:
        catalog.add(message, auto_comments=comments, context=context)
    return catalog


def update(language: str, template: Catalog) -> list[str]:
    """Rewrite one catalogue; returns the messages that have no translation."""
    path = FOLDER / f"{language}.po"
    catalog = Catalog(locale=language, project="AutoGLM Desktop", charset="utf-8", fuzzy=False)
    if path.is_file():
        with path.open("rb") as file:
            catalog = read_po(file, locale=language)
    catalog.update(template, no_fuzzy_matching=True)
    catalog.header_comment = HEADER
    catalog.obsolete.clear()
    catalog.fuzzy = False
    output = io.BytesIO()
    write_po(output, catalog, width=110, sort_output=True, omit_header=False)
    unused = tuple('"' + name for name in UNUSED)
    lines = [line for line in output.getvalue().decode().splitlines() if not line.startswith(unused)]
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return [str(message.id) for message in catalog if message.id and not _complete(message.string)]


def _complete(string: object) -> bool:
    return all(string) if isinstance(string, (list, tuple)) else bool(string)


def merge(language: str, extra: Path) -> None:
    """Take translations from another .po file (``--merge FILE``)."""
    path = FOLDER / f"{language}.po"
    with path.open("rb") as file:
        catalog = read_po(file, locale=language)
    with extra.open("rb") as file:
        for message in read_po(file, locale=language):
            if message.id and _complete(message.string):
                known = catalog.get(message.id, message.context)
                if known is not None and not _complete(known.string):
                    known.string = message.string
    with path.open("wb") as file:
        write_po(file, catalog, width=110, sort_output=True)


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    template = extracted()
    status = 0
    for language in LANGUAGES:
        update(language, template)
        for extra in sys.argv[2:] if sys.argv[1:2] == ["--merge"] else []:
            merge(language, Path(extra))
        missing = update(language, template)
        for message in missing:
            sys.stdout.write(f"{language}: {message}\n")
        sys.stdout.write(f"{language}: {len(template)} messages, {len(missing)} missing\n")
        status |= bool(missing)
    return status


if __name__ == "__main__":
    sys.exit(main())
