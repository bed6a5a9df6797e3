"""A made-up NVML as a shared library, built from nvml.c, that shows the cards of a JSON description.

The library is found the way the real one is: by a process started with ``environment(...)`` or ``described(...)``.
A description: ``driver``, ``cuda`` (12060), ``cards``, ``errors`` (function, or function#card, → NVML's error code).
A card: what ``nvmlDeviceGet<key>`` answers; what is not there is "not supported".
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "nvml.c"
SONAME = "libnvidia-ml.so.1"
NEW_SINCE_470 = (
    "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetMemoryBusWidth", "nvmlDeviceGetNumGpuCores",
    "nvmlDeviceGetTemperatureV",
)  # fmt: skip
"""What the binding knows and a driver older than it lacks."""
GONE_IN_CUDA_14 = ("nvmlDeviceGetTemperature", "nvmlDeviceGetCurrentClocksThrottleReasons")
"""What the binding of 2026 says will be removed."""

Card = dict[str, Any]


def description(name: str) -> dict[str, Any]:
    """A description of this folder."""
    found: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return found


_CARDS = description("made_cards.json")
RTX_4060: Card = _CARDS["RTX_4060"]
RTX_3060: Card = _CARDS["RTX_3060"]
A100_80: Card = _CARDS["A100_80"]
GTX_1060: Card = _CARDS["GTX_1060"]
UNIFIED: Card = _CARDS["UNIFIED"]
"""Shares the system's memory: the driver knows neither a size nor a bus."""
LAPTOP: Card = _CARDS["LAPTOP"]
"""Its power limit belongs to the firmware."""
VGPU: Card = _CARDS["VGPU"]
ZERO: Card = _CARDS["ZERO"]


def reason_not_buildable() -> str | None:
    if sys.platform != "linux":
        return "the made NVML library is built for Linux only"
    return None if shutil.which("cc") else "no C compiler (cc) to build the made NVML library"


def functions() -> set[str]:
    """Every function of the made library."""
    text = SOURCE.read_text("utf-8")
    plain = set(re.findall(r"^(?:int|const char \*) ?(nvml\w+)\(", text, re.MULTILINE))
    small = {f"nvmlDeviceGet{name}" for name in re.findall(r"^(?:SMALL|WIDE)\((\w+)\)", text, re.MULTILINE)}
    lists = re.findall(r"^PROCESSES\((\w+), (\w+)\)", text, re.MULTILINE)
    return plain | small | {f"nvmlDeviceGet{kind}RunningProcesses{suffix}" for kind, suffix in lists}


def build(folder: Path, *missing: str) -> Path:
    """Compile the library into a folder (given back) without the functions named in ``missing``."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", f"-Wl,-soname,{SONAME}"]
    if missing:
        hidden = folder / "symbols.map"
        names = " ".join(f"{name};" for name in missing)
        hidden.write_text(f"{{ global: *; local: {names} }};\n", "utf-8")
        options.append(f"-Wl,--version-script={hidden}")
    subprocess.run(["cc", *options, "-o", str(folder / SONAME), str(SOURCE)], check=True, timeout=60)
    return folder


def environment(
    library: Path, cards: Sequence[Card] = (), driver: str = "560.35.03", cuda: int = 12060, **errors: int
) -> dict[str, str]:
    """Environment variables for a process that shall see these cards.

    ``errors``: function name → NVML's error code; a trailing ``_at_0`` restricts it to one card.
    """
    by_function = {name.replace("_at_", "#"): code for name, code in errors.items()}
    return described(library, {"driver": driver, "cuda": cuda, "cards": list(cards), "errors": by_function})


def described(library: Path, told: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables for a process that shall see the machine of a description."""
    text = "".join(f"{line}\n" for line in _lines(told))
    path = library / f"described-{len(list(library.iterdir()))}.txt"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return dict(os.environ, LD_LIBRARY_PATH=str(library), MADE_NVML=str(path))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    cards = told.get("cards", [])
    yield f"count={told.get('count', len(cards))}"
    for key in ("driver", "cuda"):
        if told.get(key) is not None:
            yield f"{key}={told[key]}"
    for function, code in told.get("errors", {}).items():
        yield f"error.{function}={code}"
    for index, card in enumerate(cards):
        yield from _card(str(index), card)


def _card(name: str, card: Mapping[str, Any]) -> Iterator[str]:
    for key, value in card.items():
        if key == "MigDevices":
            for number, device in enumerate(value):
                yield from _card(f"{name}m{number}", device)
        elif key.endswith("RunningProcesses"):
            shown = ((one["pid"], "?" if one.get("mib") is None else one["mib"]) for one in value)
            yield f"{name}.{key}=" + ";".join(f"{pid}:{mib}" for pid, mib in shown)
            yield from (f"name.{one['pid']}={one['name']}" for one in value if "name" in one)
        elif isinstance(value, Mapping):
            yield from (f"{name}.{key}.{part}={number}" for part, number in value.items())
        elif isinstance(value, list):
            yield f"{name}.{key}=" + ".".join(map(str, value))
        else:
            yield f"{name}.{key}={value}"
