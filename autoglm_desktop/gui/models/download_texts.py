"""What the window says of a download. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.catalog import NOTES
from ...core.downloads import (
    DONE,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    WAITING,
    DownloadItem,
    DownloadsState,
    FileProgress,
)
from ...core.errors import AppError, Reason
from ...core.units import format_bytes
from ...core.verdict import CANNOT
from ...i18n import _, ngettext, sentences
from ...texts import errors, reasons
from ...texts import outlook as outlook_texts
from ...texts.downloads import amount, rate, source_name, time_left

NEEDS_TOKEN = frozenset(
    (
        "download_needs_token",
        "download_bad_token",
        "download_token_weak",
        "download_gated",
        "download_gated_no_token",
    )
)
NEEDS_ROOM = frozenset(("disk_full", "file_too_large_here", "folder_not_writable", "file_unwritable"))


def percent(item: DownloadItem) -> str:
    """``42 %``; 100 only when it is all there. Empty while unknown."""
    share = fraction(item)
    return "" if share is None else f"{min(int(share * 100), 99 if item.state != DONE else 100)} %"


def fraction(item: DownloadItem) -> float | None:
    """How much of it is there, 0 to 1."""
    if item.state == DONE:
        return 1.0
    progress = item.progress
    if progress is not None and progress.fraction is not None:
        return progress.fraction
    return min(1.0, item.done_bytes / item.total_bytes) if item.total_bytes else None


def state_word(item: DownloadItem) -> tuple[str, str]:
    """The word in the pill, and its tone."""
    if item.state == RUNNING:
        stage = item.progress.stage if item.progress is not None else "fetch" if item.elsewhere else "listing"
        if stage == "listing":
            return _("Looking at the source"), "accent"
        return (_("Checking"), "accent") if stage == "verify" else (_("Downloading"), "accent")
    if item.state == PAUSED and item.error is not None:
        return _("Paused"), "warn"
    if item.state == PAUSED and item.interrupted:
        return _("Interrupted"), "warn"
    return {
        QUEUED: (_("Queued"), "plain"),
        WAITING: (_("No network"), "warn"),
        PAUSED: (_("Paused"), "plain"),
        FAILED: (_("Stopped"), "bad"),
        DONE: (_("Complete"), "good"),
    }[item.state]


def facts(item: DownloadItem) -> str:
    """``41 % · 3.1 of 7.4 GiB · 12 MB/s · 6 min left · from Hugging Face + ModelScope``"""
    progress = item.progress
    done = progress.done_bytes if progress is not None else item.done_bytes
    total = (progress.total_bytes if progress is not None else None) or item.total_bytes
    if item.state == DONE:
        return _done_facts(item, total or done)
    parts = [share] if (share := percent(item)) else []
    if total or done:
        parts.append(amount(done, total))
    if item.state == RUNNING and progress is not None:
        if progress.rate is not None and progress.stage == "fetch":
            parts.append(rate(progress.rate))
        if progress.time_left_s is not None:
            parts.append(time_left(progress.time_left_s))
        if progress.sources:
            parts.append(_("from {sources}").format(sources=" + ".join(map(source_name, progress.sources))))
    return " · ".join(parts)


def _done_facts(item: DownloadItem, total: int) -> str:
    parts = [format_bytes(total)] if total else []
    if item.plan is not None and item.plan.in_place is not None:
        parts.append(_("was on this machine already: {path}").format(path=item.plan.in_place))
    elif item.plan is not None:
        parts.append(str(item.plan.folder))
    return " · ".join(parts)


def notice(item: DownloadItem) -> str:
    """What stands in the way just now, or why it rests; empty where there is nothing to say."""
    if item.elsewhere:
        return _("Another window or terminal of this program works on it.")
    if item.state == WAITING:
        return _("There is no connection. It goes on by itself when there is one again.")
    if item.state == PAUSED and item.interrupted:
        return _("It was interrupted when the program ended. Continue, and it goes on where it stopped.")
    if item.state == RUNNING and item.progress is not None and (text := _running_notice(item)):
        return text
    return notes(item) if item.state in (RUNNING, DONE) else ""


def notes(item: DownloadItem) -> str:
    """What was found out about this very download; what is known of the model stands on its card."""
    found = item.plan.notes if item.plan is not None else ()
    return sentences(*(_sentence(note) for note in found if note.code not in NOTES))


def outlook(item: DownloadItem) -> tuple[str, str]:
    """How it will run here, told while it comes, and the role of the text; empty where that was not asked."""
    found = item.plan.outlook if item.plan is not None and item.state != DONE else None
    if item.plan is None or found is None:
        return "", "muted"
    return sentences(
        *outlook_texts.lines(item.plan, terminal=False)
    ), "warn" if found.verdict == CANNOT else "muted"


def _running_notice(item: DownloadItem) -> str:
    progress = item.progress
    if progress is not None and progress.notice is not None:
        return _sentence(progress.notice)
    waiting = (
        [file.path for file in progress.files if file.phase == "waiting"] if progress is not None else []
    )
    if waiting:
        return _("Another program of this kind fetches {name} already; this one waits for it.").format(
            name=waiting[0]
        )
    return ""


def _sentence(reason: Reason) -> str:
    """A reason on its own, whether it was written as a part of a sentence or as one."""
    text = reasons.text(reason)
    return text if text[-1:] in ".。!" else _("{why}.").format(why=text[:1].upper() + text[1:])


def error(item: DownloadItem) -> str:
    """Why it stopped; a full disk pauses it."""
    return errors.text(item.error) if item.state in (FAILED, PAUSED) and item.error is not None else ""


def remedy(item: DownloadItem) -> str:
    """What helps against its error: ``token``, ``room`` or ``source``; empty where it only waits to go on."""
    code = item.error.code if item.error is not None and item.state in (FAILED, PAUSED) else ""
    if code in NEEDS_TOKEN:
        return "token"
    if code in NEEDS_ROOM:
        return "room"
    return "source" if item.state == FAILED else ""


def licence_address(item: DownloadItem) -> str:
    """The page where a licence is accepted; empty where none is in the way."""
    return link_of(item.error) if item.state == FAILED else ""


def link_of(error: AppError | None) -> str:
    """A repository's page that an error names; only web addresses."""
    address = str(error.values.get("address", "")) if error is not None and error.code in NEEDS_TOKEN else ""
    return address if address.startswith(("https://", "http://")) else ""


