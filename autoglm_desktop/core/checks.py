"""The checks of a machine: each id with its value, what the plan needs, and a code for the sentence. Pure.

``required`` comes from the plan alone (the one that would start, else the recommended, else the nearest that is too
big); what published guides ask for stands in the advice. ``advice`` is a code for ``texts.check``.
"""

from __future__ import annotations

from . import checks_gpu, choice
from .check_values import FAIL, OK, UNKNOWN, WARN, Check, Make, Quantity, in_bytes
from .limits import version
from .machine import EngineInfo, Machine
from .memory import ram_budget
from .rungs import ModelPlan, RungPlan
from .units import GIB

__all__ = ["Check", "Quantity", "checks", "deciding_plan"]

FEW_CORES = 4
"""Published guidance for a personal PC."""
SWAP_SHARE = 0.5
LEAST_PYTHON = (3, 10)


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


def _ram_required(plan: RungPlan | None) -> int | None:
    device = plan.memory.get("ram") if plan is not None else None
    return device.total + device.margin if device is not None else None


def _cores(machine: Machine, plan: RungPlan | None) -> Check:
    cores = machine.cpu.physical_cores
    if cores is None:
        return Check("cpu.cores", UNKNOWN, "cpu_silent")
    few = cores < FEW_CORES
    return Check(
        "cpu.cores", WARN if few else OK, "cores_few" if few else "cores_fine", Quantity(cores, "cores"),
        advice="cores_few" if few else None, values={"cores": cores},
    )  # fmt: skip


def _features(machine: Machine, plan: RungPlan | None) -> Check:
    features = machine.cpu.features
    if not features:
        return Check("cpu.features", UNKNOWN, "cpu_silent")
    values: dict[str, object] = {"features": ", ".join(features)}
    if "avx2" in features or "neon" in features:
        return Check("cpu.features", OK, "features_fine", values=values)
    return Check("cpu.features", WARN, "features_old", advice="features_old", values=values)


def _ram_total(machine: Machine, plan: RungPlan | None) -> Check:
    total, required = machine.memory.total_bytes, _ram_required(plan)
    if total is None:
        return Check("ram.total", UNKNOWN, "ram_silent", required=in_bytes(required))
    values: dict[str, object] = {"total_bytes": total}
    if required is not None and required > total:
        values["required_bytes"] = required
        return Check(
            "ram.total", FAIL, "ram_too_small", in_bytes(total), in_bytes(required), "more_ram", values
        )
    return Check("ram.total", OK, "ram_total", in_bytes(total), in_bytes(required), values=values)


def _ram_available(machine: Machine, plan: RungPlan | None) -> Check:
    required, free = _ram_required(plan), ram_budget(machine).available
    if free is None:
        return Check("ram.available", UNKNOWN, "ram_silent", required=in_bytes(required))
    values: dict[str, object] = {"free_bytes": free}
    if required is not None and required > free:
        values["short_bytes"] = required - free
        return Check(
            "ram.available", FAIL, "ram_short", in_bytes(free), in_bytes(required), "close_programs", values
        )
    return Check("ram.available", OK, "ram_available", in_bytes(free), in_bytes(required), values=values)


def _swap(machine: Machine, plan: RungPlan | None) -> Check:
    total, used = machine.memory.swap_total_bytes, machine.memory.swap_used_bytes
    if total is None:
        return Check("ram.swap", UNKNOWN, "ram_silent")
    if not total:
        return Check("ram.swap", OK, "swap_none", in_bytes(0))
    values: dict[str, object] = {"total_bytes": total, "used_bytes": used or 0}
    full = used is not None and used >= GIB and used > SWAP_SHARE * total
    code, advice = ("swap_full", "close_programs") if full else ("swap_fine", None)
    return Check("ram.swap", WARN if full else OK, code, in_bytes(used), advice=advice, values=values)


def _disk_free(machine: Machine, plan: RungPlan | None) -> Check:
    disk = machine.disks[0] if machine.disks else None
    required = plan.download_bytes if plan is not None else None
    if disk is None or disk.free_bytes is None:
        return Check("disk.free", UNKNOWN, "disk_silent", required=in_bytes(required))
    values: dict[str, object] = {"free_bytes": disk.free_bytes, "path": disk.path}
    if required is not None and required > disk.free_bytes:
        values["short_bytes"] = required - disk.free_bytes
        return Check(
            "disk.free",
            FAIL,
            "disk_short",
            in_bytes(disk.free_bytes),
            in_bytes(required),
            "free_disk",
            values,
        )
    return Check("disk.free", OK, "disk_free", in_bytes(disk.free_bytes), in_bytes(required), values=values)


