"""What is set for one conversation."""

import json

import pytest

from autoglm_desktop.core.conversation import ConversationSettings, from_json, to_json
from autoglm_desktop.core.protocol import Sampling


def test_what_is_set_goes_before_what_the_model_has():
    settings = ConversationSettings(temperature=0.0, max_tokens=7, seed=0)
    defaults = Sampling(temperature=0.9, top_p=0.5, stop=("x",))
    assert settings.sampling(defaults) == Sampling(0.0, 0.5, max_tokens=7, seed=0, stop=("x",))
    assert ConversationSettings().sampling(defaults) == defaults


def test_json_and_back():
    settings = ConversationSettings("Be 简短.", "m", "e1", 0.5, 0.9, 40, 0.05, 100, -1.0, 2.0, 2**32 - 1)
    assert from_json(json.loads(json.dumps(to_json(settings)))) == (settings, ())
    assert to_json(ConversationSettings()) == {}
    assert from_json({"later": 1}) == (ConversationSettings(), ()), "of a newer version"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", -0.1),
        ("temperature", "0.5"),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("temperature", 10**400),
        ("temperature", True),
        ("top_p", 1.01),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("seed", -1),
        ("seed", 2**32),
        ("system", ["x"]),
        ("model", 3),
    ],
)
def test_a_value_that_cannot_be_used_is_named_and_left_out(key, value):
    assert from_json({key: value, "min_p": 0.25}) == (ConversationSettings(min_p=0.25), (key,))


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_what_is_no_object_is_nothing(data):
    assert from_json(data) == (ConversationSettings(), ("settings",))


def test_a_reset_keeps_what_is_said_and_who_answers():
    settings = ConversationSettings("s", "m", "e", temperature=1.0, seed=3)
    assert settings.reset() == ConversationSettings("s", "m", "e")
