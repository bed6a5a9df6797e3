"""The first table: ``llama_model_quantize`` dry runs of llama.cpp 0c1e57098 on these shapes (MiB)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoglm_desktop.core.known_shapes import GLM_4_9B_0414, GLM_EDGE_1_5B, GLM_EDGE_4B, QWEN3_0_6B
from autoglm_desktop.core.quantise import FTYPES, tensor_types, weight_table_for
from autoglm_desktop.core.shapes import (
    AUTOGLM_PHONE_9B,
    MAX_LAYERS,
    Glm4Shapes,
    ModelShapes,
    TensorShape,
    layer_of,
    parameters,
    text_shapes,
    weight_table,
)
from autoglm_desktop.core.units import GB, MIB

TABLE = [  # ftype, tensors, full GPU, host embedding, mean layer, output
    ("F16", 17_931, 16_747, 1184, 389.1, 1184),
    ("Q8_0", 9527, 8898, 629, 206.7, 629),
    ("Q6_K", 7875, 7389, 486, 172.6, 486),
    ("Q5_K_M", 6715, 6308, 407, 145.6, 486),
    ("Q4_K_M", 5872, 5539, 333, 126.3, 486),
    ("Q4_0", 5198, 4865, 333, 109.5, 486),
    ("IQ4_XS", 5060, 4745, 315, 106.5, 486),
    ("Q3_K_M", 4735, 4480, 254, 99.9, 486),
    ("Q2_K", 3812, 3617, 194, 78.3, 486),
]


@pytest.mark.parametrize(("ftype", "tensors", "gpu", "embedding", "layer", "output"), TABLE)
def test_autoglm_weighs_what_llama_cpp_says(
    ftype: str, tensors: int, gpu: int, embedding: int, layer: float, output: int
) -> None:
    table = weight_table_for(ftype)
    assert table.total / MIB == pytest.approx(tensors, abs=1)
    assert table.full_gpu / MIB == pytest.approx(gpu, abs=1)
    assert table.embedding / MIB == pytest.approx(embedding, abs=1)
    assert table.output / MIB == pytest.approx(output, abs=1)
    assert sum(table.layers) / len(table.layers) / MIB == pytest.approx(layer, abs=0.1)


def test_parameters_of_the_text_model() -> None:
    table = weight_table_for("BF16")
    per_layer = 203_969_024
    assert sum(_elements(shape) for shape in text_shapes() if shape.layer == 7) == per_layer
    assert sum(_elements(shape) for shape in text_shapes()) == 2 * 620_756_992 + 40 * per_layer + 4096
    assert table.total > 2 * (2 * 620_756_992 + 40 * per_layer)  # one-dimensional tensors stay F32


def _elements(shape: TensorShape) -> int:
    product = 1
    for extent in shape.shape:
        product *= extent
    return product


def test_q4_k_m_layers_differ() -> None:
    table = weight_table_for("Q4_K_M")
    types = tensor_types(text_shapes(), "Q4_K_M")
    more_bits = {layer for layer in range(40) if types[f"blk.{layer}.ffn_down.weight"].name == "Q8_0"}
    assert more_bits == {*range(5), *range(7, 35, 3), *range(35, 40)}
    assert {types[f"blk.{layer}.attn_v.weight"].name for layer in more_bits} == {"Q6_K"}
    assert types["blk.5.ffn_down.weight"].name == "Q5_0"
    assert types["blk.5.attn_v.weight"].name == "Q4_K"
    assert min(table.layers) / MIB == pytest.approx(116, abs=1)
    assert max(table.layers) / MIB == pytest.approx(136, abs=1)


@pytest.mark.parametrize(
    ("ftype", "name", "kind"),
    [
        ("Q4_K_M", "token_embd.weight", "Q4_K"),
        ("Q4_K_M", "output.weight", "Q6_K"),
        ("Q8_0", "output.weight", "Q8_0"),
        ("F16", "output.weight", "F16"),
        ("Q4_K_M", "blk.0.attn_q.bias", "F32"),
        ("Q4_K_M", "blk.0.attn_norm.weight", "F32"),
        ("Q2_K", "blk.9.attn_v.weight", "Q4_K"),
        ("Q2_K", "blk.9.ffn_down.weight", "Q4_0"),
        ("Q3_K_M", "blk.1.attn_v.weight", "Q5_K"),
        ("IQ4_XS", "blk.39.attn_v.weight", "Q5_K"),
        ("IQ4_XS", "blk.4.ffn_down.weight", "Q5_1"),
        ("IQ4_XS", "blk.5.ffn_down.weight", "IQ4_NL"),
        ("Q6_K", "blk.0.ffn_down.weight", "Q8_0"),
        ("Q4_0", "blk.0.ffn_down.weight", "Q4_0"),
    ],
)
def test_types(ftype: str, name: str, kind: str) -> None:
    assert tensor_types(text_shapes(), ftype)[name].name == kind


def test_a_tied_embedding_is_quantised_as_the_output() -> None:
    shapes = [shape for shape in text_shapes() if shape.name != "output.weight"]
    assert tensor_types(shapes, "Q4_K_M")["token_embd.weight"].name == "Q6_K"


def test_rows_that_fit_no_block_become_f16() -> None:
    odd = [TensorShape("blk.0.ffn_down.weight", (100, 64)), TensorShape("output.weight", (100, 64))]
    types = tensor_types(odd, "Q4_K_M")
    assert types["blk.0.ffn_down.weight"].name == "F16"
    assert types["output.weight"].name == "F16"


def test_unknown_file_types_are_refused() -> None:
    with pytest.raises(ValueError, match="IQ1_S"):
        tensor_types(text_shapes(), "IQ1_S")
    assert "Q4_K_M" in FTYPES


def test_kv_cache_of_a_token() -> None:
    assert AUTOGLM_PHONE_9B.kv_bytes_per_token() == 40_960
    assert AUTOGLM_PHONE_9B.kv_bytes_per_token(8.5) == 21_760


def test_layers_on_the_gpu() -> None:
    table = weight_table_for("Q4_K_M")
    assert table.on_gpu(0) == 0
    assert table.on_gpu(1) == table.output
    assert table.on_gpu(2) == table.output + table.layers[-1]
    assert table.on_gpu(41) == table.on_gpu(99) == table.on_gpu(-1) == table.full_gpu


def test_a_cut_keeps_embedding_and_output() -> None:
    cut = weight_table_for("Q4_0", AUTOGLM_PHONE_9B.with_layers(2))
    whole = weight_table_for("Q4_0")
    assert (cut.embedding, cut.output) == (whole.embedding, whole.output)
    assert cut.layers == whole.layers[:2]


def test_weight_table_sorts_by_place() -> None:
    table = weight_table(
        [("token_embd.weight", 7), ("blk.1.a.weight", 2), ("blk.1.b", 3), ("rope_freqs.weight", 5),
         ("output_norm.weight", 1), ("output.weight", 11)]
    )  # fmt: skip
    assert (table.embedding, table.layers, table.output, table.other) == (7, (0, 5), 12, 5)
    assert table.total == 29


def test_weight_table_of_a_tied_model() -> None:
    table = weight_table([("token_embd.weight", 7), ("output_norm.weight", 1), ("blk.0.x", 2)])
    assert table.tied
    assert table.output == 8  # a GPU holds its own copy of the matrix
    assert table.total == 10


def test_absurd_layer_numbers_take_no_memory() -> None:
    table = weight_table([(f"blk.{MAX_LAYERS}.a", 1), ("blk.99999999999.a", 1), ("blk.9999.a", 1)])
    assert table.layers == ()
    assert table.other == 3


def test_layer_of() -> None:
    assert layer_of("blk.12.attn_q.weight") == 12
    assert layer_of("output.weight") is None
    assert layer_of("mm.blk.3.x") is None


def test_small_models_have_their_own_layer_rules() -> None:
    tiny = Glm4Shapes(
        layers=2, embedding=512, feed_forward=1504, vocabulary=640, heads=4, kv_heads=2, head_dim=128,
        context=4096, rope_dims=64,
    )  # fmt: skip
    types = tensor_types(text_shapes(tiny), "Q4_K_M", grouped_queries=2)
    assert types["blk.0.ffn_down.weight"].name == "Q5_0"
    assert types["blk.1.ffn_down.weight"].name == "Q8_0"
    assert types["blk.0.attn_v.weight"].name == "Q4_K"
    assert types["blk.1.attn_v.weight"].name == "Q6_K"


PUBLISHED = [  # docs/numbers.md, section 10: sizes of files as their public pages show them, GB
    (GLM_EDGE_1_5B, {"F16": 3.19, "Q8_0": 1.7, "Q6_K": 1.31, "Q5_K_M": 1.14, "Q5_K_S": 1.12, "Q4_K_M": 0.980,
                     "Q4_K_S": 0.937, "Q4_1": 1.02, "Q4_0": 0.931}),
    (GLM_EDGE_4B, {"F16": 8.66, "Q8_0": 4.6, "Q6_K": 3.55, "Q5_K_M": 3.08, "Q4_K_M": 2.63, "Q4_K_S": 2.5,
                   "Q4_1": 2.74, "Q4_0": 2.49}),
    (GLM_4_9B_0414, {"Q4_K_M": 6.166574944}),
    (QWEN3_0_6B, {"Q8_0": 0.639446688, "Q6_K": 0.495, "Q5_K_M": 0.444, "Q4_K_M": 0.397, "Q4_0": 0.382156480,
                  "Q3_K_M": 0.347, "Q2_K": 0.296}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "ftype", "gigabytes"),
    [(model, ftype, size) for model, sizes in PUBLISHED for ftype, size in sizes.items()],
)
def test_files_weigh_what_is_published(model: ModelShapes, ftype: str, gigabytes: float) -> None:
    size = weight_table_for(ftype, model).total + model.gguf_header_bytes
    assert size == pytest.approx(gigabytes * GB, rel=0.005)


def test_parameters_count_a_tied_matrix_once() -> None:
    assert parameters(AUTOGLM_PHONE_9B) == sum(_elements(shape) for shape in text_shapes())
    assert parameters(QWEN3_0_6B) == 596_049_920
    assert parameters(replace(QWEN3_0_6B, tied=False)) - parameters(QWEN3_0_6B) == 151_936 * 1024


def test_qwen3_is_tied_and_has_few_queries_for_each_key() -> None:
    table = weight_table_for("Q4_K_M", QWEN3_0_6B)
    assert table.tied
    types = tensor_types(text_shapes(QWEN3_0_6B), "IQ4_XS", grouped_queries=QWEN3_0_6B.grouped_queries)
    assert types["token_embd.weight"].name == "Q6_K"
    assert types["blk.9.attn_v.weight"].name == "IQ4_XS"
    assert types["blk.9.attn_q_norm.weight"].name == "F32"
    assert (
        tensor_types(text_shapes(GLM_EDGE_4B), "IQ4_XS", grouped_queries=4)["blk.9.attn_v.weight"].name
        == "Q5_K"
    )
