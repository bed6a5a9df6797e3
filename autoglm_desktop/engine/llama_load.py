"""Loading a GGUF through llama.cpp's low-level bindings, and the proof of what it became."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as native

from ..core import protocol
from ..core.errors import TargetError
from ..core.gguf_header import GgufHeader, refusal
from ..store import gguf
from .native_log import NativeLog
from .server import JobFailed

KV_TYPES = {"f16": 1, "q8_0": 8}  # ggml.h: GGML_TYPE_F16, GGML_TYPE_Q8_0
BATCH = 512
CELL_STEP = 256
MOST_CELLS = 1 << 24
"""No model here was trained for more than 2^20; beyond 2^32 the number would wrap around."""
FLASH_ATTENTION_ENABLED = 1  # llama.h: LLAMA_FLASH_ATTN_TYPE_ENABLED
LOAD_MODE_NONE = 0  # llama.h: neither mmap nor mlock, which no_alloc refuses
SPLIT_MODE_NONE = 0  # llama.h: LLAMA_SPLIT_MODE_NONE
ALL_LAYERS = 1 << 30
MOST_THREADS = 512  # ggml.h: GGML_MAX_N_THREADS

log = NativeLog()
_started = False


def _on_log(level: int, text: bytes | None, _data: object) -> None:
    log.feed(level, (text or b"").decode("utf-8", "replace"))


_log_callback = native.llama_log_callback(_on_log)


def initialise() -> None:
    """Start llama.cpp's backends once per process."""
    global _started
    if not _started:
        native.llama_log_set(_log_callback, ctypes.c_void_p(0))
        native.llama_backend_init()
        _started = True


def build() -> str:
    """The llama-cpp-python version, llama.cpp's own and its compiled-in features."""
    from llama_cpp import __version__

    version = native.llama_version().decode("utf-8", "replace")
    system = native.llama_print_system_info().decode("utf-8", "replace").strip(" |")
    return f"llama-cpp-python {__version__} · llama.cpp {version} · {system}"


@dataclass
class Loaded:
    """A loaded model with its context. Pointers are llama.cpp's; ``close`` frees both."""

    model: Any
    context: Any
    vocab: Any
    header: GgufHeader
    cells: int
    batch: int  # tokens that one llama_decode takes at most
    on_gpu: bool
    proof: protocol.Proof

    def close(self) -> None:
        native.llama_free(self.context)
        native.llama_model_free(self.model)


Progress = Callable[[str, float], None]


def open_model(job: protocol.Load, progress: Progress, device: str | None = None) -> Loaded:
    """Load, create the context and warm up. ``device``: the only GPU to use (None: llama.cpp's choice).
    Raises JobFailed."""
    started = time.perf_counter()
    header = checked_header(job.model)
    log.forget()
    model = load_model(job, progress, device=device)
    try:
        context = create_context(model, job)
    except JobFailed:
        native.llama_model_free(model)
        raise
    threads = native.llama_n_threads(context)
    vocab = native.llama_model_get_vocab(model)
    progress("warm_up", 0.0)
    speed = _warm_up(context, vocab)
    progress("warm_up", 1.0)
    offloaded, total = log.offloaded or (0, (header.block_count or 0) + 1)
    proof = protocol.Proof(
        backend="llama.cpp",
        build=build(),
        devices=_device_names(),
        gpu_layers=offloaded,
        total_layers=total,
        memory={device: dict(causes) for device, causes in log.memory.items()},
        kv_type=job.kv_type,
        context=native.llama_n_ctx(context),
        threads=threads,
        load_s=time.perf_counter() - started,
        warm_up_tokens_per_s=speed,
        options=job.options,
    )
    cells = native.llama_n_ctx(context)
    batch = native.llama_n_batch(context)
    return Loaded(model, context, vocab, header, cells, batch, offloaded > 0, proof)


def _device_names() -> tuple[str, ...]:
    from . import devices

    return devices.names()


def checked_header(path: str) -> GgufHeader:
    """Damaged headers are refused here: several of them would abort the process inside llama.cpp."""
    try:
        header = gguf.read_header(Path(path))
    except TargetError as error:
        raise JobFailed("bad_file", str(error)) from error
    reason = refusal(header)
    if reason is not None:
        raise JobFailed("bad_file", f"{reason.code} {reason.as_dict()}")
    return header


_load_seen: list[object] = []


