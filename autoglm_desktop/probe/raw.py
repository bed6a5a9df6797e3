"""The texts that the probes read, for a report. Bounded in size and time; what isn't there is left out.

Linux's files keep their path as a name: the probes can be run on what a report holds (``core.report.files_of``).
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core.report import FILES, GROUPS, Section
from . import cgroup, cpu_macos, nvidia_smi, ram_modules_macos, tuning
from .cgroup import unescape
from .disk import nearest_existing
from .disk_linux import device_of
from .files import read_text, run_text

TOOL_S = 3.0
"""A tool that needs longer does not answer at all or has a driver to load; the report goes without it."""
MOST_CHARACTERS = 40_000
MOST_FILES = 4_000
CPUINFO_BYTES = 16 * 1024
SMALL = 200
WHOLE = (
    "proc/meminfo", "proc/swaps", "proc/self/cgroup", "etc/os-release", "usr/lib/os-release", "run/udev/data/+dmi:id",
)  # fmt: skip
ONE_LINE = (
    "proc/sys/kernel/osrelease", *tuning.LINUX_FILES.values(), "sys/kernel/mm/transparent_hugepage/enabled",
    "sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name", "sys/firmware/devicetree/base/model",
    "sys/devices/cpu_core/cpus", "sys/devices/system/cpu/online", "sys/devices/system/node/online",
)  # fmt: skip
PATTERNS = (
    "sys/devices/system/cpu/cpu[0-9]*/topology/core_cpus_list",
    "sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list",
    "sys/devices/system/cpu/cpu[0-9]*/cpu_capacity",
    "sys/devices/system/node/node[0-9]*/cpulist",
    "sys/bus/pci/devices/*/class",
    "sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]/level",
    "sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]/type",
    "sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]/size",
    "sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]/shared_cpu_list",
)
"""The most wanted first: where there are too many, the last are left out."""
GROUP = (
    "memory.max", "memory.high", "memory.current", "memory.swap.max", "memory.swap.current", "cpu.max",
    "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.usage_in_bytes", "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
)  # fmt: skip
PERSONAL = ("proc/self/mountinfo", "proc/self/cgroup", "proc/swaps", "nvidia-smi")
VARIABLES = re.compile(
    r"(AUTOGLM|HF|HUGGING_?FACE|MODELSCOPE|CUDA|NVIDIA|GGML|LLAMA|OMP|MKL|OPENBLAS|KMP|TORCH|PYTORCH|PIP|UV|QT|ROCR|HIP|"
    r"HSA|VK|LC|XDG|WSL|KUBERNETES)_\w+|(HTTPS?|ALL|NO)_PROXY|LANG|LANGUAGE|DISPLAY|WAYLAND_DISPLAY|LD_LIBRARY_PATH|"
    r"LD_PRELOAD|PYTHON\w+|VIRTUAL_ENV|CONDA_PREFIX|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|container|MALLOC_\w+",
    re.IGNORECASE,
)
Run = Callable[[tuple[str, ...], float], "str | None"]


@dataclass(frozen=True)
class Sources:
    """Where the texts come from. Tests put made ones here."""

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    platform: str = sys.platform
    run: Run = run_text
    find_smi: Callable[[], str | None] = nvidia_smi.find_tool


def raw(folder: Path, sources: Sources | None = None, limit_s: float = TOOL_S) -> tuple[Section, ...]:
    """What the probes read of this machine; ``folder`` is the models folder. Takes ``limit_s`` seconds at most: what
    has not answered by then is left out."""
    ask = sources or Sources()
    parts: list[Callable[[], list[Section]]] = [lambda: _smi(ask), lambda: [_variables(ask.environ)]]
    if ask.platform == "linux":
        parts = [
            lambda: _files(ask.root),
            lambda: _mounts(ask.root, folder),
            lambda: _small(ask.root, folder),
            *parts,
        ]
    elif ask.platform == "darwin":
        parts = [lambda: _macos(ask, folder), *parts]
    elif ask.platform == "win32":
        parts = [_windows, *parts]
    return tuple(section for found in _together(parts, limit_s) for section in found if section.text)


def _together(parts: list[Callable[[], list[Section]]], limit_s: float) -> list[list[Section]]:
    """The parts' results in their order; each in a thread that can't keep Python alive."""
    found: list[list[Section]] = [[] for _part in parts]

    def ask(index: int) -> None:
        try:
            found[index] = parts[index]()
        except Exception as error:  # noqa: BLE001 - a report says what it could not read, and goes on
            found[index] = [Section(f"failed-{index}", f"{type(error).__name__}: {error}")]

    threads = [
        threading.Thread(target=ask, args=(i,), name=f"raw-{i}", daemon=True) for i in range(len(parts))
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return list(found)


def _section(name: str, text: str | None) -> Section:
    return Section(name, _whole_lines(text or "", MOST_CHARACTERS), name in PERSONAL)


def _whole_lines(text: str, most: int) -> str:
    """At most so many characters, cut behind a line."""
    text = text.replace("\0", "")
    return text if len(text) <= most else text[: text.rfind("\n", 0, most) + 1] or text[:most]


def _files(root: Path) -> list[Section]:
    cpuinfo = read_text(root / "proc/cpuinfo", CPUINFO_BYTES) or ""
    whole = cpuinfo if len(cpuinfo.encode()) < CPUINFO_BYTES else cpuinfo[: cpuinfo.rfind("\n") + 1]
    return [_section("proc/cpuinfo", whole), *(_section(name, read_text(root / name)) for name in WHOLE)]


def _mounts(root: Path, folder: Path) -> list[Section]:
    """Of /proc/self/mountinfo the control groups and what the models folder lies on: other mounts are private."""
    place = nearest_existing(folder).resolve()
    lines = [
        line
        for line in (read_text(root / "proc/self/mountinfo") or "").splitlines()
        if " - cgroup" in line or _is_above(line, place)
    ]
    return [_section("proc/self/mountinfo", "".join(f"{line}\n" for line in lines))]


def _is_above(line: str, folder: Path) -> bool:
    fields = line.split()
    return len(fields) > 4 and folder.is_relative_to(unescape(fields[4]))


def _small(root: Path, folder: Path) -> list[Section]:
    """Files of one line, together. The names of control groups can hold a person's."""
    names, lines = list(ONE_LINE), list[str]()
    groups = _idle(root)
    for name in _groups(root):
        groups += _line(root, name)
    device = device_of(nearest_existing(folder), root)
    if device is not None:
        names += _of_device(root, device)
    for name in names:
        lines += _line(root, name)
    for pattern in PATTERNS:
        for path in sorted(root.glob(pattern)):
            lines += _line(root, path.relative_to(root).as_posix())
            if len(lines) >= MOST_FILES:
                break
    lines += _adapters(root)
    return [Section(FILES, "".join(lines), personal=False), Section(GROUPS, "".join(groups))]


