"""Engines, loading and proofs as sentences: for window and terminal."""

from __future__ import annotations

from ..core import protocol
from ..core.units import format_bytes, format_seconds
from ..host.environments import Environment
from ..host.install import InstallProgress
from ..host.supervisor import Step, Try
from ..i18n import N_, _, ngettext
from . import reasons
from .engine_messages import said
from .rungs import rung_text
from .values import labelled

STAGES = {
    "wait": N_("Waiting for another installation of the engine to end"),
    "venv": N_("Preparing a place for the engine"),
    "fetch": N_("Fetching the engine"),
    "build": N_("Building the engine for this processor (some minutes, once)"),
    "install": N_("Installing the engine"),
    "self_test": N_("Testing the engine with a real decode"),
}

PHASES = {
    "open": N_("Opening the file"),
    "load": N_("Loading the weights"),
    "quantise": N_("Quantising"),
    "project": N_("Loading the image projector"),
    "warm_up": N_("Warming up"),
    "generate": N_("Answering"),
}

KINDS = {
    "out_of_memory": N_("not enough memory"),
    "crashed": N_("the engine crashed"),
    "hung": N_("the engine stopped answering"),
    "bad_file": N_("the file cannot be used"),
    "missing_dependency": N_("a part of the engine is missing"),
    "not_proven": N_("it could not be proven to work"),
    "unsupported": N_("not supported"),
}


def install_text(progress: InstallProgress) -> str:
    """``Building the engine … 42 % · detail``"""
    text = _(STAGES.get(progress.stage, progress.stage))
    if progress.fraction is not None:
        text += f" · {progress.fraction:.0%}"
    if progress.detail and progress.stage in ("fetch", "build", "install"):
        text += f" · {progress.detail}"
    return text


def engine_text(environment: Environment) -> str:
    """One line on an installed engine and what its self-test found."""
    record = environment.record
    results = {
        "passed": N_("self-test passed"),
        "safe_mode": N_(
            "the fast kernels of llama.cpp crash on this processor, so safe options are used from now on"
        ),
        "failed": N_("self-test failed: {message}"),
        "not_run": N_("not tested yet"),
    }
    result = _(results[record.self_test]).format(message=record.message or "?")
    return labelled(f"{record.name} {record.version or '?'}", result)


def step_text(step: Step) -> str:
    """What the supervisor is doing."""
    if step.failed is not None:
        return try_text(step.failed)
    phase = step.progress.phase if step.progress is not None else "open"
    text = labelled(rung_text(step.plan.rung), _(PHASES.get(phase, phase)))
    if step.progress is not None and 0 < step.progress.fraction < 1:
        text += f" · {step.progress.fraction:.0%}"
    return text


def kind_text(kind: str) -> str:
    return _(KINDS.get(kind, kind))


def try_text(tried: Try) -> str:
    """``GGUF on the CPU did not work: the engine crashed (SIGSEGV …), after 0.4 s``"""
    if tried.kind is None:
        return _("{rung} works ({seconds})").format(
            rung=rung_text(tried.rung), seconds=format_seconds(tried.seconds)
        )
    if tried.phase == "generate":
        return _("{rung} failed while it answered: {why} ({message})").format(
            rung=rung_text(tried.rung),
            why=kind_text(tried.kind),
            message=reasons.text(tried.reason) or said(tried.message),
        )
    return _("{rung} did not work: {why} ({message}), after {seconds}").format(
        rung=rung_text(tried.rung),
        why=kind_text(tried.kind),
        message=reasons.text(tried.reason) or said(tried.message),
        seconds=format_seconds(tried.seconds),
    )


def device_text(proof: protocol.Proof) -> str:
    """Where the layers are, from the proof."""
    if proof.gpu_layers:
        gpu = next((name for name in proof.devices if not name.startswith("CPU")), _("GPU"))
        if proof.total_layers is not None and proof.gpu_layers < proof.total_layers:
            return _("{device}: {layers} of {total} layers, the rest on the CPU").format(
                device=gpu, layers=proof.gpu_layers, total=proof.total_layers
            )
        return gpu
    return next((name for name in proof.devices if name.startswith("CPU")), "CPU")


def memory_bytes(proof: protocol.Proof) -> int:
    """Bytes the engine reports for weights, KV cache and buffers, over all devices."""
    return sum(sum(causes.values()) for causes in proof.memory.values())


def proof_text(proof: protocol.Proof) -> str:
    """``CPU (…) · 6.2 GiB · context 4096 · KV f16 · 2 threads``, as the engine reported it."""
    parts = [device_text(proof), format_bytes(memory_bytes(proof))]
    if proof.context is not None:
        parts.append(_("context {tokens}").format(tokens=proof.context))
    if proof.kv_type is not None:
        parts.append(_("KV cache {type}").format(type=proof.kv_type))
    if proof.threads is not None:
        parts.append(ngettext("{count} thread", "{count} threads", proof.threads).format(count=proof.threads))
    return " · ".join(parts)


def dropped_text(messages: int) -> str:
    """Said when old turns no longer fitted the context."""
    return ngettext(
        "{count} of the oldest messages no longer fits the context and was left out of this answer.",
        "{count} of the oldest messages no longer fit the context and were left out of this answer.",
        messages,
    ).format(count=messages)


def done_text(done: protocol.Done) -> str:
    """``128 tokens · 12.3 tokens/s · first token after 0.41 s``"""
    count = done.usage.completion_tokens
    parts = [ngettext("{count} token", "{count} tokens", count).format(count=count)]
    if done.timings.tokens_per_s is not None:
        parts.append(_("{speed} tokens/s").format(speed=f"{done.timings.tokens_per_s:.1f}"))
    if done.timings.first_token_s is not None:
        seconds = format_seconds(done.timings.first_token_s)
        parts.append(_("first token after {seconds}").format(seconds=seconds))
    return " · ".join(parts)
