"""Are the files of a model still what was published? By hash where one is known, else by what their headers say."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import AppError, Reason, TargetError
from ..store import file_work, gguf, manifest, safetensors
from ..store.elsewhere.ollama import BLOB
from ..store.library import Library, LocalModel
from .disk_run import Report, Work, in_thread, no_report
from .disk_targets import OnDisk, locate
from .services import Services

OK, NO_HASH, DAMAGED, MISSING, CHANGED_SIZE = "ok", "no_hash", "damaged", "missing", "changed_size"
STATUSES = (OK, NO_HASH, DAMAGED, MISSING, CHANGED_SIZE)
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class VerifiedFile:
    """``status``: one of STATUSES. ``by``: ``sha256``, ``git_sha1``, or ``structure`` where no hash is known and only
    the file's own header was held against its size. ``size`` and ``expected_size`` in bytes, None: not known."""

    path: Path
    status: str
    size: int | None
    expected_size: int | None
    by: str | None
    reason: Reason | None = None


@dataclass(frozen=True)
class Verified:
    """``ok``: nothing is damaged or missing. ``proved``: every file has a hash, and it is right."""

    target: str
    files: tuple[VerifiedFile, ...]

    @property
    def ok(self) -> bool:
        return all(file.status in (OK, NO_HASH) for file in self.files)

    @property
    def proved(self) -> bool:
        return all(file.status == OK for file in self.files)


@dataclass(frozen=True)
class Expected:
    """What is known of a file. All None: nothing."""

    path: Path
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None


async def verify(services: Services, target: str | Path, report: Report = no_report) -> Verified:
    """Read every file of a target. Raises TargetError where there is no such model; what is wrong with a file is
    said in the result. Cancelling stops it within 0.3 s."""
    return await in_thread(lambda work: _verify(services.library, str(target), work), report)


def expected_files(library: Library, found: OnDisk) -> tuple[Expected, ...]:
    """The files that belong to a target, also those that should be there and are not."""
    wanted: dict[Path, Expected] = {}
    for folder in found.folders:
        known = manifest.read(folder)
        for entry in known.files if known is not None else ():
            path = folder / entry.path
            wanted[path] = Expected(path, entry.size, entry.sha256, entry.git_sha1)
    for local in found.models:
        for path in _paths(library, local):
            wanted.setdefault(path, _expected(library, path))
    unfinished = {item.target for item in found.unfinished}
    return tuple(item for path, item in wanted.items() if path not in unfinished)


def _verify(library: Library, target: str, work: Work) -> Verified:
    files = expected_files(library, locate(library, target))
    if not files:  # a download that has only begun
        raise TargetError("folder_unfinished", path=target)
    work.total = sum(_size(item.path) or 0 for item in files if item.sha256 or item.git_sha1)
    return Verified(target, tuple(_verified(item, work) for item in files))


def _verified(item: Expected, work: Work) -> VerifiedFile:
    work.check()
    work.path = item.path
    size = _size(item.path)
    if size is None:
        return VerifiedFile(item.path, MISSING, None, item.size, None)
    if item.size is not None and size != item.size:
        return VerifiedFile(item.path, CHANGED_SIZE, size, item.size, None)
    try:
        if item.sha256 is not None:
            right = file_work.sha256_of(item.path, work.stop, work.told) == item.sha256
            return VerifiedFile(item.path, OK if right else DAMAGED, size, item.size, "sha256")
        if item.git_sha1 is not None:
            right = file_work.git_sha1_of(item.path, work.stop, work.told) == item.git_sha1
            return VerifiedFile(item.path, OK if right else DAMAGED, size, item.size, "git_sha1")
        _check_structure(item.path, size)
    except AppError as error:
        reason = Reason.of(error.code, **error.values)
        return VerifiedFile(item.path, DAMAGED, size, item.size, "structure", reason)
    return VerifiedFile(item.path, NO_HASH, size, item.size, "structure")


def _check_structure(path: Path, size: int) -> None:
    """Raises TargetError where a file contradicts itself."""
    kind = path.suffix.lower()
    if kind == safetensors.SUFFIX:
        if safetensors.expected_size(path) != size:
            raise TargetError("safetensors_size", path=str(path))
    elif kind == ".json":
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise TargetError("json_damaged", path=str(path), detail=str(error)) from error
    elif kind == ".gguf" or BLOB.fullmatch(path.name):
        gguf.read_header(path)


def _paths(library: Library, local: LocalModel) -> list[Path]:
    """A model's files: with its projector, or a folder's weights, small files and shards that are missing."""
    if not local.path.is_dir():
        return [local.path, *([local.projector] if local.projector is not None else [])]
    known = library.manifest_of(local.path)
    told = known[1].files if known is not None and known[0] == local.path else ()
    names = {entry.path for entry in told if not entry.path.lower().endswith(".gguf")}
    folder = safetensors.model_folder(local.path)
    if folder is not None:
        names |= {name for name, _ in folder.files if name.lower().endswith((safetensors.SUFFIX, ".json"))}
        with contextlib.suppress(TargetError):  # the index itself is found to be damaged
            names |= set(safetensors.missing_shards(folder))
        if local.refusal is not None and local.refusal.code == "tokenizer_missing":
            names.add(safetensors.TOKENIZERS[0])
    return [local.path / name for name in sorted(names)]


def _expected(library: Library, path: Path) -> Expected:
    """By the manifest, else by the name under which the Hugging Face cache or Ollama keeps it."""
    known = library.manifest_of(path)
    entry = known[1].file(path.relative_to(known[0]).as_posix()) if known is not None else None
    if entry is not None:
        return Expected(path, entry.size, entry.sha256, entry.git_sha1)
    match = BLOB.fullmatch(path.name)
    if match is not None:
        return Expected(path, sha256=match[1])
    try:
        real = path.resolve()
    except (OSError, RuntimeError):
        return Expected(path)
    name = real.name if real != path and real.parent.name == "blobs" and _HEX.fullmatch(real.name) else ""
    return Expected(
        path, sha256=name if len(name) == 64 else None, git_sha1=name if len(name) == 40 else None
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
