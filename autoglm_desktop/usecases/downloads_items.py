"""Entries of the queue as they are remembered, and as they are shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.downloads import (
    PAUSED,
    QUEUED,
    RUNNING,
    WAITING,
    DownloadItem,
    PullPlan,
    PullProgress,
    PullRequest,
)
from ..core.errors import AppError, Reason
from ..store.queue import Entry
from .pull_find import Pinned

UNDER_WAY = (QUEUED, RUNNING, WAITING)
_Plain = (str, int, float, bool, type(None))


@dataclass
class Live:
    """What is known of an entry in this run only."""

    plan: PullPlan | None = None
    progress: PullProgress | None = None
    waits: int = 0
    due: float | None = None
    """When to try again: seconds of the clock that never goes back."""


def request_of(entry: Entry) -> PullRequest:
    folder = Path(entry.folder) if entry.folder is not None else None
    return PullRequest(entry.target, entry.source, folder)


def pinned_of(entry: Entry) -> Pinned | None:
    """The commit that it began with."""
    if entry.pinned_source and entry.pinned_repo and entry.pinned_commit:
        return Pinned(entry.pinned_source, entry.pinned_repo, entry.pinned_commit)
    return None


def item_of(entry: Entry, live: Live, *, elsewhere: bool) -> DownloadItem:
    """An entry as it is shown. ``elsewhere``: another instance works through the queue."""
    progress = live.progress
    if progress is not None and entry.state != RUNNING:
        progress = replace(progress, rate=None, time_left_s=None, notice=None)
    done = entry.done_bytes if progress is None else progress.done_bytes
    return DownloadItem(
        id=entry.id,
        request=request_of(entry),
        state=entry.state,
        title=entry.title,
        variant=entry.variant,
        done_bytes=done,
        total_bytes=entry.total_bytes,
        plan=live.plan,
        progress=progress,
        error=error_of(entry.error),
        interrupted=entry.interrupted,
        waits=live.waits,
        elsewhere=elsewhere and entry.state == RUNNING,
        folder=Path(entry.plan_folder) if entry.plan_folder is not None else None,
        files=entry.files,
    )


def planned(entry: Entry, plan: PullPlan) -> Entry:
    """The entry with what its plan says."""
    entry = replace(
        entry,
        title=plan.title,
        variant=plan.variant,
        total_bytes=plan.total_bytes,
        plan_folder=str(plan.folder),
        files=tuple(file.path for file in plan.files),
    )
    if not plan.copies:
        return entry
    first = plan.copies[0]
    return replace(entry, pinned_source=first.source, pinned_repo=first.repo, pinned_commit=first.commit)


def interrupted(entry: Entry) -> Entry:
    """What was under way when the program ended."""
    return replace(entry, state=PAUSED, interrupted=True) if entry.state in UNDER_WAY else entry


def error_json(error: AppError | None) -> dict[str, object] | None:
    """An error for the file; of its values those that JSON has, and reasons."""
    if error is None:
        return None
    return {"code": error.code, "values": {key: _value(value) for key, value in error.values.items()}}


def error_of(data: Mapping[str, object] | None) -> AppError | None:
    """The error that ``error_json`` wrote."""
    if data is None or not isinstance(data.get("code"), str):
        return None
    values = data.get("values")
    found = {str(key): _read(value) for key, value in values.items()} if isinstance(values, dict) else {}
    return AppError(str(data["code"]), **found)


def _value(value: object) -> object:
    if isinstance(value, Reason):
        return {"reason": value.code, "values": {key: _value(one) for key, one in value.values}}
    if isinstance(value, (list, tuple)):
        return [_value(one) for one in value]
    return value if isinstance(value, _Plain) else str(value)


def _read(value: object) -> object:
    if isinstance(value, dict) and isinstance(value.get("reason"), str):
        values = value.get("values")
        found = values if isinstance(values, dict) else {}
        return Reason.of(value["reason"], **{str(key): _read(one) for key, one in found.items()})
    return [_read(one) for one in value] if isinstance(value, list) else value
