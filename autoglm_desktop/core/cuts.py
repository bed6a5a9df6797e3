"""A whole model's speed from small cuts of its shapes: which files to write. Pure (``core.cut_times`` reads the times).

Three cuts are enough, as layers repeat and a token takes the layers' times plus the output's:

- ``layers``: some layers whose mixture of tensor types is the model's, with hardly any words;
- ``head``: one layer with the output of all words (of fewer where the disk limit asks for it);
- ``attention``: layers with the model's heads but narrow elsewhere, so that a deep context is filled in no time.

Each weighs several times what a cache holds, so that weights come from memory as those of the whole model do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .gguf_types import TYPES, tensor_bytes
from .protocol import Measure
from .quantise import tensor_types
from .shapes import ModelShapes, TensorShape, layer_parameters, layer_shapes, shape_key, text_shapes

__all__ = ["Cut", "Cuts", "measure_job", "plan_cuts", "shape_key"]

DISK_LIMIT = 1_500_000_000
CUT_WORDS = 640
"""The vocabulary of cuts whose output does not matter; ``store.gguf_words`` needs about 350."""
LAYERS_BYTES, HEAD_BYTES = 300_000_000, 100_000_000
LAYERS_CACHES, HEAD_CACHES = 8, 3
"""What the layers' and the output's cut weigh at least, and how many times the last cache (assumptions; the share
that a cache holds of both cancels out in their difference)."""
MOST_LAYERS = 64
MORE_LAYERS = 4
"""How many layers beyond the least are tried for a mixture closer to the model's."""
CLOSE = 0.01
"""How far the chosen layers' mean bytes may be off the model's without a better mixture being looked for."""
ATTENTION_WIDTH, ATTENTION_TYPE = 256, "Q8_0"
ATTENTION = {False: (2, 4096), True: (16, 8192)}
"""On a CPU and on a GPU: layers and the deeper of two contexts, so that the difference stands out; near a phone step's
5,354 tokens, as a CPU's caches hold what stands before a token only up to some depth."""
ROUNDS = 40
FILE_BYTES = 4_000_000
"""Header and vocabulary of a file, about."""


@dataclass(frozen=True)
class Cut:
    """One file to write and time. ``types``: the ggml type of each tensor. ``layer_share``: the bytes of its layers, in
    layers of the model's mean size; ``depths``, ``time_share``: where, and how much of the time, it is timed."""

    name: str  # layers | head | attention
    shapes: ModelShapes
    types: tuple[tuple[str, str], ...]
    written_bytes: int  # without holes
    layer_share: float = 0.0
    depths: tuple[int, ...] = (0,)
    time_share: float = 1 / 3


@dataclass(frozen=True)
class Cuts:
    """The cuts of one variant of one model, in the order in which they are timed."""

    shape: str
    variant: str
    vocabulary: int
    layer_bytes: int  # of the model's mean layer
    layer_parameters: int
    layers: Cut
    head: Cut
    attention: Cut

    @property
    def files(self) -> tuple[Cut, Cut, Cut]:
        return (self.layers, self.head, self.attention)

    @property
    def written_bytes(self) -> int:
        """Of all files together."""
        return sum(cut.written_bytes for cut in self.files)


def measure_job(cut: Cut, model: str, job: Measure, limit_s: float) -> Measure:
    """The engine's job for one cut in the file ``model``. ``job`` says on what: backend, device, options …;
    ``limit_s``: for all cuts together, of which this one gets its share."""
    return replace(job, model=model, depths=cut.depths, rounds=ROUNDS, limit_s=limit_s * cut.time_share)


def plan_cuts(
    shapes: ModelShapes,
    variant: str,
    *,
    disk_limit: int = DISK_LIMIT,
    cache_bytes: int | None = None,
    gpu: bool = False,
    types: Mapping[str, str] | None = None,
) -> Cuts:
    """What to write for a variant. ``cache_bytes``: the device's last cache, all of it; ``gpu``: the device is one;
    ``types``: the model's tensor types where a header tells them (None: as llama.cpp's quantiser gives them).

    ValueError for a variant that is not known, and where ``disk_limit`` has no room for two layers and an output.
    """
    model = _Model(shapes, _types(shapes, variant) if types is None else types)
    attention = _attention(shapes, *ATTENTION[gpu])
    budget = disk_limit - attention.written_bytes
    cache = cache_bytes or 0
    output = min(max(HEAD_BYTES, HEAD_CACHES * cache), model.output_bytes(shapes.vocabulary))
    for least_output in (output, 0):
        for count in model.counts(max(LAYERS_BYTES, LAYERS_CACHES * cache)):
            body = model.layers_cut(count)
            head = model.head_cut(budget - body.written_bytes)
            if head is not None and model.output_bytes(head.shapes.vocabulary) >= least_output:
                return Cuts(
                    shape_key(shapes), variant, shapes.vocabulary, round(model.mean),
                    layer_parameters(shapes) // shapes.layers, body, head, attention,
                )  # fmt: skip
    raise ValueError(f"no cuts of {variant} in {disk_limit} bytes")


