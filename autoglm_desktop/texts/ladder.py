"""The ladder in words: verdicts, rows, memory, speed."""

from __future__ import annotations

from ..core.rungs import ModelPlan, RungPlan
from ..core.units import format_bytes
from ..i18n import N_, _, ngettext
from . import reasons
from .values import listed, range_text

VERDICTS: dict[str, str] = {
    "runs_well": N_("runs well"),
    "runs": N_("runs"),
    "slow": N_("fits"),
    "cannot": N_("cannot run here"),
}

STATUSES: dict[str, str] = {
    "fits": N_("fits"),
    "too_big": N_("too big"),
    "unavailable": N_("not possible here"),
}

RUNGS: dict[str, str] = {
    "transformers-16bit": N_("GPU, 16 bit"),
    "transformers-int8": N_("GPU, 8 bit"),
    "transformers-nf4": N_("GPU, 4 bit (nf4)"),
    "transformers-nf4-lean": N_("GPU, 4 bit, lean"),
    "gguf-gpu": N_("GGUF, GPU"),
    "gguf-split": N_("GGUF, GPU + CPU"),
    "gguf-cpu": N_("GGUF, CPU"),
    "gguf-cpu-safe": N_("GGUF, CPU, safe"),
}
"""Short names, for tables."""

SHORT_REASONS: dict[str, str] = {
    "gpu_memory_short": N_("lacks {short_bytes} of GPU memory"),
    "ram_short": N_("lacks {short_bytes} of RAM"),
    "unified_memory_short": N_("lacks {short_bytes} of memory"),
}

DTYPES = {"bfloat16": "bf16", "float16": "fp16"}

WISHES: dict[str, str] = {
    "phone": N_("to drive a phone (screenshots)"),
    "text": N_("to chat in text"),
}


def verdict_text(plan: ModelPlan) -> str:
    return _(VERDICTS[plan.verdict])


def wish_text(wish: str) -> str:
    return _(WISHES[wish])


def rung_name(plan: RungPlan) -> str:
    return _("CPU, 16 bit") if plan.on_processor else _(RUNGS[plan.rung])


def variant_text(plan: RungPlan) -> str:
    """``Q4_K_M``; of safetensors the precision they are loaded in."""
    if plan.rung.startswith("transformers"):
        return DTYPES.get(plan.dtype or "", plan.dtype or "–")
    return plan.variant or "–"


def status_text(plan: RungPlan) -> str:
    return _(STATUSES[plan.status])


def memory_text(plan: RungPlan, *, ram: bool) -> str:
    """What a plan takes of RAM, or of GPU memory, without margins: ``6.0 GiB``; nothing as ``–``."""
    total = sum(device.total for key, device in plan.memory.items() if (key == "ram") == ram)
    return format_bytes(total) if total else "–"


def speed_text(plan: RungPlan) -> str:
    """Tokens/s for a table: ``29–39`` where estimated, ``34`` where measured, ``–`` where unknown."""
    return range_text(plan.tokens_per_s, measured=plan.basis.speed == "measured")


def why_text(plan: RungPlan) -> str:
    """What stands behind a row: its reason, else how it would be laid out."""
    if plan.reason is not None:
        short = SHORT_REASONS.get(plan.reason.code)
        return reasons.text(plan.reason) if short is None else reasons.filled(short, plan.reason)
    parts = []
    if plan.rung == "gguf-split" and plan.gpu_layers is not None:
        layers = ngettext("{count} layer on the GPU", "{count} layers on the GPU", plan.gpu_layers)
        parts.append(layers.format(count=plan.gpu_layers))
    if plan.projector == "cpu":
        parts.append(_("pictures on the CPU"))
    if plan.kv_type == "q8_0":
        parts.append(_("KV cache in 8 bits"))
    if plan.context is not None:
        parts.append(_("context {tokens}").format(tokens=f"{plan.context:,}"))
    return listed(parts)
