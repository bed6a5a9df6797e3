"""The memory modules in a firmware's SMBIOS tables (DMTF DSP0134), and whether a hypervisor wrote them. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from .ram_modules import Module

BIOS, SYSTEM, MEMORY_DEVICE, END = 0, 1, 17, 127
MIB = 1 << 20
KINDS = {
    0x12: "DDR", 0x13: "DDR2", 0x18: "DDR3", 0x1A: "DDR4", 0x1B: "LPDDR", 0x1C: "LPDDR2", 0x1D: "LPDDR3",
    0x1E: "LPDDR4", 0x22: "DDR5", 0x23: "LPDDR5",
}  # fmt: skip
"""7.18.2: memory device types that are a PC's RAM."""
VIRTUAL_FLAG = 1 << 4
"""7.1.2.2: "SMBIOS table describes a virtual machine"."""
VIRTUAL_NAMES = re.compile(
    r"qemu|kvm|vmware|virtualbox|innotek|virtual machine|\bxen\b|bochs|amazon ec2|google compute|openstack"
    r"|parallels|bhyve|hvm domu|droplet",
    re.IGNORECASE,
)


def parse_modules(table: bytes) -> list[Module]:
    """The populated memory devices; none where the table is cut off before its end or a hypervisor wrote it."""
    found: list[Module] = []
    whole = False
    for kind, body, texts in _structures(table):
        if kind == BIOS and len(body) > 0x13 and body[0x13] & VIRTUAL_FLAG:
            return []
        if kind == SYSTEM and VIRTUAL_NAMES.search(" ".join(texts)):
            return []
        if kind == MEMORY_DEVICE and len(body) >= 0x15:
            module = _module(body, texts)
            if module is not None:
                found.append(module)
        whole = whole or kind == END
    return found if whole else []


def _module(body: bytes, texts: list[str]) -> Module | None:
    """7.18: None for an empty slot."""
    (size,) = struct.unpack_from("<H", body, 0x0C)
    if size == 0:
        return None
    (width,) = struct.unpack_from("<H", body, 0x0A)
    speed = struct.unpack_from("<H", body, 0x20)[0] if len(body) >= 0x22 else 0
    if speed == 0xFFFF and len(body) >= 0x5C:
        (speed,) = struct.unpack_from("<I", body, 0x58)
    return Module(
        _text(texts, body[0x10]),
        _text(texts, body[0x11]),
        KINDS.get(body[0x12]),
        speed or None,
        width if 0 < width < 0xFFFF else None,
    )


def _text(texts: list[str], number: int) -> str:
    return texts[number - 1] if 0 < number <= len(texts) else ""


def _structures(table: bytes) -> Iterator[tuple[int, bytes, list[str]]]:
    """(type, formatted part, strings) of each whole structure."""
    offset = 0
    while offset + 4 <= len(table):
        kind, length = table[offset], table[offset + 1]
        end = table.find(b"\0\0", offset + length)
        if length < 4 or end < 0:
            return
        texts = [
            item.decode("utf-8", "replace").strip() for item in table[offset + length : end].split(b"\0")
        ]
        yield kind, table[offset : offset + length], texts
        if kind == END:
            return
        offset = end + 2
