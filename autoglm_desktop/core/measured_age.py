"""Why a measurement of before no longer counts. Pure.

A measurement holds for the hardware it was taken on (processor, graphics cards, their drivers: a key that
``host.crashes.hardware_key`` makes) and, where an engine took part, for the build of that engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import Reason
from .measured import LayerSpeed, Measurements

BETWEEN = " + "
NO_DRIVER = ("", "None")
"""How a key names a driver that does not tell its version."""


@dataclass(frozen=True)
class Outdated:
    """Something that was measured and no longer counts. ``layers``: those of engines that have changed; () = all that
    was measured then. ``taken``: seconds since 1970."""

    reason: Reason
    taken: float | None = None
    layers: tuple[LayerSpeed, ...] = ()


@dataclass(frozen=True)
class Hardware:
    """A hardware key taken apart. ``cards``: (name, driver)."""

    cpu: str
    cards: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, key: str) -> Hardware:
        cpu, *cards = key.split(BETWEEN)
        pairs = (card.rpartition(" ") for card in cards)
        return cls(cpu, tuple((name or driver, driver if name else "") for name, _space, driver in pairs))


def same_machine(one: str, other: str) -> bool:
    """Whether two hardware keys are of one machine, whose cards or drivers may have changed."""
    return Hardware.of(one).cpu == Hardware.of(other).cpu


def hardware_changed(before: str, now: str) -> Reason | None:
    """What differs between two hardware keys; None where nothing does."""
    was, is_ = Hardware.of(before), Hardware.of(now)
    if before == now:
        return None
    if was.cpu != is_.cpu:
        return Reason.of("measured_on_another_machine", cpu=was.cpu)
    old, new = [name for name, _driver in was.cards], [name for name, _driver in is_.cards]
    if old != new:
        return _cards_changed(", ".join(old), ", ".join(new))
    pairs = zip(was.cards, is_.cards, strict=True)
    return next(_driver_changed(card[0], card[1], other[1]) for card, other in pairs if card != other)


def _cards_changed(before: str, now: str) -> Reason:
    if not before:
        return Reason.of("measured_without_card", now=now)
    if not now:
        return Reason.of("measured_with_card", before=before)
    return Reason.of("measured_with_other_cards", before=before, now=now)


def _driver_changed(gpu: str, before: str, now: str) -> Reason:
    if before in NO_DRIVER:
        return Reason.of("measured_without_driver", gpu=gpu, now=now)
    if now in NO_DRIVER:
        return Reason.of("measured_with_driver", gpu=gpu, before=before)
    return Reason.of("measured_with_another_driver", gpu=gpu, before=before, now=now)


def outdated(kept: Iterable[Measurements], hardware: str, builds: Mapping[str, str]) -> tuple[Outdated, ...]:
    """What of ``kept`` no longer counts, and why. ``builds``: engine environments that are installed, with their build.

    Where this hardware was measured, of that only: what its engines have left behind. Else the newest of this machine
    with other cards or drivers, else the newest of another machine (a data folder may travel).
    """
    newest = sorted(kept, key=lambda one: -(one.taken or 0.0))
    present = next((one for one in newest if one.hardware == hardware), None)
    if present is not None:
        return tuple(_by_engine(present, builds))
    others = [one for one in newest if same_machine(one.hardware, hardware)] or newest
    changed = [(hardware_changed(one.hardware, hardware), one.taken) for one in others[:1]]
    return tuple(Outdated(reason, taken) for reason, taken in changed if reason is not None)


def _by_engine(known: Measurements, builds: Mapping[str, str]) -> Iterable[Outdated]:
    """One entry for each engine, which is another build now or gone."""
    layers = known.layers
    for engine in dict.fromkeys(one.engine for one in layers):
        left = tuple(one for one in layers if one.engine == engine and one.build != builds.get(engine))
        if not left:
            continue
        taken = max((one.taken for one in left if one.taken is not None), default=known.taken)
        if engine not in builds:
            yield Outdated(Reason.of("measured_engine_gone", engine=engine), taken, left)
            continue
        reason = Reason.of(
            "measured_with_another_build", engine=engine, before=left[0].build, now=builds[engine]
        )
        yield Outdated(reason, taken, left)
