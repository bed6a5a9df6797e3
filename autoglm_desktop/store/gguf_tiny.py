"""Models made here: glm4 GGUF files with valid random weights that load, run and say a few fixed sentences.

Used by the engine's self-test, by tests and, at a real model's shapes, for measurements. Nothing in them was
trained. Their speech is a table of successors: each token of ``gguf_words.SENTENCES`` has an embedding in a
direction of its own, and its successor's row of the output matrix points there. The layers between are random;
their post norms are so small (together ``_LAYER_SHARE`` of the embedding's length) that the direction survives
while every kernel of a real model is computed. All other rows of the output matrix are zero, so the end of text
is never likely.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoglm_desktop.core.gguf_types import FILE_TYPE_IDS, TYPES, GgmlType, ValueType, tensor_bytes
from autoglm_desktop.core.quantise import tensor_types
from autoglm_desktop.core.shapes import Glm4Shapes, TensorShape, text_shapes
from autoglm_desktop.store.gguf_blocks import QUANTISABLE, quantise_rows, random_blocks
from autoglm_desktop.store.gguf_words import CHAT_TEMPLATE, MERGES, Vocabulary, vocabulary
from autoglm_desktop.store.gguf_write import GgufWriter

_LAYER_SHARE = 0.2
_FIRM, _LIKELY, _POSSIBLE = 24.0, 24.0, 21.0  # logits: the next piece; the next sentence; another one
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
    """Writes a tiny glm4 model and returns the file's size in bytes (about 3 MB by default).

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
        rope_sections=(head_dim // 16, head_dim // 32 * 3, head_dim // 4 - head_dim // 16 - head_dim // 32 * 3, 0)
        if mrope
        else None,
    )
    return write_glm4(path, model, weight_type, name=name, ends=ends, seed=seed)