def _line(root: Path, name: str) -> list[str]:
    text = read_text(root / name, SMALL)
    words = " ".join((text or "").replace("\0", " ").split())
    return [f"{name}: {words}\n"] if words else []


def _groups(root: Path) -> Iterator[str]:
    seen: set[Path] = set()
    for controller in ("memory", "cpu"):
        for _version, folder in cgroup.levels(root, controller):
            if folder not in seen:
                seen.add(folder)
                yield from (_relative(root, folder / name) for name in GROUP)


def _idle(root: Path) -> list[str]:
    """Of a group's memory.stat, which is long, the line that the probes read."""
    lines: list[str] = []
    for version, folder in cgroup.levels(root, "memory"):
        name = "inactive_file" if version == 2 else "total_inactive_file"
        value = cgroup.parse_stat(read_text(folder / "memory.stat") or "").get(name)
        if value is not None:
            lines.append(f"{_relative(root, folder / 'memory.stat')}: {name} {value}\n")
    return lines


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix().lstrip("/")


def _of_device(root: Path, device: Path) -> list[str]:
    disk = device.parent if (device / "partition").exists() else device
    names = ("queue/rotational", "queue/scheduler", "queue/read_ahead_kb", "device/vendor", "device/model")
    return [_relative(root, disk / name) for name in names]


def _adapters(root: Path) -> list[str]:
    """Of the PCI bus the display controllers: class and vendor."""
    lines: list[str] = []
    for path in sorted(root.glob("sys/bus/pci/devices/*")):
        kind = (read_text(path / "class", 32) or "").strip()
        if kind.startswith("0x03"):
            lines += _line(root, _relative(root, path / "vendor")) + _line(
                root, _relative(root, path / "device")
            )
    return lines


def _smi(ask: Sources) -> list[Section]:
    tool = ask.find_smi()
    if tool is None:
        return []
    return [
        _section("nvidia-smi-query", nvidia_smi.query(tool, ask.run, TOOL_S)),
        _section("nvidia-smi", ask.run((tool,), TOOL_S)),
    ]


def _macos(ask: Sources, folder: Path) -> list[Section]:
    volume = next((item for item in (folder, *folder.parents) if os.path.ismount(item)), folder)
    disk = ("/usr/sbin/diskutil", "info", "-plist", str(volume))
    return [
        _section("sysctl", ask.run(cpu_macos.COMMAND, TOOL_S)),
        _section("system_profiler", ask.run(ram_modules_macos.COMMAND, TOOL_S)),
        Section("diskutil", ask.run(disk, TOOL_S) or ""),
    ]


def _windows() -> list[Section]:
    lines = [f"{item.name}: {item.value}\n" for item in tuning.probe_tuning()]
    return [Section("registry", "".join(lines), personal=False)]


def _variables(environ: Mapping[str, str]) -> Section:
    """The names of the variables that change what this program does. Never their values."""
    names = sorted(name for name in environ if VARIABLES.fullmatch(name))
    return Section("environment-names", "".join(f"{name}\n" for name in names), personal=False)
