"""The checks of the processor. Pure."""

from __future__ import annotations

from .check_values import OK, UNKNOWN, WARN, Check, Quantity
from .machine import Cpu, Machine
from .rungs import RungPlan

FEW_CORES = 4
"""Published guidance for a personal PC."""


def cores(machine: Machine, plan: RungPlan | None) -> Check:
    cpu, count = machine.cpu, machine.cpu.physical_cores
    if count is None:
        return Check("cpu.cores", UNKNOWN, "cpu_silent")
    value = Quantity(count, "cores")
    if count < FEW_CORES:
        advice = "raise_cpu_limit" if machine.os.container else "cores_few"
        return Check("cpu.cores", WARN, "cores_few", value, advice=advice, values={"cores": count})
    code, advice_code = _cores_code(cpu, count)
    values: dict[str, object] = {
        "cores": count, "fast": cpu.performance_cores, "threads": cpu.logical_cores, "nodes": cpu.numa_nodes,
    }  # fmt: skip
    return Check("cpu.cores", OK, code, value, advice=advice_code, values=values)


def _cores_code(cpu: Cpu, count: int) -> tuple[str, str | None]:
    if cpu.numa_nodes is not None and cpu.numa_nodes > 1:
        return "cores_numa", "numa"
    if cpu.performance_cores is not None and cpu.performance_cores < count:
        return "cores_hybrid", None
    if cpu.logical_cores is not None and cpu.logical_cores > count:
        return "cores_threads", None
    return "cores_fine", None


def features(machine: Machine, plan: RungPlan | None) -> Check:
    cpu = machine.cpu
    if not cpu.features:
        return Check("cpu.features", UNKNOWN, "cpu_silent")
    values: dict[str, object] = {"features": ", ".join(cpu.features)}
    if "avx2" not in cpu.features and "neon" not in cpu.features:
        return Check("cpu.features", WARN, "features_old", advice="features_old", values=values)
    if cpu.l2_bytes and cpu.l3_bytes:
        code, values = (
            "features_caches",
            {**values, "second_bytes": cpu.l2_bytes, "third_bytes": cpu.l3_bytes},
        )
    elif cpu.l2_bytes:
        code, values = "features_l2", {**values, "second_bytes": cpu.l2_bytes}
    else:
        code = "features_fine"
    return Check("cpu.features", OK, code, values=values)
