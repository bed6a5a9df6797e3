"""What a prompt leaves of the context to its answer."""

import pytest
from demo_model.corpus import load
from demo_model.settings import Shape

from autoglm_desktop.core import demo
from autoglm_desktop.engine.prompt import reply_room
from autoglm_desktop.store import paths


@pytest.mark.parametrize(
    ("cells", "most", "room"),
    [
        (16_384, 3000, 128),
        (512, 1024, 128),
        (400, 1024, 100),
        (256, 1024, 64),
        (64, 1024, 64),
        (4096, 16, 16),
    ],
)
def test_a_quarter_within_bounds_and_no_more_than_may_be_said(cells, most, room):
    assert reply_room(cells, most) == room


def test_each_answer_of_the_demo_has_room_behind_the_longest_conversation():
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed here (extra: torch)")
    words = tokenizers.Tokenizer.from_file(str(paths.resources() / "demo_model" / "tokenizer.json"))
    texts = load().answers.values()
    longest = max(len(words.encode(text, add_special_tokens=False).ids) for text in texts) + 1  # its end
    assert 64 < longest <= reply_room(Shape().context, demo.SAMPLING.max_tokens)
