"""Replies taken apart: thinking, text, marks that nobody sees; in whatever pieces they come."""

import random

import pytest

from autoglm_desktop.core.phone import TEMPLATE_TOKENS
from autoglm_desktop.core.thinking import MARKS, Part, ReplyParser, parse_reply

TAP = 'do(action="Tap", element=[512,930])'
FENCED = "Its template:\n```xml\n<think>\nwhy\n</think>\n<answer>x</answer> <|user|>\n```\nThat is all."

CASES = [
    ("hello", [("text", "hello")]),
    ("", []),
    (" \n ", []),
    ("<think>why</think>hello", [("thinking", "why"), ("text", "hello")]),
    ("\n<think>\nwhy\nso\n</think>\n\nhello\n", [("thinking", "why\nso"), ("text", "hello")]),
    ("<think></think>\nhello", [("text", "hello")]),
    ("<think>why", [("thinking", "why")]),
    (f"<think>why</think>\n<answer>{TAP}</answer>", [("thinking", "why"), ("text", TAP)]),
    (f"<think>why</think><answer>{TAP}", [("thinking", "why"), ("text", TAP)]),
    (f"<think>why<answer>{TAP}</answer>", [("thinking", "why"), ("text", TAP)]),
    (f"why</think><answer>{TAP}</answer>", [("thinking", "why"), ("text", TAP)]),
    (f"I tap it.<answer>{TAP}</answer>", [("text", f"I tap it.\n{TAP}")]),
    ("<answer>a</answer> b", [("text", "a\nb")]),
    # what the phone agent's history looks like
    (
        f"<think><think>why</think>\n<answer></think><answer>{TAP}</answer>",
        [("thinking", "why"), ("text", TAP)],
    ),
    (f"<think>\n<think>why</think></think><answer>\n<answer>{TAP}", [("thinking", "why"), ("text", TAP)]),
    # GLM's tokens
    ("<|begin_of_box|>42<|end_of_box|>", [("text", "42")]),
    ("<think>a<|endoftext|></think>b<|user|>", [("thinking", "a"), ("text", "b")]),
    ("The answer is <|begin_of_box|>42<|end_of_box|>.<|observation|>", [("text", "The answer is 42.")]),
    # text about the marks
    (FENCED, [("text", FENCED)]),
    ("Write `<think>` first, `</think>` last.", [("text", "Write `<think>` first, `</think>` last.")]),
    ("It ends at `x <|user|> y`.", [("text", "It ends at `x <|user|> y`.")]),
    ("The <think> tag begins it.", [("text", "The <think> tag begins it.")]),
    ("The </think> tag ends it.", [("text", "The </think> tag ends it.")]),
    ("<think>I need “<answer>” here.</think>ok", [("thinking", "I need “<answer>” here."), ("text", "ok")]),
    ("<think>then <answer> is next</think>ok", [("thinking", "then <answer> is next"), ("text", "ok")]),
    ("<think>a lone ` here</think>ok", [("thinking", "a lone ` here"), ("text", "ok")]),
    ('do(action="Type", text="<think>")', [("text", 'do(action="Type", text="<think>")')]),
    # the reply ends in a code block
    ("```\nx = 1\n<|end_of_box|></answer>\n<|user|>", [("text", "```\nx = 1")]),
    ("```\nx\n```</answer>", [("text", "```\nx\n```")]),
    ("an odd ` here<|user|> goes on\nx", [("text", "an odd ` here goes on\nx")]),
    ("an odd ` here<|user|>" + "x" * 500 + "`", [("text", "an odd ` here" + "x" * 500 + "`")]),
    ("an odd ` here</answer>", [("text", "an odd ` here")]),
    # what only looks like a mark
    ("a < b, <b>, <th, <|x|>, </", [("text", "a < b, <b>, <th, <|x|>, </")]),
    ("cut in </thin", [("text", "cut in </thin")]),
    ("<think>cut in </thin", [("thinking", "cut in </thin")]),
    ("<think>a</think>b\n<think>c</think>d", [("thinking", "a"), ("text", "b"), ("thinking", "c"), ("text", "d")]),
]  # fmt: skip


def through(pieces):
    parser = ReplyParser()
    shown = [piece for text in pieces for piece in parser.feed(text)] + list(parser.end())
    return parser.parts, shown


