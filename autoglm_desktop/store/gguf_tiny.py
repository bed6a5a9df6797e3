"""Models made here: glm4 GGUF files with valid random weights that load, run and say a few fixed sentences.

Used by the engine's self-test, by tests and, at a real model's shapes, for measurements. Nothing in them was
trained (``store.gguf_speech`` says how they speak). The layers are random; their post norms are so small
(together ``_LAYER_SHARE`` of the embedding's length) that the last token's direction survives while every
kernel of a real model is computed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from ..core.gguf_types import FILE_TYPE_IDS, TYPES, GgmlType, ValueType, tensor_bytes
from ..core.quantise import tensor_types
from ..core.shapes import Glm4Shapes, ModelShapes, TensorShape, text_shapes
from .gguf_blocks import QUANTISABLE, quantise_rows, random_blocks
from .gguf_speech import Speech, make_speech
from .gguf_words import CHAT_TEMPLATE, MERGES, Vocabulary, vocabulary
from .gguf_write import GgufWriter, Hole

CUT_NAME = "made: cut of a model's shapes, random weights"
CUT_KNOWN_WORDS = 256
"""The engine's ``measure`` feeds tokens below this only."""

_LAYER_SHARE = 0.2
_POOL_ELEMENTS = 1 << 22  # random weights made once per type and row length, then repeated


