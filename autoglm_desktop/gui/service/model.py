"""The service as Qt sees it: its state, its settings, and what is asked of it over the bridge."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from ...core.errors import ServiceError
from ...usecases import service_settings
from ...usecases.service_control import OFF, ON, STARTING, STOPPING, ServiceControl, ServiceState
from ...usecases.service_settings import LanAddress, ServiceSettings, lan_addresses
from ...usecases.services import Services
from ..bridge import Bridge, Report


@dataclass(frozen=True)
class Made:
    """Settings as they came out, and whether they could be kept."""

    settings: ServiceSettings
    kept: bool


class ServiceModel(QObject):
    """``changed``: the settings or whether it is on; ``asked``: the requests under way are others; ``not_kept``: a
    change could not be saved.

    Settings that the running service has to know (port, who may reach it, names, key) switch it off and on again; the
    model stays loaded. One change is worked on at a time; what is changed meanwhile follows, all of it at once, so that
    the last wish holds however long the keyring or the service takes."""

    changed = Signal()
    asked = Signal()
    not_kept = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        control: ServiceControl,
        addresses: Callable[[], tuple[LanAddress, ...]] = lan_addresses,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._services, self._control = bridge, services, control
        self._find_addresses = addresses
        self._begun = self._busy = self._again = self._key_wanted = False
        self._port = ServiceSettings.port  # the last one that was no 0
        self.state = ServiceState()
        self.settings = ServiceSettings()
        self.is_read = False
        self.addresses: tuple[LanAddress, ...] = ()
        bridge.call(lambda: control.listen(self._from_loop))

    @property
    def is_on(self) -> bool:
        return self.state.phase == ON

    @property
    def wanted(self) -> bool:
        """Whether it is on or about to be."""
        return self.shown.phase in (ON, STARTING)

    @property
    def shown(self) -> ServiceState:
        """The state, or what it is about to be: the keyring and the service's import may take seconds."""
        state = self.state
        if self._busy and self.settings.on and state.phase not in (ON, STARTING):
            return replace(state, phase=STARTING, address=None, error=None)
        if self._busy and not self.settings.on and state.phase not in (OFF, STOPPING):
            return replace(state, phase=STOPPING)
        return state

    @property
    def port(self) -> int:
        """Where it listens, or would listen."""
        return self.state.address.port if self.state.address is not None else self.settings.port or self._port

    @property
    def url(self) -> str | None:
        """The base address for programs of this machine; None while it is off."""
        address = self.state.address
        return f"{address.url}/v1" if address is not None else None

    def begin(self) -> None:
        """Read the settings; a service that was on when the window closed is on again. Once."""
        if not self._begun:
            self._begun = True
            self._bridge.submit(lambda _report: service_settings.read(self._services), self._read)

    def switch(self, on: bool) -> None:
        """On or off, now and at the next start."""
        self._apply(replace(self.settings, on=on))

    def use_free_port(self) -> None:
        """On, at a port that nobody uses; it is kept."""
        self._apply(replace(self.settings, on=True, port=0))

    def change(self, **changes: object) -> None:
        """Other settings; nothing happens where they are the same."""
        wanted = replace(self.settings, **changes)  # type: ignore[arg-type]
        if wanted != self.settings:
            self._apply(wanted)

    def make_key(self) -> None:
        """Another key; the old one is refused from now on."""
        self._apply(replace(self.settings, key=None), key_wanted=True)

    def look_up_addresses(self) -> None:
        """Under which addresses the network reaches this machine now."""

        async def look(_report: Report) -> tuple[LanAddress, ...]:
            return await asyncio.to_thread(self._find_addresses)

        self._bridge.submit(look, self._addressed)

    def _apply(self, wanted: ServiceSettings, *, key_wanted: bool = False) -> None:
        self.settings, self._port = wanted, wanted.port or self._port
        self._key_wanted = self._key_wanted or key_wanted
        self._again = self._busy
        if not self._busy:
            self._submit()
        self.changed.emit()

    def _submit(self) -> None:
        wanted, key_wanted = self.settings, self._key_wanted
        self._busy, self._again, self._key_wanted = True, False, False
        job = self._bridge.submit(functools.partial(self._work, wanted, key_wanted), self._applied)
        job.ended.connect(self._ended)

    async def _work(self, wanted: ServiceSettings, key_wanted: bool, _report: Report) -> Made:
        if key_wanted:
            wanted = await service_settings.with_new_key(self._services, wanted)
        elif wanted.needs_key and wanted.key is None:
            wanted = await service_settings.with_key(self._services, wanted)
        kept = await service_settings.keep(self._services, wanted)
        try:
            address = await self._control.apply(wanted)
        except ServiceError:  # the state says why
            return Made(wanted, kept)
        if wanted.port == 0 and address is not None:
            wanted = replace(wanted, port=address.port)
            kept = await service_settings.keep(self._services, wanted)
        return Made(wanted, kept)

    def _read(self, found: ServiceSettings) -> None:
        self.settings, self.is_read = found, True
        self.changed.emit()
        if found.lan:
            self.look_up_addresses()
        self._port = found.port
        if found.on or found.needs_key:
            self._apply(found)

    def _applied(self, made: Made) -> None:
        """What came out of it; what was changed meanwhile stays as it is. Where no free port was found the one before
        is shown."""
        if not made.kept:
            self.not_kept.emit()
        if made.settings.key is not None:
            self.settings = replace(self.settings, key=made.settings.key, key_where=made.settings.key_where)
        self._port = self.settings.port or made.settings.port or self._port
        self.settings = replace(self.settings, port=self._port)
        if made.settings.lan:
            self.look_up_addresses()

    def _ended(self) -> None:
        self._busy = False
        if self._again:
            self._submit()
        self.changed.emit()

    def _addressed(self, found: tuple[LanAddress, ...]) -> None:
        if found != self.addresses:
            self.addresses = found
            self.changed.emit()

    def _from_loop(self, state: ServiceState) -> None:
        self._bridge.deliver(functools.partial(self._show, state))

    def _show(self, state: ServiceState) -> None:
        same = (state.phase, state.address, state.error) == (
            self.state.phase,
            self.state.address,
            self.state.error,
        )
        self.state = state
        (self.asked if same else self.changed).emit()
