"""RAM bandwidth from what firmware tells of the modules. Pure; bytes/s."""

from __future__ import annotations

CHANNEL_BYTES = 8
"""A channel of DDR3, DDR4 or DDR5 is 64 bits wide (DDR5 splits it into two halves of 32)."""
SLOWEST_MT_S, FASTEST_MT_S = 400, 20_000
MOST_CHANNELS = 32


def ram_bandwidth(mega_transfers_per_s: int | None, channels: int | None) -> int | None:
    """Peak bytes/s: 8 bytes × MT/s × channels. DDR4-3200 is 25.6 GB/s a channel, DDR5-4800 38.4.

    Firmware may tell the clock (1600 MHz) for the transfers (3200 MT/s): give the transfers. None where something is
    unknown or what no board has.
    """
    if mega_transfers_per_s is None or channels is None:
        return None
    if not SLOWEST_MT_S <= mega_transfers_per_s <= FASTEST_MT_S or not 1 <= channels <= MOST_CHANNELS:
        return None
    return CHANNEL_BYTES * mega_transfers_per_s * 1_000_000 * channels


def bus_bandwidth(mega_transfers_per_s: int | None, bits: int | None) -> int | None:
    """Peak bytes/s of soldered memory, whose width is told in bits (LPDDR5X-8000 on 256 bits: 256 GB/s)."""
    if mega_transfers_per_s is None or bits is None:
        return None
    if not SLOWEST_MT_S <= mega_transfers_per_s <= FASTEST_MT_S:
        return None
    if bits % 8 or not 16 <= bits <= 64 * MOST_CHANNELS:
        return None
    return mega_transfers_per_s * 1_000_000 * bits // 8
