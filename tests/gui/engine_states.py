"""made_* states of the card that offers the engine for the graphics card: a made machine, installers that only tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QWidget

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.system.page import SystemPage
from autoglm_desktop.host.environments import Environment, Record, environment_python
from autoglm_desktop.host.install import InstallProgress
from autoglm_desktop.usecases.services import Services
from tests.gui.made_checks import MACHINES, checker, made_services

STEP = InstallProgress("fetch", 0.42, "made: nvidia_cublas-13.0-manylinux.whl 212 of 515 MB")
MESSAGE = "made: no kernel image is available for execution on the device"


def have(services: Services, name: str, self_test: str = "passed", message: str | None = None) -> Environment:
    """An environment that is there, with what its self-test found."""
    python = environment_python(services.environments.path(name))
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    services.environments.write(Record(name, "0.3.36", self_test=self_test, message=message), own=False)
    found = services.environments.find(name)
    assert found is not None
    return found


class FakeInstall:
    """Stands in for ``engines.install``: tells a step, then waits, fails, or leaves an environment with a result."""

    def __init__(
        self, self_test: str = "passed", error: Exception | None = None, *, waits: bool = False
    ) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.cancelled = False
        self.self_test, self._error, self._waits = self_test, error, waits

    async def __call__(self, services: Services, name: str, tell: Any, **how: Any) -> Environment:
        self.calls.append((name, how))
        tell(STEP)
        if self._waits:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True
        if self._error is not None:
            raise self._error
        return have(services, name, self.self_test, MESSAGE if self.self_test == "failed" else None)


def no_network() -> EngineError:
    return EngineError("engine_no_network", name="llama-cuda")


def offered(page: SystemPage) -> None:
    """As it is after the first check."""


def pressed(page: SystemPage) -> None:
    page.engine_work.card.install_button.click()


def declined(page: SystemPage) -> None:
    page.engine_work.card.decline_button.click()
    page.ensureWidgetVisible(page.engine_work.button)


Act = Callable[[SystemPage], None]
Until = Callable[[SystemPage], bool]


def is_offered(page: SystemPage) -> bool:
    return page.result is not None and page.engine_work.standing.offer is not None


def says(page: SystemPage) -> bool:
    return not page.engine_work.card.close_button.isHidden() and page.again_button.isEnabled()


def card_state(
    until: Callable[[Callable[[], bool]], None],
    act: Act = offered,
    done: Until = is_offered,
    install: Callable[[], FakeInstall] = FakeInstall,
    failed: tuple[str, ...] = (),
    machine: str = "gaming",
) -> Callable[[Bridge, Path], QWidget]:
    """A page after its check, brought into a state by the buttons that people press."""

    def build(bridge: Bridge, home: Path) -> QWidget:
        services = made_services(home)
        for name in failed:
            have(services, name, "failed", MESSAGE)
        page = SystemPage(bridge, services, checker(MACHINES[machine]()), install=install())
        page.start()
        until(lambda: page.result is not None and page.engine_work.standing.names != ())
        act(page)
        until(lambda: done(page))
        return page

    return build


def engine_states(
    until: Callable[[Callable[[], bool]], None],
) -> dict[str, Callable[[Bridge, Path], QWidget]]:
    """``until`` runs Qt's loop until something is so."""

    def made(*arguments: Any, **more: Any) -> Callable[[Bridge, Path], QWidget]:
        return card_state(until, *arguments, **more)

    both = ("llama-cuda", "llama-vulkan")
    return {
        "engine-offered": made(),
        "engine-offered-large": made(machine="large"),
        "engine-installing": made(
            pressed, lambda page: "42" in page.engine_work.card.step.text(), lambda: FakeInstall(waits=True)
        ),
        "engine-no-network": made(pressed, says, lambda: FakeInstall(error=no_network())),
        "engine-self-test-failed": made(
            pressed, lambda page: bool(page.engine_work.standing.failed), lambda: FakeInstall("failed")
        ),
        "engine-none-works": made(done=lambda _page: True, failed=both),
        "engine-installed": made(pressed, says),
        "engine-safe-mode": made(pressed, says, lambda: FakeInstall("safe_mode")),
        "engine-declined": made(declined, lambda page: not page.engine_work.button.isHidden()),
    }
