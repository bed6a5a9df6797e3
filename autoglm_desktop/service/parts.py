"""What the routes work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..core.protocol import Sampling
from ..usecases.phone_step import See
from ..usecases.pictures import Pictures
from ..usecases.serve import Served, ServeOptions, gate_for
from ..usecases.serve_gate import Gate
from ..usecases.targets import Target
from .metrics import Metrics

IsPhone: TypeAlias = Callable[[Target | None], bool]
"""Whether a model's replies are cleaned for the phone agent."""

SamplingOf: TypeAlias = Callable[[Target | None], Sampling]
"""How a model samples where a request does not say."""


def usual(_target: Target | None) -> Sampling:
    """The engines' own, whatever model it is."""
    return Sampling()


@dataclass(frozen=True)
class Parts:
    """One service over one session. ``pictures`` None: it takes no images. ``see``: ``usecases.pictures.seeing`` of
    the library, what of a target can look at pictures."""

    session: Served
    options: ServeOptions
    gate: Gate
    metrics: Metrics
    is_phone: IsPhone
    sampling: SamplingOf
    pictures: Pictures | None
    see: See


def parts_for(
    session: Served,
    options: ServeOptions,
    *,
    is_phone: IsPhone = lambda _target: False,
    sampling: SamplingOf = usual,
    gate: Gate | None = None,
    metrics: Metrics | None = None,
    pictures: Pictures | None = None,
    see: See = lambda target: target,
) -> Parts:
    """The parts with what nobody gave made here."""
    queue = gate or gate_for(session, options)
    return Parts(
        session, options, queue, metrics or Metrics(session, queue), is_phone, sampling, pictures, see
    )
