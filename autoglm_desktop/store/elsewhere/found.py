"""What a search for other programs' models gives, and where it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FoundModel:
    """A GGUF file or a safetensors folder. ``place``: whose it is. ``name``: what that program calls it (None: the
    file's name). ``projector``: the one that program uses with it."""

    path: Path
    place: str
    repo: str | None = None
    name: str | None = None
    projector: Path | None = None


@dataclass(frozen=True)
class Where:
    """Whose folders: the user's home, environment and system (``sys.platform``); ``shared`` Ollama folders."""

    home: Path
    environment: Mapping[str, str]
    system: str
    shared: tuple[Path, ...] = ()

    def variable(self, name: str) -> Path | None:
        """A variable that names a folder; None where it is empty or relative."""
        value = self.environment.get(name, "").strip()
        if not value:
            return None
        path = Path(self.home, value[2:]) if value.startswith(("~/", "~\\")) else Path(value)
        return path if path.is_absolute() else None

    @property
    def data(self) -> Path:
        """Where programs keep their data: ``%APPDATA%``, ``~/Library/Application Support``, ``$XDG_DATA_HOME``."""
        if self.system == "win32":
            return self.variable("APPDATA") or self.home / "AppData" / "Roaming"
        if self.system == "darwin":
            return self.home / "Library" / "Application Support"
        return self.variable("XDG_DATA_HOME") or self.home / ".local" / "share"

    @property
    def config(self) -> Path:
        """Where programs keep their settings; on Linux another folder than ``data``."""
        if self.system in ("win32", "darwin"):
            return self.data
        return self.variable("XDG_CONFIG_HOME") or self.home / ".config"

    @property
    def cache(self) -> Path:
        """``~/.cache``, also on Windows and macOS, as the hubs' clients have it; ``$XDG_CACHE_HOME`` on Linux."""
        xdg = None if self.system in ("win32", "darwin") else self.variable("XDG_CACHE_HOME")
        return xdg or self.home / ".cache"


def distinct(paths: list[Path]) -> list[Path]:
    """Folders that exist, each once."""
    found: dict[str, Path] = {}
    for path in paths:
        try:
            if path.is_dir():
                found.setdefault(str(path.resolve()), path)
        except (OSError, RuntimeError, ValueError):
            continue
    return list(found.values())
