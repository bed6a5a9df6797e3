"""Measuring memory and disks; keeping what was measured."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError, Reason
from autoglm_desktop.core.measured import DiskSpeed, LayerSpeed, Measurements
from autoglm_desktop.probe import disk_linux
from autoglm_desktop.probe import measure_disk as disk
from autoglm_desktop.probe.measure_memory import MIB, read_bandwidth
from autoglm_desktop.store.file_work import Stopped
from autoglm_desktop.store.measurements import MOST_MACHINES, MeasurementFile


def test_memory_is_read_by_all_threads() -> None:
    found = read_bandwidth(2, available_bytes=1 << 30, limit_s=0.2)
    assert found is not None and found > 100 * MIB


def test_memory_that_is_too_short_tells_nothing() -> None:
    assert read_bandwidth(4, available_bytes=8 * MIB, limit_s=0.1) is None


def stopped() -> None:
    raise Stopped


def test_a_cancelled_measurement_of_memory_ends() -> None:
    with pytest.raises(Stopped):
        read_bandwidth(1, 1 << 30, 5.0, stopped)


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
    assert isinstance(found, DiskSpeed) and found.path == str(tmp_path)
    assert found.bytes_per_s and found.iops and found.latency_s is not None
    sizes = {size for _offset, size in reader.reads}
    assert sizes == {disk.MIB, disk.BLOCK} and reader.closed
    assert all(offset + size <= disk.FILE_BYTES + 12345 for offset, size in reader.reads)


@pytest.mark.parametrize("limit", [0, 3])
def test_a_disk_that_fails_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")
    reader = MadeReader(limit)
    found = disk.measure_disk(tmp_path, big_file(tmp_path), 0.05, opened=lambda path: reader)
    assert isinstance(found, Reason) and found.code == "disk_not_readable_uncached"
    assert reader.closed


def test_what_cannot_be_read_past_its_cache_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")

    def refused(path: Path) -> disk.Reader:
        raise OSError(22, "Invalid argument")

    for opened in (refused, lambda path: None):
        found = disk.measure_disk(tmp_path, big_file(tmp_path), 0.05, opened=opened)
        assert found == Reason.of("disk_not_readable_uncached", path=str(tmp_path))


@pytest.mark.parametrize("calls", [0, 3, 60])
def test_a_cancelled_measurement_of_a_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")
    monkeypatch.setattr(disk, "FILE_BYTES", disk.LEAST_BYTES)
    left = [calls]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped

    reader = MadeReader()
    with pytest.raises(Stopped):
        disk.measure_disk(tmp_path, None, 5.0, check, lambda path: reader)
    assert list(tmp_path.iterdir()) == []
    assert reader.closed == bool(reader.reads)


def test_the_file_that_was_written_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")
    monkeypatch.setattr(disk, "FILE_BYTES", disk.LEAST_BYTES)
    reader = MadeReader()
    found = disk.measure_disk(tmp_path / "not yet", None, 0.05, opened=lambda path: reader)
    assert isinstance(found, DiskSpeed)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_is_never_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")
    monkeypatch.setattr(disk, "free_bytes", lambda folder: disk.SPARE_BYTES + disk.LEAST_BYTES - 1)
    found = disk.measure_disk(tmp_path)
    assert isinstance(found, Reason) and found.code == "measure_needs_disk"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "measure_needs_disk"), (errno.EROFS, "disk_unwritable"), (errno.EIO, "disk_unwritable")],
)
def test_a_disk_that_takes_nothing_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def refused(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, "file_system", lambda folder: "ext4")
    monkeypatch.setattr(disk, "_write", refused)
    found = disk.measure_disk(tmp_path)
    assert isinstance(found, Reason) and found.code == code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        found = disk.measure_disk(tmp_path, None, 0.05)
    finally:
        tmp_path.chmod(0o700)
    assert isinstance(found, Reason) and found.code == "disk_unwritable"


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
    assert disk_linux.parse_mount(MOUNTS, Path(folder)) == (kind, False)


def test_memory_has_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "tmpfs")
    found = disk.measure_disk(tmp_path, big_file(tmp_path), opened=lambda path: MadeReader())
    assert found == Reason.of("disk_in_memory", path=str(tmp_path))


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
    "text",
    [
        "", "{", "[]", '{"machines": 3}', '{"machines": [{"hardware": 5}]}', '{"machines": [{}]}',
        '{"machines": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)  # fmt: skip
def test_a_damaged_file_counts_as_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text, encoding="utf-8")
    assert MeasurementFile(path).all() == ()
    MeasurementFile(path).save(Measurements("a"))
    assert json.loads(path.read_text(encoding="utf-8"))["machines"][0]["hardware"] == "a"


@pytest.mark.parametrize(
    "change",
    [
        {"decode_layer_s": 0}, {"decode_layer_s": -1}, {"decode_layer_s": float("nan")}, {"prefill_layer_s": 0},
        {"decode_head_s": float("inf")}, {"decode_cell_s": -1e-9}, {"prefill_cell_s": 1e9}, {"prefill_head_s": -600},
        {"batch": 0}, {"batch": -512}, {"layer_bytes": -1},
    ],
)  # fmt: skip
def test_times_that_cannot_be_are_not_planned_with(tmp_path: Path, change: dict[str, float]) -> None:
    path = tmp_path / "m.json"
    MeasurementFile(path).save(Measurements("a", ram_bytes_per_s=1, layers=(layer(), layer("gpu:0"))))
    data = json.loads(path.read_text(encoding="utf-8"))
    data["machines"][0]["layers"][0].update(change)
    data["machines"][0] |= {"ram_bytes_per_s": 0, "disks": [{"path": "x", "iops": -1}, {"path": "y"}]}
    path.write_text(json.dumps(data), encoding="utf-8")
    (found,) = MeasurementFile(path).all()
    assert [one.device for one in found.layers] == ["gpu:0"]
    assert (found.ram_bytes_per_s, [one.path for one in found.disks]) == (None, ["y"])


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(AppError, match="file_unwritable"):
        MeasurementFile(tmp_path / "file" / "m.json").save(Measurements("a"))


def test_this_machine_s_figures_can_be_forgotten(tmp_path: Path) -> None:
    file = MeasurementFile(tmp_path / "m.json")
    for number, key in enumerate(("a + card 1", "a + card 2", "b + card 2")):
        file.save(Measurements(key, float(number), 5))
    assert file.forget("a + card 3")
    assert [one.hardware for one in file.all()] == ["b + card 2"]
    assert not file.forget("a")
    assert not MeasurementFile(tmp_path / "none.json").forget("a")
    assert not (tmp_path / "none.json").exists()


def test_whether_anything_could_be_kept_is_told_before_measuring(tmp_path: Path) -> None:
    file = MeasurementFile(tmp_path / "new" / "m.json")
    file.require_writable()
    assert [one.name for one in (tmp_path / "new").iterdir() if one.suffix != ".lock"] == []
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(AppError, match="file_unwritable"):
        MeasurementFile(tmp_path / "file" / "m.json").require_writable()
