"""Kind, speed and channels of RAM by system; what contradicts itself or is nonsense stays unknown."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from autoglm_desktop.probe import memory, ram_modules_linux, ram_modules_macos, ram_modules_windows, smbios
from autoglm_desktop.probe.ram_modules import Module, Ram, channel_name, together
from tests.fakes import outputs
from tests.unit.test_probe_system import made_root

UDEV = outputs.text("made_udev_dmi_two_ddr4.txt")


def dimms(*places: tuple[str, str], kind: str = "DDR4", speed: int = 3200, width: int = 64) -> list[Module]:
    return [Module(locator, bank, kind, speed, width) for locator, bank in places]


# Names of slots and banks as boards write them:
# https://github.com/memtest86plus/memtest86plus/issues/123 https://github.com/lpereira/hardinfo/issues/386
# https://github.com/Solvik/netbox-agent/issues/173 https://github.com/Solvik/netbox-agent/issues/103
# https://github.com/groeck/i2c-tools/issues/8 https://github.com/strizhechenko/netutils-linux/issues/210
# https://github.com/Dasharo/dasharo-issues/issues/1206 https://github.com/sebhildebrandt/systeminformation/issues/328
@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([("DIMM 1", "P0 CHANNEL A"), ("DIMM 1", "P0 CHANNEL B")], 2),
        ([("DIMM 0", "P0 CHANNEL A"), ("DIMM 1", "P0 CHANNEL A")], 1),
        ([("ChannelA-DIMM0", "BANK 0"), ("ChannelB-DIMM0", "BANK 2")], 2),
        ([("ChannelA-DIMM0", "BANK 0"), ("ChannelA-DIMM1", "BANK 1")], 1),
        ([("Controller0-ChannelA-DIMM0", "BANK 0"), ("Controller1-ChannelA-DIMM0", "BANK 0")], 2),
        ([("DIMMA2", "P0_Node0_Channel0_Dimm1"), ("P2-DIMME2", "P1_Node1_Channel0_Dimm1")], 2),
        ([("DIMM_E2", "NODE 0 CHANNEL 4 DIMM 1"), ("DIMM_F1", "NODE 0 CHANNEL 5 DIMM 0")], 2),
        ([("DIMM_A2", "BANK 1"), ("DIMM_B2", "BANK 3")], 2),
        ([("DIMM A", ""), ("DIMM B", "")], 2),
        ([("Slot 8 (Channel A / DIMM 1)", ""), ("Slot 7 (Channel A / DIMM 2)", "")], 1),
        ([("PROC  2 DIMM 12", "Not Specified"), ("PROC  2 DIMM 9", "Not Specified")], None),
        ([("BANK 0/DIMM0", ""), ("BANK 1/DIMM0", "")], None),
        ([("Channel-0-DIMM-0", "BANK 0"), ("Channel-0-DIMM-0", "BANK 0")], None),
        ([("DIMM 1", "P0 CHANNEL A"), ("DIMM 1", "")], None),
        ([("anything", "at all")], 1),
    ],
)
def test_channels_by_the_names_of_slots(places: list[tuple[str, str]], expected: int | None) -> None:
    assert together(dimms(*places)).channels == expected


# https://github.com/FrameworkComputer/SoftwareFirmwareIssueTracker/issues/181: eight channels of 32 bits
@pytest.mark.parametrize(
    ("width", "letters", "expected"),
    [(32, "ABCDEFGH", 4), (16, "ABCDEFGH", 2), (64, "AB", 2), (16, "AB", None), (16, "A", None)],
)
def test_channels_of_soldered_chips_are_told_in_64_bits(
    width: int, letters: str, expected: int | None
) -> None:
    places = [("DIMM 0", f"P0 CHANNEL {letter}") for letter in letters]
    assert together(dimms(*places, kind="LPDDR5", speed=8000, width=width)).channels == expected


def test_soldered_ddr4_with_narrow_chips_is_no_four_channels() -> None:
    """https://github.com/sebhildebrandt/systeminformation/issues/785"""
    places = [(f"A1_DIMM{number}", f"A1_BANK{number}") for number in range(4)]
    assert together(dimms(*places, width=16)).channels is None


@pytest.mark.parametrize(
    ("kind", "speed", "expected"),
    [
        ("DDR4", 3200, 3200), ("DDR4", 1333, None), ("DDR5", 65535, None), ("DDR3", 800, 800), ("DDR4", 0, None),
        ("DDR4", -5, None), ("LPDDR5X", 8533, 8533),
    ],
)  # fmt: skip
def test_speeds_that_the_kind_cannot_have_are_unknown(kind: str, speed: int, expected: int | None) -> None:
    assert together([Module("ChannelA", "", kind, speed, 64)]).speed_mt_s == expected


