"""NVIDIA GPUs by NVML, the driver's own library (nvidia-ml-py is imported when asked, not before)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.machine import Gpu
from .nvidia_card import LOST, Nvml, first_part, is_divided, read_card
from .nvidia_missing import Seen, look, why
from .outcome import FOUND, GpuFinding

LOST_CARD = 15
# Codes of nvmlReturn_t that end the whole probe: (reason, what helps).
FATAL = {
    4: ("nvidia_no_permission", "nvidia_permission"),
    6: ("nvidia_no_devices", None),
    9: ("nvidia_driver_not_loaded", "load_nvidia_driver"),
    12: ("nvidia_driver_missing", "install_nvidia_driver"),
    13: ("nvidia_driver_too_old", "update_nvidia_driver"),
    LOST_CARD: ("gpu_not_responding", "restart_machine"),
    18: ("nvidia_driver_mismatch", "restart_machine"),
}
# These mean "there is nothing here to ask", not that something is broken.
NOTHING_THERE = frozenset({6, 12})
MOST_CARDS = 256
"""Far more than any machine has."""
SILENT = {4: FATAL[4], 8: ("gpu_power_cable", "check_power_cable")}
"""Why a single card has no answer, where that is not LOST or unknown: (reason, what helps)."""


def probe_nvml(found: tuple[Gpu, ...] = (), root: Path = Path("/")) -> GpuFinding:
    """All cards that NVML shows, in PCI order (CUDA's order only with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``).
    ``root``: where to look for what explains a failure."""
    try:
        import pynvml
    except ImportError:
        return GpuFinding.skipped("nvml_python_missing", "install_nvidia_ml_py")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return unavailable(error.value, str(error), look(root))
    nvml = Nvml(pynvml)
    try:
        return _cards(nvml)
    except pynvml.NVMLError as error:
        return unavailable(error.value, str(error), look(root))
    finally:
        nvml.ask("nvmlShutdown")


def unavailable(code: int, text: str, seen: Seen | None = None) -> GpuFinding:
    """Why NVML as a whole has no answer; ``seen``: what there is to see of a card all the same."""
    explained = why(code, seen) if seen is not None else None
    if explained is not None:
        return GpuFinding.failed(*explained)
    reason, advice = FATAL.get(code, ("nvml_error", None))
    make = GpuFinding.skipped if code in NOTHING_THERE else GpuFinding.failed
    if reason == "nvml_error":
        return make(reason, advice, number=code, text=text)
    return make(reason, advice)


def _cards(nvml: Nvml) -> GpuFinding:
    count = nvml.api.nvmlDeviceGetCount()
    if not count:
        return unavailable(6, "")
    driver = nvml.text("nvmlSystemGetDriverVersion")
    cuda = cuda_version(nvml.ask("nvmlSystemGetCudaDriverVersion_v2"))
    gpus: list[Gpu] = []
    notes: list[GpuFinding] = []
    for index in range(min(count, MOST_CARDS)):
        handle, code = _handle(nvml, index)
        nvml.lost = False
        gpu = read_card(nvml, index, handle, driver, cuda) if handle is not None else None
        if gpu is None or nvml.lost:  # it can be lost while it is asked
            gpus.append(Gpu(index, "nvidia", driver_version=driver, cuda_version=cuda))
            reason, advice = SILENT.get(code, FATAL[LOST_CARD])
            notes.insert(0, GpuFinding.failed(reason, advice, index=index))
            continue
        gpus.append(gpu)
        if is_divided(nvml, handle):
            notes.append(_divided(nvml, index, handle))
    if not notes:
        return GpuFinding(tuple(gpus))
    return GpuFinding(tuple(gpus), FOUND, notes[0].reason, notes[0].advice)


def _divided(nvml: Nvml, index: int, handle: Any) -> GpuFinding:
    """What is odd about a card that MIG divides."""
    if first_part(nvml, handle) is None:
        return GpuFinding.failed("gpu_divided_empty", "mig_devices", index=index)
    return GpuFinding.failed("gpu_divided", None, index=index)


def _handle(nvml: Nvml, index: int) -> tuple[Any, int]:
    """A handle to a card that still answers, else the error; one that fell off the bus can have a handle, too."""
    try:
        handle = nvml.api.nvmlDeviceGetHandleByIndex(index)
    except nvml.api.NVMLError as error:
        return None, error.value
    try:
        nvml.api.nvmlDeviceGetMemoryInfo(handle)
    except nvml.api.NVMLError as error:
        if error.value in LOST:
            return None, error.value
    return handle, 0


def cuda_version(number: int | None) -> str | None:
    """NVML's 12060 is CUDA 12.6."""
    return f"{number // 1000}.{number % 1000 // 10}" if number and number > 0 else None