def load_model(
    job: protocol.Load, progress: Progress, *, device: str | None = None, dry: bool = False
) -> Any:
    """llama.cpp's model; ``dry``: without reading or allocating a weight. Raises JobFailed."""
    reported = -1

    def on_progress(fraction: float, _data: object) -> bool:
        nonlocal reported
        if int(fraction * 50) > reported:
            reported = int(fraction * 50)
            progress("load", fraction)
        return True

    initialise()
    _load_seen.clear()
    parameters = native.llama_model_default_params()
    parameters.n_gpu_layers = job.gpu_layers if 0 <= job.gpu_layers < ALL_LAYERS else ALL_LAYERS
    parameters.use_extra_bufts = job.options.use_extra_bufts
    if device is not None:
        _use_device(parameters, device, job.gpu_layers)
    if dry:
        parameters.no_alloc = True
        parameters.load_mode = LOAD_MODE_NONE
    callback = native.llama_progress_callback(on_progress)
    _load_seen.append(callback)  # llama.cpp holds the pointer while it loads
    parameters.progress_callback = callback
    model = native.llama_model_load_from_file(os.fsencode(job.model), parameters)
    if not model:
        kind, message = log.failure("llama.cpp could not load the file")
        raise JobFailed(kind, message)
    return model


def _use_device(parameters: Any, name: str, gpu_layers: int) -> None:
    """Restrict the model to one GPU. Raises JobFailed(unsupported)."""
    from . import devices

    found = devices.find(name)
    if found is None:
        raise JobFailed("unsupported", f"no device {name!r}; there are: {', '.join(devices.names())}")
    if not found.gpu:
        if gpu_layers:
            raise JobFailed("unsupported", f"{name!r} is no GPU and takes no GPU layers")
        return
    array = (ctypes.c_void_p * 2)(found.handle, None)
    _load_seen.append(array)  # llama.cpp reads it while it loads
    parameters.devices = ctypes.cast(array, ctypes.c_void_p)
    parameters.split_mode = SPLIT_MODE_NONE
    parameters.main_gpu = 0


def create_context(model: Any, job: protocol.Load) -> Any:
    """llama.cpp's context for ``job``; the model stays the caller's. Raises JobFailed."""
    if not 0 < job.context <= MOST_CELLS or job.kv_type not in KV_TYPES:
        raise JobFailed("unsupported", f"a context of {job.context} tokens, KV cache {job.kv_type!r}")
    if job.threads is not None and not 0 < job.threads <= MOST_THREADS:
        raise JobFailed("unsupported", f"{job.threads} threads")
    parameters = native.llama_context_default_params()
    # llama.cpp would pad the cells but not the batch, and abort at the first prompt that is longer than it.
    parameters.n_ctx = -(-job.context // CELL_STEP) * CELL_STEP
    parameters.n_batch = parameters.n_ubatch = BATCH  # the context's size where that is less
    parameters.n_outputs_max = 1  # only the last token's logits are read: 192 MiB less on a 151k vocabulary
    parameters.flash_attn_type = FLASH_ATTENTION_ENABLED
    parameters.type_k = parameters.type_v = KV_TYPES[job.kv_type]
    parameters.offload_kqv = job.gpu_layers != 0
    # A GPU build would otherwise copy the output matrix to the card even with no layer on it.
    parameters.op_offload = job.options.op_offload and job.gpu_layers != 0
    parameters.no_perf = True
    threads = job.threads or os.cpu_count() or 1
    parameters.n_threads = parameters.n_threads_batch = threads
    context = native.llama_init_from_model(model, parameters)
    if not context:
        kind, message = log.failure("llama.cpp could not create the context")
        # What is no lack of memory concerns this way of running the file, not the file.
        raise JobFailed(kind if kind == "out_of_memory" else "unsupported", message)
    return context


def _warm_up(context: Any, vocab: Any) -> float | None:
    """Decode one small batch and two single tokens, so that a native crash happens before ``ready``.

    Returns tokens/s of the single decodes. Raises JobFailed when llama.cpp refuses.
    """
    token = max(native.llama_vocab_bos(vocab), 0)
    seconds = 0.0
    for count in (4, 1, 1):
        tokens = (native.llama_token * count)(*[token] * count)
        begun = time.perf_counter()
        code = native.llama_decode(context, native.llama_batch_get_one(tokens, count))
        native.llama_synchronize(context)
        seconds = time.perf_counter() - begun
        if code:
            kind = "out_of_memory" if code == -2 else "crashed"
            raise JobFailed(kind, f"warm-up decode returned {code}")
    native.llama_memory_clear(native.llama_get_memory(context), True)
    return 1 / seconds if seconds > 0 else None
