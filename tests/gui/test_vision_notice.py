"""What is said where pictures stand above a message and who answers can't look at them."""

from pathlib import Path

import pytest

from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.core.protocol import Proof
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.gui.chat.vision_notice import notice_for
from autoglm_desktop.usecases.session_state import SessionState
from autoglm_desktop.usecases.targets import Target

TARGET = Target("made-model", Path("made.gguf"))
PLAN = RungPlan("gguf-gpu")
SEEING = Proof("llama.cpp", "made", projector="gpu glm4v F16")
BLIND = Proof("llama.cpp", "made")
AWAY = Endpoint("1", "made server", "https://example.org/v1")
HERE = Endpoint("2", "made server", "http://127.0.0.1:8000/v1")


def state(phase="ready", proof=BLIND, target=TARGET):
    return SessionState(phase, target, plan=PLAN, proof=proof)


def names(notice):
    return [action.name for action in notice.actions]


@pytest.mark.parametrize("phase", ["idle", "loading", "ready", "generating", "failed"])
def test_without_pictures_and_where_they_are_seen_nothing_is_said(phase):
    assert notice_for(state(phase), TARGET, AWAY, pictures=False) is None
    assert notice_for(state(phase, SEEING), TARGET, None, pictures=True) is None
    assert notice_for(state(phase, SEEING), None, None, pictures=True) is None


@pytest.mark.parametrize("phase", ["ready", "generating"])
@pytest.mark.parametrize("seeing", [TARGET, None])
def test_a_rung_without_vision_can_be_loaded_with_it(phase, seeing):
    notice = notice_for(state(phase), seeing, None, pictures=True)
    assert names(notice) == ["see", "models", "without"] and "made-model" in notice.text
    assert notice.actions[0].kind == "primary"


@pytest.mark.parametrize("phase", ["idle", "loading", "installing", "failed"])
def test_a_model_that_is_loaded_first_is_loaded_so_that_it_sees(phase):
    assert notice_for(state(phase, None), TARGET, None, pictures=True) is None


@pytest.mark.parametrize("phase", ["idle", "loading", "ready", "failed"])
@pytest.mark.parametrize(
    "error",
    [
        TargetError("vision_none", name="made-model"),
        TargetError("vision_part_to_pull", name="made-model", model="made/model:Q4_K_M"),
        TargetError("vision_part_missing", name="made-model", folder="/made"),
        TargetError("vision_no_sections", path="/made/made.gguf"),
    ],
    ids=lambda error: error.code,
)
def test_a_model_that_cannot_see_says_why_and_leads_to_others(phase, error):
    notice = notice_for(state(phase), error, None, pictures=True)
    assert names(notice) == ["models", "without"]
    assert notice.text.count(". ") <= 1 and "autoglm-desktop" not in notice.text and "{" not in notice.text


def test_without_a_model_one_is_chosen():
    assert names(notice_for(state("idle", None, None), None, None, pictures=True)) == ["models"]


def test_a_picture_that_leaves_this_machine_is_said_to():
    notice = notice_for(state(), TARGET, AWAY, pictures=True)
    assert names(notice) == ["without"] and "example.org" in notice.text and notice.tone == "info"
    assert notice_for(state(), TARGET, HERE, pictures=True) is None