def test_modules_that_differ() -> None:
    slow = [*dimms(("ChannelA", "")), *dimms(("ChannelB", ""), speed=2666)]
    assert together(slow) == Ram("DDR4", 2666, 2)
    mixed = [*dimms(("ChannelA", "")), *dimms(("ChannelB", ""), kind="DDR5", speed=4800)]
    assert together(mixed) == Ram(None, 3200, None)
    half = [*dimms(("ChannelA", "")), Module("ChannelB", "", "DDR4")]
    assert together(half) == Ram("DDR4", 3200, 2)
    assert together([]) == Ram()


@pytest.mark.parametrize(
    "kind", [None, "", "Unknown", "<OUT OF SPEC>", "RAM", "DRAM", "Other", "DDR4; rm", "SDRAM"]
)
def test_kinds_that_are_none(kind: str | None) -> None:
    assert together([Module("ChannelA", "", kind, 3200, 64)]) == Ram(None, 3200, None)


def test_a_name_without_a_channel() -> None:
    assert channel_name(Module("", "")) is None
    assert channel_name(Module("\0" * 9, "channel")) is None


def test_udev_tells_without_root(tmp_path: Path) -> None:
    root = made_root(tmp_path, {"run/udev/data/+dmi:id": UDEV, "proc/meminfo": "MemTotal: 33554432 kB\n"})
    found = memory.linux(root)
    assert (found.kind, found.speed_mt_s, found.channels) == ("DDR4", 3200, 2)
    assert found.total_bytes == 32 << 30


def test_ddr5_of_an_old_udev_is_no_kind() -> None:
    """https://github.com/systemd/systemd/issues/30699"""
    assert together(ram_modules_linux.parse_udev(UDEV.replace("=DDR4", "=<OUT OF SPEC>"))).kind is None


def test_udev_cut_off_or_garbled() -> None:
    for length in range(0, len(UDEV), 7):
        ram = together(ram_modules_linux.parse_udev(UDEV[:length]))
        assert ram.kind in (None, "DDR4") and ram.speed_mt_s in (None, 3200) and ram.channels in (None, 2)
    garbled = "E:MEMORY_DEVICE_x_SIZE=1\nE:MEMORY_DEVICE_0_SIZE=1,5\nE:MEMORY_DEVICE_=\n\0\0"
    assert ram_modules_linux.parse_udev(garbled) == []


