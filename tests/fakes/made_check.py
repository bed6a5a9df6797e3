"""The example of docs/json.md: ``python -m tests.fakes.made_check`` prints the section's JSON anew."""

from __future__ import annotations

import json
from typing import Any

from autoglm_desktop.core.ladder import engines_of
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.subject import Installed, of_model
from autoglm_desktop.core.units import GB
from autoglm_desktop.store import catalog
from autoglm_desktop.usecases.check import CheckOptions, CheckResult, Planned, result
from autoglm_desktop.usecases.check_json import to_json

from . import made_machines as made


def made_result(
    machine: Machine, options: CheckOptions | None = None, installed: Installed | None = None, models: int = 2
) -> CheckResult:
    """The check of a made machine, without any probe."""
    subjects = tuple(
        Planned(of_model(model, installed or Installed()), model.title, model)
        for model in catalog.load().models[:models]
    )
    engines = engines_of(machine.runtime.engines)
    return result(machine, subjects, options or CheckOptions(), engines, ())


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
            if key != "ladder"
        )
        models.append("  {\n" + head + ',\n    "ladder": [\n' + lines(model["ladder"], "      ") + "\n    ]}")
    parts = [
        f'{{"schema": {document["schema"]}',
        ' "machine": {\n' + machine + "\n  }",
        ' "checks": [\n' + lines(document["checks"], "    ") + "\n  ]",
        ' "models": [\n' + ",\n".join(models) + "\n  ]}",
    ]
    return ",\n".join(parts)


if __name__ == "__main__":
    print(compact(example()))
