"""Models that lie on this machine: GGUF files below ``AUTOGLM_HOME/models`` and files added by path.

The added paths are remembered in ``AUTOGLM_HOME/state/library.json``, replaced atomically under a lock;
several instances may run. A header is read once per file and change (path, size, time of change).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock

from ..core.catalog import Catalog, Model
from ..core.errors import AppError, Reason, TargetError
from ..core.gguf_header import GgufHeader
from ..core.subject import Installed, ProjectorWeights
from . import gguf

log = logging.getLogger(__name__)

GLM4V = "glm4v"
LOCK_TIMEOUT_S = 10.0
_Change = Callable[[list[str]], list[str]]


@dataclass(frozen=True)
class LocalModel:
    """A GGUF file. ``model`` and ``variant`` are set where the catalogue recognises it; ``refusal`` says why
    it can answer no text; ``projector`` is the vision part beside it, where one belongs to it."""

    path: Path
    name: str
    size_bytes: int
    architecture: str = ""
    file_type: str | None = None
    model: str | None = None
    variant: str | None = None
    refusal: Reason | None = None
    projector: Path | None = None
    header: GgufHeader | None = field(default=None, compare=False, repr=False)


@dataclass
class Library:
    """The models of one data folder. ``models`` is searched, ``state`` holds library.json."""

    models: Path
    state: Path
    catalog: Catalog
    _seen: dict[tuple[str, int, int], LocalModel] = field(default_factory=dict, repr=False)

    def files(self) -> tuple[LocalModel, ...]:
        """Every model file, also those that are refused (with the reason); projectors stand with their model.

        Files of the library's folder first, each part by name. A remembered file that is gone is left out.
        """
        found = {local.path: local for path in self._paths() if (local := self._look(path)) is not None}
        projectors = [local for local in found.values() if _is_projector(local)]
        return tuple(
            _with_projector(local, projectors) for local in found.values() if not _is_projector(local)
        )

    def find(self, model: str, variant: str | None = None) -> LocalModel | None:
        """The file of a catalogue model's variant (None: any) that can be run."""
        for local in self.files():
            if local.model == model and local.refusal is None and variant in (None, local.variant):
                return local
        return None

    def at(self, path: Path) -> LocalModel:
        """What lies at ``path``, whether or not the library lists it. Raises TargetError."""
        path = path.absolute()
        local = self._describe(path, gguf.read_header(path))
        siblings = [self._look(other) for other in _ggufs(path.parent, deep=False) if other != path]
        projectors = [other for other in siblings if other is not None and _is_projector(other)]
        return _with_projector(local, projectors)

    def installed(self, model: Model) -> Installed:
        """What of a catalogue model is here and can be run."""
        files = [local for local in self.files() if local.model == model.id and local.refusal is None]
        return Installed(
            variants=frozenset(local.variant for local in files if local.variant is not None),
            projector=any(local.projector is not None for local in files),
        )

    def add(self, path: Path) -> LocalModel:
        """Remember a file outside the library's folder. Raises TargetError where it is no GGUF that can be
        read, and AppError(state_unwritable)."""
        local = self.at(path)
        text = str(local.path)
        self._remember(lambda known: known if text in known else [*known, text])
        return local

    def forget(self, path: Path) -> bool:
        """No longer list a file that was added; the file stays. False where it was not remembered."""
        text = str(path.absolute())
        known = text in self._added()
        self._remember(lambda paths: [other for other in paths if other != text])
        return known

    def _paths(self) -> Iterator[Path]:
        yield from _ggufs(self.models, deep=True)
        for text in self._added():
            path = Path(text)
            if path.is_file() and not path.is_relative_to(self.models):
                yield path

    def _look(self, path: Path) -> LocalModel | None:
        """A file's entry; a damaged one is listed with the reason, one that vanished is not."""
        try:
            status = path.stat()
        except OSError:
            return None
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._seen:
            try:
                self._seen[key] = self._describe(path, gguf.read_header(path))
            except TargetError as error:
                refusal = Reason.of(error.code, **error.values)
                self._seen[key] = LocalModel(path, path.stem, status.st_size, refusal=refusal)
        return self._seen[key]

    def _describe(self, path: Path, header: GgufHeader) -> LocalModel:
        refusal = gguf.refusal(header)
        if refusal is None and header.split_count > 1:
            refusal = Reason.of("gguf_split", path=str(path), count=header.split_count)
        known = self.catalog.recognise(
            header.architecture, header.block_count, (header.name or "", path.stem)
        )
        return LocalModel(
            path=path,
            name=header.name or path.stem,
            size_bytes=header.file_size,
            architecture=header.architecture,
            file_type=header.file_type,
            model=known.id if known is not None else None,
            variant=header.file_type if known is not None else None,
            refusal=refusal,
            header=header,
        )

    @property
    def _file(self) -> Path:
        return self.state / "library.json"

    def _added(self) -> list[str]:
        """Remembered paths; an unreadable file is logged and counts as empty."""
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            return [str(path) for path in data["paths"]]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError, KeyError, TypeError):
            log.exception("library unreadable: %s", self._file)
            return []

    def _remember(self, change: _Change) -> None:
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._file}.lock", timeout=LOCK_TIMEOUT_S):
                paths = change(self._added())
                partial = self._file.with_suffix(".part")
                partial.write_text(
                    json.dumps({"schema": 1, "paths": paths}, ensure_ascii=False, indent=1), encoding="utf-8"
                )
                partial.replace(self._file)
        except OSError as error:  # filelock's Timeout is one too
            raise AppError("state_unwritable", path=str(self._file), detail=str(error)) from error


def projector_weights(path: Path) -> ProjectorWeights:
    """A projector file's bytes. Raises TargetError."""
    header = gguf.read_header(path)
    return ProjectorWeights(header.tensor_bytes, header.file_size, installed=True)


def _ggufs(folder: Path, *, deep: bool) -> Iterator[Path]:
    """GGUF files of a folder, by name; those that cannot be looked at are left out."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix.lower() == ".gguf" and entry.is_file():
            yield entry
        elif deep and entry.is_dir() and not entry.is_symlink():
            yield from _ggufs(entry, deep=True)


def _is_projector(local: LocalModel) -> bool:
    return local.header is not None and local.header.is_projector


def _with_projector(local: LocalModel, projectors: list[LocalModel]) -> LocalModel:
    """The model with a glm4v projector from its own folder, if it has the sections that images need."""
    if local.header is None or local.refusal is not None or not local.header.has_mrope:
        return local
    for other in projectors:
        fits = other.header is not None and other.header.projector_type == GLM4V
        if fits and other.path.parent == local.path.parent:
            return replace(local, projector=other.path)
    return local
