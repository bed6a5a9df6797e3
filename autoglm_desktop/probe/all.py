"""All probes at once, each in a thread of its own, each reported as it answers."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from ..core.errors import Reason
from ..core.machine import Cpu, Disk, Gpu, Machine, Memory, OsInfo, Runtime, Tuning
from .cpu import probe_cpu
from .disk import probe_disk
from .gpu_table import GpuTable, with_bandwidth
from .gpus import GPU_PROBES, GpuProbe
from .memory import probe_memory
from .outcome import FAILED, FOUND, GpuFinding, ProbeOutcome, ProbeReport
from .runtime import probe_runtime
from .system import probe_os
from .tuning import probe_disk_tuning

T = TypeVar("T")
OnPart = Callable[[str, object], None]
PARTS = ("os", "cpu", "memory", "disk", "gpus", "runtime")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Probes:
    """What is asked, and for how long at most. Tests put fakes here."""

    os: Callable[[], OsInfo] = probe_os
    cpu: Callable[[], Cpu] = probe_cpu
    memory: Callable[[], Memory] = probe_memory
    disk: Callable[[Path], Disk] = probe_disk
    gpus: Sequence[GpuProbe] = GPU_PROBES
    runtime: Callable[[], Runtime] = probe_runtime
    disk_tuning: Callable[[Path], tuple[Tuning, ...]] = probe_disk_tuning
    timeout_s: float = 5.0


@dataclass(frozen=True)
class _Answer(Generic[T]):
    value: T | None
    outcome: ProbeOutcome


async def probe_machine(
    model_folder: Path,
    on_part: OnPart | None = None,
    *,
    table: GpuTable | None = None,
    probes: Probes | None = None,
) -> ProbeReport:
    """Ask the machine everything, concurrently.

    ``on_part(name, value)`` is called in this loop for each of PARTS as it answers, with an OsInfo, Cpu,
    Memory, Disk, tuple of Gpu or Runtime. A part that fails or takes too long is unknown (its fields None)
    and its outcome says why. ``table`` fills in the memory bandwidth of cards that won't tell it.
    """
    ask = probes or Probes()
    report = on_part or (lambda name, value: None)
    os_part, cpu, memory, disk, gpus, runtime = await asyncio.gather(
        _part("os", lambda: _system(ask, model_folder), OsInfo(), ask.timeout_s, report),
        _part("cpu", ask.cpu, Cpu(), ask.timeout_s, report),
        _part("memory", ask.memory, Memory(), ask.timeout_s, report),
        _part("disk", lambda: ask.disk(model_folder), Disk(str(model_folder)), ask.timeout_s, report),
        _gpus(ask.gpus, table, report),
        _part("runtime", ask.runtime, Runtime(), ask.timeout_s, report),
    )
    machine = Machine(os_part[0], cpu[0], memory[0], (disk[0],), gpus[0], runtime[0])
    plain = (os_part[1], cpu[1], memory[1], disk[1])
    return ProbeReport(machine, (*plain, *gpus[1], runtime[1]))


def _system(ask: Probes, folder: Path) -> OsInfo:
    """The system, with the settings of the disk that holds the models."""
    system = ask.os()
    return replace(system, tuning=(*system.tuning, *ask.disk_tuning(folder)))


async def _part(
    name: str, work: Callable[[], T], unknown: T, timeout_s: float, report: OnPart
) -> tuple[T, ProbeOutcome]:
    answer = await _ask(name, work, timeout_s)
    value = unknown if answer.value is None else answer.value
    report(name, value)
    return value, answer.outcome


async def _gpus(
    probes: Sequence[GpuProbe], table: GpuTable | None, report: OnPart
) -> tuple[tuple[Gpu, ...], tuple[ProbeOutcome, ...]]:
    found: tuple[Gpu, ...] = ()
    outcomes: list[ProbeOutcome] = []
    for probe in probes:
        answer = await _ask(probe.name, _call(probe, found), probe.timeout_s)
        outcome = answer.outcome
        if answer.value is not None:
            finding = answer.value
            found += finding.gpus
            outcome = replace(outcome, status=finding.status, reason=finding.reason, advice=finding.advice)
        outcomes.append(outcome)
    if table is not None:
        found = tuple(with_bandwidth(gpu, table) for gpu in found)
    report("gpus", found)
    return found, tuple(outcomes)


def _call(probe: GpuProbe, found: tuple[Gpu, ...]) -> Callable[[], GpuFinding]:
    return lambda: probe.run(found)


async def _ask(name: str, work: Callable[[], T], timeout_s: float) -> _Answer[T]:
    """The answer of one probe; what it raises is logged with its traceback and becomes "unknown"."""
    started = time.perf_counter()
    value: T | None = None
    status, reason = FOUND, None
    try:
        value = await asyncio.wait_for(in_daemon_thread(work, name), timeout_s)
    except asyncio.TimeoutError:
        log.warning("The probe %s did not answer within %s s.", name, timeout_s)
        status, reason = FAILED, Reason.of("probe_timed_out", seconds=timeout_s)
    except Exception as error:
        log.exception("The probe %s failed.", name)
        status, reason = FAILED, Reason.of("probe_failed", error=f"{type(error).__name__}: {error}")
    return _Answer(value, ProbeOutcome(name, status, reason, seconds=time.perf_counter() - started))


def in_daemon_thread(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Like asyncio.to_thread, but a call that hangs (driver, dead network disk) can't keep Python alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        value: T | None = None
        caught: BaseException | None = None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - handed to the waiter
            caught = error
        try:
            loop.call_soon_threadsafe(settle, value, caught)
        except RuntimeError:
            log.info("The probe %s answered after everyone had left.", name)

    threading.Thread(target=run, name=f"probe-{name}", daemon=True).start()
    return future
