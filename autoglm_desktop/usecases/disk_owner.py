"""Whose a file in the models folder is. The folder may be any: a home folder, a whole disk, another program's."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import AppError
from ..core.file_names import check_type
from ..store import file_work, manifest, safetensors
from ..store.library import Library

log = logging.getLogger(__name__)


@dataclass
class Owners:
    """Looks at folders and manifests; make one for each piece of work."""

    library: Library
    _top: Path = field(init=False, repr=False)
    _others: dict[Path, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._top = real(self.library.models)
        found = self.library.elsewhere.models() if self.library.elsewhere is not None else ()
        self._others = {}
        for one in found:
            for path in (one.path, one.projector):
                if path is not None:
                    self._others.setdefault(_named(path), one.place)

    def inside(self, path: Path) -> bool:
        """Whether it lies in the models folder itself. A link there is inside, what it leads to is not."""
        named = _named(path)
        return named != self._top and named.is_relative_to(self._top)

    def place(self, path: Path) -> str | None:
        """The other program that has it (``store.elsewhere.PLACES``); None where a manifest of ours names it."""
        named = _named(path)
        place = self._others.get(named) or self._others.get(named.parent)
        return None if place is None or self._told(path) else place

    def holds_all(self, folder: Path) -> bool:
        """Whether it is the models folder, or one above it."""
        return self._top.is_relative_to(real(folder))

    def _told(self, path: Path) -> bool:
        known = self.library.manifest_of(path)
        return known is not None and known[1].file(path.relative_to(known[0]).as_posix()) is not None


def movable(library: Library) -> tuple[Path, ...]:
    """The files of the models folder that belong to models: what manifests name, GGUF files, safetensors folders,
    unfinished downloads. Not looked for in hidden folders and behind links; nothing of other programs.

    Raises AppError(file_unreadable).
    """

    def failed(error: OSError) -> None:
        if not isinstance(error, PermissionError):  # the folders of a disk's own
            raise AppError(
                "file_unreadable", path=str(error.filename), detail=error.strerror or ""
            ) from error
        log.info("not looked into: %s", error.filename)

    owners = Owners(library)
    top = library.models
    found: set[Path] = set()
    for place, folders, names in os.walk(top, onerror=failed) if top.is_dir() else ():
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(place)
        told = _told_in(here) if manifest.NAME in names else set()
        found |= {path for path in told if os.path.lexists(path) and owners.inside(path)}
        ours = (here / name for name in names if _belongs(name, frozenset(names)))
        found |= {path for path in ours if owners.place(path) is None}
    return tuple(sorted(found))


def _told_in(folder: Path) -> set[Path]:
    known = manifest.read(folder)
    return {folder / manifest.NAME, *(folder / entry.path for entry in (known.files if known else ()))}


def _belongs(name: str, beside: frozenset[str]) -> bool:
    """Whether a file is a model's, by its name and those of its folder."""
    lower = name.lower()
    if lower.endswith(file_work.COPYING):
        return False
    if lower.endswith(".part") and f"{name}.json" in beside:
        return True
    if lower.endswith(
        (".gguf", safetensors.SUFFIX, ".part.json", ".gguf.part", safetensors.SUFFIX + ".part")
    ):
        return True
    model = safetensors.CONFIG in beside and any(
        other.lower().endswith(safetensors.SUFFIX) for other in beside
    )
    return model and check_type(name) is None


def clear_folders(top: Path, folders: Iterable[Path]) -> None:
    """Remove those that hold nothing any more but locks of ours, and those above them, up to and with ``top``."""
    for folder in sorted({*folders, top}, key=lambda path: len(path.parts), reverse=True):
        here = folder
        while here == top or here.is_relative_to(top):
            try:
                names = [path.name for path in here.iterdir()]
                if any(name != manifest.LOCK_NAME and not name.endswith(".part.lock") for name in names):
                    break
                for name in names:
                    (here / name).unlink()
                here.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                break
            here = here.parent


def real(path: Path) -> Path:
    """Without links and ``..``; as it is where the system can't say (links that go round)."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def _named(path: Path) -> Path:
    """The same, but the last part is not followed."""
    return real(path.parent) / path.name if path.name not in ("", "..") else real(path)
