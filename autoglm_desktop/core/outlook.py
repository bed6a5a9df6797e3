"""How what is not here yet would run on this machine: a variant, what a repository offers, a download. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import AppError, Reason
from .rungs import RungPlan


@dataclass(frozen=True)
class Judged:
    """One variant. ``plan``: its best way, else the one that comes closest; None: nothing tells the model's shapes.
    ``word``: the verdict as in ModelPlan, ``headline`` the same as a sentence."""

    plan: RungPlan | None = None
    word: str | None = None
    headline: Reason | None = None


UNKNOWN = Judged()


@dataclass(frozen=True)
class RepositoryPlans:
    """``judged`` by an offer's id. ``recommended``: an offer's id; None where the shapes are unknown, where nothing
    fits, or where the repository holds several models. ``problem``: why a header could not be had."""

    judged: Mapping[str, Judged] = field(default_factory=dict)
    wish: str | None = None
    recommended: str | None = None
    problem: AppError | None = None

    def of(self, offer_id: str) -> Judged:
        """UNKNOWN where nothing is known."""
        return self.judged.get(offer_id, UNKNOWN)


NOTHING_JUDGED = RepositoryPlans()


@dataclass(frozen=True)
class Outlook:
    """``verdict`` as in ModelPlan, ``headline`` the same as a sentence; None where nothing tells the file's shapes.

    ``plan``: the way it would run, else the one that comes closest. ``instead``: a variant of the same repository or
    model that would run, where this one does not. ``problem``: why the file's header could not be had; the plan then
    comes from the table of shapes, if it is there at all."""

    verdict: str | None = None
    headline: Reason | None = None
    plan: RungPlan | None = None
    wish: str | None = None
    instead: str | None = None
    problem: AppError | None = None
