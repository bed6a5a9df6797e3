"""The tensor table of safetensors files, and what a model's weights come to by it. Pure.

A file begins with the header's length (8 bytes, little-endian) and the header, JSON of tensors with ``dtype``,
``shape`` and ``data_offsets`` (https://github.com/huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import TargetError
from .subject import SafetensorsWeights

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
"""The format's own limit (``MAX_HEADER_SIZE`` of its reference implementation)."""
MAX_ELEMENTS = 1 << 50


@dataclass(frozen=True)
class Tensor:
    """``shape`` as torch has it: rows first."""

    name: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def header_bytes(start: bytes) -> int:
    """The length of the header after the first LENGTH_BYTES. Raises TargetError(safetensors_damaged)."""
    if len(start) < LENGTH_BYTES:
        raise TargetError("safetensors_damaged", path="", detail="no safetensors header")
    (length,) = struct.unpack("<Q", start[:LENGTH_BYTES])
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise TargetError("safetensors_damaged", path="", detail="no safetensors header")
    return int(length)


def tensors(header: bytes) -> tuple[Tensor, ...]:
    """The tensors of one file's header (without its length). Raises TargetError(safetensors_damaged)."""
    try:
        data = json.loads(header.decode("utf-8"))
        found = [_tensor(name, value) for name, value in data.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TargetError("safetensors_damaged", path="", detail="its header is damaged") from error
    return tuple(found)


def _tensor(name: str, value: Mapping[str, object]) -> Tensor:
    shape = value["shape"]
    if not isinstance(shape, list) or not all(isinstance(n, int) and 0 <= n < MAX_ELEMENTS for n in shape):
        raise ValueError(name)
    found = Tensor(name, tuple(shape))
    if found.elements > MAX_ELEMENTS:
        raise ValueError(name)
    return found


def weights(table: Iterable[Tensor], *, tied: bool = False, installed: bool = False) -> SafetensorsWeights:
    """Parameters by how the transformers rungs treat them, from tensors' names as transformers writes them.

    ``tied``: the model takes its embedding for the output, too; a stored output is then a copy.
    """
    embedding = head = layers = vision = vision_linear = 0
    for tensor in table:
        name, count = tensor.name, tensor.elements
        if ".visual." in f".{name}" or ".vision_tower." in f".{name}":
            vision += count
            if len(tensor.shape) == 2 and "embed" not in name:
                vision_linear += count
        elif name.endswith("embed_tokens.weight"):
            embedding += count
        elif name.endswith("lm_head.weight"):
            head += count
        else:
            layers += count
    copy = head if tied else 0
    return SafetensorsWeights(
        embedding=embedding,
        head=head - copy,
        layers=layers,
        vision=vision,
        vision_linear=vision_linear,
        installed=installed,
        head_copy=copy,
    )
