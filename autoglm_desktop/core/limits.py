"""What a machine's system, driver and card rule out, whatever the memory; which engine runs a rung. Pure.

Minimums: docs/numbers.md, section 7.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import Reason
from .machine import Gpu, Machine
from .memory import gpu_budget
from .rungs import EngineState

if TYPE_CHECKING:
    from .setting import Setting

DRIVER_CUDA12 = {"Linux": (525, 60, 13), "Windows": (528, 33)}
"""The least driver for CUDA 12."""
DRIVER_CUDA13 = (580,)
"""For CUDA 13, which torch needs on Blackwell cards."""
BLACKWELL = (10, 0)
CAPABILITY = {
    "transformers-16bit": (6, 0),
    "transformers-int8": (7, 5),
    "transformers-nf4": (6, 0),
    "transformers-nf4-lean": (6, 0),
}
"""bitsandbytes: 4-bit from 6.0, int8 from 7.5; 16-bit as fp16 where bf16 (8.0) is not there."""
BF16_CAPABILITY = (8, 0)

NO_GPU_DEVICES = ("cpu", "blas", "accelerate")
"""How llama.cpp names devices that are no graphics card."""
GPU_RUNGS = ("gguf-gpu", "gguf-split")
MOST_CARDS = 16
"""That llama.cpp shares layers over (docs/numbers.md, section 4)."""


def best_gpu(machine: Machine) -> Gpu | None:
    """The one card that plans use: of those whose memory is known the one with the most to give."""
    if not machine.gpus:
        return None
    order = {"nvidia": 2, "apple": 2, "amd": 1}

    def rank(gpu: Gpu) -> tuple[bool, int, int, int]:
        limit = gpu_budget(gpu, machine).limit
        return (limit is not None, limit or 0, order.get(gpu.vendor, 0), -gpu.index)

    return max(machine.gpus, key=rank)


def companions(machine: Machine, gpu: Gpu | None) -> tuple[Gpu, ...]:
    """Other cards of the same vendor that can share a GGUF's layers with ``gpu``, the largest first; never one that
    shares the system's RAM, and not more than MOST_CARDS with it."""
    if gpu is None or gpu.vendor == "apple":
        return ()
    known = [
        other
        for other in machine.gpus
        if other.index != gpu.index
        and other.vendor == gpu.vendor
        and not other.integrated
        and gpu_budget(other, machine).limit
    ]
    return tuple(sorted(known, key=lambda other: -(gpu_budget(other, machine).limit or 0))[: MOST_CARDS - 1])


def hindrance(setting: Setting, rung: str, variant: str | None = None) -> Reason | None:
    """Why a rung cannot be used here, with a variant, although it may fit; None where nothing speaks against it."""
    if on_processor(setting, rung):
        if setting.ram_budget.limit is None:
            return Reason.of("ram_unknown")
    elif rung.startswith("transformers") or rung in GPU_RUNGS:
        found = _gpu_hindrance(setting, rung)
        if found is not None:
            return found
    elif setting.ram_budget.limit is None:
        return Reason.of("ram_unknown")
    matching = (n for n in setting.crashes if n.rung == rung and n.variant in (None, variant))
    note = next(matching, None)
    if note is not None:
        return Reason.of("crashes_here", kind=note.kind, message=note.message)
    return _self_test_hindrance(setting, rung)


def on_processor(setting: Setting, rung: str) -> bool:
    """Whether transformers is to compute without a card: for a folder that nothing else runs, where torch can use no
    card. A GGUF of the same model is faster there, so a model with one is never planned so."""
    subject = setting.subject
    if rung != "transformers-16bit" or subject.gguf or subject.safetensors is None:
        return False
    return _gpu_hindrance(setting, rung) is not None


def engine_for(setting: Setting, rung: str) -> EngineState | None:
    """An installed engine that could run the rung; one whose self-test failed does not count."""
    return next((engine for engine in _engines(setting, rung) if engine.self_test != "failed"), None)


def is_gpu(device: str) -> bool:
    """Whether a device, as an engine names it, is a graphics card."""
    return bool(device.strip()) and not device.lower().startswith(NO_GPU_DEVICES)


def dtype_16bit(gpu: Gpu | None) -> str:
    """bfloat16 where the card has it or is unknown, else float16."""
    old = gpu is not None and gpu.compute_capability is not None and gpu.compute_capability < BF16_CAPABILITY
    return "float16" if old else "bfloat16"


def version(text: str | None) -> tuple[int, ...] | None:
    """``535.183.01`` → (535, 183, 1); None where there is no number that a version could have."""
    numbers = re.findall(r"(?<![0-9])[0-9]{1,9}(?![0-9])", text or "")
    return tuple(int(number) for number in numbers) or None


def driver_required(gpu: Gpu, system: str | None, *, torch: bool) -> tuple[int, ...]:
    """The least NVIDIA driver for GGUF on the GPU, or for torch."""
    if torch and gpu.compute_capability is not None and gpu.compute_capability >= BLACKWELL:
        return DRIVER_CUDA13
    return DRIVER_CUDA12.get(system or "", DRIVER_CUDA12["Linux"])


def _gpu_hindrance(setting: Setting, rung: str) -> Reason | None:
    gpu, system = setting.gpu, setting.machine.os.driver_system
    torch = rung.startswith("transformers")
    if gpu is None:
        return Reason.of("no_gpu")
    if torch and gpu.vendor != "nvidia":
        return Reason.of("needs_nvidia", gpu=gpu.name or gpu.vendor)
    if gpu.vendor == "nvidia" and system == "macOS":
        return Reason.of("no_driver_for_system", gpu=gpu.name or gpu.vendor)
    if setting.gpu_budget is None or setting.gpu_budget.limit is None:
        return Reason.of("gpu_memory_unknown", gpu=gpu.name or gpu.vendor)
    if gpu.vendor == "nvidia":
        found, least = version(gpu.driver_version), driver_required(gpu, system, torch=torch)
        if found is not None and found < least:
            return Reason.of("driver_too_old", driver=gpu.driver_version, required=_dotted(least))
    needed = CAPABILITY.get(rung)
    if needed is not None and gpu.compute_capability is not None and gpu.compute_capability < needed:
        return Reason.of("card_too_old", capability=_dotted(gpu.compute_capability), required=_dotted(needed))
    return None


def _self_test_hindrance(setting: Setting, rung: str) -> Reason | None:
    """A self-test that needed safe options rules out the plain CPU rung; a failed one rules out all."""
    engines = _engines(setting, rung)
    if not engines:
        return None
    if all(engine.self_test == "failed" for engine in engines):
        return Reason.of("self_test_failed", engine=engines[0].name)
    if rung == "gguf-cpu" and all(engine.self_test in ("safe_mode", "failed") for engine in engines):
        return Reason.of("crashes_here", kind="crashed", message="")
    return None


def _engines(setting: Setting, rung: str) -> list[EngineState]:
    """Installed engines of the rung's kind; for the CPU rungs those without a GPU first."""
    backend = "transformers" if rung.startswith("transformers") else "llama.cpp"
    found = [e for e in setting.engines if e.installed and e.backend == backend]
    if on_processor(setting, rung):
        return found
    if backend == "transformers" or rung in GPU_RUNGS:
        return [engine for engine in found if engine.gpu]
    return [engine for engine in found if not engine.gpu] or found


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in numbers)
