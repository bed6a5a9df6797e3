"""Stop strings, however the answer's text is cut into pieces."""

import random

import pytest

from autoglm_desktop.engine.stops import StopFilter


def shown(pieces, stops):
    """(all that is shown, whether a stop string ended it, each piece as it was shown)"""
    stream, told = StopFilter(stops), []
    for piece in pieces:
        text, stopped = stream.feed(piece)
        told.append(text)
        if stopped:
            return "".join(told), True, told
    told.append(stream.rest())
    return "".join(told), False, told


@pytest.mark.parametrize(
    ("pieces", "stops", "text", "stopped"),
    [
        (["hello", " world"], (), "hello world", False),
        (["hello", " wor", "ld!"], ("world",), "hello ", True),  # over several tokens
        (["STOP", "more"], ("STOP",), "", True),  # in the first token
        (["a", "b"], ("a", "b"), "", True),  # at once
        (["one two"], ("two", "one"), "", True),  # the first in the text, not in the list
        (["say \n", "\nUser", ":"], ("\n\nUser:", "\n\nBot:"), "say ", True),
        (["aa", "ab"], ("aab",), "a", True),  # the beginning of one within another try
        (["ab", "ac"], ("abd", "acd"), "abac", False),  # beginnings that come to nothing are shown in the end
        (["打开", "微信", "。"], ("微信。",), "打开", True),
        (["x"], ("",), "x", False),  # an empty one is none
    ],
)
def test_the_text_ends_before_a_stop_string(pieces, stops, text, stopped):
    assert shown(pieces, stops)[:2] == (text, stopped)


def test_where_the_pieces_are_cut_changes_nothing():
    rng = random.Random(7)
    for _ in range(400):
        text = "".join(rng.choices("abc", k=12))
        stops = tuple("".join(rng.choices("abc", k=rng.randint(1, 4))) for _ in range(rng.randint(1, 4)))
        cut = sorted(rng.sample(range(1, 12), 3))
        pieces = [text[start:end] for start, end in zip([0, *cut], [*cut, 12], strict=True)]
        assert shown(pieces, stops)[:2] == shown(list(text), stops)[:2], (text, stops, pieces)


def test_nothing_is_held_back_that_can_be_no_stop_string():
    assert shown(["hello", " w", "x"], ("world",))[2] == ["hello", " ", "wx", ""]
