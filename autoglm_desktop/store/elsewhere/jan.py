"""Jan's models (https://github.com/janhq/jan).

The data folder (``src-tauri/src/core/app/commands.rs``): ``JAN_DATA_FOLDER``, else ``data_folder`` of
``Jan/settings.json`` in the system's data folder (on Linux formerly in ``~/.config``; also ``jan.ai.app``), else
``Jan/data`` beside it; before 0.5 it was ``~/jan``. In it ``llamacpp/models/ID/model.yml`` with ``model_path`` and
``mmproj_path`` (``extensions/llamacpp-extension/src/index.ts``, interface ModelConfig), relative to the data folder or,
for imported files, absolute; formerly ``models/…`` with the GGUF file and ``model.yml`` or ``model.json`` beside it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..model_walk import Budget, folders, models_below
from .found import FoundModel, Where, distinct

log = logging.getLogger(__name__)

MAX_FILE = 1024 * 1024
DEPTH = 4
_LINE = re.compile(r"(model_path|mmproj_path|name)[ \t]*:[ \t]*(.*?)[ \t]*")


@dataclass(frozen=True)
class ModelYml:
    """What of a ``model.yml`` matters here; paths as they stand there."""

    model_path: str | None = None
    mmproj_path: str | None = None
    name: str | None = None


def models(where: Where) -> list[FoundModel]:
    """Models that a ``model.yml`` names, then other GGUF files of the folders for models."""
    found: dict[Path, FoundModel] = {}
    projectors: set[Path] = set()
    budget = Budget()
    for data in _data_folders(where):
        for model in _described(data):
            found.setdefault(model.path, model)
            projectors.update([model.projector] if model.projector is not None else [])
        for root in (data / "llamacpp" / "models", data / "models"):
            for path in models_below(root, depth=DEPTH, links=True, budget=budget):
                found.setdefault(path, FoundModel(path, "jan"))
    return [model for path, model in found.items() if path not in projectors]


def parse_model_yml(text: str) -> ModelYml:
    """The top-level keys of a ``model.yml`` that are needed; quotes are taken off."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            values.setdefault(match[1], _unquoted(match[2]))
    return ModelYml(**{key: value or None for key, value in values.items()})


def parse_data_folder(text: str) -> str | None:
    """``data_folder`` of Jan's ``settings.json``; None where it names none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    value = data.get("data_folder") if isinstance(data, dict) else None
    return value if isinstance(value, str) and value.strip() else None


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value[1:-1]
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    return value


def _data_folders(where: Where) -> list[Path]:
    named: list[Path] = []
    own = where.variable("JAN_DATA_FOLDER")
    if own is not None:
        named.append(own)
    bases = [base / name for base in (where.data, where.config) for name in ("Jan", "jan", "jan.ai.app")]
    for base in bases:
        text = parse_data_folder(_text(base / "settings.json") or "")
        if text is not None and Path(text).is_absolute():
            named.append(Path(text))
    return distinct([*named, *(base / "data" for base in bases), where.home / "jan"])


def _described(data: Path) -> Iterator[FoundModel]:
    for folder in _model_folders(data / "llamacpp" / "models", 2):
        text = _text(folder / "model.yml")
        if text is None:
            continue
        told = parse_model_yml(text)
        path = _file(told.model_path, data)
        if path is not None:
            yield FoundModel(path, "jan", None, told.name, _file(told.mmproj_path, data))


def _model_folders(root: Path, depth: int) -> Iterator[Path]:
    """Jan's ids may have a slash, so a model's folder lies up to ``depth`` below the first."""
    for folder in folders(root):
        yield folder
        if depth > 0:
            yield from _model_folders(folder, depth - 1)


def _file(text: str | None, data: Path) -> Path | None:
    if text is None:
        return None
    path = Path(data, text)
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig") if path.stat().st_size <= MAX_FILE else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        log.info("not read: %s: %s", path, error)
        return None
