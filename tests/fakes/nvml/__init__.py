"""A made-up NVML as a shared library, and cards to put into it.

The library is found the way the real one is: a process started with ``environment(...)`` loads it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).parent / "nvml.c"
SONAME = "libnvidia-ml.so.1"

Card = dict[str, object]

RTX_4060: Card = {
    "NAME": "NVIDIA GeForce RTX 4060",
    "TOTAL_MIB": 8188,
    "FREE_MIB": 7000,
    "RESERVED_MIB": 280,
    "CC": "8.9",
    "CLOCK_MHZ": 8501,
    "BUS_BITS": 128,
    "POWER_MW": 115000,
    "TEMPERATURE": 41,
    "BAR1_MIB": 8192,
    "DISPLAY": 1,
    "ACTIVE": 1,
}
RTX_3060: Card = {
    "NAME": "NVIDIA GeForce RTX 3060",
    "TOTAL_MIB": 12288,
    "FREE_MIB": 11300,
    "CC": "8.6",
    "CLOCK_MHZ": 7501,
    "BUS_BITS": 192,
    "POWER_MW": 170000,
    "TEMPERATURE": 38,
    "BAR1_MIB": 256,
    "DISPLAY": 0,
    "ACTIVE": 0,
}
A100_80: Card = {
    "NAME": "NVIDIA A100-SXM4-80GB",
    "TOTAL_MIB": 81920,
    "FREE_MIB": 81000,
    "CC": "8.0",
    "CLOCK_MHZ": 1593,
    "BUS_BITS": 5120,
    "POWER_MW": 400000,
    "TEMPERATURE": 30,
    "BAR1_MIB": 131072,
    "DISPLAY": 0,
    "ACTIVE": 0,
}
GTX_1060: Card = {
    "NAME": "NVIDIA GeForce GTX 1060 6GB",
    "TOTAL_MIB": 6144,
    "FREE_MIB": 5600,
    "CC": "6.1",
    "CLOCK_MHZ": 4004,
    "BUS_BITS": 192,
    "POWER_MW": 120000,
    "TEMPERATURE": 55,
    "BAR1_MIB": 256,
    "DISPLAY": 1,
    "ACTIVE": 0,
}
# Shares the system's memory: the driver knows neither a size nor a bus.
UNIFIED: Card = {"NAME": "NVIDIA GB10", "CC": "12.1", "TEMPERATURE": 40}


def reason_not_buildable() -> str | None:
    if sys.platform != "linux":
        return "the made NVML library is built for Linux only"
    return None if shutil.which("cc") else "no C compiler (cc) to build the made NVML library"


def build(folder: Path, *leave_out: str) -> Path:
    """Compile the library into a folder (given back); ``leave_out``: NO_V3, NO_MEMORY_V2."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", f"-Wl,-soname,{SONAME}"]
    options += [f"-D{name}" for name in leave_out]
    subprocess.run(["cc", *options, "-o", str(folder / SONAME), str(SOURCE)], check=True, timeout=60)
    return folder


def environment(
    library: Path, cards: Sequence[Card] = (), driver: str = "560.35.03", cuda: int = 12060, **errors: int
) -> dict[str, str]:
    """Environment variables for a process that shall see these cards.

    ``errors``: function name → NVML's error code; a trailing ``_at_0`` restricts it to one card.
    """
    variables = dict(os.environ, LD_LIBRARY_PATH=str(library), MADE_NVML_COUNT=str(len(cards)))
    variables |= {"MADE_NVML_DRIVER": driver, "MADE_NVML_CUDA": str(cuda)}
    pairs = (f"{name.replace('_at_', '#')}={code}" for name, code in errors.items())
    variables["MADE_NVML_ERRORS"] = ",".join(pairs)
    for index, card in enumerate(cards):
        variables |= {f"MADE_NVML_{index}_{key}": str(value) for key, value in card.items()}
    return variables
