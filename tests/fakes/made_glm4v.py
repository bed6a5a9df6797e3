"""Made: tiny glm4v pairs (text GGUF with M-RoPE sections, projector GGUF), seeded random weights, nothing trained.

Unlike ``store.gguf_tiny``'s models these say nothing fixed: every layer counts in full, so that another picture is
another answer. Keys and tensors are those of facts that were tried: the glm4v projector of llama.cpp 0c1e57098.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoglm_desktop.core.gguf_types import TYPES, ValueType
from autoglm_desktop.core.shapes import Glm4Shapes, text_shapes
from autoglm_desktop.store.gguf_blocks import quantise_rows
from autoglm_desktop.store.gguf_words import CHAT_TEMPLATE, MERGES, vocabulary
from autoglm_desktop.store.gguf_write import GgufWriter

HIDDEN, VISION, BLOCKS, HEADS, VOCABULARY = 128, 64, 2, 2, 640
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's CLIP, what Glm4v normalises pictures with."""
TEXT = Glm4Shapes(
    layers=2, embedding=HIDDEN, feed_forward=256, vocabulary=VOCABULARY, heads=2, kv_heads=1, head_dim=64, context=8192,
    rope_dims=32, rope_sections=(4, 6, 6, 0),
)  # fmt: skip


def write_text(
    path: Path, *, sections: bool = True, bos: bool = True, hidden: int = HIDDEN, seed: int = 0
) -> Path:
    """A glm4 text model (some 2 MB) that takes pictures; without ``sections`` or ``bos`` as early conversions were."""
    rng = np.random.default_rng(seed)
    model = Glm4Shapes(**{**TEXT.__dict__, "embedding": hidden})
    words = vocabulary(model.vocabulary)
    writer = GgufWriter(path)
    for key, value in (
        ("general.architecture", "glm4"), ("general.type", "model"), ("general.name", "made: tiny glm4v text"),
        ("general.file_type", 1), ("glm4.block_count", model.layers), ("glm4.context_length", model.context),
        ("glm4.embedding_length", hidden), ("glm4.feed_forward_length", model.feed_forward),
        ("glm4.attention.head_count", model.heads), ("glm4.attention.head_count_kv", model.kv_heads),
        ("glm4.attention.key_length", model.head_dim), ("glm4.attention.value_length", model.head_dim),
        ("glm4.attention.layer_norm_rms_epsilon", 1e-5), ("glm4.rope.dimension_count", model.rope_dims),
        ("glm4.rope.freq_base", 10_000.0),
    ):  # fmt: skip
        writer.add(key, value)
    if sections:
        writer.add("glm4.rope.dimension_sections", (4, 6, 6, 0), ValueType.INT32)
    writer.add("tokenizer.ggml.model", "gpt2")
    writer.add("tokenizer.ggml.pre", "glm4")
    writer.add("tokenizer.ggml.tokens", words.tokens)
    writer.add("tokenizer.ggml.token_type", words.types, ValueType.INT32)
    writer.add("tokenizer.ggml.merges", MERGES)
    if bos:
        writer.add("tokenizer.ggml.bos_token_id", words.special("<|endoftext|>"))
    writer.add("tokenizer.ggml.eos_token_id", words.special("<|endoftext|>"))
    writer.add("tokenizer.ggml.eot_token_id", words.special("<|user|>"))
    writer.add("tokenizer.ggml.add_bos_token", False)
    writer.add("tokenizer.chat_template", CHAT_TEMPLATE)
    for shape in text_shapes(model):
        values = _random(shape.name, shape.shape, rng)
        if shape.name == "token_embd.weight":
            values *= math.sqrt(hidden)
        if shape.name == "output.weight":
            values[words.first_special :] = 0  # a control token is never likely, so no answer ends early
        _add(writer, shape.name, shape.shape, values, "F16")
    writer.write()
    return path


