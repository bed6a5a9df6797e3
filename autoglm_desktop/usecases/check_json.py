"""The check as the JSON of the contract (docs/json.md)."""

from __future__ import annotations

from typing import Any

from ..core.check_values import Check, Quantity
from ..core.costs import CostRow
from ..core.help_values import Help
from ..core.machine import to_json as value_to_json
from ..core.rungs import DeviceMemory, ModelPlan, RungPlan
from ..texts import check as check_texts
from ..texts import errors as error_texts
from ..texts import reasons
from ..texts import whatif as whatif_texts
from .advice import Advice
from .check import CheckResult

SCHEMA = 1


def to_json(result: CheckResult) -> dict[str, Any]:
    """One document; sentences are in the language of the program, codes and numbers are not."""
    system = check_texts.system_of(result.machine.os)
    return {
        "schema": SCHEMA,
        "machine": value_to_json(result.machine),
        "checks": [_check(check, system) for check in result.checks],
        "models": [_model(model, result.advice.of(n)) for n, model in enumerate(result.models)],
        "costs": _costs(result.advice),
        "measured": _measured(result),
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


def _model(model: ModelPlan, helps: tuple[Help, ...]) -> dict[str, Any]:
    return {
        "id": model.id,
        "wish": model.wish,
        "verdict": model.verdict,
        "headline": reasons.text(model.headline),
        "chosen": model.chosen,
        "recommended": value_to_json(model.recommended),
        "ladder": [rung_to_json(plan) for plan in model.ladder],
        "helps": [_help(one) for one in helps],
    }


def _help(one: Help) -> dict[str, Any]:
    """``prices``: of what would have to be bought, one per currency and condition."""
    data: dict[str, Any] = value_to_json(one)
    parts = data.pop("parts")
    keys = ("id", "title", "condition", "currency", "value", "low", "high", "source", "date", "verified")
    data["prices"] = [{key: part[key] for key in keys} for part in parts]
    data["text"] = whatif_texts.sentence(one)
    return data


def _measured(result: CheckResult) -> dict[str, Any] | None:
    """What was measured on this machine and when; null where nothing was, and for a machine in a file."""
    known, outdated = result.known.measured, result.known.outdated
    if result.described or (known is None and not outdated):
        return None
    parts = known.parts if known is not None else ()
    gone = [
        {"code": one.reason.code, "text": reasons.text(one.reason), "taken": one.taken} for one in outdated
    ]
    return {"parts": [value_to_json(part) for part in parts], "outdated": gone}


def _costs(advice: Advice) -> dict[str, Any]:
    """The one table; ``total`` is null where a part of it is."""
    problem = advice.problem
    return {
        "prices_date": advice.costs.date or None,
        "problem": error_texts.text(problem) if problem is not None else None,
        "rows": [_cost(row) for row in advice.costs.rows],
    }


def _cost(row: CostRow) -> dict[str, Any]:
    data: dict[str, Any] = value_to_json(row)
    money = data.pop("cost")
    for key in ("currency", "hardware", "electricity", "upkeep"):
        data[key] = money[key]
    data["total"] = row.cost.total
    return data


def rung_to_json(plan: RungPlan) -> dict[str, Any]:
    """A row of the ladder."""
    data: dict[str, Any] = value_to_json(plan)
    reason = plan.reason
    data["reason"] = {"code": reason.code, "text": reasons.text(reason)} if reason is not None else None
    data["memory"] = {key: _memory(key, device) for key, device in plan.memory.items()}
    return data


def _memory(key: str, device: DeviceMemory) -> dict[str, Any]:
    """``mapped``, ``private`` and ``copied`` stand with RAM only."""
    data: dict[str, Any] = value_to_json(device)
    if key != "ram":
        del data["mapped"], data["private"], data["copied"]
    return data