def write_self_test_model(path: str | os.PathLike[str]) -> int:
    """Writes the model of the engine's self-test (3 MB) and returns its size.

    It is shaped so that a decode runs the same CPU kernels as a Q4_K_M file of AutoGLM-Phone-9B:

    - Types: Q4_K, Q6_K, and for ``ffn_down``, whose rows are no multiple of 256, Q5_0 and Q8_0. Two layers are
      enough for both halves of the mixture (``use_more_bits`` in llama.cpp's ``src/llama-quant.cpp``).
    - AMX (``ggml/src/ggml-cpu/amx/amx.cpp``, ``supports_op``): Q4_K and Q6_K with rows a multiple of 256, Q8_0
      with rows a multiple of 32, output rows a multiple of 32 (``TILE_N`` × 2) and contiguous weights in the
      AMX buffer; Q5_0 has no AMX kernel there nor here. Every output width is a multiple of 64, as in the real
      model, so that a single token takes the 64-wide kernel (``amx/mmq.cpp``, ``ggml_backend_amx_mul_mat``);
      a prompt of more than 32 tokens takes the tiled one with a remainder.
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
    path: str | os.PathLike[str], model: Glm4Shapes, ftype: str, *, name: str, ends: bool = False, seed: int = 0
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
    source = _Source(model, words, ends, seed)
    for shape in shapes:
        kind = types[shape.name]
        writer.add_tensor(shape.name, kind, shape.shape, lambda shape=shape, kind=kind: source.data(shape, kind))
    return writer.write()


def _add_metadata(writer: GgufWriter, model: Glm4Shapes, ftype: str, name: str, words: Vocabulary) -> None:
    for key, value in (
        ("general.architecture", "glm4"),
        ("general.type", "model"),
        ("general.name", name),
        ("general.quantization_version", 2),
        ("general.file_type", FILE_TYPE_IDS[ftype]),
        ("glm4.block_count", model.layers),
        ("glm4.context_length", model.context),
        ("glm4.embedding_length", model.embedding),
        ("glm4.feed_forward_length", model.feed_forward),
        ("glm4.attention.head_count", model.heads),
        ("glm4.attention.head_count_kv", model.kv_heads),
        ("glm4.attention.key_length", model.head_dim),
        ("glm4.attention.value_length", model.head_dim),
        ("glm4.attention.layer_norm_rms_epsilon", model.norm_epsilon),
        ("glm4.rope.dimension_count", model.rope_dims),
        ("glm4.rope.freq_base", model.rope_base),
    ):
        writer.add(key, value)
    if model.rope_sections is not None:
        writer.add("glm4.rope.dimension_sections", model.rope_sections, ValueType.INT32)
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

    def __init__(self, model: Glm4Shapes, words: Vocabulary, ends: bool, seed: int) -> None:
        self._model = model
        self._rng = np.random.default_rng(seed)
        self._speech = _speech(model, words, ends, self._rng)
        self._pools: dict[tuple[str, int], npt.NDArray[np.uint8]] = {}

    def data(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview]:
        name = shape.name.rsplit(".", 2)
        if shape.name == "token_embd.weight":
            return self._speech.embedding(shape, kind)
        if shape.name == "output.weight":
            return self._speech.output(shape, kind)
        if name[-2].endswith("norm"):
            return self._constant(shape, kind)
        return self._random(shape, kind)

    def _constant(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview]:
        post = ".post_" in shape.name
        value = _LAYER_SHARE / np.sqrt(2 * self._model.layers) if post else 1.0
        yield quantise_rows(kind, np.full(shape.shape, value, np.float32)).data

    def _random(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview]:
        """Repeats one pool per type and row length, beginning at another block for every tensor."""
        row = shape.shape[0]
        pool = self._pools.get((kind.name, row))
        if pool is None:
            count = max(1, min(_POOL_ELEMENTS, 4 * max(shape.shape)) // row + 1) * row
            if len(shape.shape) > 1:
                count = max(1, min(_POOL_ELEMENTS // row, 4 * shape.shape[1])) * row
            pool = random_blocks(kind, count, self._rng, 1 / float(np.sqrt(row)))
            self._pools[kind.name, row] = pool
        at = int(self._rng.integers(pool.size // kind.block_bytes)) * kind.block_bytes
        left = tensor_bytes(kind, shape.shape)
        while left:
            piece = pool[at : at + left]
            yield piece.data
            left -= piece.size
            at = 0


@dataclass(frozen=True)
class _Speech:
    """Rows of the embedding and the output matrix. ``pool``: what tokens outside the sentences are embedded as."""

    embedded: Mapping[int, npt.NDArray[np.float32]]
    rows: Mapping[int, npt.NDArray[np.float32]]
    pool: npt.NDArray[np.float32]

    def embedding(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview]:
        filler = quantise_rows(kind, self.pool).reshape(len(self.pool), -1)
        yield from _stream(filler, {key: quantise_rows(kind, row) for key, row in self.embedded.items()}, shape)

    def output(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview]:
        filler = quantise_rows(kind, np.zeros_like(self.pool)).reshape(len(self.pool), -1)
        yield from _stream(filler, {key: quantise_rows(kind, row) for key, row in self.rows.items()}, shape)


def _stream(
    filler: npt.NDArray[np.uint8], special: Mapping[int, npt.NDArray[np.uint8]], shape: TensorShape
) -> Iterator[memoryview]:
    """The rows of a vocabulary-sized matrix: fillers in turn, with the special rows in their places."""
    for first in range(0, shape.shape[1], len(filler)):
        block = filler[: shape.shape[1] - first].copy()
        for index in range(first, first + len(block)):
            if index in special:
                block[index - first] = special[index]
        yield block.reshape(-1).data


def _speech(model: Glm4Shapes, words: Vocabulary, ends: bool, rng: np.random.Generator) -> _Speech:
    """Directions of the spoken tokens and who points to whom; one more direction stands for everything else."""
    width = model.embedding
    spoken = [token for sentence in words.sentences for token in sentence]
    directions = rng.standard_normal((len(spoken) + 1, width))
    if len(directions) <= width:
        directions = np.linalg.qr(directions.T)[0].T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    anything, own = directions[-1], dict(zip(spoken, directions, strict=False))
    weights: dict[int, npt.NDArray[np.float64]] = {token: np.zeros(width) for token in spoken}
    starts = [sentence[0] for sentence in words.sentences]
    for number, sentence in enumerate(words.sentences):
        weights[sentence[0]] += anything * (_LIKELY if number == 0 else _POSSIBLE)
        for token, successor in zip(sentence, sentence[1:], strict=False):
            weights[successor] += own[token] * _FIRM
        if ends:
            end = words.special("<|user|>")
            weights.setdefault(end, np.zeros(width))
            weights[end] += own[sentence[-1]] * _FIRM
        else:
            weights[starts[(number + 1) % len(starts)]] += own[sentence[-1]] * _LIKELY
            weights[starts[(number + 2) % len(starts)]] += own[sentence[-1]] * _POSSIBLE
    noise = rng.standard_normal((min(256, model.vocabulary), width))
    noise -= noise @ directions.T @ directions if len(directions) <= width else 0
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    length = float(np.sqrt(width))  # rows of root mean square 1, as the final norm makes them
    return _Speech(
        embedded={token: (length * own[token]).astype(np.float32) for token in spoken},
        rows={token: (row / length).astype(np.float32) for token, row in weights.items()},
        pool=(length * (0.9 * anything + 0.436 * noise)).astype(np.float32),
    )
