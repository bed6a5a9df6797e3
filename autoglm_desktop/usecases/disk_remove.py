"""Deleting models: first what would go, then doing it. Only what a download or an import left, and models that lie in
the models folder itself: nothing behind a link that leads out of it, nothing of other programs or added by path."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..core import gguf_names
from ..core.errors import AppError, TargetError
from ..store import file_work, manifest, safetensors
from ..store.library import Library, LocalModel
from ..store.model_walk import models_below
from ..store.paths import expanded
from ..store.transfer.values import journal_of, lock_of, part_of
from . import made_projectors, saved_forms
from .disk_owner import Owners
from .disk_targets import OnDisk, elsewhere_error, locate, own
from .services import Services

log = logging.getLogger(__name__)

_SMALL = re.compile(
    r"(config|configuration|generation_config|(video_)?preprocessor_config|processor_config|tokenizer.*|vocab.*"
    r"|merges|special_tokens_map|added_tokens|chat_template|spiece|sentencepiece.*)\.(json|txt|model|jinja)",
    re.IGNORECASE,
)
"""The small files of a safetensors folder, where no manifest names them."""


@dataclass(frozen=True)
class Removal:
    """What ``remove`` will do: ``files`` are deleted (unfinished ones, too) and ``freed_bytes`` are free then;
    ``forgotten`` are only taken from the list, as they were added by path. ``models``: what was named."""

    target: str
    files: tuple[Path, ...]
    freed_bytes: int
    forgotten: tuple[Path, ...] = ()
    models: tuple[LocalModel, ...] = ()


async def removal(services: Services, target: str | Path) -> Removal:
    """What would go. Raises TargetError: found_elsewhere (another program's files are never deleted),
    not_in_list (a file outside that was never added), and for what is not there."""
    return await asyncio.to_thread(_removal, services.library, str(target))


async def remove(services: Services, found: Removal) -> Removal:
    """Delete it. A model that is loaded must be unloaded before; a download that runs in another instance must be
    paused. Raises AppError (file_in_use, file_not_removed, download_running, state_unwritable)."""
    await asyncio.to_thread(_remove, services.library, found)
    return found


def _removal(library: Library, target: str) -> Removal:
    owners = Owners(library)
    folder = expanded(target)
    if folder.is_dir() and owners.holds_all(folder):
        raise TargetError("remove_too_much", path=target, folder=str(library.models))
    if saved_forms.is_form(folder) and owners.inside(folder):
        made = saved_forms.files_of(folder)
        return Removal(target, made, sum(map(_freed, made)))
    found = locate(library, target)
    mine = own(found)
    forgotten = tuple(local.path for local in mine if library.is_added(local.path))
    files: dict[Path, None] = {}
    for local in mine:
        if owners.inside(local.path):
            files.update(dict.fromkeys(_files_of(library, local)))
        if local.is_folder:
            files.update(dict.fromkeys(saved_forms.files_of_source(library, local.path)))
    for item in found.unfinished:
        files.update(dict.fromkeys(_leftovers(item.target)))
    for folder in found.folders:
        known = manifest.read(folder)
        files.update(dict.fromkeys(folder / entry.path for entry in known.files) if known else {})
    projectors = {local.projector for local in mine if local.projector is not None}
    files.update(dict.fromkeys(_beside(library, list(files), projectors)))
    there = [path for path in files if path.is_file() or path.is_symlink()]
    others = [path for path in there if owners.place(path) is not None]
    if others and len(others) == len(there):
        raise elsewhere_error(others[0], owners.place(others[0]))
    there = [path for path in there if path not in others and owners.inside(path)]
    if not there and not forgotten:
        raise TargetError("not_in_list", path=target)
    return Removal(target, tuple(there), sum(map(_freed, there)), forgotten, mine)


def _files_of(library: Library, local: LocalModel) -> list[Path]:
    if local.path.is_dir():
        return _folder_files(library, local.path)
    name = gguf_names.parse(local.path.name)
    named = [(path, path.name) for path in local.path.parent.glob("*") if path.name.lower().endswith(".gguf")]
    told = [(path, gguf_names.parse(name)) for path, name in named]
    parts = [path for path, other in told if (other.stem, other.parts) == (name.stem, name.parts)]
    return [path for part in (parts or [local.path]) for path in (part, *_leftovers(part))]


def _folder_files(library: Library, folder: Path) -> list[Path]:
    """Weights and their index; the small files, too, unless GGUF files share the folder. Those that the manifest
    names, where it names weights: others were put there by somebody else."""
    known = library.manifest_of(folder)
    told = {(known[0] / entry.path) for entry in known[1].files} if known is not None else set()
    told = told if any(path.name.lower().endswith(safetensors.SUFFIX) for path in told) else set()
    inside = list(folder.iterdir())
    shared = any(path.name.lower().endswith(".gguf") for path in inside)
    found = []
    for path in inside:
        weights = path.name.lower().endswith(safetensors.SUFFIX) or path.name == safetensors.INDEX
        ours = path in told if told else weights or _SMALL.fullmatch(path.name)
        if ours and (weights or not shared):
            found += [path, *_leftovers(path)]
    return found


def _leftovers(path: Path) -> list[Path]:
    return [part_of(path), journal_of(path), lock_of(path), path.with_name(path.name + file_work.COPYING)]


def _beside(library: Library, going: list[Path], projectors: set[Path]) -> list[Path]:
    """Of folders where no model is left that could need them: the projectors that were used or downloaded, and the
    manifest's other files there."""
    found: list[Path] = []
    gone = set(going)
    for folder in {path.parent for path in going}:
        staying = [path for path in models_below(folder, depth=0) if path not in gone]
        parts = [path.with_name(path.name.removesuffix(".part")) for path in folder.glob("*.gguf.part")]
        waiting = [path for path in parts if part_of(path) not in gone]
        models = [path for path in (*staying, *waiting) if not gguf_names.parse(path.name).projector]
        models = [path for path in models if path.is_dir() or not _is_projector(library, path)]
        if models or any(path.is_dir() for path in staying):
            continue
        known = manifest.read(folder)
        told = [folder / entry.path for entry in known.files if "/" not in entry.path] if known else []
        found += [
            path for path in staying if path in projectors or path in told or made_projectors.is_made(path)
        ]
        found += [*(item for path in waiting for item in _leftovers(path)), *told]
    return found


def _is_projector(library: Library, path: Path) -> bool:
    with contextlib.suppress(AppError):
        return library.at(path).is_projector
    return False


def _freed(path: Path) -> int:
    """Bytes that deleting it frees: none where it has another name."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    return file_work.allocated(status) if status.st_nlink <= 1 else 0


def _remove(library: Library, found: Removal) -> None:
    owners = Owners(library)
    for path in found.files:  # a folder may have become a link since it was asked
        if not owners.inside(path):
            raise AppError("file_not_removed", path=str(path), detail=f"outside {library.models}")
    for path in found.forgotten:
        library.forget(path)
    parts = [path for path in found.files if path.name.endswith(".part")]
    with contextlib.ExitStack() as held:
        for part in parts:
            _hold(held, part)
        for path in found.files:
            if not path.name.endswith(".part.lock"):
                _delete(path)
    for path in {path for path in found.files if path.name.endswith(".part.lock")} | set(map(_lock, parts)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    _forget_entries(library, found.files)
    _empty_folders(library.models, {path.parent for path in found.files})


def _hold(held: contextlib.ExitStack, part: Path) -> None:
    """Nobody downloads it meanwhile. Raises AppError(download_running)."""
    try:
        held.enter_context(FileLock(str(_lock(part)), timeout=0))
    except Timeout as error:
        target = part.with_name(part.name.removesuffix(".part"))
        raise AppError("download_running", path=str(target)) from error
    except OSError as error:
        raise AppError("file_not_removed", path=str(part), detail=error.strerror or str(error)) from error


def _lock(part: Path) -> Path:
    return lock_of(part.with_name(part.name.removesuffix(".part")))


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        raise AppError("file_in_use_or_forbidden", path=str(path), detail=error.strerror or "") from error
    except OSError as error:
        raise AppError("file_not_removed", path=str(path), detail=error.strerror or str(error)) from error


def _forget_entries(library: Library, files: Iterable[Path]) -> None:
    gone: dict[Path, list[str]] = {}
    for path in files:
        known = library.manifest_of(path)
        if known is not None:
            gone.setdefault(known[0], []).append(path.relative_to(known[0]).as_posix())
    for folder, paths in gone.items():
        manifest.forget(folder, paths)


def _empty_folders(top: Path, folders: Iterable[Path]) -> None:
    """Remove folders that hold nothing any more (a manifest's lock does not count), up to ``top``."""
    for start in folders:
        folder = start
        while folder != top and folder.is_relative_to(top):
            with contextlib.suppress(OSError):
                if [path.name for path in folder.iterdir()] == [manifest.LOCK_NAME]:
                    (folder / manifest.LOCK_NAME).unlink()
            try:
                folder.rmdir()
            except OSError:
                break
            folder = folder.parent


__all__ = ["OnDisk", "Removal", "removal", "remove"]
