"""Loading a GGUF through llama.cpp's low-level bindings, and the proof of what it became."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as native

from ..core import protocol
from ..core.errors import TargetError
from ..core.gguf_header import GgufHeader, refusal
from ..core.gguf_vision import vision_refusal
from ..store import gguf
from . import devices
from .llama_log import initialise as initialise
from .llama_log import log as log
from .llama_placement import LOAD_MODE_NONE, advise_huge_pages, first_gpu, held_options, place, set_numa
from .llama_vision import Vision
from .server import JobFailed

KV_TYPES = {"f16": 1, "q8_0": 8}  # ggml.h: GGML_TYPE_F16, GGML_TYPE_Q8_0
BATCH = 512
CELL_STEP = 256
MOST_CELLS = 1 << 24
"""No model here was trained for more than 2^20; beyond 2^32 the number would wrap around."""
FLASH_ATTENTION_ENABLED = 1  # llama.h: LLAMA_FLASH_ATTN_TYPE_ENABLED
MOST_THREADS = 512  # ggml.h: GGML_MAX_N_THREADS


def build() -> str:
    """The llama-cpp-python version, llama.cpp's own and its compiled-in features."""
    from llama_cpp import __version__

    version = native.llama_version().decode("utf-8", "replace")
    system = native.llama_print_system_info().decode("utf-8", "replace").strip(" |")
    return f"llama-cpp-python {__version__} · llama.cpp {version} · {system}"


@dataclass
class Loaded:
    """A loaded model with its context. Pointers are llama.cpp's; ``close`` frees all."""

    model: Any
    context: Any
    vocab: Any
    header: GgufHeader
    cells: int
    batch: int  # tokens that one llama_decode takes at most
    on_gpu: bool
    proof: protocol.Proof
    vision: Vision | None = None

    def close(self) -> None:
        if self.vision is not None:
            self.vision.close()
        native.llama_free(self.context)
        native.llama_model_free(self.model)


Progress = Callable[[str, float], None]


def open_model(job: protocol.Load, progress: Progress, device: str | None = None) -> Loaded:
    """Load, create the context and warm up. ``device``: the only GPU to use (None: the job's ``devices``).

    Raises JobFailed; ``not_proven`` where other layers lie on GPUs than were asked for. A projector is opened, but
    its first picture is the caller's (``llama_prove``).
    """
    started = time.perf_counter()
    header = checked_header(job.model)
    file_type = checked_projector(header, job.projector.file) if job.projector is not None else ""
    initialise()
    set_numa(job.options.numa)
    log.forget()
    model = load_model(job, progress, device=device)
    context = vision = None
    try:
        _check_layers(job, header)
        context = create_context(model, job)
        if job.projector is not None:
            card = first_gpu(job.devices) if job.projector.gpu else None
            vision = Vision(job.projector, model, native.llama_n_threads(context), card, file_type)
        vocab = native.llama_model_get_vocab(model)
        progress("warm_up", 0.0)
        speed = _warm_up(context, vocab)
        progress("warm_up", 1.0)
        proof = _proof(job, header, context, speed, started)
    except BaseException:
        if vision is not None:
            vision.close()
        if context is not None:
            native.llama_free(context)
        native.llama_model_free(model)
        raise
    cells, batch = native.llama_n_ctx(context), native.llama_n_batch(context)
    return Loaded(model, context, vocab, header, cells, batch, bool(proof.gpu_layers), proof, vision)


def _layers_on_gpu(header: GgufHeader) -> tuple[int, int]:
    """(layers on GPUs, layers), the output layer counted, as llama.cpp logged it."""
    return log.offloaded or (0, (header.block_count or 0) + 1)


def _check_layers(job: protocol.Load, header: GgufHeader) -> None:
    found, total = _layers_on_gpu(header)
    wanted = total if job.gpu_layers < 0 else min(job.gpu_layers, total)
    if found != wanted:
        raise JobFailed(
            "not_proven", f"{wanted} of {total} layers on a GPU were asked for, {found} are on one"
        )


def _proof(
    job: protocol.Load, header: GgufHeader, context: Any, speed: float | None, started: float
) -> protocol.Proof:
    offloaded, total = _layers_on_gpu(header)
    return protocol.Proof(
        backend="llama.cpp",
        build=build(),
        devices=devices.names(),
        gpu_layers=offloaded,
        total_layers=total,
        memory={device: dict(causes) for device, causes in log.memory.items()},
        kv_type=job.kv_type,
        context=native.llama_n_ctx(context),
        threads=native.llama_n_threads(context),
        load_s=time.perf_counter() - started,
        warm_up_tokens_per_s=speed,
        options=held_options(job.options, job.options.op_offload and job.gpu_layers != 0),
    )


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


def checked_projector(text: GgufHeader, path: str) -> str:
    """The projector's file type. Refused here: what would abort the process, or be another model's."""
    try:
        header = gguf.read_header(Path(path))
    except TargetError as error:
        raise JobFailed("bad_file", f"projector: {error}") from error
    reason = vision_refusal(text, header)
    if reason is not None:
        raise JobFailed("bad_file", f"{reason.code} {reason.as_dict()}")
    return header.file_type or ""


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
            if job.options.huge_pages:
                advise_huge_pages()
        return True

    initialise()
    parameters = native.llama_model_default_params()
    kept = place(parameters, job, job.devices if device is None else (device,))
    if dry:
        parameters.no_alloc = True
        parameters.load_mode = LOAD_MODE_NONE  # neither mmap nor mlock, which no_alloc refuses
    callback = native.llama_progress_callback(on_progress)
    kept.append(callback)  # llama.cpp holds these pointers while it loads
    parameters.progress_callback = callback
    model = native.llama_model_load_from_file(os.fsencode(job.model), parameters)
    del kept
    if not model:
        kind, message = log.failure("llama.cpp could not load the file")
        raise JobFailed(kind, message)
    return model


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
    threads = job.threads or _usable_cpus()
    parameters.n_threads = parameters.n_threads_batch = threads
    context = native.llama_init_from_model(model, parameters)
    if not context:
        kind, message = log.failure("llama.cpp could not create the context")
        # What is no lack of memory concerns this way of running the file, not the file.
        raise JobFailed(kind if kind == "out_of_memory" else "unsupported", message)
    return context


def _usable_cpus() -> int:
    """Logical CPUs that this process may use."""
    if sys.platform.startswith("linux"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
