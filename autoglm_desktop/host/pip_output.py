"""What pip's output and its report say. Text in, values out; the lines are the same from pip 24.1 to 26.3."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit
from urllib.request import url2pathname

_STEP = re.compile(r"\[\s*(\d+)/(\d+)\]")  # ninja
_RAW = re.compile(r"^Progress (\d+) of (\d+)")  # pip --progress-bar=raw
_SHOWN = re.compile(
    r"^\s*(Collecting|Downloading|Building wheel|Installing|Preparing metadata|Using cached)\b.*"
)
_ERROR = re.compile(r"^\s*(ERROR|error|CMake Error|fatal error|\*\*\*)[: ]")
_LINK = re.compile(r"^\s*Found link (\S+) \(from ")  # pip -vv
_PAGE_NOISE = re.compile(r"^\s*(Found link|Skipping link|Link requires a different Python)\b")
_LOADS = re.compile(r"^\s*Downloading (\S+?)(?: \(([\d.]+) (bytes|kB|MB|GB)\))?\s*$")
_UNITS = {"bytes": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_OFFLINE = ("NewConnectionError", "Temporary failure in name resolution", "ConnectTimeoutError",
            "Connection refused", "getaddrinfo failed", "Network is unreachable")  # fmt: skip
_NO_MATCH = ("No matching distribution found", "ResolutionImpossible")
FULL = "No space left on device"


class LeaveToPip(Exception):
    """The files cannot be fetched from outside pip; the text says why, for the log."""


@dataclass(frozen=True)
class InstallProgress:
    """What is being done: ``stage`` wait | venv | fetch | build | install | self_test, ``fraction`` 0–1 or None."""

    stage: str
    fraction: float | None
    detail: str


Report = Callable[[InstallProgress], None]


@dataclass(frozen=True)
class Artifact:
    """A wheel or source archive that pip has chosen. ``url`` without a fragment; ``project`` and ``version`` are
    None where only its link is known."""

    url: str
    sha256: str | None
    project: str | None = None
    version: str | None = None

    @property
    def file_name(self) -> str:
        return unquote(urlsplit(self.url).path).rpartition("/")[2]

    @property
    def wheel(self) -> bool:
        return self.file_name.endswith(".whl")

    @property
    def path(self) -> Path | None:
        """Where it lies, for a file of this machine."""
        parts = urlsplit(self.url)
        return Path(url2pathname(parts.path)) if parts.scheme == "file" else None

    @property
    def requirement(self) -> str:
        return f"{self.project}=={self.version}"


def artifacts(report: Mapping[str, Any]) -> tuple[Artifact, ...]:
    """What ``pip install --report`` would install. Raises KeyError, TypeError or AttributeError for any other shape."""
    found = []
    for item in report["install"]:
        download, metadata = item["download_info"], item["metadata"]
        hashes = (download.get("archive_info") or {}).get("hashes") or {}
        url = urldefrag(download["url"]).url
        found.append(Artifact(url, _sha256(hashes.get("sha256")), metadata["name"], metadata["version"]))
    return tuple(found)


def found_link(line: str) -> Artifact | None:
    """The file that a line of ``pip -vv`` names as one of an index page."""
    found = _LINK.match(line)
    if found is None:
        return None
    url, fragment = urldefrag(found[1])
    digest = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
    return Artifact(url, _sha256(digest))


def loads(line: str, at_least: int) -> str | None:
    """The file (its name, or its address) that pip begins to load, if it has ``at_least`` bytes or doesn't say."""
    found = _LOADS.match(line)
    if found is None or urlsplit(found[1]).path.endswith(".metadata"):
        return None
    small = found[2] is not None and float(found[2]) * _UNITS[found[3]] < at_least
    return None if small else found[1]


def about_pages(line: str) -> bool:
    """Whether a line only lists what an index page holds: thousands of lines."""
    return _PAGE_NOISE.match(line) is not None


def _sha256(text: object) -> str | None:
    return text if isinstance(text, str) and _SHA256.fullmatch(text) else None


def offline(lines: Sequence[str]) -> bool:
    return _any(lines, _OFFLINE)


def no_match(lines: Sequence[str]) -> bool:
    """Whether pip has seen the indexes and found that nothing there will do."""
    return _any(lines, _NO_MATCH)


def disk_full(lines: Sequence[str]) -> bool:
    return _any(lines, (FULL,))


def _any(lines: Sequence[str], marks: Sequence[str]) -> bool:
    return any(mark in line for line in lines for mark in marks)


def parse_line(line: str) -> InstallProgress | None:
    """What a line of pip's output says of the progress, if anything."""
    raw = _RAW.match(line)
    if raw and int(raw[2]) > 0:
        return InstallProgress("fetch", int(raw[1]) / int(raw[2]), "")
    step = _STEP.search(line)
    if step and int(step[2]) > 0:
        return InstallProgress("build", int(step[1]) / int(step[2]), "")
    shown = _SHOWN.match(line)
    if shown:
        stages = {"Building wheel": "build", "Preparing metadata": "build", "Installing": "install"}
        return InstallProgress(stages.get(shown[1], "fetch"), None, line.strip()[:120])
    return None


def summary(lines: Sequence[str]) -> str:
    """The line of pip's output that says most."""
    errors = [line.strip() for line in lines if _ERROR.match(line)]
    told = errors or [line.strip() for line in lines if line.strip()]
    return told[-1][:300] if told else ""
