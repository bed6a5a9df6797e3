"""Which model of several to get for a machine: the one that the demo points to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .rungs import ModelPlan
from .verdict import CANNOT, RUNS, RUNS_WELL, SLOW, TOKENS_PER_S

UNMEASURED = ("fits_step_unmeasured", "fits_speed_unmeasured")
"""Headlines of what fits at a speed that nobody knows."""


def best_model(plans: Sequence[ModelPlan], phone: Collection[str]) -> ModelPlan | None:
    """The best of the catalogue's models, in its order; None where nothing fits. ``phone``: ids of those that drive
    phones.

    A phone model that runs (well) comes first, also where only its pictures were never measured, or where it lies on a
    card at least in part at a speed that nobody knows: that is what people come for. Else the largest of the others
    that runs well, then that runs; then what fits at an unknown speed, and of what is slow the smallest.
    """
    fitting = [plan for plan in plans if plan.recommended is not None and plan.verdict != CANNOT]
    return min(fitting, key=lambda plan: _rank(plan, plan.id in phone), default=None)


def verdict_of(plan: ModelPlan) -> str | None:
    """runs_well | runs | slow; None: it fits, at a speed that nobody knows."""
    return None if plan.verdict == SLOW and plan.headline.code in UNMEASURED else plan.verdict


def _rank(plan: ModelPlan, phone: bool) -> tuple[int, int]:
    """Group, then bytes where they decide. ``min`` keeps the catalogue's order where both are equal."""
    verdict, size = verdict_of(plan), _bytes(plan)
    if phone and (verdict in (RUNS_WELL, RUNS) or _decodes(plan) or (verdict is None and _on_card(plan))):
        return (0 if verdict == RUNS_WELL else 1), 0
    if verdict == RUNS_WELL:
        return 2, -size
    if verdict == RUNS:
        return 3, -size
    return (4, 0) if verdict is None else (5, size)


def _on_card(plan: ModelPlan) -> bool:
    return plan.recommended is not None and not plan.recommended.rung.startswith("gguf-cpu")


def _decodes(plan: ModelPlan) -> bool:
    """Whether it writes fast enough to run, and nothing tells how long it looks at a picture."""
    tokens = plan.headline.as_dict().get("tokens_per_s")
    return plan.headline.code == UNMEASURED[0] and isinstance(tokens, float) and tokens >= TOKENS_PER_S[1]


def _bytes(plan: ModelPlan) -> int:
    """Of the download; 0 of what is here already or of unknown size."""
    return (plan.recommended.download_bytes or 0) if plan.recommended is not None else 0
