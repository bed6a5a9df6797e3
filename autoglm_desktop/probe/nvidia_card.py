"""One NVIDIA card by NVML. Every question is asked on its own: what a driver will not say is ``None``."""

from __future__ import annotations

import logging
from typing import Any

from ..core.gpu_states import shares_memory, throttle_codes
from ..core.machine import Gpu, GpuProcess
from .nvidia_processes import is_own_process, merge_processes

log = logging.getLogger(__name__)
NOT_A_NUMBER = 0xFFFFFFFF
"""NVML's word for a 32-bit number that it doesn't know."""
NO_BYTES = 1 << 60
"""Beyond every memory: NVML's "not available" of 64 bits, and nonsense."""
FASTEST_BYTES_PER_S = 100_000_000_000_000
"""Beyond every card."""
COLDEST_C, HOTTEST_C = -100, 300
"""No card works beyond."""
LOST = frozenset({15, 16})
"""Codes of nvmlReturn_t: fell off the bus, waits for a reset."""
MOST_MIG_DEVICES = 16


class Nvml:
    """The binding, with every failure of a single question turned into ``None``."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.lost = False
        """Whether a card fell off the bus, or waits for a reset, at one of the questions so far."""
        # NVMLLibraryMismatchError is no NVMLError; a name may be no UTF-8; bindings lack functions, too.
        self.failures: tuple[type[BaseException], ...] = (
            api.NVMLError,
            getattr(api, "NVMLLibraryMismatchError", api.NVMLError),
            AttributeError,
            UnicodeDecodeError,
        )

    def ask(self, function: str, *arguments: object) -> Any:
        try:
            return getattr(self.api, function)(*arguments)
        except self.failures as error:
            log.debug("%s: %s", function, error)
            self.lost = self.lost or getattr(error, "value", None) in LOST
            return None

    def first(self, functions: tuple[str, ...], *arguments: object) -> Any:
        """The answer of the first function that has one: drivers gain and lose functions over the years."""
        answers = (self.ask(function, *arguments) for function in functions)
        return next((answer for answer in answers if answer is not None), None)

    def text(self, function: str, *arguments: object) -> str | None:
        value = self.ask(function, *arguments)
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return text.strip() or None if text else None

    def number(self, function: str, *arguments: object) -> int | None:
        """A number above zero: the numbers asked for this way mean "not known" where they are 0."""
        value = self.ask(function, *arguments)
        return int(value) if value and 0 < value < NOT_A_NUMBER else None


def read_card(nvml: Nvml, index: int, handle: Any, driver: str | None, cuda: str | None) -> Gpu:
    """Everything that NVML tells of a card. Of one divided by MIG: what a program sees, its first part."""
    divided = is_divided(nvml, handle)
    part = first_part(nvml, handle) if divided else handle
    total, free, reserved = _memory(nvml, part) if part is not None else (None, None, None)
    capability = _capability(nvml, handle)
    width = None if divided else nvml.number("nvmlDeviceGetMemoryBusWidth", handle)
    clock = nvml.number("nvmlDeviceGetMaxClockInfo", handle, nvml.api.NVML_CLOCK_MEM)
    bar1 = nvml.ask("nvmlDeviceGetBAR1MemoryInfo", handle)
    limit = nvml.first(("nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetPowerManagementLimit"), handle)
    return Gpu(
        index,
        "nvidia",
        name=(nvml.text("nvmlDeviceGetName", part) if part is not None else None)
        or nvml.text("nvmlDeviceGetName", handle),
        memory_total_bytes=total,
        memory_free_bytes=free,
        compute_capability=capability,
        driver_version=driver,
        cuda_version=cuda,
        memory_bandwidth_bytes_per_s=bandwidth(clock, width),
        power_limit_w=_watts(limit),
        temperature_c=_temperature(nvml, handle),
        bar1_total_bytes=_bytes(bar1.bar1Total) or None if bar1 and not divided else None,
        display_attached=any_true(
            nvml.ask("nvmlDeviceGetDisplayMode", handle), nvml.ask("nvmlDeviceGetDisplayActive", handle)
        ),
        processes=_processes(nvml, part) if part is not None else (),
        memory_reserved_bytes=reserved,
        bus_width_bits=width,
        memory_clock_mhz=clock,
        core_clock_mhz=_core_clock(nvml, handle),
        cores=None if divided else nvml.number("nvmlDeviceGetNumGpuCores", handle),
        pcie_generation=nvml.number("nvmlDeviceGetCurrPcieLinkGeneration", handle),
        pcie_generation_max=nvml.number("nvmlDeviceGetMaxPcieLinkGeneration", handle),
        pcie_width=nvml.number("nvmlDeviceGetCurrPcieLinkWidth", handle),
        pcie_width_max=nvml.number("nvmlDeviceGetMaxPcieLinkWidth", handle),
        power_draw_w=_watts(nvml.ask("nvmlDeviceGetPowerUsage", handle)),
        throttle_reasons=_throttle(nvml, handle),
        utilisation_percent=_utilisation(nvml, handle),
        integrated=shares_memory(capability),
    )


def is_divided(nvml: Nvml, handle: Any) -> bool:
    """Whether Multi-Instance GPU is on."""
    mode = nvml.ask("nvmlDeviceGetMigMode", handle)
    return bool(mode) and mode[0] == 1


def first_part(nvml: Nvml, handle: Any) -> Any:
    """The MIG device that CUDA gives to a program which names none: the first; None where there is none."""
    most = min(nvml.number("nvmlDeviceGetMaxMigDeviceCount", handle) or 0, MOST_MIG_DEVICES)
    parts = (nvml.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, number) for number in range(most))
    return next((part for part in parts if part is not None), None)


def _memory(nvml: Nvml, handle: Any) -> tuple[int | None, int | None, int | None]:
    """(total, free, reserved) in bytes; reserved only where the driver has version 2 of the call."""
    version = getattr(nvml.api, "nvmlMemory_v2", None)
    info = nvml.ask("nvmlDeviceGetMemoryInfo", handle, version) if version else None
    reserved = _bytes(info.reserved) if info else None
    info = info or nvml.ask("nvmlDeviceGetMemoryInfo", handle)
    total, free = (_bytes(info.total), _bytes(info.free)) if info else (None, None)
    if not total:
        return None, None, None
    return total, min(free, total) if free is not None else None, reserved


def _bytes(number: int) -> int | None:
    return number if 0 <= number < NO_BYTES else None


def _capability(nvml: Nvml, handle: Any) -> tuple[int, int] | None:
    found = nvml.ask("nvmlDeviceGetCudaComputeCapability", handle)
    return (int(found[0]), int(found[1])) if found and found[0] > 0 else None


def _processes(nvml: Nvml, handle: Any) -> tuple[GpuProcess, ...]:
    found: list[tuple[int, int | None]] = []
    for kind in ("Compute", "Graphics"):
        names = (f"nvmlDeviceGet{kind}RunningProcesses_v3", f"nvmlDeviceGet{kind}RunningProcesses_v2")
        entries = nvml.first(names, handle) or []
        found += [(entry.pid, entry.usedGpuMemory) for entry in entries]
    return merge_processes(found, lambda pid: nvml.text("nvmlSystemGetProcessName", pid), is_own_process)


def _temperature(nvml: Nvml, handle: Any) -> int | None:
    names = ("nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV")
    value = nvml.first(names, handle, nvml.api.NVML_TEMPERATURE_GPU)
    return int(value) if value is not None and COLDEST_C < value < HOTTEST_C else None


def _throttle(nvml: Nvml, handle: Any) -> tuple[str, ...] | None:
    names = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
    return throttle_codes(nvml.first(names, handle))


def _core_clock(nvml: Nvml, handle: Any) -> int | None:
    shader = nvml.number("nvmlDeviceGetMaxClockInfo", handle, nvml.api.NVML_CLOCK_SM)
    return shader or nvml.number("nvmlDeviceGetMaxClockInfo", handle, nvml.api.NVML_CLOCK_GRAPHICS)


def _utilisation(nvml: Nvml, handle: Any) -> int | None:
    rates = nvml.ask("nvmlDeviceGetUtilizationRates", handle)
    return int(rates.gpu) if rates is not None and rates.gpu <= 100 else None


def _watts(milliwatts: int | None) -> float | None:
    return milliwatts / 1000 if milliwatts and milliwatts < NOT_A_NUMBER else None


def bandwidth(clock_mhz: int | None, bus_bits: int | None) -> int | None:
    """Bytes/s = maximum memory clock × 2 (double data rate) × bus width ÷ 8; None where the driver won't say.

    Agrees with published figures for RTX 3060 (360 GB/s), 4060 (272), 4090 (1008) and A100 80 GB (2039).
    Cards that share the system's memory report no clock or no bus.
    """
    if not clock_mhz or not bus_bits:
        return None
    found = clock_mhz * 1_000_000 * 2 * bus_bits // 8
    return found if found < FASTEST_BYTES_PER_S else None


def any_true(*answers: int | None) -> bool | None:
    """A display is plugged in, or memory is set aside for one; unknown where neither is told."""
    known = [bool(answer) for answer in answers if answer is not None]
    return any(known) if known else None
