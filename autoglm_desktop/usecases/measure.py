"""Measuring this machine: how fast it reads its RAM, its disk, and small cuts of a model's shapes.

Nothing is measured without being asked for: consent is the caller's. What was measured is kept (``store.measurements``)
and used by every plan after it. Cancelling keeps nothing and removes what was written; what a killed run left goes at
the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import AppError, Reason
from ..core.machine import Machine
from ..core.measured import DiskSpeed, LayerSpeed, Measurements
from ..core.subject import Subject
from ..host.crashes import hardware_key
from ..probe.measure_disk import FILE_BYTES, measure_disk
from ..probe.measure_memory import read_bandwidth
from .disk_run import in_thread, no_report
from .measure_model import FOLDER, Failed, ModelRun, Start, Step, Tell
from .services import Services

__all__ = ["Measured", "Step", "Tell", "forget", "measure", "wanted_variants"]

PARTS = ("memory", "disk", "model")
MEMORY_LIMIT_S = 2.0


@dataclass(frozen=True)
class Measured:
    """What is known now, and what could not be measured with the reason."""

    known: Measurements
    failed: tuple[Failed, ...] = ()


def wanted_variants(subject: Subject, *named: str | None) -> tuple[str, ...]:
    """The GGUF variants to measure: those that were named, else the first installed one, else Q4_K_M."""
    known = [weights.variant for weights in subject.gguf]
    chosen = [variant for variant in named if variant in known]
    installed = [weights.variant for weights in subject.gguf if weights.installed]
    usual = [variant for variant in known if variant == "Q4_K_M"] or known
    return tuple(dict.fromkeys(variant for variant in (chosen or installed[:1] or usual[:1]) if variant))


async def forget(services: Services, machine: Machine) -> bool:
    """Forget what was measured on this machine. Whether there was anything. Raises AppError(file_unwritable)."""
    return await asyncio.to_thread(services.measurements.forget, hardware_key(machine))


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

    Raises AppError(file_unwritable, folder_not_writable, measuring_already) before anything is measured.
    """
    services.require_home()
    await asyncio.to_thread(services.measurements.require_writable)
    with _alone(services):
        return await _measure(services, machine, subject, variants, tell, parts, start)


@contextlib.contextmanager
def _alone(services: Services) -> Iterator[None]:
    """Two measurements at once would both be wrong, and one would remove the other's files."""
    lock = FileLock(str(services.home / "state" / "measuring.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise AppError("measuring_already") from error
    except OSError as error:
        raise AppError("folder_not_writable", path=str(services.home), detail=error.strerror or "") from error
    try:
        yield
    finally:
        lock.release()


async def _measure(
    services: Services,
    machine: Machine,
    subject: Subject | None,
    variants: Sequence[str],
    tell: Tell,
    parts: Sequence[str],
    start: Start | None,
) -> Measured:
    hardware = hardware_key(machine)
    before = await asyncio.to_thread(services.measured, hardware) or Measurements(hardware)
    failed: list[Failed] = []
    known = before
    _clear(services.cache)
    if "memory" in parts:
        tell(Step("memory", 0.0))
        known = _with_memory(known, await _memory(machine), failed)
    if "disk" in parts:
        tell(Step("disk", 0.1))
        known = _with_disk(known, await _disk(services), failed)
    if "model" in parts and subject is not None:
        run = ModelRun(services, machine, tell, start)
        known = _with_layers(known, await run.model(subject, variants))
        failed += run.failed
    if known != before:
        known = replace(known, taken=time.time())
        await asyncio.to_thread(services.measurements.save, known)
    return Measured(known, tuple(failed))


async def _memory(machine: Machine) -> int | None:
    threads, available = machine.cpu.logical_cores or 1, machine.memory.available_bytes
    return await in_thread(
        lambda work: read_bandwidth(threads, available, MEMORY_LIMIT_S, work.check), no_report
    )


def _with_memory(known: Measurements, speed: int | None, failed: list[Failed]) -> Measurements:
    if speed is None:
        failed.append(("memory", Reason.of("memory_too_short")))
        return known
    return replace(known, ram_bytes_per_s=speed, ram_taken=time.time())


async def _disk(services: Services) -> DiskSpeed | Reason:
    folder = services.models
    return await in_thread(
        lambda work: measure_disk(folder, _large_file(services), check=work.check), no_report
    )


def _large_file(services: Services) -> Path | None:
    """A model in the models folder that can be read instead of a file that is written."""
    files = (local.path for local in services.library.files() if local.path.is_file())
    models = services.models
    return next((f for f in files if f.is_relative_to(models) and f.stat().st_size >= FILE_BYTES), None)


def _with_disk(known: Measurements, disk: DiskSpeed | Reason, failed: list[Failed]) -> Measurements:
    if isinstance(disk, Reason):
        failed.append(("disk", disk))
        return known
    others = (one for one in known.disks if one.path != disk.path)
    return replace(known, disks=(*others, replace(disk, taken=time.time())))


def _with_layers(known: Measurements, speeds: Sequence[LayerSpeed]) -> Measurements:
    """A variant on a device takes the place of what was told of it before."""
    layers = list(known.layers)
    for speed in speeds:
        layers = [one for one in layers if _key(one) != _key(speed)]
        layers.append(replace(speed, taken=time.time()))
    return replace(known, layers=tuple(layers))


def _key(speed: LayerSpeed) -> tuple[str, str, str]:
    return speed.device, speed.shape, speed.variant


def _clear(cache: Path) -> None:
    """What a killed run left."""
    for left in cache.glob(f"{FOLDER}*"):
        shutil.rmtree(left, ignore_errors=True)
