"""The application's own Python environment, from package metadata: nothing heavy is imported."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata

from ..core.machine import Package, Runtime

DISTRIBUTIONS = ("torch", "transformers", "accelerate", "bitsandbytes", "llama-cpp-python")


def probe_runtime(version: Callable[[str], str] = metadata.version) -> Runtime:
    """Python's version and the installed ones of DISTRIBUTIONS. Engines are added by who knows them."""
    packages: list[Package] = []
    for name in DISTRIBUTIONS:
        try:
            packages.append(Package(name, version(name)))
        except metadata.PackageNotFoundError:
            continue
    return Runtime(platform.python_version(), packages=tuple(packages))
