"""How many bytes a rung takes, by device and cause. Pure; integer bytes.

Section numbers are those of docs/numbers.md (sizes measured with llama.cpp 0c1e57098's own
dry run, no GPU at hand: on a real card its context and pools come on top, which is ``overhead`` and margin).
GGUF placements count llama.cpp's way: ``gpu_layers`` k puts the output and the last k - 1 layers on the GPU;
the embedding always stays in RAM. The engine computes logits for one token only (``n_outputs_max=1``) and has
flash attention on; the formulas hold for that.

In RAM ``mapped`` are the pages of the file that stay in use: every token reads them again. ``private`` is what the
process holds itself: copied weights, KV cache, buffers, its own part. ``total`` is both, and what must be free: with
less, each token would read from the disk. Weights that the CPU kernels copy count once, as private. The pages of the
file they were copied from are ``copied``, outside of ``total``: they stay in the process (its resident size is
``total`` + ``copied``, section 5) while there is room; nothing reads them again, and dropping them costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .gpu_states import own_bytes
from .machine import Gpu, Machine
from .protocol import Layout
from .rungs import DeviceMemory
from .subject import GgufWeights, ProjectorWeights, TextShape
from .units import GIB, MIB

UBATCH = 512
"""Tokens of one prefill batch (llama.cpp's default ``n_ubatch``)."""

KV_BITS = {"f16": 16.0, "q8_0": 8.5}
"""Bits per element of the KV cache; AutoGLM: 40,960 and 21,760 bytes a token (section 1)."""
KV_CELLS = 256
"""llama.cpp rounds the context up to whole blocks of cells."""

PROJECTOR_BYTES_PER_TOKEN = int(0.2433 * MIB)
"""Buffer of the glm4v projector per image token with flash attention: 816 MiB for 3354 (section 5)."""
IMAGE_TOKENS = 3354
"""A 1080 x 2400 screenshot (section 5)."""

GPU_CONTEXT_BYTES = 330 * MIB
LARGE_GPU_CONTEXT_BYTES = 555 * MIB
LARGE_GPU_BYTES = 20 * GIB
"""What the driver's context takes: 107 MiB (RTX 4060 Ti) to 555 MiB (RTX PRO 6000) are reported, growing with
the card's multiprocessors; 330 MiB is what others assume (section 5). The larger one from 20 GiB on."""

GPU_MARGIN_BYTES = 300 * MIB
DISPLAY_MARGIN_BYTES = 600 * MIB
"""Left free on a GPU without and with a display; a card that won't say counts as one with."""
GPU_IN_USE_WHERE_UNKNOWN = 1_600_000_000
"""A desktop takes 0.3 to 1.6 GB (section 5): subtracted where free memory is not told."""

RAM_MARGIN_BYTES = 512 * MIB
"""Left free in RAM (an assumption)."""
RAM_IN_USE_WHERE_UNKNOWN = 3 * GIB
"""Subtracted where available memory is not told (an assumption)."""
UNIFIED_GPU_SHARE = 2 / 3
"""What macOS lets a GPU take of the unified memory by default (an assumption)."""

LLAMA_PROCESS_BYTES = 90 * MIB
"""The engine process with its libraries, without the model: 68 to 76 MiB measured with a vocabulary of 151,552 words
and no merges (section 5); the rest is for a real tokenizer's merges (an assumption)."""
GPU_PREFILL_HOST_FLOATS = 2
"""Embeddings that llama.cpp keeps on the host per batch token beside the mask: 24 MiB at 8K (section 5)."""

_AMX_TYPES = frozenset(("Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"))
_REPACK_TYPES: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset(("avx2",)), frozenset(("Q4_0", "Q4_K", "IQ4_NL", "MXFP4"))),
    (frozenset(("avx512f",)), frozenset(("Q2_K",))),
    (frozenset(("neon", "dotprod")), frozenset(("Q4_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "Q8_0", "MXFP4"))),
)


@dataclass(frozen=True)
class Budget:
    """What a device has for a plan. ``available``: free now; ``limit``: what a plan may take of it, with what this
    program's own engine holds (``own``) and gives back. None: unknown, nothing can be promised."""

    key: str
    available: int | None
    limit: int | None
    margin: int
    overhead: int = 0
    own: int = 0

    def lacks(self, device: DeviceMemory | None) -> int:
        """Bytes that are missing for a plan; 0 and less: it fits, or nobody knows."""
        if device is None or not device.total or self.limit is None:
            return 0
        return device.total + self.margin - self.limit


@dataclass(frozen=True)
class Placement:
    """Where and how a GGUF is laid out. ``projector``: gpu | cpu | none, of ``projector_type`` f16 | q8_0;
    ``image_tokens``: of the largest image; ``repack``: CPU kernels may copy; ``split``: how many of ``gpu_layers``
    lie on each card, () where there is one."""

    context: int
    kv_type: str = "f16"
    gpu_layers: int = 0
    projector: str = "none"
    repack: bool = False
    projector_type: str = "f16"
    image_tokens: int = IMAGE_TOKENS
    split: tuple[int, ...] = ()

    @property
    def layout(self) -> Layout:
        """As an engine's dry run names it."""
        return Layout(self.context, self.kv_type, self.gpu_layers)


def gpu_budget(gpu: Gpu, machine: Machine) -> Budget:
    """Free memory of a GPU, with what its driver and the desktop will take of it. What this program's own engine
    holds counts as free: it ends before another one loads."""
    total, free = gpu.memory_total_bytes, gpu.memory_free_bytes
    if gpu.vendor == "apple" and total is None and machine.memory.total_bytes is not None:
        total = int(machine.memory.total_bytes * UNIFIED_GPU_SHARE)
    own = own_bytes(gpu.processes) if free is not None else 0
    limit = _with_own(free, own, total, gpu.memory_reserved_bytes)
    if limit is None and total is not None:
        in_use = 0 if gpu.vendor == "apple" else GPU_IN_USE_WHERE_UNKNOWN
        limit = max(total - in_use, 0)
    large = total is not None and total >= LARGE_GPU_BYTES and gpu.vendor == "nvidia"
    return Budget(
        key=f"gpu:{gpu.index}",
        available=free,
        limit=limit,
        margin=GPU_MARGIN_BYTES if gpu.display_attached is False else DISPLAY_MARGIN_BYTES,
        overhead=LARGE_GPU_CONTEXT_BYTES if large else GPU_CONTEXT_BYTES,
        own=own,
    )


def ram_budget(machine: Machine) -> Budget:
    """Available RAM, with what this program's own engine gives back; where only the total is known, what a desktop
    leaves of it."""
    available, total = machine.memory.available_bytes, machine.memory.total_bytes
    own = own_bytes(machine.memory.programs) if available is not None else 0
    limit = _with_own(available, own, total)
    if limit is None and total is not None:
        limit = max(total - RAM_IN_USE_WHERE_UNKNOWN, 0)
    return Budget("ram", available, limit, RAM_MARGIN_BYTES, own=own)


def _with_own(free: int | None, own: int, total: int | None, reserved: int | None = None) -> int | None:
    """Never more than there is."""
    if free is None or not own:
        return free
    return free + own if total is None else max(min(free + own, total - (reserved or 0)), free)


def kv_bytes(shape: TextShape, tokens: int, kv_type: str) -> int:
    """KV cache of all layers for ``tokens`` cells."""
    return int(shape.kv_elements * tokens * KV_BITS[kv_type] / 8)


def kv_on_gpu(shape: TextShape, total: int, gpu_layers: int) -> int:
    """The part of a KV cache that lies with its layers on the GPU."""
    layers = min(max(gpu_layers - 1, 0), shape.layers)
    return total * layers // shape.layers if shape.layers else 0


def repacked_bytes(weights: GgufWeights, features: Iterable[str]) -> int:
    """Weights that the CPU kernels copy into a layout of their own (section 5: 4801 of 5872 MiB with AMX).

    By tensor type and instruction set as in llama.cpp's ``ggml-cpu/repack.cpp`` and ``amx/common.h``. No copy
    where the CPU has none of these.
    """
    present = set(features)
    types: set[str] = set()
    for needed, kinds in _REPACK_TYPES:
        if needed <= present:
            types |= kinds
    if "amx_int8" in present:
        types |= _AMX_TYPES
    return sum(size for kind, size in weights.matmul_bytes.items() if kind in types)


def gguf_memory(
    shape: TextShape,
    weights: GgufWeights,
    projector: ProjectorWeights | None,
    place: Placement,
    gpus: tuple[Budget, ...],
    ram: Budget,
    features: Iterable[str] = (),
    dry: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, DeviceMemory]:
    """Bytes by device and cause of a GGUF laid out like ``place``; ``gpus``: the cards it uses, the first of them with
    the projector. ``dry``: KV cache and compute buffers by device as an engine's dry run told them."""
    memory = cards_memory(shape, weights, projector, place, gpus, dry)
    kv = kv_bytes(shape, cells(place.context), place.kv_type)
    host_vision = vision_bytes(projector, place) if place.projector == "cpu" else 0
    k = place.gpu_layers if gpus else 0
    memory["ram"] = _host_memory(
        shape, weights, place, k, ram, kv, host_vision, features, (dry or {}).get("ram", {})
    )
    return memory


def cards_memory(
    shape: TextShape,
    weights: GgufWeights,
    projector: ProjectorWeights | None,
    place: Placement,
    gpus: tuple[Budget, ...],
    dry: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, DeviceMemory]:
    """The cards' part of ``gguf_memory``."""
    kv = kv_bytes(shape, cells(place.context), place.kv_type)
    vision = vision_bytes(projector, place) if place.projector == "gpu" else 0
    memory: dict[str, DeviceMemory] = {}
    k = behind = place.gpu_layers
    for number, (budget, count) in enumerate(zip(gpus, place.split or (k,), strict=False)):
        told = (dry or {}).get(budget.key, {})
        kv_here = kv_on_gpu(shape, kv, behind) - kv_on_gpu(shape, kv, behind - count)
        compute = gpu_compute_bytes(shape, place.context, full=k > shape.layers) if count else 0
        memory[budget.key] = device_memory(
            budget,
            weights=weights.table.on_gpu(behind) - weights.table.on_gpu(behind - count),
            kv_cache=told.get("kv_cache", kv_here),
            compute=told.get("compute", compute),
            projector=0 if number else vision,
        )
        behind -= count
    return memory


def vision_bytes(projector: ProjectorWeights | None, place: Placement) -> int:
    """The projector with its buffer for the largest image."""
    if projector is None or place.projector == "none":
        return 0
    return projector.bytes_as(place.projector_type) + PROJECTOR_BYTES_PER_TOKEN * place.image_tokens


def layers_on_gpu(shape: TextShape, weights: GgufWeights, place: Placement) -> tuple[int, ...]:
    """Weights and KV cache that ``n_gpu_layers`` = 0, 1, 2 … to all take: each at least what the one before takes."""
    kv = kv_bytes(shape, cells(place.context), place.kv_type)
    return tuple(weights.table.on_gpu(k) + kv_on_gpu(shape, kv, k) for k in range(shape.layers + 2))


def room_for_layers(
    shape: TextShape, projector: ProjectorWeights | None, place: Placement, gpus: tuple[Budget, ...]
) -> tuple[int, ...]:
    """Bytes that each card has for ``layers_on_gpu``, with everything else that comes to lie on it taken off. Below 0
    where not even that fits."""
    compute = gpu_compute_bytes(shape, place.context, full=place.gpu_layers > shape.layers)
    vision = vision_bytes(projector, place) if place.projector == "gpu" else 0
    return tuple(
        (budget.limit or 0) - budget.margin - budget.overhead - compute - (0 if number else vision)
        for number, budget in enumerate(gpus)
    )


def _host_memory(
    shape: TextShape,
    weights: GgufWeights,
    place: Placement,
    k: int,
    ram: Budget,
    kv: int,
    vision: int,
    features: Iterable[str],
    told: Mapping[str, int],
) -> DeviceMemory:
    table = weights.table
    stored = table.total - (table.on_gpu(k) - (table.embedding if table.tied and k else 0))
    copied = repacked_bytes(weights, features) if place.repack and not k else 0
    compute = host_compute_bytes(shape, place.context) if k else cpu_compute_bytes(shape, place.context)
    compute = told.get("compute", compute)
    kv_here = told.get("kv_cache", kv - kv_on_gpu(shape, kv, k))
    mapped = max(stored - copied, 0)
    private = stored - mapped + kv_here + compute + vision + LLAMA_PROCESS_BYTES
    return ram_memory(
        ram, stored, kv_here, compute, vision, LLAMA_PROCESS_BYTES, mapped, private, stored - mapped
    )


def cells(context: int) -> int:
    """The cells that llama.cpp makes for a context."""
    return -(-context // KV_CELLS) * KV_CELLS


def gpu_compute_bytes(shape: TextShape, context: int, *, full: bool) -> int:
    """llama.cpp's compute buffer on a GPU, one token's logits: AutoGLM 112 MiB, 145 with layers in RAM.

    Measured for AutoGLM (section 5); for other shapes the same counts of intermediate rows.
    """
    rows = 3 * shape.feed_forward + (4 if full else 8) * shape.embedding
    return 4 * min(UBATCH, context) * rows


def host_compute_bytes(shape: TextShape, context: int) -> int:
    """The host's share where layers are on a GPU: 24 MiB for AutoGLM at 8K (section 5)."""
    batch = min(UBATCH, context)
    return 4 * batch * GPU_PREFILL_HOST_FLOATS * shape.embedding + mask_bytes(batch, context)


def cpu_compute_bytes(shape: TextShape, context: int) -> int:
    """llama.cpp's compute buffer without a GPU: AutoGLM 116 MiB at 4K, 120 at 8K, 128 at 16K.

    Measured with a dry run of a file of AutoGLM's shapes, ``n_outputs_max=1``, flash attention on.
    """
    batch = min(UBATCH, context)
    return gpu_compute_bytes(shape, context, full=True) + mask_bytes(batch, context)


def mask_bytes(batch: int, context: int) -> int:
    """The attention mask: 16 bits per cell and token of the batch."""
    return 2 * batch * context


def device_memory(budget: Budget, weights: int, kv_cache: int, compute: int, projector: int) -> DeviceMemory:
    """A GPU's causes with its overhead; nothing on it takes nothing."""
    used = weights + kv_cache + compute + projector
    overhead = budget.overhead if used else 0
    return DeviceMemory(
        weights=weights,
        kv_cache=kv_cache,
        compute=compute,
        projector=projector,
        overhead=overhead,
        margin=budget.margin,
        total=used + overhead,
        available=budget.available,
    )


def ram_memory(
    budget: Budget,
    weights: int,
    kv_cache: int,
    compute: int,
    projector: int,
    overhead: int,
    mapped: int,
    private: int,
    copied: int = 0,
) -> DeviceMemory:
    """RAM's causes; ``mapped`` and ``private`` together are the total."""
    return DeviceMemory(
        weights=weights,
        kv_cache=kv_cache,
        compute=compute,
        projector=projector,
        overhead=overhead,
        margin=budget.margin,
        total=mapped + private,
        available=budget.available,
        mapped=mapped,
        private=private,
        copied=copied,
    )
