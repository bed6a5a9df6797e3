"""What the chat tab says of the context: pure functions over a session's state and the messages."""

from pathlib import Path

import pytest

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.protocol import Proof, Sampling
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.core.rungs import PhoneStep, RungPlan
from autoglm_desktop.gui.chat import context
from autoglm_desktop.store.catalog import load
from autoglm_desktop.store.conversations import Facts, Picture, StoredMessage
from autoglm_desktop.usecases.session_state import SessionState
from autoglm_desktop.usecases.targets import Target

TARGET = Target("tiny", Path("made.gguf"), "autoglm-phone-9b", "Q4_K_M")
FAR = Endpoint("1", "far", "https://example.org/v1", "zai-org/AutoGLM-Phone-9B")
SHOT = Picture("0" * 64, "png", 1080, 2400, 1)


def state(projector=None):
    plan = RungPlan("gguf-cpu", context=16384, phone_step=PhoneStep(3354, 2000, 0, 200))
    proof = Proof("llama.cpp", "made", context=8192, projector=projector)
    return SessionState("ready", TARGET, plan=plan, proof=proof)


def said(number, role, text, **facts):
    return StoredMessage(number, 1, role, text, 0.0, Facts(**facts))


def test_defaults_are_those_of_who_answers():
    catalog = load()
    here = context.defaults(ConversationSettings(), None, state(), catalog)
    there = context.defaults(ConversationSettings(), FAR, SessionState(), catalog)
    assert here == there and here.temperature == 0.0 and here.max_tokens == 3000
    other = context.defaults(ConversationSettings(model="made"), FAR, state(), catalog)
    assert other == Sampling()
    assert context.defaults(ConversationSettings(), None, SessionState(), catalog) == Sampling()


def test_what_the_engine_counted_goes_before_estimates():
    messages = (
        said(1, "user", "word " * 100),
        said(2, "assistant", "yes", model="tiny", prompt_tokens=120, tokens=8),
    )
    use = context.before(state(), ConversationSettings(), None, messages, Sampling())
    assert use.exact and use.used == 128 and use.context == 8192
    more = (*messages, said(3, "user", "and more words"))
    after = context.before(state(), ConversationSettings(), None, more, Sampling())
    assert not after.exact and 128 < after.used < 160


@pytest.mark.parametrize(
    ("facts", "endpoint"),
    [({"model": "another"}, None), ({"model": "tiny", "endpoint": "far"}, None), ({"model": "tiny"}, FAR)],
)
def test_what_somebody_else_counted_does_not(facts, endpoint):
    messages = (said(1, "user", "hello"), said(2, "assistant", "yes", prompt_tokens=5000, tokens=8, **facts))
    use = context.before(state(), ConversationSettings(), endpoint, messages, Sampling())
    assert not use.exact and use.used < 100
    assert use.context == (8192 if endpoint is None else None)


def test_room_for_pictures_is_what_prompt_and_reply_leave():
    sees = state(projector=object())
    room = context.room(sees, None, "x" * 3000, Sampling(max_tokens=500))
    assert 8192 - 500 - 1100 < room < 8192 - 500 - 1000
    assert context.room(state(), None, "", Sampling()) is None, "no vision part is loaded"
    assert context.room(sees, FAR, "", Sampling()) is None, "nobody knows a server's room"


def test_pictures_count_as_they_are_shown():
    assert context.picture_tokens(SHOT) == 3354
    assert context.picture_tokens(Picture("0" * 64, "png", 540, 1200, 1)) == 817
    assert context.picture_tokens(Picture("0" * 64, "png", 10_000, 10, 1)) == 0
