"""What is known of a machine. Bytes and seconds; unknown is ``None``, never 0."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")

LARGEST = 1 << 63
"""Beyond every number of a machine."""


@dataclass(frozen=True)
class Tuning:
    """A setting of the system that matters here, as the system writes it. ``name``: a key of ``texts.tuning``."""

    name: str
    value: str | None = None


@dataclass(frozen=True)
class OsInfo:
    name: str | None = None  # "Linux", "Windows", "macOS"
    version: str | None = None
    wsl: bool | None = None
    container: bool | None = None
    tuning: tuple[Tuning, ...] = ()

    @property
    def driver_system(self) -> str | None:
        """Whose GPU driver is at work: under the Windows Subsystem for Linux it is that of Windows."""
        return "Windows" if self.wsl else self.name


@dataclass(frozen=True)
class Cpu:
    name: str | None = None
    physical_cores: int | None = None
    performance_cores: int | None = None
    logical_cores: int | None = None
    features: tuple[str, ...] = ()
    memory_bandwidth_bytes_per_s: int | None = None  # measured here, by reading with all threads
    l1_data_bytes: int | None = None  # of one core
    l2_bytes: int | None = None  # all of a level together
    l3_bytes: int | None = None
    numa_nodes: int | None = None


@dataclass(frozen=True)
class Program:
    """What holds memory, all its processes together."""

    name: str | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Memory:
    """RAM in bytes. Inside a container the cgroup's limit counts where it is lower."""

    total_bytes: int | None = None
    available_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_used_bytes: int | None = None
    kind: str | None = None  # "DDR5", "LPDDR5X" …
    speed_mt_s: int | None = None  # million transfers a second, as configured
    channels: int | None = None
    limit_bytes: int | None = None  # of a control group, where it is lower than the machine's RAM
    programs: tuple[Program, ...] = ()  # this user's largest, each once; what ending them gives back


@dataclass(frozen=True)
class Disk:
    path: str
    kind: str = "unknown"  # nvme | sata_ssd | hdd | unknown
    free_bytes: int | None = None
    sequential_read_bytes_per_s: int | None = None
    random_read_iops: int | None = None
    random_read_latency_s: float | None = None
    file_system: str | None = None
    read_only: bool | None = None


@dataclass(frozen=True)
class GpuProcess(Program):
    """A process that holds memory of a card."""


@dataclass(frozen=True)
class Gpu:
    index: int
    vendor: str  # nvidia | amd | intel | apple
    name: str | None = None
    memory_total_bytes: int | None = None
    memory_free_bytes: int | None = None
    compute_capability: tuple[int, int] | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    memory_bandwidth_bytes_per_s: int | None = None
    power_limit_w: float | None = None
    temperature_c: int | None = None
    bar1_total_bytes: int | None = None
    display_attached: bool | None = None
    processes: tuple[GpuProcess, ...] = ()
    memory_reserved_bytes: int | None = None  # kept by the driver: neither free nor any process's
    bus_width_bits: int | None = None
    memory_clock_mhz: int | None = None  # the highest
    core_clock_mhz: int | None = None  # the highest
    cores: int | None = None  # CUDA cores, stream processors
    pcie_generation: int | None = None  # of the link now; an idle card may have lowered it
    pcie_generation_max: int | None = None
    pcie_width: int | None = None  # lanes
    pcie_width_max: int | None = None
    power_draw_w: float | None = None
    throttle_reasons: tuple[str, ...] | None = None  # () = asked, none; codes of core.gpu_states
    utilisation_percent: int | None = None
    integrated: bool | None = None  # shares the system's RAM


@dataclass(frozen=True)
class EngineInfo:
    name: str
    backend: str | None = None  # llama.cpp | transformers
    version: str | None = None
    devices: tuple[str, ...] = ()
    self_test: str = "not_run"  # passed | safe_mode | failed | not_run


@dataclass(frozen=True)
class Package:
    """A Python package installed in the application's own environment."""

    name: str
    version: str | None = None


@dataclass(frozen=True)
class Runtime:
    python: str | None = None
    engines: tuple[EngineInfo, ...] = ()
    packages: tuple[Package, ...] | None = None  # of those that engines need; () = looked, none there


@dataclass(frozen=True)
class Machine:
    os: OsInfo = field(default_factory=OsInfo)
    cpu: Cpu = field(default_factory=Cpu)
    memory: Memory = field(default_factory=Memory)
    disks: tuple[Disk, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    runtime: Runtime = field(default_factory=Runtime)


def to_json(value: Any) -> Any:
    """A frozen value as JSON types: dataclasses become objects, tuples lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value


def from_json(cls: type[T], data: object) -> T:
    """Build a dataclass from JSON, whole or in part: unknown keys are ignored, missing ones keep their default.

    Raises ValueError (naming the key) when a value has the wrong type or a required key is missing.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__}: expected an object")
    hints = _hints(typing.cast("Hashable", cls))
    found: dict[str, Any] = {}
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        if item.name in data:
            found[item.name] = _convert(hints[item.name], data[item.name], f"{cls.__name__}.{item.name}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise ValueError(f"{cls.__name__}.{item.name} is missing")
    return cls(**found)


@lru_cache(maxsize=64)
def _hints(cls: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _convert(hint: Any, value: object, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_convert(args[0], item, where) for item in value)
        if len(value) != len(args):
            raise ValueError(f"{where}: expected {len(args)} items")
        return tuple(_convert(a, item, where) for a, item in zip(args, value, strict=True))
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where}: expected an object")
        return {key: _convert(args[1], item, where) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast("type[Any]", hint), value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= LARGEST:
            raise ValueError(f"{where}: out of range")
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if hint is Any or hint is object:
        return value
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"{where}: expected {hint.__name__}")
    return value
