"""Getting pip itself where this Python came without it: its wheel can be run as it is."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

_LINK = re.compile(r"<a\s([^>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*[\"']([^\"']*)[\"']")
_NAME = re.compile(r"pip-(\d+(?:\.\d+)*)-py3-none-any\.whl$")
_AT_LEAST = re.compile(r">=\s*(\d+)\.(\d+)")
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Wheel:
    version: tuple[int, ...]
    url: str
    sha256: str


def newest(page: str, address: str, python: tuple[int, ...]) -> Wheel | None:
    """The newest pip on a page of a package index that runs on ``python`` and has a checksum."""
    found: list[Wheel] = []
    for link in _LINK.finditer(page):
        attributes = {name.lower(): unescape(value) for name, value in _ATTRIBUTE.findall(link[1])}
        url, _, fragment = attributes.get("href", "").partition("#")
        name = _NAME.search(url)
        least = _AT_LEAST.search(attributes.get("data-requires-python", ""))
        fits = not least or (int(least[1]), int(least[2])) <= python[:2]
        if name and fits and fragment.startswith("sha256=") and "data-yanked" not in attributes:
            version = tuple(int(part) for part in name[1].split("."))
            found.append(Wheel(version, urljoin(address, url), fragment.removeprefix("sha256=")))
    return max(found, key=lambda wheel: wheel.version, default=None)


def read_url(url: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
        data: bytes = answer.read()
        return data


def fetch(
    folder: Path,
    python: tuple[int, ...],
    environ: Mapping[str, str] = os.environ,
    read: Callable[[str], bytes] = read_url,
) -> Path:
    """Put pip's wheel into ``folder`` and return its path. Raises OSError where it cannot be had."""
    address = environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    wheel = newest(read(address).decode("utf-8", "replace"), address, python)
    if wheel is None:
        raise OSError(f"{address}: no pip")
    data = read(wheel.url)
    if hashlib.sha256(data).hexdigest() != wheel.sha256:
        raise OSError(f"{wheel.url}: wrong checksum")
    path = folder / Path(urlsplit(wheel.url).path).name
    path.write_bytes(data)
    return path


def in_folder(folder: Path) -> Path | None:
    """The newest wheel of pip among files that the user brought along."""
    found = [
        (tuple(map(int, name[1].split("."))), path)
        for path in folder.iterdir()
        if (name := _NAME.search(path.name))
    ]
    return max(found)[1] if found else None
