from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from autoglm_desktop.probe import disk, disk_linux, disk_macos, disk_windows
from tests.fakes import outputs

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="Linux's /sys is made of symbolic links")


class Sys:
    """A /sys with block devices, made of folders and links as the kernel's."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def disk(
        self, number: str, path: str, rotational: str = "0", vendor: str = "ATA", model: str = "Made"
    ) -> Path:
        folder = self.root / "sys/devices" / path
        for name, value in (
            ("queue/rotational", rotational),
            ("device/vendor", vendor),
            ("device/model", model),
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(value + "\n")
        return self._link(number, folder)

    def partition(self, number: str, parent: Path, name: str) -> Path:
        folder = parent / name
        folder.mkdir()
        (folder / "partition").write_text("1\n")
        return self._link(number, folder)

    def mapped(self, number: str, name: str, *below: Path) -> Path:
        folder = self.root / "sys/devices/virtual/block" / name
        (folder / "slaves").mkdir(parents=True)
        for item in below:
            (folder / "slaves" / item.name).symlink_to(item)
        return self._link(number, folder)

    def kind(self, number: str) -> str:
        major, minor = number.split(":")
        device = disk_linux.block_device(self.root, int(major), int(minor))
        return "none" if device is None else disk_linux.device_kind(device)

    def _link(self, number: str, folder: Path) -> Path:
        for place in (f"sys/dev/block/{number}", f"sys/class/block/{folder.name}"):
            link = self.root / place
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder)
        return folder


@pytest.fixture
def made(tmp_path: Path) -> Sys:
    return Sys(tmp_path)


@needs_links
@pytest.mark.parametrize(
    ("path", "rotational", "vendor", "model", "expected"),
    [
        ("pci0/nvme/nvme0/nvme0n1", "0", "", "Made SSD", "nvme"),
        ("pci0/ata1/host0/block/sda", "0", "ATA", "Made SSD", "sata_ssd"),
        ("pci0/ata1/host0/block/sdab", "1", "ATA", "Made HDD", "hdd"),
        ("pci0/usb2/2-1/host6/block/sdb", "1", "Made", "Stick", "unknown"),
        ("pci0/virtio1/block/vda", "1", "", "", "unknown"),
        ("LNXSYSTM/VMBUS/host0/block/sdc", "1", "Msft", "Virtual Disk", "unknown"),
        ("pci0/ata1/host0/block/sdd", "1", "ATA", "QEMU HARDDISK", "unknown"),
        ("pci0/mmc0/block/mmcblk0", "0", "", "", "unknown"),
        ("virtual/block/zram0", "0", "", "", "unknown"),
        ("pci0/ata1/host0/block/sde", "garbage", "ATA", "Made", "unknown"),
    ],
)
def test_kinds_of_whole_disks(
    made: Sys, path: str, rotational: str, vendor: str, model: str, expected: str
) -> None:
    made.disk("8:0", path, rotational, vendor, model)
    assert made.kind("8:0") == expected


@needs_links
def test_through_partition_encryption_and_volume_to_the_disk(made: Sys) -> None:
    nvme = made.disk("259:0", "pci0/nvme/nvme0/nvme0n1")
    part = made.partition("259:3", nvme, "nvme0n1p3")
    crypt = made.mapped("254:0", "dm-0", part)
    made.mapped("254:1", "dm-1", crypt)
    assert made.kind("254:1") == "nvme"
    assert made.kind("259:3") == "nvme"


@needs_links
def test_of_several_disks_the_slowest_counts(made: Sys) -> None:
    fast = made.disk("259:0", "pci0/nvme/nvme0/nvme0n1")
    slow = made.disk("8:0", "pci0/ata1/block/sda", "1")
    virtual = made.disk("252:0", "pci0/virtio/block/vda", "1")
    made.mapped("9:0", "md0", fast, slow)
    made.mapped("9:1", "md1", fast, virtual)
    assert made.kind("9:0") == "hdd"
    assert made.kind("9:1") == "unknown"


@needs_links
def test_volumes_that_point_at_each_other_end(made: Sys) -> None:
    first = made.mapped("254:0", "dm-0")
    second = made.mapped("254:1", "dm-1", first)
    (first / "slaves" / "dm-1").symlink_to(second)
    assert made.kind("254:0") == "unknown"


@needs_links
def test_btrfs_is_found_by_its_mount(made: Sys) -> None:
    nvme = made.disk("259:0", "pci0/nvme/nvme0/nvme0n1")
    made.partition("259:3", nvme, "nvme0n1p3")
    mountinfo = outputs.text("made_mountinfo_btrfs.txt")
    found = disk_linux.mounted_device(mountinfo, Path("/home/made"), made.root)
    assert found is not None and disk_linux.device_kind(found) == "nvme"
    assert made.kind("0:21") == "none"


@needs_links
def test_encrypted_btrfs_is_found_by_its_link(made: Sys) -> None:
    sata = made.disk("8:0", "pci0/ata1/block/sda", "0")
    made.mapped("254:0", "dm-0", sata)
    (made.root / "dev/mapper").mkdir(parents=True)
    (made.root / "dev/mapper/luks-made").symlink_to("../dm-0")
    found = disk_linux.mounted_device(outputs.text("made_mountinfo_btrfs.txt"), Path("/srv"), made.root)
    assert found is not None and disk_linux.device_kind(found) == "sata_ssd"


@needs_links
@pytest.mark.parametrize("folder", ["/mnt/my share/models", "/tmp/x"])
def test_network_and_memory_have_no_disk(made: Sys, folder: str) -> None:
    assert disk_linux.parse_source(outputs.text("made_mountinfo_btrfs.txt"), Path(folder)) is None


@pytest.mark.parametrize("text", ["", "garbage", "1 2 3 4 /home - x", "- btrfs /dev/sda"])
def test_broken_mountinfo(text: str) -> None:
    assert disk_linux.parse_source(text, Path("/home")) is None


def test_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    wanted = tmp_path / "模型 文件" / "not yet" / "there"
    found = disk.probe_disk(wanted)
    assert found.path == str(wanted)
    assert found.free_bytes is not None and found.free_bytes > 0
    assert found.kind in (*disk.KINDS, "unknown")
    assert disk.nearest_existing(wanted) == tmp_path


def test_a_file_in_the_way_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert disk.nearest_existing(tmp_path / "file" / "below") == tmp_path


def test_free_bytes_of_nothing_are_unknown(tmp_path: Path) -> None:
    assert disk.free_bytes(tmp_path / "missing") is None
    assert disk_linux.kind(tmp_path / "missing") == "unknown"


def test_macos_apple_silicon() -> None:
    assert disk_macos.parse_diskutil(outputs.text("made_diskutil_apple.plist")) == "nvme"


@pytest.mark.parametrize(
    ("bus", "solid", "expected"),
    [
        ("SATA", "<true/>", "sata_ssd"),
        ("SATA", "<false/>", "hdd"),
        ("USB", "<true/>", "unknown"),
        ("Disk Image", "<true/>", "unknown"),
        ("SATA", "<string>?</string>", "unknown"),
    ],
)
def test_macos_buses(bus: str, solid: str, expected: str) -> None:
    text = outputs.text("made_diskutil_apple.plist").replace("Apple Fabric", bus).replace("<true/>", solid)
    assert disk_macos.parse_diskutil(text) == expected


@pytest.mark.parametrize("text", ["", "Could not find disk", "<plist><dict>", "<plist><array/></plist>"])
def test_macos_garbage(text: str) -> None:
    assert disk_macos.parse_diskutil(text) == "unknown"


def descriptor(bus: int) -> bytes:
    return struct.pack("<IIBBBBIIIII", 1, 40, 0, 0, 0, 0, 0, 0, 0, 0, bus) + bytes(8)


def penalty(seeks: bool) -> bytes:
    return struct.pack("<IIB", 1, 12, seeks) + bytes(3)


@pytest.mark.parametrize(
    ("bus", "seeks", "expected"),
    [
        (17, False, "nvme"),
        (11, False, "sata_ssd"),
        (11, True, "hdd"),
        (7, True, "unknown"),
        (8, False, "unknown"),
    ],
)
def test_windows_buses(bus: int, seeks: bool, expected: str) -> None:
    assert disk_windows.from_properties(descriptor(bus), penalty(seeks)) == expected


def test_windows_without_answers() -> None:
    assert disk_windows.from_properties(b"", b"") == "unknown"
    assert disk_windows.from_properties(descriptor(11), b"") == "unknown"
    assert disk_windows.kind(Path("//server/share")) == "unknown"
