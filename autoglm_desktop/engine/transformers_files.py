"""What a model folder must hold before transformers may read it: a config and whole safetensors files, nothing else.

Nothing here imports torch. Sizes come from the files' own headers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core import safetensors_header
from ..core.errors import TargetError
from ..store import safetensors
from .server import JobFailed

ADAPTER = "adapter_config.json"
ELEMENT_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2}  # else 1


@dataclass(frozen=True)
class Folder:
    """A model folder that may be loaded. ``parts``: its weight files; ``tensors``: bytes in the file by name."""

    path: Path
    config: Mapping[str, object]
    parts: tuple[Path, ...]
    tensors: Mapping[str, int]

    def part_of(self, ending: str) -> tuple[Path, str] | None:
        """The file and full name of the tensor that ends so."""
        for part in self.parts:
            for name in _header(part):
                if name.endswith(ending):
                    return part, name
        return None

    @property
    def stamp(self) -> list[list[object]]:
        """Names and sizes of the weight files: whether a saved form is of these weights."""
        return [[part.name, part.stat().st_size] for part in self.parts]


def checked(path: str) -> Folder:
    """The folder, or JobFailed(bad_file) with what is wrong with it."""
    folder = Path(path)
    if not folder.is_dir():
        raise JobFailed("bad_file", f"no_folder: {path} is no folder")
    if not (folder / safetensors.CONFIG).is_file():
        raise JobFailed("bad_file", f"no_config: {path} holds no {safetensors.CONFIG}")
    try:
        found = safetensors.model_folder(folder)
        config = safetensors.read_config(folder)
        if found is None:
            raise JobFailed("bad_file", _no_weights(folder))
        missing = safetensors.missing_shards(found)
        if missing:
            raise JobFailed("bad_file", f"missing_file: {', '.join(missing)}")
        parts = tuple(folder / name for name in _used(folder, tuple(name for name, _ in found.weights)))
        tensors = {name: size for part in parts for name, size in _checked_part(part).items()}
    except (TargetError, OSError) as error:
        raise JobFailed("bad_file", str(error)) from error
    if (folder / ADAPTER).is_file():
        raise JobFailed("unsupported", f"adapter: {ADAPTER} changes another model, which is not loaded")
    named = config.get("transformers_weights")
    if named is not None and named not in [part.name for part in parts]:
        raise JobFailed("bad_file", f"missing_file: the config names {named!r}")
    return Folder(folder, config, parts, tensors)


def demand_tokenizer(folder: Folder) -> None:
    """Raises JobFailed(bad_file) where a model folder has no tokenizer; a saved form needs none."""
    if not any((folder.path / name).is_file() for name in safetensors.TOKENIZERS):
        raise JobFailed("bad_file", f"missing_file: {safetensors.TOKENIZERS[0]}")


def _no_weights(folder: Path) -> str:
    pickles = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in safetensors.PICKLES)
    if pickles:
        return (
            f"pickle_refused: {pickles[0]} could run code when it is read; only safetensors files are loaded"
        )
    return f"missing_file: {folder} holds no safetensors file"


def _used(folder: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """The files that transformers reads: the index's, else ``model.safetensors``."""
    index = folder / safetensors.INDEX
    if index.is_file():
        parts = json.loads(index.read_text(encoding="utf-8")).get("weight_map")
        if not isinstance(parts, dict) or not parts:
            raise JobFailed("bad_file", f"missing_file: {safetensors.INDEX} names none")
        named = set(parts.values())
        others = sorted(named - set(names))  # transformers would read them as pickles
        if others:
            raise JobFailed("bad_file", f"pickle_refused: {others[0]} is no safetensors file")
        return tuple(sorted(named))
    if "model.safetensors" in names:
        return ("model.safetensors",)
    raise JobFailed(
        "bad_file", f"missing_file: neither model.safetensors nor its index, but {', '.join(names)}"
    )


def _checked_part(part: Path) -> dict[str, int]:
    expected, real = safetensors.expected_size(part), part.stat().st_size
    if expected != real:
        raise JobFailed("bad_file", f"damaged: {part.name} has {real} bytes, its header says {expected}")
    return _header(part)


def _header(part: Path) -> dict[str, int]:
    """Bytes of each tensor of a file. Raises TargetError, OSError."""
    with part.open("rb") as file:
        length = safetensors_header.header_bytes(file.read(safetensors_header.LENGTH_BYTES))
        data = json.loads(file.read(length).decode("utf-8"))
    return {
        name: math.prod(value["shape"]) * ELEMENT_BYTES.get(value["dtype"], 1)
        for name, value in data.items()
        if name != "__metadata__"
    }
