"""The agent's prompts: the date, every action that the parser knows, places, the form of a reply."""

import datetime
import re

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.phone_actions import NAMES, Unknown, read_step
from autoglm_desktop.core.thinking import parse_reply
from autoglm_desktop.usecases import prompts

DAY = datetime.date(2026, 11, 21)
CALL = re.compile(r'(?:do|finish)\([^)\n]*"\)|do\([^)\n]*\)')


@pytest.mark.parametrize("language", prompts.LANGUAGES)
def test_every_known_action_is_named_and_every_example_is_read(language):
    text = prompts.phone_agent(language, DAY)
    filled = (
        text.replace("x1", "1").replace("y1", "2").replace("x2", "3").replace("y2", "4").replace("x,y", "5,6")
    )
    calls = CALL.findall(filled)
    found = [read_step(call) for call in calls]
    assert [call for call, step in zip(calls, found, strict=True) if step.action is None] == []
    assert not any(isinstance(step.action, Unknown) for step in found)
    for name in NAMES:
        assert f'do(action="{name}"' in text, name
    assert "finish(message=" in text
    assert "999" in text and "<think>" in text and "<answer>" in text and "{" not in text


@pytest.mark.parametrize(
    ("language", "first"), [("zh", "现在的日期：2026年11月21日 星期六"), ("en", "Date: 2026-11-21, Saturday")]
)
def test_the_date_stands_first(language, first):
    assert prompts.phone_agent(language, DAY).splitlines()[0] == first
    assert prompts.date_text(language, datetime.date(2026, 11, 23)) != prompts.date_text(language, DAY)


def test_a_reply_in_the_form_that_is_asked_for_is_understood():
    form = re.search(r"<think>.*?</think>\n<answer>.*?</answer>", prompts.phone_agent("en", DAY), re.DOTALL)
    assert form is not None
    assert [part.kind for part in parse_reply(form[0])] == ["thinking", "text"]


def test_the_language_of_the_interface_chooses():
    assert [prompts.language_of(name) for name in ("zh_CN", "zh", "en", "de")] == ["zh", "zh", "en", "en"]


def test_a_lost_file_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(prompts.paths, "resources", lambda: tmp_path)
    with pytest.raises(AppError) as caught:
        prompts.phone_agent("en", DAY)
    assert caught.value.code == "file_unreadable"


@pytest.mark.parametrize("language", prompts.LANGUAGES)
def test_the_library_has_every_prompt_in_both_languages(language):
    found = prompts.library(language, DAY)
    assert len(found) == 2 * len(prompts.NAMES) >= 12
    assert (
        len({one.id for one in found}) == len({one.name for one in found}) == len({one.text for one in found})
    )
    assert [one.id.rpartition(".")[2] for one in found[: len(prompts.NAMES)]] == [language] * len(
        prompts.NAMES
    )
    for one in found:
        chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in one.text) > len(one.text) / 3
        assert chinese == one.id.endswith(".zh"), one.id
    by_id = {one.id: one.text for one in found}
    assert by_id["phone_agent.zh"] == prompts.phone_agent("zh", DAY)


def test_no_file_of_the_folder_is_left_out():
    folder = prompts.paths.resources() / "prompts"
    named = {f"{kind}.{language}.txt" for kind in prompts.NAMES for language in prompts.LANGUAGES}
    assert {path.name for path in folder.iterdir()} == named
