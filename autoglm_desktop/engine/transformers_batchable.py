"""Whether transformers writes several answers of a loaded model at once: what is known, and a trial for the rest."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import Any

from ..core import protocol
from . import transformers_load as loading
from .transformers_failures import first_paragraph, kind_of
from .transformers_proof import QUANTISED, bytes_by_device

TRIAL_TOKENS = 2
TRIAL_S = 120.0
"""A forward of the trial takes two tokens of each answer; a model that is so slow is no one's to share."""


def has_pictures(request: protocol.Generate) -> bool:
    """Whether a request has parts that are no text: transformers' batches know token ids only."""
    return any(
        isinstance(message.content, list) and any(part.get("type") != "text" for part in message.content)
        for message in request.messages
    )


def not_batched(loaded: loading.Loaded) -> str | None:
    """Why not, before anything is tried; None: nothing is known against it."""
    if not hasattr(loaded.model, "init_continuous_batching"):
        return "this transformers has no continuous batching"
    devices = [device for device in bytes_by_device(loaded.model) if device != "ram"]
    if len(devices) > 1:
        return f"the model lies on {len(devices)} cards, the paged cache on one"
    if any(type(module).__name__ == QUANTISED["int8"] for module in loaded.model.modules()):
        return "int8 finds its outliers in all answers together: each would depend on what the others say"
    return None


def tried(loaded: loading.Loaded, width: int) -> str | None:
    """Why transformers can't, after two short answers at once. The cells are free again afterwards."""
    try:
        from .transformers_paged import Paged
    except ImportError as error:  # another version has it elsewhere
        return f"this transformers has another continuous batching: {error}"
    answers = _Trial()
    try:
        paged = Paged(loaded, width, answers)
    except Exception as error:  # noqa: BLE001 - whatever it is, this model is served one answer at a time
        return _told(error)
    try:
        for number in range(2):
            paged.add(str(number), [0] * (number + 2), TRIAL_TOKENS, frozenset())
        return answers.result(2)
    finally:
        paged.close()


class _Trial:
    """Takes part in a batch as ``transformers_paged.Answers``, and notes what came."""

    def __init__(self) -> None:
        self._ends: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def matched(self, request: str, tokens: int) -> None: ...

    def choose(self, request: str, logits: Any) -> int | None:
        if not bool(logits.isfinite().all()):
            self._ends.put(ValueError("not_finite: the batch's answers are no numbers"))
        return 0

    def came(self, request: str, tokens: Sequence[int]) -> None:
        if len(tokens) >= TRIAL_TOKENS:
            self._ends.put(None)

    def failed(self, request: str, error: Exception) -> None:
        self._ends.put(error)

    def result(self, count: int) -> str | None:
        for _ in range(count):
            try:
                error = self._ends.get(timeout=TRIAL_S)
            except queue.Empty:
                return f"a trial took more than {TRIAL_S:.0f} s"
            if error is not None:
                return _told(error)
        return None


def _told(error: Exception) -> str:
    kind = kind_of(error) or "unsupported"
    return f"{kind}: {type(error).__name__}: {first_paragraph(str(error))}"
