"""Paths of models that the user added: a small JSON file, replaced atomically under a lock; several instances run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..core.errors import AppError

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class AddedPaths:
    """The list in ``file``."""

    file: Path

    def paths(self) -> list[str]:
        """What is remembered; an unreadable file is logged and counts as empty."""
        try:
            data = json.loads(self.file.read_text(encoding="utf-8"))
            return [str(path) for path in data["paths"]]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError, KeyError, TypeError):
            log.exception("library unreadable: %s", self.file)
            return []

    def add(self, text: str) -> None:
        """Raises AppError(state_unwritable)."""
        self._change(lambda known: known if text in known else [*known, text])

    def forget(self, text: str) -> bool:
        """False where it was not remembered. Raises AppError(state_unwritable)."""
        known = text in self.paths()
        self._change(lambda paths: [other for other in paths if other != text])
        return known

    def _change(self, change: Callable[[list[str]], list[str]]) -> None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.file}.lock", timeout=LOCK_TIMEOUT_S):
                paths = change(self.paths())
                partial = self.file.with_suffix(".part")
                partial.write_text(
                    json.dumps({"schema": 1, "paths": paths}, ensure_ascii=False, indent=1), encoding="utf-8"
                )
                partial.replace(self.file)
        except OSError as error:  # filelock's Timeout is one too
            raise AppError("state_unwritable", path=str(self.file), detail=str(error)) from error
