from __future__ import annotations

from pathlib import Path

import pytest

from autoglm_desktop.core.machine import Gpu, Machine
from autoglm_desktop.probe.gpu_table import GpuTable, complete, load_table, parse_table, split_name

GIB = 1 << 30
MIB = 1 << 20


@pytest.fixture(scope="module")
def table() -> GpuTable:
    return load_table(Path(__file__).parents[2] / "resources" / "gpus.toml")


@pytest.mark.parametrize(
    ("name", "memory", "expected"),
    [
        ("NVIDIA GeForce RTX 4060", 8188 * MIB, 272),
        ("NVIDIA GeForce RTX 4060 Laptop GPU", 8188 * MIB, 256),
        ("RTX 4060 Mobile", None, 256),
        ("NVIDIA GeForce RTX 4060 Ti", 16380 * MIB, 288),
        ("NVIDIA GeForce RTX 4060Ti", None, 288),
        ("NVIDIA GeForce RTX 3060", 12288 * MIB, 360),
        ("NVIDIA GeForce RTX 3060", 8192 * MIB, 240),
        ("NVIDIA GeForce RTX 3060", None, None),
        ("NVIDIA GeForce RTX 3060 12GB", None, 360),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", 6144 * MIB, 336),
        ("NVIDIA GeForce RTX 3050", 6144 * MIB, 168),
        ("NVIDIA GeForce RTX 3050 Laptop GPU", 4096 * MIB, 192),
        ("NVIDIA GeForce RTX 3050 Laptop GPU", 6144 * MIB, 168),
        ("NVIDIA GeForce RTX 5090", 32607 * MIB, 1792),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", None, 672),
        ("NVIDIA GeForce RTX 4070 Ti SUPER DUPER", None, None),
        ("NVIDIA GeForce RTX 2060 SUPER", None, 448),
        ("NVIDIA GeForce GTX 1060 6GB", 6144 * MIB, 192),
        ("NVIDIA GeForce GTX 1060 with Max-Q Design", None, None),
        ("NVIDIA A100-SXM4-80GB", 81920 * MIB, 2039),
        ("NVIDIA A100 80GB PCIe", 81920 * MIB, None),
        ("NVIDIA RTX A6000", None, 768),
        ("NVIDIA RTX 6000 Ada Generation", None, 960),
        ("Quadro RTX 6000", None, 672),
        ("NVIDIA RTX 6000", None, None),
        ("AMD Radeon RX 7600", None, 288),
        ("AMD Radeon RX 6600 XT", None, 256),
        ("AMD Radeon RX 6610 XT", None, None),
        ("AMD Radeon 780M Graphics (RADV PHOENIX)", None, None),
        ("Intel(R) Arc(TM) B580 Graphics", None, 456),
        ("Apple M4", None, 120),
        ("Apple M4 Pro", None, 273),
        ("Apple M4 Max", None, None),
        ("Apple M4 Ultra", None, None),
        ("", None, None),
        ("显卡", None, None),
        (None, None, None),
    ],
)
def test_bandwidth_by_name(
    table: GpuTable, name: str | None, memory: int | None, expected: float | None
) -> None:
    row = table.find(name, memory)
    assert (row.bandwidth_gb_s if row else None) == expected


def test_another_vendors_card_of_the_same_name_is_another(table: GpuTable) -> None:
    assert table.find("M4", vendor="apple") is not None
    assert table.find("M4", vendor="nvidia") is None


def test_nothing_says_verified_and_every_row_says_where_it_was_read(table: GpuTable) -> None:
    assert not [row.names for row in table.rows if row.verified]
    for row in table.rows:
        assert row.source.startswith(("https://", "public tables", "own knowledge")), row.names
    assert [row.names[0] for row in table.rows if row.source == "own knowledge"] == ["M4 Max"]
    figures = [row for row in table.rows if row.pp512 or row.tg128 or row.pp512_fa or row.decode_efficiency]
    assert len(figures) > 70
    assert all(row.speed_source for row in figures)
    assert all(row.backend for row in figures if row.decode_efficiency is None)


