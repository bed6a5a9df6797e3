"""What badge and details say of the session's phase. Pure."""

from __future__ import annotations

from ...core.units import format_bytes
from ...i18n import _
from ...texts import errors, proof
from ...texts import session as texts
from ...texts.rungs import rung_text
from ...usecases.session import SessionState

TONES = {"ready": "good", "generating": "good", "loading": "busy", "installing": "busy", "failed": "bad"}


def word(state: SessionState) -> str:
    """The word in the pill."""
    if state.phase == "idle" and state.target is not None:
        return _("Not loaded")
    return {
        "idle": _("No model loaded"),
        "installing": _("Preparing the engine"),
        "loading": _("Loading"),
        "ready": _("Ready"),
        "generating": _("Answering"),
        "failed": _("Stopped"),
    }[state.phase]


def sentence(state: SessionState) -> str:
    """Rung, device, memory, speed: only what was measured; else what happens or has happened."""
    if state.phase == "failed":
        return errors.text(state.error) if state.error is not None else ""
    if state.phase == "installing" and state.install is not None:
        return texts.install_text(state.install)
    if state.phase == "loading":
        return texts.step_text(state.step) if state.step is not None else ""
    if state.proof is None or state.plan is None:
        return _unloaded(state)
    parts = [rung_text(state.plan.rung), texts.device_text(state.proof)]
    if state.memory is not None and state.memory.resident_bytes is not None:
        parts.append(_("{size} in RAM").format(size=format_bytes(state.memory.resident_bytes)))
    else:
        parts.append(format_bytes(texts.memory_bytes(state.proof)))
    if state.tokens_per_s is not None:
        parts.append(_("{speed} tokens/s").format(speed=f"{state.tokens_per_s:.1f}"))
    return " · ".join(parts)


def free_text(state: SessionState) -> str:
    """What freeing frees: the card's memory where the proof says that some is used."""
    return _("Free the GPU") if proof.uses_gpu(state) else _("Free the memory")


def _unloaded(state: SessionState) -> str:
    if state.target is None:
        return ""
    if state.unloaded == "idle":
        return _("Unloaded since nobody wrote for a while; the next message loads it again.")
    if state.unloaded == "freed":
        return _("Its memory is free; the next message loads it again.")
    return _("The next message loads it.")