def _disk_speed(machine: Machine, plan: RungPlan | None) -> Check:
    disk = machine.disks[0] if machine.disks else None
    if disk is None:
        return Check("disk.speed", UNKNOWN, "disk_silent")
    speed = disk.sequential_read_bytes_per_s
    value = Quantity(speed, "bytes/s") if speed is not None else None
    if disk.kind == "hdd":
        return Check("disk.speed", WARN, "disk_turns", value, advice="disk_turns")
    if speed is not None:
        return Check("disk.speed", OK, "disk_speed", value, values={"speed_bytes": speed})
    if disk.kind in ("nvme", "sata_ssd"):
        return Check("disk.speed", OK, f"disk_{disk.kind}")
    return Check("disk.speed", UNKNOWN, "disk_speed_unknown")


def _os_version(machine: Machine, plan: RungPlan | None) -> Check:
    system = machine.os
    if system.name is None:
        return Check("os.version", UNKNOWN, "os_silent")
    values: dict[str, object] = {"name": system.name, "version": system.version or "?"}
    return Check("os.version", OK, "os_wsl" if system.wsl else "os_version", values=values)


def _os_tuning(machine: Machine, plan: RungPlan | None) -> Check:
    return Check("os.tuning", UNKNOWN, "tuning_not_read")


def _python(machine: Machine, plan: RungPlan | None) -> Check:
    found = version(machine.runtime.python)
    if found is None:
        return Check("runtime.python", UNKNOWN, "python_unknown")
    values: dict[str, object] = {"version": machine.runtime.python}
    if found[:2] < LEAST_PYTHON:
        return Check("runtime.python", FAIL, "python_old", advice="python_old", values=values)
    return Check("runtime.python", OK, "python_fine", values=values)


def _torch(machine: Machine, plan: RungPlan | None) -> Check:
    return _package(machine, plan, "runtime.torch", "torch")


def _bitsandbytes(machine: Machine, plan: RungPlan | None) -> Check:
    return _package(machine, plan, "runtime.bitsandbytes", "bitsandbytes")


def _package(machine: Machine, plan: RungPlan | None, id_: str, name: str) -> Check:
    """A package that only the transformers rungs need."""
    found = next((p.version for p in machine.runtime.packages or () if p.name == name), None)
    if found is not None:
        return Check(id_, OK, "package_found", values={"name": name, "version": found})
    needed = plan is not None and plan.rung.startswith("transformers")
    if not needed:
        return Check(id_, OK, "package_not_needed", values={"name": name})
    return Check(id_, WARN, "package_missing", advice="install_torch", values={"name": name})


def _llama_cpp(machine: Machine, plan: RungPlan | None) -> Check:
    engines = [e for e in machine.runtime.engines if (e.backend or "llama.cpp") == "llama.cpp"]
    if not engines:
        return Check("runtime.llama_cpp", WARN, "engine_missing", advice="install_engine")
    order = {"passed": 0, "safe_mode": 1, "not_run": 2, "failed": 3}
    engine = min(engines, key=lambda found: order.get(found.self_test, 2))
    return _engine(engine)


def _engine(engine: EngineInfo) -> Check:
    values: dict[str, object] = {"name": engine.name, "version": engine.version or "?"}
    if engine.self_test == "failed":
        return Check("runtime.llama_cpp", FAIL, "engine_failed", advice="engine_failed", values=values)
    code = {"passed": "engine_passed", "safe_mode": "engine_safe"}.get(engine.self_test, "engine_untested")
    return Check("runtime.llama_cpp", OK, code, values=values)


_CHECKS: tuple[Make, ...] = (
    checks_gpu.present, checks_gpu.memory, checks_gpu.driver, checks_gpu.capability, checks_gpu.bar1,
    checks_gpu.temperature,
    _cores, _features, _ram_total, _ram_available, _swap, _disk_free, _disk_speed,
    _os_version, _os_tuning, _python, _torch, _llama_cpp, _bitsandbytes,
)  # fmt: skip
