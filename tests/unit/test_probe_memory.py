from __future__ import annotations

from pathlib import Path

import pytest

from autoglm_desktop.core.machine import Memory
from autoglm_desktop.probe import cgroup, memory
from tests.fakes import outputs
from tests.unit.test_probe_system import made_root

GIB = 1 << 30
V2_MOUNT = "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
)


def meminfo(total: int, available: int, swap: int = 0) -> str:
    return (
        f"MemTotal: {total // 1024} kB\nMemAvailable: {available // 1024} kB\n"
        f"SwapTotal: {swap // 1024} kB\nSwapFree: {swap // 1024} kB\n"
    )


def v2_root(tmp_path: Path, path: str, groups: dict[str, dict[str, str]], host: str) -> Path:
    files = {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": V2_MOUNT, "proc/meminfo": host}
    for group, values in groups.items():
        for name, value in values.items():
            files[f"sys/fs/cgroup/{group}/{name}"] = value
    return made_root(tmp_path, files)


def test_meminfo_is_in_kib() -> None:
    found = memory.parse_meminfo(outputs.text("made_meminfo.txt"))
    assert found == Memory(16318428 * 1024, 9842112 * 1024, 2097148 * 1024, (2097148 - 1572860) * 1024)


@pytest.mark.parametrize(
    "text", ["", "MemTotal:\n", "MemTotal: x kB\nMemAvailable kB", "\0\0", "MemTotal: 0 kB"]
)
def test_meminfo_garbage_is_unknown(text: str) -> None:
    assert memory.parse_meminfo(text) == Memory()


def test_old_kernel_without_available_is_unknown_there() -> None:
    found = memory.parse_meminfo("MemTotal: 1024 kB\nMemFree: 512 kB\n")
    assert (found.total_bytes, found.available_bytes) == (1 << 20, None)


def test_without_a_limit_the_host_counts(tmp_path: Path) -> None:
    root = v2_root(tmp_path, "/", {"": {"cpu.stat": ""}}, meminfo(16 * GIB, 9 * GIB))
    assert memory.linux(root) == Memory(16 * GIB, 9 * GIB, 0, 0)


def test_v2_container_limit_counts_and_idle_file_cache_is_available(tmp_path: Path) -> None:
    own = {
        "memory.max": str(6 * GIB),
        "memory.current": str(5 * GIB),
        "memory.stat": f"anon 1\nfile 2\ninactive_file {2 * GIB}\n",
    }
    root = v2_root(tmp_path, "/", {"": own}, meminfo(16 * GIB, 9 * GIB))
    found = memory.linux(root)
    assert (found.total_bytes, found.available_bytes) == (6 * GIB, 3 * GIB)


def test_of_nested_groups_the_tightest_counts_for_each_figure(tmp_path: Path) -> None:
    groups = {
        "user.slice/app.scope": {"memory.max": "max", "memory.current": "1000"},
        "user.slice": {"memory.max": str(8 * GIB), "memory.current": str(7 * GIB)},
    }
    root = v2_root(tmp_path, "/user.slice/app.scope", groups, meminfo(16 * GIB, 9 * GIB))
    found = memory.linux(root)
    assert (found.total_bytes, found.available_bytes) == (8 * GIB, 1 * GIB)


def test_a_limit_above_the_host_changes_nothing(tmp_path: Path) -> None:
    own = {"memory.max": str(64 * GIB), "memory.current": str(1 * GIB)}
    root = v2_root(tmp_path, "/", {"": own}, meminfo(16 * GIB, 9 * GIB))
    assert memory.linux(root) == Memory(16 * GIB, 9 * GIB, 0, 0)


def test_memory_high_is_a_limit_too(tmp_path: Path) -> None:
    own = {"memory.max": str(8 * GIB), "memory.high": str(4 * GIB), "memory.current": "0"}
    root = v2_root(tmp_path, "/", {"": own}, meminfo(16 * GIB, 9 * GIB))
    assert memory.linux(root).total_bytes == 4 * GIB


def test_unreadable_usage_leaves_the_total_known(tmp_path: Path) -> None:
    root = v2_root(tmp_path, "/", {"": {"memory.max": str(4 * GIB)}}, meminfo(16 * GIB, 9 * GIB))
    found = memory.linux(root)
    assert (found.total_bytes, found.available_bytes) == (4 * GIB, 4 * GIB)


def test_usage_above_the_limit_is_none_left(tmp_path: Path) -> None:
    own = {"memory.max": "4096", "memory.current": "8192"}
    assert memory.linux(v2_root(tmp_path, "/", {"": own}, meminfo(GIB, GIB))).available_bytes == 0


def test_v2_swap_limit(tmp_path: Path) -> None:
    own = {"memory.swap.max": str(GIB), "memory.swap.current": str(GIB // 2)}
    found = memory.linux(v2_root(tmp_path, "/", {"": own}, meminfo(16 * GIB, 9 * GIB, swap=8 * GIB)))
    assert (found.swap_total_bytes, found.swap_used_bytes) == (GIB, GIB // 2)


def v1_root(
    tmp_path: Path, mount_root: str, path: str, folder: str, values: dict[str, str], host: str
) -> Path:
    files = {
        "proc/self/cgroup": f"9:name=systemd:/\n4:memory:{path}\n1:cpu,cpuacct:{path}\n0::/\n",
        "proc/self/mountinfo": V1_MOUNTS.format(root=mount_root),
        "proc/meminfo": host,
    }
    files |= {f"sys/fs/cgroup/{folder}/{name}": value for name, value in values.items()}
    return made_root(tmp_path, files)


V1_VALUES = {
    "memory.limit_in_bytes": str(6 * GIB),
    "memory.memsw.limit_in_bytes": str(7 * GIB),
    "memory.usage_in_bytes": str(5 * GIB),
    "memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB}\n",
}


def test_v1_limit_of_a_group_below_the_mount(tmp_path: Path) -> None:
    root = v1_root(
        tmp_path, "/", "/made/one", "memory/made/one", V1_VALUES, meminfo(16 * GIB, 9 * GIB, 4 * GIB)
    )
    assert memory.linux(root) == Memory(6 * GIB, 2 * GIB, GIB, 0, limit_bytes=6 * GIB)


def test_v1_in_a_container_the_mount_shows_only_the_own_group(tmp_path: Path) -> None:
    root = v1_root(tmp_path, "/docker/abc", "/docker/abc", "memory", V1_VALUES, meminfo(16 * GIB, 9 * GIB))
    assert memory.linux(root).total_bytes == 6 * GIB


def test_v1_group_outside_what_is_mounted_falls_back_to_the_mount(tmp_path: Path) -> None:
    root = v1_root(tmp_path, "/docker/abc", "/elsewhere", "memory", V1_VALUES, meminfo(16 * GIB, 9 * GIB))
    assert memory.linux(root).total_bytes == 6 * GIB


def test_v1_unlimited_is_no_limit(tmp_path: Path) -> None:
    values = {"memory.limit_in_bytes": "9223372036854771712", "memory.usage_in_bytes": "0"}
    root = v1_root(tmp_path, "/", "/made", "memory/made", values, meminfo(16 * GIB, 9 * GIB))
    assert memory.linux(root) == Memory(16 * GIB, 9 * GIB, 0, 0)


def test_v2_path_outside_its_namespace(tmp_path: Path) -> None:
    own = {"memory.max": str(2 * GIB), "memory.current": "0"}
    root = v2_root(tmp_path, "/../../other", {"": own}, meminfo(16 * GIB, 9 * GIB))
    assert memory.linux(root).total_bytes == 2 * GIB


def test_mount_points_with_blanks() -> None:
    (mount,) = cgroup.parse_mounts("1 2 0:3 / /my\\040groups rw - cgroup2 none rw\n")
    assert mount.mount_point == "/my groups"


@pytest.mark.parametrize("text", ["", "no dash here", "1 2 - cgroup2", "- cgroup2 x y", "\0"])
def test_broken_mountinfo_has_no_mounts(text: str) -> None:
    assert cgroup.parse_mounts(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200000 100000", 2.0),
        ("50000 100000", 0.5),
        ("max 100000", None),
        ("", None),
        ("1", None),
        ("5 0", None),
    ],
)
def test_cpu_max(text: str, expected: float | None) -> None:
    assert cgroup.parse_cpu_max(text) == expected


def test_cpu_quota_v1(tmp_path: Path) -> None:
    values = {"cpu.cfs_quota_us": "150000\n", "cpu.cfs_period_us": "100000\n"}
    assert cgroup.cpu_quota(v1_root(tmp_path, "/", "/made", "cpu,cpuacct/made", values, "")) == 1.5


def test_cpu_quota_v1_without_one(tmp_path: Path) -> None:
    values = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}
    assert cgroup.cpu_quota(v1_root(tmp_path, "/", "/made", "cpu,cpuacct/made", values, "")) is None


def test_cpu_quota_of_the_tightest_level(tmp_path: Path) -> None:
    groups = {"a/b": {"cpu.max": "400000 100000"}, "a": {"cpu.max": "300000 100000"}}
    assert cgroup.cpu_quota(v2_root(tmp_path, "/a/b", groups, "")) == 3.0


def test_this_machine_has_memory() -> None:
    found = memory.probe_memory()
    assert found.total_bytes is not None and found.available_bytes is not None
    assert 0 < found.available_bytes <= found.total_bytes
