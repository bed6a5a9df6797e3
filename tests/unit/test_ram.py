"""Peak bandwidth of RAM; the values of one channel are those of the published guides."""

import pytest

from autoglm_desktop.core.ram import bus_bandwidth, ram_bandwidth


@pytest.mark.parametrize(
    ("transfers", "channels", "gb_s"),
    [(3200, 1, 25.6), (4800, 1, 38.4), (3200, 2, 51.2), (4800, 2, 76.8), (5600, 2, 89.6), (4800, 12, 460.8)],
)
def test_eight_bytes_per_transfer_and_channel(transfers: int, channels: int, gb_s: float) -> None:
    assert ram_bandwidth(transfers, channels) == round(gb_s * 1e9)


def test_soldered_memory_by_its_width() -> None:
    assert bus_bandwidth(8000, 256) == 256_000_000_000
    assert bus_bandwidth(8533, 128) == 136_528_000_000
    assert bus_bandwidth(3200, 64) == ram_bandwidth(3200, 1)


@pytest.mark.parametrize(
    ("transfers", "channels"),
    [(None, 2), (3200, None), (0, 2), (-3200, 2), (3200, 0), (3200, 99), (3_200_000, 2)],
)
def test_nonsense_is_unknown(transfers: int | None, channels: int | None) -> None:
    assert ram_bandwidth(transfers, channels) is None


@pytest.mark.parametrize(("transfers", "bits"), [(None, 64), (8000, None), (8000, 0), (8000, 65), (1, 64)])
def test_a_bus_that_nothing_has(transfers: int | None, bits: int | None) -> None:
    assert bus_bandwidth(transfers, bits) is None
