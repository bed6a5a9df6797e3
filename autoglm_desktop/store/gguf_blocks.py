"""Numbers in ggml's block formats, by numpy: valid random blocks of any type, and rows of floats quantised.

Block layouts are those of ``ggml/src/ggml-common.h`` (llama.cpp 0c1e57098). Random bits are no valid weights:
a 16-bit float scale of such bits may be infinite or NaN, so scales are set and only the rest is random.
Quantising rounds to a plain maximum-based scale: correct blocks, coarser than llama.cpp's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from ..core.gguf_types import GgmlType

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_SCALE_AT: Mapping[str, tuple[int, ...]] = {
    "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q8_0": (0,), "IQ4_NL": (0,),
    "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "IQ4_XS": (0,),
}  # fmt: skip
"""Where in a block the 16-bit float scales lie: the scale itself and, in types with a minimum, that one."""

_SPREAD: Mapping[str, tuple[float, float]] = {
    "Q4_0": (4.6, 0), "Q4_1": (4.6, -7.5), "Q5_0": (9.2, 0), "Q5_1": (9.2, -15.5), "Q8_0": (73.9, 0),
    "IQ4_NL": (68.0, 0), "Q2_K": (13.8, 1.5), "Q3_K": (42.4, 0), "Q4_K": (256.0, 7.5), "Q5_K": (531.0, 15.5),
    "Q6_K": (1364.0, 0), "IQ4_XS": (1256.0, 0),
}  # fmt: skip
"""Per type: the standard deviation of random blocks of scale 1, and the minimum's scale by the scale."""


def random_blocks(
    kind: GgmlType, count: int, rng: np.random.Generator, deviation: float = 0.02
) -> npt.NDArray[np.uint8]:
    """``count`` elements (whole blocks) of random weights of about this standard deviation, as bytes.

    ValueError for types that no model here is made of.
    """
    if kind.name in _PLAIN:
        values = rng.standard_normal(count, dtype=np.float32) * np.float32(deviation)
        return _PLAIN[kind.name](values)
    if kind.name not in _SCALE_AT:
        raise ValueError(f"no random {kind.name} blocks")
    blocks = rng.integers(0, 256, (count // kind.block, kind.block_bytes), dtype=np.uint8)
    spread, minimum = _SPREAD[kind.name]
    scale = deviation / spread
    for at, value in zip(_SCALE_AT[kind.name], (scale, scale * minimum), strict=False):
        blocks[:, at : at + 2] = np.frombuffer(np.float16(value).tobytes(), np.uint8)
    return blocks.reshape(-1)


def quantise_rows(kind: GgmlType, rows: Floats) -> npt.NDArray[np.uint8]:
    """Rows of floats as blocks of ``kind``, as bytes: F32, F16, BF16, Q8_0, Q4_K, Q6_K."""
    values = np.ascontiguousarray(rows, np.float32).reshape(-1)
    return {**_PLAIN, "Q8_0": _q8_0, "Q4_K": _q4_k, "Q6_K": _q6_k}[kind.name](values)


QUANTISABLE = ("F32", "F16", "BF16", "Q8_0", "Q4_K", "Q6_K")


def _bytes_of(values: npt.NDArray[np.generic]) -> Bytes:
    return np.frombuffer(values.tobytes(), np.uint8)


def _bf16(values: Floats) -> Bytes:
    rounded = values.view(np.uint32) + np.uint32(0x8000)
    return _bytes_of((rounded >> np.uint32(16)).astype("<u2"))


_PLAIN: Mapping[str, Callable[[Floats], Bytes]] = {
    "F32": lambda values: _bytes_of(values.astype("<f4")),
    "F16": lambda values: _bytes_of(values.astype("<f2")),
    "BF16": _bf16,
}


def _half(values: npt.NDArray[np.floating]) -> Bytes:
    """Each value as a 16-bit float of two bytes: shape (n, 2)."""
    return _bytes_of(values.astype("<f2")).reshape(-1, 2)


def _q8_0(values: Floats) -> Bytes:
    """block_q8_0: d, 32 × int8; x = d·q."""
    blocks = values.reshape(-1, 32)
    d = (np.abs(blocks).max(1) / 127).astype(np.float16).astype(np.float32)
    q = np.clip(np.rint(blocks / np.where(d == 0, 1, d)[:, None]), -127, 127).astype(np.int8)
    return np.concatenate([_half(d), q.view(np.uint8)], 1).reshape(-1)


def _q4_k(values: Floats) -> Bytes:
    """block_q4_K: d, dmin, 12 bytes of 6-bit scales and minima, 128 bytes of nibbles; x = d·sc·q − dmin·m."""
    blocks = values.reshape(-1, 8, 32)
    low = -np.minimum(blocks.min(2), 0)  # the minimum is stored positive
    step = (blocks.max(2) + low) / 15
    d, sc = _six_bit(step)
    dmin, m = _six_bit(low)
    grid = (d[:, None] * sc)[:, :, None]
    q = np.rint((blocks + (dmin[:, None] * m)[:, :, None]) / np.where(grid == 0, 1, grid))
    nibbles = np.clip(q, 0, 15).astype(np.uint8).reshape(-1, 4, 2, 32)
    packed = (nibbles[:, :, 0] | nibbles[:, :, 1] << 4).reshape(-1, 128)
    return np.concatenate([_half(d), _half(dmin), _pack_k4(sc, m), packed], 1).reshape(-1)


def _six_bit(values: npt.NDArray[np.floating]) -> tuple[Floats, Bytes]:
    """Eight non-negative values per block as a 16-bit scale times 6-bit numbers."""
    d = (values.max(1) / 63).astype(np.float16).astype(np.float32)
    q = np.clip(np.rint(values / np.where(d == 0, 1, d)[:, None]), 0, 63).astype(np.uint8)
    return d, q


def _pack_k4(sc: Bytes, m: Bytes) -> Bytes:
    """Eight scales and eight minima of 6 bits in 12 bytes (see ``get_scale_min_k4``)."""
    first = sc[:, :4] | (sc[:, 4:] >> 4) << 6
    second = m[:, :4] | (m[:, 4:] >> 4) << 6
    third = sc[:, 4:] & 15 | (m[:, 4:] & 15) << 4
    return np.concatenate([first, second, third], 1)


def _q6_k(values: Floats) -> Bytes:
    """block_q6_K: 128 bytes of low nibbles, 64 of high bit pairs, 16 × int8 scales, d; x = d·sc·(q − 32)."""
    groups = values.reshape(-1, 16, 16)
    step = np.abs(groups).max(2) / 31
    d = (step.max(1) / 127).astype(np.float16).astype(np.float32)
    sc = np.clip(np.rint(step / np.where(d == 0, 1, d)[:, None]), 0, 127).astype(np.int8)
    grid = (d[:, None] * sc)[:, :, None]
    q = np.clip(np.rint(groups / np.where(grid == 0, 1, grid)), -32, 31) + 32
    # Half a block is four runs of 32: runs 0 and 2 (1 and 3) share bytes of nibbles, all four the high bits.
    runs = q.astype(np.uint8).reshape(-1, 2, 4, 32)
    low = (runs[:, :, :2] & 15 | (runs[:, :, 2:] & 15) << 4).reshape(-1, 128)
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    high = np.bitwise_or.reduce(runs >> 4 << shifts, axis=2).reshape(-1, 64)
    return np.concatenate([low, high, sc.view(np.uint8), _half(d)], 1).reshape(-1)
