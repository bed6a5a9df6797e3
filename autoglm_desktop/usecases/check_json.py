"""The check as the JSON of the contract (docs/json.md)."""

from __future__ import annotations

from typing import Any

from ..core.check_values import Check, Quantity
from ..core.machine import to_json as value_to_json
from ..core.rungs import DeviceMemory, ModelPlan, RungPlan
from ..texts import check as check_texts
from ..texts import reasons
from .check import CheckResult

SCHEMA = 1


def to_json(result: CheckResult) -> dict[str, Any]:
    """One document; sentences are in the language of the program, codes and numbers are not."""
    system = check_texts.system_of(result.machine.os)
    return {
        "schema": SCHEMA,
        "machine": value_to_json(result.machine),
        "checks": [_check(check, system) for check in result.checks],
        "models": [_model(model) for model in result.models],
    }


def _check(check: Check, system: str | None) -> dict[str, Any]:
    return {
        "id": check.id,
        "status": check.status,
        "value": _quantity(check.value),
        "required": _quantity(check.required),
        "code": check.code,
        "text": check_texts.sentence(check),
        "advice": check_texts.advice(check.advice, system),
    }


def _quantity(quantity: Quantity | None) -> dict[str, Any] | None:
    return value_to_json(quantity) if quantity is not None else None


def _model(model: ModelPlan) -> dict[str, Any]:
    return {
        "id": model.id,
        "wish": model.wish,
        "verdict": model.verdict,
        "headline": reasons.text(model.headline),
        "chosen": model.chosen,
        "recommended": value_to_json(model.recommended),
        "ladder": [_rung(plan) for plan in model.ladder],
    }


def _rung(plan: RungPlan) -> dict[str, Any]:
    data: dict[str, Any] = value_to_json(plan)
    reason = plan.reason
    data["reason"] = {"code": reason.code, "text": reasons.text(reason)} if reason is not None else None
    data["memory"] = {key: _memory(key, device) for key, device in plan.memory.items()}
    return data


def _memory(key: str, device: DeviceMemory) -> dict[str, Any]:
    """``mapped`` and ``private`` stand with RAM only."""
    data: dict[str, Any] = value_to_json(device)
    if key != "ram":
        del data["mapped"], data["private"]
    return data
