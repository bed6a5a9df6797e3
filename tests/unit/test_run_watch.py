"""When a slow answer is a sign: only where it had the card to itself."""

import asyncio

import pytest

from autoglm_desktop.core.protocol import Delta
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.usecases import run_watch
from autoglm_desktop.usecases.run_watch import RunWatch


@pytest.fixture
def watch(watching):
    """A watch of a model whose layers lie on a card, as far as is known."""
    return watching(None)


@pytest.fixture
def watching(monkeypatch):
    """Makes a watch whose clock the test sets: ``clock[0]`` in seconds; ``told`` is what it warned of."""
    clock, told = [0.0], []
    monkeypatch.setattr(run_watch.time, "monotonic", lambda: clock[0])

    async def free(*_arguments):
        return {}

    def made(gpu_layers):
        found = RunWatch(RungPlan("transformers-16bit"), free, told.append, gpu_layers)
        found.clock, found.told = clock, told
        return found

    return made


def say(watch, request, seconds_each, tokens=20, begin=1):
    for count in range(begin, begin + tokens):
        watch.clock[0] += seconds_each
        watch.token(Delta(request, "x", count))


def test_an_answer_alone_that_became_slow_is_told_once(watch):
    watch.asked("a")
    say(watch, "a", 0.02)
    watch.left("a")
    watch.asked("b")
    say(watch, "b", 0.4)
    watch.left("b")
    assert [reason.code for reason in watch.told] == ["speed_fell"]


@pytest.mark.parametrize(("gpu_layers", "codes"), [(0, []), (5, ["speed_fell"])])
def test_without_a_layer_on_a_card_nothing_is_said_of_its_memory(watching, gpu_layers, codes):
    """A way of a card that was locked on a PC without one runs on the processor."""
    watch = watching(gpu_layers)
    watch.asked("a")
    say(watch, "a", 0.02)
    watch.left("a")
    watch.asked("b")
    say(watch, "b", 0.4)
    assert [reason.code for reason in watch.told] == codes


def test_answers_beside_others_are_slower_and_no_sign(watch):
    watch.asked("a")
    say(watch, "a", 0.02)
    watch.left("a")
    watch.asked("b")
    watch.asked("c")
    say(watch, "b", 0.4)
    say(watch, "c", 0.4)
    watch.left("c")
    say(watch, "b", 0.4, begin=21)  # alone by now, but not from its beginning
    watch.left("b")
    assert watch.told == []
    watch.asked("d")
    say(watch, "d", 0.4)
    assert [reason.code for reason in watch.told] == ["speed_fell"]


def test_the_cards_are_looked_at_once_for_answers_that_end_together(watch):
    async def work():
        watch.answered()
        first = watch.looking
        watch.answered()
        same = watch.looking is first
        await first
        watch.answered()
        again = watch.looking is not first
        await watch.looking
        return same, again

    assert asyncio.run(work()) == (True, True)
