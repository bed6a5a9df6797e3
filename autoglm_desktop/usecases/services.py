"""Everything the use cases need, built once at the edge."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from ..core.errors import AppError
from ..core.machine import Machine
from ..core.measured import Measurements
from ..core.measured_age import Outdated
from ..core.rungs import EngineState
from ..host import crashes, environments
from ..host.command import engine_command, engine_environment
from ..host.environments import Environment
from ..host.process import EngineProcess
from ..host.self_test import Command
from ..probe import all as probes
from ..probe.gpu_table import GpuTable, load_table
from ..store import catalog, elsewhere, paths, settings
from ..store.demo import Demo
from ..store.headers import HeaderCache
from ..store.keys import Keys
from ..store.library import Library
from ..store.measurements import MeasurementFile
from ..store.picture_folder import sweep
from ..store.web import Web

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """The stores and the host's parts. Tests build it with their own folders, engine command and pip."""

    home: Path
    environments: environments.Environments
    crashes: crashes.CrashMemory
    library: Library
    command: Command = engine_command
    pip: tuple[str, ...] | None = None
    web: Web = field(default_factory=Web)

    @property
    def measurements(self) -> MeasurementFile:
        """What was measured here."""
        return MeasurementFile(self.home / "state" / "measurements.json")

    @property
    def headers(self) -> HeaderCache:
        """Headers of files that are not here."""
        return HeaderCache(self.cache / "headers")

    def measured(self, hardware: str) -> Measurements | None:
        """What was measured on this machine and still holds with the engines that are installed now. Reads files."""
        return self.measurements.of(hardware, self._builds())

    def outdated(self, hardware: str) -> tuple[Outdated, ...]:
        """What was measured before and no longer holds here. Reads files."""
        return self.measurements.outdated(hardware, self._builds())

    def _builds(self) -> dict[str, str]:
        return {one.description.name: one.build for one in self.environments.installed()}

    @property
    def keys(self) -> Keys:
        """The tokens of the hubs."""
        return self.web.keys

    @property
    def models(self) -> Path:
        """The models folder: in the data folder, or where the user has moved it."""
        return self.library.models

    @property
    def models_folder_gone(self) -> bool:
        """Whether the folder that the user chose is not there now: a disk that is not connected."""
        return self.models != self.home / "models" and not self.models.is_dir()

    def reread_settings(self) -> None:
        """Take over the models folder that another instance has chosen meanwhile. Reads a file."""
        chosen = settings.load(self.home).models_folder
        if chosen is not None and Path(chosen) != self.library.models:
            log.info("models folder: %s", chosen)
            self.library.models = Path(chosen)

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def pictures(self) -> Path:
        """Below it each process has a private folder of the pictures that engines read."""
        return self.cache / "pictures"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    def require_home(self) -> None:
        """Make the data folder. Raises AppError(folder_not_writable)."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AppError("folder_not_writable", path=str(self.home), detail=error.strerror or "") from error
        if not os.access(self.home, os.W_OK):
            raise AppError("folder_not_writable", path=str(self.home), detail=os.strerror(errno.EACCES))

    def engine_states(self) -> tuple[EngineState, ...]:
        """Every described environment, installed or not."""
        found = {e.description.name: e.state() for e in self.environments.installed()}
        return tuple(
            found.get(name, EngineState(name, description.backend, installed=False, gpu=description.gpu))
            for name, description in self.environments.descriptions.items()
        )

    async def machine(self) -> Machine:
        """This machine as probed now, with its engine environments."""
        report = await probes.probe_machine(self.models, table=gpu_table())
        return await asyncio.to_thread(self.with_engines, report.machine)

    async def start_engine(self, environment: Environment) -> EngineProcess:
        """An engine for a job, not for a model to talk to. Raises EngineError(engine_start_failed)."""
        python = environment.python
        return await EngineProcess.start(self.command(python), engine_environment(python=python))

    def with_engines(self, machine: Machine) -> Machine:
        engines = tuple(environment.info() for environment in self.environments.installed())
        return replace(machine, runtime=replace(machine.runtime, engines=engines))


@lru_cache(maxsize=1)
def gpu_table() -> GpuTable:
    """Published bandwidths, for cards that won't tell theirs."""
    return load_table(paths.resources() / "gpus.toml")


def create_services(home: Path | None = None) -> Services:
    """The services of this user. The folders are made when something is written to them. Pictures that a crashed
    process left are removed: what was shown to a model stays no longer than it has to."""
    home = home or paths.home()
    descriptions = environments.read_descriptions(paths.resources() / "environments.toml")
    own = Path(sys.executable) if sys.executable else None
    chosen = settings.load(home).models_folder
    models = Path(chosen) if chosen is not None else home / "models"
    services = Services(
        home=home,
        environments=environments.Environments(home / "engines", descriptions, own),
        crashes=crashes.CrashMemory(home / "state" / "crashes.json"),
        library=Library(
            models,
            home / "state",
            catalog.load(),
            elsewhere.of_this_user(),
            Demo(paths.resources() / "demo_model", home / "cache"),
        ),
    )
    sweep(services.pictures)
    return services
