"""The checks of the graphics card. Pure."""

from __future__ import annotations

import re

from .check_values import FAIL, OK, WARN, Check, Quantity, in_bytes
from .checks_gpu_memory import gpu_required, gpu_unknown
from .checks_gpu_memory import memory as memory
from .gpu_states import BY_HEAT, BY_POWER_LIMIT, BY_SUPPLY
from .limits import BLACKWELL, CAPABILITY, best_gpu, driver_required, version
from .machine import Gpu, Machine
from .rungs import RungPlan
from .torch_builds import TURING

HOT_C, TOO_HOT_C = 85, 90
"""Published guidance: at most 85 degrees at a short peak, 90 sustained."""
LEAST_CAPABILITY = (6, 0)
"""The oldest card that the published CUDA 12 builds of llama.cpp run on."""
BUSY_PERCENT = 50
"""From here on a lowered PCIe link is not explained by an idle card."""


def present(machine: Machine, plan: RungPlan | None) -> Check:
    """The card's name; of a PCIe link below its maximum it depends on the load what that means."""
    count = Quantity(len(machine.gpus), "gpus")
    gpu = best_gpu(machine)
    if gpu is None:
        return Check("gpu.present", WARN, "gpu_none", count, advice=_none_advice(machine))
    values: dict[str, object] = {"name": gpu.name or gpu.vendor}
    now, most = _link(gpu.pcie_generation, gpu.pcie_width), _link(gpu.pcie_generation_max, gpu.pcie_width_max)
    if now is None or most is None or not _link_lowered(gpu):
        return Check("gpu.present", OK, "gpu_found", count, values=values)
    values |= {"link": now, "most": most}
    if gpu.utilisation_percent is None or gpu.utilisation_percent < BUSY_PERCENT:
        return Check("gpu.present", OK, "gpu_link_idle", count, values=values)
    return Check("gpu.present", OK, "gpu_link_busy", count, advice="pcie_slot", values=values)


def _none_advice(machine: Machine) -> str:
    return "gpu_none_container" if machine.os.container and not machine.os.wsl else "gpu_none"


def _link(generation: int | None, width: int | None) -> str | None:
    return None if generation is None or width is None else f"PCIe {generation}.0 ×{width}"


def _link_lowered(gpu: Gpu) -> bool:
    return (gpu.pcie_generation or 0) < (gpu.pcie_generation_max or 0) or (gpu.pcie_width or 0) < (
        gpu.pcie_width_max or 0
    )


def driver(machine: Machine, plan: RungPlan | None) -> Check:
    """Against what CUDA 12, or torch on this card, needs (limits.driver_required)."""
    gpu = best_gpu(machine)
    found = version(gpu.driver_version) if gpu is not None else None
    if gpu is None or found is None:
        if (
            gpu is not None
            and gpu.vendor == "nvidia"
            and gpu.memory_total_bytes is None
            and not gpu.integrated
        ):
            return _no_driver(machine)
        return gpu_unknown("gpu.driver", gpu)
    values: dict[str, object] = {"driver": gpu.driver_version}
    if gpu.vendor != "nvidia":
        return Check("gpu.driver", OK, "driver_other", _driver(gpu.driver_version), values=values)
    torch = plan is not None and plan.rung.startswith("transformers")
    least = driver_required(gpu, machine.os.driver_system, torch=torch)
    wanted = ".".join(map(str, least))
    values["required"] = wanted
    required = _driver(wanted) if gpu_required(plan, gpu) is not None else None
    if found < least:
        return Check(
            "gpu.driver",
            FAIL,
            "driver_old",
            _driver(gpu.driver_version),
            required,
            "update_nvidia_driver",
            values,
        )
    if gpu.cuda_version is None:
        return Check(
            "gpu.driver", OK, "driver_fine", _driver(gpu.driver_version), required, "no_toolkit", values
        )
    values["cuda"] = gpu.cuda_version
    return Check("gpu.driver", OK, "driver_cuda", _driver(gpu.driver_version), required, "no_toolkit", values)


def _no_driver(machine: Machine) -> Check:
    """The card is seen and its driver is not: in a container it is the host's, and has to be let in."""
    if machine.os.container and not machine.os.wsl:
        return Check("gpu.driver", WARN, "driver_outside", advice="nvidia_container")
    return Check("gpu.driver", WARN, "driver_missing", advice="install_nvidia_driver")


