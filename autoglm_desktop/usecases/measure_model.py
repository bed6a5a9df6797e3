"""A model's speed from small cuts of its shapes, timed by every installed engine on what it runs on."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core import cut_times, cuts, protocol
from ..core.cuts import Cut, Cuts
from ..core.errors import AppError, EngineError, Reason
from ..core.limits import best_gpu
from ..core.machine import Machine
from ..core.measured import LayerSpeed
from ..core.subject import Subject
from ..host.crashes import Crash, hardware_key
from ..host.environments import Environment
from ..host.process import EngineProcess
from ..probe.measure_disk import SPARE_BYTES
from .disk_run import Work, in_thread, no_report
from .services import Services

log = logging.getLogger(__name__)

MODEL_LIMIT_S = 15.0
"""For a device's cuts together; two ways of running on a CPU share it."""
FOLDER = "measure-"
BEGUN = 0.2
"""The share of a whole measurement that is done when the model's part begins."""
FAILURES = {
    "out_of_memory": "measure_out_of_memory", "crashed": "measure_crashed_here", "hung": "measure_hung",
    "not_proven": "measure_not_on_gpu", "missing_dependency": "measure_no_start",
}  # fmt: skip
CPU_RUNGS = {"cpu": "gguf-cpu", "cpu-safe": "gguf-cpu-safe"}

Failed = tuple[str, Reason]
"""What could not be measured (a part, a variant or a device), and why."""


@dataclass(frozen=True)
class Step:
    """What is measured just now. ``device`` and ``variant`` with part ``model``; ``fraction``: 0 to 1 of it all."""

    part: str
    fraction: float
    device: str | None = None
    variant: str | None = None


Tell = Callable[[Step], None]
Start = Callable[[Environment], Awaitable[EngineProcess]]


class ModelRun:
    """One measurement of a model; ``failed``: what it could not tell."""

    def __init__(self, services: Services, machine: Machine, tell: Tell, start: Start | None = None) -> None:
        self._services, self._machine, self._tell = services, machine, tell
        self._start = start or services.start_engine
        self._done = self._total = 0
        self.failed: list[Failed] = []

    async def model(self, subject: Subject, variants: Sequence[str]) -> list[LayerSpeed]:
        """Every variant on every way of running it. Nothing that fails is raised."""
        shapes = subject.shapes
        ways = [way for one in self._environments() for way in ways_of(one, self._machine)]
        if not ways:
            self.failed.append(("model", Reason.of("measure_needs_engine")))
            return []
        if shapes is None:
            self.failed.append(("model", Reason.of("shapes_unknown", name=subject.id)))
            return []
        self._done, self._total = 0, len(ways) * len(variants)
        found: list[LayerSpeed] = []
        for variant in variants:
            for gpu in dict.fromkeys(way.gpu for way in ways):
                try:
                    cache = self._machine.cpu.l3_bytes
                    planned = cuts.plan_cuts(shapes, variant, cache_bytes=cache, gpu=gpu)
                except ValueError as error:
                    log.warning("no cuts: %s", error)
                    self.failed.append((variant, Reason.of("no_cuts", variant=variant)))
                    break
                found += await self._variant(planned, [way for way in ways if way.gpu == gpu])
        return found

    def _environments(self) -> list[Environment]:
        return [
            one
            for one in self._services.environments.installed()
            if one.description.backend == "llama.cpp" and one.record.self_test != "failed"
        ]

    async def _variant(self, planned: Cuts, ways: Sequence[Way]) -> list[LayerSpeed]:
        """Every way on the files of one variant, which are written once and removed after."""
        cache, found = self._services.cache, list[LayerSpeed]()
        needed = planned.written_bytes + SPARE_BYTES
        try:
            cache.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(cache).free < needed:
                self.failed.append(("model", Reason.of("measure_needs_disk", needed_bytes=needed)))
                return []
            with tempfile.TemporaryDirectory(prefix=FOLDER, dir=cache, ignore_cleanup_errors=True) as folder:
                files = [(cut, Path(folder) / f"{cut.name}.gguf") for cut in planned.files]
                self._say(ways[0], planned.variant)
                await in_thread(lambda work: _write(files, planned.variant, work), no_report)
                for way in ways:
                    speed = await self._way(planned, files, way, MODEL_LIMIT_S / len(ways))
                    found += [speed] if speed is not None else []
                    self._done += 1
        except (AppError, OSError) as error:
            self.failed.append(("model", _no_files(error, cache, needed)))
        return found

    def _say(self, way: Way, variant: str, share: float = 0.0) -> None:
        """``share``: what is done of this way, 0 to 1."""
        done = (self._done + share) / max(self._total, 1)
        self._tell(Step("model", BEGUN + (1 - BEGUN) * done, way.device, variant))

    async def _way(
        self, planned: Cuts, files: Sequence[tuple[Cut, Path]], way: Way, limit_s: float
    ) -> LayerSpeed | None:
        times: dict[str, list[protocol.Measured]] = {}
        for number, (cut, path) in enumerate(files):
            self._say(way, planned.variant, number / len(files))
            answer = await self._timed(way, cuts.measure_job(cut, str(path), way.job, limit_s))
            if isinstance(answer, protocol.Failed):
                log.warning("%s on %s: %s %s", cut.name, way.device, answer.kind, answer.message)
                reason = Reason.of(_failure(way, answer), variant=planned.variant, kind=answer.kind)
                self.failed.append((way.device, reason))
                return None
            times.setdefault(cut.name, []).append(answer)
        environment = way.environment
        speed = cut_times.solve(
            planned, way.device, times, engine=environment.description.name, build=environment.build
        )
        if speed is None:
            code = "machine_busy" if cut_times.is_busy(planned, times) else "times_contradict"
            self.failed.append((way.device, Reason.of(code, variant=planned.variant)))
        return speed

    async def _timed(self, way: Way, job: protocol.Measure) -> protocol.Measured | protocol.Failed:
        """One cut in an engine of its own, which a cancelled caller does not wait for."""
        try:
            engine = await self._start(way.environment)
        except EngineError as error:
            return protocol.Failed("missing_dependency", str(error))
        try:
            answer = await engine.job(job)
            crashed = engine.exit is not None and engine.exit.is_crash
        except asyncio.CancelledError:
            engine.kill()
            raise
        finally:
            await engine.close()
        assert isinstance(answer, (protocol.Measured, protocol.Failed))
        if crashed and isinstance(answer, protocol.Failed):
            await asyncio.to_thread(self._remember, way, answer)
        return answer

    def _remember(self, way: Way, answer: protocol.Failed) -> None:
        """What crashes with layers of the model's own shapes would crash with the model: plans leave it out."""
        rung, environment = CPU_RUNGS.get(way.device), way.environment
        if rung is None or answer.kind != "crashed":
            return
        self._services.crashes.add(
            Crash(
                hardware=hardware_key(self._machine),
                build=environment.record.version or "",
                backend=environment.description.backend,
                rung=rung,
                phase="measure",
                kind=answer.kind,
                message=answer.message,
            )
        )


