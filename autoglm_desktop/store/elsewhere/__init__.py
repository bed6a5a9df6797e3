"""Models that other programs have put on this machine. They are used where they lie and never changed or deleted."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import hubs, jan, lmstudio, ollama
from .found import FoundModel, Where

__all__ = ["ONLY_OWN", "PLACES", "Elsewhere", "FoundModel", "of_this_user"]

log = logging.getLogger(__name__)

PLACES = ("huggingface", "modelscope", "lmstudio", "jan", "ollama")
ONLY_OWN = "AUTOGLM_ONLY_OWN"
"""With this variable set to anything, models of other programs are not looked for."""

_SEARCHES = (
    ("huggingface", hubs.huggingface),
    ("modelscope", hubs.modelscope),
    ("lmstudio", lmstudio.models),
    ("jan", jan.models),
    ("ollama", ollama.models),
)


@dataclass
class Elsewhere:
    """The folders of other programs for one user. ``home`` and ``environment`` say where they are, ``system`` is
    ``sys.platform``; what was found is kept for ``keep_s`` seconds. ``shared``: what a service of the system has."""

    home: Path
    environment: Mapping[str, str]
    system: str = sys.platform
    keep_s: float = 3.0
    shared: tuple[Path, ...] = ollama.SHARED
    clock: Callable[[], float] = time.monotonic
    _kept: tuple[float, tuple[FoundModel, ...]] | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def where(self) -> Where:
        return Where(self.home, self.environment, self.system, self.shared)

    def models(self) -> tuple[FoundModel, ...]:
        """Every model, in the order of PLACES. Reads folders, not the models; never fails."""
        with self._lock:
            now = self.clock()
            if self._kept is None or now - self._kept[0] > self.keep_s:
                self._kept = (now, tuple(self._search()))
            return self._kept[1]

    def at(self, path: Path) -> FoundModel | None:
        """What was found under exactly this path."""
        return next((found for found in self.models() if found.path == path), None)

    def with_sha256(self, digest: str) -> Path | None:
        """A complete file that another program has stored under this sha256 (lower-case hex): the Hugging Face cache
        and Ollama name files so. Whoever takes it must still hash it."""
        if len(digest) != 64 or any(char not in "0123456789abcdef" for char in digest):
            return None
        return hubs.blob(self.where, digest) or ollama.blob(self.where, digest)

    def _search(self) -> list[FoundModel]:
        found: list[FoundModel] = []
        for place, search in _SEARCHES:
            try:
                found += search(self.where)
            except (OSError, ValueError, RecursionError):
                log.exception("%s: not searched", place)
        return found


def of_this_user() -> Elsewhere | None:
    """The real folders; None where the user wants only our own (``ONLY_OWN``) or there is no home folder."""
    if os.environ.get(ONLY_OWN):
        return None
    try:
        return Elsewhere(Path.home(), os.environ)
    except RuntimeError:
        return None
