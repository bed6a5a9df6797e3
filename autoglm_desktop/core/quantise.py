"""Which tensor types llama.cpp's quantiser gives a text model, and what the file then weighs.

Follows ``llama_tensor_get_type_impl``, ``tensor_type_fallback`` and ``tensor_allows_quantization`` of
``src/llama-quant.cpp`` (llama.cpp 0c1e57098) for dense models without an importance matrix and without
overrides, file types of ``FTYPES`` only. tests/engine/test_gguf_llama.py compares it with the quantiser's own
dry run. Pure; sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .gguf_types import BF16, F16, F32, TYPES, GgmlType, tensor_bytes
from .shapes import AUTOGLM_PHONE_9B, ModelShapes, TensorShape, WeightTable, text_shapes, weight_table

_DEFAULTS: Mapping[str, str] = {
    "F32": "F32", "F16": "F16", "BF16": "BF16", "Q8_0": "Q8_0", "Q6_K": "Q6_K", "Q5_K_M": "Q5_K",
    "Q5_K_S": "Q5_K", "Q5_0": "Q5_0", "Q5_1": "Q5_1", "Q4_K_M": "Q4_K", "Q4_K_S": "Q4_K", "Q4_0": "Q4_0",
    "Q4_1": "Q4_1", "IQ4_XS": "IQ4_XS", "IQ4_NL": "IQ4_NL", "Q3_K_L": "Q3_K", "Q3_K_M": "Q3_K",
    "Q3_K_S": "Q3_K", "Q2_K": "Q2_K",
}  # fmt: skip
FTYPES: tuple[str, ...] = tuple(_DEFAULTS)
"""File types this module knows, best first."""

_FALLBACKS: Mapping[str, str] = {
    "IQ4_XS": "IQ4_NL", "Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip


def tensor_types(
    shapes: Sequence[TensorShape], ftype: str, *, grouped_queries: int = 16, source: GgmlType = F16
) -> dict[str, GgmlType]:
    """The ggml type of every tensor of a dense text model quantised to ``ftype`` (a name of ``FTYPES``).

    ``grouped_queries`` is heads ÷ KV heads (llama.cpp's ``n_gqa``; AutoGLM-Phone-9B: 16). ``source`` is the
    type that two-dimensional weights have before; what the quantiser leaves alone keeps it (1-D: F32).
    ValueError for an ``ftype`` that is not known.
    """
    if ftype not in _DEFAULTS:
        raise ValueError(f"unknown file type {ftype!r}")
    job = _Job(
        ftype=ftype,
        layers=1 + max((shape.layer for shape in shapes if shape.layer is not None), default=-1),
        grouped_queries=grouped_queries,
        tied=all(shape.name != "output.weight" for shape in shapes),
    )
    return {shape.name: _type_of(job, shape, source) for shape in shapes}


def weight_table_for(ftype: str, model: ModelShapes = AUTOGLM_PHONE_9B) -> WeightTable:
    """Bytes of a model's weights after quantising to ``ftype``, before any file is there."""
    return _weight_table_for(ftype, model)


@lru_cache(maxsize=256)
def _weight_table_for(ftype: str, model: ModelShapes) -> WeightTable:
    shapes = text_shapes(model)
    types = tensor_types(shapes, ftype, grouped_queries=model.grouped_queries)
    return weight_table((shape.name, tensor_bytes(types[shape.name], shape.shape)) for shape in shapes)


@dataclass(frozen=True)
class _Job:
    ftype: str
    layers: int
    grouped_queries: int
    tied: bool

    def more_bits(self, layer: int) -> bool:
        """The layers that ``use_more_bits`` favours: the first and last eighth and every third between."""
        eighth = self.layers // 8
        return layer < eighth or layer >= 7 * self.layers // 8 or _c_remainder(layer - eighth, 3) == 2


def _c_remainder(value: int, divisor: int) -> int:
    """C's ``%``: the sign of the value."""
    return value % divisor if value >= 0 else -(-value % divisor)


def _type_of(job: _Job, shape: TensorShape, source: GgmlType) -> GgmlType:
    if len(shape.shape) < 2:
        return F32
    if not shape.name.endswith("weight") or "_norm.weight" in shape.name:
        return source
    default = TYPES[_DEFAULTS[job.ftype]]
    if default in (F32, F16, BF16):
        return default
    return _fallback(_chosen(job, shape, default), shape.shape[0])


def _fallback(kind: GgmlType, row: int) -> GgmlType:
    """Where rows are no whole number of blocks: a type of smaller blocks, at last F16."""
    if row % kind.block == 0:
        return kind
    smaller = TYPES[_FALLBACKS[kind.name]] if kind.block > 32 else kind
    return smaller if row % smaller.block == 0 else F16


def _chosen(job: _Job, shape: TensorShape, default: GgmlType) -> GgmlType:
    """The type by role in the model, before looking at row lengths."""
    name, layer = shape.name, shape.layer or 0
    if name == "output.weight" or (job.tied and name == "token_embd.weight"):
        if shape.shape[0] % default.block or default.name == "Q8_0":
            return TYPES["Q8_0"]
        return TYPES["Q6_K"]
    for role, rule in _RULES.items():
        if role in name:
            return TYPES[rule(job, layer) or default.name]
    return default


def _attn_v(job: _Job, layer: int) -> str | None:
    match job.ftype:
        case "Q2_K":
            return "Q4_K" if job.grouped_queries >= 4 else "Q3_K"
        case "Q3_K_M":
            return "Q5_K" if layer < 2 else "Q4_K"
        case "Q3_K_L":
            return "Q5_K"
        case "IQ4_NL" | "IQ4_XS" if job.grouped_queries >= 4:
            return "Q5_K"
        case "Q4_K_M" | "Q5_K_M" if job.more_bits(layer):
            return "Q6_K"
        case "Q4_K_S" if layer < 4:
            return "Q5_K"
    return None


def _ffn_down(job: _Job, layer: int) -> str | None:
    first_eighth = layer < job.layers // 8
    match job.ftype:
        case "Q2_K":
            return "Q3_K"
        case "Q3_K_M":
            return "Q5_K" if layer < job.layers // 16 else "Q4_K"
        case "Q3_K_L":
            return "Q5_K"
        case "Q4_K_M" | "Q5_K_M" if job.more_bits(layer):
            return "Q6_K"
        case "IQ4_NL" | "IQ4_XS" | "Q4_K_S" if first_eighth:
            return "Q5_K"
    return None


def _attn_output(job: _Job, _layer: int) -> str | None:
    return {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}.get(job.ftype)


_RULES: Mapping[str, Callable[[_Job, int], str | None]] = {
    "attn_v.weight": _attn_v,
    "attn_output.weight": _attn_output,
    "ffn_down": _ffn_down,
}
