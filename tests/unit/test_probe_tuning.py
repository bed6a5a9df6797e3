"""Settings of the system, containers, file systems: as found, and where nothing sensible is found."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from autoglm_desktop.core.machine import OsInfo, Tuning
from autoglm_desktop.probe import container, disk, disk_linux, disk_macos, disk_windows, tuning
from autoglm_desktop.texts import tuning as texts
from tests.fakes import outputs
from tests.unit.test_probe_system import made_root

SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
FILES = {
    "proc/sys/vm/swappiness": "60\n",
    "proc/sys/fs/file-max": "9223372036854775807\n",
    "proc/sys/net/core/somaxconn": "4096\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "proc/swaps": SWAPS + "/dev/nvme0n1p3   partition\t8388604\t0\t-2\n",
}


def values(found: tuple[Tuning, ...]) -> dict[str, str | None]:
    return {item.name: item.value for item in found}


def test_linux_settings(tmp_path: Path) -> None:
    assert values(tuning.linux(made_root(tmp_path, FILES), "1024")) == {
        "open_files": "1024", "swappiness": "60", "file_max": "9223372036854775807", "somaxconn": "4096",
        "huge_pages": "madvise", "swap_device": "disk",
    }  # fmt: skip


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    assert set(values(tuning.linux(tmp_path, None)).values()) == {None}
    broken = dict.fromkeys(FILES, "1,5\0")
    assert set(values(tuning.linux(made_root(tmp_path, broken), None)).values()) == {None}
    empty = dict.fromkeys(FILES, "")
    assert set(values(tuning.linux(made_root(tmp_path, empty), None)).values()) == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none [mq-deadline] kyber bfq", "mq-deadline"), ("none", "none"), ("none [mq-dead", None), ("", None),
        (None, None), ("[]", None), ("a b", None), ("[" + "x" * 99 + "]", None),
    ],
)  # fmt: skip
def test_the_chosen_word(text: str | None, expected: str | None) -> None:
    assert tuning.chosen(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SWAPS, "none"), (SWAPS + "/dev/zram0 partition 1 0 100\n", "zram"),
        (SWAPS + "/dev/zram0 partition 1 0 100\n/swap\\040file file 1 0 -2\n", "disk"), ("", None), ("x", None),
    ],
)  # fmt: skip
def test_swap_devices(text: str, expected: str | None) -> None:
    assert tuning.swap_device(text) == expected


def test_settings_of_the_disk_below_a_partition(tmp_path: Path) -> None:
    files = {
        "sda/queue/scheduler": "[none] bfq\n",
        "sda/queue/read_ahead_kb": "128\n",
        "sda/sda1/partition": "1\n",
    }
    root = made_root(tmp_path, files)
    expected = {"io_scheduler": "none", "read_ahead_kb": "128"}
    assert values(tuning.disk(root / "sda/sda1")) == values(tuning.disk(root / "sda")) == expected
    assert tuning.disk(root / "missing") == ()


def test_a_disk_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    release = threading.Event()
    monkeypatch.setattr(tuning.disk_linux, "device_of", lambda folder: release.wait(60) and None)
    try:
        assert tuning.probe_disk_tuning(tmp_path, 0.05) == ()
    finally:
        release.set()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["?:\\pagefile.sys"], "automatic"), (["C:\\pagefile.sys 0 0"], "automatic"), ([], "off"), ([""], "off"),
        (["C:\\pagefile.sys 1024 4096"], "C: 1024-4096"),
        (["C:\\pagefile.sys 16 16", "D:\\page file.sys 1024 2048"], "C: 16-16, D: 1024-2048"),
        (None, None), ("C:", None), (7, None), (["nonsense"], None), (b"", None),
    ],
)  # fmt: skip
def test_page_files(value: object, expected: str | None) -> None:
    assert tuning.page_file(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(2, "on"), (1, "off"), (None, None), (9, None), ("2", None)])
def test_gpu_scheduling(value: object, expected: str | None) -> None:
    assert values(tuning.windows(None, value)) == {"page_file": None, "gpu_scheduling": expected}


def test_every_setting_has_a_name_and_a_note(tmp_path: Path) -> None:
    (tmp_path / "queue").mkdir()
    asked = (*tuning.linux(tmp_path, None), *tuning.disk(tmp_path), *tuning.windows(None, None))
    rows = texts.rows(OsInfo("made", tuning=asked))
    assert [row.value for row in rows] == ["–"] * len(asked)
    assert all(row.name and row.note for row in rows)
    assert {item.name for item in asked} == set(texts.NAMES) == set(texts.NOTES)


def test_settings_for_people() -> None:
    system = OsInfo(
        tuning=(Tuning("page_file", "automatic"), Tuning("swappiness", "60"), Tuning("made up", "1"))
    )
    rows = texts.rows(system)
    assert [(row.value, row.published) for row in rows] == [("managed by Windows", None), ("60", "10")]


@pytest.mark.parametrize(
    ("files", "environ", "wsl", "expected"),
    [
        ({"proc/self/cgroup": "0::/\n"}, {}, False, False),
        ({"proc/self/cgroup": "0::/\n", ".dockerenv": ""}, {}, False, True),
        ({"proc/self/cgroup": "0::/\n", "run/.containerenv": ""}, {}, False, True),
        ({"proc/self/cgroup": "0::/\n", "run/systemd/container": "lxc\n"}, {}, False, True),
        ({"proc/self/cgroup": "4:memory:/docker/abc\n"}, {}, False, True),
        ({"proc/self/cgroup": "0::/kubepods.slice/a\n"}, {}, False, True),
        ({"proc/self/cgroup": "0::/user.slice/docker.service\n"}, {}, False, False),
        ({"proc/self/cgroup": "0::/\n"}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False, True),
        ({"proc/self/cgroup": "0::/\n"}, {"container": "podman"}, False, True),
        ({".dockerenv": "", "proc/self/cgroup": "0::/\n"}, {"WSL_DISTRO_NAME": "Made"}, True, False),
        ({".dockerenv": "", "proc/self/cgroup": "0::/\n"}, {}, True, True),
        ({}, {}, False, None),
    ],
)
def test_containers(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], wsl: bool, expected: bool | None
) -> None:
    assert container.in_container(made_root(tmp_path, files), environ, wsl) is expected


@pytest.mark.skipif(sys.platform == "win32", reason="/proc's namespaces are symbolic links")
@pytest.mark.parametrize(("pid", "expected"), [(4026531836, False), (4026532201, True)])
def test_a_marker_that_an_image_left_on_a_machine_s_own_disk(
    tmp_path: Path, pid: int, expected: bool
) -> None:
    root = made_root(tmp_path, {".dockerenv": "", "proc/self/cgroup": "0::/\n", "proc/self/ns/x": ""})
    for name, number in (("pid", pid), ("uts", 4026531838), ("ipc", 4026531839)):
        (root / "proc/self/ns" / name).symlink_to(f"{name}:[{number}]")
    assert container.in_container(root, {}, False) is expected


MOUNTS = (
    "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
    "40 22 8:1 / /media/my\\040disk ro,nosuid - vfat /dev/sda1 rw,utf8\n"
    "41 22 0:50 / /srv rw - overlay overlay ro,lowerdir=/a\n"
    "42 22 0:51 / /dev/shm rw - tmpfs tmpfs rw\n"
)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/made", ("ext4", False)), ("/media/my disk/models", ("vfat", True)), ("/srv/models", ("overlay", True)),
        ("/dev/shm", ("tmpfs", False)),
    ],
)  # fmt: skip
def test_file_systems(folder: str, expected: tuple[str, bool]) -> None:
    assert disk_linux.parse_mount(MOUNTS, Path(folder)) == expected


@pytest.mark.parametrize(
    "text", ["", "garbage", "1 2 3 4 / rw - ext4", "1 2 3 4 - ext4 x rw", "\0", MOUNTS[:30]]
)
def test_broken_mounts(text: str) -> None:
    assert disk_linux.parse_mount(text, Path("/home")) == (None, None)


def test_volumes_of_macos() -> None:
    text = outputs.text("made_diskutil_apple.plist")
    more = "<key>FilesystemType</key><string>apfs</string><key>WritableVolume</key><false/></dict>"
    assert disk_macos.parse_volume(text.replace("</dict>", more)) == ("apfs", True)
    assert disk_macos.parse_volume(text) == disk_macos.parse_volume("<plist") == (None, None)
    assert (
        disk_macos.parse_volume(text.replace("</dict>", more.replace("<false/>", "<string>?</string>")))[1]
        is None
    )


def test_volumes_of_windows() -> None:
    assert disk_windows.from_volume("NTFS", 0x3E72EFF & ~0x80000) == ("NTFS", False)
    assert disk_windows.from_volume("FAT32", 0x80000) == ("FAT32", True)
    assert disk_windows.from_volume("", 0)[0] is None


@pytest.mark.skipif(sys.platform != "linux", reason="asks this machine")
def test_this_machine_has_a_file_system(tmp_path: Path) -> None:
    found = disk.probe_disk(tmp_path)
    assert found.file_system is not None and found.read_only is False
