"""Whether a text GGUF and a projector GGUF can look at pictures together, told by their headers alone.

llama.cpp aborts the process, or answers wrongly without a word, on several of these, so all is checked before it sees
the files. Keys and tensors: llama.cpp 0c1e57098, ``tools/mtmd/clip.cpp`` and ``tools/mtmd/models/glm4v.cpp``.
"""

from __future__ import annotations

from .errors import Reason
from .gguf_header import GgufHeader, TensorInfo

GLM4V = "glm4v"
TEXT_ARCHITECTURE = "glm4"
PATCH, MERGE = 14, 2
CELL_PIXELS = PATCH * MERGE
"""One cell of the context holds a square of so many pixels."""

_FLAGS = ("clip.has_vision_encoder", "clip.use_silu")  # without use_silu: another activation, silently wrong
_COUNTS = (
    "image_size", "patch_size", "embedding_length", "feed_forward_length", "block_count", "projection_dim",
    "attention.head_count",
)  # fmt: skip
_NUMBERS = ("clip.vision.attention.layer_norm_epsilon", "clip.vision.image_mean", "clip.vision.image_std")
_KERNELS = ("v.patch_embd.weight", "v.patch_embd.weight.1", "mm.patch_merger.weight")
_KERNEL_TYPES = ("F32", "F16", "BF16")
"""Kernels of convolutions can't be quantised (``ggml_conv_2d``)."""


def vision_refusal(text: GgufHeader, projector: GgufHeader) -> Reason | None:
    """Why the two can see no picture, or None.

    Codes: ``vision_no_sections``, ``vision_architecture`` (architecture), ``vision_no_bos``, ``projector_kind`` (type),
    ``projector_incomplete`` (missing), ``projector_other_model`` (width, wanted).
    """
    if not projector.is_projector or projector.projector_type != GLM4V:
        return Reason.of("projector_kind", type=projector.projector_type or projector.architecture or "?")
    if text.architecture != TEXT_ARCHITECTURE:
        return Reason.of("vision_architecture", architecture=text.architecture)
    if not text.has_mrope:
        return Reason.of("vision_no_sections")
    if text.bos_token_id is None:
        return Reason.of("vision_no_bos")
    missing = missing_part(projector)
    if missing is not None:
        return Reason.of("projector_incomplete", missing=missing)
    width = projector.integer("clip.vision.projection_dim")
    if width != text.embedding_length:
        return Reason.of("projector_other_model", width=width, wanted=text.embedding_length)
    return None


def missing_part(projector: GgufHeader) -> str | None:
    """The first key or tensor of a glm4v projector that isn't there or has a form that can't be."""
    for key in _FLAGS:
        if projector.metadata.get(key) is not True:
            return key
    for name in _COUNTS:
        if not projector.integer(f"clip.vision.{name}"):
            return f"clip.vision.{name}"
    for key in _NUMBERS:
        value = projector.metadata.get(key)
        if not isinstance(value, float) and not (isinstance(value, tuple) and len(value) == 3):
            return key
    if projector.integer("clip.vision.patch_size") != PATCH:
        return "clip.vision.patch_size"
    return _wrong_tensor(projector)


def _wrong_tensor(projector: GgufHeader) -> str | None:
    there = {tensor.name: tensor for tensor in projector.tensors}
    for name, shape in _wanted(projector):
        tensor = there.get(name)
        if tensor is None or not _fits(tensor, shape):
            return name
    return None


def _fits(tensor: TensorInfo, shape: tuple[int | None, ...]) -> bool:
    if len(tensor.shape) != len(shape):
        return False
    if any(want is not None and want != got for want, got in zip(shape, tensor.shape, strict=True)):
        return False
    if len(shape) == 1 or tensor.name == "v.position_embd.weight":
        return tensor.type.name == "F32"
    return tensor.name not in _KERNELS or tensor.type.name in _KERNEL_TYPES


def _wanted(projector: GgufHeader) -> list[tuple[str, tuple[int | None, ...]]]:
    """Every tensor and its shape, the row length first; None is any width (the MLPs' own)."""
    width = projector.integer("clip.vision.embedding_length")
    out = projector.integer("clip.vision.projection_dim")
    kernel = (PATCH, PATCH, 3, width)
    wanted: list[tuple[str, tuple[int | None, ...]]] = [
        ("v.patch_embd.weight", kernel),
        ("v.patch_embd.weight.1", kernel),
        ("v.patch_embd.bias", (width,)),
        ("v.position_embd.weight", (width, None)),
        ("v.norm_embd.weight", (width,)),
        ("v.post_ln.weight", (width,)),
        ("mm.patch_merger.weight", (MERGE, MERGE, width, out)),
        ("mm.patch_merger.bias", (out,)),
        ("mm.model.fc.weight", (out, out)),
        ("mm.post_norm.weight", (out,)),
        ("mm.post_norm.bias", (out,)),
        ("mm.gate.weight", (out, None)),
        ("mm.up.weight", (out, None)),
        ("mm.down.weight", (None, out)),
    ]
    for layer in range(projector.integer("clip.vision.block_count") or 0):
        block: dict[str, tuple[int | None, ...]] = {
            "ln1": (width,), "ln2": (width,), "attn_qkv": (width, 3 * width if width else None),
            "attn_out": (width, width), "ffn_gate": (width, None), "ffn_up": (width, None), "ffn_down": (None, width),
        }  # fmt: skip
        wanted += [(f"v.blk.{layer}.{name}.weight", shape) for name, shape in block.items()]
    return wanted
