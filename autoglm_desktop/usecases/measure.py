"""``check --measure``: how fast this machine reads its RAM, its disk, and small cuts of a model's shapes.

Nothing is measured without being asked for. What was measured is kept (``store.measurements``) and used by every plan
after it. Cancelling removes what was written; what a killed run left goes at the next one.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ..core import cut_times, cuts, protocol
from ..core.cuts import Cut, Cuts
from ..core.errors import Reason
from ..core.limits import best_gpu
from ..core.machine import Machine
from ..core.measured import DiskSpeed, LayerSpeed, Measurements
from ..core.subject import Subject
from ..host.command import engine_environment
from ..host.crashes import hardware_key
from ..host.environments import Environment
from ..host.process import EngineProcess
from ..probe.measure_disk import FILE_BYTES, measure_disk
from ..probe.measure_memory import read_bandwidth
from .services import Services

T = TypeVar("T")
log = logging.getLogger(__name__)

PARTS = ("memory", "disk", "model")
MODEL_LIMIT_S = 15.0
"""For a device's cuts together; two ways of running on a CPU share it."""
MEMORY_LIMIT_S = 2.0
FOLDER = "measure-"
SPARE_BYTES = 500_000_000
"""Left free on the disk beside the cuts."""


@dataclass(frozen=True)
class Step:
    """What is measured just now. ``device`` and ``variant`` with part ``model``; ``fraction``: 0 to 1 of it all."""

    part: str
    fraction: float
    device: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Measured:
    """What is known now, and what could not be measured with the reason."""

    known: Measurements
    failed: tuple[tuple[str, Reason], ...] = ()


Tell = Callable[[Step], None]
Start = Callable[[Environment], Awaitable[EngineProcess]]


def wanted_variants(subject: Subject, *named: str | None) -> tuple[str, ...]:
    """The GGUF variants to measure: those that were named, else the first installed one, else Q4_K_M."""
    known = [weights.variant for weights in subject.gguf]
    chosen = [variant for variant in named if variant in known]
    installed = [weights.variant for weights in subject.gguf if weights.installed]
    usual = [variant for variant in known if variant == "Q4_K_M"] or known
    return tuple(dict.fromkeys(variant for variant in (chosen or installed[:1] or usual[:1]) if variant))


async def measure(
    services: Services,
    machine: Machine,
    subject: Subject | None,
    variants: Sequence[str],
    tell: Tell = lambda step: None,
    parts: Sequence[str] = PARTS,
    start: Start | None = None,
) -> Measured:
    """Measure and keep it. ``subject`` None: no model. Without an engine the model's part fails with a reason.

    Raises AppError(file_unwritable, folder_not_writable).
    """
    services.require_home()
    hardware = hardware_key(machine)
    before = services.measured(hardware) or Measurements(hardware)
    done = _Run(services, machine, tell, start or _starter(services))
    memory = before.ram_bytes_per_s
    disks, layers = list(before.disks), list(before.layers)
    if "memory" in parts:
        tell(Step("memory", 0.0))
        memory = await done.memory() or memory
    if "disk" in parts:
        tell(Step("disk", 0.1))
        disk = await done.disk()
        disks = [*(one for one in disks if disk is None or one.path != disk.path), *((disk,) if disk else ())]
    if "model" in parts and subject is not None:
        for speed in await done.model(subject, variants):
            layers = [one for one in layers if _key(one) != _key(speed)] + [speed]
    known = replace(
        before, taken=time.time(), ram_bytes_per_s=memory, disks=tuple(disks), layers=tuple(layers)
    )
    await asyncio.to_thread(services.measurements.save, known)
    return Measured(known, tuple(done.failed))


def _key(speed: LayerSpeed) -> tuple[str, str, str]:
    return speed.device, speed.shape, speed.variant


def _starter(services: Services) -> Start:
    async def start(environment: Environment) -> EngineProcess:
        return await EngineProcess.start(services.command(environment.python), engine_environment())

    return start