def write_tiny_glm4(
    path: str | os.PathLike[str],
    *,
    mrope: bool = True,
    layers: int = 2,
    hidden: int = 256,
    feed_forward: int | None = None,
    head_dim: int = 64,
    kv_heads: int = 2,
    vocab: int = 640,
    context: int = 4096,
    weight_type: str = "F16",
    ends: bool = False,
    seed: int = 0,
    name: str = "made: tiny glm4, random weights",
) -> int:
    """Writes a tiny glm4 model and returns the file's size in bytes (4 MB by default).

    ``weight_type`` is a file type of ``core.quantise.FTYPES``; each tensor gets the type that llama.cpp's
    quantiser would give it. ``feed_forward`` defaults to 27/8 of ``hidden``: no multiple of 256, as in
    AutoGLM-Phone-9B, so that K-quants fall back. ``mrope`` False leaves out the position sections. With
    ``ends`` a reply ends after one sentence; otherwise it goes on until it is stopped.
    """
    model = Glm4Shapes(
        layers=layers,
        embedding=hidden,
        feed_forward=feed_forward if feed_forward is not None else hidden * 27 // 8,
        vocabulary=vocab,
        heads=hidden // head_dim,
        kv_heads=kv_heads,
        head_dim=head_dim,
        context=context,
        rope_dims=head_dim // 2,
        rope_sections=_sections(head_dim // 4) if mrope else None,
    )
    return write_glm4(path, model, weight_type, name=name, ends=ends, seed=seed)


def _sections(pairs: int) -> tuple[int, int, int, int]:
    """Rotated pairs shared out over time, height and width as AutoGLM-Phone-9B's 32 are: 8, 12, 12."""
    time = pairs // 4
    height = (pairs - time) // 2
    return time, height, pairs - time - height, 0


def write_self_test_model(path: str | os.PathLike[str]) -> int:
    """Writes the model of the engine's self-test (4.5 MB) and returns its size.

    It is shaped so that a decode runs the same CPU kernels as a Q4_K_M file of AutoGLM-Phone-9B:

    - Types: Q4_K, Q6_K, and for ``ffn_down``, whose rows are no multiple of 256, Q5_0 and Q8_0. Two layers
      are enough for both halves of the mixture (``use_more_bits``, llama.cpp's ``src/llama-quant.cpp``).
    - AMX (``ggml/src/ggml-cpu/amx/amx.cpp``, ``supports_op``): Q4_K and Q6_K with rows a multiple of 256,
      Q8_0 with rows a multiple of 32, output rows a multiple of 32 (``TILE_N`` × 2); Q5_0 has no AMX kernel,
      there nor here. Every output width is a multiple of 64, as in the real model, so that a single token
      takes the 64-wide kernel (``amx/mmq.cpp``, ``ggml_backend_amx_mul_mat``); a prompt of more than 32
      tokens takes the tiled one with a remainder.
    - CPU_REPACK (``ggml/src/ggml-cpu/repack.cpp``): Q4_K with output rows a multiple of 8.
    - Attention: heads of 128 with 256 elements of K and of V per token, 64 of them rotated, M-RoPE sections.

    A right engine answers any prompt greedily with ``gguf_words.expected_reply``.
    """
    return write_tiny_glm4(
        path,
        hidden=512,
        head_dim=128,
        feed_forward=1504,
        weight_type="Q4_K_M",
        name="made: engine self-test, random weights",
    )


def write_glm4(
    path: str | os.PathLike[str],
    model: Glm4Shapes,
    ftype: str,
    *,
    name: str,
    ends: bool = False,
    seed: int = 0,
) -> int:
    """Writes a glm4 model of any size with random weights; memory use stays below some 100 MB.

    ValueError for an unknown ``ftype`` or shapes that no glm4 model can have.
    """
    if model.rope_sections is not None and sum(model.rope_sections) != model.rope_dims // 2:
        raise ValueError(f"sections {model.rope_sections} do not add up to half of {model.rope_dims}")
    words = vocabulary(model.vocabulary)
    shapes = text_shapes(model)
    types = tensor_types(shapes, ftype, grouped_queries=model.heads // model.kv_heads)
    if types["token_embd.weight"].name not in QUANTISABLE:
        types["token_embd.weight"] = TYPES["Q8_0"]
    writer = GgufWriter(path)
    _add_metadata(writer, model, ftype, name, words)
    rng = np.random.default_rng(seed)
    source = _Source(model, make_speech(model, words, ends, rng), rng)
    for shape in shapes:
        kind = types[shape.name]
        writer.add_tensor(shape.name, kind, shape.shape, partial(source.data, shape, kind))
    return writer.write()


def write_cut(
    path: str | os.PathLike[str],
    model: ModelShapes,
    types: Mapping[str, str],
    file_type: str,
    *,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> int:
    """Writes random weights of ``model``'s architecture and shapes, to be timed; it says nothing. Returns its size.

    ``types``: the ggml type of every tensor. Of an embedding that is no output, only the rows of ``CUT_KNOWN_WORDS``
    tokens are written; the rest is a hole (``store.sparse``). ``check`` is called between pieces and may raise, to end
    it; then nothing is left. AppError as ``GgufWriter.write``; ValueError for shapes
    and types that can't be.
    """
    writer = GgufWriter(path)
    _add_metadata(writer, model, file_type, CUT_NAME, vocabulary(model.vocabulary))
    source = _Source(model, None, np.random.default_rng(seed))
    for shape in text_shapes(model):
        kind = TYPES[types[shape.name]]
        writer.add_tensor(
            shape.name, kind, shape.shape, partial(_checked, partial(source.data, shape, kind), check)
        )
    return writer.write()


def _checked(
    data: Callable[[], Iterator[memoryview | Hole]], check: Callable[[], None]
) -> Iterator[memoryview | Hole]:
    for piece in data():
        check()
        yield piece


def _add_metadata(writer: GgufWriter, model: ModelShapes, ftype: str, name: str, words: Vocabulary) -> None:
    kind = model.architecture
    entries: tuple[tuple[str, int | float | str], ...] = (
        ("general.architecture", kind),
        ("general.type", "model"),
        ("general.name", name),
        ("general.quantization_version", 2),
        ("general.file_type", FILE_TYPE_IDS[ftype]),
        (f"{kind}.block_count", model.layers),
        (f"{kind}.context_length", model.context),
        (f"{kind}.embedding_length", model.embedding),
        (f"{kind}.feed_forward_length", model.feed_forward),
        (f"{kind}.attention.head_count", model.heads),
        (f"{kind}.attention.head_count_kv", model.kv_heads),
        (f"{kind}.attention.key_length", model.head_dim),
        (f"{kind}.attention.value_length", model.head_dim),
        (f"{kind}.attention.layer_norm_rms_epsilon", model.norm_epsilon),
        (f"{kind}.rope.dimension_count", model.rope_dims),
        (f"{kind}.rope.freq_base", model.rope_base),
    )
    for key, value in entries:
        writer.add(key, value)
    if model.rope_sections is not None:
        writer.add(f"{kind}.rope.dimension_sections", model.rope_sections, ValueType.INT32)
    writer.add("tokenizer.ggml.model", "gpt2")
    writer.add("tokenizer.ggml.pre", "glm4")
    writer.add("tokenizer.ggml.tokens", words.tokens)
    writer.add("tokenizer.ggml.token_type", words.types, ValueType.INT32)
    writer.add("tokenizer.ggml.merges", MERGES)
    for role, token in (
        ("bos", "<|endoftext|>"), ("eos", "<|endoftext|>"), ("padding", "<|endoftext|>"),
        ("eot", "<|user|>"), ("eom", "<|observation|>"),
    ):  # fmt: skip
        writer.add(f"tokenizer.ggml.{role}_token_id", words.special(token))
    writer.add("tokenizer.ggml.add_bos_token", False)
    writer.add("tokenizer.chat_template", CHAT_TEMPLATE)


class _Source:
    """Makes each tensor's bytes when it is its turn."""

    def __init__(self, model: ModelShapes, speech: Speech | None, rng: np.random.Generator) -> None:
        self._model = model
        self._rng = rng
        self._speech = speech
        self._pools: dict[tuple[str, int], npt.NDArray[np.uint8]] = {}

    def data(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview | Hole]:
        if shape.name == "token_embd.weight":
            return (
                self._embedding(shape, kind) if self._speech is None else self._speech.embedding(shape, kind)
            )
        if shape.name == "output.weight" and self._speech is not None:
            return self._speech.output(shape, kind)
        if shape.name.endswith("norm.weight"):
            return self._constant(shape, kind)
        return self._random(shape, kind)

    def _embedding(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview | Hole]:
        width, words = shape.shape
        known = TensorShape(shape.name, (width, min(words, CUT_KNOWN_WORDS)))
        if self._model.tied or known.shape == shape.shape:
            yield from self._random(shape, kind)
            return
        yield from self._random(known, kind)
        yield Hole(tensor_bytes(kind, shape.shape) - tensor_bytes(kind, known.shape))

    def _constant(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview]:
        post = ".post_" in shape.name
        value = _LAYER_SHARE / np.sqrt(2 * self._model.layers) if post else 1.0
        yield quantise_rows(kind, np.full(shape.shape, value, np.float32)).data

    def _random(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview]:
        """Repeats one pool per type and row length, beginning at another block for every tensor."""
        row = shape.shape[0]
        pool = self._pools.get((kind.name, row))
        if pool is None:
            rows = max(1, min(_POOL_ELEMENTS // row, 4 * math.prod(shape.shape[1:])))
            pool = random_blocks(kind, rows * row, self._rng, 1 / math.sqrt(row))
            self._pools[kind.name, row] = pool
        at = int(self._rng.integers(pool.size // kind.block_bytes)) * kind.block_bytes
        left = tensor_bytes(kind, shape.shape)
        while left:
            piece = pool[at : at + left]
            yield piece.data
            left -= piece.size
            at = 0
