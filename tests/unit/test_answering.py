"""Who answers a conversation: this machine's session unless a server was set, each with its model's sampling."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from autoglm_desktop.core import sampling_defaults
from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.protocol import Sampling
from autoglm_desktop.core.remote import RemoteError
from autoglm_desktop.store import catalog, conversation_pictures
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.store.library import Library
from autoglm_desktop.store.web import Web
from autoglm_desktop.usecases import chat
from autoglm_desktop.usecases.answering import Answerers
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.remote_servers import Draft, RemoteServers
from autoglm_desktop.usecases.session_state import SessionState
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_openai import WORDS, Behaviour, FakeOpenAI
from tests.fakes.fake_services import made_services
from tests.fakes.made_answers import collect, with_archive
from tests.unit.test_keys import Ring

PHONE = "autoglm-phone-9b"
MODEL = "zai-org/AutoGLM-Phone-9B"
KNOWN = Target("AutoGLM", Path("/made/model.gguf"), PHONE)


def chooser(tmp_path, web, archive, target=None):
    """(Answerers, its servers, its pictures)"""
    session = SimpleNamespace(state=SessionState("idle", target), generate=None, stop=None)
    servers = RemoteServers(tmp_path / "endpoints.json", web)
    library = Library(tmp_path / "models", tmp_path, catalog.load())
    own = Pictures(made_services(tmp_path / "home"))
    return Answerers(session, servers, library, own, archive.pictures), servers, own


def with_answerers(tmp_path, work, target=None, usage=True):
    """``work(archive, answerers, id of a server, what the server was asked)``"""

    async def whole(archive):
        web = Web(Keys({}, Ring))
        with FakeOpenAI(Behaviour(models=(MODEL, "made-other"), usage=usage)) as server:
            made, servers, own = chooser(tmp_path, web, archive, target)
            saved = await servers.save(Draft("desk", server.url, MODEL))
            try:
                return await work(archive, made, saved.endpoint.id, server.asked)
            finally:
                await own.close()
                await web.close()

    return with_archive(tmp_path / "c.sqlite3", whole)


@pytest.mark.parametrize("target", [None, Target("other", Path("/made/other.gguf")), KNOWN])
def test_this_machine_answers_with_its_models_sampling(tmp_path, target):
    async def work(_archive, answerers, _server, _asked):
        return await answerers.choose(ConversationSettings())

    chosen = with_answerers(tmp_path, work, target)
    known = sampling_defaults.defaults(PHONE, catalog.load())
    assert known != Sampling() and chosen.sampling == (known if target is KNOWN else Sampling())
    assert chosen.remote is None and chosen.answerer.state.target is target and chosen.show is not None


def test_a_server_answers_only_where_it_was_set(tmp_path):
    async def work(archive, answerers, server, asked):
        settings = ConversationSettings("Be brief.", endpoint=server, seed=7)
        events = await collect(chat.ask(archive, answerers, None, "Hi", settings=settings))
        return events[-1].answer, await answerers.choose(settings), list(asked)

    answer, chosen, asked = with_answerers(tmp_path, work)
    assert answer.text == "".join(WORDS) and answer.facts.endpoint == "desk"
    assert chosen.remote.name == "desk" and chosen.answerer.endpoint == chosen.remote
    assert chosen.sampling == sampling_defaults.defaults(PHONE, catalog.load())
    (body,) = [one.body for one in asked if one.method == "POST"]
    assert body["seed"] == 7 and body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_another_model_of_the_server_can_be_set(tmp_path):
    async def work(_archive, answerers, server, _asked):
        return await answerers.choose(ConversationSettings(endpoint=server, model="made-other"))

    chosen = with_answerers(tmp_path, work)
    assert chosen.remote.model == "made-other" and chosen.sampling == Sampling()


def test_a_server_that_is_gone_is_said_and_nobody_else_is_asked(tmp_path):
    async def work(archive, answerers, _server, asked):
        settings = ConversationSettings(endpoint="gone")
        with pytest.raises(RemoteError) as caught:
            await collect(chat.ask(archive, answerers, None, "Hi", settings=settings))
        return caught.value.code, await archive.run(Conversations.messages, 1), list(asked)

    code, (question, answer), asked = with_answerers(tmp_path, work, KNOWN)
    assert code == "remote_gone" and not asked
    assert (question.text, answer.text, answer.finish_reason) == ("Hi", "", "failed")


def test_what_a_server_did_not_count_is_not_kept_as_a_count(tmp_path):
    async def work(archive, answerers, server, _asked):
        settings = ConversationSettings(endpoint=server)
        return (await collect(chat.ask(archive, answerers, None, "Hi", settings=settings)))[-1].answer.facts

    facts = with_answerers(tmp_path, work, usage=False)
    assert (facts.tokens, facts.prompt_tokens, facts.tokens_per_s) == (None, None, None)
    assert facts.first_token_s is not None


def test_pictures_go_to_the_server_with_every_question(tmp_path):
    Image.new("RGB", (56, 84), "red").save(tmp_path / "shot.png")

    async def work(archive, answerers, server, asked):
        picture = await asyncio.to_thread(conversation_pictures.keep, archive.pictures, tmp_path / "shot.png")
        settings = ConversationSettings(endpoint=server)
        first = await collect(
            chat.ask(archive, answerers, None, "look", pictures=[picture], settings=settings)
        )
        second = await collect(chat.ask(archive, answerers, first[0].conversation, "and now?"))
        bodies = [one.body["messages"] for one in asked if one.method == "POST"]
        return bodies, second[-1].answer.facts

    (first, second), facts = with_answerers(tmp_path, work)
    assert [part["type"] for part in first[0]["content"]] == ["image_url", "text"]
    assert second[0] == first[0] and len(second) == 3 and facts.unseen is None
