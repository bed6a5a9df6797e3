"""Which tensors of a vision part (GGUF projector) become Q8_0 when it is made smaller, and what it then weighs. Pure.

Only of the kind ``glm4v``. The linear layers become Q8_0; the patch embedding, the convolution that merges patches, the
position embedding, norms and biases stay as they are: llama.cpp computes with them in other ways than by matrix
multiplication (``tools/mtmd/clip.cpp``, llama.cpp 0c1e57098). Bytes.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from .gguf_header import GgufHeader, TensorInfo
from .gguf_types import TYPES, GgmlType, tensor_bytes
from .gguf_vision import GLM4V

Q8_0 = TYPES["Q8_0"]
MADE_FROM = "autoglm.made_from"
"""Metadata of a file that was made here: name and size in bytes of the file that it was made from."""

_LINEAR = re.compile(
    r"(v\.blk\.\d+\.(attn_(qkv|q|k|v|out)|ffn_(gate|up|down))|mm\.(model\.fc|gate|up|down))\.weight"
)
_SOURCES = ("F16", "F32", "BF16")


def quantised_bytes(header: GgufHeader) -> int | None:
    """Bytes of the tensors when made Q8_0; None where it can't be: another kind, or quantised already."""
    tensors = header.tensors
    if header.projector_type != GLM4V or any(tensor.type.quantised for tensor in tensors):
        return None
    if not any(becomes(tensor) == Q8_0 for tensor in tensors):
        return None
    return sum(tensor_bytes(becomes(tensor), tensor.shape) for tensor in tensors)


def made_from(header: GgufHeader) -> str | None:
    """``NAME SIZE`` of what a file was made from by this program, else None."""
    return header.text(MADE_FROM)


def origin(header: GgufHeader) -> str:
    """How the file that is made from this one names it."""
    return f"{PurePath(header.path).name} {header.file_size}"


def _linear(tensor: TensorInfo) -> bool:
    return len(tensor.shape) == 2 and _LINEAR.fullmatch(tensor.name) is not None


def becomes(tensor: TensorInfo) -> GgmlType:
    """The type that a tensor gets."""
    fits = tensor.type.name in _SOURCES and tensor.shape[0] % Q8_0.block == 0
    return Q8_0 if fits and _linear(tensor) else tensor.type
