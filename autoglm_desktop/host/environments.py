"""Engine environments: what is described, what is installed, and what the self-test found.

An environment lies under ``AUTOGLM_HOME/engines/NAME``, or is the application's own where that holds the package
(extra ``llama``). ``engine.json`` beside it is written last: a folder without one is an interrupted installation.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import logging
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..core.environment_choice import CPU, Build, Candidate
from ..core.errors import EngineError
from ..core.limits import is_gpu
from ..core.machine import EngineInfo, from_json, to_json
from ..core.protocol import EngineOptions
from ..core.rungs import EngineState

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt(Build):
    """One way to install an environment. ``first``: packages that come from ``first_index`` alone, before the others;
    ``packages``: besides the environment's."""

    extra_index: str | None = None
    first: tuple[str, ...] = ()
    first_index: str | None = None
    packages: tuple[str, ...] = ()
    cmake_args: str = ""
    download_mb: int | None = None
    minutes_on_two_cores: int | None = None


@dataclass(frozen=True)
class Description:
    """An environment as ``environments.toml`` describes it. Sizes in MB. ``device``: cuda | vulkan | metal | cpu."""

    name: str
    backend: str
    distribution: str
    module: str
    gpu: bool = False
    packages: tuple[str, ...] = ()
    installed_mb: int | None = None
    attempts: tuple[Attempt, ...] = ()
    device: str = CPU

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.name, self.backend, self.device, self.attempts)


@dataclass(frozen=True)
class Record:
    """What is known of an installed environment. ``self_test``: passed | safe_mode | failed | not_run.
    ``made_by``: the kind of attempt that installed it, wheel or source; None for the application's own."""

    name: str
    version: str | None = None
    hardware: str | None = None
    build: str = ""
    devices: tuple[str, ...] = ()
    self_test: str = "not_run"
    message: str | None = None
    made_by: str | None = None
    options: EngineOptions = field(default_factory=EngineOptions)


@dataclass(frozen=True)
class Environment:
    """An installed environment: its Python and its record."""

    description: Description
    python: Path
    record: Record
    own: bool  # the application's own environment

    @property
    def build(self) -> str:
        """What its speed depends on: another version, or another kind of build, is another speed."""
        return f"{self.record.version} {self.record.made_by or 'own'}"

    def state(self) -> EngineState:
        name, backend = self.description.name, self.description.backend
        gpu = self.description.gpu or any(map(is_gpu, self.record.devices))
        return EngineState(name, backend, True, self.record.self_test, gpu)

    def info(self) -> EngineInfo:
        record = self.record
        return EngineInfo(
            record.name, self.description.backend, record.version, record.devices, record.self_test
        )


def read_descriptions(path: Path) -> dict[str, Description]:
    """The environments of ``environments.toml`` by name."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: from_json(Description, {"name": name, **table}) for name, table in data.items()}


def environment_python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


class Environments:
    """All engine environments of this user. ``own_python`` None: the application's own is not considered."""

    def __init__(self, folder: Path, descriptions: dict[str, Description], own_python: Path | None) -> None:
        self.folder = folder
        self.descriptions = descriptions
        self._own_python = own_python

    def describe(self, name: str) -> Description:
        """Raises EngineError(engine_unknown)."""
        if name not in self.descriptions:
            raise EngineError("engine_unknown", name=name, known=", ".join(self.descriptions))
        return self.descriptions[name]

    def path(self, name: str) -> Path:
        return self.folder / name

    def installed(self) -> tuple[Environment, ...]:
        found = (self.find(name) for name in self.descriptions)
        return tuple(environment for environment in found if environment is not None)

    def find(self, name: str) -> Environment | None:
        """The environment if it is installed: its own folder first, else the application's own."""
        description = self.describe(name)
        python = environment_python(self.path(name))
        record = self._read(self._record_path(name, own=False))
        if record is not None and _is_there(python):
            return Environment(description, python, record, own=False)
        if self._own_python is not None and self._stands_for_own(description):
            version = _own_version(description.distribution)
            record = self._read(self._record_path(name, own=True))
            if record is None or record.version != version:
                record = Record(name, version)
            return Environment(description, self._own_python, record, own=True)
        return None

    def _stands_for_own(self, description: Description) -> bool:
        """Whether the application's own environment holds the package. What kind of build that is nobody knows before
        the self-test: it counts as the one for the CPU, whose record names the devices that it found."""
        return description.device == CPU and importlib.util.find_spec(description.module) is not None

    def write(self, record: Record, *, own: bool) -> None:
        """Replace the record atomically."""
        path = self._record_path(record.name, own=own)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps(to_json(record), indent=1, ensure_ascii=False), encoding="utf-8")
        partial.replace(path)

    def remove(self, name: str) -> bool:
        """Delete an environment's folder; False where there was none. Raises EngineError(engine_not_removed)."""
        folder = self.path(name)
        try:
            self._record_path(name, own=True).unlink(missing_ok=True)
            if not folder.is_dir():
                return False
            (folder / "engine.json").unlink(missing_ok=True)
            shutil.rmtree(folder)
        except OSError as error:
            raise EngineError("engine_not_removed", name=name, detail=str(error)) from error
        return True

    def _record_path(self, name: str, *, own: bool) -> Path:
        return self.folder / f"{name}.own.json" if own else self.path(name) / "engine.json"

    def _read(self, path: Path) -> Record | None:
        try:
            return from_json(Record, json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError):
            log.exception("engine record unreadable: %s", path)
            return None


def _is_there(path: Path) -> bool:
    """Also False where this user may not look: another user's environment."""
    try:
        return path.exists()
    except OSError:
        return False


def _own_version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
