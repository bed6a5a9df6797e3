"""An answer that is written on, in the same message: what it had stays whatever happens."""

import asyncio

import pytest

from autoglm_desktop.core.errors import AppError, EngineError
from autoglm_desktop.core.protocol import Delta, Message, Sampling
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.store.conversation_search import search
from autoglm_desktop.store.conversations import Conversations, Facts
from autoglm_desktop.usecases import answer_writer, chat
from autoglm_desktop.usecases.answering import Always
from tests.fakes.made_answers import MadeSession, collect, with_archive

DIED = EngineError("engine_died", kind="crashed", detail="", rung="gguf-cpu")


@pytest.fixture
def run(tmp_path):
    """Run ``work(archive, conversation, answer)``, where an answer is that was cut off at its length."""

    def run(work, first=None):
        async def whole(archive):
            events = chat.ask(
                archive, Always(first or MadeSession(["one ", "two "], "length")), None, "count"
            )
            seen = await collect(events)
            return await work(archive, seen[0].conversation, seen[-1].answer)

        return with_archive(tmp_path / "c.sqlite3", whole)

    return run


def on(archive, session, conversation, answer):
    return chat.go_on(archive, Always(session), conversation, answer)


def test_the_same_message_grows_and_the_engine_gets_what_it_had(run):
    async def work(archive, conversation, answer):
        session = MadeSession(["three ", "four"], prompt_tokens=12)
        events = await collect(on(archive, session, conversation, answer))
        found = await archive.run(search, "three")
        return session.asked, events, await archive.run(Conversations.messages, conversation.id), found

    asked, events, messages, found = run(work)
    assert asked == (Message("user", "count"), Message("assistant", "one two "))
    begun, *deltas, answered = events
    assert (begun.question.text, begun.answer.text) == ("count", "one two ")
    assert [delta.text for delta in deltas] == ["three ", "four"]
    _question, answer = messages
    assert answer.id == begun.answer.id and answer == answered.answer
    assert (answer.text, answer.finish_reason) == ("one two three four", "stop")
    assert (answer.facts.tokens, answer.facts.prompt_tokens) == (4, 10), "together what was in use at the end"
    assert (answer.facts.tokens_per_s, answer.facts.first_token_s) == (20.0, 0.5)
    assert [hit.message for hit in found.hits] == [answer.id]


@pytest.mark.parametrize("end", [DIED, "wait", "cancelled"], ids=["died", "left", "stopped"])
def test_nothing_came_and_it_is_as_it_was(run, end):
    async def work(archive, conversation, answer):
        events = on(archive, MadeSession([], end), conversation, answer)
        assert isinstance(await anext(events), chat.Asked)
        during = (await archive.run(Conversations.message, answer.id)).finish_reason
        if end == "wait":
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        elif end == "cancelled":
            assert (await anext(events)).answer == answer
            await events.aclose()
        else:
            with pytest.raises(EngineError):
                await anext(events)
        found = await archive.run(search, "two")
        return answer, during, await archive.run(Conversations.message, answer.id), found

    before, during, after, found = run(work)
    assert during is None, "a crash now leaves an answer that is not finished"
    assert (
        after == before
        and after.finish_reason == "length"
        and [hit.message for hit in found.hits] == [after.id]
    )


@pytest.mark.parametrize("how", ["died", "closed"])
def test_what_came_is_kept_behind_what_was_there(run, how):
    async def work(archive, conversation, answer):
        events = on(archive, MadeSession(["three "], DIED if how == "died" else "wait"), conversation, answer)
        assert [type(await anext(events)) for _number in range(2)] == [chat.Asked, Delta]
        if how == "died":
            with pytest.raises(EngineError):
                await anext(events)
        else:
            await events.aclose()
        return await archive.run(Conversations.message, answer.id)

    answer = run(work)
    assert (answer.text, answer.finish_reason) == (
        "one two three ",
        "failed" if how == "died" else "cancelled",
    )
    assert answer.facts.tokens == 3


def test_closed_at_once_it_is_as_it_was(run):
    async def work(archive, conversation, answer):
        events = on(archive, MadeSession(["three"]), conversation, answer)
        await anext(events)
        await events.aclose()
        return answer, await archive.run(Conversations.message, answer.id)

    before, after = run(work)
    assert after == before


def test_an_answer_that_never_began_is_answered_in_its_place(run):
    async def work(archive, conversation, _answer):
        with pytest.raises(EngineError):
            await collect(chat.ask(archive, Always(MadeSession([], DIED)), conversation, "again"))
        empty = (await archive.run(Conversations.messages, conversation.id))[-1]
        session = MadeSession(["three"])
        await collect(on(archive, session, conversation, empty))
        return session.asked, empty, (await archive.run(Conversations.messages, conversation.id))[-1]

    asked, empty, answer = run(work)
    assert (empty.text, empty.finish_reason) == ("", "failed")
    assert asked[-1] == Message("user", "again") and answer.id == empty.id and answer.text == "three"


def test_what_was_counted_of_an_unfinished_answer_is_unknown(run):
    async def work(archive, conversation, answer):
        await archive.run(Conversations.finish, answer.id, answer.text, None, Facts())
        return (await collect(on(archive, MadeSession(["three"]), conversation, answer)))[-1].answer

    answer = run(work)
    assert (answer.facts.tokens, answer.facts.prompt_tokens) == (None, None)
    assert answer.finish_reason == "stop"


def test_it_is_saved_while_it_is_written_on(run, monkeypatch):
    monkeypatch.setattr(answer_writer, "SAVE_EVERY_S", 0.0)

    async def work(archive, conversation, answer):
        events = on(archive, MadeSession(["three "], "wait"), conversation, answer)
        for _number in range(2):
            await anext(events)
        while (kept := await archive.run(Conversations.message, answer.id)).text == answer.text:
            pass
        await events.aclose()
        return kept

    kept = run(work)
    assert (kept.text, kept.finish_reason) == ("one two three ", None)


def test_an_answer_that_is_gone_is_said(run):
    async def work(archive, conversation, answer):
        await archive.run(Conversations.delete_from, conversation.id, answer.id)
        with pytest.raises(AppError) as caught:
            await collect(on(archive, MadeSession(["three"]), conversation, answer))
        return caught.value.code

    assert run(work) == "conversation_gone"


def test_a_remote_server_is_not_asked_to_write_on(run):
    remote = MadeSession(["three"])
    remote.endpoint = Endpoint("e1", "desk", "http://127.0.0.1:1/v1", "some-model")

    async def work(archive, conversation, answer):
        with pytest.raises(ValueError, match="remote"):
            await collect(on(archive, remote, conversation, answer))
        return answer, await archive.run(Conversations.message, answer.id)

    before, after = run(work)
    assert after == before and remote.asked is None


def test_its_settings_hold_for_what_is_written_on(run):
    async def work(archive, conversation, answer):
        settings = conversation.settings.__class__("Be brief.", temperature=0.5)
        await archive.run(Conversations.change_settings, conversation.id, settings)
        session = MadeSession(["x"])
        await collect(on(archive, session, conversation, answer))
        return session

    session = run(work)
    assert session.asked[0] == Message("system", "Be brief.") and session.sampling == Sampling(0.5)
