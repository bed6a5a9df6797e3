"""The checks of a machine: each id with its value, what the plan needs, and a code for the sentence. Pure.

``required`` comes from the plan alone (the one that would start, else the recommended, else the nearest that is too
big); what published guides ask for stands in the advice. ``advice`` is a code for ``texts.check``.
"""

from __future__ import annotations

from . import checks_cpu, checks_disk, checks_gpu, checks_memory, checks_runtime, checks_system, choice
from .check_values import Check, Make, Quantity
from .machine import Machine
from .rungs import ModelPlan, RungPlan

__all__ = ["Check", "Quantity", "checks", "deciding_plan"]


def checks(machine: Machine, plan: RungPlan | None) -> tuple[Check, ...]:
    """Every check in its order, held against a plan (None: nothing is planned)."""
    return tuple(make(machine, plan) for make in _CHECKS)


def deciding_plan(model: ModelPlan) -> RungPlan | None:
    """The plan that checks are held against: what would start, what is recommended, or what comes closest."""
    if model.chosen is not None:
        return model.rung(model.chosen)
    if model.recommended is not None:
        return model.rung(model.recommended.rung)
    return choice.nearest(model.ladder)


_CHECKS: tuple[Make, ...] = (
    checks_gpu.present, checks_gpu.memory, checks_gpu.driver, checks_gpu.capability, checks_gpu.bar1,
    checks_gpu.temperature,
    checks_cpu.cores, checks_cpu.features,
    checks_memory.total, checks_memory.available, checks_memory.swap,
    checks_disk.free, checks_disk.speed,
    checks_system.version, checks_system.tuning,
    checks_runtime.python, checks_runtime.torch, checks_runtime.llama_cpp, checks_runtime.bitsandbytes,
)  # fmt: skip
