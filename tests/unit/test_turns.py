"""Who may use the engine now: order, width, alone, and those who give up waiting."""

import asyncio
import contextlib

import pytest

from autoglm_desktop.usecases.turns import Turns


class Room:
    """Visitors by name; each stays inside until it is told to go."""

    def __init__(self, width):
        self.width = width
        self.turns = Turns(lambda: self.width)
        self.inside, self.tasks, self._go = [], {}, {}

    async def come(self, *names):
        """``name`` side by side with others, ``name!`` alone."""
        for name in names:
            self._go[name] = asyncio.Event()
            self.tasks[name] = asyncio.ensure_future(self._visit(name))
        await settle()

    async def leave(self, *names):
        for name in names:
            self._go[name].set()
        await settle()

    async def give_up(self, name):
        self.tasks[name].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.tasks[name]
        await settle()

    async def _visit(self, name):
        async with self.turns.turn(alone=name.endswith("!")):
            self.inside.append(name)
            await self._go[name].wait()
            self.inside.remove(name)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_as_many_as_fit_in_the_order_in_which_they_came():
    async def work():
        room, seen = Room(2), []
        await room.come("a", "b", "c", "d")
        seen.append(list(room.inside))
        await room.leave("a")
        seen.append(list(room.inside))
        await room.leave("b", "c", "d")
        return seen, room.turns.taken

    assert asyncio.run(work()) == ([["a", "b"], ["b", "c"]], False)


def test_who_must_be_alone_waits_for_all_and_nobody_overtakes_it():
    async def work():
        room, seen = Room(4), []
        await room.come("a", "b", "p!", "c")
        seen.append(list(room.inside))
        await room.leave("a", "b")
        seen.append(list(room.inside))
        await room.come("d")
        await room.leave("p!")
        seen.append(list(room.inside))
        await room.leave("c", "d")
        return seen

    assert asyncio.run(work()) == [["a", "b"], ["p!"], ["c", "d"]]


def test_more_are_let_in_once_it_is_wider():
    async def work():
        room = Room(1)
        await room.come("a", "b", "c")
        before = list(room.inside)
        room.width = 3
        room.turns.look()
        await settle()
        after = list(room.inside)
        await room.leave("a", "b", "c")
        return before, after

    assert asyncio.run(work()) == (["a"], ["a", "b", "c"])


def test_narrower_puts_nobody_out():
    async def work():
        room = Room(3)
        await room.come("a", "b", "c", "d")
        room.width = 1
        await room.leave("a")
        two = list(room.inside)
        await room.leave("b", "c")
        last = list(room.inside)
        await room.leave("d")
        return two, last

    assert asyncio.run(work()) == (["b", "c"], ["d"])


@pytest.mark.parametrize("name", ["p!", "x"])
def test_who_gives_up_waiting_holds_nobody_up(name):
    async def work():
        room = Room(1)
        await room.come("a", name, "b")
        await room.give_up(name)
        await room.leave("a")
        inside = list(room.inside)
        await room.leave("b")
        return inside, room.turns.taken

    assert asyncio.run(work()) == (["b"], False)


def test_who_is_cancelled_at_the_moment_it_is_let_in_gives_its_place_back():
    async def work():
        room = Room(1)
        await room.come("a", "b", "c")
        room._go["a"].set()
        while room.inside == ["a"]:
            await asyncio.sleep(0)
        room.tasks["b"].cancel()  # its turn has come, but it has not run yet
        await settle()
        inside = list(room.inside)
        await room.leave("c")
        return inside, room.turns.taken, room.tasks["b"].cancelled()

    assert asyncio.run(work()) == (["c"], False, True)
