"""Engine environments as people use them: list, install with self-test, test again, remove."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..core.errors import EngineError
from ..host import crashes
from ..host.environments import Environment
from ..host.install import Installer, InstallProgress
from ..host.self_test import self_test
from .services import Services

DEFAULT_ENGINE = "llama-cpu"

Report = Callable[[InstallProgress], None]


def _ignore(_progress: InstallProgress) -> None:
    return


async def install(services: Services, name: str, report: Report = _ignore) -> Environment:
    """Install an environment where it is missing and self-test it where that was not done on this hardware.

    Nothing to do: returns at once. Cancelling leaves nothing half done. Raises EngineError.
    """
    services.require_home()
    found = services.environments.find(name)
    if found is None:
        installer = Installer(services.environments, services.logs, services.pip)
        await installer.install(name, report)
        found = services.environments.find(name)
        if found is None:
            raise EngineError(
                "engine_install_failed", name=name, detail="", log=str(services.logs / "install.log")
            )
    hardware = crashes.hardware_key(await services.machine())
    if found.record.self_test == "not_run" or found.record.hardware != hardware:
        found = await test(services, name, report)
    return found


async def test(services: Services, name: str, report: Report = _ignore) -> Environment:
    """Run the self-test now and keep its result. Raises EngineError(engine_not_installed)."""
    found = services.environments.find(name)
    if found is None:
        raise EngineError("engine_not_installed", name=name)
    report(InstallProgress("self_test", None, name))
    hardware = crashes.hardware_key(await services.machine())
    record = await self_test(found, services.cache, hardware, command=services.command)
    services.environments.write(record, own=found.own)
    again = services.environments.find(name)
    assert again is not None
    return again


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
