"""What a loaded transformers model really is: bytes by device, quantised modules, layers on the GPU.

Read from the modules themselves. Module classes of bitsandbytes are known by name, so that nothing here needs it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from ..core import protocol
from . import transformers_lean as lean
from .server import JobFailed
from .transformers_place import Placement

QUANTISED = {"int8": "Linear8bitLt", "nf4": "Linear4bit", "nf4-lean": "Linear4bit"}
KV_NAMES = {torch.float16: "f16", torch.bfloat16: "bf16", torch.float32: "f32"}
DTYPE_NAMES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}


def device_key(device: Any) -> str:
    """``ram`` or ``gpu:N``, as plans call devices."""
    return "ram" if device.type in ("cpu", "meta") else f"gpu:{device.index or 0}"


def bytes_by_device(model: Any) -> dict[str, dict[str, int]]:
    """Device → cause (``weights``, ``projector``: the vision part) → bytes of parameters, buffers and scales."""
    vision = _vision_prefix(model)
    found: dict[str, Counter[str]] = {}
    for name, tensor in _tensors(model):
        cause = "projector" if vision is not None and name.startswith(vision) else "weights"
        found.setdefault(device_key(tensor.device), Counter())[cause] += (
            tensor.numel() * tensor.element_size()
        )
    return {device: dict(causes) for device, causes in sorted(found.items())}


def footprint(memory: dict[str, dict[str, int]]) -> int:
    """Bytes of all weights, scales included (``get_memory_footprint`` leaves them out)."""
    return sum(causes.get("weights", 0) + causes.get("projector", 0) for causes in memory.values())


def _vision_prefix(model: Any) -> str | None:
    base = getattr(model, "model", None)
    for name in ("visual", "vision_tower"):
        if hasattr(base, name):
            return f"model.{name}."
    return None


def _tensors(model: Any) -> list[tuple[str, Any]]:
    tensors = [*model.named_parameters(), *model.named_buffers()]
    for name, parameter in model.named_parameters():
        tensors += [(name, scale) for scale in _scales(parameter)]
    tensors += [("", table) for table in lean.host_tables(model)]
    seen: set[int] = set()
    return [pair for pair in tensors if not (id(pair[1]) in seen or seen.add(id(pair[1])))]  # type: ignore[func-returns-value]


def _scales(parameter: Any) -> list[Any]:
    """bitsandbytes' scales, which it keeps beside its parameters."""
    scales = [getattr(parameter, "SCB", None)]
    state = getattr(parameter, "quant_state", None)
    while state is not None:
        scales += [state.absmax, state.code, getattr(state, "offset", None)]
        state = getattr(state, "state2", None)
    return [scale for scale in scales if isinstance(scale, torch.Tensor)]


def quantised_modules(model: Any) -> int:
    return sum(type(module).__name__ in QUANTISED.values() for module in model.modules())


def layers(model: Any) -> list[Any]:
    """The text layers, in order."""
    decoder = model.get_decoder()
    return list(getattr(decoder, "layers", []))


def gpu_layers(model: Any) -> tuple[int, int]:
    """(layers on GPUs, all layers); the output counts as one."""
    parts = [*layers(model), model.get_output_embeddings()]
    on_gpu = sum(
        all(parameter.device.type not in ("cpu", "meta") for parameter in part.parameters()) for part in parts
    )
    return on_gpu, len(parts)


def demand(model: Any, job: protocol.Load, place: Placement, memory: dict[str, dict[str, int]]) -> None:
    """Raise JobFailed(not_proven) where the model is not what the job asked for."""
    on_gpu = [device for device in memory if device != "ram"]
    offloaded = [
        name for name, parameter in model.named_parameters() if parameter.device.type in ("cpu", "meta")
    ]
    if place.wants_gpu and not on_gpu:
        raise JobFailed("not_proven", "gpu_not_used: no weight came to lie on a GPU")
    if place.wants_gpu and offloaded:
        raise JobFailed(
            "not_proven", f"not_on_gpu: {len(offloaded)} tensors stayed in RAM, {offloaded[0]} first"
        )
    if job.quantisation is not None:
        _demand_quantised(model, job.quantisation)
    if job.dtype is not None and DTYPE_NAMES.get(model.dtype) != job.dtype:
        raise JobFailed(
            "not_proven", f"dtype: {job.dtype} was asked for, the model computes in {model.dtype}"
        )


def _demand_quantised(model: Any, quantisation: str) -> None:
    wanted = QUANTISED[quantisation]
    kinds = Counter(type(module).__name__ for module in model.modules())
    if not kinds[wanted]:
        raise JobFailed("not_proven", f"not_quantised: the model has no {wanted}")
    text = [
        module for layer in layers(model) for module in layer.modules() if type(module) is torch.nn.Linear
    ]
    if text:
        raise JobFailed(
            "not_proven", f"not_quantised: {len(text)} linear layers of the text part are not {wanted}"
        )
    if quantisation == "nf4-lean" and kinds["Linear"]:
        plain = next(name for name, module in model.named_modules() if type(module) is torch.nn.Linear)
        raise JobFailed("not_proven", f"not_quantised: {lean.plain_name(plain)} is not {wanted}")
