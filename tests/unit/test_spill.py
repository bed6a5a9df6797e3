"""When tokens become slow: told after a window, not for a first token, a short pause or a slow beginning."""

import pytest

from autoglm_desktop.core.spill import FALLEN, WINDOW_TOKENS, SpeedWatch, taken


def feed(watch, seconds_per_token, count, start=(0.0, 0)):
    """(the answers, where it ended)"""
    at, tokens = start
    told = []
    for _ in range(count):
        at, tokens = at + seconds_per_token, tokens + 1
        told.append(watch.token(at, tokens))
    return told, (at, tokens)


def test_steady_tokens_are_never_slow():
    told, _ = feed(SpeedWatch(), 0.05, 200)
    assert told == [None] * 200


def test_ten_times_slower_is_told_within_a_window():
    watch = SpeedWatch()
    _, end = feed(watch, 0.03, 50)
    told, _ = feed(watch, 0.3, WINDOW_TOKENS, end)
    assert told[0] is None, "one slow token may be anything"
    assert told[-1] is not None and 9 < told[-1] < 11


def test_half_as_fast_is_not_a_spill():
    watch = SpeedWatch()
    _, end = feed(watch, 0.03, 50)
    told, _ = feed(watch, 0.03 * (FALLEN - 1), 50, end)
    assert told == [None] * 50


def test_the_time_until_the_first_token_of_another_answer_does_not_count():
    watch = SpeedWatch()
    feed(watch, 0.03, 50)
    watch.begin()
    told, _ = feed(watch, 0.03, 20, (500.0, 0))
    assert told == [None] * 20


def test_a_slow_beginning_is_no_yardstick():
    watch = SpeedWatch()
    _, end = feed(watch, 0.3, 20)
    feed(watch, 0.03, 20, end)
    assert watch.usual is not None and watch.usual > 30


def test_tokens_that_waited_for_a_listener_are_no_yardstick():
    watch = SpeedWatch()
    _, (at, tokens) = feed(watch, 0.05, 50)
    late, end = feed(watch, 0.0001, 40, (at + 2.0, tokens))  # two seconds of tokens at once
    told, _ = feed(watch, 0.05, 50, end)
    assert late + told == [None] * 90 and watch.usual is not None and 19 < watch.usual < 21


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (700, 50, 650),
        (700, 600, None),
        (700, 200, None),
        (160, 20, None),
        (100, 90, None),
        (None, 50, None),
        (700, None, None),
    ],
)
def test_memory_that_others_take(before, now, expected):
    def in_bytes(mib):
        return None if mib is None else mib * MIB

    assert taken(in_bytes(before), in_bytes(now), 300 * MIB) == in_bytes(expected)
