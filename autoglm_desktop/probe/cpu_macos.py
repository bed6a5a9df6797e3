"""The processor as macOS' ``sysctl`` tells it."""

from __future__ import annotations

from ..core.machine import Cpu
from .files import parse_int, run_text

COMMAND = ("/usr/sbin/sysctl", "hw", "machdep.cpu")
TIMEOUT_S = 3.0


def probe() -> Cpu:
    return parse_sysctl(run_text(COMMAND, TIMEOUT_S) or "")


def parse_sysctl(text: str) -> Cpu:
    """``sysctl hw machdep.cpu``. Performance cores are level 0 on Apple silicon; Intel Macs have one kind."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            values[name.strip()] = value.strip()
    flags: list[str] = []
    for name in ("machdep.cpu.features", "machdep.cpu.leaf7_features"):
        flags += values.get(name, "").split()
    flags += [
        name.removeprefix("hw.optional.").removeprefix("arm.")
        for name, value in values.items()
        if name.startswith("hw.optional.") and value == "1"
    ]
    return Cpu(
        values.get("machdep.cpu.brand_string"),
        parse_int(values.get("hw.physicalcpu")),
        parse_int(values.get("hw.perflevel0.physicalcpu")),
        parse_int(values.get("hw.logicalcpu")),
        tuple(name.removesuffix("_0") for name in flags),
    )
