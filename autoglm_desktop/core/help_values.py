"""What would help, as values: a change, what the plan is before and after it, what has to be bought."""

from __future__ import annotations

from dataclasses import dataclass, field

from .cards import Cards
from .choice import DESIGNED
from .measured import Measurements
from .pace import NO_TABLE
from .prices import Part
from .rungs import CrashNote, EngineState
from .setting import DryRuns
from .verdict import RUNS_WELL, VERDICTS

KINDS = (
    "measure", "update_driver", "close_programs", "close_ram_programs", "q8_projector", "smaller_variant",
    "smaller_screenshots", "more_ram", "other_gpu",
)  # fmt: skip
"""What costs least first: of two that help the same, the earlier one is told."""
PURCHASES = ("more_ram", "other_gpu")
LOSSY = ("smaller_variant", "smaller_screenshots")
"""Never proposed where it runs well already: they cost quality."""

LEAST_GAIN = 0.10
"""A change that brings less is not told: estimates are no better than that."""


@dataclass(frozen=True)
class Outcome:
    """A plan in a few numbers. None: nothing fits (``rung``), or unknown (the figures)."""

    verdict: str
    rung: str | None = None
    variant: str | None = None
    tokens_per_s: float | None = None
    phone_step_s: float | None = None
    measured: bool = False

    @property
    def seconds(self) -> float | None:
        """What counts: a phone step, else one token."""
        if self.phone_step_s is not None:
            return self.phone_step_s
        return 1 / self.tokens_per_s if self.tokens_per_s else None


@dataclass(frozen=True)
class Held:
    """A program that holds memory, of a card or RAM."""

    name: str
    memory_bytes: int


@dataclass(frozen=True)
class Help:
    """A change and what it leads to. ``after`` None: nobody knows before it is done (``measure``).

    ``bytes``: memory that becomes free, or RAM in all; ``gpu``: the card's name; ``driver``: the least that is needed;
    ``screenshot``: its size; ``parts``: what would have to be bought and has a price, in any currency.
    """

    kind: str  # KINDS
    before: Outcome
    after: Outcome | None
    bytes: int | None = None
    gpu: str | None = None
    driver: str | None = None
    variant: str | None = None
    screenshot: str | None = None
    programs: tuple[Held, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def gain(self) -> float | None:
        """By how much the figure gets smaller: 0.5 is half the time. None where one of both is unknown."""
        if self.after is None or self.before.seconds is None or self.after.seconds is None:
            return None
        if (self.before.phone_step_s is None) != (self.after.phone_step_s is None):
            return None
        return 1 - self.after.seconds / self.before.seconds

    @property
    def worthwhile(self) -> bool:
        """Whether it improves the verdict, or the figure by LEAST_GAIN and the verdict not for the worse."""
        if self.after is None:
            return True
        if self.kind in LOSSY and self.before.verdict == RUNS_WELL:
            return False
        steps = VERDICTS.index(self.before.verdict) - VERDICTS.index(self.after.verdict)
        return steps > 0 or (steps == 0 and (self.gain or 0.0) >= LEAST_GAIN)

    @property
    def rank(self) -> tuple[int, bool, int, float, int]:
        """The most useful is least: what costs neither money nor quality, then the best verdict, what costs no money,
        of purchases the smaller one, the fastest."""
        if self.after is None:
            return (-2, False, 0, 0.0, 0)
        bought = self.kind in PURCHASES
        seconds = self.after.seconds
        lossless = not bought and self.kind not in LOSSY
        return (
            -1 if lossless else VERDICTS.index(self.after.verdict),
            bought,
            (self.bytes or 0) if bought else 0,
            seconds if seconds is not None else float("inf"),
            KINDS.index(self.kind),
        )


@dataclass(frozen=True)
class Planning:
    """What ``plan_model`` was given besides the machine and the model; ``here``: it is this very machine."""

    context: int | None = None
    variant: str | None = None
    engines: tuple[EngineState, ...] = ()
    crashes: tuple[CrashNote, ...] = ()
    measured: Measurements | None = None
    dry_runs: DryRuns = field(default_factory=dict)
    cards: Cards = NO_TABLE
    order: str = DESIGNED
    here: bool = True
