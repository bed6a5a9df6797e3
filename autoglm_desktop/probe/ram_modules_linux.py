"""Memory modules as Linux tells them: udev's database (no root needed), the firmware's tables, EDAC."""

from __future__ import annotations

import re
from pathlib import Path

from .files import MAX_READ, parse_int, read_int, read_text
from .ram_modules import Module, Ram, together
from .smbios import VIRTUAL_NAMES, parse_modules

UDEV = "run/udev/data/+dmi:id"
TABLE = "sys/firmware/dmi/tables/DMI"
PROPERTY = re.compile(r"E:MEMORY_DEVICE_(\d{1,4})_([A-Z_]+)=(.*)")


def probe(root: Path = Path("/")) -> Ram:
    """What the first source that answers tells. A virtual machine's modules are its hypervisor's invention."""
    if is_virtual(root):
        return Ram()
    modules = parse_udev(read_text(root / UDEV) or "") or parse_modules(_table(root))
    return together(modules) if modules else edac(root)


def is_virtual(root: Path) -> bool:
    """Whether a hypervisor is below, by the processor's flag or the firmware's name."""
    flags = re.search(r"^flags\s*:.*$", read_text(root / "proc/cpuinfo", 16 * 1024) or "", re.MULTILINE)
    if flags and "hypervisor" in flags[0].split():
        return True
    folder = root / "sys/class/dmi/id"
    words = (read_text(folder / name, 256) or "" for name in ("sys_vendor", "product_name"))
    return bool(VIRTUAL_NAMES.search(" ".join(words)))


def parse_udev(text: str) -> list[Module]:
    """``E:MEMORY_DEVICE_0_TYPE=DDR4`` and so on, which udev reads from the firmware as root at start. None where fewer
    slots are told than there are: a part of them would look like too few channels."""
    devices: dict[int, dict[str, str]] = {}
    for line in text[: text.rfind("\n") + 1].splitlines():  # a line without its end is cut off
        match = PROPERTY.fullmatch(line.strip())
        if match:
            devices.setdefault(int(match[1]), {})[match[2]] = match[3].strip()
    count = re.search(r"^E:MEMORY_ARRAY_NUM_DEVICES=(\d{1,4})$", text, re.MULTILINE)
    told = [values for values in devices.values() if "SIZE" in values or values.get("PRESENT") == "0"]
    if count is None or len(told) < int(count[1]):
        return []
    return [
        Module(
            values.get("LOCATOR", ""),
            values.get("BANK_LOCATOR", ""),
            values.get("TYPE"),
            parse_int(values.get("CONFIGURED_SPEED_MTS")),
            parse_int(values.get("DATA_WIDTH")),
        )
        for _number, values in sorted(devices.items())
        if values.get("PRESENT") != "0" and (parse_int(values.get("SIZE")) or 0) > 0
    ]


def edac(root: Path) -> Ram:
    """The memory controllers of servers and workstations with ECC. They tell no speed; the channels of DDR5 are told
    as halves by some drivers and stay unknown."""
    modules: list[Module] = []
    for dimm in sorted((root / "sys/devices/system/edac/mc").glob("mc*/dimm*")):
        if not read_int(dimm / "size"):
            continue
        kind = (read_text(dimm / "dimm_mem_type", 64) or "").strip().rpartition("-")[2]
        place = (read_text(dimm / "dimm_location", 64) or "").strip()
        modules.append(Module(f"{dimm.parent.name} {place}", dimm.name, kind))
    ram = together([Module(_in_order(m.locator), m.bank, m.kind) for m in modules])
    return ram if ram.kind in ("DDR3", "DDR4") else Ram(ram.kind)


def _in_order(place: str) -> str:
    """``mc0 csrow 2 channel 1`` as ``mc0 channel 1``: ranks of one channel are one channel."""
    return re.sub(r"csrow \d+ ", "", place)


def _table(root: Path) -> bytes:
    try:
        with (root / TABLE).open("rb") as file:
            return file.read(MAX_READ)
    except OSError:
        return b""
