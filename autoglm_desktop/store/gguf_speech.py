"""How a model with random layers says fixed sentences: a table of successors in embedding and output.

Each token of ``gguf_words.SENTENCES`` has an embedding in a direction of its own, and its successor's row of
the output matrix points there; one more direction stands for every other token. All other rows of the output
matrix are zero, so the end of the text is never likely (unless the table asks for it).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.gguf_types import GgmlType
from ..core.shapes import Glm4Shapes, TensorShape
from .gguf_blocks import quantise_rows
from .gguf_words import Vocabulary

_FIRM, _LIKELY, _POSSIBLE = 24.0, 24.0, 22.0  # logits: the next piece; the next sentence; another one


@dataclass(frozen=True)
class Speech:
    """Rows of the embedding and the output matrix; ``pool``: what other tokens are embedded as."""

    embedded: Mapping[int, npt.NDArray[np.float32]]
    rows: Mapping[int, npt.NDArray[np.float32]]
    pool: npt.NDArray[np.float32]

    def embedding(self, shape: TensorShape, kind: GgmlType) -> Iterator[memoryview]:
        filler = quantise_rows(kind, self.pool).reshape(len(self.pool), -1)
        yield from _stream(
            filler, {key: quantise_rows(kind, row) for key, row in self.embedded.items()}, shape
        )

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


def make_speech(model: Glm4Shapes, words: Vocabulary, ends: bool, rng: np.random.Generator) -> Speech:
    """A direction for each spoken token, one more for everything else, and who points to whom."""
    width = model.embedding
    spoken = [token for sentence in words.sentences for token in sentence]
    directions = _directions(len(spoken) + 1, width, rng)
    own, anything = dict(zip(spoken, directions, strict=False)), directions[-1]
    rows: dict[int, npt.NDArray[np.float64]] = {}

    def follow(direction: npt.NDArray[np.float64], token: int, logit: float) -> None:
        rows[token] = rows.get(token, np.zeros(width)) + logit * direction

    starts = [sentence[0] for sentence in words.sentences]
    for number, sentence in enumerate(words.sentences):
        follow(anything, starts[number], _POSSIBLE if number else _LIKELY)
        for token, successor in itertools.pairwise(sentence):
            follow(own[token], successor, _FIRM)
        if ends:
            follow(own[sentence[-1]], words.special("<|user|>"), _FIRM)
        else:
            follow(own[sentence[-1]], starts[(number + 1) % len(starts)], _LIKELY)
            follow(own[sentence[-1]], starts[(number + 2) % len(starts)], _POSSIBLE)
    noise = rng.standard_normal((min(256, model.vocabulary), width))
    noise -= noise @ directions.T @ directions
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    length = math.sqrt(width)  # rows of root mean square 1, as the final norm makes them
    return Speech(
        embedded={token: (length * own[token]).astype(np.float32) for token in spoken},
        rows={token: (row / length).astype(np.float32) for token, row in rows.items()},
        pool=(length * (0.9 * anything + 0.436 * noise)).astype(np.float32),  # 0.9² + 0.436² = 1
    )


def _directions(count: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Orthogonal unit vectors; ValueError where ``width`` has no room for ``count`` and one more."""
    if count >= width:
        raise ValueError(f"an embedding of {width} is too narrow for {count} directions")
    return np.ascontiguousarray(np.linalg.qr(rng.standard_normal((width, count)))[0].T)
