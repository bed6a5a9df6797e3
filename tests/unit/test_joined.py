"""Work that several wait for: begun once, its end is shared, and it ends when the last of them leaves."""

import asyncio

import pytest

from autoglm_desktop.usecases.joined import Joined


class Work:
    """Waits to be told its end; ``begun`` and ``ended`` count."""

    def __init__(self):
        self.begun, self.ended, self.deserted = 0, 0, None
        self.joined = Joined(self.run)

    async def run(self):
        self.begun += 1
        self.end = asyncio.get_running_loop().create_future()
        try:
            await self.end
        finally:
            self.ended, self.deserted = self.ended + 1, self.joined.deserted

    def waiters(self, count):
        return [asyncio.ensure_future(self.joined.wait()) for _ in range(count)]


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def ends(waiters):
    return [type(one) for one in await asyncio.gather(*waiters, return_exceptions=True)]


@pytest.mark.parametrize("error", [None, ValueError])
def test_all_share_one_end_and_the_next_begins_anew(error):
    async def run():
        work = Work()
        waiters = work.waiters(3)
        await settle()
        begun = work.begun
        if error is None:
            work.end.set_result(None)
        else:
            work.end.set_exception(error("made"))
        found = await ends(waiters)
        (late,) = work.waiters(1)
        await settle()
        work.end.set_result(None)
        await late
        return begun, found, work.begun, work.deserted

    assert asyncio.run(run()) == (1, [error or type(None)] * 3, 2, False)


def test_it_ends_when_the_last_leaves_and_not_before():
    async def run():
        work = Work()
        waiters = work.waiters(3)
        await settle()
        seen = []
        for waiter in waiters:
            waiter.cancel()
            await settle()
            seen.append((work.ended, work.deserted))
        return seen, await ends(waiters)

    assert asyncio.run(run()) == ([(0, None), (0, None), (1, True)], [asyncio.CancelledError] * 3)


def test_all_hear_of_it_where_it_is_cancelled():
    async def run():
        work = Work()
        waiters = work.waiters(2)
        await settle()
        work.joined.cancel()
        return await ends(waiters), work.ended, work.deserted

    assert asyncio.run(run()) == ([asyncio.CancelledError] * 2, 1, False)


def test_it_can_be_cancelled_before_it_has_begun():
    async def run():
        work = Work()
        waiters = work.waiters(1)
        await asyncio.sleep(0)
        work.joined.cancel()
        return await ends(waiters), work.begun

    assert asyncio.run(run()) == ([asyncio.CancelledError], 0)
