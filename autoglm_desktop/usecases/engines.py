"""Engine environments as people use them: list, install with self-test, test again, remove."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..core.errors import EngineError
from ..host import crashes
from ..host.environments import Environment
from ..host.install import Installer, InstallProgress, locked
from ..host.install_options import KINDS, attempts_for, this_place
from ..host.self_test import self_test
from .services import Services

DEFAULT_ENGINE = "llama-cpu"

Report = Callable[[InstallProgress], None]


def _ignore(_progress: InstallProgress) -> None:
    return


async def install(
    services: Services,
    name: str,
    report: Report = _ignore,
    *,
    repair: bool = False,
    kinds: tuple[str, ...] = KINDS,
) -> Environment:
    """Install an environment where it is missing and self-test it where that was not done on this hardware.
    ``kinds``: ways to install it, the preferred first.

    Nothing to do: returns at once. With ``repair`` one whose self-test failed is made afresh (the application's
    own is tested again). Cancelling leaves no half environment, and keeps what was fetched. Raises AppError.
    """
    found = services.environments.find(name)
    if repair and found is not None and found.record.self_test == "failed":
        await remove(services, name)
        found = services.environments.find(name)
    if found is None:
        found = await _make(services, name, report, kinds)
    machine = await services.machine()
    hardware = crashes.hardware_key(machine)
    if found.record.self_test == "not_run" or found.record.hardware != hardware:
        found = await _test(services, name, hardware, report, again=False)
        broken = found.record.self_test == "failed" and found.record.made_by == "wheel"
        if broken and attempts_for(found.description, this_place(machine), ("source",)):
            # A published wheel may use instructions that this processor lacks; a build from source can't.
            await remove(services, name)
            await _make(services, name, report, kinds=("source",))
            found = await _test(services, name, hardware, report, again=False)
    return found


async def _make(services: Services, name: str, report: Report, kinds: tuple[str, ...] = KINDS) -> Environment:
    services.require_home()
    installer = Installer(services.environments, services.logs, services.cache / "wheels", services.pip)
    machine = await services.machine() if services.environments.describe(name).gpu else None
    await installer.install(name, report, kinds, machine)
    found = services.environments.find(name)
    if found is None:
        raise EngineError(
            "engine_install_failed", name=name, detail="", log=str(services.logs / "install.log")
        )
    return found


async def test(services: Services, name: str, report: Report = _ignore) -> Environment:
    """The user tests an engine again: its crashes are forgotten, the self-test runs and its result is kept.

    Raises EngineError (engine_not_installed, engine_start_failed), AppError (folder_not_writable, state_unwritable).
    """
    found = services.environments.find(name)
    if found is None:
        raise EngineError("engine_not_installed", name=name)
    services.require_home()
    await asyncio.to_thread(services.crashes.forget, found.record.version or "", found.description.backend)
    hardware = crashes.hardware_key(await services.machine())
    return await _test(services, name, hardware, report, again=True)


async def _test(services: Services, name: str, hardware: str, report: Report, *, again: bool) -> Environment:
    """One self-test at a time, of all instances; one that waited takes the other's result unless ``again``."""
    services.require_home()
    folder = services.environments.path(name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        async with locked(folder.with_name(name + ".test.lock"), report):
            found = services.environments.find(name)
            if found is None:
                raise EngineError("engine_not_installed", name=name)
            if again or found.record.self_test == "not_run" or found.record.hardware != hardware:
                report(InstallProgress("self_test", None, name))
                record = await self_test(found, services.cache, hardware, command=services.command)
                services.environments.write(record, own=found.own)
    except OSError as error:
        detail = error.strerror or str(error)
        raise EngineError("folder_not_writable", path=str(services.home), detail=detail) from error
    tested = services.environments.find(name)
    assert tested is not None
    return tested


async def remove(services: Services, name: str) -> bool:
    """Remove an environment; False where none was installed by this program. Raises EngineError."""
    services.environments.describe(name)
    return await asyncio.to_thread(services.environments.remove, name)


async def require(services: Services, name: str = DEFAULT_ENGINE, report: Report = _ignore) -> Environment:
    """An environment that works: installed first where it is missing (``llama-cpu`` belongs to set-up).

    Raises EngineError(engine_broken) when its self-test failed in every way.
    """
    found = await install(services, name, report)
    if found.record.self_test == "failed":
        raise EngineError("engine_broken", name=name, detail=found.record.message or "")
    return found
