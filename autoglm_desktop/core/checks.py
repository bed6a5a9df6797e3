"""The checks of a machine: each id with its value, what the plan needs, and a code for the sentence. Pure.

``required`` comes from the plan alone (the one that would start, else the recommended, else the nearest that is too
big); what published guides ask for stands in the advice. ``advice`` is a code for ``texts.check``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .limits import CAPABILITY, best_gpu, driver_required, version
from .machine import EngineInfo, Gpu, Machine
from .memory import ram_budget
from .rungs import ModelPlan, RungPlan
from .units import GIB

OK, WARN, FAIL, UNKNOWN = "ok", "warn", "fail", "unknown"

HELD_BYTES = GIB
"""GPU memory in the hands of other programs that is worth naming."""
HOT_C, TOO_HOT_C = 85, 90
"""Published guidance: at most 85 degrees at a short peak, 90 sustained."""
FEW_CORES = 4
"""Published guidance for a personal PC."""
SWAP_SHARE = 0.5
LEAST_CAPABILITY = (6, 0)
"""The oldest card that the published CUDA 12 builds of llama.cpp run on."""
LEAST_PYTHON = (3, 10)


@dataclass(frozen=True)
class Quantity:
    number: float
    unit: str  # bytes | bytes/s | cores | gpus | celsius | compute_capability | driver


@dataclass(frozen=True)
class Check:
    """One check. ``values`` fill the sentence of ``code``."""

    id: str
    status: str  # ok | warn | fail | unknown
    code: str
    value: Quantity | None = None
    required: Quantity | None = None
    advice: str | None = None
    values: dict[str, object] = field(default_factory=dict)


Make = Callable[[Machine, RungPlan | None], Check]


def checks(machine: Machine, plan: RungPlan | None) -> tuple[Check, ...]:
    """Every check in its order, held against a plan (None: nothing is planned)."""
    return tuple(make(machine, plan) for make in _CHECKS)


def deciding_plan(model: ModelPlan) -> RungPlan | None:
    """The plan that checks are held against: what would start, what is recommended, or what comes closest."""
    if model.chosen is not None:
        return model.rung(model.chosen)
    if model.recommended is not None:
        return model.rung(model.recommended.rung)
    too_big = [row for row in model.ladder if row.status == "too_big" and row.rung.startswith("gguf")]
    return too_big[0] if too_big else None


def _bytes(number: int | None) -> Quantity | None:
    return Quantity(number, "bytes") if number is not None else None


def _gpu_required(plan: RungPlan | None, gpu: Gpu | None) -> int | None:
    device = plan.memory.get(f"gpu:{gpu.index}") if plan is not None and gpu is not None else None
    return device.total + device.margin if device is not None and device.total else None


def _ram_required(plan: RungPlan | None) -> int | None:
    device = plan.memory.get("ram") if plan is not None else None
    return device.total + device.margin if device is not None else None


def _gpu_present(machine: Machine, plan: RungPlan | None) -> Check:
    count = Quantity(len(machine.gpus), "gpus")
    gpu = best_gpu(machine)
    if gpu is None:
        return Check("gpu.present", WARN, "gpu_none", count, advice="gpu_none")
    return Check("gpu.present", OK, "gpu_found", count, values={"name": gpu.name or gpu.vendor})


def _gpu_memory(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    required = _gpu_required(plan, gpu)
    if gpu is None or gpu.memory_free_bytes is None:
        return _gpu_unknown("gpu.memory", gpu, _bytes(required))
    free, total = gpu.memory_free_bytes, gpu.memory_total_bytes or gpu.memory_free_bytes
    check = Check(
        "gpu.memory", OK, "gpu_memory", _bytes(free), _bytes(required),
        values={"free_bytes": free, "total_bytes": total},
    )  # fmt: skip
    if required is not None and required > free:
        return _as(check, FAIL, "gpu_memory_short", "gpu_memory_short", short_bytes=required - free)
    held = sum(process.memory_bytes or 0 for process in gpu.processes)
    if held >= HELD_BYTES:
        names = ", ".join(dict.fromkeys(process.name or "?" for process in gpu.processes))
        return _as(check, WARN, "gpu_memory_held", "close_programs", held_bytes=held, names=names)
    return check


def _as(check: Check, status: str, code: str, advice: str | None, **values: object) -> Check:
    merged = {**check.values, **values}
    return Check(check.id, status, code, check.value, check.required, advice, merged)


def _gpu_unknown(id_: str, gpu: Gpu | None, required: Quantity | None = None) -> Check:
    return Check(id_, UNKNOWN, "gpu_none" if gpu is None else "gpu_silent", required=required)


def _gpu_driver(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    if gpu is None or gpu.driver_version is None:
        check = _gpu_unknown("gpu.driver", gpu)
        missing = gpu is not None and gpu.vendor == "nvidia"
        return _as(check, UNKNOWN, check.code, "install_nvidia_driver") if missing else check
    found = version(gpu.driver_version) or (0,)
    values: dict[str, object] = {"driver": gpu.driver_version}
    if gpu.vendor != "nvidia":
        return Check("gpu.driver", OK, "driver_other", _driver(found), values=values)
    torch = plan is not None and plan.rung.startswith("transformers")
    least = driver_required(gpu, machine.os.name, torch=torch)
    required = _driver(least) if _gpu_required(plan, gpu) is not None else None
    values["required"] = ".".join(map(str, least))
    if found < least:
        return Check("gpu.driver", FAIL, "driver_old", _driver(found), required, "update_nvidia_driver", values)
    return Check("gpu.driver", OK, "driver_fine", _driver(found), required, values=values)


def _driver(numbers: tuple[int, ...]) -> Quantity:
    """Major and minor as one decimal number, as NVIDIA writes them."""
    return Quantity(float(".".join(map(str, numbers[:2]))), "driver")


def _capability(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    if gpu is None or gpu.compute_capability is None:
        return _gpu_unknown("gpu.compute_capability", gpu)
    found = gpu.compute_capability
    least = CAPABILITY.get(plan.rung) if plan is not None else None
    values: dict[str, object] = {"capability": ".".join(map(str, found))}
    fits = found >= (least or LEAST_CAPABILITY)
    return Check(
        "gpu.compute_capability",
        OK if fits else FAIL if least else WARN,
        "capability_fine" if fits else "capability_old",
        _number(found),
        _number(least) if least else None,
        None if fits else "capability_old",
        values,
    )


def _number(capability: tuple[int, int]) -> Quantity:
    return Quantity(capability[0] + capability[1] / 10, "compute_capability")


def _bar1(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    if gpu is None or gpu.bar1_total_bytes is None or gpu.memory_total_bytes is None:
        return _gpu_unknown("gpu.bar1", gpu)
    whole = gpu.bar1_total_bytes >= gpu.memory_total_bytes
    advice = None if whole else "bar1_small"
    code = "bar1_whole" if whole else "bar1_small"
    return Check("gpu.bar1", OK, code, _bytes(gpu.bar1_total_bytes), advice=advice)


def _temperature(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    if gpu is None or gpu.temperature_c is None:
        return _gpu_unknown("gpu.temperature", gpu)
    heat = gpu.temperature_c
    status = FAIL if heat >= TOO_HOT_C else WARN if heat >= HOT_C else OK
    value, values = Quantity(heat, "celsius"), {"celsius": heat}
    if status == OK:
        return Check("gpu.temperature", OK, "temperature_fine", value, values={**values})
    return Check("gpu.temperature", status, "temperature_high", value, advice="cool_gpu", values={**values})


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
        return Check("ram.total", UNKNOWN, "ram_silent", required=_bytes(required))
    values: dict[str, object] = {"total_bytes": total}
    if required is not None and required > total:
        values["required_bytes"] = required
        return Check(
            "ram.total", FAIL, "ram_too_small", _bytes(total), _bytes(required), "more_ram", values
        )
    return Check("ram.total", OK, "ram_total", _bytes(total), _bytes(required), values=values)


def _ram_available(machine: Machine, plan: RungPlan | None) -> Check:
    required, free = _ram_required(plan), ram_budget(machine).available
    if free is None:
        return Check("ram.available", UNKNOWN, "ram_silent", required=_bytes(required))
    values: dict[str, object] = {"free_bytes": free}
    if required is not None and required > free:
        values["short_bytes"] = required - free
        return Check(
            "ram.available", FAIL, "ram_short", _bytes(free), _bytes(required), "close_programs", values
        )
    return Check("ram.available", OK, "ram_available", _bytes(free), _bytes(required), values=values)


def _swap(machine: Machine, plan: RungPlan | None) -> Check:
    total, used = machine.memory.swap_total_bytes, machine.memory.swap_used_bytes
    if total is None:
        return Check("ram.swap", UNKNOWN, "ram_silent")
    if not total:
        return Check("ram.swap", OK, "swap_none", _bytes(0))
    values: dict[str, object] = {"total_bytes": total, "used_bytes": used or 0}
    full = used is not None and used >= GIB and used > SWAP_SHARE * total
    code, advice = ("swap_full", "close_programs") if full else ("swap_fine", None)
    return Check("ram.swap", WARN if full else OK, code, _bytes(used), advice=advice, values=values)


def _disk_free(machine: Machine, plan: RungPlan | None) -> Check:
    disk = machine.disks[0] if machine.disks else None
    required = plan.download_bytes if plan is not None else None
    if disk is None or disk.free_bytes is None:
        return Check("disk.free", UNKNOWN, "disk_silent", required=_bytes(required))
    values: dict[str, object] = {"free_bytes": disk.free_bytes, "path": disk.path}
    if required is not None and required > disk.free_bytes:
        values["short_bytes"] = required - disk.free_bytes
        return Check(
            "disk.free", FAIL, "disk_short", _bytes(disk.free_bytes), _bytes(required), "free_disk", values
        )
    return Check("disk.free", OK, "disk_free", _bytes(disk.free_bytes), _bytes(required), values=values)


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
    _gpu_present, _gpu_memory, _gpu_driver, _capability, _bar1, _temperature,
    _cores, _features, _ram_total, _ram_available, _swap, _disk_free, _disk_speed,
    _os_version, _os_tuning, _python, _torch, _llama_cpp, _bitsandbytes,
)  # fmt: skip
