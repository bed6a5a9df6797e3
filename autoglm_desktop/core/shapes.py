"""Text models as tensors, and what their weights weigh.

Names and order are those of GGUF files of llama.cpp's architectures ``glm4``, ``chatglm`` (as GLM-Edge is
converted: separate q, k and v, no biases) and ``qwen3`` (``src/models/*.cpp`` and ``conversion/*.py`` of
llama.cpp 0c1e57098; in the GLM ones ``ffn_up`` holds gate and up fused, gate first). Shapes are in ggml's
order: row length first. Sizes in bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

VISION_PARAMETERS = 892_498_432
VISION_LINEAR_PARAMETERS = 864_600_000
"""The vision part (``glm4v``) of AutoGLM-Phone-9B and GLM-4.1V-9B (docs/numbers.md, section 1)."""

_BLOCK = re.compile(r"blk\.(\d{1,4})\.")
MAX_LAYERS = 512
"""LLAMA_MAX_LAYERS of llama.cpp's ``src/llama-hparams.h``; layers beyond it are counted as ``other``."""


@dataclass(frozen=True)
class TensorShape:
    name: str
    shape: tuple[int, ...]

    @property
    def layer(self) -> int | None:
        """The layer it belongs to, or None for embedding and output."""
        return layer_of(self.name)


@dataclass(frozen=True)
class ModelShapes:
    """Numbers that fix every tensor of a text model of ``architecture`` (a key of ``LAYOUTS``).

    ``feed_forward`` is the width behind SwiGLU. ``tied``: the embedding is the output matrix, too.
    ``gguf_header_bytes``: header and vocabulary of a GGUF of it, about. ``head_in_safetensors``: published
    safetensors hold the output matrix (also where it is the embedding once more).
    """

    layers: int
    embedding: int
    feed_forward: int
    vocabulary: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    rope_dims: int
    rope_base: float = 10_000.0
    rope_sections: tuple[int, int, int, int] | None = None
    norm_epsilon: float = 1e-5
    architecture: str = "glm4"
    tied: bool = False
    gguf_header_bytes: int = 10_000_000
    head_in_safetensors: bool = True

    @property
    def grouped_queries(self) -> int:
        """Query heads for each KV head (llama.cpp's ``n_gqa``)."""
        return self.heads // self.kv_heads

    @property
    def kv_elements(self) -> int:
        """K and V of one token in all layers, elements."""
        return 2 * self.layers * self.kv_heads * self.head_dim

    def with_layers(self, layers: int) -> ModelShapes:
        """The same model cut to ``layers`` layers (the speed of a whole model is told from small cuts)."""
        return replace(self, layers=layers)

    def kv_bytes_per_token(self, bits_per_element: float = 16.0) -> float:
        """K and V of one token in all layers, bytes (f16: 16 bits; q8_0: 8.5)."""
        return self.kv_elements * bits_per_element / 8


Glm4Shapes = ModelShapes
"""The name by which writers of glm4 files call it."""

AUTOGLM_PHONE_9B = ModelShapes(
    layers=40, embedding=4096, feed_forward=13_696, vocabulary=151_552,
    heads=32, kv_heads=2, head_dim=128, context=65_536,
    rope_dims=64, rope_sections=(8, 12, 12, 0),
)  # fmt: skip
"""AutoGLM-Phone-9B's text model.

Sizes and head counts are the class defaults of transformers 5.23.0
``models/glm4v/configuration_glm4v.py``; no AutoGLM ``config.json`` could be read when this was written. They
are sure: with them the Q4_K_M file comes to the published 5.74 GiB (issue #230 of Open-AutoGLM). Context
65,536 is what published copies state (class default 32,768). RoPE: half of each head (64 of 128 dimensions),
base 10,000; M-RoPE sections 8, 12, 12 by the class default, with a fourth, unused one in GGUF.
"""

_Rows = tuple[tuple[str, tuple[int, ...]], ...]


def _glm4(model: ModelShapes) -> _Rows:
    n, q, kv = model.embedding, model.heads * model.head_dim, model.kv_heads * model.head_dim
    return (
        ("attn_norm.weight", (n,)),
        ("attn_q.weight", (n, q)),
        ("attn_q.bias", (q,)),
        ("attn_k.weight", (n, kv)),
        ("attn_k.bias", (kv,)),
        ("attn_v.weight", (n, kv)),
        ("attn_v.bias", (kv,)),
        ("attn_output.weight", (q, n)),
        ("post_attention_norm.weight", (n,)),
        ("ffn_norm.weight", (n,)),
        ("ffn_up.weight", (n, 2 * model.feed_forward)),
        ("ffn_down.weight", (model.feed_forward, n)),
        ("post_ffw_norm.weight", (n,)),
    )


def _chatglm(model: ModelShapes) -> _Rows:
    n, q, kv = model.embedding, model.heads * model.head_dim, model.kv_heads * model.head_dim
    return (
        ("attn_norm.weight", (n,)),
        ("attn_q.weight", (n, q)),
        ("attn_k.weight", (n, kv)),
        ("attn_v.weight", (n, kv)),
        ("attn_output.weight", (q, n)),
        ("ffn_norm.weight", (n,)),
        ("ffn_up.weight", (n, 2 * model.feed_forward)),
        ("ffn_down.weight", (model.feed_forward, n)),
    )


