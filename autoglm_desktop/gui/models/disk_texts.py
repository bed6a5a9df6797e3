"""What the window says of checking, deleting, moving and importing. Pure."""

from __future__ import annotations

from pathlib import Path

from ...core.units import format_bytes
from ...i18n import _, ngettext, sentences
from ...texts import disk
from ...texts.downloads import amount
from ...usecases.on_disk import DiskProgress, Imported, Removal, Verified

SHOWN_FILES = 6


def imported_text(imported: Imported) -> str:
    """What is in the list now."""
    names = _(", ").join(local.name for local in imported.models)
    if imported.copied:
        return _("{name} was copied into the models folder.").format(name=names)
    return ngettext("{name} is in the list now.", "{name} are in the list now.", len(imported.models)).format(
        name=names
    )


def verify_progress(item: DiskProgress | None) -> tuple[str, float | None]:
    """Words, and how much is done."""
    return _progress(_("Checking"), item)


def move_progress(item: DiskProgress | None) -> tuple[str, float | None]:
    return _progress(_("Moving"), item)


def copy_progress(item: DiskProgress | None) -> tuple[str, float | None]:
    return _progress(_("Copying and comparing"), item)


def _progress(word: str, item: DiskProgress | None) -> tuple[str, float | None]:
    if item is None or not item.total_bytes:
        return f"{word} …", None
    return f"{word} · {amount(item.done_bytes, item.total_bytes)}", item.done_bytes / item.total_bytes


def verified_text(found: Verified) -> tuple[str, str]:
    """Mark and sentence."""
    if not found.ok:
        return "fail", sentences(disk.summary(found), _("Delete it and get it again."))
    return "ok" if found.proved else "warn", disk.summary(found)


def removal_text(removal: Removal, *, loaded: bool = False) -> str:
    """What goes, what stays; that a loaded model is freed."""
    if not removal.files:
        return _("It is only taken from the list; its file stays where it is.")
    names = [path.name for path in removal.files]
    shown = names[:SHOWN_FILES]
    if len(names) > SHOWN_FILES:
        more = len(names) - SHOWN_FILES
        shown.append(_("and {count} more").format(count=more))
    text = _("{size} are freed by deleting {names}.").format(
        size=format_bytes(removal.freed_bytes), names=_(", ").join(shown)
    )
    stays = _("Conversations and other models stay.")
    if removal.forgotten:
        stays = _("Files that were added from elsewhere stay where they are and leave the list only.")
    freed = [_("The model is loaded now; its memory is freed first.")] if loaded else []
    return sentences(text, *freed, stays)


def removed_text(removal: Removal) -> str:
    return _("Deleted; {size} are free again.").format(size=format_bytes(removal.freed_bytes))


def move_text(folder: Path) -> str:
    return _(
        "Models and unfinished downloads are moved to {folder}. Downloads pause meanwhile. Each file is gone from the "
        "old place only when it is complete in the new one."
    ).format(folder=folder)
