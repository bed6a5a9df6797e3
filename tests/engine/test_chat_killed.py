"""The application or the engine dies in the middle of an answer: the whole way, from the engine to the disk."""

import asyncio

import pytest

from tests.benchmarks.chat_kills import application, killed_engine


@pytest.mark.parametrize(("how", "pieces"), [("ask", 1), ("ask", 500), ("go-on", 400)])
def test_what_was_shown_survives_the_application(tmp_path, how, pieces):
    def wait(lines):
        return [lines.readline() for _number in range(pieces)]

    found = application(tmp_path / "家 home", how, wait)
    assert found.sound and found.goes_on and not found.orphan
    assert pieces == 1 or found.lost_tokens < pieces, "some of it was saved"


@pytest.mark.parametrize("turns", [0, 30, 2000])
def test_all_that_was_shown_survives_the_engine(tmp_path, turns):
    async def wait():
        for _turn in range(turns):
            await asyncio.sleep(0)

    found = killed_engine(tmp_path / "家 home", wait)
    assert found.sound and found.goes_on and found.lost_tokens == 0
