from __future__ import annotations

import struct
from pathlib import Path

import pytest

from autoglm_desktop.core.machine import Cpu
from autoglm_desktop.probe import cpu, cpu_linux, cpu_macos, cpu_windows
from tests.fakes import outputs
from tests.unit.test_probe_system import made_root

HYBRID = outputs.text("made_cpuinfo_intel_hybrid.txt")


def topology(cores: list[str], capacities: dict[int, int] | None = None) -> dict[str, str]:
    """/sys files for cores given as CPU lists."""
    files = {}
    for core in cores:
        for number in cpu_linux.parse_cpu_list(core):
            files[f"sys/devices/system/cpu/cpu{number}/topology/core_cpus_list"] = core + "\n"
    for number, capacity in (capacities or {}).items():
        files[f"sys/devices/system/cpu/cpu{number}/cpu_capacity"] = f"{capacity}\n"
    count = sum(len(cpu_linux.parse_cpu_list(core)) for core in cores)
    return files | {"sys/devices/system/cpu/online": f"0-{count - 1}\n"}


def counts(found: Cpu) -> tuple[int | None, int | None, int | None]:
    return found.physical_cores, found.performance_cores, found.logical_cores


def everything(count: int) -> frozenset[int]:
    return frozenset(range(count))


# Two P cores with two threads each, four E cores.
I5 = topology(["0-1", "2-3", "4", "5", "6", "7"]) | {
    "sys/devices/cpu_core/cpus": "0-3\n",
    "sys/devices/cpu_atom/cpus": "4-7\n",
    "proc/cpuinfo": HYBRID,
}


def test_intel_hybrid(tmp_path: Path) -> None:
    found = cpu.finish(cpu_linux.probe(made_root(tmp_path, I5), everything(8)))
    assert found.name == "13th Gen Intel(R) Core(TM) i5-13500"
    assert counts(found) == (6, 2, 8)
    assert found.features == ("avx", "avx2", "fma", "f16c", "avx_vnni")


def test_affinity_to_efficiency_cores_leaves_those(tmp_path: Path) -> None:
    found = cpu_linux.probe(made_root(tmp_path, I5), frozenset({4, 5}))
    assert counts(found) == (2, 2, 2)


def test_affinity_to_one_thread_of_a_core(tmp_path: Path) -> None:
    assert counts(cpu_linux.probe(made_root(tmp_path, I5), frozenset({0}))) == (1, 1, 1)


@pytest.mark.parametrize(
    ("quota", "expected"), [("250000", (2, 2, 2)), ("50000", (1, 1, 1)), ("900000", (6, 2, 8))]
)
def test_container_quota(tmp_path: Path, quota: str, expected: tuple[int, int, int]) -> None:
    files = I5 | {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/cpu.max": f"{quota} 100000\n",
    }
    assert counts(cpu_linux.probe(made_root(tmp_path, files), everything(8))) == expected


def test_big_little_by_capacity(tmp_path: Path) -> None:
    capacities = dict(zip(range(8), [414] * 4 + [1024] * 2 + [900] * 2, strict=True))
    files = topology([str(number) for number in range(8)], capacities)
    files["proc/cpuinfo"] = outputs.text("made_cpuinfo_arm64_unknown.txt")
    files["sys/firmware/devicetree/base/model"] = "Made Board 5\0"
    found = cpu.finish(cpu_linux.probe(made_root(tmp_path, files), everything(8)))
    assert counts(found) == (8, 4, 8)
    assert found.name == "Made Board 5"
    assert found.features == ("neon", "dotprod")


def test_arm_server(tmp_path: Path) -> None:
    files = topology(["0", "1", "2", "3"]) | {"proc/cpuinfo": outputs.text("made_cpuinfo_arm64_neoverse.txt")}
    found = cpu.finish(cpu_linux.probe(made_root(tmp_path, files), everything(4)))
    assert found.name == "Neoverse-V2"
    assert counts(found) == (4, 4, 4)
    assert found.features == ("neon", "dotprod", "i8mm", "sve")


def test_without_sys_the_cores_come_from_cpuinfo(tmp_path: Path) -> None:
    root = made_root(tmp_path, {"proc/cpuinfo": HYBRID})
    assert counts(cpu_linux.probe(root, everything(4))) == (2, 2, 4)


def test_amx_is_seen() -> None:
    flags = cpu_linux.parse_flags(outputs.text("made_cpuinfo_xeon_amx.txt"))
    assert cpu.normalise_features(flags)[-3:] == ("amx_tile", "amx_int8", "amx_bf16")


