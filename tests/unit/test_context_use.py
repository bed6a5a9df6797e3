"""How full the context is: exact where the engine counted, else estimated on the high side."""

import random
import string
from pathlib import Path

import pytest

from autoglm_desktop.core import context_use as use
from autoglm_desktop.core import demo
from autoglm_desktop.core.context_use import (
    MESSAGE_TOKENS,
    PROMPT_TOKENS,
    Counted,
    context_use,
    first_tokens,
    text_tokens,
)

LICENSE = (Path(__file__).resolve().parents[2] / "LICENSE").read_text(encoding="utf-8")
CHINESE = """今天的日期是2026年11月21日。你是一个帮助用户操作手机的助手：先看屏幕，再决定下一步。
如果用户想打开设置，就点击"设置"图标；如果页面还没有加载完，等待两秒钟。显存不足时，请换用较小的截图（540×1200）。
长按、双击、滑动和输入文字都要写明坐标，坐标从 0 到 999，左上角是 [0,0]。任务完成以后说明结果。
"""
CODE = '''def read(path: str, limit: int = 1024) -> list[str]:
    """The first lines of a file."""
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\\n") for number, line in enumerate(file) if number < limit]
'''


@pytest.mark.parametrize(
    ("text", "counts"),
    [  # counted by llama.cpp's own vocabularies of Qwen2 and Llama 3 (docs/numbers.md, section 13)
        (LICENSE, (2273, 2270)),
        (CHINESE, (119, 117)),
        (CODE, (64, 62)),
    ],
    ids=["english", "chinese", "code"],
)
def test_prose_and_code_are_told_high_and_not_too_high(text, counts):
    found = text_tokens(text)
    assert max(counts) <= found <= 1.5 * min(counts)


def test_characters_that_no_vocabulary_knows_take_more():
    rng = random.Random(0)
    noise = "".join(rng.choices(string.ascii_letters + string.digits, k=4000))
    assert text_tokens(noise) == 4000 and text_tokens(noise[:39]) < 39
    assert text_tokens("😀" * 10) == 30 and text_tokens("\x00" * 10) == 10
    assert text_tokens("") == 0 and text_tokens("a") == text_tokens("\ud83d") == 1


def test_more_text_is_never_fewer_tokens():
    rng = random.Random(1)
    letters = "ab 12,.\n\r\t中文字，。😀é\x00" + "x" * 30
    for _ in range(200):
        text = "".join(rng.choices(letters, k=rng.randrange(90)))
        counts = [text_tokens(text[:end]) for end in range(len(text) + 1)]
        assert counts == sorted(counts)


@pytest.mark.parametrize("most", [0, 1, 7, 100, 10**9])
@pytest.mark.parametrize(
    "text", [LICENSE, CHINESE, "\r\n" * 500, " " * 5000, "", "x" * 300, "😀" * 40], ids=range(7)
)
def test_the_longest_beginning_that_fits(text, most):
    found = first_tokens(text, most)
    assert text.startswith(found) and text_tokens(found) <= most
    longer = text[: len(found) + (2 if text[len(found) : len(found) + 2] == "\r\n" else 1)]
    assert found == text or text_tokens(longer) > most
    assert not (found.endswith("\r") and text[len(found) :].startswith("\n"))


def test_nothing_fits_into_less_than_nothing():
    assert first_tokens("text", -3) == ""


def test_before_the_first_answer_all_is_estimated():
    found = context_use(1000, "sys", ["question"], [336], "draft", [84], 200)
    assert not found.exact
    assert found.system == text_tokens("sys") + MESSAGE_TOKENS
    assert found.history == text_tokens("question") + MESSAGE_TOKENS + PROMPT_TOKENS
    assert found.pictures == 336 + 84 and found.draft == text_tokens("draft") + MESSAGE_TOKENS
    assert found.used == found.system + found.history + found.pictures + found.draft
    assert found.reply == 200 and found.left == 1000 - found.used - 200 and found.over == 0


def test_what_the_engine_counted_is_exact_to_the_token():
    messages, counted = ["ask me " * 20, "answer " * 30], Counted(700, picture_tokens=336)
    found = context_use(4096, "You are brief.", messages, [336], "", [], 1024, counted)
    assert found.exact and found.used == 700 and found.pictures == 336 and found.draft == 0
    assert 0 < found.system < found.history
    drafted = context_use(4096, "You are brief.", messages, [336], "and?", [84], 1024, counted)
    assert drafted.exact and drafted.used == 700 + 84 + text_tokens("and?") + MESSAGE_TOKENS


def test_what_came_later_is_estimated_on_top():
    messages = ["one", "two", "three"]
    found = context_use(4096, "", messages, [336, 84], "", [], 10, Counted(500, after=1, picture_tokens=336))
    assert not found.exact
    assert found.used == 500 + text_tokens("three") + MESSAGE_TOKENS + 84
    assert context_use(4096, "", messages, [], "", [], 10, Counted(500, after=99)).used >= 500
    other = context_use(4096, "", messages, [84], "", [], 10, Counted(500))
    assert not other.exact, "a picture that the count does not hold"


def test_the_reply_gets_what_is_left_and_never_less_than_nothing():
    found = context_use(100, "", ["word " * 40], [], "", [], 1024)
    assert 0 < found.used <= 100 and found.reply == 100 - found.used and found.left == 0 and found.over == 0
    full = context_use(50, "", ["word " * 40], [], "", [], 1024)
    assert full.reply == 0 and full.left == 0 and full.over == full.used - 50
    unknown = context_use(None, "", ["x"], [], "", [], 1024)
    assert unknown.left is None and unknown.over == 0 and unknown.reply == 1024


def test_an_empty_conversation_uses_next_to_nothing():
    assert context_use(1000, " \n", [], [], "", [], 10).used == PROMPT_TOKENS
    assert context_use(1000, "", [], [], "", [84], 10).draft == MESSAGE_TOKENS
    assert context_use(1000, "", [], [], "", [], 10, Counted(0)).used == 0


def test_a_pasted_book_is_counted_as_a_whole():
    book = CHINESE * 10_000
    assert len(book.encode()) > 3_000_000
    one = text_tokens(CHINESE)
    assert 0.99 <= text_tokens(book) / (10_000 * one) <= 1
    assert text_tokens(first_tokens(book, 16_000)) in (15_999, 16_000)
    assert min(each for _first, each in use._TENTHS) == use.LEAST_TENTHS


def test_a_first_question_to_the_demo_leaves_room_beside_its_answer():
    found = context_use(512, "", ["What is VRAM?"], [], "", [], demo.SAMPLING.max_tokens)
    assert found.reply == demo.SAMPLING.max_tokens and found.left
