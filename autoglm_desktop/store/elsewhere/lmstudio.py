"""LM Studio's models (https://lmstudio.ai/docs/basics/import-model): ``HOME/models/PUBLISHER/MODEL/FILE.gguf``.

HOME stands in ``~/.lmstudio-home-pointer``, else it is ``~/.cache/lm-studio`` (older versions) or ``~/.lmstudio``
(https://github.com/lmstudio-ai/lmstudio.js, ``findLMStudioHome``). Another folder for models is ``downloadsFolder`` of
``settings.json``, in HOME or in the program's settings folder ``LM Studio``.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from ..model_walk import Budget, models_below
from .found import FoundModel, Where, distinct

log = logging.getLogger(__name__)

MAX_SETTINGS = 4 * 1024 * 1024
DEPTH = 4


def models(where: Where) -> list[FoundModel]:
    """Every GGUF file and safetensors folder there; the folder's two last names are the repository."""
    found: list[FoundModel] = []
    budget = Budget()
    for root in _roots(where):
        for path in models_below(root, depth=DEPTH, links=True, budget=budget):
            found.append(FoundModel(path, "lmstudio", parse_repo(path, root)))
    return found


def parse_repo(path: Path, root: Path) -> str | None:
    """``PUBLISHER/MODEL`` of a file or folder; None where it lies higher up."""
    parts = path.relative_to(root).parts
    return "/".join(parts[:2]) if len(parts) >= 2 and (len(parts) > 2 or path.suffix != ".gguf") else None


def parse_downloads_folder(text: str) -> str | None:
    """``downloadsFolder`` of LM Studio's ``settings.json``; None where it names none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    value = data.get("downloadsFolder") if isinstance(data, dict) else None
    return value if isinstance(value, str) and value.strip() else None


def _roots(where: Where) -> list[Path]:
    homes = [where.home / ".lmstudio", where.home / ".cache" / "lm-studio"]
    pointer = _text(where.home / ".lmstudio-home-pointer")
    if pointer and Path(pointer.strip()).is_absolute():
        homes.insert(0, Path(pointer.strip()))
    found = [home / "models" for home in homes]
    for settings in (
        *(home / "settings.json" for home in homes),
        where.config / "LM Studio" / "settings.json",
    ):
        named = parse_downloads_folder(_text(settings) or "")
        if named is not None:
            found.append(_absolute(named, where.home))
    return distinct(found)


def _absolute(named: str, home: Path) -> Path:
    return Path(home, named[2:]) if named.startswith(("~/", "~\\")) else Path(home, named)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig") if path.stat().st_size <= MAX_SETTINGS else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        log.info("not read: %s: %s", path, error)
        return None
