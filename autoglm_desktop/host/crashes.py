"""Crash memory: rungs that died on this machine are not offered again until the user clears them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..core.errors import AppError
from ..core.machine import Machine, from_json, to_json
from ..core.rungs import CrashNote

log = logging.getLogger(__name__)
REMEMBERED = ("crashed", "hung")
HASHED_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Crash:
    """One remembered crash. ``file`` is set only after another file worked on the same rung, and for the demo's."""

    hardware: str
    build: str
    backend: str
    rung: str
    phase: str
    kind: str
    message: str
    seen_with: str | None = None
    file: str | None = None
    at: float = 0.0


Change = Callable[[list[Crash]], list[Crash]]


def hardware_key(machine: Machine) -> str:
    """CPU model and every GPU with its driver."""
    gpus = [f"{gpu.name} {gpu.driver_version}" for gpu in machine.gpus if gpu.name]
    return " + ".join([machine.cpu.name or "unknown CPU", *gpus])


def file_key(path: Path) -> str | None:
    """Size and sha256 of the first MiB (the header): tells files apart without reading gigabytes. A folder counts by
    its first weights."""
    try:
        if path.is_dir():
            path = min(path.glob("*.safetensors"), default=path)
        with path.open("rb") as file:
            return f"{path.stat().st_size}-{hashlib.sha256(file.read(HASHED_BYTES)).hexdigest()[:16]}"
    except OSError:
        return None


class CrashMemory:
    """Crashes in one JSON file, re-read on every call (several instances may run)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> tuple[Crash, ...]:
        """Everything remembered; an unreadable file is logged and counts as empty."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return tuple(from_json(Crash, item) for item in data["crashes"])
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except (OSError, ValueError, KeyError, TypeError):
            log.exception("crash memory unreadable: %s", self._path)
            return ()

    def notes(self, hardware: str, build: str, backend: str, file: str | None) -> tuple[CrashNote, ...]:
        """The rungs that are out for this hardware, engine build and file."""
        return tuple(
            CrashNote(crash.rung, crash.kind, crash.message)
            for crash in self.all()
            if (crash.hardware, crash.build, crash.backend) == (hardware, build, backend)
            and crash.file in (None, file)
        )

    def add(self, crash: Crash) -> None:
        """Remember a crash (kinds other than REMEMBERED are no crashes and are ignored).

        Where it can't be written it is logged: a load must not fail by that. The same holds for ``worked``.
        """
        if crash.kind in REMEMBERED:
            crash = dataclasses.replace(crash, at=time.time())
            self._try_to_change(lambda known: [*(c for c in known if _place(c) != _place(crash)), crash])

    def worked(
        self, hardware: str, build: str, backend: str, rung: str, file: str | None, *, apart: bool = False
    ) -> None:
        """A rung worked with a file: a note from the same file goes, one from another file narrows to that file.
        ``apart``: only the former, since a file as small as the demo says nothing of others."""

        def narrow(known: list[Crash]) -> list[Crash]:
            kept = []
            for crash in known:
                if (crash.hardware, crash.build, crash.backend, crash.rung) != (
                    hardware,
                    build,
                    backend,
                    rung,
                ):
                    kept.append(crash)
                elif crash.seen_with != file:
                    kept.append(crash if apart else dataclasses.replace(crash, file=crash.seen_with))
            return kept

        known = list(self.all())
        if narrow(known) != known:
            self._try_to_change(narrow)

    def clear(self) -> None:
        """Forget everything (the button). Raises AppError(state_unwritable)."""
        self._change_or_say(lambda _known: [])

    def forget(self, build: str, backend: str) -> None:
        """Forget the crashes of an engine that the user tests again. Raises AppError(state_unwritable)."""
        if any((crash.build, crash.backend) == (build, backend) for crash in self.all()):
            self._change_or_say(lambda known: [c for c in known if (c.build, c.backend) != (build, backend)])

    def _change_or_say(self, change: Change) -> None:
        try:
            self._change(change)
        except OSError as error:
            raise AppError("state_unwritable", path=str(self._path), detail=str(error)) from error

    def _try_to_change(self, change: Change) -> None:
        try:
            self._change(change)
        except OSError:  # filelock's Timeout is one too
            log.exception("crash memory not written: %s", self._path)

    def _change(self, change: Change) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(self._path) + ".lock", timeout=10):
            known = change(list(self.all()))
            partial = self._path.with_suffix(".part")
            partial.write_text(
                json.dumps({"schema": 1, "crashes": to_json(known)}, indent=1), encoding="utf-8"
            )
            partial.replace(self._path)


def _place(crash: Crash) -> tuple[object, ...]:
    return crash.hardware, crash.build, crash.backend, crash.rung, crash.phase, crash.file
