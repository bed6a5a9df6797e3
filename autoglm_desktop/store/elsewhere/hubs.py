"""The caches of the hubs' own clients.

Hugging Face (https://huggingface.co/docs/hub/local-cache): ``HF_HUB_CACHE``, else ``HF_HOME/hub``, else
``~/.cache/huggingface/hub``; in it ``models--OWNER--NAME/{blobs/HASH, refs/BRANCH, snapshots/COMMIT/FILE}``, the
snapshots' files being links to blobs (copies on Windows without the right to make links). A blob of a large file is
named by its sha256, a small one by git's hash; unfinished ones end in ``.incomplete``.

ModelScope (https://github.com/modelscope/modelscope, ``modelscope/hub/utils/utils.py`` and
``modelscope/utils/file_utils.py``): ``MODELSCOPE_CACHE`` was first the folder of models itself and is now its parent's
parent; the default is ``~/.cache/modelscope``. Models lie in ``hub/OWNER/NAME`` or ``hub/models/OWNER/NAME``, dots of
a name written as ``___``; what is being fetched lies in ``._____temp``.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ..model_walk import Budget, folders, models_below
from .found import FoundModel, Where, distinct

log = logging.getLogger(__name__)

PREFIX = "models--"


def huggingface_caches(where: Where) -> list[Path]:
    """The folders that may be the cache; the first is the one in use."""
    named = [where.variable("HF_HUB_CACHE"), where.variable("HUGGINGFACE_HUB_CACHE")]
    home = where.variable("HF_HOME")
    named += [home / "hub" if home is not None else None, where.cache / "huggingface" / "hub"]
    return distinct([path for path in named if path is not None])


def huggingface(where: Where) -> list[FoundModel]:
    """Models of every snapshot, the newest commit of the main branch first."""
    found: list[FoundModel] = []
    budget = Budget()
    for cache in huggingface_caches(where):
        for folder in folders(cache):
            repo = parse_repo_folder(folder.name)
            if repo is None:
                continue
            for snapshot in _snapshots(folder):
                for path in models_below(snapshot, links=True, budget=budget):
                    found.append(FoundModel(path, "huggingface", repo))
    return found


def modelscope(where: Where) -> list[FoundModel]:
    """Models of the cache, in the old and the new layout."""
    named = where.variable("MODELSCOPE_CACHE")
    roots = [where.cache / "modelscope" / "hub"]
    if named is not None:
        roots = [named / "hub", named, *roots]
    found: list[FoundModel] = []
    budget = Budget()
    for root in distinct([path for base in roots for path in (base / "models", base)]):
        for owner in folders(root):
            if owner.name.startswith(".") or owner.name in ("models", "hub", "datasets"):
                continue
            whole = parse_repo_folder(owner.name)
            for folder in _snapshots(owner) if whole is not None else folders(owner):
                repo = whole or f"{owner.name}/{parse_modelscope_name(folder.name)}"
                for path in models_below(folder, links=True, budget=budget):
                    found.append(FoundModel(path, "modelscope", repo))
    return found


def blob(where: Where, digest: str) -> Path | None:
    """The Hugging Face cache's file of that sha256."""
    for cache in huggingface_caches(where):
        for folder in folders(cache):
            path = folder / "blobs" / digest
            if folder.name.startswith(PREFIX) and path.is_file():
                return path
    return None


def parse_repo_folder(name: str) -> str | None:
    """``models--OWNER--NAME`` → ``OWNER/NAME``; None for anything else."""
    parts = name.removeprefix(PREFIX).split("--", 1)
    return "/".join(parts) if name.startswith(PREFIX) and all(parts) and len(parts) == 2 else None


def parse_modelscope_name(name: str) -> str:
    """A folder's name in ModelScope's cache as the repository's: ``glm-4___1v`` → ``glm-4.1v``."""
    return name.replace("___", ".")


def _snapshots(folder: Path) -> list[Path]:
    """The snapshots, that of the main branch first."""
    found = folders(folder / "snapshots")
    try:
        main = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        main = ""
    return sorted(found, key=lambda path: (path.name != main, path.name))