def test_nothing_readable_is_unknown_except_what_the_process_may_use(tmp_path: Path) -> None:
    assert cpu.finish(cpu_linux.probe(tmp_path, everything(4))) == Cpu(logical_cores=4)


@pytest.mark.parametrize(
    "text", ["", "\0\xff", "model name\n", "model name : 0\n", "processor: x\ncore id: 1\n"]
)
def test_garbage_cpuinfo(tmp_path: Path, text: str) -> None:
    root = made_root(tmp_path, {"proc/cpuinfo": text, "sys/devices/system/cpu/online": "garbage"})
    found = cpu.finish(cpu_linux.probe(root, frozenset({0})))
    assert (found.name, found.physical_cores, found.features) == (None, None, ())


def test_zero_cores_are_unknown() -> None:
    assert counts(cpu.finish(Cpu("x", 0, 0, 0))) == (None, None, None)


def test_more_cores_than_threads_cannot_be() -> None:
    assert counts(cpu.finish(Cpu("x", 8, 12, 4))) == (4, 4, 4)


def test_apple_silicon() -> None:
    found = cpu.finish(cpu_macos.parse_sysctl(outputs.text("made_sysctl_m4_pro.txt")))
    assert found == Cpu("Apple M4 Pro", 12, 8, 12, ("neon", "dotprod", "i8mm"))


def test_intel_mac() -> None:
    found = cpu.finish(cpu_macos.parse_sysctl(outputs.text("made_sysctl_intel_mac.txt")))
    assert counts(found) == (6, 6, 12)
    assert found.features == ("avx", "avx2", "fma", "f16c")


def test_no_sysctl() -> None:
    assert cpu.finish(cpu_macos.parse_sysctl("")) == Cpu()


def windows_core(efficiency: int, *masks: int, pointer: int = 8, relation: int = 0) -> bytes:
    groups = b"".join(mask.to_bytes(pointer, "little") + bytes(8) for mask in masks)
    body = struct.pack("<BB20xH", 0, efficiency, len(masks)) + groups
    return struct.pack("<II", relation, 8 + len(body)) + body


def test_windows_hybrid_by_efficiency_class() -> None:
    buffer = (
        windows_core(1, 0b11) + windows_core(1, 0b1100) + windows_core(0, 1 << 4) + windows_core(0, 1 << 5)
    )
    cores = cpu_windows.parse_processor_information(buffer)
    found = cpu_windows.from_parts("Made CPU", cores, sum(core.logical for core in cores), 6, ("avx2",))
    assert counts(found) == (4, 2, 6)


def test_windows_cores_over_two_groups() -> None:
    (core,) = cpu_windows.parse_processor_information(windows_core(0, 0b1, 0b1))
    assert core.logical == 2


def test_windows_other_relations_and_truncated_buffers_are_skipped() -> None:
    whole = windows_core(0, 1, relation=3) + windows_core(0, 1)
    assert len(cpu_windows.parse_processor_information(whole)) == 1
    assert cpu_windows.parse_processor_information(whole[:-5]) == []
    assert cpu_windows.parse_processor_information(b"") == []
    assert cpu_windows.parse_processor_information(bytes(64)) == []


def test_windows_affinity_counts_within_one_group_only() -> None:
    assert cpu_windows.from_parts(None, [], 16, 4, ()).logical_cores == 4
    assert cpu_windows.from_parts(None, [], 128, 64, ()).logical_cores == 128


def test_windows_tells_only_what_it_has_a_number_for() -> None:
    assert cpu_windows.present(cpu_windows.FEATURE_NUMBERS_X86, {39, 40}.__contains__) == ("avx", "avx2")


def test_this_machine_has_a_processor() -> None:
    found = cpu.probe_cpu()
    assert found.logical_cores is not None and found.logical_cores >= 1


def cache(cpu_number: int, index: int, level: int, kind: str, size: str, shared: str) -> dict[str, str]:
    folder = f"sys/devices/system/cpu/cpu{cpu_number}/cache/index{index}"
    values = {
        "level": f"{level}\n",
        "type": f"{kind}\n",
        "size": f"{size}\n",
        "shared_cpu_list": f"{shared}\n",
    }
    return {f"{folder}/{name}": value for name, value in values.items()}


def cached() -> dict[str, str]:
    """Two cores with two threads each: an L1 and an L2 per core, one L3."""
    files = topology(["0-1", "2-3"])
    for number in range(4):
        core = "0-1" if number < 2 else "2-3"
        files |= cache(number, 0, 1, "Data", "48K", core) | cache(number, 1, 1, "Instruction", "64K", core)
        files |= cache(number, 2, 2, "Unified", "1024K", core) | cache(number, 3, 3, "Unified", "32M", "0-3")
    return files


