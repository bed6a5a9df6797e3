"""The glm4 text model as tensors, and what its weights weigh.

Names and order are those of a GGUF file of llama.cpp's architecture ``glm4`` (``src/models/glm4.cpp`` of
llama.cpp 0c1e57098; ``ffn_up`` holds gate and up fused, gate first). Shapes are in ggml's order: row length
first. Sizes in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

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
class Glm4Shapes:
    """Numbers that fix every tensor of a glm4 text model. ``feed_forward`` is the width behind SwiGLU."""

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

    def with_layers(self, layers: int) -> Glm4Shapes:
        """The same model cut to ``layers`` layers (the speed of a whole model is told from small cuts)."""
        return replace(self, layers=layers)

    def kv_bytes_per_token(self, bits_per_element: float = 16.0) -> float:
        """K and V of one token in all layers, bytes (f16: 16 bits; q8_0: 8.5)."""
        return 2 * self.layers * self.kv_heads * self.head_dim * bits_per_element / 8


AUTOGLM_PHONE_9B = Glm4Shapes(
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


def layer_shapes(model: Glm4Shapes, layer: int) -> tuple[TensorShape, ...]:
    """The tensors of one layer, in file order."""
    n, q, kv = model.embedding, model.heads * model.head_dim, model.kv_heads * model.head_dim
    rows: tuple[tuple[str, tuple[int, ...]], ...] = (
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
    return tuple(TensorShape(f"blk.{layer}.{name}", shape) for name, shape in rows)


def text_shapes(model: Glm4Shapes = AUTOGLM_PHONE_9B) -> tuple[TensorShape, ...]:
    """Every tensor of the text model, in file order."""
    table = (model.embedding, model.vocabulary)
    layers = (shape for layer in range(model.layers) for shape in layer_shapes(model, layer))
    return (
        TensorShape("token_embd.weight", table),
        *layers,
        TensorShape("output_norm.weight", (model.embedding,)),
        TensorShape("output.weight", table),
    )


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
        if gpu_layers == 0:
            return 0
        if gpu_layers < 0:
            return self.full_gpu
        repeating = min(gpu_layers - 1, len(self.layers))
        return self.output + sum(self.layers[len(self.layers) - repeating :])


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