def _driver(text: str | None) -> Quantity | None:
    """Major and minor as one decimal number, as NVIDIA writes them: ``546.01`` is not 546.1."""
    match = re.search(r"(?<![0-9])[0-9]{1,9}(?:\.[0-9]{1,9})?(?![0-9])", text or "")
    return Quantity(float(match[0]), "driver") if match else None


def capability(machine: Machine, plan: RungPlan | None) -> Check:
    """``ok`` with a word on torch for cards that it has left behind, or has only begun to know."""
    gpu = best_gpu(machine)
    if gpu is None or gpu.compute_capability is None:
        return gpu_unknown("gpu.compute_capability", gpu)
    found = gpu.compute_capability
    least = CAPABILITY.get(plan.rung) if plan is not None else None
    fits = found >= (least or LEAST_CAPABILITY)
    return Check(
        "gpu.compute_capability",
        OK if fits else FAIL if least else WARN,
        _generation(gpu, found) if fits else "capability_old",
        _number(found),
        _number(least) if least else None,
        None if fits else "capability_old",
        {"capability": ".".join(map(str, found))},
    )


def _generation(gpu: Gpu, found: tuple[int, int]) -> str:
    if gpu.vendor != "nvidia":
        return "capability_fine"
    if found < TURING:
        return "capability_before_turing"
    return "capability_blackwell" if found >= BLACKWELL else "capability_fine"


def _number(capability: tuple[int, int]) -> Quantity:
    return Quantity(capability[0] + capability[1] / 10, "compute_capability")


def bar1(machine: Machine, plan: RungPlan | None) -> Check:
    gpu = best_gpu(machine)
    if gpu is None or gpu.bar1_total_bytes is None or gpu.memory_total_bytes is None:
        return gpu_unknown("gpu.bar1", gpu)
    whole = gpu.bar1_total_bytes >= gpu.memory_total_bytes
    advice = None if whole else "bar1_small"
    code = "bar1_whole" if whole else "bar1_small"
    return Check("gpu.bar1", OK, code, in_bytes(gpu.bar1_total_bytes), advice=advice)


def temperature(machine: Machine, plan: RungPlan | None) -> Check:
    """Heat and power: what slows the card down right now, as far as the driver tells."""
    gpu = best_gpu(machine)
    slowed = _slowed(gpu) if gpu is not None else None
    if gpu is None or (gpu.temperature_c is None and slowed is None):
        return gpu_unknown("gpu.temperature", gpu)
    heat, values = gpu.temperature_c, _power(gpu)
    value = Quantity(heat, "celsius") if heat is not None else None
    status = OK if heat is None or heat < HOT_C else WARN if heat < TOO_HOT_C else FAIL
    if slowed == "heat":
        code = "slowed_by_heat" if heat is not None else "slowed_by_heat_silent"
        return Check(
            "gpu.temperature", max(status, WARN, key=_SEVERITY.index), code, value, None, "cool_gpu", values
        )
    if status != OK:
        return Check("gpu.temperature", status, "temperature_high", value, None, "cool_gpu", values)
    if slowed == "supply":
        code = "slowed_by_supply" if heat is not None else "slowed_by_supply_silent"
        return Check("gpu.temperature", WARN, code, value, None, "check_power_cable", values)
    if slowed == "limit" and heat is not None and "limit" in values:
        return Check("gpu.temperature", OK, "at_power_limit", value, values=values)
    if heat is None:
        return gpu_unknown("gpu.temperature", gpu)
    code = "temperature_power" if "draw" in values and "limit" in values else "temperature_fine"
    return Check("gpu.temperature", OK, code, value, values=values)


_SEVERITY = (OK, WARN, FAIL)


def _slowed(gpu: Gpu) -> str | None:
    """``heat``, ``supply``, ``limit`` or None; an idle card's low clocks are nothing."""
    reasons = frozenset(gpu.throttle_reasons or ())
    if reasons & BY_HEAT:
        return "heat"
    if reasons & BY_SUPPLY:
        return "supply"
    return "limit" if reasons & BY_POWER_LIMIT else None


def _power(gpu: Gpu) -> dict[str, object]:
    """Degrees and whole watts, as far as they are known."""
    found = {"celsius": gpu.temperature_c, "draw": gpu.power_draw_w, "limit": gpu.power_limit_w}
    return {key: round(value) for key, value in found.items() if value is not None}
