"""The walk down a ladder in words: a line for each try, for what is being tried and for what would come next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.rungs import RungPlan
from ..core.units import format_bytes, format_seconds
from ..host.supervisor import Try
from ..i18n import _, ngettext
from ..usecases.session_state import SessionState
from . import reasons
from .devices import device_name
from .engine_messages import said
from .rungs import rung_text
from .session import PHASES, kind_text
from .values import labelled, listed

WORKS, FAILED, TRYING, AHEAD = "works", "failed", "trying", "ahead"


@dataclass(frozen=True)
class Line:
    """``state``: works | failed | trying | ahead. ``numbers``: what the try asked for; ``said``: how it went.
    ``fraction``: how far it is, where it is being tried (None: unknown)."""

    state: str
    title: str
    numbers: str = ""
    said: str = ""
    fraction: float | None = None


def lines(state: SessionState) -> tuple[Line, ...]:
    """Everything that was tried, is being tried and would be tried, in order."""
    tried = tuple(of_try(one) for one in state.tries)
    if state.phase not in ("loading", "installing"):
        return tried
    step = state.step
    trying = (_trying(state),) if step is not None and step.failed is None else ()
    return (*tried, *trying, *(of_plan(plan) for plan in state.ahead))


def of_try(tried: Try) -> Line:
    """A try with its numbers and its end."""
    numbers = numbers_text(tried.context, tried.kv_type, tried.gpu_layers, tried.projector, tried.planned)
    title = _title(tried.rung, tried.variant)
    if tried.kind is None:
        return Line(
            WORKS, title, numbers, _("works after {seconds}").format(seconds=format_seconds(tried.seconds))
        )
    return Line(FAILED, title, numbers, failure_text(tried))


def of_plan(plan: RungPlan) -> Line:
    """A rung that would be tried next."""
    planned = {key: memory.total for key, memory in plan.memory.items()}
    numbers = numbers_text(plan.context, plan.kv_type, plan.gpu_layers, plan.projector, planned)
    return Line(AHEAD, _title(plan.rung, plan.variant), numbers)


def failure_text(tried: Try) -> str:
    """``not enough memory: cudaMalloc failed · Loading the weights · after 2.3 s``"""
    message = " ".join((reasons.text(tried.reason) or said(tried.message)).split())
    parts = [labelled(kind_text(tried.kind or ""), message) if message else kind_text(tried.kind or "")]
    if tried.phase == "generate":
        parts.append(_("while it answered"))
    else:
        if tried.phase in PHASES:
            parts.append(_(PHASES[tried.phase]))
        parts.append(_("after {seconds}").format(seconds=format_seconds(tried.seconds)))
    return " · ".join(parts)


def numbers_text(
    context: int | None,
    kv_type: str | None,
    gpu_layers: int | None,
    projector: str | None,
    planned: Mapping[str, int],
) -> str:
    """``context 8,192 · KV cache f16 · 20 layers on the GPU · planned: GPU 0 5.2 GiB, RAM 1.1 GiB``"""
    parts = []
    if context is not None:
        parts.append(_("context {tokens}").format(tokens=f"{context:,}"))
    if kv_type is not None:
        parts.append(_("KV cache {type}").format(type=kv_type))
    if gpu_layers:
        layers = ngettext("{count} layer on the GPU", "{count} layers on the GPU", gpu_layers)
        parts.append(_("all layers on the GPU") if gpu_layers < 0 else layers.format(count=gpu_layers))
    if projector in ("gpu", "cpu"):
        parts.append(_("pictures on the GPU") if projector == "gpu" else _("pictures on the CPU"))
    sizes = [f"{device_name(key)} {format_bytes(size)}" for key, size in planned.items() if size]
    if sizes:
        parts.append(labelled(_("planned"), listed(sizes)))
    return " · ".join(parts)


def next_text(state: SessionState) -> str:
    """What would be tried after what is being tried: ``If that fails: GGUF on the CPU``; nothing where nothing is."""
    names = dict.fromkeys(rung_text(plan.rung) for plan in state.ahead)
    return labelled(_("If that fails"), " → ".join(names)) if names else ""


def text(line: Line) -> str:
    """A line as plain text."""
    signs = {WORKS: "+", FAILED: "-", TRYING: ">", AHEAD: " "}
    return "\n    ".join(
        part for part in (f"{signs[line.state]} {line.title}", line.numbers, line.said) if part
    )


def _trying(state: SessionState) -> Line:
    step = state.step
    assert step is not None
    line = of_plan(step.plan)
    phase = step.progress.phase if step.progress is not None else "open"
    fraction = step.progress.fraction if step.progress is not None else None
    said = _(PHASES.get(phase, phase))
    if fraction is not None and 0 < fraction < 1:
        said += f" · {fraction:.0%}"
    return Line(TRYING, line.title, line.numbers, said, fraction)


def _title(rung: str, variant: str | None) -> str:
    return f"{rung_text(rung)} · {variant}" if variant else rung_text(rung)
