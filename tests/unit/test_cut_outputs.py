"""Outputs of tools and files of the system, cut off at every byte: each value is the whole one's, or unknown."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoglm_desktop.core.machine import Cpu
from autoglm_desktop.probe import (
    adapters,
    cgroup,
    cpu,
    cpu_linux,
    cpu_macos,
    cpu_windows,
    disk_macos,
    disk_windows,
    memory,
    nvidia_smi,
    ram_modules,
    ram_modules_linux,
    ram_modules_macos,
    ram_modules_windows,
    system,
    tuning,
)
from autoglm_desktop.probe.files import parse_cpu_list, parse_int
from tests.fakes import outputs

MODULES = json.dumps({"SPMemoryDataType": [{"_items": [
    {"_name": "DIMM0/ChannelA", "dimm_type": "DDR4", "dimm_speed": "2667 MHz", "dimm_size": "8 GB"},
    {"_name": "DIMM0/ChannelB", "dimm_type": "DDR4", "dimm_speed": "2667 MHz", "dimm_size": "8 GB"},
]}]})  # fmt: skip
M4, INTEL_MAC = outputs.text("made_sysctl_m4_pro.txt"), outputs.text("made_sysctl_intel_mac.txt")
CACHES = (
    "hw.nperflevels: 2\n"
    + outputs.text("sysctl_m1_pro_caches.txt")
    + "machdep.cpu.brand_string: Apple M1 Pro\n"
)
GROUPS = "12:cpu,cpuacct:/made/one\n4:memory:/made/one/two\n0::/user.slice\n"
MOUNTS = (
    "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
    "31 25 0:27 /made /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
STAT = "anon 1048576\nfile 2097152\ninactive_file 1234567\nactive_file 7654321\n"
SWAPS = "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 8388604 0 100\n"


def mac(text: str) -> Cpu:
    return cpu.finish(cpu_macos.parse_sysctl(text))


def of_cpuinfo(text: str) -> Cpu:
    cores = cpu_linux.parse_cores(text, frozenset(range(16)))
    count = len(cores) or None
    return cpu.finish(Cpu(cpu_linux.parse_name(text), count, None, None, cpu_linux.parse_flags(text)))


def of_udev(text: str) -> ram_modules.Ram:
    return ram_modules.together(ram_modules_linux.parse_udev(text))


def with_programs(text: str) -> Any:
    query = outputs.text("made_nvidia_smi_query.csv")
    return nvidia_smi.with_programs(nvidia_smi.parse_smi(query), query, text)


PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "meminfo": (memory.parse_meminfo, outputs.text("made_meminfo.txt")),
    "sysctl m4": (mac, M4),
    "sysctl intel": (mac, INTEL_MAC),
    "sysctl m1": (mac, CACHES),
    "diskutil": (disk_macos.parse_diskutil, outputs.text("made_diskutil_apple.plist")),
    "volume": (disk_macos.parse_volume, outputs.text("made_diskutil_apple.plist")),
    "system_profiler": (ram_modules_macos.parse, MODULES),
    "udev": (of_udev, outputs.text("made_udev_dmi_two_ddr4.txt")),
    "smi": (nvidia_smi.parse_smi, outputs.text("made_nvidia_smi_query.csv")),
    "smi commas": (nvidia_smi.parse_smi, outputs.text("made_nvidia_smi_commas.csv")),
    "smi broken": (nvidia_smi.parse_smi, outputs.text("made_nvidia_smi_broken.csv")),
    "smi table": (nvidia_smi.parse_cuda_version, outputs.text("made_nvidia_smi_table.txt")),
    "os-release": (system.parse_os_release, outputs.text("made_os_release_ubuntu.txt")),
    "mounts": (cgroup.parse_mounts, MOUNTS),
    "groups": (cgroup.parse_membership, GROUPS),
    "stat": (cgroup.parse_stat, STAT),
    "swaps": (tuning.swap_device, SWAPS),
    **{
        name: (of_cpuinfo, outputs.text(name))
        for name in (
            "made_cpuinfo_arm64_neoverse.txt", "made_cpuinfo_arm64_unknown.txt", "made_cpuinfo_intel_hybrid.txt",
            "made_cpuinfo_xeon_amx.txt",
        )
    },
}  # fmt: skip
UNKNOWN = (None, (), [], {}, "", "unknown", "none", 0)


def invented(found: Any, true: Any) -> bool:
    """Whether something in ``found`` is neither unknown nor in ``true``. Of a list some may be missing."""
    if found == true or (not dataclasses.is_dataclass(found) and found in UNKNOWN):
        return False
    if dataclasses.is_dataclass(found):
        names = [item.name for item in dataclasses.fields(found)]
        return any(invented(getattr(found, name), getattr(true, name, None)) for name in names)
    if isinstance(found, (tuple, list)) and isinstance(true, (tuple, list)):
        return any(all(invented(one, other) for other in true) for one in found)
    if isinstance(found, dict) and isinstance(true, dict):
        return any(invented(value, true.get(key)) for key, value in found.items())
    return True


@pytest.mark.parametrize(("parse", "text"), PARSERS.values(), ids=PARSERS)
def test_cut_off_at_every_byte(parse: Callable[[str], Any], text: str) -> None:
    """But for a list of swaps that ends behind its heading, which is that of a machine without."""
    data, true = text.encode(), parse(text)
    assert true not in UNKNOWN and not invented(true, true)
    for length in range(len(data)):
        found = parse(data[:length].decode("utf-8", "replace"))
        assert not invented(found, true), (data[max(0, length - 60) : length], found)


def test_programs_on_the_cards_cut_off_at_every_byte() -> None:
    """Of a process whose line is cut off at least the memory, or the name, is not told wrong."""
    text = outputs.text("made_nvidia_smi_programs.csv")
    true = with_programs(text)
    for length in range(len(text)):
        for found, card in zip(with_programs(text[:length]), true, strict=True):
            for one in found.processes:
                assert one.name in (None, *(p.name for p in card.processes))
                assert one.memory_bytes in (None, *(p.memory_bytes for p in card.processes))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("parse", "text"), PARSERS.values(), ids=PARSERS)
def test_damaged_anywhere_nothing_ends(parse: Callable[[str], Any], text: str, seed: int) -> None:
    """Bytes changed, lines swapped, doubled and lost, numbers without end, letters of other alphabets."""
    chance = random.Random(seed)
    for _ in range(60):
        lines = text.splitlines(keepends=True)
        for _change in range(chance.randint(1, 5)):
            at = chance.randrange(len(lines))
            lines[at] = chance.choice((
                "", lines[at] * 2, lines[at - 1], lines[at].replace(":", ";"), lines[at].upper(),
                lines[at].replace("1", "9" * 5000), lines[at].replace("0", "٣"), lines[at].replace(" ", "\0"),
                lines[at][: chance.randrange(len(lines[at]) + 1)], "\ufffd" * 50 + "\n",
            ))  # fmt: skip
        data = bytearray("".join(lines).encode())
        for _change in range(chance.randint(0, 4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        parse(data.decode("utf-8", "replace"))


@pytest.mark.parametrize(
    "text", ["9" * 5000, "0-" + "9" * 5000, "1-0", "-", ",", "0x10", "٣", "1_0", " 7 \n", "\0" * 9]
)
def test_lists_and_numbers_of_the_kernel(text: str) -> None:
    assert parse_cpu_list(text) in (frozenset(), frozenset((7,)))
    assert parse_int(text) in (None, 16, 3, 10, 7)


def test_binary_answers_of_windows_cut_off_and_of_noise() -> None:
    chance = random.Random(7)
    for length in range(200):
        noise = bytes(chance.randrange(256) for _ in range(length))
        assert disk_windows.from_properties(noise[:31], noise) == "unknown"
        disk_windows.from_properties(noise, noise)
        for data in (noise, b"\0" * length, b"\xff" * length, noise[:4] + (32).to_bytes(4, "little") + noise):
            cpu_windows.parse_processor_information(data)
            cpu_windows.parse_caches(data)
            cpu_windows.parse_numa_nodes(data)
            ram_modules_windows.parse(data)
    adapters.parse_display_devices(
        [("x", "PCI\\VEN_"), ("y", "VEN_ZZZZ"), ("", "PCI\\VEN_10DE&DEV"), ("z" * 999, "")]
    )


def test_cores_of_windows_are_all_or_none() -> None:
    core = (
        (0).to_bytes(4, "little")
        + (48).to_bytes(4, "little")
        + bytes(22)
        + (1).to_bytes(2, "little")
        + b"\3"
        + bytes(15)
    )
    whole = core * 3
    assert [found.logical for found in cpu_windows.parse_processor_information(whole)] == [2, 2, 2]
    for length in range(len(whole)):
        found = cpu_windows.parse_processor_information(whole[:length])
        assert len(found) in ((0,) if length % len(core) else (length // len(core),))


def test_files_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    """Folders in the place of files, and nothing at all."""
    for name in ("proc/meminfo", "proc/cpuinfo", "proc/self/cgroup", "proc/self/mountinfo", "etc/os-release"):
        (tmp_path / name).mkdir(parents=True)
    assert memory.linux(tmp_path).total_bytes is None
    assert cpu_linux.probe(tmp_path, frozenset((0,))).name is None
    assert system.linux(tmp_path, {}).version is None
