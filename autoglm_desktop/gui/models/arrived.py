"""What a download left on the disk: its folder and its model, also after a restart and after the folder moved. Pure
but for ``folder_of``, which looks at the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ...core.downloads import DownloadItem
from ...core.gguf_names import parse
from ...store.library import LocalModel
from ...usecases.model_list import FileEntry


def paths_of(item: DownloadItem, models: Path) -> Iterator[Path]:
    """Where its files may lie: in place, where they were put, or where the models folder has moved to."""
    plan = item.plan
    if plan is not None and plan.in_place is not None:
        yield plan.in_place
    names = [file.path for file in plan.files] if plan is not None else item.files
    for folder in folders_of(item, models):
        yield from (folder / name for name in names)


def folders_of(item: DownloadItem, models: Path) -> Iterator[Path]:
    """The folders that it may have filled, the likeliest first."""
    if item.plan is not None:
        yield item.plan.folder
    if item.folder is not None:
        yield item.folder
        if item.request.folder is None:
            yield models.joinpath(*item.folder.parts[-2:])  # OWNER/NAME


def local_of(item: DownloadItem, files: Iterable[FileEntry], models: Path) -> LocalModel | None:
    """The model that it brought, where it can be run."""
    paths = frozenset(paths_of(item, models))
    return next((one.local for one in files if one.refusal is None and one.local.path in paths), None)


def targets_of(files: Iterable[FileEntry]) -> frozenset[str]:
    """``owner/repo:VARIANT`` of what is here and complete, in lower case."""
    found = set()
    for local in (one.local for one in files):
        kind = local.file_type if local.is_folder else parse(str(local.path)).type or local.file_type
        if local.repo is not None and kind is not None and local.complete:
            found.add(f"{local.repo}:{kind}".casefold())
    return frozenset(found)


def folder_of(item: DownloadItem, models: Path) -> Path:
    """The folder to show for it; the models folder where its own is not there any more."""
    if item.plan is not None and item.plan.in_place is not None:
        return item.plan.in_place.parent
    return next((folder for folder in folders_of(item, models) if folder.is_dir()), models)
