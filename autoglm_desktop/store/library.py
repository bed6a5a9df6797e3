"""Models that lie on this machine: those below the models folder, those added by path, those of other programs.

The added paths are remembered in ``AUTOGLM_HOME/state/library.json``, replaced atomically under a lock;
several instances may run. A header is read once per file and change (path, size, time of change). Unfinished
downloads (``NAME.part``) are no models.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.catalog import Catalog, Model
from ..core.errors import TargetError
from ..core.gguf_projector import quantised_bytes
from ..core.subject import Installed, ProjectorWeights
from . import gguf, local_models, manifest, safetensors
from .added import AddedPaths
from .demo import Demo
from .elsewhere import Elsewhere, FoundModel
from .local_models import LocalModel, placed
from .model_walk import file_key, models_below
from .projectors import each_with_its_own, with_projector
from .transfer import journal

__all__ = ["Library", "LocalModel", "projector_weights"]

log = logging.getLogger(__name__)

_Stamp = tuple[int, ...]


@dataclass
class Library:
    """The models of one data folder. ``models`` is searched, ``state`` holds library.json; ``elsewhere`` finds the
    models of other programs (None: they are not looked for). ``demo``: the model that came with the program; it is none
    of ``files``."""

    models: Path
    state: Path
    catalog: Catalog
    elsewhere: Elsewhere | None = None
    demo: Demo | None = None
    _seen: dict[tuple[str, _Stamp], LocalModel] = field(default_factory=dict, repr=False)
    _manifests: manifest.Manifests = field(default_factory=manifest.Manifests, repr=False)

    def files(self) -> tuple[LocalModel, ...]:
        """Every model, also those that are refused (with the reason); projectors stand with their model.

        Those of the models folder first, then added ones, then other programs', each part by name. A file that is
        reached twice is listed once; a remembered one that is gone is left out.
        """
        return each_with_its_own(self._found(), self.catalog)

    def find(self, model: str, variant: str | None = None) -> LocalModel | None:
        """The file of a catalogue model's variant (None: any) that can be run."""
        for local in self.files():
            if local.model == model and local.refusal is None and variant in (None, local.variant):
                return local
        return None

    def runnable(self, model: str) -> tuple[LocalModel, ...]:
        """What of a catalogue model can be run."""
        return tuple(one for one in self.files() if one.model == model and one.refusal is None)

    def of_repo(self, repo: str) -> tuple[LocalModel, ...]:
        """What is here of ``owner/name``, also what is refused."""
        return tuple(local for local in self.files() if (local.repo or "").lower() == repo.lower())

    def at(self, path: Path) -> LocalModel:
        """What lies at ``path`` (a GGUF file or a safetensors folder), whether or not the library lists it.

        Raises TargetError.
        """
        path = path.absolute()
        known = self.elsewhere.at(path) if self.elsewhere is not None else None
        if path.is_dir():
            local = self._placed(self._folder(path, known.repo if known is not None else None))
        else:
            local = self._placed(local_models.of_gguf(path, gguf.read_header(path), self.catalog))
            others = [self._look(other) for other in models_below(path.parent, depth=0) if other != path]
            beside = [self._placed(other) for other in others if other is not None]
            local = with_projector(local, beside, self.catalog)
        return local if known is None else self._of_other(local, known)

    def installed(self, model: Model) -> Installed:
        """What of a catalogue model is here and whole."""
        files = [local for local in self.files() if local.model == model.id and local.complete]
        return Installed(
            variants=frozenset(local.variant for local in files if local.variant is not None),
            projector=any(local.projector is not None for local in files),
        )

    def is_own(self, path: Path) -> bool:
        """Whether it lies in the models folder."""
        return path.is_relative_to(self.models)

    def is_added(self, path: Path) -> bool:
        """Whether it was added by path."""
        return str(path) in self._added.paths()

    def unfinished(self) -> tuple[journal.Unfinished, ...]:
        """Downloads in the models folder that have begun and are not complete."""
        try:
            journals = sorted(self.models.rglob("*.part.json"))
        except OSError as error:
            log.info("unfinished downloads not listed: %s", error)
            return ()
        return tuple(found for path in journals if (found := journal.unfinished(path)) is not None)

    def add(self, path: Path) -> LocalModel:
        """Remember a file or folder outside the models folder. Raises TargetError where it is no model that can be
        read, and AppError(state_unwritable)."""
        local = self.at(path)
        self._added.add(str(local.path))
        return local

    def forget(self, path: Path) -> bool:
        """No longer list a file that was added; the file stays. False where it was not remembered."""
        return self._added.forget(str(path.absolute()))

    @property
    def _added(self) -> AddedPaths:
        return AddedPaths(self.state / "library.json")

    def manifest_of(self, path: Path) -> tuple[Path, manifest.Manifest] | None:
        """The folder and the manifest that a file (or folder) belongs to; None where no download of ours left one."""
        return self._manifests.of(path, self.models)

    def _found(self) -> list[LocalModel]:
        """Models and projectors, each file once."""
        found: dict[Path, LocalModel] = {}
        keys: set[object] = set()
        for path in self._paths():
            local = self._look(path)
            self._take(found, keys, path, None if local is None else self._placed(local))
        for other in self.elsewhere.models() if self.elsewhere is not None else ():
            local = self._look(other.path, other.repo)
            if local is not None and local.is_folder and local.model is None:
                continue  # the hubs' caches hold all kinds of things
            if other.projector is not None:
                keys.add(file_key(other.projector))
            self._take(found, keys, other.path, None if local is None else self._of_other(local, other))
        return list(found.values())

    @staticmethod
    def _take(found: dict[Path, LocalModel], keys: set[object], path: Path, local: LocalModel | None) -> None:
        key = _key(path) or path
        if local is not None and path not in found and key not in keys:
            keys.add(key)
            found[path] = local

    def _of_other(self, local: LocalModel, other: FoundModel) -> LocalModel:
        """As another program has it."""
        if other.projector is not None and local.projector is None:
            local = self._projected(local, other.projector)
        name, repo = other.name or local.name, other.repo or local.repo
        return placed(local, self.catalog, place=other.place, repo=repo, name=name)

    def _placed(self, local: LocalModel) -> LocalModel:
        """With the repository: by the manifest, else by where it lies in the models folder."""
        known = self.manifest_of(local.path)
        if known is not None:
            folder, found = known
            entry = None if local.path == folder else found.file(local.path.relative_to(folder).as_posix())
            repo = found.repo_of(entry) if entry is not None else found.repo
        else:
            parts = local.path.relative_to(self.models).parts if self.is_own(local.path) else ()
            repo = "/".join(parts[:2]) if len(parts) > 2 or (len(parts) == 2 and local.is_folder) else None
        return placed(local, self.catalog, repo=repo or local.repo)

    def _projected(self, local: LocalModel, projector: Path) -> LocalModel:
        """With the projector that another program uses for it, if it can be used here."""
        found = self._look(projector)
        if found is None or not found.is_projector:
            return local
        beside = replace(found, path=local.path.parent / projector.name)
        fits = with_projector(local, [beside], self.catalog).projector is not None
        return replace(local, projector=projector) if fits else local

    def _paths(self) -> Iterator[Path]:
        yield from models_below(self.models)
        added = [path for path in map(Path, self._added.paths()) if path.exists() and not self.is_own(path)]
        yield from added
        for folder in dict.fromkeys(path.parent for path in added if path.is_file()):
            beside = ((path, self._look(path)) for path in models_below(folder, depth=0))
            yield from (path for path, local in beside if local is not None and local.is_projector)

    def _look(self, path: Path, repo: str | None = None) -> LocalModel | None:
        """A model's entry; a damaged one is listed with the reason, one that vanished or is being fetched is not."""
        try:
            status = path.stat()
            if path.is_dir():
                return self._folder(path, repo)
        except OSError:
            return None
        except TargetError as error:
            log.info("not listed: %s", error)
            return None
        key = (str(path), (status.st_size, status.st_mtime_ns))
        if key not in self._seen:
            try:
                self._seen[key] = local_models.of_gguf(path, gguf.read_header(path), self.catalog)
            except TargetError as error:
                self._seen[key] = local_models.of_failure(path, status.st_size, error)
        return self._seen[key]

    def _folder(self, path: Path, repo: str | None = None) -> LocalModel:
        """A safetensors folder; the repository's name tells what it is.

        Raises TargetError (folder_without_config, folder_of_pickles, folder_without_weights, folder_unfinished,
        file_unreadable).
        """
        try:
            folder = safetensors.model_folder(path)
            if folder is None:
                raise safetensors.no_model(path)
        except OSError as error:
            raise TargetError("file_unreadable", path=str(path), detail=error.strerror or "") from error
        if folder.unfinished:
            raise TargetError("folder_unfinished", path=str(path))
        known = self.manifest_of(path) if repo is None else None
        repo = repo or (known[1].repo if known is not None else None)
        key = (f"{path}\n{repo}", folder.stamp)
        if key not in self._seen:
            self._seen[key] = local_models.of_folder(folder, self.catalog, repo)
        return self._seen[key]


def projector_weights(path: Path) -> ProjectorWeights:
    """A projector file's bytes. Raises TargetError."""
    header = gguf.read_header(path)
    return ProjectorWeights(
        header.tensor_bytes, header.file_size, installed=True, quantised_bytes=quantised_bytes(header)
    )


def _key(path: Path) -> object:
    """What is the same for a file under two names: a folder counts by its first weights."""
    if path.is_dir():
        weights = next(
            (other for other in sorted(path.iterdir()) if other.suffix == safetensors.SUFFIX), None
        )
        return ("folder", file_key(weights)) if weights is not None else None
    return file_key(path)