def test_cores_tell_apples_chips_apart(table: GpuTable) -> None:
    wide, narrow = (table.find("Apple M4 Max", gpu_cores=cores) for cores in (40, 32))
    assert wide is not None and narrow is not None
    assert (wide.bandwidth_gb_s, narrow.bandwidth_gb_s) == (546, 410)
    assert table.find("Apple M2 Pro") is not None  # both have the same bandwidth


def test_every_row_can_be_found_by_its_own_name(table: GpuTable) -> None:
    for row in table.rows:
        for name in row.names:
            memory = row.memory_gib * GIB if row.memory_gib else None
            whole = name + (" Laptop GPU" if row.laptop else "")
            assert table.find(whole, memory, row.vendor, row.gpu_cores) == row


def test_a_machine_file_gets_what_is_missing_and_keeps_what_it_has(table: GpuTable) -> None:
    measured = Gpu(0, "nvidia", "NVIDIA GeForce RTX 4060", memory_bandwidth_bytes_per_s=5)
    silent = Gpu(1, "nvidia", "NVIDIA GeForce RTX 4060")
    strange = Gpu(2, "nvidia", "NVIDIA Made Card")
    found = complete(Machine(gpus=(measured, silent, strange)), table)
    assert [gpu.memory_bandwidth_bytes_per_s for gpu in found.gpus] == [5, 272_000_000_000, None]


GOOD = '[[gpu]]\nnames = ["x"]\nvendor = "amd"\nbandwidth_gb_s = 1\nsource = "s"\n'


@pytest.mark.parametrize(
    "text",
    [
        GOOD + "speed = 3",
        GOOD.replace("bandwidth_gb_s = 1\n", ""),
        GOOD.replace('source = "s"', ""),
        GOOD.replace('"s"', '" "'),
        GOOD.replace('names = ["x"]', "names = []"),
        GOOD.replace('names = ["x"]', 'names = "x"'),
        GOOD.replace('names = ["x"]', "names = [1]"),
        GOOD.replace('names = ["x"]', 'names = ["NVIDIA GeForce 8 GB"]'),
        GOOD.replace('"amd"', '"made"'),
        *(
            GOOD.replace("= 1", f"= {value}")
            for value in ("0", "-1", "nan", "inf", "1e400", "true", '"1"', "1" + "0" * 400)
        ),
        GOOD + "memory_gib = 7.5",
        GOOD + "laptop = 1",
        GOOD + 'architecture = "none"',
        GOOD + 'speed_source = "none"',
        GOOD + "verified = 'yes'",
        "gpu = 3",
        "gpu = [3]",
        "[gpu]\nnames = ['x']",
        "[[cpu]]\nname = 'x'",
        '[[architecture]]\nname = "a"\nvendor = "amd"\nbackend = "b"\ncompute_capabilities = [[1]]',
        '[[architecture]]\nname = "a"\nvendor = "amd"\nbackend = "b"\n' * 2,
        "x = " + "[" * 5000 + "]" * 5000,
        "[[gpu]",
    ],
)
def test_a_wrong_table_is_an_error(text: str) -> None:
    assert parse_table(GOOD).rows
    with pytest.raises(ValueError):
        parse_table(text)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "gpus.toml"
    path.write_bytes(b"#" * ((4 << 20) + 1))
    with pytest.raises(ValueError):
        load_table(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "gpus.toml"
    path.write_bytes(b"# \xff\xfe")
    with pytest.raises(ValueError):
        load_table(path)


def test_an_empty_table_knows_nothing() -> None:
    assert parse_table("").find("RTX 4060") is None


def test_names_are_split() -> None:
    assert split_name("NVIDIA GeForce RTX 4060 Laptop GPU") == (frozenset({"rtx", "4060"}), True, None)
    assert split_name("NVIDIA GeForce GTX 1060 6GB") == (frozenset({"gtx", "1060"}), False, 6)
