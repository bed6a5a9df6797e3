"""The proof behind the badge in words: what the running engine reported, beside what was planned for it."""

from __future__ import annotations

from dataclasses import dataclass

from ..core import protocol
from ..core.rungs import RungPlan
from ..core.units import format_bytes, format_seconds
from ..i18n import N_, _
from ..usecases.session_state import SessionState
from . import walk
from .devices import device_name
from .rungs import rung_text
from .values import labelled, listed

CAUSES = {
    "weights": N_("Weights"),
    "kv_cache": N_("KV cache"),
    "compute": N_("Compute"),
    "projector": N_("Picture part"),
    "overhead": N_("Overhead"),
}


@dataclass(frozen=True)
class MemoryRow:
    """Bytes of one cause on one device. None is unknown."""

    device: str
    cause: str
    loaded: int | None
    planned: int | None


def unknown() -> str:
    return _("unknown")


def facts(state: SessionState) -> tuple[tuple[str, str], ...]:
    """(name, value) of everything that the engine told; only while a model runs."""
    proof, plan = state.proof, state.plan
    if proof is None or plan is None:
        return ()
    return (
        (_("Runs as"), walk.of_plan(plan).title),
        (_("Engine"), " · ".join(filter(None, (proof.backend, state.engine)))),
        (_("Build"), proof.build or unknown()),
        (_("Devices"), "\n".join(proof.devices) or unknown()),
        (_("Layers on the GPU"), _layers(proof)),
        *_precision(proof, plan),
        (
            _("Context"),
            _("{tokens} tokens").format(tokens=f"{proof.context:,}") if proof.context else unknown(),
        ),
        (_("KV cache"), proof.kv_type or unknown()),
        (_("Threads"), _count(proof.threads)),
        *_pictures(proof, plan),
        (_("Loading took"), _seconds(proof.load_s)),
        (_("Speed while warming up"), _speed(proof.warm_up_tokens_per_s)),
        (_("Speed last seen"), _speed(state.tokens_per_s)),
        (_("The process in RAM"), _bytes(state.memory.resident_bytes if state.memory is not None else None)),
        (_("Options"), options_text(proof.options)),
    )


def memory_rows(proof: protocol.Proof, plan: RungPlan) -> tuple[MemoryRow, ...]:
    """Every cause on every device that the engine or the plan speaks of; what neither has is left out."""
    rows = []
    for device in dict.fromkeys((*proof.memory, *plan.memory)):
        loaded, planned = proof.memory.get(device, {}), plan.memory.get(device)
        for cause in dict.fromkeys((*CAUSES, *loaded)):
            wanted = getattr(planned, cause, None) if planned is not None and cause in CAUSES else None
            if loaded.get(cause) or wanted:
                rows.append(MemoryRow(device, cause, loaded.get(cause), wanted))
    return tuple(rows)


def memory_line(row: MemoryRow) -> tuple[str, str, str, str]:
    """Device, cause, loaded, planned, as a table has them."""
    cause = _(CAUSES[row.cause]) if row.cause in CAUSES else row.cause
    return device_name(row.device), cause, _bytes(row.loaded), _bytes(row.planned)


def memory_head() -> tuple[str, str, str, str]:
    return _("Device"), _("What for"), _("Loaded"), _("Planned")


def options_text(options: protocol.EngineOptions) -> str:
    """What is not as usual."""
    said = []
    if not options.use_extra_bufts:
        said.append(_("safe mode: without the processor's special kernels"))
    if not options.op_offload:
        said.append(_("nothing is carried to the card for single operations"))
    if options.memory_lock:
        said.append(_("locked in RAM"))
    if options.huge_pages:
        said.append(_("huge pages"))
    if options.numa is not None:
        said.append(f"NUMA: {options.numa}")
    return listed(said) or _("the usual ones")


def uses_gpu(state: SessionState) -> bool:
    """Whether what runs holds memory of a card, by its proof."""
    proof = state.proof
    if proof is None:
        return False
    on_card = any(key.startswith("gpu") and any(causes.values()) for key, causes in proof.memory.items())
    return bool(proof.gpu_layers) or on_card


def report(state: SessionState) -> str:
    """All of it as text, to be copied into a message to somebody."""
    name = state.target.name if state.target is not None else ""
    parts = [name]
    if state.locked is not None:
        parts.append(labelled(_("Locked"), rung_text(state.locked)))
    parts += [labelled(head, value.replace("\n", ", ")) for head, value in facts(state)]
    if state.proof is not None and state.plan is not None:
        for row in memory_rows(state.proof, state.plan):
            device, cause, loaded, planned = memory_line(row)
            text = _("{loaded} (planned {planned})").format(loaded=loaded, planned=planned)
            parts.append(labelled(f"{device}, {cause}", text))
    tried = [walk.text(line) for line in walk.lines(state)]
    if tried:
        parts += ["", labelled(_("What was tried"), ""), *tried]
    return "\n".join(part.rstrip() for part in parts)


def _layers(proof: protocol.Proof) -> str:
    if proof.gpu_layers is None:
        return unknown()
    total = unknown() if proof.total_layers is None else str(proof.total_layers)
    return _("{layers} of {total}").format(layers=proof.gpu_layers, total=total)


def _precision(proof: protocol.Proof, plan: RungPlan) -> tuple[tuple[str, str], ...]:
    """A GGUF's types are in its file: only transformers makes a precision."""
    if not plan.rung.startswith("transformers"):
        return ()
    return (
        (_("Computes in"), proof.dtype or unknown()),
        (_("Quantised modules"), _count(proof.quantised_modules)),
        (_("All weights"), _bytes(proof.footprint_bytes)),
    )


def _pictures(proof: protocol.Proof, plan: RungPlan) -> tuple[tuple[str, str], ...]:
    if proof.projector is None:
        missing = _("none was asked for") if plan.projector == "none" else unknown()
        return ((_("Picture part"), missing),)
    place, _space, kind = proof.projector.partition(" ")
    places = {"gpu": _("on the GPU"), "cpu": _("on the CPU")}
    shown = f"{kind} {places[place]}".strip() if place in places else proof.projector
    return ((_("Picture part"), shown), (_("A picture took"), _seconds(proof.image_s)))


def _count(count: int | None) -> str:
    return unknown() if count is None else f"{count:,}"


def _bytes(count: int | None) -> str:
    return unknown() if count is None else format_bytes(count)


def _seconds(seconds: float | None) -> str:
    return unknown() if seconds is None else format_seconds(seconds)


def _speed(speed: float | None) -> str:
    return unknown() if speed is None else _("{speed} tokens/s").format(speed=f"{speed:.1f}")
