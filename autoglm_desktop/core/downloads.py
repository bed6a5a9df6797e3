"""Downloads as values: what is to be fetched, how far it is, what came of it. Bytes, bytes/s, seconds.

Made by ``usecases.pull`` and ``usecases.downloads``; shown by the window and the terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import AppError, Reason
from .outlook import Outlook
from .repository import Offer, RemoteFile

AUTO = "auto"
SOURCES = (AUTO, "huggingface", "hf-mirror", "modelscope")
"""Sources with a name. Any other source is an endpoint's address (``https://…``) or a folder's path."""


@dataclass(frozen=True)
class PullRequest:
    """What the user asked for. ``target``: ``MODEL[:VARIANT]`` or ``owner/repo[:VARIANT]``; ``folder``: where
    the files shall lie (None: below the models folder)."""

    target: str
    source: str = AUTO
    folder: Path | None = None


@dataclass(frozen=True)
class Copy:
    """The same repository as one source has it: ``files`` as that source says them, those of the plan only."""

    source: str
    repo: str
    commit: str | None
    files: tuple[RemoteFile, ...]

    def file(self, path: str) -> RemoteFile | None:
        return next((file for file in self.files if file.path == path), None)


@dataclass(frozen=True)
class PullPlan:
    """What will be fetched, and where it will lie: ``folder`` holds the repository's files as they are named.

    ``variant`` is the offer's id. ``copies``: one per source that has it, the preferred one first.
    ``remaining_bytes`` is what is still missing on disk (None where a size is not known). ``in_place``: it lies
    complete on this machine already, there; nothing is fetched. ``notes`` belong to it (``texts.reasons``). ``offers``:
    what else the repository has. ``outlook``: how it would run here, once that was asked for.
    """

    request: PullRequest
    title: str
    repo: str
    variant: str
    commit: str | None
    folder: Path
    files: tuple[RemoteFile, ...]
    copies: tuple[Copy, ...]
    total_bytes: int | None
    remaining_bytes: int | None
    model: str | None = None
    notes: tuple[Reason, ...] = ()
    in_place: Path | None = None
    offers: tuple[Offer, ...] = ()
    outlook: Outlook | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(copy.source for copy in self.copies)

    def repo_of(self, file: RemoteFile) -> str:
        """The repository that a file comes from; a vision part may have one of its own."""
        first = next((copy for copy in self.copies if copy.file(file.path) is not None), None)
        return first.repo if first is not None else self.repo


@dataclass(frozen=True)
class FileProgress:
    """One file. ``phase``: ``queued``, ``waiting`` (another instance has it), ``fetch``, ``verify``, ``done``.

    ``done_bytes`` never goes back, but when ``restarts`` goes up: the file was wrong or changed, and starts anew.
    ``sources``: where blocks come from right now.
    """

    path: str
    phase: str
    done_bytes: int
    size: int | None
    sources: tuple[str, ...] = ()
    restarts: int = 0


@dataclass(frozen=True)
class PullProgress:
    """All files. ``stage``: ``listing``, ``fetch``, ``verify``, ``done``. ``rate``: bytes/s over the last seconds,
    None while unknown. ``notice``: what stands in the way just now (``texts.reasons``), for example a retry."""

    stage: str
    done_bytes: int
    total_bytes: int | None
    rate: float | None = None
    time_left_s: float | None = None
    files: tuple[FileProgress, ...] = ()
    sources: tuple[str, ...] = ()
    notice: Reason | None = None

    @property
    def fraction(self) -> float | None:
        return None if not self.total_bytes else min(1.0, self.done_bytes / self.total_bytes)


@dataclass(frozen=True)
class PulledFile:
    """A file that is there now. ``verified``: ``sha256``, ``git_sha1``, or ``size`` where the source gave no
    hash. ``fetched_bytes``: what this run brought over the network; 0: it was there."""

    path: str
    size: int
    verified: str
    fetched_bytes: int
    source: str | None
    sha256: str | None = None


@dataclass(frozen=True)
class Pulled:
    """A download that is complete."""

    plan: PullPlan
    files: tuple[PulledFile, ...]
    seconds: float
    notes: tuple[Reason, ...] = ()

    @property
    def fetched_bytes(self) -> int:
        return sum(file.fetched_bytes for file in self.files)


QUEUED, RUNNING, WAITING, PAUSED, FAILED, DONE = "queued", "running", "waiting", "paused", "failed", "done"
STATES = (QUEUED, RUNNING, WAITING, PAUSED, FAILED, DONE)


@dataclass(frozen=True)
class DownloadItem:
    """One entry of the queue. ``state``: one of STATES; ``waiting``: no network, it goes on by itself.

    ``interrupted``: it ran when the program ended the last time; the user is offered to go on. ``plan`` and
    ``progress`` are None until they are known in this run; ``title``, ``done_bytes`` and ``total_bytes`` are
    remembered from run to run, as are ``folder`` and ``files``: where its files lie, and their names below it.
    ``waits``: how often it has waited for the network in a row. ``elsewhere``: another instance of this program
    runs it.
    """

    id: str
    request: PullRequest
    state: str
    title: str
    variant: str | None = None
    done_bytes: int = 0
    total_bytes: int | None = None
    plan: PullPlan | None = None
    progress: PullProgress | None = None
    error: AppError | None = None
    interrupted: bool = False
    waits: int = 0
    elsewhere: bool = False
    folder: Path | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class DownloadsState:
    """The queue, in the order in which it is worked through."""

    items: tuple[DownloadItem, ...] = ()

    def item(self, item_id: str) -> DownloadItem | None:
        return next((item for item in self.items if item.id == item_id), None)
