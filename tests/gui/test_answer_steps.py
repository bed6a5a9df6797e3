"""Which answers are shown as an action, and which only speak of one."""

import pytest

from autoglm_desktop.core.phone_actions import Finish, Place, Tap, Type
from autoglm_desktop.core.thinking import parse_reply
from autoglm_desktop.gui.transcript.answer_steps import LONGEST, step_of
from autoglm_desktop.gui.transcript.entries import entries
from autoglm_desktop.gui.transcript.entry import PhoneStep, Shown
from autoglm_desktop.store.conversation_values import Picture
from autoglm_desktop.store.conversations import Facts, StoredMessage

TAP = 'do(action="Tap", element=[420,466])'


def step(reply):
    said = "\n\n".join(part.text for part in parse_reply(reply) if part.kind != "thinking")
    return step_of(reply, said)


@pytest.mark.parametrize(
    "reply",
    [
        TAP,
        f"<think>why</think>\n<answer>{TAP}",
        f'<think>why do(action="Back")</think><answer>{TAP}</answer>',
        f"why</think>\n{TAP}\n",
        f"<answer>{TAP}</answer><|observation|>",
    ],
)
def test_an_answer_that_is_an_action(reply):
    assert step(reply) == PhoneStep(Tap(Place(420, 466)), TAP)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "do",
        f"Use {TAP}",
        f"{TAP} taps.",
        f"`{TAP}`",
        f"```python\n{TAP}\n```",
        f"The two are\n{TAP}\n{TAP}",
        f"I would write\n{TAP}",
        f"<think>{TAP}</think>",
        f"<think>why</think> I'd say <answer> as in\n{TAP}",
        'do(action="Tap", element=[420,1466])',
        'do(action="Tap", element=[420,',
        'print(action="Tap")',
        "x" * LONGEST + TAP,
    ],
)
def test_a_text_that_mentions_one(reply):
    assert step(reply) is None


def test_what_is_said_before_a_marked_action_is_kept():
    found = step(f"I tap the fourth row.\n<answer>{TAP}</answer>")
    assert (found.said, found.written) == ("I tap the fourth row.", TAP)
    assert step('<answer>finish(message="done")').action == Finish("done")


def message(key, role, text, pictures=(), finish="stop"):
    return StoredMessage(key, 1, role, text, 0.0, Facts(), finish, pictures=pictures)


def picture(name="screen.png", most=None):
    return Picture("0" * 64, "png", 1080, 2400, 1, name, most)


def shown(*messages, **more):
    return list(entries(messages, busy=False, **more))


def test_an_action_gets_the_only_picture_of_its_question(tmp_path):
    asked = message(1, "user", "tap it", (picture(),))
    question, answer = shown(asked, message(2, "assistant", TAP), folder=tmp_path)
    expected = Shown(tmp_path / ("0" * 64 + ".png"), 1080, 2400, "screen.png", 3354)
    assert question.pictures == (expected,)
    assert answer.step.picture == expected
    assert answer.drawn == ((expected, Tap(Place(420, 466))),)


def test_which_of_two_pictures_an_action_means_is_not_guessed(tmp_path):
    asked = message(1, "user", "tap it", (picture(), picture("other.png")))
    _question, answer = shown(asked, message(2, "assistant", TAP), folder=tmp_path)
    assert answer.step.picture is None
    assert answer.drawn == ()


@pytest.mark.parametrize("finish", ["length", "cancelled", "failed", None])
def test_an_answer_that_was_cut_off_is_no_action(finish):
    asked = message(1, "user", "type it")
    written = 'do(action="Type", text="a")'
    assert shown(asked, message(2, "assistant", written))[1].step.action == Type("a")
    assert shown(asked, message(2, "assistant", written, finish=finish))[1].step is None


def test_a_call_that_cannot_be_read_says_why():
    asked = message(1, "user", "tap it")
    beyond = shown(asked, message(2, "assistant", 'do(action="Tap", element=[420,1466])'))[1]
    assert beyond.step is None
    assert "999" in beyond.remarks[0]
    for text in (TAP, f"{TAP} is like {TAP}", "do(action= is how it begins", "x", f"`{TAP}`"):
        assert shown(asked, message(2, "assistant", text))[1].remarks == ()


def test_a_question_is_no_action():
    assert shown(message(1, "user", TAP))[0].step is None


def test_tokens_follow_the_size_that_was_chosen(tmp_path):
    asked = message(1, "user", "x", (picture(most=817),))
    assert shown(asked, folder=tmp_path)[0].pictures[0].tokens <= 817
    odd = Picture("0" * 64, "png", 9000, 1, 1)
    assert shown(message(1, "user", "x", (odd,)), folder=tmp_path)[0].pictures[0].tokens is None


def test_without_a_folder_there_is_no_path():
    assert shown(message(1, "user", "x", (picture(),)))[0].pictures[0].path is None
