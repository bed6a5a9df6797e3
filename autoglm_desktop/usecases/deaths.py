"""What a failed answer means: the sentence for it, and whether the same question may be asked again. Pure."""

from __future__ import annotations

import re

from ..core import protocol
from ..core.errors import EngineError, Reason
from ..host.outcome import Exit

MOST_REPEATS = 3
"""How often one question is asked again by itself after an engine failed before its first word."""

REQUEST_CODES = ("context_full", "no_vision", "bad_picture", "image_too_large", protocol.BAD_SCHEMA)
"""Prefixes of refusals that have a sentence of their own (docs/engine-protocol.md); all others: request_refused."""
GPU_LOST_MARKS = (
    "device lost", "devicelost", "device_lost", "gpu is lost", "gpu_is_lost", "fallen off the bus",
    "device removed", "device_removed", "unspecified launch failure", "cudaerrorunknown", "uncorrectable ecc",
)  # fmt: skip
"""How Vulkan (VK_ERROR_DEVICE_LOST), NVML (GPU_IS_LOST), the kernel (Xid 79) and CUDA name a card that went away."""


_COUNTS = re.compile(r"([0-9]+) prompt tokens, ([0-9]+) in the context")


class Broken(Exception):
    """A generation ended with ``failed``. ``end``: the engine's end where it ended, too; ``spoken``: whether something
    of the answer has come; ``freed``: the user has ended the engine."""

    def __init__(
        self, event: protocol.Failed, end: Exit | None, *, spoken: bool = False, freed: bool = False
    ) -> None:
        super().__init__(event)
        self.event, self.end, self.spoken, self.freed = event, end, spoken, freed

    @property
    def refused(self) -> bool:
        """Only this request: the engine goes on."""
        return self.end is None and self.event.kind == "unsupported"

    @property
    def out_of_memory(self) -> bool:
        return self.event.kind == "out_of_memory"

    @property
    def gpu_lost(self) -> bool:
        message = self.event.message.lower()
        return self.event.kind == "crashed" and any(mark in message for mark in GPU_LOST_MARKS)

    @property
    def repeatable(self) -> bool:
        """Nothing was said yet and nobody wanted the end: the same question goes to the next engine."""
        return not (self.spoken or self.freed or self.refused)

    def error(self, rung: str) -> EngineError:
        """The one sentence."""
        detail = self.event.message
        if self.refused:
            code, _, rest = detail.partition(": ")
            if code == protocol.NO_GRAMMAR:
                return EngineError(code, rung=rung)
            if code in REQUEST_CODES:
                return EngineError(code, detail=_counts(rest) or rest or detail)
            return EngineError("request_refused", detail=detail)
        if self.freed:
            return EngineError("engine_freed")
        if self.out_of_memory:
            return EngineError("answer_out_of_memory", detail=detail, rung=rung)
        if self.gpu_lost:
            return EngineError("gpu_lost", detail=detail, rung=rung)
        return EngineError("engine_died", kind=self.event.kind, detail=detail, rung=rung)


def _counts(said: str) -> Reason | None:
    """An engine's numbers, for a sentence in the user's language."""
    found = _COUNTS.fullmatch(said)
    return Reason.of("context_tokens", tokens=int(found[1]), room_tokens=int(found[2])) if found else None
