"""What is set for one conversation: kept as one JSON value beside it. None everywhere: as the model has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .protocol import Sampling

RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1_000_000),
    "min_p": (0.0, 1.0),
    "max_tokens": (1, 1_000_000),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
    "seed": (0, 2**32 - 1),
}
"""Least and most of each number: temperature, top_p and penalties as the OpenAI interface has them, the seed as
llama.cpp's (32 bits), the rest only to refuse nonsense."""
WHOLE = ("top_k", "max_tokens", "seed")
WORDS = ("system", "model", "endpoint")
LONGEST_WORDS = 1_000_000
"""Characters of a system prompt; the context, counted in tokens, ends long before."""


@dataclass(frozen=True)
class ConversationSettings:
    """``model``: the name of the local model it was set to; ``endpoint``: the id of a remote one instead, then
    ``model`` is what that calls it. ``system``: the system prompt."""

    system: str = ""
    model: str | None = None
    endpoint: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None

    def sampling(self, defaults: Sampling) -> Sampling:
        """The model's sampling with what is set here in its place."""
        own = {name: getattr(self, name) for name in RANGES}
        return dataclasses.replace(
            defaults, **{name: value for name, value in own.items() if value is not None}
        )

    def reset(self) -> ConversationSettings:
        """All numbers as the model has them; the system prompt and what answers stay."""
        return ConversationSettings(system=self.system, model=self.model, endpoint=self.endpoint)


AS_THE_MODEL_HAS_IT = ConversationSettings()


def to_json(settings: ConversationSettings) -> dict[str, object]:
    """What is set, and nothing else."""
    values = dataclasses.asdict(settings)
    return {name: value for name, value in values.items() if value is not None and value != ""}


def from_json(data: object) -> tuple[ConversationSettings, tuple[str, ...]]:
    """(settings, the keys whose values cannot be used): those are left as the model has them. Unknown keys are
    ignored."""
    if not isinstance(data, dict):
        return ConversationSettings(), ("settings",)
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for name in (*WORDS, *RANGES):
        value = data.get(name)
        if value is None:
            continue
        if _fits(name, value):
            found[name] = value if name in WORDS or name in WHOLE else float(value)
        else:
            wrong.append(name)
    return ConversationSettings(**found), tuple(wrong)


def _fits(name: str, value: object) -> bool:
    if name in WORDS:
        return isinstance(value, str) and len(value) <= LONGEST_WORDS
    if isinstance(value, bool) or not isinstance(value, int if name in WHOLE else (int, float)):
        return False
    least, most = RANGES[name]
    return least <= value <= most  # not a number fits nowhere
