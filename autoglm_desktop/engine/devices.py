"""The devices that this llama.cpp build really sees, read from its own ggml registry.

Linux wheels hold three copies of each library (``.so``, ``.so.0``, ``.so.0.x``); libllama maps one of them, and any
other copy would be a second, empty registry. So the path is taken from /proc/self/maps.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import llama_cpp.llama_cpp as native


def _library(stem: str) -> ctypes.CDLL:
    if sys.platform.startswith("linux"):
        for line in os.fsdecode(Path("/proc/self/maps").read_bytes()).splitlines():  # names the model too
            path = line.partition("/")[2]
            name = path.rpartition("/")[2]
            if name.startswith(f"lib{stem}.so"):
                return ctypes.CDLL("/" + path)
    folder = Path(native.__file__).parent / "lib"
    for pattern in (f"{stem}.dll", f"lib{stem}.dll", f"lib{stem}.dylib", f"lib{stem}.so"):
        if (folder / pattern).is_file():
            return ctypes.CDLL(str(folder / pattern))
    raise OSError(f"no {stem} library beside llama_cpp")


def names() -> tuple[str, ...]:
    """``CUDA0 (NVIDIA …)``-style names of all devices, the CPU included. Raises OSError."""
    registry, base = _library("ggml"), _library("ggml-base")
    registry.ggml_backend_dev_count.restype = ctypes.c_size_t
    registry.ggml_backend_dev_get.restype = ctypes.c_void_p
    registry.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    for function in (base.ggml_backend_dev_name, base.ggml_backend_dev_description):
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_void_p]
    found = []
    for index in range(registry.ggml_backend_dev_count()):
        device = registry.ggml_backend_dev_get(index)
        name = base.ggml_backend_dev_name(device).decode("utf-8", "replace")
        description = base.ggml_backend_dev_description(device).decode("utf-8", "replace")
        found.append(f"{name} ({description})" if description and description != name else name)
    return tuple(found)
