"""NVIDIA GPUs by NVML, the driver's own library (nvidia-ml-py is imported when asked, not before).

Every question to a card is asked on its own: what a driver will not say is ``None`` for that field alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..core.machine import Gpu, GpuProcess
from .outcome import GpuFinding

T = TypeVar("T")
log = logging.getLogger(__name__)

# Codes of nvmlReturn_t that end the whole probe: (reason, what helps).
FATAL = {
    4: ("nvidia_no_permission", None),
    6: ("nvidia_no_devices", None),
    9: ("nvidia_driver_not_loaded", "load_nvidia_driver"),
    12: ("nvidia_driver_missing", "install_nvidia_driver"),
    13: ("nvidia_driver_too_old", "update_nvidia_driver"),
    15: ("gpu_not_responding", "restart_machine"),
    18: ("nvidia_driver_mismatch", "restart_machine"),
}
# These mean "there is nothing here to ask", not that something is broken.
NOTHING_THERE = frozenset({6, 12})
LOST = 15


def probe_nvml(found: tuple[Gpu, ...] = ()) -> GpuFinding:
    """All cards that NVML shows, in PCI order (CUDA's order only with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``)."""
    try:
        import pynvml
    except ImportError:
        return GpuFinding.skipped("nvml_python_missing", "install_nvidia_ml_py")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return unavailable(error.value, str(error))
    try:
        return _Nvml(pynvml).cards()
    except pynvml.NVMLError as error:
        return unavailable(error.value, str(error))
    finally:
        _Nvml(pynvml).ask("nvmlShutdown")


def unavailable(code: int, text: str) -> GpuFinding:
    """Why NVML as a whole has no answer."""
    reason, advice = FATAL.get(code, ("nvml_error", None))
    make = GpuFinding.skipped if code in NOTHING_THERE else GpuFinding.failed
    if reason == "nvml_error":
        return make(reason, advice, number=code, text=text)
    return make(reason, advice)


class _Nvml:
    """NVML with every failure of a single question turned into ``None``."""

    def __init__(self, api: Any) -> None:
        self.api = api
        # NVMLLibraryMismatchError is no NVMLError; a name may be no UTF-8; old bindings lack functions.
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
            return None

    def cards(self) -> GpuFinding:
        count = self.api.nvmlDeviceGetCount()
        if not count:
            return unavailable(6, "")
        driver = _text(self.ask("nvmlSystemGetDriverVersion"))
        cuda = cuda_version(self.ask("nvmlSystemGetCudaDriverVersion_v2"))
        gpus, silent = [], []
        for index in range(count):
            handle = self._handle(index)
            if handle is None:
                silent.append(index)
                gpus.append(Gpu(index, "nvidia", driver_version=driver, cuda_version=cuda))
            else:
                gpus.append(self._card(index, handle, driver, cuda))
        if silent:
            reason = GpuFinding.failed("gpu_not_responding", "restart_machine", indexes=tuple(silent))
            return GpuFinding(tuple(gpus), "found", reason.reason, reason.advice)
        return GpuFinding(tuple(gpus))

    def _handle(self, index: int) -> Any:
        """A handle to a card that still answers; one that fell off the bus can have a handle, too."""
        handle = self.ask("nvmlDeviceGetHandleByIndex", index)
        if handle is None:
            return None
        try:
            self.api.nvmlDeviceGetMemoryInfo(handle)
        except self.api.NVMLError as error:
            if error.value == LOST:
                return None
        return handle

    def _card(self, index: int, handle: Any, driver: str | None, cuda: str | None) -> Gpu:
        total, free, reserved = self._memory(handle)
        clock = self.ask("nvmlDeviceGetMaxClockInfo", handle, self.api.NVML_CLOCK_MEM)
        power = self.ask("nvmlDeviceGetEnforcedPowerLimit", handle)
        if power is None:
            power = self.ask("nvmlDeviceGetPowerManagementLimit", handle)
        bar1 = self.ask("nvmlDeviceGetBAR1MemoryInfo", handle)
        capability = self.ask("nvmlDeviceGetCudaComputeCapability", handle)
        return Gpu(
            index,
            "nvidia",
            name=_text(self.ask("nvmlDeviceGetName", handle)),
            memory_total_bytes=total,
            memory_free_bytes=free,
            compute_capability=tuple(capability) if capability else None,
            driver_version=driver,
            cuda_version=cuda,
            memory_bandwidth_bytes_per_s=bandwidth(clock, self.ask("nvmlDeviceGetMemoryBusWidth", handle)),
            power_limit_w=power / 1000 if power else None,
            temperature_c=self.ask("nvmlDeviceGetTemperature", handle, self.api.NVML_TEMPERATURE_GPU),
            bar1_total_bytes=bar1.bar1Total or None if bar1 else None,
            display_attached=any_true(
                self.ask("nvmlDeviceGetDisplayMode", handle), self.ask("nvmlDeviceGetDisplayActive", handle)
            ),
            processes=self._processes(handle),
            memory_reserved_bytes=reserved,
        )

    def _memory(self, handle: Any) -> tuple[int | None, int | None, int | None]:
        """(total, free, reserved) in bytes; reserved only where the driver has version 2 of the call."""
        version = getattr(self.api, "nvmlMemory_v2", None)
        info = self.ask("nvmlDeviceGetMemoryInfo", handle, version) if version else None
        reserved = info.reserved if info else None
        info = info or self.ask("nvmlDeviceGetMemoryInfo", handle)
        if not info or not info.total:
            return None, None, None
        return info.total, min(info.free, info.total), reserved

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        found: list[tuple[int, int | None]] = []
        for kind in ("Compute", "Graphics"):
            for suffix in ("_v3", "_v2"):
                entries = self.ask(f"nvmlDeviceGet{kind}RunningProcesses{suffix}", handle)
                if entries is not None:
                    found += [(entry.pid, entry.usedGpuMemory) for entry in entries]
                    break
        return merge_processes(found, lambda pid: self.ask("nvmlSystemGetProcessName", pid))


def bandwidth(clock_mhz: int | None, bus_bits: int | None) -> int | None:
    """Bytes/s = maximum memory clock × 2 (double data rate) × bus width ÷ 8; None where the driver won't say.

    Agrees with published figures for RTX 3060 (360 GB/s), 4060 (272), 4090 (1008) and A100 80 GB (2039).
    Cards that share the system's memory report no clock or no bus.
    """
    if not clock_mhz or not bus_bits:
        return None
    return clock_mhz * 1_000_000 * 2 * bus_bits // 8


def cuda_version(number: int | None) -> str | None:
    """NVML's 12060 is CUDA 12.6."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def any_true(*answers: int | None) -> bool | None:
    """A display is plugged in, or memory is set aside for one; unknown where neither is told."""
    known = [bool(answer) for answer in answers if answer is not None]
    return any(known) if known else None


def merge_processes(
    entries: Iterable[tuple[int, int | None]], name_of: Callable[[int], str | bytes | None]
) -> tuple[GpuProcess, ...]:
    """One entry per process (a process can be in both lists), the largest first."""
    memory: dict[int, int | None] = {}
    for pid, used in entries:
        before = memory.get(pid)
        memory[pid] = used if before is None else before if used is None else max(before, used)
    named = [GpuProcess(program_name(_text(name_of(pid))), used) for pid, used in memory.items()]
    return tuple(sorted(named, key=lambda item: (-(item.memory_bytes or 0), item.name or "")))


def program_name(command: str | None) -> str | None:
    """The program alone: folders and arguments can be private."""
    program = re.split(r"\s+--?\w", (command or "").strip(), maxsplit=1)[0]
    return re.split(r"[\\/]", program.rstrip("\\/"))[-1].strip() or None


def _text(value: str | bytes | None) -> str | None:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text.strip() or None if text else None