class _Model:
    """A model's layers by what they are made of."""

    def __init__(self, shapes: ModelShapes, types: Mapping[str, str]) -> None:
        self._shapes = shapes
        self._types = types
        tensors = [layer_shapes(shapes, layer) for layer in range(shapes.layers)]
        self._sizes = [sum(self._bytes(tensor) for tensor in layer) for layer in tensors]
        self.mean = sum(self._sizes) / len(self._sizes)
        kinds: dict[tuple[str, ...], list[int]] = {}
        for index, layer in enumerate(tensors):
            kinds.setdefault(tuple(types[tensor.name] for tensor in layer), []).append(index)
        self._kinds = sorted(kinds.values(), key=len, reverse=True)

    def counts(self, least_bytes: float) -> Iterator[int]:
        """Numbers of layers to try, the best first: enough bytes and a close mixture; at last two."""
        least = min(max(3, math.ceil(least_bytes / self.mean)), MOST_LAYERS)
        range_ = range(least, least + MORE_LAYERS + 1)
        yield from sorted(range_, key=lambda count: (self._off(count) > CLOSE, count))
        yield from range(least - 1, 1, -1)

    def layers_cut(self, count: int) -> Cut:
        return self._cut("layers", self._mixture(count), CUT_WORDS, time_share=0.45)

    def head_cut(self, budget: int) -> Cut | None:
        """One layer and the output of as many words as the budget allows; None where that is next to nothing."""
        typical = min(range(len(self._sizes)), key=lambda index: abs(self._sizes[index] - self.mean))
        words = self._shapes.vocabulary
        cut = self._cut("head", [typical], words, time_share=0.2)
        if cut.written_bytes > budget:
            words = (budget - FILE_BYTES - self._sizes[typical]) // self.output_bytes(1)
            cut = self._cut("head", [typical], max(words, 1), time_share=0.2)
        return cut if words >= min(4 * CUT_WORDS, self._shapes.vocabulary) else None

    def output_bytes(self, words: int) -> int:
        """Of the output matrix, as one token reads it."""
        name = "token_embd.weight" if self._shapes.tied else "output.weight"
        return tensor_bytes(TYPES[self._types[name]], (self._shapes.embedding, words))

    def _bytes(self, tensor: TensorShape) -> int:
        return tensor_bytes(TYPES[self._types[tensor.name]], tensor.shape)

    def _mixture(self, count: int) -> list[int]:
        """Layers to stand for the model: all but the last by the shares of its kinds (largest remainder), as a prefill
        computes those whole; the last so that the bytes come near the mean."""
        wanted = [(count - 1) * len(kind) / len(self._sizes) for kind in self._kinds]
        taken = [int(number) for number in wanted]
        by_rest = sorted(range(len(taken)), key=lambda index: taken[index] - wanted[index])
        for index in by_rest[: count - 1 - sum(taken)]:
            taken[index] += 1
        chosen = [kind[0] for kind, number in zip(self._kinds, taken, strict=True) for _ in range(number)]
        total = sum(self._sizes[index] for index in chosen)
        last = min(
            (kind[0] for kind in self._kinds),
            key=lambda index: abs(total + self._sizes[index] - count * self.mean),
        )
        return [*chosen, last]

    def _off(self, count: int) -> float:
        """How far the whole layers of a prefill are off the model's mean, relative."""
        chosen = self._mixture(count)[:-1]
        return abs(sum(self._sizes[index] for index in chosen) / len(chosen) / self.mean - 1)

    def _cut(self, name: str, layers: list[int], words: int, time_share: float) -> Cut:
        shapes = replace(self._shapes, layers=len(layers), vocabulary=words)
        types = {}
        for tensor in text_shapes(shapes):
            source = tensor.name
            if tensor.layer is not None:
                source = source.replace(f"blk.{tensor.layer}.", f"blk.{layers[tensor.layer]}.")
            types[tensor.name] = self._types[source]
        size = sum(self._sizes[index] for index in layers)
        written = FILE_BYTES + size + self.output_bytes(words)
        return Cut(name, shapes, tuple(types.items()), written, size / self.mean, time_share=time_share)


def _types(shapes: ModelShapes, variant: str) -> dict[str, str]:
    """By llama.cpp's quantiser. ValueError for an unknown variant."""
    found = tensor_types(text_shapes(shapes), variant, grouped_queries=shapes.grouped_queries)
    return {name: kind.name for name, kind in found.items()}


def _attention(shapes: ModelShapes, layers: int, depth: int) -> Cut:
    narrow = replace(
        shapes,
        layers=layers,
        context=max(shapes.context, 2 * depth),
        embedding=ATTENTION_WIDTH,
        feed_forward=ATTENTION_WIDTH,
        vocabulary=CUT_WORDS,
    )
    types = _types(narrow, ATTENTION_TYPE)
    size = sum(tensor_bytes(TYPES[types[tensor.name]], tensor.shape) for tensor in text_shapes(narrow))
    return Cut("attention", narrow, tuple(types.items()), size, depths=(0, depth), time_share=0.35)
