"""What was measured, by machine: one JSON file, replaced atomically under a lock.

A data folder may travel on a USB disk, so there is an entry for each machine (``hardware``: processor, cards, drivers).
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from ..core.errors import AppError
from ..core.machine import LARGEST, from_json, to_json
from ..core.measured import Measurements
from ..core.measured_age import Outdated, outdated, same_machine

log = logging.getLogger(__name__)
LOCK_TIMEOUT_S = 5.0
MOST_MACHINES = 8


def _sound(measured: Measurements) -> Measurements:
    """Without what cannot be: it would be planned with."""
    ram = measured.ram_bytes_per_s
    disks = (one for one in measured.disks if (one.bytes_per_s or 1) > 0 and (one.iops or 1) > 0)
    return replace(
        measured,
        ram_bytes_per_s=ram if ram is not None and 0 < ram < LARGEST else None,
        disks=tuple(disks),
        layers=tuple(one for one in measured.layers if one.sound),
    )


class MeasurementFile:
    """Read anew on every call: several instances may run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> tuple[Measurements, ...]:
        """Everything that is kept; an unreadable file is logged and counts as empty."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return tuple(_sound(from_json(Measurements, item)) for item in data["machines"])
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            log.exception("measurements unreadable: %s", self._path)
            return ()

    def of(self, hardware: str, builds: dict[str, str]) -> Measurements | None:
        """What holds on this machine now. ``builds``: engine environments and their builds; the speed of an engine that
        is no longer the same is left out."""
        found = next((one for one in self.all() if one.hardware == hardware), None)
        if found is None:
            return None
        return replace(
            found, layers=tuple(one for one in found.layers if builds.get(one.engine) == one.build)
        )

    def outdated(self, hardware: str, builds: dict[str, str]) -> tuple[Outdated, ...]:
        """What was measured before and no longer holds on this machine, with why."""
        return outdated(self.all(), hardware, builds)

    def save(self, measured: Measurements) -> None:
        """Keep it in the place of what was measured on this machine before. Raises AppError(file_unwritable)."""

        def with_it(known: tuple[Measurements, ...]) -> list[Measurements]:
            others = [one for one in known if one.hardware != measured.hardware]
            return sorted((measured, *others), key=lambda one: -(one.taken or 0.0))[:MOST_MACHINES]

        self._change(with_it)

    def forget(self, hardware: str) -> bool:
        """Forget what was measured on this machine, with the cards and drivers of before, too. Whether there was
        anything. Raises AppError(file_unwritable)."""
        known = self.all()
        if not any(same_machine(one.hardware, hardware) for one in known):
            return False
        self._change(lambda all_: [one for one in all_ if not same_machine(one.hardware, hardware)])
        return True

    def require_writable(self) -> None:
        """Raises AppError(file_unwritable) where nothing could be kept: better before half a minute of work."""
        self._change(None)

    def _change(self, change: Callable[[tuple[Measurements, ...]], list[Measurements]] | None) -> None:
        """Replace the file; ``change`` None only tries whether that is possible."""
        partial = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=LOCK_TIMEOUT_S):
                kept = change(self.all()) if change is not None else []
                data = {"schema": 1, "machines": [to_json(one) for one in kept]}
                try:
                    partial.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
                    if change is not None:
                        partial.replace(self._path)
                finally:
                    partial.unlink(missing_ok=True)
        except OSError as error:  # filelock's Timeout is one too
            detail = error.strerror or str(error)
            raise AppError("file_unwritable", path=str(self._path), detail=detail) from error
