"""The checks of Python, its packages and the engine environments. Pure."""

from __future__ import annotations

from . import torch_builds
from .check_values import FAIL, OK, UNKNOWN, WARN, Check
from .limits import best_gpu, is_gpu, version
from .machine import EngineInfo, Machine
from .rungs import RungPlan

LEAST_PYTHON = (3, 10)


def python(machine: Machine, plan: RungPlan | None) -> Check:
    found = version(machine.runtime.python)
    if found is None:
        return Check("runtime.python", UNKNOWN, "python_unknown")
    values: dict[str, object] = {"version": machine.runtime.python}
    if found[:2] < LEAST_PYTHON:
        return Check("runtime.python", FAIL, "python_old", advice="python_old", values=values)
    return Check("runtime.python", OK, "python_fine", values=values)


def torch(machine: Machine, plan: RungPlan | None) -> Check:
    """Judged against the card where the plan needs torch; else what is there is said and nothing more."""
    check = _package(machine, plan, "runtime.torch", "torch")
    gpu, found = best_gpu(machine), check.values.get("version")
    if not _needed(plan) or gpu is None or gpu.vendor != "nvidia" or not isinstance(found, str):
        return check
    code = torch_builds.hindrance(found, gpu, machine.os.driver_system)
    if code is None:
        return check
    advice = "update_nvidia_driver" if code == "torch_driver_old" else "torch_for_card"
    if code == "torch_too_new_for_card":
        advice = "torch_for_old_card"
    values = {**check.values, "gpu": gpu.name or "GPU", "driver": gpu.driver_version or ""}
    return Check(check.id, WARN, code, advice=advice, values=values)


def bitsandbytes(machine: Machine, plan: RungPlan | None) -> Check:
    return _package(machine, plan, "runtime.bitsandbytes", "bitsandbytes")


def _needed(plan: RungPlan | None) -> bool:
    return plan is not None and plan.rung.startswith("transformers")


def _package(machine: Machine, plan: RungPlan | None, id_: str, name: str) -> Check:
    """A package that only the transformers rungs need."""
    found = next((p.version for p in machine.runtime.packages or () if p.name == name), None)
    if found is not None:
        return Check(id_, OK, "package_found", values={"name": name, "version": found})
    if not _needed(plan):
        return Check(id_, OK, "package_not_needed", values={"name": name})
    return Check(id_, WARN, "package_missing", advice="install_torch", values={"name": name})


def llama_cpp(machine: Machine, plan: RungPlan | None) -> Check:
    """The best engine; one made for a graphics card that sees none is said first."""
    engines = [e for e in machine.runtime.engines if (e.backend or "llama.cpp") == "llama.cpp"]
    if not engines:
        return Check("runtime.llama_cpp", WARN, "engine_missing", advice="install_engine")
    blind = next((engine for engine in engines if _blind(engine)), None)
    if blind is not None and machine.gpus:
        values = {**_values(blind), "gpu": machine.gpus[0].name or "GPU"}
        return Check(
            "runtime.llama_cpp", WARN, "engine_sees_no_gpu", advice="engine_sees_no_gpu", values=values
        )
    order = {"passed": 0, "safe_mode": 1, "not_run": 2, "failed": 3}
    return _engine(min(engines, key=lambda found: order.get(found.self_test, 2)))


def _blind(engine: EngineInfo) -> bool:
    """Not the CPU's own build, and yet sees the CPU alone. One not asked yet tells nothing, and is not judged."""
    for_cpu = engine.name.lower().endswith("cpu")
    return not for_cpu and bool(engine.devices) and not any(is_gpu(device) for device in engine.devices)


def _engine(engine: EngineInfo) -> Check:
    values = _values(engine)
    if engine.self_test == "failed":
        return Check("runtime.llama_cpp", FAIL, "engine_failed", advice="engine_failed", values=values)
    if engine.self_test == "safe_mode":
        return Check("runtime.llama_cpp", OK, "engine_safe", values=values)
    if engine.self_test != "passed":
        return Check("runtime.llama_cpp", OK, "engine_untested", advice="test_engine", values=values)
    code = "engine_passed_devices" if engine.devices else "engine_passed"
    return Check("runtime.llama_cpp", OK, code, values=values)


def _values(engine: EngineInfo) -> dict[str, object]:
    """``devices`` as the engine itself names them."""
    return {"name": engine.name, "version": engine.version or "", "devices": ", ".join(engine.devices)}
