"""llama.cpp on tiny files of the other architectures that the catalogue plans for: chatglm (as GLM-Edge is
converted) and qwen3. It loads and decodes them, and its quantiser gives each tensor the type that is planned with.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from autoglm_desktop.core.gguf_types import F16, F32, FILE_TYPE_IDS, ValueType
from autoglm_desktop.core.known_shapes import GLM_EDGE_1_5B, QWEN3_0_6B
from autoglm_desktop.core.quantise import FTYPES, tensor_types
from autoglm_desktop.core.shapes import ModelShapes, TensorShape, text_shapes
from autoglm_desktop.store.gguf import read_header
from autoglm_desktop.store.gguf_words import MERGES, vocabulary
from autoglm_desktop.store.gguf_write import GgufWriter

from .test_gguf_llama import ask

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (extra: llama)")

EDGE = replace(
    GLM_EDGE_1_5B, layers=18, embedding=512, feed_forward=1536, vocabulary=640, heads=4, kv_heads=1
)
QWEN = replace(
    QWEN3_0_6B, layers=10, embedding=256, feed_forward=768, vocabulary=640, heads=4, kv_heads=2
)  # as the real one: more query heads than the embedding is wide


def values(shape: TensorShape) -> list[bytes]:
    """Small random weights, norms of one."""
    count = int(np.prod(shape.shape))
    if len(shape.shape) == 1:
        return [np.ones(count, np.float32).tobytes()]
    rng = np.random.default_rng(len(shape.name))
    return [(rng.standard_normal(count, np.float32) * 0.05).astype(np.float16).tobytes()]


def write(path: Path, model: ModelShapes) -> None:
    words, name = vocabulary(model.vocabulary), model.architecture
    writer = GgufWriter(path)
    for key, value in (
        ("general.architecture", name),
        ("general.file_type", FILE_TYPE_IDS["F16"]),
        (f"{name}.block_count", model.layers),
        (f"{name}.context_length", model.context),
        (f"{name}.embedding_length", model.embedding),
        (f"{name}.feed_forward_length", model.feed_forward),
        (f"{name}.attention.head_count", model.heads),
        (f"{name}.attention.head_count_kv", model.kv_heads),
        (f"{name}.attention.key_length", model.head_dim),
        (f"{name}.attention.value_length", model.head_dim),
        (f"{name}.attention.layer_norm_rms_epsilon", model.norm_epsilon),
        (f"{name}.rope.dimension_count", model.rope_dims),
        (f"{name}.rope.freq_base", model.rope_base),
        ("tokenizer.ggml.model", "gpt2"),
        ("tokenizer.ggml.pre", "glm4"),
        ("tokenizer.ggml.eos_token_id", words.special("<|endoftext|>")),
    ):
        writer.add(key, value)
    writer.add("tokenizer.ggml.tokens", words.tokens)
    writer.add("tokenizer.ggml.token_type", words.types, ValueType.INT32)
    writer.add("tokenizer.ggml.merges", MERGES)
    for shape in text_shapes(model):
        kind = F32 if len(shape.shape) == 1 else F16
        writer.add_tensor(shape.name, kind, shape.shape, partial(values, shape))
    writer.write()


@pytest.mark.parametrize("model", [EDGE, QWEN], ids=lambda model: model.architecture)
def test_layouts_are_llama_cpp_s(tmp_path: Path, model: ModelShapes) -> None:
    path = tmp_path / "m.gguf"
    write(path, model)
    answer = ask("decode", path, 5)
    assert answer["loaded"], answer
    assert answer["finite"]
    assert answer["bytes"] == read_header(path).tensor_bytes  # no tensor is left out
    found = ask("dry_run", path, *FTYPES)
    for ftype in FTYPES:
        expected = tensor_types(text_shapes(model), ftype, grouped_queries=model.grouped_queries)
        assert found[ftype] == {name: kind.name for name, kind in expected.items()}, ftype
