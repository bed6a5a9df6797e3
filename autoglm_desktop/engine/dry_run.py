"""The buffers of a model's layouts, planned by llama.cpp itself: no weight is read, none is allocated.

``no_alloc`` of ``llama_model_params`` (docs/numbers.md, section 9: 0.17 s for AutoGLM-Phone-9B). llama.cpp then logs
0.00 MiB for weights and KV buffers; compute buffers and the KV cache's size are the real ones.
"""

from __future__ import annotations

from typing import Any

import llama_cpp.llama_cpp as native

from ..core import protocol
from . import llama_load
from .server import JobFailed


def dry_run(job: protocol.DryRun) -> protocol.Sizes:
    """Bytes by device and cause of each layout. Raises JobFailed; nothing stays allocated."""
    if not job.layouts:
        raise JobFailed("unsupported", "no layouts to lay out")
    llama_load.checked_header(job.model)
    sizes: dict[protocol.Layout, protocol.LayoutSizes] = {}
    for gpu_layers in dict.fromkeys(layout.gpu_layers for layout in job.layouts):
        group = [layout for layout in job.layouts if layout.gpu_layers == gpu_layers]
        model = llama_load.load_model(_as_load(job, group[0]), _silent, dry=True)
        try:
            for layout in dict.fromkeys(group):
                sizes[layout] = protocol.LayoutSizes(layout, _memory(model, _as_load(job, layout)))
        finally:
            native.llama_model_free(model)
    return protocol.Sizes(llama_load.build(), tuple(sizes[layout] for layout in job.layouts))


def _as_load(job: protocol.DryRun, layout: protocol.Layout) -> protocol.Load:
    return protocol.Load(
        job.backend, job.model, layout.context, layout.gpu_layers, layout.kv_type, options=job.options
    )


def _memory(model: Any, load: protocol.Load) -> dict[str, dict[str, int]]:
    log = llama_load.log
    log.forget()
    native.llama_free(llama_load.create_context(model, load))
    memory: dict[str, dict[str, int]] = {}
    for device, causes in log.memory.items():
        if causes.get("compute"):
            memory[device] = {"compute": causes["compute"]}
    for device, size in log.cache.items():
        if size:
            memory.setdefault(device, {})["kv_cache"] = size
    return memory


def _silent(_phase: str, _fraction: float) -> None:
    """Nothing is loaded: there is no progress to tell."""