def write_projector(
    path: Path,
    *,
    kind: str = "glm4v",
    out: int = HIDDEN,
    weight_type: str = "F16",
    without: str = "",
    seed: int = 1,
) -> Path:
    """A projector for ``write_text``'s model. ``without`` names a key or tensor that is left out."""
    rng = np.random.default_rng(seed)
    writer = GgufWriter(path)
    for key, value in (
        ("general.architecture", "clip"), ("general.type", "mmproj"), ("clip.has_vision_encoder", True),
        ("clip.projector_type", kind), ("clip.use_silu", True), ("clip.vision.projection_dim", out),
        ("clip.vision.image_size", 112), ("clip.vision.patch_size", 14), ("clip.vision.embedding_length", VISION),
        ("clip.vision.feed_forward_length", 128), ("clip.vision.block_count", BLOCKS),
        ("clip.vision.attention.head_count", HEADS), ("clip.vision.attention.layer_norm_epsilon", 1e-5),
        ("clip.vision.image_mean", MEAN), ("clip.vision.image_std", STD),
    ):  # fmt: skip
        if key != without:
            writer.add(key, value)
    writer.add("general.file_type", {"F32": 0, "F16": 1, "Q8_0": 7}[weight_type])
    for name, shape in _projector_shapes(out):
        if name != without:
            _add(writer, name, shape, _random(name, shape, rng), weight_type)
    writer.write()
    return path


def write_picture(path: Path, width: int, height: int, seed: int = 0) -> dict[str, object]:
    """A message part: raw RGB noise in coarse squares, so that two seeds are two clearly different pictures."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (height // 14, width // 14, 3), np.uint8)
    path.write_bytes(np.kron(squares, np.ones((14, 14, 1), np.uint8)).tobytes())
    return {"type": "image", "file": str(path), "width": width, "height": height}


def _projector_shapes(out: int) -> list[tuple[str, tuple[int, ...]]]:
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("v.patch_embd.weight", (14, 14, 3, VISION)), ("v.patch_embd.weight.1", (14, 14, 3, VISION)),
        ("v.patch_embd.bias", (VISION,)), ("v.position_embd.weight", (VISION, 64)), ("v.norm_embd.weight", (VISION,)),
        ("v.post_ln.weight", (VISION,)), ("mm.patch_merger.weight", (2, 2, VISION, out)),
        ("mm.patch_merger.bias", (out,)),
        ("mm.model.fc.weight", (out, out)), ("mm.post_norm.weight", (out,)), ("mm.post_norm.bias", (out,)),
        ("mm.gate.weight", (out, 192)), ("mm.up.weight", (out, 192)), ("mm.down.weight", (192, out)),
    ]  # fmt: skip
    for layer in range(BLOCKS):
        shapes += [
            (f"v.blk.{layer}.{name}.weight", shape)
            for name, shape in (
                ("ln1", (VISION,)), ("ln2", (VISION,)), ("attn_qkv", (VISION, 3 * VISION)),
                ("attn_out", (VISION, VISION)), ("ffn_gate", (VISION, 128)), ("ffn_up", (VISION, 128)),
                ("ffn_down", (128, VISION)),
            )
        ]  # fmt: skip
    return shapes


def _random(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Row-major values (the row length is the last axis here); norms are 1."""
    if len(shape) == 1:
        plain = name.endswith(
            ("norm.weight", "ln1.weight", "ln2.weight", "post_ln.weight", "norm_embd.weight")
        )
        return (
            np.ones(shape, np.float32) if plain else rng.standard_normal(shape, np.float32) * np.float32(0.02)
        )
    inputs = math.prod(shape[:-1]) if len(shape) == 4 else shape[0]
    return rng.standard_normal(shape[::-1], np.float32) / np.float32(math.sqrt(inputs))


def _add(
    writer: GgufWriter, name: str, shape: tuple[int, ...], values: npt.NDArray[np.float32], kind: str
) -> None:
    """1-D tensors and positions are F32, kernels at most F16, as converters leave them."""
    if len(shape) == 1 or "position_embd" in name:
        kind = "F32"
    elif len(shape) == 4:
        kind = "F16"
    if TYPES[kind].quantised:
        rows = quantise_rows(TYPES[kind], values.reshape(-1, shape[0]))
        writer.add_tensor(name, TYPES[kind], shape, lambda: [rows.tobytes()])
    else:
        data = np.ascontiguousarray(values, np.float32 if kind == "F32" else np.float16)
        writer.add_tensor(name, TYPES[kind], shape, lambda: [data.tobytes()])
