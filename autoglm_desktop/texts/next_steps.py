"""What to do after the check: the next commands, most useful first."""

from __future__ import annotations

from ..core.rungs import ModelPlan
from ..core.units import format_bytes
from ..i18n import _, as_started
from ..usecases.check import CheckResult, Planned

HUBS = {"huggingface": "https://huggingface.co/{repo}", "modelscope": "https://modelscope.cn/models/{repo}"}


def steps(result: CheckResult) -> list[str]:
    """Sentences with commands, for the first model of the check."""
    if not result.models:
        return []
    model, subject = result.models[0], result.subjects[0]
    found = [] if result.described else _engine(result)
    found += _model(model, subject, described=result.described)
    smaller = _runs_here(result)
    if model.verdict == "cannot" and smaller is not None:
        found.append(
            _("{model} runs here, to chat in text: {command}").format(
                model=smaller.title, command=as_started(f"autoglm-desktop check {_target(smaller)}")
            )
        )
    elif model.wish == "phone" and model.verdict in ("slow", "cannot"):
        found.append(
            _("For chatting in text, which needs less: {command}").format(
                command=as_started(f"autoglm-desktop check {_target(subject)} --wish text")
            )
        )
    return found


def _runs_here(result: CheckResult) -> Planned | None:
    """Of the other models the largest that runs; else the smallest that fits; None where none does."""
    others = [
        (subject.model.parameters, model.verdict, subject)
        for model, subject in zip(result.models[1:], result.subjects[1:], strict=True)
        if model.wish == "text" and model.verdict != "cannot" and subject.model is not None
    ]
    runs = [(size, subject) for size, verdict, subject in others if verdict != "slow"]
    if runs:
        return max(runs, key=lambda item: item[0])[1]
    return min(others, key=lambda item: item[0])[2] if others else None


def _engine(result: CheckResult) -> list[str]:
    name = "llama-cpu"
    best = result.models[0].recommended
    row = result.models[0].rung(best.rung) if best is not None else None
    if row is not None and row.rung.startswith("transformers"):
        name = "torch-cuda" if any(key.startswith("gpu:") for key in row.memory) else "torch-cpu"
        there = row.engine_installed
    else:
        engines = result.machine.runtime.engines
        there = any((engine.backend or "llama.cpp") == "llama.cpp" for engine in engines)
    command = as_started(f"autoglm-desktop engines install {name}")
    return [] if there else [_("Install the engine: {command}").format(command=command)]


def _model(model: ModelPlan, subject: Planned, *, described: bool) -> list[str]:
    """How to get the weights, and how to start."""
    if model.recommended is None:
        return []
    missing = model.recommended.download_bytes
    lines = []
    if missing:
        lines.append(_get(subject, model.recommended.variant, missing))
        if not described:
            lines.append(
                _("Then: {command}").format(command=as_started(f"autoglm-desktop chat {_target(subject)}"))
            )
    elif not described:
        lines.append(
            _("Chat: {command}").format(command=as_started(f"autoglm-desktop chat {_target(subject)}"))
        )
        serve = as_started(f"autoglm-desktop serve {_target(subject)}")
        lines.append(_("For other programs: {command}").format(command=serve))
    return lines


def _get(subject: Planned, variant: str, missing: int) -> str:
    """How the recommended weights are got; only named where no hub is known to have them."""
    size = format_bytes(missing)
    if subject.source(variant) is None:
        return _("Get {model} {variant} ({size}).").format(model=subject.title, variant=variant, size=size)
    return _("Get {model} {variant} ({size}): {command}").format(
        model=subject.title,
        variant=variant,
        size=size,
        command=as_started(f"autoglm-desktop pull {subject.subject.id}:{variant}"),
    )


def _target(subject: Planned) -> str:
    """The target as one types it."""
    if len(subject.files) != 1:
        return subject.typed or subject.subject.id
    text = str(next(iter(subject.files.values())))
    return f'"{text}"' if " " in text else text
