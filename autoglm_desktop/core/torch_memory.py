"""How many bytes a transformers rung takes, by device and cause. Pure; integer bytes.

Section numbers are those of docs/numbers.md. nf4 keeps vision and head in 16 bits; nf4-lean quantises both and
keeps the embedding in RAM; int8 quantises the text layers.
"""

from __future__ import annotations

from .memory import Budget, device_memory, kv_bytes, ram_memory
from .rungs import DeviceMemory
from .subject import SafetensorsWeights, TextShape
from .units import GIB, MIB

TORCH_PROCESS_BYTES = 2 * GIB
"""The transformers process beside a GPU, without weights (an assumption, unmeasured)."""
TORCH_CPU_PROCESS_BYTES = 400 * MIB
"""The same with torch's CPU build: 291 MiB of its own (measured: docs/measured.md, quantised_bytes), rounded up."""
TORCH_TRANSIENT_BYTES = 1_240_000_000
"""The largest tensor on its way to the GPU: embedding or head (section 8)."""
TORCH_PEAK_BYTES = 1_500_000_000
TORCH_PEAK_TOKENS = 5_900
"""Activations with SDPA: estimated 1 to 1.5 GB for 3.4K image + 2.5K text tokens (section 5, unmeasured)."""
DEQUANTISE_BYTES = 224 * MIB
"""bitsandbytes' prefill dequantises one weight at a time (section 5)."""
NF4_BYTES = 0.5159
"""Bytes per parameter of nf4 with double quantisation (section 1): half a byte, one byte for the scale of 64
parameters, four for the scale of 256 such scales: 1/2 + 1/64 + 4/(64 * 256). Left out are bitsandbytes' tables of
1.1 KiB a matrix and the norms and biases, which stay in 16 bits: 0.03 to 0.06 % of a billion parameters, 2 to 5 % of
a tiny model (measured: docs/measured.md, quantised_bytes)."""
INT8_BYTES = 1.0
"""Left out: four bytes for the scale of each output row, 0.1 % of a billion parameters."""


def transformers_memory(
    rung: str,
    shape: TextShape,
    weights: SafetensorsWeights,
    context: int,
    tokens: int,
    gpu: Budget,
    ram: Budget,
) -> dict[str, DeviceMemory]:
    """Bytes by device and cause of a transformers rung; ``tokens`` are those of its longest prefill."""
    lean = rung == "transformers-nf4-lean"
    vision = transformers_vision_bytes(rung, weights)
    quantised = rung != "transformers-16bit"
    on_host = 2 * weights.embedding if lean else 0
    compute = TORCH_PEAK_BYTES * tokens // TORCH_PEAK_TOKENS + (DEQUANTISE_BYTES if quantised else 0)
    gpu_memory = device_memory(
        gpu,
        weights=transformers_text_bytes(rung, weights) - on_host,
        kv_cache=kv_bytes(shape, context, "f16"),
        compute=compute,
        projector=vision,
    )
    private = on_host + TORCH_TRANSIENT_BYTES + TORCH_PROCESS_BYTES
    host = ram_memory(ram, on_host, 0, TORCH_TRANSIENT_BYTES, 0, TORCH_PROCESS_BYTES, 0, private)
    return {gpu.key: gpu_memory, "ram": host}


def transformers_text_bytes(rung: str, weights: SafetensorsWeights) -> int:
    """Embedding, layers and head as a rung keeps them."""
    embedding, head = 2 * weights.embedding, 2 * weights.head
    match rung:
        case "transformers-int8":
            return embedding + head + int(weights.layers * INT8_BYTES)
        case "transformers-nf4":
            return embedding + head + int(weights.layers * NF4_BYTES)
        case "transformers-nf4-lean":
            return embedding + int((weights.layers + weights.head) * NF4_BYTES)
    return embedding + head + 2 * weights.layers


def transformers_vision_bytes(rung: str, weights: SafetensorsWeights) -> int:
    """The vision part: 16 bits, but for nf4-lean, which quantises its linear layers."""
    if rung != "transformers-nf4-lean":
        return 2 * weights.vision
    return int(weights.vision_linear * NF4_BYTES) + 2 * (weights.vision - weights.vision_linear)
