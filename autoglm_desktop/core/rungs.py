"""The values of a ladder: rungs with their plan, memory by device and cause, speeds. Bytes, tokens/s, seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import Reason
from .protocol import EngineOptions

RUNGS = (
    "transformers-16bit",
    "transformers-int8",
    "transformers-nf4",
    "transformers-nf4-lean",
    "gguf-gpu",
    "gguf-split",
    "gguf-cpu",
    "gguf-cpu-safe",
)
"""All rung ids in the designed order of falling back."""

SAFE_TWINS = {"gguf-cpu": "gguf-cpu-safe"}
"""Where a crash on one rung is answered by the same rung with safer native options."""


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes that a plan takes on one device. ``total`` is without ``margin``; ``available`` is what is free now."""

    weights: int = 0
    kv_cache: int = 0
    compute: int = 0
    projector: int = 0
    overhead: int = 0
    margin: int = 0
    total: int = 0
    available: int | None = None
    mapped: int | None = None  # RAM only: pages of the file that stay in use
    private: int | None = None  # RAM only: the rest of ``total``
    copied: int | None = None  # RAM only, outside of ``total``: file pages read once that the system may drop


@dataclass(frozen=True)
class PhoneStep:
    """Tokens of one phone step: a screenshot, a prompt, a reply."""

    image_tokens: int
    prompt_tokens: int
    cached_tokens: int
    reply_tokens: int

    @property
    def tokens(self) -> int:
        """What a context must hold."""
        return self.image_tokens + self.prompt_tokens + self.reply_tokens


@dataclass(frozen=True)
class Basis:
    memory: str = "table"  # dry_run | header | table
    speed: str = "estimated"  # measured | estimated


@dataclass(frozen=True)
class RungPlan:
    """One rung of a ladder with its best plan. ``reason`` says why it is not ``fits``, or what is special."""

    rung: str
    variant: str | None = None
    dtype: str | None = None
    installed: bool = False
    engine_installed: bool = False
    download_bytes: int | None = None
    status: str = "unavailable"  # fits | too_big | unavailable
    reason: Reason | None = None
    context: int | None = None
    kv_type: str | None = None
    gpu_layers: int | None = None
    projector: str = "none"  # gpu | cpu | none
    projector_type: str | None = None  # f16 | q8_0; None without a projector
    layers_by_gpu: dict[str, int] = field(default_factory=dict)  # where several cards share ``gpu_layers``
    memory: dict[str, DeviceMemory] = field(default_factory=dict)
    tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    image_s: float | None = None
    load_s: float | None = None
    phone_step_s: float | None = None
    phone_step: PhoneStep | None = None
    basis: Basis = field(default_factory=Basis)

    @property
    def on_processor(self) -> bool:
        """Whether torch computes without a card: a plan in RAM alone."""
        return self.rung.startswith("transformers") and set(self.memory) == {"ram"}

    @property
    def options(self) -> EngineOptions:
        """Native options of this rung."""
        return EngineOptions(use_extra_bufts=self.rung != "gguf-cpu-safe")


@dataclass(frozen=True)
class Recommendation:
    rung: str
    variant: str
    download_bytes: int | None


@dataclass(frozen=True)
class ModelPlan:
    """The ladder of one model for one wish on one machine."""

    id: str
    wish: str  # phone | text
    verdict: str  # runs_well | runs | slow | cannot
    headline: Reason
    chosen: str | None
    recommended: Recommendation | None
    ladder: tuple[RungPlan, ...]

    def rung(self, name: str) -> RungPlan:
        """The plan of a rung id. Raises KeyError."""
        for plan in self.ladder:
            if plan.rung == name:
                return plan
        raise KeyError(name)


@dataclass(frozen=True)
class EngineState:
    """What the planner must know of an engine environment. ``self_test``: passed | safe_mode | failed | not_run."""

    name: str
    backend: str  # llama.cpp | transformers
    installed: bool
    self_test: str = "not_run"
    gpu: bool = False


@dataclass(frozen=True)
class CrashNote:
    """A crash remembered on this machine: ``rung`` is not offered again until cleared. ``variant``: the only one that
    it crashes with, None: any."""

    rung: str
    kind: str
    message: str
    variant: str | None = None
