"""Safetensors files and the folders they make a model of: what is there, and whether it is whole. No weights are read.

A file begins with the header's length (8 bytes, little-endian) and the header (JSON: tensors with ``data_offsets``);
the weights follow (https://github.com/huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import TargetError
from ..core.safetensors_header import LENGTH_BYTES, Tensor, header_bytes, tensors

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
SUFFIX = ".safetensors"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
"""One of them a model folder must have; without, transformers guesses."""
MAX_HEADER = 100_000_000
"""The format's own limit (``MAX_HEADER_SIZE`` of its reference implementation)."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Files that could run code when they are read."""
MAX_JSON = 64 * 1024 * 1024


@dataclass(frozen=True)
class ModelFolder:
    """A folder with ``config.json`` and weights. ``files``: its regular files with their sizes, in order of name.
    ``stamp`` changes when a file does; ``unfinished``: a download has begun in it."""

    path: Path
    files: tuple[tuple[str, int], ...]
    stamp: tuple[int, int, int]
    unfinished: bool

    @property
    def weights(self) -> tuple[tuple[str, int], ...]:
        return tuple(file for file in self.files if file[0].lower().endswith(SUFFIX))


def model_folder(path: Path) -> ModelFolder | None:
    """What a folder holds; None where it has no ``config.json`` or no weights. Raises OSError."""
    files: list[tuple[str, int]] = []
    newest, unfinished = 0, False
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if name.endswith((".part", ".part.json")):
                unfinished = unfinished or not name.lower().split(".part")[0].endswith(".gguf")
            elif entry.is_file():
                status = entry.stat()
                files.append((name, status.st_size))
                newest = max(newest, status.st_mtime_ns)
    names = {name.lower() for name, _ in files}
    if CONFIG not in names or not any(name.endswith(SUFFIX) for name in names):
        return None
    stamp = (len(files), sum(size for _, size in files), newest)
    return ModelFolder(path, tuple(sorted(files)), stamp, unfinished)


def no_model(path: Path) -> TargetError:
    """Why ``model_folder`` found none. Raises OSError."""
    names = sorted(entry.name for entry in os.scandir(path) if entry.is_file())
    if CONFIG not in names:
        return TargetError("folder_without_config", path=str(path))
    pickle = next((name for name in names if name.lower().endswith(PICKLES)), None)
    if pickle is not None:
        return TargetError("folder_of_pickles", path=str(path), name=pickle)
    return TargetError("folder_without_weights", path=str(path))


def read_config(folder: Path) -> Mapping[str, object]:
    """``config.json``. Raises TargetError (file_unreadable, json_damaged)."""
    return _json(folder / CONFIG)


def missing_shards(folder: ModelFolder) -> tuple[str, ...]:
    """Parts that the index names and that are not there. Raises TargetError where the index can't be read."""
    names = {name for name, _ in folder.files}
    if INDEX not in names:
        return ()
    parts = _json(folder.path / INDEX).get("weight_map")
    wanted = {str(part) for part in parts.values()} if isinstance(parts, dict) else set()
    return tuple(sorted(wanted - names))


def tensor_table(folder: ModelFolder) -> tuple[Tensor, ...]:
    """Every tensor of a folder's weights that transformers would read: the index's files, else ``model.safetensors``,
    else all. Raises TargetError (file_unreadable, safetensors_damaged)."""
    names = [name for name, _ in folder.weights]
    if INDEX in {name for name, _ in folder.files}:
        parts = _json(folder.path / INDEX).get("weight_map")
        wanted = {str(part) for part in parts.values()} if isinstance(parts, dict) else set()
        names = [name for name in names if name in wanted]
    elif "model.safetensors" in names:
        names = ["model.safetensors"]
    return tuple(tensor for name in names for tensor in _tensors(folder.path / name))


def _tensors(path: Path) -> tuple[Tensor, ...]:
    try:
        with path.open("rb") as file:
            return tensors(file.read(header_bytes(file.read(LENGTH_BYTES))))
    except OSError as error:
        raise TargetError("file_unreadable", path=str(path), detail=error.strerror or str(error)) from error
    except TargetError as error:
        raise TargetError(error.code, **{**error.values, "path": str(path)}) from error


def expected_size(path: Path) -> int:
    """The bytes a safetensors file must have by its own header. Raises TargetError (file_unreadable,
    safetensors_damaged)."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else MAX_HEADER + 1
            if length > MAX_HEADER:
                raise TargetError("safetensors_damaged", path=str(path), detail="no safetensors header")
            header = json.loads(file.read(length).decode("utf-8"))
        ends = [int(value["data_offsets"][1]) for key, value in header.items() if key != "__metadata__"]
    except OSError as error:
        raise TargetError("file_unreadable", path=str(path), detail=error.strerror or str(error)) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise TargetError("safetensors_damaged", path=str(path), detail="its header is damaged") from error
    return 8 + length + max(ends, default=0)


def _json(path: Path) -> Mapping[str, object]:
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError("too large")
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError("file_unreadable", path=str(path), detail=error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise TargetError("json_damaged", path=str(path), detail=str(error)) from error
    if not isinstance(data, dict):
        raise TargetError("json_damaged", path=str(path), detail="no object")
    return data
