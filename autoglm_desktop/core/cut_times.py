"""What the times of a model's cuts say about the whole of it. Pure; seconds, tokens.

For one token a cut takes ``layer_share`` x layer + words x row: two cuts tell both. llama.cpp computes the last
layer's feed-forward for the last token of a batch only (``inp_out_ids`` in ``src/models/*.cpp``), so a prefill of n
layers takes n - 1 whole layers and what a cut of one layer takes. A token more in the context takes what the narrow
layers' times grow by between two depths, per layer.

The median of an answer's rounds counts (what else a machine does is spread over a whole model's token, too), of
several answers the smallest; where there were only one or two rounds, the shortest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .cuts import Cut, Cuts
from .measured import LayerSpeed
from .protocol import Measured

SLACK = 0.05
"""How far below zero an output's time may come out, as a share of its cut's, to count as zero."""
BUSY = 2.0
"""Where half of the rounds take this many times the shortest, others use the device: the shortest proves nothing."""
MEDIAN_ROUNDS = 3
SLOWEST_PREFILL = 1.5
"""A token of a prefill takes at most this many times a decoded one; beyond, something else was at work."""

Times = Mapping[str, Sequence[Measured]]
"""The answers for each cut, by its name; a cut may be timed several times."""


def solve(cuts: Cuts, device: str, times: Times, *, engine: str = "", build: str = "") -> LayerSpeed | None:
    """The speed of the model's layers on ``device``; None where the times are missing or contradict themselves.

    ``decode_cell_s`` and ``prefill_cell_s`` are None where only those of the attention do.
    """
    body, head = _Cut(cuts.layers, times), _Cut(cuts.head, times)
    if not (body.complete and head.complete) or is_busy(cuts, times):
        return None
    decode = _decode(cuts, body, head)
    if decode is None:
        return None
    layer, row = decode
    whole = cuts.layers.shapes.layers - 1
    one = head.prefill - row * (cuts.head.shapes.vocabulary - cuts.layers.shapes.vocabulary)
    prefill = (body.prefill - one) / whole / body.batch
    if not 0 < prefill < SLOWEST_PREFILL * layer:
        return None
    rest = head.prefill + row * (cuts.vocabulary - cuts.head.shapes.vocabulary)
    return LayerSpeed(
        device=device,
        shape=cuts.shape,
        variant=cuts.variant,
        decode_layer_s=layer,
        decode_head_s=row * cuts.vocabulary,
        prefill_layer_s=prefill,
        prefill_head_s=rest - prefill * body.batch,
        decode_cell_s=_per_cell(cuts.attention, times, "decode"),
        prefill_cell_s=_per_cell(cuts.attention, times, "prefill"),
        batch=body.batch,
        threads=times[cuts.layers.name][0].threads,
        layer_bytes=cuts.layer_bytes,
        layer_parameters=cuts.layer_parameters,
        engine=engine,
        build=build,
    )


def is_busy(cuts: Cuts, times: Times) -> bool:
    """Whether something else used the device so much that nothing can be said."""
    for cut in (cuts.layers, cuts.head):
        points = [
            point for answer in times.get(cut.name, ()) for point in answer.points if point.kind == "decode"
        ]
        if points and min(point.seconds for point in points) > BUSY * min(point.least for point in points):
            return True
    return False


class _Cut:
    """The times of a cut with an empty context."""

    def __init__(self, cut: Cut, times: Times) -> None:
        points = _typical(times.get(cut.name, ()))
        self.complete = ("decode", 0) in points and ("prefill", 0) in points
        self.decode, _one = points.get(("decode", 0), (0.0, 1))
        self.prefill, self.batch = points.get(("prefill", 0), (0.0, 1))


def _typical(answers: Iterable[Measured]) -> dict[tuple[str, int], tuple[float, int]]:
    """(kind, depth) → (seconds, tokens)."""
    found: dict[tuple[str, int], tuple[float, int]] = {}
    for point in (point for answer in answers for point in answer.points):
        key = (point.kind, point.depth)
        seconds = point.seconds if point.rounds >= MEDIAN_ROUNDS else point.least
        if key not in found or seconds < found[key][0]:
            found[key] = (seconds, point.tokens)
    return found


def _decode(cuts: Cuts, body: _Cut, head: _Cut) -> tuple[float, float] | None:
    """(seconds of a mean layer, seconds of a row of the output) for one token."""
    share, words = cuts.layers.layer_share, cuts.layers.shapes.vocabulary
    head_share, head_words = cuts.head.layer_share, cuts.head.shapes.vocabulary
    determinant = share * head_words - head_share * words
    if determinant <= 0:
        return None
    layer = (body.decode * head_words - head.decode * words) / determinant
    row = (head.decode - head_share * layer) / head_words
    if layer <= 0 or row * head_words < -SLACK * head.decode:
        return None
    return layer, max(row, 0.0)


def _per_cell(cut: Cut, times: Times, kind: str) -> float | None:
    """Seconds that a token takes longer in one layer for each token before it; None where that is no slope."""
    points = {
        depth: value for (found, depth), value in _typical(times.get(cut.name, ())).items() if found == kind
    }
    if len(points) < 2:
        return None
    near, far = min(points), max(points)
    (least, tokens), (most, _same) = points[near], points[far]
    slope = (most - least) / (far - near) / tokens / cut.shapes.layers
    return slope if slope > 0 else None
