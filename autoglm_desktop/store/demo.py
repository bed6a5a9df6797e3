"""The demo model's files: the folder that comes with the program, and the GGUF file that is derived from it once."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..core.demo import NAME
from ..core.errors import AppError, TargetError
from . import gguf_glm4

log = logging.getLogger(__name__)
STEM = "AutoGLM-Desktop-Demo-F16"
FORM = b"1"
"""Another number where ``gguf_glm4`` writes another file of the same folder."""
LOCK_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Demo:
    """``folder``: the safetensors folder in the resources; ``cache``: where the GGUF file is kept."""

    folder: Path
    cache: Path

    @property
    def is_there(self) -> bool:
        """Whether it came with this installation."""
        return (self.folder / gguf_glm4.WEIGHTS).is_file()

    def owns(self, path: Path) -> bool:
        """Whether a path is the demo's: its folder, a file in it, or the GGUF file that was made of it."""
        if path.name.startswith(STEM):
            return _same(path.parent, self.cache)
        return _same(path, self.folder) or _same(path.parent, self.folder)

    def files(self) -> tuple[Path, ...]:
        """The GGUF file, made where it is missing, another version's or damaged, and the folder. Reads and writes.

        Raises TargetError(demo_missing, demo_damaged), AppError(disk_full, file_unwritable, folder_not_writable).
        """
        mark = self._mark()
        return self._found(mark) or self._make(mark), self.folder

    def _found(self, mark: str) -> Path | None:
        """What was made of this folder and is as it was written: after a power cut it may not be."""
        for path in self.cache.glob(f"{STEM}-{mark}-*.gguf"):
            try:
                if path.stem.endswith(f"-{_sum(path)}"):
                    return path
                log.warning("%s is damaged and made anew", path)
            except OSError as error:
                log.warning("%s is made anew: %s", path, error)
        return None

    def _mark(self) -> str:
        """Of all that the GGUF file is made of."""
        digest = hashlib.sha256(FORM)
        try:
            for name in gguf_glm4.READ:
                digest.update(hashlib.sha256((self.folder / name).read_bytes()).digest())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise TargetError("demo_missing", path=str(self.folder)) from error
        except OSError as error:
            raise self._damaged(error) from error
        return digest.hexdigest()[:12]

    def _make(self, mark: str) -> Path:
        """One after the other, where several windows or tasks want it at once."""
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            with FileLock(self.cache / f"{STEM}.lock", timeout=LOCK_TIMEOUT_S):
                return self._found(mark) or self._write(mark)
        except OSError as error:  # filelock's Timeout is one too
            detail = error.strerror or str(error)
            raise AppError("folder_not_writable", path=str(self.cache), detail=detail) from error

    def _write(self, mark: str) -> Path:
        for left in self.cache.glob(f".{STEM}-*.part"):  # of a process that was killed
            _remove(left)
        new = self.cache / f"{STEM}-new.gguf"
        try:
            size = gguf_glm4.write_gguf(self.folder, new, NAME)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
            raise self._damaged(error) from error
        _to_disk(new)
        path = new.replace(self.cache / f"{STEM}-{mark}-{_sum(new)}.gguf")
        log.info("%s was made of %s: %d bytes", path, self.folder, size)
        for other in self.cache.glob(f"{STEM}-*.gguf"):
            if other != path:
                _remove(other)
        return path

    def _damaged(self, error: Exception) -> TargetError:
        detail = str(error)
        if isinstance(error, OSError) and error.strerror:
            detail = f"{Path(error.filename or self.folder).name}: {error.strerror}"
        return TargetError("demo_damaged", path=str(self.folder), detail=detail)


def _sum(path: Path) -> str:
    """Of all its bytes: few enough to be read at each start."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _same(path: Path, other: Path) -> bool:
    try:
        return path.resolve() == other.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # another version's engine reads it
        path.unlink()


def _to_disk(path: Path) -> None:
    """Not only in the system's memory."""
    with contextlib.suppress(OSError), path.open("rb+") as file:
        os.fsync(file.fileno())
