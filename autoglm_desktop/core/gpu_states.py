"""What a graphics card says of itself: why its clocks are lowered, who holds its memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .machine import Program

IDLE = "idle"
APPLICATION_CLOCKS = "application_clocks"
POWER_CAP = "power_cap"
HARDWARE = "hardware_slowdown"
SYNC_BOOST = "sync_boost"
HEAT = "heat"
HARDWARE_HEAT = "hardware_heat"
POWER_BRAKE = "power_brake"
DISPLAY_CLOCKS = "display_clocks"
BOARD_LIMIT = "board_limit"
RELIABILITY = "reliability"
REASONS = {
    0x1: IDLE, 0x2: APPLICATION_CLOCKS, 0x4: POWER_CAP, 0x8: HARDWARE, 0x10: SYNC_BOOST, 0x20: HEAT,
    0x40: HARDWARE_HEAT, 0x80: POWER_BRAKE, 0x100: DISPLAY_CLOCKS, 0x200: BOARD_LIMIT, 0x400: RELIABILITY,
}  # fmt: skip
"""NVML's nvmlClocksEventReason… and nvmlClocksThrottleReason… (nvml.h) as codes."""

BY_HEAT = frozenset((HEAT, HARDWARE_HEAT))
BY_SUPPLY = frozenset((POWER_BRAKE, HARDWARE))
"""The board or its power supply: HARDWARE alone may be either (nvml.h), with BY_HEAT it is heat."""
BY_POWER_LIMIT = frozenset((POWER_CAP, BOARD_LIMIT))
"""Normal under full load: the card holds its own limit."""

OWN_PROGRAM = "autoglm-desktop"
"""How the probe names this program's own processes, engines included."""
DESKTOP = frozenset((
    "csrss.exe", "dwm.exe", "explorer.exe", "searchhost.exe", "shellexperiencehost.exe", "startmenuexperiencehost.exe",
    "winlogon.exe", "xorg", "xwayland", "gnome-shell", "kwin_wayland", "kwin_x11", "plasmashell", "mutter",
))  # fmt: skip
"""The desktop itself: never to be closed."""

SHARED_CAPABILITIES = frozenset(((5, 3), (6, 2), (7, 2), (8, 7), (11, 0), (12, 1)))
"""Of NVIDIA's chips that share the system's RAM (Tegra, Jetson, GB10), and of no card
(developer.nvidia.com/cuda-gpus and cuda-legacy-gpus)."""


def throttle_codes(bits: int | None) -> tuple[str, ...] | None:
    """The codes of a bit mask; a bit that nobody knows is ``bit_<n>``. None: not asked or not told."""
    if bits is None or bits < 0:
        return None
    numbers = [bit for bit in range(bits.bit_length()) if bits >> bit & 1]
    return tuple(REASONS.get(1 << bit, f"bit_{bit}") for bit in numbers)


def shares_memory(capability: tuple[int, int] | None) -> bool | None:
    """Whether an NVIDIA chip of this compute capability has no memory of its own."""
    return None if capability is None else capability in SHARED_CAPABILITIES


def own_bytes(programs: Iterable[Program]) -> int:
    """What this program's own engines hold, as far as it is told: they give it back when they end."""
    return sum(one.memory_bytes or 0 for one in programs if one.name == OWN_PROGRAM)


def plain_name(name: str) -> str:
    """Without folders, which a hand-written machine may name."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def is_desktop(name: str | None) -> bool:
    return plain_name(name or "").lower() in DESKTOP


def is_closable(name: str | None) -> bool:
    """A program that the user can be asked to close: one with a name, not the desktop, not this program."""
    return bool(name) and name != OWN_PROGRAM and not is_desktop(name)


def holders(processes: Iterable[Program]) -> tuple[Program, ...]:
    """Programs that can be closed, one entry per name, the largest first; those that don't tell come last."""
    found: dict[str, int | None] = {}
    for one in processes:
        if one.name is not None and is_closable(one.name):
            name, told = plain_name(one.name), one.memory_bytes
            before = found.get(name)
            found[name] = told if before is None else before if told is None else before + told
    return tuple(
        Program(name, told) for name, told in sorted(found.items(), key=lambda item: -(item[1] or 0))
    )
