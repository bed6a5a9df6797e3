"""Rows of resources/gpus.toml: cards, architectures and where their speeds were read. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .units import GB

LLAMA2_FLOP_PER_TOKEN = 2 * 6.74e9
"""Llama-2-7B's parameters, twice: what turns a prefill figure into arithmetic per second."""
LLAMA2_TOKEN_BYTES = 3.749e9
"""What Llama-2-7B Q4_0 reads per token: the file of 3.56 GiB without the embedding of 32000 × 4096 weights."""

PREFILL_BACKENDS: Mapping[str, frozenset[str]] = {
    "nvidia": frozenset(("CUDA",)),
    "amd": frozenset(("ROCm", "Vulkan")),
    "intel": frozenset(("SYCL", "Vulkan")),
    "apple": frozenset(("Metal",)),
}
"""Whose prefill figures count: on NVIDIA cards Vulkan says little about CUDA."""


@dataclass(frozen=True)
class Card:
    """One row of gpus.toml. GB/s are decimal; speeds are tokens/s of Llama-2-7B Q4_0 in llama.cpp.

    ``verified``: read in the primary place. ``memory_gib`` tells apart cards that share a name, ``gpu_cores`` Apple's;
    ``vram_gib`` is the memory where the name is enough. ``shaders`` and ``boost_mhz`` (of a laptop: at the table's
    power) give the FP32 arithmetic.
    """

    names: tuple[str, ...]
    vendor: str  # nvidia | amd | intel | apple
    bandwidth_gb_s: float | None = None  # None: that of the machine's RAM
    source: str = ""
    architecture: str | None = None
    memory_gib: int | None = None
    vram_gib: int | None = None
    laptop: bool = False
    integrated: bool = False
    gpu_cores: int | None = None
    shaders: int | None = None
    boost_mhz: int | None = None
    power_w: float | None = None
    pp512: float | None = None
    tg128: float | None = None
    pp512_fa: float | None = None  # with flash attention
    tg128_fa: float | None = None
    decode_efficiency: float | None = None  # told in another way than by tg128
    backend: str | None = None
    build: str | None = None
    speed_source: str | None = None
    speed_note: str | None = None
    verified: bool = False

    @property
    def memory(self) -> int | None:
        """GiB of the card's own memory."""
        return self.memory_gib or self.vram_gib

    @property
    def fp32_flop_per_s(self) -> float | None:
        """Shaders × 2 × boost clock; dual issue and tensor cores don't count."""
        if self.shaders is None or self.boost_mhz is None:
            return None
        return self.shaders * 2 * self.boost_mhz * 1e6

    @property
    def efficiency(self) -> float | None:
        """The share of the bandwidth that its decode figure shows."""
        figure = self.tg128 or self.tg128_fa
        if self.decode_efficiency is not None or figure is None or self.bandwidth_gb_s is None:
            return self.decode_efficiency
        return figure * LLAMA2_TOKEN_BYTES / (self.bandwidth_gb_s * GB)

    @property
    def prefill(self) -> float | None:
        """Its prefill figure, without flash attention where both are public (the lower one)."""
        native = self.backend in PREFILL_BACKENDS.get(self.vendor, ())
        return (self.pp512 or self.pp512_fa) if native else None


@dataclass(frozen=True)
class Architecture:
    """Medians (and spread) over the cards with a public figure.

    ``prefill_factor``: arithmetic shown by pp512 over the FP32 peak; above 1 thanks to integer and tensor units.
    ``prefill_per_core``: pp512 per GPU core (Apple).
    """

    name: str
    vendor: str
    backend: str
    compute_capabilities: tuple[tuple[int, int], ...] = ()
    prefill_factor: float | None = None
    prefill_per_core: float | None = None
    prefill_low: float | None = None
    prefill_high: float | None = None
    prefill_cards: tuple[str, ...] = ()
    decode_efficiency: float | None = None
    decode_low: float | None = None
    decode_high: float | None = None
    decode_cards: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpeedSource:
    """Where figures are from: ``address`` the primary place, ``read_at`` the copy that was read, ``date`` of it."""

    id: str
    title: str
    address: str
    read_at: str | None = None
    date: str | None = None
