"""The ways to run a model by name, where it is said elsewhere on what they run."""

from __future__ import annotations

from ..i18n import N_, _

RUNGS = {
    "transformers-16bit": N_("16 bit (transformers)"),
    "transformers-int8": N_("8 bit (transformers)"),
    "transformers-nf4": N_("4 bit (transformers nf4)"),
    "transformers-nf4-lean": N_("4 bit, lean (transformers nf4)"),
    "gguf-gpu": N_("GGUF on the GPU"),
    "gguf-split": N_("GGUF, GPU and CPU together"),
    "gguf-cpu": N_("GGUF on the CPU"),
    "gguf-cpu-safe": N_("GGUF on the CPU, safe options"),
}
"""transformers computes on the processor, too, so its names say no device: a proof does."""


def rung_text(rung: str) -> str:
    return _(RUNGS[rung]) if rung in RUNGS else rung
