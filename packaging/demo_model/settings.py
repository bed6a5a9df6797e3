"""What fixes the demo model: places, seeds, shapes and the training's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
LANGUAGES = ("en", "zh")
SEED = 20261121
"""Of the split into training and held-out phrasings, and of everything random."""

HELD_OUT = 0.2
"""Of each answer's phrasings in each language, never trained on."""
FIRST = 18
"""An answer's first phrasings are the most different ones; what follows are variants (the corpus' README). A fifth of
each of the two parts is held out, so that the first ones' figure can be told by itself."""
VALIDATION_OF_OUTSIDE = 0.04
"""Of the out-of-scope training questions, kept back to choose a checkpoint by; of each answer one phrasing is."""

OUTSIDE = "out-of-scope"


@dataclass(frozen=True)
class Shape:
    """A Glm4ForCausalLM of less than 4,000,000 parameters.

    Rows are multiples of 256 (K-quants) and all widths multiples of 64 (nf4's blocks). Embedding and output are two
    matrices: nf4-lean keeps the embedding in RAM and refuses tied ones (``engine/transformers_lean.py``).
    """

    vocabulary: int = 2944
    hidden: int = 256
    feed_forward: int = 512
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    context: int = 512
    rope_theta: float = 10_000.0


@dataclass(frozen=True)
class Training:
    """``minutes``: what the training may take; the learning rate falls to nothing over them. Batches of ``rows`` ×
    ``length`` tokens hold single questions; every ``long_every``-th one is of ``long_rows`` × ``long_length``:
    conversations. ``whole``: share of single questions with their whole answer; the others end behind the words that
    decide, so that more questions are seen in the same time. ``places``: predictions of a batch that are
    counted. ``split``: chance that a token of a question stands in two pieces, in ``split_share`` of the questions.
    ``average``: of the weights, kept beside them; what is exported. ``patience``: validations without a better one."""

    minutes: float = 70.0
    threads: int = 2
    seed: int = SEED
    rows: int = 32
    length: int = 128
    long_rows: int = 8
    long_length: int = 512
    places: int = 2048
    long_places: int = 3584
    long_every: int = 4
    learning_rate: float = 1.5e-3
    warm_up_steps: int = 200
    last_share: float = 0.02
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    dropout: float = 0.2
    average: float = 0.999
    whole: float = 0.25
    outside: float = 0.25
    split: float = 0.15
    split_share: float = 0.35
    compiled: bool = True
    bf16: bool = True
    checkpoint_minutes: float = 4.0
    validate_minutes: float = 2.0
    patience: int = 15
