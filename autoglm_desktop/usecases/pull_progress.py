"""How far a download is, from what each file's transfer reports. Bytes, seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.downloads import FileProgress, PullPlan, PullProgress
from ..core.errors import Reason
from ..core.rates import Rate, time_left
from ..core.repository import RemoteFile
from ..store.transfer.values import TransferProgress

REPORT_EVERY_S = 0.2


class Progress:
    """Reports at most five times a second. ``before``: of the run that this one goes on with."""

    def __init__(
        self,
        plan: PullPlan,
        report: Callable[[PullProgress], None],
        notice: Reason | None,
        before: Progress | None,
        clock: Callable[[], float],
    ) -> None:
        self._total, self._report, self._notice, self._clock = plan.total_bytes, report, notice, clock
        self._files = {file.path: FileProgress(file.path, "queued", 0, file.size) for file in plan.files}
        self._notices: dict[str, Reason] = {}
        self._seen: dict[str, int] = {}
        self._extra: dict[str, int] = {}
        self._rate: Rate = before._rate if before is not None else Rate()
        self._received: int = before._received if before is not None else 0
        self._before: dict[str, FileProgress] = before._files if before is not None else {}
        self._told: float | None = None

    def start(self, file: RemoteFile, done: int, *, here: bool) -> None:
        """What is on disk of a file before it begins."""
        earlier = self._before.get(file.path)
        restarts = 0
        if earlier is not None:
            restarts = earlier.restarts + (1 if earlier.done_bytes > done else 0)
        self._extra[file.path] = restarts
        phase = "done" if here else "queued"
        self._files[file.path] = FileProgress(file.path, phase, done, file.size, (), restarts)

    def seen(self, file: RemoteFile, progress: TransferProgress) -> None:
        """A transfer's report."""
        known = self._files[file.path]
        done = known.done_bytes if progress.phase == "waiting" else progress.done_bytes
        restarts = progress.restarts + self._extra.get(file.path, 0)
        if done < known.done_bytes and restarts <= known.restarts:  # what was there is not what it should be
            restarts = known.restarts + 1
            self._extra[file.path] = restarts - progress.restarts
        restarts = max(restarts, known.restarts)
        self._received += max(0, progress.received_bytes - self._seen.get(file.path, 0))
        self._seen[file.path] = progress.received_bytes
        if progress.notice is not None:
            self._notices[file.path] = progress.notice
        else:
            self._notices.pop(file.path, None)
        self._files[file.path] = FileProgress(
            file.path, progress.phase, done, progress.size, progress.sources, restarts
        )
        self.tell()

    def received(self, file: RemoteFile) -> int:
        """Bytes that this run's transfer of a file has brought so far."""
        return self._seen.get(file.path, 0)

    def done(self, file: RemoteFile, size: int) -> None:
        """The file is complete."""
        known = self._files[file.path]
        self._files[file.path] = replace(known, phase="done", done_bytes=size, size=size, sources=())
        self._notices.pop(file.path, None)
        self.tell()

    def tell(self, stage: str | None = None, *, force: bool = False) -> None:
        """Report, if it is time or must be."""
        now = self._clock()
        if self._told is not None and now - self._told < REPORT_EVERY_S and not force:
            return
        self._told = now
        self._rate.add(now, self._received)
        files = tuple(self._files.values())
        done = sum(file.done_bytes for file in files)
        sizes = [file.size for file in files if file.size is not None]
        total = sum(sizes) if len(sizes) == len(files) else self._total
        rate = self._rate.per_second()
        busy = [file for file in files if file.phase in ("fetch", "verify", "waiting")]
        verifying = bool(busy) and all(file.phase == "verify" for file in busy)
        self._report(
            PullProgress(
                stage or ("verify" if verifying else "fetch"),
                done,
                total,
                rate,
                time_left(None if total is None else max(0, total - done), rate),
                files,
                tuple(dict.fromkeys(name for file in busy for name in file.sources)),
                next(iter(self._notices.values()), self._notice),
            )
        )
