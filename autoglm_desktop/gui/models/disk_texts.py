"""What the window says of checking, deleting, moving and importing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.units import format_bytes
from ...i18n import _, ngettext, sentences
from .download_texts import amount

SHOWN_FILES = 6


@dataclass(frozen=True)
class Imported:
    """What became of ``path``."""

    path: Path
    found: Any


def imported_text(imported: Imported) -> str:
    name = getattr(imported.found, "name", None) or imported.path.name
    return _("{name} is in the list now.").format(name=name)


def verify_progress(item: Any) -> tuple[str, float | None]:
    """Words, and how much is done."""
    return _progress(_("Checking"), item)


def move_progress(item: Any) -> tuple[str, float | None]:
    return _progress(_("Moving"), item)


def copy_progress(item: Any) -> tuple[str, float | None]:
    return _progress(_("Copying"), item)


def _progress(word: str, item: Any) -> tuple[str, float | None]:
    if item is None:
        return f"{word} …", None
    done, total = int(item.done_bytes), item.total_bytes
    return f"{word} · {amount(done, total)}", done / total if total else None


def verified_text(found: Any) -> tuple[str, str]:
    """Mark and sentence."""
    return "ok", _("It is exactly the file that was published.")


def removal_text(removal: Any) -> str:
    """What goes, what stays."""
    names = [Path(str(file)).name for file in removal.files]
    shown = names[:SHOWN_FILES]
    if len(names) > SHOWN_FILES:
        more = len(names) - SHOWN_FILES
        shown.append(ngettext("and {count} more", "and {count} more", more).format(count=more))
    return sentences(
        _("{size} are freed. Deleted are: {names}.").format(
            size=format_bytes(removal.freed_bytes), names=_(", ").join(shown)
        ),
        _("Conversations stay. It can be fetched again at any time."),
    )


def removed_text(removal: Any) -> str:
    return _("Deleted; {size} are free again.").format(size=format_bytes(removal.freed_bytes))


def move_text(folder: Path) -> str:
    return _(
        "Models and unfinished downloads are moved to {folder}. Downloads pause meanwhile. Each file is gone from the "
        "old place only when it is complete in the new one."
    ).format(folder=folder)
