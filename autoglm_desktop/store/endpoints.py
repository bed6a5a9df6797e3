"""The remote servers that the user entered: a small JSON file, replaced atomically under a lock; never a key."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..core.errors import AppError
from ..core.machine import from_json, to_json
from ..core.remote import Endpoint, base_url

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class EndpointFile:
    """The list in ``file``."""

    file: Path

    def all(self) -> tuple[Endpoint, ...]:
        """What is kept, in the order of entering. An unreadable file is logged and counts as empty; so does an entry
        whose address could not be entered."""
        try:
            return tuple(self._read())
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            log.exception("remote servers unreadable: %s", self.file)
            return ()

    def get(self, endpoint_id: str) -> Endpoint | None:
        return next((one for one in self.all() if one.id == endpoint_id), None)

    def put(self, endpoint: Endpoint) -> None:
        """Add it, or replace the one with its id. Raises AppError(state_unwritable, endpoints_damaged)."""

        def change(known: list[Endpoint]) -> list[Endpoint]:
            if any(one.id == endpoint.id for one in known):
                return [endpoint if one.id == endpoint.id else one for one in known]
            return [*known, endpoint]

        self._change(change)

    def remove(self, endpoint_id: str) -> None:
        """Raises AppError(state_unwritable, endpoints_damaged)."""
        self._change(lambda known: [one for one in known if one.id != endpoint_id])

    def _read(self) -> list[Endpoint]:
        """Raises OSError, ValueError, KeyError, TypeError."""
        try:
            data = json.loads(self.file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = []
        for entry in data["endpoints"]:
            one = from_json(Endpoint, entry)
            try:
                usable = base_url(one.url) == one.url
            except AppError as error:
                log.warning("a remote server is left out: %s", error)
                continue
            if usable:
                found.append(one)
        return found

    def _change(self, change: Callable[[list[Endpoint]], list[Endpoint]]) -> None:
        partial = self.file.with_suffix(f".{os.getpid()}.part")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.file}.lock", timeout=LOCK_TIMEOUT_S):
                entries = [to_json(one) for one in change(self._read())]
                text = json.dumps({"schema": 1, "endpoints": entries}, ensure_ascii=False, indent=1)
                partial.write_text(text, encoding="utf-8")
                partial.replace(self.file)
        except OSError as error:  # filelock's Timeout is one too
            raise AppError("state_unwritable", path=str(self.file), detail=str(error)) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise AppError("endpoints_damaged", path=str(self.file)) from error
