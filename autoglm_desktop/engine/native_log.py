"""llama.cpp's own log: kept for proofs and failure messages, passed on to stderr."""

from __future__ import annotations

import re
import sys
from collections import deque

# "load_tensors:   CPU_Mapped model buffer size =  5872.40 MiB", "llama_kv_cache:  CUDA0 KV buffer size = …"
_BUFFER = re.compile(r"(\S+)\s+(model|KV|compute|output|RS) buffer size\s*=\s*([0-9.]+) MiB")
# A context whose buffers are only planned logs 0.00 MiB for KV; its size and its layers' devices stand beside that:
# "llama_kv_cache: layer   3: dev = CUDA0", "llama_kv_cache: size =   80.00 MiB (  2048 cells,  40 layers, …"
_CACHE_LAYER = re.compile(r"^llama_(?:kv_cache|memory_recurrent)\S*\s+layer\s+\d+: dev = (\S+)")
_CACHE_SIZE = re.compile(r"^llama_(?:kv_cache|memory_recurrent)\S*\s+size =\s*([0-9.]+) MiB")
# "clip_ctx: CLIP using CUDA0 backend", "load_hparams: model size:         1704.04 MiB"
_PROJECTOR = re.compile(r"CLIP using (\S+) backend")
_PROJECTOR_SIZE = re.compile(r"^load_hparams: model size:\s*([0-9.]+) MiB")
_LAYERS = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
_CAUSES = {"model": "weights", "KV": "kv_cache", "RS": "kv_cache", "compute": "compute", "output": "compute"}
_GPU = re.compile(r"^(?:CUDA|Vulkan|ROCm|HIP|SYCL|MTL|Metal)(\d*)(?:_Mapped|_Private)?$")
DEBUG, WARNING, ERROR, CONTINUED = 1, 3, 4, 5  # ggml.h: ggml_log_level
_OUT_OF_MEMORY = (
    "out of memory",
    "failed to allocate",
    "cudamalloc failed",
    "unable to allocate",
    "cannot allocate memory",
    "alloc_tensor_range",
)


def device_of(buffer: str) -> str:
    """``gpu:N`` or ``ram`` for a ggml buffer name (CPU_Mapped, CPU_REPACK, AMX, CUDA0, CUDA_Host …)."""
    match = _GPU.match(buffer)
    return f"gpu:{int(match[1] or 0)}" if match else "ram"


class NativeLog:
    """Collects lines; ``feed`` takes the pieces that llama.cpp's log callback delivers."""

    def __init__(self, keep: int = 400) -> None:
        self._lines: deque[str] = deque(maxlen=keep)
        self._partial = ""
        self._complaints: deque[str] = deque(maxlen=keep)
        self._level = 0
        self.memory: dict[str, dict[str, int]] = {}
        self.cache: dict[str, int] = {}
        """KV cache by device as the sizes say that are logged also where nothing is allocated."""
        self.offloaded: tuple[int, int] | None = None
        self.projector_device: str | None = None
        """Where the vision part computes: ``cpu`` or ``gpu:N``."""
        self._cache_layers: list[str] = []

    def forget(self) -> None:
        """A new load begins: what was said of the one before counts no more."""
        self._lines.clear()
        self._complaints.clear()
        self.memory.clear()
        self.cache.clear()
        self.offloaded = None
        self.projector_device = None
        self._cache_layers.clear()

    def feed(self, level: int, text: str) -> None:
        """``level`` is ggml's (1 debug, 2 info, 3 warning, 4 error, 5 continues the line before).

        Debug lines are read, but neither kept nor passed on: hundreds of them would push out what explains a crash.
        """
        if level != CONTINUED:
            self._level = level
        if self._level != DEBUG:
            sys.stderr.write(text)
        self._partial += text
        *lines, self._partial = self._partial.split("\n")
        for line in lines:
            if self._level != DEBUG:
                self._lines.append(line)
            if self._level in (WARNING, ERROR):
                self._complaints.append(line)
            self._line(line)

    def _line(self, line: str) -> None:
        buffer = _BUFFER.search(line)
        if buffer:
            causes = self.memory.setdefault(device_of(buffer[1]), {})
            cause = _CAUSES[buffer[2]]
            causes[cause] = causes.get(cause, 0) + int(float(buffer[3]) * 1024 * 1024)
        layers = _LAYERS.search(line)
        if layers:
            self.offloaded = (int(layers[1]), int(layers[2]))
        self._cache_line(line)
        self._projector_line(line)

    def _projector_line(self, line: str) -> None:
        device = _PROJECTOR.search(line)
        if device:
            place = device_of(device[1])
            self.projector_device = "cpu" if place == "ram" else place
        size = _PROJECTOR_SIZE.match(line)
        if size:
            place = "ram" if self.projector_device in (None, "cpu") else str(self.projector_device)
            self.memory.setdefault(place, {})["projector"] = int(float(size[1]) * 1024 * 1024)

    def said(self, text: str) -> bool:
        """Whether a kept line holds ``text``."""
        return any(text in line for line in self._lines)

    def _cache_line(self, line: str) -> None:
        layer = _CACHE_LAYER.match(line)
        if layer:
            self._cache_layers.append(device_of(layer[1]))
        size = _CACHE_SIZE.match(line)
        if not size:
            return
        devices = self._cache_layers or ["ram"]
        total = int(float(size[1]) * 1024 * 1024)
        for device in dict.fromkeys(devices):  # layers of one cache take alike
            share = total * devices.count(device) // len(devices)
            self.cache[device] = self.cache.get(device, 0) + share
        self._cache_layers = []

    def failure(self, fallback: str) -> tuple[str, str]:
        """(kind, message) from the last warnings and errors that name a failure: ``out_of_memory`` where they speak of
        allocation. What is told beside them (``rope_finetuned = unknown``, a template's words) explains none."""
        marks = (
            "error",
            "failed",
            "unknown",
            "invalid",
            "missing",
            "unable",
            "not supported",
            "out of memory",
        )
        lines = [line for line in self._complaints if any(mark in line.lower() for mark in marks)]
        message = " · ".join(line.strip() for line in lines[-3:]) or fallback
        lowered = message.lower()
        kind = "out_of_memory" if any(mark in lowered for mark in _OUT_OF_MEMORY) else "bad_file"
        return kind, message
