"""What can go wrong at the fake hub, its rate limits, and the record of what it was asked. Bytes, seconds."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Drop:
    """The connection ends after ``after`` bytes of a body; ``reset``: with an RST instead of a FIN."""

    after: int
    reset: bool = False


@dataclass(frozen=True)
class Truncated:
    """A body without Content-Length that ends in good order, but too early."""

    after: int


@dataclass(frozen=True)
class WrongLength:
    """Content-Length is ``by`` bytes more (less if negative) than what is sent."""

    by: int


@dataclass(frozen=True)
class WrongRange:
    """Content-Range and body begin ``by`` bytes after what was asked for."""

    by: int


@dataclass(frozen=True)
class Flip:
    """The byte at ``offset`` of the file is another one."""

    offset: int


@dataclass(frozen=True)
class Stall:
    """Nothing more after ``after`` bytes of a body, until ``FakeHub.release`` is set. Sets ``FakeHub.stalled``."""

    after: int


@dataclass(frozen=True)
class Silence:
    """No answer at all until ``FakeHub.release`` is set. Sets ``FakeHub.stalled``."""


@dataclass(frozen=True)
class Slow:
    """This response runs at ``rate`` bytes/s."""

    rate: float


@dataclass(frozen=True)
class IgnoreRange:
    """200 and the whole file, whatever was asked for."""


@dataclass(frozen=True)
class ExpiredLink:
    """The CDN says 403, as for a signed link that is too old."""


@dataclass(frozen=True)
class Changed:
    """The file is another one now: content, size, ETag and commit."""

    content: bytes


@dataclass(frozen=True)
class RedirectLoop:
    """302 to the same address."""


@dataclass(frozen=True)
class Portal:
    """A captive portal: 200 and a page, whatever was asked for."""


@dataclass(frozen=True)
class Status:
    """An error status; ``error_code`` is the hub's X-Error-Code. ``retry_after`` in seconds, or a date."""

    code: int
    retry_after: float | str | None = None
    error_code: str | None = None
    message: str = "made by the fake hub"


def gated(times: int | None = None, at: str = "resolve") -> Fault:
    return Fault(Status(403, error_code="GatedRepo"), times=times, at=at)


DATA, RESOLVE, LISTING = "data", "resolve", "listing"


@dataclass(frozen=True)
class Fault:
    """``effect`` on requests for files that ``path`` (a pattern) names: not on the first ``skip``, then ``times``
    times (None: always). ``at``: ``data`` (whatever sends the file's bytes), ``resolve`` (the hub's answer for a
    file), ``listing``."""

    effect: object
    path: str = "*"
    times: int | None = 1
    skip: int = 0
    at: str = DATA


@dataclass
class Asked:
    """One request. ``origin``: hub or cdn; ``kind``: revision, tree, files, resolve, repo, cdn. ``path``: the file in
    its repository. ``begin``: offset of the body's first byte; ``sent``: bytes of the body that were sent."""

    origin: str
    method: str
    target: str
    headers: dict[str, str]
    kind: str = "?"
    path: str | None = None
    status: int | None = None
    begin: int = 0
    sent: int = 0
    effect: object = None
    time: float = field(default_factory=time.monotonic)

    @property
    def authorized(self) -> bool:
        return "authorization" in self.headers

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


class Faults:
    """Counts the faults down. Safe from several threads."""

    def __init__(self, faults) -> None:
        self._lock = threading.Lock()
        self._left = [[fault, fault.skip, fault.times] for fault in faults]

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._left.append([fault, fault.skip, fault.times])

    def clear(self) -> None:
        """Everything works from now on."""
        with self._lock:
            self._left.clear()

    def take(self, at: str, path: str, begin: int = 0, end: int | None = None) -> object:
        """The effect for this request, or None. A Flip waits for a request that has its byte."""
        with self._lock:
            for entry in self._left:
                fault, skip, times = entry
                if fault.at != at or not fnmatchcase(path, fault.path) or times == 0:
                    continue
                if isinstance(fault.effect, Flip) and not begin <= fault.effect.offset < (end or sys.maxsize):
                    continue
                if skip:
                    entry[1] -= 1
                    continue
                if times is not None:
                    entry[2] -= 1
                return fault.effect
        return None


class Bucket:
    """Lets ``rate`` bytes/s through, in order, whoever asks; None: all."""

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, count: int, stop: threading.Event) -> None:
        """Return when ``count`` bytes may be sent."""
        if self.rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - 0.02) + count / self.rate
            left = self._free_at - now
        if left > 0:
            stop.wait(left)


def sent_ranges(asked, path: str) -> list[tuple[int, int]]:
    """Pairs [begin, end) that were sent of a file, in the order of the requests."""
    return [(one.begin, one.begin + one.sent) for one in asked if one.path == path and one.sent]


def sent_twice(asked, path: str) -> int:
    """Bytes of the file that were sent more than once (counted as often as they were sent again)."""
    edges = sorted(
        edge for begin, end in sent_ranges(asked, path) for edge in ((begin, 1), (end, -1)) if begin < end
    )
    twice, depth, last = 0, 0, 0
    for at, step in edges:
        twice += max(0, depth - 1) * (at - last)
        depth, last = depth + step, at
    return twice
