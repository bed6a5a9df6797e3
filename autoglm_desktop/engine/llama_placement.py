"""Where a model goes and how its memory is held: devices, split, memory lock, huge pages, NUMA."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as native

from ..core import protocol
from .llama_log import log
from .server import JobFailed

ALL_LAYERS = 1 << 30
SPLIT_MODE_NONE = 0  # llama.h: LLAMA_SPLIT_MODE_NONE
SPLIT_MODE_LAYER = 1  # llama.h: LLAMA_SPLIT_MODE_LAYER
# llama.h: llama_load_mode
LOAD_MODE_NONE, LOAD_MODE_LOCK, LOAD_MODE_MMAP_LOCK = 0, 2, 3
NUMA = {"distribute": 1, "isolate": 2, "numactl": 3}  # ggml-cpu.h: ggml_numa_strategy
HUGE_PAGE = 2 << 20
MADV_HUGEPAGE = 14  # Linux, asm-generic/mman-common.h
MOSTLY = 0.5
"""Share of the weights in RAM that has to lie in huge pages for the option to count as true."""

_numa: str | None = None


def place(parameters: Any, job: protocol.Load, names: Sequence[str]) -> list[object]:
    """Fill in llama.cpp's model parameters; ``names``: the only devices to use. Returns what has to live until the
    model is loaded. Raises JobFailed(unsupported)."""
    parameters.n_gpu_layers = job.gpu_layers if 0 <= job.gpu_layers < ALL_LAYERS else ALL_LAYERS
    parameters.use_extra_bufts = job.options.use_extra_bufts
    if job.options.memory_lock:
        parameters.load_mode = LOAD_MODE_LOCK if job.options.huge_pages else LOAD_MODE_MMAP_LOCK
    elif job.options.huge_pages:
        parameters.load_mode = LOAD_MODE_NONE  # file mappings take no huge pages
    if job.split and len(job.split) != len(names):
        raise JobFailed("unsupported", f"{len(job.split)} shares for {len(names)} devices")
    if job.gpu_layers > 0 and job.split and sum(job.split) != job.gpu_layers:
        raise JobFailed("unsupported", f"the split adds up to {sum(job.split)} of {job.gpu_layers} layers")
    handles = [handle for name in names if (handle := _handle(name, job.gpu_layers)) is not None]
    if not handles and job.gpu_layers:
        return []
    # An empty list keeps a GPU build's CPU rung off the cards: not even their driver's context is made.
    array = (ctypes.c_void_p * (len(handles) + 1))(*handles, None)
    parameters.devices = ctypes.cast(array, ctypes.c_void_p)
    kept: list[object] = [array]
    if len(handles) == 1:
        parameters.split_mode = SPLIT_MODE_NONE
        parameters.main_gpu = 0
    else:
        parameters.split_mode = SPLIT_MODE_LAYER
        if job.split and handles:
            shares = (ctypes.c_float * native.llama_max_devices())(*map(float, job.split))
            parameters.tensor_split = shares
            kept.append(shares)
    return kept


def _handle(name: str, gpu_layers: int) -> int | None:
    """A GPU's handle; None where no GPU layers are asked for. Raises JobFailed(unsupported)."""
    from . import devices

    found = devices.find(name)
    if found is None:
        raise JobFailed("unsupported", f"no device {name!r}; there are: {', '.join(devices.names())}")
    if gpu_layers and not found.gpu:
        raise JobFailed("unsupported", f"{name!r} is no GPU and takes no GPU layers")
    return found.handle if gpu_layers else None


def first_gpu(names: Sequence[str]) -> int | None:
    """The handle of the first named GPU, where the projector goes; None: llama.cpp's choice. Raises JobFailed."""
    return next((handle for name in names if (handle := _handle(name, 1)) is not None), None)


def set_numa(strategy: str | None) -> None:
    """Spread threads over NUMA nodes; llama.cpp takes it once per process. Raises JobFailed(unsupported)."""
    global _numa
    if strategy == _numa:
        return
    if _numa is not None or strategy not in NUMA:
        raise JobFailed("unsupported", f"numa {strategy!r} (was {_numa!r}); there are: {', '.join(NUMA)}")
    native.llama_numa_init(NUMA[strategy])
    _numa = strategy


def held_options(options: protocol.EngineOptions, op_offload: bool) -> protocol.EngineOptions:
    """The options as they really came true, for the proof."""
    weights = log.memory.get("ram", {}).get("weights", 0)
    return protocol.EngineOptions(
        use_extra_bufts=options.use_extra_bufts,
        op_offload=op_offload,
        memory_lock=options.memory_lock
        and not log.said("failed to mlock")
        and not log.said("mlock not supported"),
        huge_pages=options.huge_pages and _huge_page_bytes() >= weights * MOSTLY,
        numa=_numa,
    )


def advise_huge_pages() -> None:
    """Ask the kernel for huge pages in all large anonymous memory (Linux). What was touched before stays small, so it
    is said while the weights' buffers are still empty."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, size in anonymous_maps(Path("/proc/self/maps").read_text("utf-8", "surrogateescape")):
        libc.madvise(start, size, MADV_HUGEPAGE)


def _huge_page_bytes() -> int:
    """Anonymous memory of this process in huge pages; 0 where the system doesn't tell, since nothing is proven then."""
    try:
        rollup = Path("/proc/self/smaps_rollup").read_text("ascii", "replace")
    except OSError:  # not Linux, an old kernel, or a container that hides it
        return 0
    sizes = [line.split()[1] for line in rollup.splitlines() if line.startswith("AnonHugePages:")]
    return int(sizes[0]) * 1024 if sizes else 0


def anonymous_maps(text: str) -> list[tuple[int, int]]:
    """(address, bytes) of writable private memory without a file in /proc/self/maps, in whole huge pages."""
    found = []
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) != 5 or fields[1] != "rw-p":
            continue
        first, _, last = fields[0].partition("-")
        start = -(-int(first, 16) // HUGE_PAGE) * HUGE_PAGE
        end = int(last, 16) // HUGE_PAGE * HUGE_PAGE
        if end > start:
            found.append((start, end - start))
    return found