class _Run:
    """One measurement; ``failed``: what it could not tell."""

    def __init__(self, services: Services, machine: Machine, tell: Tell, start: Start) -> None:
        self._services, self._machine, self._tell, self._start = services, machine, tell, start
        self.failed: list[tuple[str, Reason]] = []

    async def memory(self) -> int | None:
        cpu, memory = self._machine.cpu, self._machine.memory
        threads = cpu.logical_cores or 1
        found = await _in_thread(
            lambda cancelled: read_bandwidth(threads, memory.available_bytes, MEMORY_LIMIT_S, cancelled)
        )
        if found is None:
            self.failed.append(("memory", Reason.of("memory_too_short")))
        return found

    async def disk(self) -> DiskSpeed | None:
        folder = self._services.models
        found = await _in_thread(
            lambda cancelled: measure_disk(folder, self._large_file(), cancelled=cancelled)
        )
        if found is None:
            self.failed.append(("disk", Reason.of("disk_not_readable_uncached", path=str(folder))))
        return found

    def _large_file(self) -> Path | None:
        """A model in the models folder that can be read instead of a file that is written."""
        files = (local.path for local in self._services.library.files() if local.path.is_file())
        models = self._services.models
        return next((f for f in files if f.is_relative_to(models) and f.stat().st_size >= FILE_BYTES), None)

    async def model(self, subject: Subject, variants: Sequence[str]) -> list[LayerSpeed]:
        shapes = subject.shapes
        ways = [way for environment in self._environments() for way in _ways(environment, self._machine)]
        if not ways:
            self.failed.append(("model", Reason.of("measure_needs_engine")))
            return []
        if shapes is None:
            self.failed.append(("model", Reason.of("shapes_unknown", name=subject.id)))
            return []
        found: list[LayerSpeed] = []
        self._clear()
        total = len(ways) * len(variants)
        for variant in variants:
            try:
                plans = {
                    gpu: cuts.plan_cuts(shapes, variant, cache_bytes=self._machine.cpu.l3_bytes, gpu=gpu)
                    for gpu in {way.gpu for way in ways}
                }
            except ValueError as error:
                log.warning("no cuts: %s", error)
                self.failed.append((variant, Reason.of("no_cuts", variant=variant)))
                continue
            for gpu, planned in plans.items():
                same = [way for way in ways if way.gpu == gpu]
                found += await self._variant(planned, same, len(found) / total)
        return found

    def _environments(self) -> list[Environment]:
        return [
            one
            for one in self._services.environments.installed()
            if one.description.backend == "llama.cpp" and one.record.self_test != "failed"
        ]

    async def _variant(self, planned: Cuts, ways: Sequence[_Way], begun: float) -> list[LayerSpeed]:
        """Every way on the files of one variant, which are written once and removed after."""
        cache = self._services.cache
        cache.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(cache).free < planned.written_bytes + SPARE_BYTES:
            needed = planned.written_bytes + SPARE_BYTES
            self.failed.append(("model", Reason.of("measure_needs_disk", needed_bytes=needed)))
            return []
        found = []
        with tempfile.TemporaryDirectory(prefix=FOLDER, dir=cache) as folder:
            files = [(cut, Path(folder) / f"{cut.name}.gguf") for cut in planned.files]
            for cut, path in files:
                await _in_thread(lambda _cancelled, cut=cut, path=path: _write(cut, path, planned.variant))  # type: ignore[misc]
            for number, way in enumerate(ways):
                self._tell(
                    Step(
                        "model", 0.2 + 0.8 * (begun + number / max(len(ways), 1)), way.device, planned.variant
                    )
                )
                speed = await self._way(planned, files, way, MODEL_LIMIT_S / len(ways))
                found += [speed] if speed is not None else []
        return found

    async def _way(
        self, planned: Cuts, files: Sequence[tuple[Cut, Path]], way: _Way, limit_s: float
    ) -> LayerSpeed | None:
        times: dict[str, list[protocol.Measured]] = {}
        job = protocol.Measure(
            way.environment.description.backend, "", gpu_layers=-1 if way.gpu else 0, device=way.native,
            options=way.options,
        )  # fmt: skip
        for cut, path in files:
            engine = await self._start(way.environment)
            try:
                answer = await engine.job(cuts.measure_job(cut, str(path), job, limit_s))
            finally:
                await engine.close()
            if not isinstance(answer, protocol.Measured):
                assert isinstance(answer, protocol.Failed)
                log.warning("%s on %s: %s %s", cut.name, way.device, answer.kind, answer.message)
                self.failed.append((way.device, Reason.of("measure_engine_failed", kind=answer.kind)))
                return None
            times.setdefault(cut.name, []).append(answer)
        environment = way.environment
        name, build = environment.description.name, environment.build
        speed = cut_times.solve(planned, way.device, times, engine=name, build=build)
        if speed is None:
            code = "machine_busy" if cut_times.is_busy(planned, times) else "times_contradict"
            self.failed.append((way.device, Reason.of(code)))
        return speed

    def _clear(self) -> None:
        """What a killed run left."""
        for left in self._services.cache.glob(f"{FOLDER}*"):
            shutil.rmtree(left, ignore_errors=True)


@dataclass(frozen=True)
class _Way:
    """One engine on one device. ``device``: as plans name it; ``native``: as the engine does."""

    environment: Environment
    device: str
    native: str | None
    gpu: bool
    options: protocol.EngineOptions


def _ways(environment: Environment, machine: Machine) -> list[_Way]:
    """A GPU engine measures the card; one without a GPU the processor, fast and safe (safe alone where the fast kernels
    crash here)."""
    if environment.description.gpu:
        card = best_gpu(machine)
        native = next(
            (name for name in environment.record.devices if not name.lower().startswith("cpu")), None
        )
        if card is None or native is None:
            return []
        return [_Way(environment, f"gpu:{card.index}", native.split(" (")[0], True, protocol.EngineOptions())]
    fast, safe = protocol.EngineOptions(), protocol.EngineOptions(use_extra_bufts=False)
    ways = [_Way(environment, "cpu-safe", None, False, safe)]
    if environment.record.self_test != "safe_mode":
        ways.insert(0, _Way(environment, "cpu", None, False, fast))
    return ways


def _write(cut: Cut, path: Path, variant: str) -> None:
    from ..store.gguf_tiny import write_cut  # numpy: kept out of the window's start

    write_cut(path, cut.shapes, dict(cut.types), variant)


async def _in_thread(work: Callable[[Callable[[], bool]], T]) -> T:
    """Run it in a thread that is told to stop when the caller is cancelled, and is waited for."""
    stop = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(work, stop.is_set))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([task])
        raise