@pytest.mark.parametrize(
    "files",
    [
        {"proc/cpuinfo": "flags\t\t: fpu sse hypervisor avx2\n"},
        {"sys/class/dmi/id/sys_vendor": "QEMU\n"},
        {
            "sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n",
            "sys/class/dmi/id/product_name": "Virtual Machine\n",
        },
        {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n"},
    ],
)
def test_a_virtual_machine_s_modules_are_not_believed(tmp_path: Path, files: dict[str, str]) -> None:
    root = made_root(tmp_path, {"run/udev/data/+dmi:id": UDEV, **files})
    assert ram_modules_linux.probe(root) == Ram()


def test_a_surface_is_no_virtual_machine(tmp_path: Path) -> None:
    vendor = {
        "sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n",
        "sys/class/dmi/id/product_name": "Surface Pro\n",
    }
    assert (
        ram_modules_linux.probe(made_root(tmp_path, {"run/udev/data/+dmi:id": UDEV, **vendor})).kind == "DDR4"
    )


def edac_files(kind: str) -> dict[str, str]:
    files = {}
    for number, place in enumerate(("csrow 0 channel 0 ", "csrow 1 channel 0 ", "csrow 0 channel 1 ")):
        folder = f"sys/devices/system/edac/mc/mc0/dimm{number}"
        files |= {
            f"{folder}/size": "16384\n",
            f"{folder}/dimm_mem_type": kind,
            f"{folder}/dimm_location": place,
        }
    return files | {"sys/devices/system/edac/mc/mc0/dimm9/size": "0\n"}


def test_edac_tells_kind_and_channels_of_ddr4_and_the_kind_of_ddr5(tmp_path: Path) -> None:
    assert ram_modules_linux.probe(made_root(tmp_path / "4", edac_files("Registered-DDR4\n"))) == Ram(
        "DDR4", None, 2
    )
    assert ram_modules_linux.probe(made_root(tmp_path / "5", edac_files("Unbuffered-DDR5\n"))) == Ram("DDR5")
    assert ram_modules_linux.probe(made_root(tmp_path / "x", edac_files("Unknown\n"))) == Ram()
    assert ram_modules_linux.probe(tmp_path) == Ram()


def structure(kind: int, body: bytes, *texts: str) -> bytes:
    strings = b"".join(text.encode() + b"\0" for text in texts) or b"\0"
    return struct.pack("<BBH", kind, 4 + len(body), 0) + body + strings + b"\0"


def device(locator: str, bank: str, *, size: int = 16384, kind: int = 0x1A, configured: int = 3200) -> bytes:
    """A memory device of SMBIOS 2.8 (40 bytes)."""
    head = struct.pack("<HHHHHBBBBBHH", 0, 0, 72, 64, size, 9, 0, 1, 2, kind, 0x80, 3600)
    return structure(17, head + bytes(5) + struct.pack("<IHHHH", 0, configured, 0, 0, 0), locator, bank)


END = structure(127, b"")
TABLE = (
    structure(1, bytes((1, 2, 0, 0)) + bytes(19), "Made Inc.", "Made Board")
    + device("DIMM_A1", "BANK 0", size=0)
    + device("DIMM_A2", "BANK 1")
    + device("DIMM_B2", "BANK 3")
    + END
)


def raw(table: bytes) -> bytes:
    return struct.pack("<BBBBI", 0, 3, 2, 0, len(table)) + table


def test_windows_hands_out_the_firmware_s_table() -> None:
    assert ram_modules_windows.parse(raw(TABLE)) == Ram("DDR4", 3200, 2)
    assert ram_modules_windows.parse(b"") == ram_modules_windows.parse(b"\0" * 7) == Ram()


def test_linux_reads_the_same_table_where_it_may(tmp_path: Path) -> None:
    path = tmp_path / "sys/firmware/dmi/tables/DMI"
    path.parent.mkdir(parents=True)
    path.write_bytes(TABLE)
    assert ram_modules_linux.probe(tmp_path) == Ram("DDR4", 3200, 2)


def test_ddr5_and_lpddr5_are_known_by_their_numbers() -> None:
    assert smbios.parse_modules(device("A", "B", kind=0x22) + END)[0].kind == "DDR5"
    assert smbios.parse_modules(device("A", "B", kind=0x23) + END)[0].kind == "LPDDR5"
    assert smbios.parse_modules(device("A", "B", kind=0x02) + END)[0].kind is None


def test_a_table_of_a_hypervisor_is_not_believed() -> None:
    named = (
        structure(1, bytes((1, 2, 0, 0)) + bytes(19), "innotek GmbH", "VirtualBox") + device("A", "B") + END
    )
    flagged = structure(0, bytes(15) + bytes((1 << 4,)) + bytes(4)) + device("A", "B") + END
    assert smbios.parse_modules(named) == smbios.parse_modules(flagged) == []


def test_a_table_cut_off_anywhere_or_of_noise_invents_nothing() -> None:
    for length in range(len(TABLE)):
        assert smbios.parse_modules(TABLE[:length]) == []
    for noise in (b"\xff" * 4096, b"\0" * 4096, bytes(range(256)) * 8, struct.pack("<BB", 17, 0) * 100):
        assert together(smbios.parse_modules(noise)).channels is None


def test_a_short_old_structure_has_no_configured_speed() -> None:
    head = struct.pack("<HHHHHBBBBBHH", 0, 0, 64, 64, 4096, 9, 0, 1, 2, 0x18, 0x80, 1333)
    (module,) = smbios.parse_modules(structure(17, head, "DIMM1", "BANK0") + END)
    assert (module.kind, module.speed, module.locator) == ("DDR3", None, "DIMM1")


# https://github.com/open-uem/openuem-agent/issues/55
APPLE = (
    '{"SPMemoryDataType" : [{"dimm_manufacturer" : "Micron", "dimm_type" : "LPDDR5",'
    ' "SPMemoryDataType" : "24 GB"}]}'
)
VIRTUAL_MAC = (
    '{"SPMemoryDataType" : [{"_items" : [{"_name" : "DIMM 0", "dimm_size" : "8 GB", "dimm_status" : "ok"}],'
    ' "_name" : "global_name", "global_ecc_state" : "ecc_enabled"}]}'
)


def test_apple_silicon_tells_the_kind_alone() -> None:
    assert ram_modules_macos.parse(APPLE) == Ram("LPDDR5")
    assert ram_modules_macos.parse(VIRTUAL_MAC) == Ram()


def test_an_intel_mac_tells_slots() -> None:
    slots = [
        {"_name": f"BANK {bank}/Channel{letter}-DIMM0", "dimm_type": "DDR4", "dimm_speed": "2667 MHz"}
        for bank, letter in ((0, "A"), (2, "B"))
    ]
    text = json.dumps({"SPMemoryDataType": [{"_items": [*slots, {"_name": "x", "dimm_type": "empty"}]}]})
    assert ram_modules_macos.parse(text) == Ram("DDR4", 2667, 2)
    assert ram_modules_macos.parse(text.replace("2667 MHz", "2,667 GHz")).speed_mt_s is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"SPMemoryDataType": 5}',
        '{"SPMemoryDataType": [5, {"_items": 7}]}',
        "[" * 9999,
    ],
)
def test_macos_garbage(text: str) -> None:
    assert ram_modules_macos.parse(text) == Ram()
