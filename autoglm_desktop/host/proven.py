"""Whether an engine really does what its plan said. Pure.

Not proven means failed: other programs call it "100 % GPU" while the processor computes (facts: ollama #7323), or leave
4 bits out silently (xorbitsai/inference #1768).
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..core import protocol
from ..core.errors import Reason
from ..core.rungs import RungPlan

QUANTISED = ("transformers-int8", "transformers-nf4", "transformers-nf4-lean")
GGUF_ON_GPU = ("gguf-gpu", "gguf-split")
LEAST_SHARE = 0.9
"""Of the planned weights at least so much lies on the card: a layer of forty is 2.5 %, a header's rounding less."""
MOST_SHARE = 1.15
"""A footprint above so much of the planned weights was not quantised: 16-bit layers take 2 to 4 times the bytes."""


def unproven(plan: RungPlan, job: protocol.Load, proof: protocol.Proof) -> Reason | None:
    """What the plan asked for and the engine did not do; None where the proof holds. What it doesn't tell (None, no
    bytes by device) is not held against it, but for layers and quantised modules, which were the point of the rung."""
    for judge in (_layers, _bytes, _modules, _footprint, _projector):
        reason = judge(plan, job, proof)
        if reason is not None:
            return reason
    return None


def in_plans_words(plan: RungPlan, job: protocol.Load, proof: protocol.Proof) -> protocol.Proof:
    """The proof with the plan's names of cards: a machine counts the cards of all makers, llama.cpp those it can use.
    What can't be told apart stays as the engine says it."""
    planned = tuple(plan.layers_by_gpu) or tuple(key for key in plan.memory if key.startswith("gpu:"))
    own = tuple(f"gpu:{_number(name)}" for name in job.devices)
    if not own:
        own = tuple(key for key in proof.memory if key.startswith("gpu:"))
        if len(own) != 1:
            return proof
    if len(own) != len(planned):
        return proof
    names = dict(zip(own, planned, strict=True))
    memory = {names.get(device, device): causes for device, causes in proof.memory.items()}
    return replace(proof, memory=memory) if len(memory) == len(proof.memory) else proof


def _number(device: str) -> int:
    """``CUDA1`` → 1; ``Metal`` → 0."""
    digits = re.search(r"\d+$", device)
    return int(digits[0]) if digits else 0


def told(reason: Reason) -> str:
    """The reason in plain English, for the log and for ``message`` of a try."""
    values = ", ".join(f"{key} {value}" for key, value in reason.values)
    return f"{reason.code}: {values}" if values else reason.code


def _layers(plan: RungPlan, job: protocol.Load, proof: protocol.Proof) -> Reason | None:
    if plan.rung not in GGUF_ON_GPU:
        return None
    wanted = proof.total_layers if job.gpu_layers < 0 else job.gpu_layers
    found = proof.gpu_layers or 0
    if wanted is not None and proof.total_layers is not None:
        wanted = min(wanted, proof.total_layers)
    if found >= (wanted or 1):
        return None
    return Reason.of("proof_layers", found=found, wanted=wanted)


def _bytes(plan: RungPlan, _job: protocol.Load, proof: protocol.Proof) -> Reason | None:
    cards = [memory for key, memory in plan.memory.items() if key.startswith("gpu:")]
    if not cards or plan.rung.startswith("gguf-cpu") or not proof.memory:
        return None
    wanted = sum(memory.weights for memory in cards)
    found = sum(causes.get("weights", 0) for key, causes in proof.memory.items() if key.startswith("gpu"))
    if found and found >= wanted * LEAST_SHARE:
        return None
    return Reason.of("proof_device_bytes", found_bytes=found, needed_bytes=wanted)


def _modules(plan: RungPlan, _job: protocol.Load, proof: protocol.Proof) -> Reason | None:
    if plan.rung in QUANTISED and not proof.quantised_modules:
        return Reason.of("proof_not_quantised", kind=plan.dtype or "")
    return None


def _footprint(plan: RungPlan, _job: protocol.Load, proof: protocol.Proof) -> Reason | None:
    if plan.rung not in QUANTISED or proof.footprint_bytes is None:
        return None
    wanted = sum(memory.weights + memory.projector for memory in plan.memory.values())
    if not wanted or proof.footprint_bytes <= wanted * MOST_SHARE:
        return None
    return Reason.of("proof_footprint", found_bytes=proof.footprint_bytes, needed_bytes=wanted)


def _projector(plan: RungPlan, job: protocol.Load, proof: protocol.Proof) -> Reason | None:
    if job.projector is None:
        seeing = plan.projector != "none" and plan.rung.startswith("gguf")
        return Reason.of("proof_no_projector") if seeing else None
    if proof.projector is None:
        return Reason.of("proof_no_projector")
    if job.projector.gpu and proof.projector.startswith("cpu"):
        return Reason.of("proof_projector_on_cpu")
    return None
