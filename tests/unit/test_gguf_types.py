from __future__ import annotations

import pytest

from autoglm_desktop.core.gguf_types import (
    ARCHITECTURES,
    FILE_TYPE_IDS,
    NO_TEXT_ARCHITECTURES,
    TYPES,
    TYPES_BY_ID,
    padded,
    tensor_bytes,
)


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    [
        ("F32", (4096,), 16_384),
        ("F16", (3, 5), 30),
        ("Q8_0", (64, 3), 3 * 2 * 34),
        ("Q4_K", (4096, 256), 256 * 16 * 144),
        ("Q6_K", (256, 2, 2, 2), 8 * 210),
        ("Q5_0", (13_696, 4096), 13_696 // 32 * 22 * 4096),
        ("F16", (0, 5), 0),
    ],
)
def test_tensor_bytes(name: str, shape: tuple[int, ...], size: int) -> None:
    assert tensor_bytes(TYPES[name], shape) == size


@pytest.mark.parametrize(
    ("name", "shape"), [("Q4_K", (13_696, 2)), ("F16", ()), ("F16", (-1, 2)), ("F32", (1 << 31, 1 << 31))]
)
def test_shapes_that_no_file_has_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        tensor_bytes(TYPES[name], shape)


def test_ids_are_unique_and_removed_types_are_absent() -> None:
    assert len(TYPES_BY_ID) == len(TYPES)
    assert not {4, 5, 31, 32, 33, 36, 37, 38} & TYPES_BY_ID.keys()
    assert FILE_TYPE_IDS["Q4_K_M"] == 15


def test_bits_per_weight() -> None:
    assert TYPES["Q4_K"].bits_per_weight == 4.5
    assert TYPES["Q8_0"].bits_per_weight == 8.5
    assert TYPES["Q4_K"].quantised
    assert not TYPES["BF16"].quantised


def test_padding() -> None:
    assert [padded(size, 32) for size in (0, 1, 32, 33)] == [0, 32, 32, 64]


def test_architectures() -> None:
    assert {"glm4", "llama", "clip", "gpt-oss"} <= ARCHITECTURES
    assert NO_TEXT_ARCHITECTURES < ARCHITECTURES
