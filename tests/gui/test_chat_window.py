"""Which messages of a long conversation are laid out. Pure functions."""

import pytest

from autoglm_desktop.gui.transcript import window
from autoglm_desktop.gui.transcript.window import (
    MOST,
    MOST_CHARACTERS,
    PORTION,
    PORTION_CHARACTERS,
    STEP,
    STEP_CHARACTERS,
    Window,
)


def short(_place):
    return 10


def huge(_place):
    return 200_000


def shown(found):
    return found.end - found.first


def test_it_opens_at_the_end():
    assert window.at_end(10_000, short) == Window(10_000 - PORTION, 10_000, 10_000)
    assert window.at_end(3, short) == Window(0, 3, 3)
    assert window.at_end(0, short) == Window(0, 0, 0)


def test_long_messages_count_for_more():
    assert window.at_end(10_000, huge) == Window(9_999, 10_000, 10_000), "one there always is"
    middle = PORTION_CHARACTERS // 4
    assert shown(window.at_end(10_000, lambda _place: middle)) == 4


@pytest.mark.parametrize("size", [short, huge, lambda place: (place % 7) * 900])
def test_one_gets_from_end_to_end(size):
    count = 500
    found = window.at_end(count, size)
    seen = set(range(found.first, found.end))
    while found.first:
        before, found = found, window.earlier(found, size, growing=False)
        assert found.first < before.first < found.end and shown(found) <= MOST
        seen.update(range(found.first, found.end))
    while not found.at_end:
        before, found = found, window.later(found, size)
        assert found.first < before.end < found.end and shown(found) <= MOST
    assert seen == set(range(count))


def test_what_is_laid_out_has_a_limit():
    size = lambda _place: 3_000  # noqa: E731
    found = window.followed(0, 500, size)
    assert found.at_end and shown(found) * 3_000 <= MOST_CHARACTERS
    found = window.earlier(found, size, growing=True)
    assert found.at_end, "an answer that is being written stays"
    assert STEP_CHARACTERS // 3_000 <= STEP


def test_a_message_has_its_neighbours():
    found = window.around(5_000, 10_000, short)
    assert found == Window(5_000 - STEP, 5_000 - STEP + PORTION, 10_000)
    assert window.around(0, 10_000, huge) == Window(0, 1, 10_000)
    found = window.around(5_000, 10_000, huge)
    assert found == Window(4_999, 5_001, 10_000)
