"""Models from a folder or a USB disk: used where they lie, or copied into the models folder and compared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import AppError, Reason, TargetError
from ..core.file_names import check_path, check_type, folded
from ..store import file_work, manifest, safetensors
from ..store.library import Library, LocalModel
from ..store.manifest import Manifest, ManifestFile
from ..store.model_walk import models_below
from ..store.transfer.values import journal_of
from .disk_owner import Owners
from .disk_run import Report, Work, in_thread, no_report
from .disk_targets import OnDisk
from .disk_use import free_bytes
from .disk_verify import Expected, expected_files
from .services import Services

MARGIN_BYTES = 64 * 1024 * 1024
"""Must stay free beside what is copied."""


@dataclass(frozen=True)
class Imported:
    """The models that are in the list now; ``copied``: they lie in the models folder."""

    models: tuple[LocalModel, ...]
    copied: bool

    @property
    def name(self) -> str:
        return ", ".join(local.name for local in self.models)


@dataclass(frozen=True)
class _Copy:
    source: Path
    target: Path
    expected: Expected


async def import_path(
    services: Services, path: Path, copy: bool = False, report: Report = no_report
) -> Imported:
    """Use a GGUF file, a safetensors folder or a folder of GGUF files. With ``copy`` into the models folder, each
    file compared with its manifest's hash (one of ours that lies beside it) and with the copy.

    Raises TargetError (file_not_found, nothing_to_import, demo_only_chats, what is wrong with the file), AppError
    (disk_full, copy_damaged, import_exists, import_collides, state_unwritable …).
    """
    services.require_home()
    return await in_thread(lambda work: _import(services, path.absolute(), copy, work), report)


def _import(services: Services, path: Path, copy: bool, work: Work) -> Imported:
    library = services.library
    models = _models(library, path)
    if not copy:
        for local in models:
            if not library.is_own(local.path):
                library.add(local.path)
        return Imported(models, copied=False)
    if services.models_folder_gone:
        raise AppError("models_folder_gone", path=str(services.models))
    owners = Owners(library)
    if all(owners.inside(local.path) for local in models):
        return Imported(models, copied=True)
    copies = [item for local in models for item in _copies(library, local)]
    copies = _distinct(copies, work)
    _check_room(library.models, copies)
    work.total = 2 * sum(file_work.size_of(item.source) for item in copies)
    digests = {item.target: _copy(item, work) for item in copies}
    _remember_hashes(library, copies, digests)
    return Imported(tuple(library.at(_destination(library, local)) for local in models), copied=True)


def _models(library: Library, path: Path) -> tuple[LocalModel, ...]:
    """What can be used of a path. Raises TargetError: nothing can."""
    if not path.exists():
        raise TargetError("file_not_found", path=str(path))
    if path.is_file():
        found = [library.at(path)]
    else:
        found, first = [], None
        for other in models_below(path):
            try:
                found.append(library.at(other))
            except TargetError as error:
                first = first or error
        found = [local for local in found if not local.is_projector]
        if not found and first is not None:
            raise first
    usable = tuple(local for local in found if local.complete and not _is_demo(library, local))
    if found and all(_is_demo(library, local) for local in found):
        raise TargetError("demo_only_chats")
    if usable:
        return usable
    if not found:
        raise TargetError("nothing_to_import", path=str(path))
    refusal = found[0].refusal or Reason.of("no_weights")
    raise TargetError(refusal.code, **{**refusal.as_dict(), "path": str(found[0].path)})


def _is_demo(library: Library, local: LocalModel) -> bool:
    """Whether it came with the program: it counts as no model."""
    return library.demo is not None and library.demo.owns(local.path)


def _destination(library: Library, local: LocalModel) -> Path:
    """As a download would put it; without a manifest in a folder of the model's own."""
    known = library.manifest_of(local.path)
    folder = _repo_folder(library, known[1]) if known is not None else None
    if known is not None and folder is not None:
        return folder / local.path.relative_to(known[0])
    if local.path.is_dir():
        return library.models / local.path.name
    return library.models / local.path.stem / local.path.name


def _repo_folder(library: Library, told: Manifest) -> Path | None:
    """Where a download of it would lie; None where the manifest names no repository, or one that would lead out."""
    owner, _, name = (told.repo or "").partition("/")
    safe = owner and name and "/" not in name and check_path(f"{owner}/{name}") is None
    return library.models / owner / name if safe else None


def _copies(library: Library, local: LocalModel) -> list[_Copy]:
    target = _destination(library, local)
    found = []
    for item in expected_files(library, OnDisk(str(local.path), (local,))):
        if item.path.exists() and check_type(item.path.name) is None:
            place = target / item.path.name if local.path.is_dir() else target.parent / item.path.name
            found.append(_Copy(item.path, place, item))
    if local.path.is_dir():
        folder = safetensors.model_folder(local.path)
        there = {item.source.name for item in found}
        for name, _size in folder.files if folder is not None else ():
            if name not in there and check_type(name) is None and not name.lower().endswith(".gguf"):
                found.append(_Copy(local.path / name, target / name, Expected(local.path / name)))
    return found


def _distinct(copies: list[_Copy], work: Work) -> list[_Copy]:
    """Each target once. Raises AppError(import_collides) where two different files would get one name, also one that
    only some file systems take for the same."""
    found: dict[str, _Copy] = {}
    for item in copies:
        other = found.setdefault(folded(str(item.target)), item)
        if other.source != item.source and not file_work.same_content(other.source, item.source, work.stop):
            raise AppError("import_collides", path=str(item.source), other=str(other.source))
    return list(found.values())


def _check_room(folder: Path, copies: list[_Copy]) -> None:
    needed = sum(file_work.size_of(item.source) for item in copies if not item.target.exists())
    free = free_bytes(folder)
    if free is not None and needed + MARGIN_BYTES > free:
        raise AppError("disk_full", path=str(folder), needed=needed + MARGIN_BYTES, free=free)


def _copy(item: _Copy, work: Work) -> str | None:
    """Returns the sha256, None where the same file was there already."""
    work.check()
    work.path = item.source
    size = file_work.size_of(item.source)
    if item.expected.size is not None and item.expected.size != size:
        raise AppError("source_damaged", path=str(item.source))
    if os.path.lexists(item.target):
        if not item.target.is_file() or not file_work.same_content(item.source, item.target, work.stop):
            raise AppError("import_exists", path=str(item.target))
        work.told(2 * size)
        return None
    if journal_of(item.target).exists():
        raise AppError("download_in_the_way", path=str(item.target))
    expected = item.expected.sha256
    return file_work.copy(item.source, item.target, work.stop, work.told, expected=expected)


def _remember_hashes(library: Library, copies: list[_Copy], digests: Mapping[Path, str | None]) -> None:
    """What the source's manifest says goes along, else the hash just made, so that ``verify`` can tell later."""
    folders: dict[Path, tuple[Manifest, list[ManifestFile]]] = {}
    for item in copies:
        known = library.manifest_of(item.source)
        told = known[1] if known is not None else Manifest()
        entry = told.file(item.source.relative_to(known[0]).as_posix()) if known is not None else None
        folder = _repo_folder(library, told) or item.target.parent
        digest = digests[item.target]
        if entry is None and digest is not None:
            size = file_work.size_of(item.target)
            entry = ManifestFile(item.target.relative_to(folder).as_posix(), size, digest, verified="sha256")
        if entry is not None:
            folders.setdefault(folder, (told, []))[1].append(entry)
    for folder, (told, files) in folders.items():
        manifest.merge(folder, Manifest(told.repo, told.source, told.commit, tuple(files)))
