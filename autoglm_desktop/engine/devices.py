"""The devices that this llama.cpp build really sees, read from its own ggml registry.

Linux wheels hold three copies of each library (``.so``, ``.so.0``, ``.so.0.x``); libllama maps one of them, and any
other copy would be a second, empty registry. So the path is taken from /proc/self/maps.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import llama_cpp.llama_cpp as native

GPU_TYPES = (1, 2)  # ggml-backend.h: GGML_BACKEND_DEVICE_TYPE_GPU, _IGPU


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


@dataclass(frozen=True)
class Device:
    """``label``: ``CUDA0 (NVIDIA …)``; ``handle``: its ``ggml_backend_dev_t``; ``gpu``: of its own or integrated."""

    label: str
    handle: int
    gpu: bool

    @property
    def name(self) -> str:
        return self.label.partition(" (")[0]


def names() -> tuple[str, ...]:
    """``CUDA0 (NVIDIA …)``-style names of all devices, the CPU included. Raises OSError."""
    return tuple(device.label for device in everything())


def find(name: str) -> Device | None:
    """The device of that label, or of that name without the description. Raises OSError."""
    return next((device for device in everything() if name in (device.label, device.name)), None)


def everything() -> tuple[Device, ...]:
    """All devices in llama.cpp's order. Raises OSError."""
    registry, base = _library("ggml"), _library("ggml-base")
    registry.ggml_backend_dev_count.restype = ctypes.c_size_t
    registry.ggml_backend_dev_get.restype = ctypes.c_void_p
    registry.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    for function in (base.ggml_backend_dev_name, base.ggml_backend_dev_description):
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_void_p]
    base.ggml_backend_dev_type.restype = ctypes.c_int
    base.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    found = []
    for index in range(registry.ggml_backend_dev_count()):
        device = registry.ggml_backend_dev_get(index)
        name = base.ggml_backend_dev_name(device).decode("utf-8", "replace")
        description = base.ggml_backend_dev_description(device).decode("utf-8", "replace")
        label = f"{name} ({description})" if description and description != name else name
        found.append(Device(label, device, base.ggml_backend_dev_type(device) in GPU_TYPES))
    return tuple(found)
