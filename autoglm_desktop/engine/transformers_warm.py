"""The warm-up of a transformers model: a small prefill, two decodes, a picture; measured for the proof."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from .server import JobFailed
from .transformers_pictures import PictureReader, encode
from .transformers_proof import KV_NAMES, device_key

BATCH = 512
"""Tokens of one forward in prefill: bounds the memory of activations, and how long a cancel waits on a GPU."""
FEW_TOKENS = 4
LEAST_IMAGE_TOKENS = 16


@dataclass(frozen=True)
class WarmUp:
    """``kv_cache``: bytes that a full context takes, ``compute``: the peak above weights and cache, both by device;
    ``vision``: the vision part's place and class."""

    tokens_per_s: float | None
    kv_type: str | None
    image_s: float | None = None
    vision: str | None = None
    kv_cache: dict[str, int] = field(default_factory=dict)
    compute: dict[str, int] = field(default_factory=dict)


def warm_up(
    model: Any, device: Any, context: int, pictures: PictureReader | None, image_tokens: int
) -> WarmUp:
    """Run what a request would run, so that a crash or a lack of memory comes before ``ready``.

    On GPUs the cache of a whole context is reserved meanwhile. Raises JobFailed(not_proven) for numbers that are none.
    """
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        _forward(model, device, cache, min(FEW_TOKENS, context))
        _forward(model, device, cache, 1)
        seconds = _forward(model, device, cache, 1)
        per_token, kinds = _kv(cache)
        before = _allocated()
        reserved = [
            torch.empty(size * context, dtype=torch.uint8, device=where)
            for where, size in per_token.items()
            if where.type != "cpu"
        ]
        image_s = _picture(model, device, pictures, image_tokens) if pictures is not None else None
        if reserved:
            _forward(model, device, DynamicCache(config=model.config), min(BATCH, context))
    taken = {device_key(tensor.device): tensor.numel() for tensor in reserved}
    return WarmUp(
        tokens_per_s=1 / seconds if seconds > 0 else None,
        kv_type=KV_NAMES.get(next(iter(kinds), None)),
        image_s=image_s,
        vision=_vision(model) if pictures is not None else None,
        kv_cache={device_key(where): size * context for where, size in per_token.items()},
        compute={key: peak - before.get(key, 0) - taken.get(key, 0) for key, peak in _peak().items()},
    )


def _forward(model: Any, device: Any, cache: Any, count: int) -> float:
    """Seconds of one forward. Raises JobFailed(not_proven)."""
    begun = time.perf_counter()
    ids = torch.zeros((1, count), dtype=torch.long, device=device)
    logits = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    finite = bool(logits[0, -1].isfinite().all())  # waits for a GPU, too
    if not finite:
        raise JobFailed("not_proven", f"not_finite: the model's answers in {model.dtype} are no numbers")
    return time.perf_counter() - begun


def _picture(model: Any, device: Any, pictures: PictureReader, image_tokens: int) -> float:
    picture = pictures.blank(max(image_tokens, LEAST_IMAGE_TOKENS))
    begun = time.perf_counter()
    float(encode(model, device, pictures, picture)[0, 0])
    return time.perf_counter() - begun


def _vision(model: Any) -> str:
    part = model.model.visual
    on_cpu = any(parameter.device.type in ("cpu", "meta") for parameter in part.parameters())
    return f"{'cpu' if on_cpu else 'gpu'} {type(part).__name__}"


def _kv(cache: Any) -> tuple[dict[Any, int], set[Any]]:
    """(bytes of one token's keys and values by device, their types)"""
    sizes: dict[Any, int] = {}
    kinds = set()
    for layer in cache.layers:
        for tensor in (getattr(layer, "keys", None), getattr(layer, "values", None)):
            if isinstance(tensor, torch.Tensor) and tensor.ndim == 4 and tensor.shape[-2]:
                key = tensor.device
                sizes[key] = sizes.get(key, 0) + tensor.numel() // tensor.shape[-2] * tensor.element_size()
                kinds.add(tensor.dtype)
    return sizes, kinds


def _allocated() -> dict[str, int]:
    if not torch.cuda.is_available():
        return {}
    count = range(torch.cuda.device_count())
    for index in count:
        torch.cuda.reset_peak_memory_stats(index)
    return {f"gpu:{index}": size for index in count if (size := torch.cuda.memory_allocated(index))}


def _peak() -> dict[str, int]:
    if not torch.cuda.is_available():
        return {}
    count = range(torch.cuda.device_count())
    return {f"gpu:{index}": size for index in count if (size := torch.cuda.max_memory_allocated(index))}
