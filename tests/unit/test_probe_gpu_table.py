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
        ("NVIDIA GeForce RTX 4070 Ti SUPER", None, None),
        ("NVIDIA GeForce RTX 2060 SUPER", None, 448),
        ("NVIDIA GeForce GTX 1060 6GB", 6144 * MIB, 192),
        ("NVIDIA GeForce GTX 1060 with Max-Q Design", None, None),
        ("NVIDIA A100-SXM4-80GB", 81920 * MIB, 2039),
        ("NVIDIA A100 80GB PCIe", 81920 * MIB, None),
        ("NVIDIA RTX A6000", None, 768),
        ("NVIDIA RTX 6000 Ada Generation", None, 960),
        ("Quadro RTX 6000", None, None),
        ("AMD Radeon RX 7600", None, 288),
        ("AMD Radeon RX 6600 XT", None, None),
        ("Intel(R) Arc(TM) B580 Graphics", None, 456),
        ("Apple M4", None, 120),
        ("Apple M4 Pro", None, 273),
        ("Apple M4 Max", None, 546),
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


def test_own_knowledge_says_so(table: GpuTable) -> None:
    assert {row.names[0] for row in table.rows if not row.verified} >= {
        "RX 6600",
        "RTX 2060 SUPER",
        "Arc A750",
    }
    assert all(row.source for row in table.rows)
    assert all(
        row.source.startswith("P tables") == (row.verified or "conflict" in row.source) for row in table.rows
    )


def test_every_row_can_be_found_by_its_own_name(table: GpuTable) -> None:
    for row in table.rows:
        for name in row.names:
            memory = row.memory_gib * GIB if row.memory_gib else None
            assert table.find(name + (" Laptop GPU" if row.laptop else ""), memory, row.vendor) == row


def test_a_machine_file_gets_what_is_missing_and_keeps_what_it_has(table: GpuTable) -> None:
    measured = Gpu(0, "nvidia", "NVIDIA GeForce RTX 4060", memory_bandwidth_bytes_per_s=5)
    silent = Gpu(1, "nvidia", "NVIDIA GeForce RTX 4060")
    strange = Gpu(2, "nvidia", "NVIDIA Made Card")
    found = complete(Machine(gpus=(measured, silent, strange)), table)
    assert [gpu.memory_bandwidth_bytes_per_s for gpu in found.gpus] == [5, 272_000_000_000, None]


@pytest.mark.parametrize(
    "text",
    [
        '[[gpu]]\nnames = ["x"]\nvendor = "amd"\nbandwidth_gb_s = 1\nsource = "s"\nspeed = 3',
        '[[gpu]]\nnames = ["x"]\nvendor = "amd"\nsource = "s"',
        "[[gpu]",
    ],
)
def test_a_wrong_table_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_table(text)


def test_an_empty_table_knows_nothing() -> None:
    assert parse_table("").find("RTX 4060") is None


def test_names_are_split() -> None:
    assert split_name("NVIDIA GeForce RTX 4060 Laptop GPU") == (frozenset({"rtx", "4060"}), True, None)
    assert split_name("NVIDIA GeForce GTX 1060 6GB") == (frozenset({"gtx", "1060"}), False, 6)
