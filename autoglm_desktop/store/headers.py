"""Headers of model files that are not here, kept by commit: what a plan is made from before a weight is fetched.

Of a GGUF everything before the weights is kept, of a safetensors folder the tensor tables. One entry is two files in
the cache folder: ``KEY.json`` says of what, ``KEY.head`` holds the bytes. Anything unreadable counts as not there.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import TargetError
from ..core.gguf_header import GgufHeader
from ..core.machine import from_json, to_json
from . import gguf

log = logging.getLogger(__name__)

MOST_ENTRIES = 60
"""Headers take about 10 MB each; beyond this the oldest go."""
MAX_HEAD_BYTES = 256 << 20


@dataclass(frozen=True)
class Cached:
    """``size``: bytes of the whole file; ``kept``: of its head. ``variant``: as the repository offers it."""

    repo: str
    path: str
    commit: str | None
    variant: str
    size: int
    kept: int
    fetched: float = 0.0

    @property
    def key(self) -> str:
        """The name of its files."""
        text = f"{self.repo.lower()}\n{self.commit}\n{self.path}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class HeaderCache:
    """``folder`` is made when something is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> tuple[Cached, ...]:
        """Every entry, the newest first."""
        found = []
        try:
            names = sorted(self._folder.glob("*.json"))
        except OSError:
            return ()
        for path in names:
            try:
                entry = from_json(Cached, json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, RecursionError) as error:
                log.warning("cached header %s: %s", path.name, error)
                continue
            if entry.key == path.stem and 0 < entry.kept <= entry.size:
                found.append(entry)
        return tuple(sorted(found, key=lambda entry: -entry.fetched))

    def find(self, repo: str, variant: str) -> Cached | None:
        """The newest of a repository's variant."""
        wanted = (repo.lower(), variant.lower())
        return next((one for one in self.all() if (one.repo.lower(), one.variant.lower()) == wanted), None)

    def gguf(self, entry: Cached) -> GgufHeader | None:
        """A GGUF's header; None where it can't be read (logged)."""
        try:
            return gguf.parse_header(
                io.BytesIO(self.head(entry)), entry.size, path=f"{entry.repo}/{entry.path}"
            )
        except (OSError, TargetError) as error:
            log.warning("cached header of %s: %s", entry.repo, error)
            return None

    def head(self, entry: Cached) -> bytes:
        """The kept bytes. Raises OSError, also where they are not as many as were written."""
        path = self._folder / f"{entry.key}.head"
        data = path.read_bytes()
        if len(data) != entry.kept:
            raise OSError(f"{path.name}: {len(data)} bytes instead of {entry.kept}")
        return data

    def add(self, entry: Cached, head: bytes) -> None:
        """Keep a head; other commits of the same file go. Raises OSError."""
        entry = replace(entry, kept=len(head))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write(f"{entry.key}.head", head)
        self._write(f"{entry.key}.json", json.dumps(to_json(entry), ensure_ascii=False).encode())
        same = [
            one
            for one in self.all()
            if (one.repo, one.path) == (entry.repo, entry.path) and one.key != entry.key
        ]
        for old in (*same, *self.all()[MOST_ENTRIES:]):
            for suffix in (".json", ".head"):
                (self._folder / f"{old.key}{suffix}").unlink(missing_ok=True)

    def _write(self, name: str, data: bytes) -> None:
        partial = self._folder / f"{name}.{os.getpid()}.part"
        partial.write_bytes(data)
        partial.replace(self._folder / name)
