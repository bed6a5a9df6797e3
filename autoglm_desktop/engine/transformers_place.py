"""On which devices transformers may put a model: the plan's ``max_memory`` and ``devices`` as a device map."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..core import protocol
from .server import JobFailed

QUANTISER_SHARE = 0.9
"""bitsandbytes' quantisers in transformers take this share of ``max_memory``; the plan has counted already."""


@dataclass(frozen=True)
class Placement:
    """``device_map`` and ``max_memory`` as ``from_pretrained`` takes them. ``wants_gpu``: a GPU was asked for, and then
    no layer may stay in RAM: it would be carried to the GPU for every token. ``keys``: what the plan calls torch's
    GPUs, which counts the machine's cards of all makers."""

    device_map: str | dict[str, str]
    max_memory: dict[int | str, int] | None = None
    wants_gpu: bool = False
    keys: tuple[tuple[str, str], ...] = ()

    def named(self, memory: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
        """Bytes by torch's devices as bytes by the plan's."""
        names = dict(self.keys)
        return {names.get(device, device): causes for device, causes in memory.items()}


def gpu_type() -> str | None:
    """``cuda`` (ROCm too), ``xpu``, ``mps``, or None without a GPU that torch can use."""
    if torch.cuda.is_available():
        return "cuda"
    accelerator = torch.accelerator.current_accelerator() if hasattr(torch, "accelerator") else None
    return str(accelerator.type) if accelerator is not None and torch.accelerator.is_available() else None


def names() -> tuple[str, ...]:
    """``cuda:0 (NVIDIA …)``-style names, the CPU last."""
    kind = gpu_type()
    found = []
    if kind == "cuda":
        found = [f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(torch.cuda.device_count())]
    elif kind is not None:
        found = [f"{kind}:{n}" for n in range(torch.accelerator.device_count())]
    return (*found, f"CPU ({torch.backends.cpu.get_cpu_capability()})")


def tried() -> tuple[str, ...]:
    """The devices' names, after a product on each. Raises what torch raises, where one has no kernels for it."""
    found = names()
    for name in found:
        device = "cpu" if name.startswith("CPU") else name.partition(" (")[0]
        square = torch.ones((64, 64), device=device)
        if float((square @ square).sum()) != 64.0**3:
            raise RuntimeError(f"{name} calculates wrongly")
    return found


def placement(job: protocol.Load) -> Placement:
    """Where the job wants the model; ``ram`` of its ``max_memory`` never takes layers from a GPU.
    Raises JobFailed: not_proven without the GPU it asks for."""
    keys = sorted((key for key in job.max_memory if key != "ram"), key=_index)
    chosen = [_index(name.partition(" (")[0]) for name in job.devices if not name.startswith("CPU")]
    if not keys and not chosen and job.gpu_layers == 0:
        return Placement({"": "cpu"})
    kind = gpu_type()
    count = _count(kind)
    gpus = chosen or [_index(key) for key in keys] or [0]
    if not chosen and len(gpus) == count == 1:
        gpus = [0]
    if kind is None or max(gpus) >= count:
        raise JobFailed("not_proven", f"gpu_not_seen: GPU {max(gpus)} was asked for, torch sees {count}")
    named = tuple((f"gpu:{index}", key) for index, key in zip(gpus, keys, strict=False))
    if len(gpus) == 1:
        return Placement({"": f"{kind}:{gpus[0]}"}, None, True, named)
    share = QUANTISER_SHARE if job.quantisation else 1.0
    names_of = dict(named)
    sizes: dict[int | str, int] = {
        index: int(job.max_memory.get(names_of.get(f"gpu:{index}", ""), 0) / share) or _free(kind, index)
        for index in gpus
    }
    return Placement("sequential", {**sizes, "cpu": 0}, True, named)


def _count(kind: str | None) -> int:
    if kind == "cuda":
        return int(torch.cuda.device_count())
    return int(torch.accelerator.device_count()) if kind is not None else 0


def _free(kind: str, index: int) -> int:
    """Bytes free on a GPU that the plan sets no limit for. Raises JobFailed(unsupported)."""
    if kind != "cuda":
        raise JobFailed("unsupported", f"several GPUs of type {kind} need max_memory")
    return int(torch.cuda.mem_get_info(index)[0])


def _index(name: str) -> int:
    """``gpu:1`` or ``cuda:1`` → 1. Raises JobFailed(unsupported)."""
    _, _, number = name.partition(":")
    if not number.isdigit():
        raise JobFailed("unsupported", f"no GPU of torch is called {name!r}")
    return int(number)
