"""What is said of files that were verified."""

from __future__ import annotations

from ..core.units import format_bytes
from ..i18n import N_, _
from ..usecases.disk_verify import CHANGED_SIZE, DAMAGED, MISSING, NO_HASH, OK, Verified, VerifiedFile
from . import reasons

_TEXTS = {
    OK: N_("exactly what was published ({by})"),
    NO_HASH: N_("whole by its own header; no hash is known to compare with"),
    DAMAGED: N_("damaged: it is not what was published ({by})"),
    MISSING: N_("missing"),
    CHANGED_SIZE: N_("damaged: {size} instead of {expected}"),
}


def verified_text(file: VerifiedFile) -> str:
    """One file's result, to follow its name."""
    if file.status == DAMAGED and file.reason is not None:
        return _("damaged: {why}").format(why=reasons.text(file.reason))
    size = format_bytes(file.size) if file.size is not None else ""
    expected = format_bytes(file.expected_size) if file.expected_size is not None else ""
    if file.status == CHANGED_SIZE and size == expected:  # a few bytes
        size, expected = str(file.size), str(file.expected_size)
    return _(_TEXTS[file.status]).format(by=file.by, size=size, expected=expected)


def summary(found: Verified) -> str:
    """A sentence for the whole: proved by hashes, whole as far as can be told, or what is wrong."""
    if found.proved:
        return _("It is exactly what was published.")
    if found.ok:
        return _("It is whole; for some files no hash is known to compare with.")
    bad = next(file for file in found.files if file.status not in (OK, NO_HASH))
    return _("{name}: {what}.").format(name=bad.path.name, what=verified_text(bad))
