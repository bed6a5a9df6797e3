"""Measuring and the check after it, as the button and the terminal do it; measuring itself is fake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.measured import LayerSpeed, Measurements
from autoglm_desktop.core.rungs import Recommendation
from autoglm_desktop.usecases.check import CheckOptions, CheckResult
from autoglm_desktop.usecases.measure import Measured, Step
from autoglm_desktop.usecases.measure_check import Outcome, measure_and_check, variants
from autoglm_desktop.usecases.services import Services, create_services
from tests.fakes import made_machines as made
from tests.fakes.made_check import made_result

CRASHED = ("cpu", Reason.of("measure_crashed"))
BUSY = ("cpu-safe", Reason.of("machine_busy"))


def recommending(variant: str) -> CheckResult:
    found = made_result(made.with_engine(made.made_laptop(made.DDR4_DUAL)), models=1)
    model = replace(found.models[0], recommended=Recommendation("gguf-cpu", variant, 0))
    return replace(found, models=(model,))


class Made:
    """What is recommended after each measurement, and what each could not tell."""

    def __init__(self, after: Sequence[str], failed: Sequence[tuple[Any, ...]], told: bool = True) -> None:
        self.after, self.failed, self.told = list(after), list(failed), told
        self.measured: list[tuple[Any, ...]] = []
        self.checks = 0

    async def measure(
        self, services: Services, machine: Any, subject: Any, wanted: Sequence[str], tell: Any, *parts: Any
    ) -> Measured:
        self.measured.append((tuple(wanted), *parts))
        tell(Step("model", 0.5))
        layers = tuple(LayerSpeed("cpu-safe", "made", variant, 1, 1, 1, 1) for variant in wanted)
        return Measured(Measurements("made", layers=layers if self.told else ()), self.failed.pop(0))

    async def check(self, services: Services, options: CheckOptions, on_part: Any) -> CheckResult:
        self.checks += 1
        return recommending(self.after.pop(0))


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return create_services(tmp_path)


def run(services: Services, work: Made, told: list[Step | None]) -> Outcome:
    first, options = recommending("Q4_K_M"), CheckOptions()
    return asyncio.run(measure_and_check(services, first, options, told.append, work.check, work.measure))


def test_one_measurement_and_one_check(services: Services) -> None:
    work, told = Made(["Q4_K_M"], [()]), list[Step | None]()
    assert run(services, work, told).failed == ()
    assert work.measured == [(("Q4_K_M",),)] and work.checks == 1
    assert told == [Step("model", 0.5), None], "the check is told, too"


def test_what_becomes_the_recommended_is_measured_too(services: Services) -> None:
    work = Made(["Q8_0", "Q8_0"], [(CRASHED,), (CRASHED, BUSY)])
    found = run(services, work, [])
    assert work.measured == [(("Q4_K_M",),), (("Q8_0",), ("model",))] and work.checks == 2
    assert found.failed == (CRASHED, BUSY), "each reason once"


def test_where_nothing_of_the_model_was_told_no_other_variant_is_tried(services: Services) -> None:
    work = Made(["Q8_0"], [(BUSY,)], told=False)
    assert run(services, work, []).failed == (BUSY,)
    assert len(work.measured) == 1


def test_what_is_named_is_measured() -> None:
    found = recommending("Q8_0")
    assert variants(found, CheckOptions()) == ("Q8_0",)
    assert variants(found, CheckOptions(variant="Q5_K_M")) == ("Q5_K_M",)
    assert variants(replace(found, models=(), subjects=()), CheckOptions()) == ()
