"""Reads the catalogue of models (``resources/catalog.toml``)."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from ..core.catalog import Catalog, parse
from . import paths

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@lru_cache(maxsize=4)
def load(path: Path | None = None) -> Catalog:
    """The shipped catalogue, or the one at ``path``. Raises ValueError where it is malformed."""
    file = path or paths.resources() / "catalog.toml"
    return parse(tomllib.loads(file.read_text(encoding="utf-8")))
