"""Rates over the last seconds."""

import pytest

from autoglm_desktop.core.rates import WINDOW_S, Rate, time_left


def fed(*points):
    rate = Rate()
    for now, count in points:
        rate.add(now, count)
    return rate


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], None),
        ([(5.0, 100)], None),
        ([(5.0, 100), (5.5, 900)], None),
        ([(5.0, 100), (7.0, 900)], 400.0),
        ([(0.0, 0), (10.0, 1000), (20.0, 9000)], 800.0),
        ([(0.0, 0), (5.0, 1000), (15.0, 1000), (30.0, 1000)], 0.0),
    ],
)
def test_rate_of_the_window(points, expected):
    assert fed(*points).per_second() == expected


def test_old_points_do_not_count():
    rate = Rate()
    for second in range(100):
        rate.add(float(second), second * 1000 if second < 50 else 50_000 + second * 10)
    assert rate.per_second() == pytest.approx(10.0)
    assert len(rate._points) <= WINDOW_S + 2


@pytest.mark.parametrize(
    ("remaining", "rate", "expected"),
    [(1000, 100.0, 10.0), (0, 100.0, 0.0), (None, 100.0, None), (1000, None, None), (1000, 0.0, None)],
)
def test_time_left(remaining, rate, expected):
    assert time_left(remaining, rate) == expected
