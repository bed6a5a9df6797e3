"""The report for whoever helps: what this program concludes, and what the system told it. Uses no network."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from .. import __version__
from ..core.errors import AppError
from ..core.machine import Cpu, Disk, Gpu, Machine, Memory, OsInfo, Runtime
from ..core.measured import Measurements
from ..core.redact import Identity
from ..core.report import Section, is_report
from ..host.crashes import Crash
from ..host.environments import Environment
from ..probe.all import PARTS
from ..probe.identity import identity
from ..probe.raw import Sources, raw
from .check import CheckOptions, CheckResult, run_check
from .services import Services

log = logging.getLogger(__name__)
CHECK_S = 4.0
"""A driver may need longer to load, but a report that never comes helps nobody."""
LOG_LINES = 50
LOG_TAIL_BYTES = 64 * 1024
LONGEST_LINE = 400
MOST_PACKAGES = 300
MOST_CRASHES = 50
HEAD_CHARACTERS = 200


@dataclass(frozen=True)
class Findings:
    """Nothing in here is redacted yet. ``result`` None: the check ``failed``, and with what; ``machine`` then holds
    what had answered by then. ``taken``: seconds since 1970. ``engines``: every described one, None: not installed."""

    version: str
    python: str
    taken: float
    identity: Identity
    machine: Machine = field(default_factory=Machine)
    result: CheckResult | None = None
    failed: str | None = None
    engines: tuple[tuple[str, Environment | None], ...] = ()
    crashes: tuple[Crash, ...] = ()
    measured: tuple[Measurements, ...] = ()
    log: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


async def gather(
    services: Services, sources: Sources | None = None, who: Identity | None = None, check_s: float = CHECK_S
) -> Findings:
    """Everything, within about ``check_s`` seconds. What fails is said in the report and stops nothing else."""
    sections = asyncio.ensure_future(asyncio.to_thread(raw, services.models, sources))
    machine, result, failed = await _check(services, check_s)
    installed = await asyncio.to_thread(services.environments.installed)
    found = {one.description.name: one for one in installed}
    log_lines, packages = await asyncio.to_thread(lambda: (last_lines(services.logs), installed_packages()))
    return Findings(
        __version__,
        f"{platform.python_version()} ({platform.machine()})",
        time.time(),
        who if who is not None else identity(),
        machine,
        result,
        failed,
        tuple((name, found.get(name)) for name in services.environments.descriptions),
        services.crashes.all()[-MOST_CRASHES:],
        services.measurements.all(),
        log_lines,
        packages,
        await sections,
    )


async def _check(services: Services, limit_s: float) -> tuple[Machine, CheckResult | None, str | None]:
    """The machine and what the check says of it, or why it says nothing."""
    parts: dict[str, object] = {}
    try:
        result = await asyncio.wait_for(run_check(services, CheckOptions(), parts.__setitem__), limit_s)
        return result.machine, result, None
    except asyncio.TimeoutError:
        return machine_of(parts), None, f"no answer within {limit_s:g} s"
    except Exception as error:
        log.exception("the check failed")
        return machine_of(parts), None, f"{type(error).__name__}: {error}"


def machine_of(parts: Mapping[str, object]) -> Machine:
    """A machine of which not every part (``probe.all.PARTS``) has answered."""
    system, cpu, memory, disk, gpus, runtime = (parts.get(name) for name in PARTS)
    return Machine(
        system if isinstance(system, OsInfo) else OsInfo(),
        cpu if isinstance(cpu, Cpu) else Cpu(),
        memory if isinstance(memory, Memory) else Memory(),
        (disk,) if isinstance(disk, Disk) else (),
        tuple(gpu for gpu in gpus if isinstance(gpu, Gpu)) if isinstance(gpus, tuple) else (),
        runtime if isinstance(runtime, Runtime) else Runtime(),
    )


def last_lines(folder: Path) -> tuple[str, ...]:
    """The end of the log; nothing where there is none."""
    try:
        with (folder / "autoglm-desktop.log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            text = file.read(LOG_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(line[:LONGEST_LINE] for line in text.splitlines()[-LOG_LINES:])


def installed_packages() -> tuple[str, ...]:
    """``name==version`` of what is installed in this environment."""
    found: set[str] = set()
    for one in metadata.distributions():
        try:
            found.add(f"{one.metadata['Name']}=={one.version}")
        except Exception:  # noqa: BLE001 - a package whose metadata are damaged raises anything
            found.add("? (damaged)")
    return tuple(sorted(found, key=str.casefold)[:MOST_PACKAGES])


def write_report(path: Path, text: str) -> None:
    """Write a report; one that lies there already is replaced, anything else is not. The file is whole or not there.

    Raises AppError (report_in_the_way, file_unwritable).
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if os.path.lexists(path) and not _replaceable(path):
            raise AppError("report_in_the_way", path=str(path))
        try:
            with partial.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise AppError("file_unwritable", path=str(path), detail=detail) from error


def _replaceable(path: Path) -> bool:
    """Whether an empty file or a report of ours lies there."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(HEAD_CHARACTERS).decode("utf-8", "replace")
    return not head or is_report(head)
