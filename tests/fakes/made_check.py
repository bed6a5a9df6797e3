"""The example of docs/json.md: ``python -m tests.fakes.made_check`` prints the section's JSON anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoglm_desktop.core.ladder import engines_of
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.subject import Installed, of_model
from autoglm_desktop.core.units import GB
from autoglm_desktop.store import catalog
from autoglm_desktop.usecases.advice import with_advice
from autoglm_desktop.usecases.check import CheckOptions, CheckResult, Planned, result
from autoglm_desktop.usecases.check_json import to_json

from . import made_machines as made

NO_HOME = Path("made-home")
"""Nowhere: the shipped prices."""


def made_result(
    machine: Machine, options: CheckOptions | None = None, installed: Installed | None = None, models: int = 2
) -> CheckResult:
    """The check of a made machine, without any probe."""
    subjects = tuple(
        Planned(of_model(model, installed or Installed()), model.title, model)
        for model in catalog.load().models[:models]
    )
    engines = engines_of(machine.runtime.engines)
    options = options or CheckOptions()
    found = result(machine, subjects, options, engines, ())
    return with_advice(found, options, engines, (), NO_HOME)


def example_machine() -> Machine:
    """An RTX 3060 12 GB in a PC with dual-channel DDR4, llama-cpu installed and tested."""
    return made.with_engine(made.made_machine(made.made_rtx_3060().gpus[0], bandwidth=51 * GB))


def example() -> dict[str, Any]:
    """What ``check autoglm-phone-9b --machine FILE --json`` says of it."""
    return to_json(made_result(example_machine(), models=1))


def compact(document: dict[str, Any]) -> str:
    """The same JSON with one part of it per line."""

    def lines(items: list[Any], indent: str) -> str:
        return ",\n".join(indent + json.dumps(item, ensure_ascii=False) for item in items)

    machine = ",\n".join(
        f"    {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in document["machine"].items()
    )
    models = []
    for model in document["models"]:
        head = ",\n".join(
            f"    {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in model.items()
            if key not in ("ladder", "helps")
        )
        ladder = ',\n    "ladder": [\n' + lines(model["ladder"], "      ") + "\n    ]"
        helps = ',\n    "helps": [\n' + lines(model["helps"], "      ") + "\n    ]}"
        models.append("  {\n" + head + ladder + helps)
    parts = [
        f'{{"schema": {document["schema"]}',
        ' "machine": {\n' + machine + "\n  }",
        ' "checks": [\n' + lines(document["checks"], "    ") + "\n  ]",
        ' "models": [\n' + ",\n".join(models) + "\n  ]",
        ' "costs": ' + _costs(document["costs"], lines),
        ' "measured": ' + json.dumps(document["measured"], ensure_ascii=False) + "}",
    ]
    return ",\n".join(parts)


def _costs(costs: dict[str, Any], lines: Callable[[list[Any], str], str]) -> str:
    head = json.dumps({key: value for key, value in costs.items() if key != "rows"}, ensure_ascii=False)
    return head[:-1] + ', "rows": [\n' + lines(costs["rows"], "    ") + "\n  ]}"


if __name__ == "__main__":
    print(compact(example()))
