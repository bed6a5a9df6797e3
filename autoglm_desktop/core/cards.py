"""How much of its memory bandwidth a GPU turns into tokens, and how fast it reads a prompt.

``Cards`` holds resources/gpus.toml (read by ``probe.gpu_table``): public figures per card, and factors per architecture
for cards without one (docs/numbers.md, section 6). None of it was measured by this project.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from .card_names import split_name
from .card_values import LLAMA2_FLOP_PER_TOKEN, Architecture, Card, SpeedSource
from .machine import Gpu
from .units import GIB

TURING = (7, 5)
NVIDIA_EFFICIENCY = 0.70
OLD_NVIDIA_EFFICIENCY = 0.55  # before Turing
HBM_EFFICIENCY = 0.37
HBM_BYTES_PER_S = (
    1_200_000_000_000  # cards beyond it are judged like the A100, but for those that have a figure
)
AMD_EFFICIENCY = 0.70
INTEL_EFFICIENCY = 0.55
APPLE_EFFICIENCY = 0.75
APPLE_MAX_EFFICIENCY = 0.60
CPU_EFFICIENCY = 0.60
"""Of RAM bandwidth (0.6 to 0.7, the lower one)."""

LLAMA2_LAYERS_FLOP_PER_TOKEN = 2 * 6.476e9
"""Two for each weight in Llama-2-7B's 32 layers (4 x 4096 x 4096 + 3 x 4096 x 11008 each): what its prefill computes
for each token, since the output is computed once."""

_DECORATION = re.compile(r"\b(nvidia|geforce|amd|radeon|intel|apple|graphics|gpu|\(tm\)|\(r\)|\d+\s*gi?b)\b")


@dataclass(frozen=True)
class Cards:
    """The whole table; lookups are cheap enough for every placement of a plan."""

    rows: tuple[Card, ...] = ()
    architectures: tuple[Architecture, ...] = ()
    sources: tuple[SpeedSource, ...] = ()

    @cached_property
    def _by_words(self) -> dict[tuple[frozenset[str], bool], tuple[Card, ...]]:
        found: dict[tuple[frozenset[str], bool], tuple[Card, ...]] = {}
        for row in self.rows:
            for key in {(split_name(name)[0], row.laptop) for name in row.names}:
                found[key] = (*found.get(key, ()), row)
        return found

    def fitting(
        self,
        name: str | None,
        memory_bytes: int | None = None,
        vendor: str | None = None,
        gpu_cores: int | None = None,
    ) -> tuple[Card, ...]:
        """The rows that this card may be; several where its name, memory and cores leave it open."""
        words, laptop, size = split_name(name or "")
        if memory_bytes is not None:
            size = round(memory_bytes / GIB)  # a driver keeps some of it: "8 GB" may show as 7.6 GiB
        return tuple(
            row
            for row in self._by_words.get((words, laptop), ())
            if vendor in (None, row.vendor)
            and (row.memory_gib is None or size is None or row.memory_gib == size)
            and (row.gpu_cores is None or gpu_cores is None or row.gpu_cores == gpu_cores)
        )

    def find(
        self,
        name: str | None,
        memory_bytes: int | None = None,
        vendor: str | None = None,
        gpu_cores: int | None = None,
    ) -> Card | None:
        """The row of exactly this model; None where what is known leaves its bandwidth open."""
        rows = self.fitting(name, memory_bytes, vendor, gpu_cores)
        return rows[0] if len({row.bandwidth_gb_s for row in rows}) == 1 else None

    def of(self, gpu: Gpu) -> tuple[Card, ...]:
        return self.fitting(gpu.name, gpu.memory_total_bytes, gpu.vendor)

    def architecture(self, gpu: Gpu) -> Architecture | None:
        """By its row, else by its compute capability (where no two architectures share it)."""
        names = {row.architecture for row in self.of(gpu)}
        found = [item for item in self.architectures if item.name in names]
        if not found and gpu.vendor == "nvidia" and gpu.compute_capability is not None:
            found = [
                item for item in self.architectures if gpu.compute_capability in item.compute_capabilities
            ]
        return found[0] if len(found) == 1 else None

    def decode_efficiency(self, gpu: Gpu) -> float:
        """The share of the memory bandwidth that decoding reaches: the card's figure (the lowest of those it may be),
        its architecture's median, else a default."""
        known = [row.efficiency for row in self.of(gpu) if row.efficiency is not None]
        if known:
            return min(known)
        architecture = self.architecture(gpu)
        if architecture is not None and architecture.decode_efficiency is not None:
            return architecture.decode_efficiency
        return default_efficiency(gpu)

    def llama2_prefill(self, gpu: Gpu) -> float | None:
        """Llama-2-7B Q4_0 ``pp512`` in tokens/s where a figure of this very card is public, else None."""
        known = [row.prefill for row in self.of(gpu) if row.prefill is not None]
        return min(known, default=None)

    def llama2_prefill_estimate(self, gpu: Gpu) -> float | None:
        """``llama2_prefill`` of a card without a figure: FP32 arithmetic × its architecture's factor, else None."""
        architecture = self.architecture(gpu)
        if architecture is None:
            return None
        known = [prefill_of(row, architecture) for row in self.of(gpu)]
        return min((value for value in known if value is not None), default=None)

    def arithmetic(self, gpu: Gpu) -> float | None:
        """FLOP/s that a prefill reaches: by the card's public figure, else by its cores and clock (as the driver or the
        table tells them) and its architecture's factor; None where neither is known."""
        figure = self.llama2_prefill(gpu)
        architecture = self.architecture(gpu)
        factor = architecture.prefill_factor if architecture is not None else None
        if figure is None and gpu.cores and gpu.core_clock_mhz and factor:
            figure = factor * 2.0 * gpu.cores * gpu.core_clock_mhz * 1e6 / LLAMA2_FLOP_PER_TOKEN
        if figure is None:
            figure = self.llama2_prefill_estimate(gpu)
        return figure * LLAMA2_LAYERS_FLOP_PER_TOKEN if figure is not None else None


def prefill_of(card: Card, architecture: Architecture) -> float | None:
    """Tokens/s of ``pp512`` that the architecture's factor promises for a card; None without what it needs."""
    if architecture.prefill_per_core is not None and card.gpu_cores is not None:
        return architecture.prefill_per_core * card.gpu_cores
    if architecture.prefill_factor is None or card.fp32_flop_per_s is None:
        return None
    return architecture.prefill_factor * card.fp32_flop_per_s / LLAMA2_FLOP_PER_TOKEN


def default_efficiency(gpu: Gpu) -> float:
    """Of a card that no table knows."""
    name = short_name(gpu.name or "")
    if gpu.vendor == "amd":
        return AMD_EFFICIENCY
    if gpu.vendor == "intel":
        return INTEL_EFFICIENCY
    if gpu.vendor == "apple":
        return APPLE_MAX_EFFICIENCY if name.endswith((" max", " ultra")) else APPLE_EFFICIENCY
    if (gpu.memory_bandwidth_bytes_per_s or 0) > HBM_BYTES_PER_S:
        return HBM_EFFICIENCY
    old = name.startswith("gtx 10") if gpu.compute_capability is None else gpu.compute_capability < TURING
    return OLD_NVIDIA_EFFICIENCY if old else NVIDIA_EFFICIENCY


def short_name(name: str) -> str:
    """``NVIDIA GeForce RTX 4060`` → ``rtx 4060``; laptop parts keep the word and so match no desktop row."""
    text = _DECORATION.sub(" ", name.lower().replace("(r)", " ").replace("(tm)", " "))
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text).split())
