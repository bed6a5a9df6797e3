"""The reply filter for phone models: the same result however the reply is cut into pieces."""

import random

import pytest

from autoglm_desktop.core.phone import TEMPLATE_TOKENS, ReplyFilter

ACTION = 'do(action="Tap", element=[499,120])'

CASES = [
    ("", ""),
    ("plain 文字", "plain 文字"),
    (f"<think>看</think>\n<answer>{ACTION}</answer>", f"<think>看</think>\n<answer>{ACTION}"),
    (f"{ACTION}</answer>", ACTION),
    (f"{ACTION}</answer>\n", ACTION),
    (f"{ACTION}</answer></answer> \n", ACTION),
    (f"{ACTION}</answer><|user|>", ACTION),
    (f"{ACTION}<|user|></answer><|endoftext|>\n", ACTION),
    (f"<|begin_of_box|>{ACTION}<|end_of_box|>", ACTION),
    ("one</answer>two", "one</answer>two"),
    ("one</answer>\n two</answer>", "one</answer>\n two"),
    ("1 < 2 and <| no token |>", "1 < 2 and <| no token |>"),
    ("cut in </ans", "cut in </ans"),
    ("cut in <|use", "cut in <|use"),
    ("x</answer><|us", "x</answer><|us"),
    ("</answer", "</answer"),
    ("</answer>", ""),
    ("a<|us<|user|>er|>b", "a<|user|>b"),
    ("</answer><|user|> <|us", "</answer> <|us"),
    ("x</ans<|user|>wer>", "x"),
    ("<</answer>", "<"),
    ("a<|<|user|>b", "a<|b"),
    *((f"a{token}b", "ab") for token in TEMPLATE_TOKENS),
]


def through(pieces):
    reply = ReplyFilter()
    return "".join(reply.feed(piece) for piece in pieces) + reply.rest()


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_whole_by_characters_and_cut_anywhere(text, expected):
    assert through([text]) == expected
    assert through(text) == expected
    random_ = random.Random(text)
    for _ in range(50):
        cuts = sorted(random_.randrange(len(text) + 1) for _ in range(4))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert through(pieces) == expected, pieces


def test_ordinary_text_is_shown_at_once():
    reply = ReplyFilter()
    assert reply.feed("hello ") == "hello "
    assert reply.feed("a < b") == "a < b"
    assert reply.feed("x <") == "x "
    assert reply.feed(" y") == "< y"
    assert reply.rest() == ""
