"""made_* machines for the planner's tables: invented, with round numbers; names and bandwidths are real parts'."""

from __future__ import annotations

from dataclasses import replace

from autoglm_desktop.core.machine import (
    Cpu,
    Disk,
    EngineInfo,
    Gpu,
    GpuProcess,
    Machine,
    Memory,
    OsInfo,
    Runtime,
)
from autoglm_desktop.core.units import GB, GIB, MIB

DDR4_DUAL = 51 * GB


def made_gpu(name: str, total_mib: int, free_mib: int, capability: tuple[int, int], gb_s: int | None) -> Gpu:
    return Gpu(
        0, "nvidia", name, total_mib * MIB, free_mib * MIB, capability, "551.23", "12.4",
        gb_s * GB if gb_s is not None else None, display_attached=True,
    )  # fmt: skip


def made_machine(
    gpu: Gpu | None = None,
    *,
    ram_gib: float = 16,
    free_gib: float = 11,
    bandwidth: int | None = None,
    features: tuple[str, ...] = ("avx2", "fma"),
    system: str = "Windows",
) -> Machine:
    return Machine(
        OsInfo(system, "11", False),
        Cpu("made CPU", 8, 8, 16, features, bandwidth),
        Memory(int(ram_gib * GIB), int(free_gib * GIB), 0, 0),
        (Disk("models", "nvme", 100 * GIB),),
        (gpu,) if gpu is not None else (),
        Runtime("3.12.1"),
    )


def made_rtx_4060(**more: object) -> Machine:
    """8 GB with a desktop on it: 7000 MiB free."""
    return made_machine(made_gpu("NVIDIA GeForce RTX 4060", 8188, 7000, (8, 9), 272), **more)  # type: ignore[arg-type]


def made_rtx_3060() -> Machine:
    return made_machine(made_gpu("NVIDIA GeForce RTX 3060", 12288, 11000, (8, 6), 360))


def made_rtx_4090(free_mib: int = 23000) -> Machine:
    gpu = made_gpu("NVIDIA GeForce RTX 4090", 24564, free_mib, (8, 9), 1008)
    return made_machine(gpu, ram_gib=32, free_gib=24)


def made_gtx_1060() -> Machine:
    return made_machine(made_gpu("NVIDIA GeForce GTX 1060 6GB", 6144, 5400, (6, 1), 192))


def made_laptop(bandwidth: int | None = None) -> Machine:
    """16 GB, no GPU."""
    return made_machine(bandwidth=bandwidth)


def made_small() -> Machine:
    """8 GB of RAM, no GPU."""
    return made_machine(ram_gib=8, free_gib=5)


def made_mac() -> Machine:
    gpu = Gpu(0, "apple", "Apple M4", memory_bandwidth_bytes_per_s=120 * GB)
    return made_machine(gpu, ram_gib=24, free_gib=17, features=("neon", "dotprod", "i8mm"), system="macOS")


def with_gpu(machine: Machine, **changes: object) -> Machine:
    return replace(machine, gpus=(replace(machine.gpus[0], **changes),))  # type: ignore[arg-type]


def with_engine(machine: Machine, self_test: str = "passed") -> Machine:
    engine = EngineInfo("llama-cpu", "llama.cpp", "0.3.36", ("CPU",), self_test)
    return replace(machine, runtime=replace(machine.runtime, engines=(engine,)))


def with_game(machine: Machine) -> Machine:
    """Another program holds 3 GiB of the card."""
    game = GpuProcess("made-game.exe", 3 * GIB)
    free = (machine.gpus[0].memory_free_bytes or 0) - 3 * GIB
    return with_gpu(machine, processes=(game,), memory_free_bytes=free)
