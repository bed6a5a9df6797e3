"""The plan of now, and the planner asked again with one change. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import choice
from .help_values import Outcome, Planning
from .ladder import plan_model
from .limits import best_gpu, companions
from .machine import Gpu, Machine
from .prices import Prices
from .rungs import ModelPlan, RungPlan
from .setting import Setting
from .subject import GgufWeights, Subject, at_least_4_bits
from .verdict import CANNOT, SLOW, judge
from .wishes import need_for

USUAL_VARIANT = "Q4_K_M"


@dataclass(frozen=True)
class Now:
    """The plan of now, and the few variants with which changes are planned."""

    machine: Machine
    subject: Subject
    plan: ModelPlan
    planning: Planning
    prices: Prices
    row: RungPlan
    before: Outcome

    @property
    def gpu(self) -> Gpu | None:
        return best_gpu(self.machine)

    @property
    def narrowed(self) -> Subject:
        wanted = {self.row.variant}
        if not at_least_4_bits(self.row.variant or ""):
            wanted.add(USUAL_VARIANT)
        found = tuple(weights for weights in self.subject.gguf if weights.variant in wanted)
        return replace(self.subject, gguf=found, safetensors=None) if found else self.subject

    def planned(self, machine: Machine, subject: Subject | None = None, **more: Any) -> Outcome:
        """By the planner, on another machine or with another model."""
        asked = self.planning
        given: dict[str, Any] = {
            "context": asked.context, "variant": asked.variant, "engines": asked.engines, "crashes": asked.crashes,
            "measured": asked.measured, "dry_runs": asked.dry_runs, "cards": asked.cards, "order": asked.order,
        }  # fmt: skip
        return outcome(plan_model(machine, subject or self.narrowed, self.plan.wish, **{**given, **more}))

    def setting(self, image_tokens: int) -> Setting:
        """For placements with a screenshot of so many tokens."""
        asked, card = self.planning, self.gpu
        need = need_for(self.subject, self.plan.wish, asked.context, image_tokens)
        return Setting(
            self.machine, self.subject, need, card, asked.engines, asked.crashes,
            companions(self.machine, card) if self.row.layers_by_gpu else (), asked.measured, asked.dry_runs,
            asked.cards,
        )  # fmt: skip

    @property
    def weights(self) -> GgufWeights | None:
        return self.subject.weights(self.row.variant or "")


def outcome(plan: ModelPlan) -> Outcome:
    """Of a whole ladder."""
    row = best_row(plan)
    return of_row(row, plan) if row is not None else Outcome(plan.verdict)


def best_row(plan: ModelPlan) -> RungPlan | None:
    """What is recommended, engine or not; else what comes closest."""
    if plan.recommended is not None:
        return plan.rung(plan.recommended.rung)
    return choice.nearest(plan.ladder)


def of_row(row: RungPlan, plan: ModelPlan) -> Outcome:
    if row.status != "fits" or plan.verdict == CANNOT:
        return Outcome(CANNOT)
    measured = row.basis.speed == "measured"
    word = judge(row, plan.wish) or SLOW
    return Outcome(word, row.rung, row.variant, row.tokens_per_s, row.phone_step_s, measured)