@dataclass(frozen=True)
class Way:
    """One engine on one device. ``device``: as plans name it; ``native``: as the engine does."""

    environment: Environment
    device: str
    native: str | None
    gpu: bool
    options: protocol.EngineOptions

    @property
    def job(self) -> protocol.Measure:
        """What is the same for every cut."""
        return protocol.Measure(
            self.environment.description.backend, "", gpu_layers=-1 if self.gpu else 0, device=self.native,
            options=self.options,
        )  # fmt: skip


def ways_of(environment: Environment, machine: Machine) -> list[Way]:
    """A GPU engine measures the card; one without a GPU the processor, fast and safe (safe alone where the fast kernels
    crash here)."""
    if environment.description.gpu:
        card = best_gpu(machine)
        native = next(
            (name for name in environment.record.devices if not name.lower().startswith("cpu")), None
        )
        if card is None or native is None:
            return []
        return [Way(environment, f"gpu:{card.index}", native.split(" (")[0], True, protocol.EngineOptions())]
    fast, safe = protocol.EngineOptions(), protocol.EngineOptions(use_extra_bufts=False)
    ways = [Way(environment, "cpu-safe", None, False, safe)]
    if environment.record.self_test != "safe_mode":
        ways.insert(0, Way(environment, "cpu", None, False, fast))
    return ways


def _failure(way: Way, answer: protocol.Failed) -> str:
    if answer.kind == "crashed" and way.device == "cpu":
        return "measure_crashed"
    return FAILURES.get(answer.kind, "measure_engine_failed")


def _no_files(error: AppError | OSError, cache: Path, needed: int) -> Reason:
    """Why the cuts could not be written."""
    if isinstance(error, OSError):
        return Reason.of("measure_folder", path=str(cache), detail=error.strerror or str(error))
    if error.code == "disk_full":
        return Reason.of("measure_needs_disk", needed_bytes=needed)
    return Reason.of("measure_folder", path=error.values.get("path"), detail=error.values.get("detail"))


def _write(files: Sequence[tuple[Cut, Path]], variant: str, work: Work) -> None:
    from ..store.gguf_tiny import write_cut  # numpy: kept out of the window's start

    for cut, path in files:
        write_cut(path, cut.shapes, dict(cut.types), variant, check=work.check)