def open_text(address: str) -> str:
    """On the button that opens a page outside."""
    return _("Open {address}").format(address=address.partition("://")[2])


def file_state(file: FileProgress) -> str:
    """A file's last column."""
    if file.phase == "done":
        return _("complete")
    if file.phase == "queued":
        return format_bytes(file.size) if file.size is not None else ""
    if file.phase == "waiting":
        return _("waits")
    if file.phase == "verify":
        return _("checking")
    return amount(file.done_bytes, file.size)


def cancel_text(item: DownloadItem) -> str:
    """What is lost."""
    done = item.progress.done_bytes if item.progress is not None else item.done_bytes
    return _(
        "{size} have arrived of {name}. They are deleted when you cancel; pause it instead to keep them."
    ).format(size=format_bytes(done), name=full_name(item))


def full_name(item: DownloadItem) -> str:
    return f"{item.title} {item.variant}" if item.variant else item.title


def heading(state: DownloadsState) -> str:
    """``Downloads: 2 of 3 complete``"""
    done = sum(item.state == DONE for item in state.items)
    if len(state.items) < 2:
        return _("Downloads")
    return _("Downloads: {done} of {count} complete").format(done=done, count=len(state.items))


def interrupted(items: Sequence[DownloadItem]) -> str:
    """The offer at start."""
    kept = format_bytes(sum(item.done_bytes for item in items))
    names = _(", ").join(full_name(item) for item in items)
    text = ngettext(
        "A download was interrupted: {names}. {size} are kept; it goes on where it stopped.",
        "{count} downloads were interrupted: {names}. {size} are kept; they go on where they stopped.",
        len(items),
    )
    return text.format(count=len(items), names=names, size=kept)


def discard_text(items: Sequence[DownloadItem]) -> str:
    """What is lost."""
    kept = format_bytes(sum(item.done_bytes for item in items))
    names = _(", ").join(full_name(item) for item in items)
    return _("{size} that have arrived of {names} are deleted.").format(size=kept, names=names)
