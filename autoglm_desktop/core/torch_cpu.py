"""What a folder takes and gives where transformers computes on the processor. Pure; integer bytes, tokens/s."""

from __future__ import annotations

from .memory import Budget, kv_bytes, ram_memory
from .rungs import DeviceMemory
from .subject import SafetensorsWeights, TextShape
from .torch_memory import TORCH_CPU_PROCESS_BYTES, TORCH_PEAK_BYTES, TORCH_PEAK_TOKENS


def processor_memory(
    shape: TextShape, weights: SafetensorsWeights, context: int, tokens: int, ram: Budget
) -> dict[str, DeviceMemory]:
    """Bytes in RAM by cause, 16 bits a parameter; ``tokens``: of the longest prefill."""
    vision = 2 * weights.vision
    text = 2 * weights.parameters - vision
    kv_cache = kv_bytes(shape, context, "f16")
    compute = TORCH_PEAK_BYTES * tokens // TORCH_PEAK_TOKENS
    private = text + vision + kv_cache + compute + TORCH_CPU_PROCESS_BYTES
    return {"ram": ram_memory(ram, text, kv_cache, compute, vision, TORCH_CPU_PROCESS_BYTES, 0, private)}


def processor_tokens_per_s(
    weights: SafetensorsWeights, shape: TextShape, filled: int, bytes_per_s: int | None
) -> float | None:
    """Decode: every weight but the embedding's other rows, and the filled KV cache, are read once per token, at the
    RAM's bandwidth. An upper bound, since nothing else is counted; None where the bandwidth is unknown."""
    read = 2 * (weights.layers + (weights.head or weights.embedding)) + kv_bytes(shape, filled, "f16")
    return bytes_per_s / read if bytes_per_s and read else None
