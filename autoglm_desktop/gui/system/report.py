"""The check as text to paste into a message, and as the JSON of the contract."""

from __future__ import annotations

import json

from ...core.rungs import ModelPlan
from ...i18n import _
from ...texts import check as check_texts
from ...texts import ladder as ladder_texts
from ...texts import measuring, reasons
from ...texts.values import labelled
from ...usecases.check import CheckResult, Planned
from ...usecases.check_json import to_json
from . import tile_texts
from .check_list import advice_text
from .ladder_table import HARD_SPACE, cells, impossible, legend_text, note_text
from .verdict import title_text

STATUS_SIGNS = {"ok": "+", "warn": "!", "fail": "x", "unknown": "?"}
RUNG_SIGNS = {"fits": "+", "too_big": "x"}


def as_json(result: CheckResult) -> str:
    """One document, as ``autoglm-desktop check --json`` prints it."""
    return json.dumps(to_json(result), ensure_ascii=False, indent=1, allow_nan=False)


def as_text(result: CheckResult) -> str:
    """Conclusions, machine, ladder of the first model, every check."""
    parts = [_conclusion(*pair) for pair in zip(result.models, result.subjects, strict=True)]
    known = measuring.known_text(result.known.measured, result.known.outdated)
    parts.append([*_machine(result), *(f"  {line}" for line in known.splitlines())])
    parts += [_ladder(model) for model in result.models[:1]]
    parts.append(_checks(result))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _conclusion(model: ModelPlan, subject: Planned) -> list[str]:
    return [
        f"{title_text(model, subject)} ({ladder_texts.wish_text(model.wish)})",
        reasons.text(model.headline),
    ]


def _machine(result: CheckResult) -> list[str]:
    found = {check.id: check for check in result.checks}
    model = result.models[0] if result.models else None
    system = " ".join(text for text in (result.machine.os.name, result.machine.os.version) if text)
    lines = [_("This machine") + (f" ({system})" if system else "")]
    for tile in tile_texts.TILES:
        content = tile_texts.content(tile, result.machine, found, model)
        said = _plain(" · ".join((content.headline, *content.details, *content.more)))
        lines.append(f"  {labelled(_(tile_texts.TITLES[tile]), said)}")
    return lines


def _plain(text: str) -> str:
    """Without the signs that only guide where lines break."""
    return text.replace("\u200b", "").replace(HARD_SPACE, " ")


def _ladder(model: ModelPlan) -> list[str]:
    lines = [_("Ways to run it")]
    for plan in (plan for plan in model.ladder if plan.status != "unavailable"):
        row = " · ".join(text for text in (*cells(plan, model), note_text(plan, model)) if text)
        lines.append(f"  {RUNG_SIGNS[plan.status]} {row}")
    lines += [f"  - {labelled(_plain(names), why)}" for names, why in impossible(model)]
    legend = legend_text(model)
    return [*lines, f"  {legend}"] if legend else lines


def _checks(result: CheckResult) -> list[str]:
    lines = [_("Every check")]
    for check in result.checks:
        said = labelled(check_texts.name_text(check), check_texts.sentence(check))
        lines.append(f"  {STATUS_SIGNS[check.status]} {said}")
        advice = advice_text(check, check_texts.system_of(result.machine.os))
        lines += [f"      {advice}"] if advice is not None else []
    return lines