def sizes(found: Cpu) -> tuple[int | None, int | None, int | None]:
    return found.l1_data_bytes, found.l2_bytes, found.l3_bytes


def test_shared_caches_count_once(tmp_path: Path) -> None:
    found = cpu.finish(cpu_linux.probe(made_root(tmp_path, cached()), everything(4)))
    assert sizes(found) == (48 << 10, 2 << 20, 32 << 20)


@pytest.mark.parametrize("size", ["", "1,5M", "-1K", "0K", "99999999999G", "12 K", "\0", "many"])
def test_a_cache_with_a_senseless_size_is_unknown(tmp_path: Path, size: str) -> None:
    files = cached() | cache(3, 3, 3, "Unified", size, "0-3")
    assert sizes(cpu_linux.probe(made_root(tmp_path, files), everything(4))) == (48 << 10, 2 << 20, None)


def test_a_cache_whose_sharing_is_cut_off_is_unknown(tmp_path: Path) -> None:
    files = cached() | cache(2, 2, 2, "Unified", "1024K", "")
    assert sizes(cpu_linux.probe(made_root(tmp_path, files), everything(4))) == (48 << 10, None, 32 << 20)


def test_numa_nodes_are_those_of_the_cpus_that_may_be_used(tmp_path: Path) -> None:
    nodes = {
        "sys/devices/system/node/online": "0-2\n",
        "sys/devices/system/node/node0/cpulist": "0-1\n",
        "sys/devices/system/node/node1/cpulist": "2-3\n",
        "sys/devices/system/node/node2/cpulist": "\n",  # memory alone
    }
    root = made_root(tmp_path, topology(["0-1", "2-3"]) | nodes)
    assert cpu_linux.probe(root, everything(4)).numa_nodes == 2
    assert cpu_linux.probe(root, frozenset({3})).numa_nodes == 1


def test_without_nodes_their_number_is_unknown(tmp_path: Path) -> None:
    assert cpu_linux.probe(made_root(tmp_path, topology(["0"])), everything(1)).numa_nodes is None


def test_recorded_caches_of_apple_silicon() -> None:
    text = "hw.nperflevels: 2\n" + outputs.text("sysctl_m1_pro_caches.txt")
    assert sizes(cpu_macos.parse_sysctl(text)) == (131072, 2 * 12582912 + 4194304, None)
    cut = text.replace("hw.perflevel1.l2cachesize: 4194304\n", "")
    assert cpu_macos.parse_sysctl(cut).l2_bytes is None, "half of it is not the whole"


def test_caches_of_an_intel_mac() -> None:
    text = (
        "hw.logicalcpu: 12\nhw.packages: 1\nhw.cacheconfig: 12 2 2 12 0 0\n"
        "hw.l1dcachesize: 32768\nhw.l2cachesize: 262144\nhw.l3cachesize: 12582912\n"
    )
    assert sizes(cpu_macos.parse_sysctl(text)) == (32768, 6 * 262144, 12582912)
    assert sizes(cpu_macos.parse_sysctl(text.replace("12 2 2", "12 2 0"))) == (32768, None, 12582912)


def windows_cache(level: int, size: int, kind: int) -> bytes:
    body = struct.pack("<BBHII20x", level, 8, 64, size, kind) + bytes(16)
    return struct.pack("<II", 2, 8 + len(body)) + body


def windows_node(number: int) -> bytes:
    body = struct.pack("<I20x", number) + bytes(16)
    return struct.pack("<II", 1, 8 + len(body)) + body


def test_windows_caches_and_nodes() -> None:
    buffer = (
        windows_core(0, 0b11) + windows_cache(1, 49152, 2) + windows_cache(1, 65536, 1) + windows_cache(2, 1 << 20, 0)
        + windows_core(0, 0b1100) + windows_cache(1, 32768, 2) + windows_cache(2, 1 << 20, 0)
        + windows_cache(3, 32 << 20, 0) + windows_node(0) + windows_node(1)
    )  # fmt: skip
    caches, nodes = cpu_windows.parse_caches(buffer), cpu_windows.parse_numa_nodes(buffer)
    found = cpu.finish(cpu_windows.with_caches(Cpu("Made", 2, 2, 4), caches, nodes))
    assert (*sizes(found), found.numa_nodes) == (49152, 2 << 20, 32 << 20, 2)
    assert cpu.finish(cpu_windows.with_caches(Cpu("Made", 2, 2, 4), [], 0)) == Cpu("Made", 2, 2, 4)
    assert cpu_windows.parse_caches(buffer[:60]) == []
