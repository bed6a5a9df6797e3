"""The ladder in words: verdicts, rows, memory, speed."""

from __future__ import annotations

from autoglm_desktop.core.rungs import ModelPlan, RungPlan
from autoglm_desktop.core.units import format_bytes
from autoglm_desktop.i18n import N_, _

from . import reasons
from .session import rung_text
from .values import range_text

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

WISHES: dict[str, str] = {
    "phone": N_("to drive a phone (screenshots)"),
    "text": N_("to chat in text"),
}


def verdict_text(plan: ModelPlan) -> str:
    return _(VERDICTS[plan.verdict])


def wish_text(wish: str) -> str:
    return _(WISHES[wish])


def rung_name(plan: RungPlan) -> str:
    return rung_text(plan.rung)


def variant_text(plan: RungPlan) -> str:
    """``Q4_K_M``; of safetensors the precision they are loaded in."""
    if plan.rung.startswith("transformers"):
        return plan.dtype or plan.variant or "–"
    return plan.variant or "–"


def status_text(plan: RungPlan) -> str:
    return _(STATUSES[plan.status])


def memory_text(plan: RungPlan) -> str:
    """``GPU 6.0 GiB + RAM 453 MiB``: what the plan takes, without margins."""
    parts = []
    for key, device in plan.memory.items():
        name = "RAM" if key == "ram" else "GPU" if key == "gpu:0" else key.upper().replace(":", " ")
        if device.total:
            parts.append(f"{name} {format_bytes(device.total)}")
    return " + ".join(parts) or "–"


def speed_text(plan: RungPlan) -> str:
    """Tokens/s for a table: ``29–39`` where estimated, ``34`` where measured, ``–`` where unknown."""
    return range_text(plan.tokens_per_s, measured=plan.basis.speed == "measured")


def why_text(plan: RungPlan) -> str:
    """What stands behind a row: its reason, else how it would be laid out."""
    if plan.reason is not None:
        return reasons.text(plan.reason)
    parts = []
    if plan.rung == "gguf-split" and plan.gpu_layers is not None:
        parts.append(_("{count} layers on the GPU").format(count=plan.gpu_layers))
    if plan.projector == "cpu":
        parts.append(_("pictures on the CPU"))
    if plan.kv_type == "q8_0":
        parts.append(_("KV cache in 8 bits"))
    if plan.context is not None:
        parts.append(_("context {tokens}").format(tokens=f"{plan.context:,}"))
    return ", ".join(parts)
