"""Reading what pip says: its progress, and why it failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_COLLECTING = re.compile(r"^\s*Collecting ([A-Za-z0-9._-]+)")
_DOWNLOADING = re.compile(r"^\s*Downloading (\S+) \(([\d.]+) (kB|MB|GB|bytes)\)")
_RAW_PROGRESS = re.compile(r"^\s*Progress (\d+) of (\d+)")
_BUILDING = re.compile(r"^\s*Building (?:wheel|editable) for (\S+)")
_INSTALLING = re.compile(r"^\s*Installing collected packages: (.*)")
_NO_CONNECTION = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|ConnectionResetError|RemoteDisconnected"
    r"|Max retries exceeded|Temporary failure in name resolution|Network is unreachable|IncompleteRead"
    r"|[Cc]onnection (?:refused|timed out|broken)|getaddrinfo failed|Read timed out"
)
_HOST = re.compile(r"HTTPS?ConnectionPool\(host='([^']+)'|host='([^']+)'")
_NO_MATCH = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)")
_INDEX_PAGE = re.compile(r"/simple/([^/'\s]+)/")
_UNITS = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_WHEEL_NAME = re.compile(r"^(.+?)-\d")
INSTALLING_LINE = "Installing collected packages"


@dataclass(frozen=True)
class Progress:
    """``phase``: collect | download | build | install | retry. ``done_bytes`` counts all downloads."""

    phase: str
    name: str = ""
    file_bytes: int = 0
    done_bytes: int = 0


@dataclass(frozen=True)
class Failure:
    """``kind``: network | missing (no such package for this Python and system, or not in the offline folder)
    | disk | build | other. ``line`` is pip's own last word."""

    kind: str
    name: str
    host: str
    line: str


class InstallError(Exception):
    """The environment could not be made or filled. ``failure`` says why, ``log`` holds everything."""

    def __init__(self, failure: Failure, log: Path) -> None:
        super().__init__(failure.line)
        self.failure = failure
        self.log = log


class Reader:
    """Turns pip's lines into Progress."""

    def __init__(self) -> None:
        self._name = ""
        self._size = 0
        self._before = 0
        self._downloading = False

    def read(self, line: str) -> Progress | None:
        if found := _DOWNLOADING.match(line):
            self._downloading = not found[1].endswith(".metadata")
            if not self._downloading:
                return None
            self._before += self._size
            wheel = _WHEEL_NAME.match(found[1].rpartition("/")[2])
            self._name = (wheel[1] if wheel else found[1]).replace("_", "-")
            self._size = int(float(found[2]) * _UNITS[found[3]])
            return Progress("download", self._name, self._size, self._before)
        if found := _RAW_PROGRESS.match(line):
            if not self._downloading:
                return None
            return Progress("download", self._name, self._size, self._before + int(found[1]))
        if found := _COLLECTING.match(line):
            return Progress("collect", found[1])
        if found := _BUILDING.match(line):
            return Progress("build", found[1])
        if found := _INSTALLING.match(line):
            return Progress("install", found[1])
        if "WARNING: Retrying" in line:
            host = _HOST.search(line)
            return Progress("retry", next(filter(None, host.groups()), "") if host else "")
        return None


def explain(log: str, offline: bool) -> Failure:
    """Why pip failed, by its output."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = _last_word(lines)
    missing = _NO_MATCH.search(log)
    name = missing[1] if missing else ""
    if "No space left on device" in log or "Errno 28" in log or "WinError 112" in log:
        return Failure("disk", name, "", last)
    network = next((line for line in lines if _NO_CONNECTION.search(line)), None)
    if network and not offline:
        host = next((found for line in lines if (found := _HOST.search(line))), None)
        page = _INDEX_PAGE.search(log[log.index(network) :])
        return Failure(
            "network",
            name or (page[1] if page else ""),
            next(filter(None, host.groups()), "") if host else "",
            last,
        )
    if missing:
        return Failure("missing", name, "", last)
    built = re.search(
        r"Failed (?:building wheel|to build) (?:for )?(?:installable wheels for some \S+ )?(\S+)", log
    )
    if built:
        return Failure("build", built[1].strip("()"), "", last)
    return Failure("other", "", "", last)


def _last_word(lines: list[str]) -> str:
    """The last line that is an error of pip's own, else the last line."""
    for line in reversed(lines):
        if line.startswith(("ERROR:", "error:")) and "subprocess-exited" not in line:
            return line.partition(":")[2].strip()
    return lines[-1] if lines else ""