def _qwen3(model: ModelShapes) -> _Rows:
    n, q, kv = model.embedding, model.heads * model.head_dim, model.kv_heads * model.head_dim
    return (
        ("attn_norm.weight", (n,)),
        ("attn_q.weight", (n, q)),
        ("attn_q_norm.weight", (model.head_dim,)),
        ("attn_k.weight", (n, kv)),
        ("attn_k_norm.weight", (model.head_dim,)),
        ("attn_v.weight", (n, kv)),
        ("attn_output.weight", (q, n)),
        ("ffn_norm.weight", (n,)),
        ("ffn_gate.weight", (n, model.feed_forward)),
        ("ffn_up.weight", (n, model.feed_forward)),
        ("ffn_down.weight", (model.feed_forward, n)),
    )


LAYOUTS: Mapping[str, Callable[[ModelShapes], _Rows]] = {"glm4": _glm4, "chatglm": _chatglm, "qwen3": _qwen3}
"""What a layer consists of, by architecture."""


def layer_shapes(model: ModelShapes, layer: int) -> tuple[TensorShape, ...]:
    """The tensors of one layer, in file order."""
    rows = LAYOUTS[model.architecture](model)
    return tuple(TensorShape(f"blk.{layer}.{name}", shape) for name, shape in rows)


def text_shapes(model: ModelShapes = AUTOGLM_PHONE_9B) -> tuple[TensorShape, ...]:
    """Every tensor of the text model, in file order."""
    table = (model.embedding, model.vocabulary)
    layers = (shape for layer in range(model.layers) for shape in layer_shapes(model, layer))
    output = () if model.tied else (TensorShape("output.weight", table),)
    return (
        TensorShape("token_embd.weight", table),
        *layers,
        TensorShape("output_norm.weight", (model.embedding,)),
        *output,
    )


def shape_key(model: ModelShapes) -> str:
    """The widths of a layer and of the output: models that share it run equally fast per layer."""
    heads = f"{model.heads}-{model.kv_heads}x{model.head_dim}"
    return f"{model.architecture}-{model.embedding}-{model.feed_forward}-{heads}-{model.vocabulary}"


def layer_parameters(model: ModelShapes) -> int:
    """Weights of all layers' matrices (without norms and biases)."""
    rows = LAYOUTS[model.architecture](model)
    return model.layers * sum(math.prod(shape) for _name, shape in rows if len(shape) > 1)


def parameters(model: ModelShapes) -> int:
    """Weights of the text model; a tied matrix counts once."""
    layer = sum(math.prod(tensor.shape) for tensor in layer_shapes(model, 0))
    tables = model.embedding * model.vocabulary * (1 if model.tied else 2)
    return tables + model.layers * layer + model.embedding


def layer_of(name: str) -> int | None:
    """``blk.7.attn_q.weight`` → 7; None for tensors of no layer."""
    match = _BLOCK.match(name)
    return int(match.group(1)) if match else None


@dataclass(frozen=True)
class WeightTable:
    """Bytes of a text model's weights by where they go.

    ``embedding`` stays in host memory whatever is offloaded. ``layers`` go to a GPU from the last one
    backwards. ``output`` is the final norm with the output matrix; where the file has none (``tied``) that
    is a copy of the embedding. ``other`` (host) is what belongs to none of these.
    """

    embedding: int
    layers: tuple[int, ...]
    output: int
    other: int = 0
    tied: bool = False

    @property
    def total(self) -> int:
        """All tensors as stored in the file."""
        stored_output = self.output - self.embedding if self.tied else self.output
        return self.embedding + sum(self.layers) + stored_output + self.other

    @property
    def full_gpu(self) -> int:
        """What lies on the GPU with every layer there (``n_gpu_layers`` = layers + 1)."""
        return sum(self.layers) + self.output

    def on_gpu(self, gpu_layers: int) -> int:
        """Bytes on the GPU for llama.cpp's ``n_gpu_layers``: the output first, then layers from the last one.

        Negative means all, as there.
        """
        return self._on_gpu[gpu_layers if 0 <= gpu_layers < len(self._on_gpu) else -1]

    @cached_property
    def _on_gpu(self) -> tuple[int, ...]:
        """For every count of layers from none to all: a plan asks thousands of times."""
        return (0, *accumulate(reversed(self.layers), initial=self.output))


def weight_table(tensors: Iterable[tuple[str, int]]) -> WeightTable:
    """Sorts (name, bytes) of a text model into a WeightTable. Layers that are missing weigh 0."""
    embedding = output = output_norm = other = 0
    layers: dict[int, int] = {}
    for name, size in tensors:
        layer = layer_of(name)
        if layer is not None and layer < MAX_LAYERS:
            layers[layer] = layers.get(layer, 0) + size
        elif name.startswith("token_embd."):
            embedding += size
        elif name.startswith("output."):
            output += size
        elif name.startswith("output_norm."):
            output_norm += size
        else:
            other += size
    tied = output == 0
    return WeightTable(
        embedding=embedding,
        layers=tuple(layers.get(index, 0) for index in range(max(layers, default=-1) + 1)),
        output=(embedding if tied else output) + output_norm,
        other=other,
        tied=tied,
    )
