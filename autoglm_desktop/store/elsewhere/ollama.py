"""Ollama's models (https://github.com/ollama/ollama, ``server/modelpath.go``, ``envconfig/config.go``,
``server/internal/manifest/manifest.go``).

``OLLAMA_MODELS``, else ``~/.ollama/models``; the Linux service has ``/usr/share/ollama/.ollama/models``. In it
``manifests/HOST/NAMESPACE/NAME/TAG``: JSON with ``layers`` of ``mediaType``, ``digest`` and ``size``; each layer is
``blobs/sha256-HEX`` (older: ``sha256:HEX``). ``application/vnd.ollama.image.model`` is the GGUF file, ``….projector``
its vision part.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..model_walk import Budget
from .found import FoundModel, Where, distinct

log = logging.getLogger(__name__)

SHARED = (Path("/usr/share/ollama/.ollama/models"),)
MODEL = "application/vnd.ollama.image.model"
PROJECTOR = "application/vnd.ollama.image.projector"
MAX_MANIFEST = 1024 * 1024
BLOB = re.compile(r"sha256[-:]([0-9a-f]{64})")


@dataclass(frozen=True)
class Layers:
    """The files of a manifest that matter here: (sha256, bytes)."""

    model: tuple[str, int]
    projector: tuple[str, int] | None = None


def models(where: Where) -> list[FoundModel]:
    """Every tag whose GGUF file is complete; ``name`` is what Ollama calls it (``glm4:9b``)."""
    found: list[FoundModel] = []
    for root in _roots(where):
        budget = Budget()
        for manifest in _manifests(root / "manifests", budget, 4):
            layers = parse_manifest(_text(manifest) or "")
            path = _blob(root, layers.model) if layers is not None else None
            if layers is None or path is None:
                continue
            projector = _blob(root, layers.projector) if layers.projector is not None else None
            name = parse_name(manifest.relative_to(root / "manifests").parts)
            found.append(FoundModel(path, "ollama", None, name, projector))
    return found


def parse_manifest(text: str) -> Layers | None:
    """The layers of a manifest; None where it is no model of GGUF."""
    try:
        layers = json.loads(text)["layers"]
        files = {str(layer["mediaType"]): (str(layer["digest"]), int(layer["size"])) for layer in layers}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    found = {
        kind: (match[1], size) for kind, (digest, size) in files.items() if (match := BLOB.fullmatch(digest))
    }
    return Layers(found[MODEL], found.get(PROJECTOR)) if MODEL in found else None


def parse_name(parts: tuple[str, ...]) -> str:
    """A manifest's path as Ollama writes the model: ``registry.ollama.ai/library/glm4/9b`` → ``glm4:9b``."""
    *path, tag = parts
    if path[:1] == ["registry.ollama.ai"]:
        path = path[1:]
    if path[:1] == ["library"]:
        path = path[1:]
    return f"{'/'.join(path)}:{tag}"


def blob(where: Where, digest: str) -> Path | None:
    """The file of that sha256, if it is complete (a manifest's size can't be asked here: the name is given last)."""
    for root in _roots(where):
        for name in (f"sha256-{digest}", f"sha256:{digest}"):
            path = root / "blobs" / name
            try:
                if path.is_file() and not list(path.parent.glob(f"{name}-partial*")):
                    return path
            except OSError as error:
                log.info("not read: %s: %s", path, error)
    return None


def _roots(where: Where) -> list[Path]:
    named = [where.variable("OLLAMA_MODELS"), where.home / ".ollama" / "models", *where.shared]
    return distinct([path for path in named if path is not None])


def _manifests(folder: Path, budget: Budget, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries if budget.spend(len(entries), folder) else ():
            if entry.is_file() and not entry.name.startswith("."):
                yield folder / entry.name
            elif depth > 0 and entry.is_dir():
                yield from _manifests(folder / entry.name, budget, depth - 1)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        log.info("left out: %s: %s", folder, error)


def _blob(root: Path, layer: tuple[str, int]) -> Path | None:
    digest, size = layer
    for name in (f"sha256-{digest}", f"sha256:{digest}"):
        path = root / "blobs" / name
        try:
            if path.stat().st_size == size:
                return path
        except OSError:
            continue
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size <= MAX_MANIFEST else None
    except (OSError, ValueError) as error:
        log.info("not read: %s: %s", path, error)
        return None
