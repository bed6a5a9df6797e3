"""Plans on a checked machine as ``check`` makes them: of whole models, of files, and of one variant at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..core import choice, verdict
from ..core.errors import Reason
from ..core.ladder import plan_model
from ..core.machine import Machine
from ..core.outlook import Judged
from ..core.protocol import Layout
from ..core.rungs import CrashNote, EngineState, ModelPlan
from ..core.subject import Subject
from .dry_runs import Head, Remembered, layouts
from .knowledge import Knowledge
from .plan import crash_notes
from .services import Services


@dataclass(frozen=True)
class Judge:
    """``known.dry_runs`` and what engines told before (``remembered``) count; no engine is asked."""

    machine: Machine
    engines: tuple[EngineState, ...]
    crashes: tuple[CrashNote, ...]
    known: Knowledge
    remembered: Remembered

    def plan(
        self,
        subject: Subject,
        heads: Mapping[str, Head],
        wish: str | None = None,
        variant: str | None = None,
        crashes: tuple[CrashNote, ...] | None = None,
    ) -> ModelPlan:
        """The ladder; once more with the buffers that dry runs of its layouts told. ``crashes`` None: the machine's."""

        def planned(**more: Any) -> ModelPlan:
            return plan_model(
                self.machine,
                subject,
                wish,
                variant=variant,
                engines=self.engines,
                crashes=self.crashes if crashes is None else crashes,
                **self.known.for_plans,
                **more,
            )

        found = planned()
        laid = layouts(found, self.machine)
        wanted = {(name, layout) for name, some in laid.items() for layout in some}
        before = self.known.dry_runs.get(subject.id, {})
        told = {key: value for key, value in before.items() if key in wanted}
        told = {**told, **self.remembered.of(heads, laid)}
        return planned(dry_runs=told) if told else found

    def variant(
        self,
        subject: Subject,
        heads: Mapping[str, Head],
        variant: str,
        wish: str | None,
        *,
        gguf: bool = True,
    ) -> Judged:
        """One variant alone. Raises TargetError(variant_unknown)."""
        found = self.plan(subject, heads, wish, variant)
        rows = [row for row in found.ladder if row.rung.startswith("gguf") == gguf]
        fitting = [row for row in rows if row.status == "fits"]
        fits = choice.best(fitting, found.wish)
        best = fits or choice.nearest(rows) or (rows[-1] if rows else None)
        vision = subject.vision
        word, headline = verdict.of_model(fits, found.wish, vision=vision, nearest=best)
        if headline.code == "cannot_because" and best is not None:  # others may fit
            headline = Reason.of("cannot_here", why=best.reason)
        return Judged(best, word, headline)

    def renewed(self, services: Services) -> Judge:
        """With what engines have told meanwhile. Reads a file."""
        return replace(self, remembered=Remembered(services))

    def layouts(self, subject: Subject, wish: str | None, variant: str) -> dict[str, tuple[Layout, ...]]:
        """What a variant's ways to run would lay out: what an engine can be asked."""
        return layouts(self.plan(subject, {}, wish, variant), self.machine)


def judge_for(services: Services, machine: Machine, known: Knowledge) -> Judge:
    """For a machine, with the engines that are installed now. Reads files."""
    return Judge(
        machine,
        services.engine_states(),
        crash_notes(services, machine),
        known,
        Remembered(services),
    )
