"""What ``/health`` tells."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from ..core import protocol
from ..usecases.serve import Served, is_up
from ..usecases.serve_gate import Gate, Live
from ..usecases.session import SessionState
from .public_errors import public


@dataclass(frozen=True)
class Health:
    """The answer: its status (200 or 503), its body, and when to ask again (Retry-After, seconds)."""

    status: int
    body: dict[str, Any]
    retry_s: int | None = None


def health_of(session: Served, gate: Gate, *, details: bool) -> Health:
    """UP or DOWN, and with ``details`` (the key was sent, or none is needed) the engine, the model and the queue."""
    state, refused = session.state, gate.refusal()
    up = is_up(state, refused)
    body: dict[str, Any] = {"status": "UP" if up else "DOWN"}
    if details:
        body |= _details(state, gate)
    body["timestamp"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return Health(200 if up else 503, body, refused[1] if refused is not None else None)


def memory_of(used: protocol.MemoryUse | None) -> dict[str, int]:
    """Bytes that the engine holds, by device (``ram``, ``gpu:0``). What is not known is left out."""
    if used is None:
        return {}
    return {**({"ram": used.resident_bytes} if used.resident_bytes is not None else {}), **used.devices}


def _details(state: SessionState, gate: Gate) -> dict[str, Any]:
    plan, proof = state.plan, state.proof
    return {
        "engine": {
            "name": state.engine,
            "phase": state.phase,
            "rung": plan.rung if plan is not None else None,
            "backend": proof.backend if proof is not None else None,
            "build": proof.build if proof is not None else None,
            "tokens_per_s": state.tokens_per_s,
            "error": public(state.error).sentence if state.error is not None else None,
        },
        "model": _model(state),
        "queue": {
            "waiting": gate.waiting,
            "answering": gate.answering,
            "bound": gate.bound,
            "requests": [_request(one) for one in gate.live()],
        },
        "memory": memory_of(state.memory),
    }


def _model(state: SessionState) -> dict[str, Any] | None:
    if state.target is None:
        return None
    return {
        "name": state.target.model or state.target.name,
        "variant": state.target.variant,
        "context": state.proof.context if state.proof is not None else None,
    }


def _request(one: Live) -> dict[str, Any]:
    """Neither who asks nor what."""
    return {
        "id": one.id,
        "route": one.asking.route,
        "state": one.state,
        "position": one.position,
        "seconds": round(one.since_s, 1),
        "tokens": one.tokens,
    }