def plain(parts):
    return [(part.kind, part.text) for part in parts]


def joined(shown):
    """What somebody shows who only looks at the pieces."""
    found = []
    for piece in shown:
        if piece.kind == "relabel":
            found = [("thinking", text) for _kind, text in found]
        elif found and found[-1][0] == piece.kind:
            found[-1] = (piece.kind, found[-1][1] + piece.text)
        else:
            found.append((piece.kind, piece.text))
    return found


def cut(text, random_, cuts):
    places = sorted(random_.randrange(len(text) + 1) for _ in range(cuts))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_whole_by_characters_and_cut_anywhere(text, expected):
    assert plain(parse_reply(text)) == expected
    random_ = random.Random(text)
    for pieces in ([text], list(text), *(cut(text, random_, 4) for _ in range(60))):
        parts, shown = through(pieces)
        assert plain(parts) == expected, pieces
        assert joined(shown) == expected, pieces


def test_any_text_cut_anywhere_gives_the_same():
    random_ = random.Random(6)
    words = [
        *MARKS,
        "`",
        "```",
        "```\n",
        "\n",
        " ",
        "  ",
        "~~~",
        '"',
        "a",
        "do(",
        "finish(",
        "<",
        "</",
        "<|",
        "中文",
        "”",
    ]
    thinking = 0
    for _ in range(4000):
        text = "".join(random_.choice(words) for _ in range(random_.randrange(1, 16)))
        expected = parse_reply(text)
        thinking += any(part.kind == "thinking" for part in expected)
        for pieces in (list(text), cut(text, random_, 3)):
            parts, shown = through(pieces)
            assert parts == expected, (text, pieces)
            assert "".join(one.text for one in shown) == "".join(part.text for part in expected), text
    assert thinking > 500


def test_tokens_are_never_visible_outside_code():
    random_ = random.Random(7)
    words = ["a", "中", " ", "\n", "<answer>", "</answer>", "<think>", "</think>", "."]
    for _ in range(1000):
        text = "".join(
            random_.choice(words) + (random_.choice(TEMPLATE_TOKENS) if random_.random() < 0.4 else "")
            for _ in range(12)
        )
        said = "".join(part.text for part in parse_reply(text))
        assert not any(token in said for token in TEMPLATE_TOKENS), text


def test_what_is_certain_is_shown_at_once():
    parser = ReplyParser()
    assert [piece.text for piece in parser.feed("hello")] == ["hello"]
    assert [piece.text for piece in parser.feed(" a < b")] == [" a < b"]
    assert parser.feed(" <") == ()
    assert [piece.text for piece in parser.feed("= c")] == [" <= c"]


def test_the_times_of_thinking():
    parser = ReplyParser()
    parser.feed("<thi", 1.0)
    parser.feed("nk>why", 2.0)
    assert parser.thinking
    assert parser.parts == (Part("thinking", "why", 2.0),)
    parser.feed(" so</think>", 5.5)
    assert not parser.thinking
    parser.feed("hello", 6.0)
    parser.end(7.0)
    thought, said = parser.parts
    assert thought == Part("thinking", "why so", 2.0, 5.5, closed=True) and thought.seconds == 3.5
    assert (said.kind, said.text, said.began) == ("text", "hello", 6.0)


def test_thinking_that_does_not_end_says_so():
    parser = ReplyParser()
    parser.feed("<think>why", 1.0)
    parser.end(4.0)
    assert parser.parts == (Part("thinking", "why", 1.0, 4.0, closed=False),)


def test_thinking_that_the_template_began_takes_its_text_with_it():
    parser = ReplyParser()
    parser.feed("first I look", 1.0)
    assert parser.parts == (Part("text", "first I look", 1.0),)
    shown = parser.feed("</think>hello", 3.0)
    assert [piece.kind for piece in shown] == ["relabel", "text"]
    parser.end(3.5)
    assert parser.parts[0] == Part("thinking", "first I look", 1.0, 3.0, closed=True)


def test_a_long_reply_is_not_held_back():
    """50,000 pieces: what a feed looks at again does not grow."""
    parser = ReplyParser()
    for number in range(50_000):
        parser.feed(f"word{number} ")
        assert len(parser._held) < 32
    parser.end()
    assert len(parser.parts) == 1
