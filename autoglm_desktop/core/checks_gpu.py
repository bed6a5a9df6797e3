"""The checks of the graphics card. Pure."""

from __future__ import annotations

from .check_values import FAIL, OK, UNKNOWN, WARN, Check, Quantity, in_bytes
from .limits import CAPABILITY, best_gpu, driver_required, version
from .machine import Gpu, Machine
from .rungs import RungPlan
from .units import GIB

HELD_BYTES = GIB
"""GPU memory in the hands of other programs that is worth naming."""
MAX_NAMES = 5
HOT_C, TOO_HOT_C = 85, 90
"""Published guidance: at most 85 degrees at a short peak, 90 sustained."""
LEAST_CAPABILITY = (6, 0)
"""The oldest card that the published CUDA 12 builds of llama.cpp run on."""


def present(machine: Machine, plan: RungPlan | None) -> Check:
    count = Quantity(len(machine.gpus), "gpus")
    gpu = best_gpu(machine)
    if gpu is None:
        return Check("gpu.present", WARN, "gpu_none", count, advice="gpu_none")
    return Check("gpu.present", OK, "gpu_found", count, values={"name": gpu.name or gpu.vendor})


def memory(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    required = _gpu_required(plan, gpu)
    if gpu is None or gpu.memory_free_bytes is None:
        return _gpu_unknown("gpu.memory", gpu, in_bytes(required))
    free, total = gpu.memory_free_bytes, gpu.memory_total_bytes or gpu.memory_free_bytes
    check = Check(
        "gpu.memory", OK, "gpu_memory", in_bytes(free), in_bytes(required),
        values={"free_bytes": free, "total_bytes": total},
    )  # fmt: skip
    if required is not None and required > free:
        return _as(check, FAIL, "gpu_memory_short", "gpu_memory_short", short_bytes=required - free)
    held = _held(gpu, total - free)
    if held >= HELD_BYTES:
        names = list(dict.fromkeys(process.name or "?" for process in gpu.processes))
        shown = ", ".join([*names[:MAX_NAMES], *("…" for _more in names[MAX_NAMES : MAX_NAMES + 1])])
        return _as(check, WARN, "gpu_memory_held", "close_programs", held_bytes=held, names=shown)
    return check


def _held(gpu: Gpu, used: int) -> int:
    """Bytes in the hands of programs; where none tells its own (Windows), all that the driver does not keep."""
    told = [process.memory_bytes for process in gpu.processes if process.memory_bytes is not None]
    if told or not gpu.processes:
        return sum(told)
    return used - (gpu.memory_reserved_bytes or 0)


def _as(check: Check, status: str, code: str, advice: str | None, **values: object) -> Check:
    merged = {**check.values, **values}
    return Check(check.id, status, code, check.value, check.required, advice, merged)


def _gpu_unknown(id_: str, gpu: Gpu | None, required: Quantity | None = None) -> Check:
    return Check(id_, UNKNOWN, "gpu_none" if gpu is None else "gpu_silent", required=required)


def driver(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    found = version(gpu.driver_version) if gpu is not None else None
    if gpu is None or found is None:
        if gpu is not None and gpu.vendor == "nvidia" and gpu.memory_total_bytes is None:
            return Check("gpu.driver", WARN, "driver_missing", advice="install_nvidia_driver")
        return _gpu_unknown("gpu.driver", gpu)
    values: dict[str, object] = {"driver": gpu.driver_version}
    if gpu.vendor != "nvidia":
        return Check("gpu.driver", OK, "driver_other", _driver(found), values=values)
    torch = plan is not None and plan.rung.startswith("transformers")
    least = driver_required(gpu, machine.os.driver_system, torch=torch)
    required = _driver(least) if _gpu_required(plan, gpu) is not None else None
    values["required"] = ".".join(map(str, least))
    if found < least:
        return Check(
            "gpu.driver", FAIL, "driver_old", _driver(found), required, "update_nvidia_driver", values
        )
    return Check("gpu.driver", OK, "driver_fine", _driver(found), required, values=values)


def _driver(numbers: tuple[int, ...]) -> Quantity:
    """Major and minor as one decimal number, as NVIDIA writes them."""
    return Quantity(float(".".join(map(str, numbers[:2]))), "driver")


def capability(machine: Machine, plan: RungPlan | None) -> Check:
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


def bar1(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    if gpu is None or gpu.bar1_total_bytes is None or gpu.memory_total_bytes is None:
        return _gpu_unknown("gpu.bar1", gpu)
    whole = gpu.bar1_total_bytes >= gpu.memory_total_bytes
    advice = None if whole else "bar1_small"
    code = "bar1_whole" if whole else "bar1_small"
    return Check("gpu.bar1", OK, code, in_bytes(gpu.bar1_total_bytes), advice=advice)


def temperature(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    if gpu is None or gpu.temperature_c is None:
        return _gpu_unknown("gpu.temperature", gpu)
    heat = gpu.temperature_c
    status = FAIL if heat >= TOO_HOT_C else WARN if heat >= HOT_C else OK
    value, values = Quantity(heat, "celsius"), {"celsius": heat}
    if status == OK:
        return Check("gpu.temperature", OK, "temperature_fine", value, values={**values})
    return Check("gpu.temperature", status, "temperature_high", value, advice="cool_gpu", values={**values})


def _gpu_required(plan: RungPlan | None, gpu: Gpu | None) -> int | None:
    device = plan.memory.get(f"gpu:{gpu.index}") if plan is not None and gpu is not None else None
    return device.total + device.margin if device is not None and device.total else None
