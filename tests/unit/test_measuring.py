"""Measuring memory and disks; keeping what was measured."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.measured import DiskSpeed, LayerSpeed, Measurements
from autoglm_desktop.probe import measure_disk as disk
from autoglm_desktop.probe.measure_memory import MIB, read_bandwidth
from autoglm_desktop.store.measurements import MOST_MACHINES, MeasurementFile


def test_memory_is_read_by_all_threads() -> None:
    found = read_bandwidth(2, available_bytes=1 << 30, limit_s=0.2)
    assert found is not None and found > 100 * MIB


def test_memory_that_is_too_short_tells_nothing() -> None:
    assert read_bandwidth(4, available_bytes=8 * MIB, limit_s=0.1) is None


def test_a_cancelled_measurement_of_memory_tells_nothing() -> None:
    assert read_bandwidth(1, 1 << 30, 5.0, lambda: True) is None


class MadeReader:
    """Reads as fast as it is asked; ``limit`` reads, then an error."""

    def __init__(self, limit: int = 10**9) -> None:
        self.limit, self.reads, self.closed = limit, [], False

    def read(self, offset: int, size: int) -> int:
        if len(self.reads) >= self.limit:
            raise OSError(5, "Input/output error")
        assert offset % disk.BLOCK == size % disk.BLOCK == 0
        self.reads.append((offset, size))
        return size

    def close(self) -> None:
        self.closed = True


def big_file(folder: Path) -> Path:
    path = folder / "模型 1.gguf"
    with path.open("wb") as file:
        file.truncate(disk.FILE_BYTES + 12345)
    return path


def test_a_model_is_read_in_order_and_at_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")
    reader = MadeReader()
    found = disk.measure_disk(tmp_path, big_file(tmp_path), 0.05, opened=lambda path: reader)
    assert found is not None and found.path == str(tmp_path)
    assert found.bytes_per_s and found.iops and found.latency_s is not None
    sizes = {size for _offset, size in reader.reads}
    assert sizes == {disk.MIB, disk.BLOCK} and reader.closed
    assert all(offset + size <= disk.FILE_BYTES + 12345 for offset, size in reader.reads)


@pytest.mark.parametrize("limit", [0, 3])
def test_a_disk_that_fails_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")
    reader = MadeReader(limit)
    assert disk.measure_disk(tmp_path, big_file(tmp_path), 0.05, opened=lambda path: reader) is None
    assert reader.closed


def test_what_cannot_be_read_past_its_cache_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")

    def refused(path: Path) -> disk.Reader:
        raise OSError(22, "Invalid argument")

    assert disk.measure_disk(tmp_path, big_file(tmp_path), 0.05, opened=refused) is None
    assert disk.measure_disk(tmp_path, big_file(tmp_path), 0.05, opened=lambda path: None) is None
    assert disk.measure_disk(tmp_path, None, 0.05, lambda: True, lambda path: MadeReader()) is None


def test_the_file_that_was_written_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")
    monkeypatch.setattr(disk, "FILE_BYTES", disk.LEAST_BYTES)
    reader = MadeReader()
    assert disk.measure_disk(tmp_path / "not yet", None, 0.05, opened=lambda path: reader) is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_tells_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert disk.measure_disk(tmp_path, None, 0.05) is None
    finally:
        tmp_path.chmod(0o700)


MOUNTS = (
    "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    "23 22 0:5 / /dev/shm rw shared:2 - tmpfs tmpfs rw\n"
    "24 22 0:6 / /mnt/a\\040b rw - btrfs /dev/sdb1 rw\nnonsense\n"
)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/home/me", "ext4"),
        ("/dev/shm/x", "tmpfs"),
        ("/mnt/a b/c", "btrfs"),
        ("/mnt/a", "ext4"),
    ],
)
def test_file_systems(folder: str, kind: str) -> None:
    assert disk.parse_file_system(MOUNTS, Path(folder)) == kind


def test_memory_has_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "tmpfs")
    assert disk.measure_disk(tmp_path, big_file(tmp_path), opened=lambda path: MadeReader()) is None


def layer(device: str = "cpu", engine: str = "llama-cpu", build: str = "1") -> LayerSpeed:
    return LayerSpeed(device, "made", "Q4_K_M", 0.01, 0.02, 0.001, 0.1, engine=engine, build=build)


def test_measurements_are_kept_by_machine(tmp_path: Path) -> None:
    file = MeasurementFile(tmp_path / "数据" / "measurements.json")
    assert file.all() == () and file.of("a", {}) is None
    first = Measurements(
        "a", 1.0, 5, (DiskSpeed("/模型", 1, 2, 0.5),), (layer(), layer("gpu:0", "llama-cuda"))
    )
    second = Measurements("b", 2.0)
    file.save(first)
    file.save(second)
    assert file.of("a", {"llama-cpu": "1", "llama-cuda": "1"}) == first
    assert file.of("b", {}) == second
    file.save(Measurements("a", 3.0, 6))
    assert file.of("a", {}) == Measurements("a", 3.0, 6)
    assert len(file.all()) == 2


def test_another_build_or_machine_invalidates(tmp_path: Path) -> None:
    file = MeasurementFile(tmp_path / "m.json")
    file.save(Measurements("cpu + card 551.23", 1.0, 5, (), (layer(), layer("gpu:0", "llama-cuda"))))
    assert file.of("cpu + card 560.00", {"llama-cpu": "1"}) is None
    found = file.of("cpu + card 551.23", {"llama-cpu": "2", "llama-cuda": "1"})
    assert found is not None and [one.device for one in found.layers] == ["gpu:0"]


def test_only_the_newest_machines_are_kept(tmp_path: Path) -> None:
    file = MeasurementFile(tmp_path / "m.json")
    for number in range(MOST_MACHINES + 3):
        file.save(Measurements(f"machine {number}", float(number)))
    assert len(file.all()) == MOST_MACHINES and file.of("machine 0", {}) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"machines": 3}', '{"machines": [{"hardware": 5}]}', '{"machines": [{}]}']
)
def test_a_damaged_file_counts_as_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text, encoding="utf-8")
    assert MeasurementFile(path).all() == ()
    MeasurementFile(path).save(Measurements("a"))
    assert json.loads(path.read_text(encoding="utf-8"))["machines"][0]["hardware"] == "a"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(AppError, match="file_unwritable"):
        MeasurementFile(tmp_path / "file" / "m.json").save(Measurements("a"))
