"""Asking with everything kept: what is on disk after an answer, a stop, a death."""

import asyncio

import pytest

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.errors import AppError, EngineError
from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling, Timings, Usage
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.store.conversations import Conversations, Picture, StoredMessage
from autoglm_desktop.usecases import chat
from autoglm_desktop.usecases.session import SessionState


class MadeSession:
    """Answers with ``words``; then ends with ``done``, an error, or waits for ever."""

    def __init__(self, words, end="stop"):
        self.words, self.end = words, end
        self.state = SessionState("ready")
        self.asked = None

    async def generate(self, messages, sampling):
        self.asked, self.sampling = messages, sampling
        for count, word in enumerate(self.words, 1):
            yield Delta("r", word, count)
        if isinstance(self.end, Exception):
            raise self.end
        if self.end == "wait":
            await asyncio.Event().wait()
        usage = Usage(10, len(self.words), 0, 3 if self.end == "dropped" else 0)
        yield Done("r", usage, Timings(0.5, 100.0, 20.0), "stop")


@pytest.fixture
def run(tmp_path):
    """Run ``work(archive)`` on a loop, with an open archive."""

    def run(work):
        async def whole():
            archive = chat.Archive(Conversations(tmp_path / "c.sqlite3"))
            await archive.open()
            try:
                return await asyncio.wait_for(work(archive), 20)
            finally:
                await archive.close()

        return asyncio.run(whole())

    return run


async def collect(events):
    return [event async for event in events]


def test_question_and_answer_are_kept_with_what_the_engine_reported(run):
    async def work(archive):
        session = MadeSession(["Hel", "lo"], "dropped")
        events = await collect(chat.ask(archive, session, None, "What is it?\nReally", Sampling()))
        talk = (await archive.run(Conversations.all))[0]
        return session, events, talk, await archive.run(Conversations.messages, talk.id)

    session, events, talk, (question, answer) = run(work)
    assert [type(event).__name__ for event in events] == ["Asked", "Delta", "Delta", "Answered"]
    assert (talk.title, question.text) == ("What is it?", "What is it?\nReally")
    assert (answer.text, answer.finish_reason) == ("Hello", "stop")
    assert (answer.facts.tokens, answer.facts.tokens_per_s, answer.facts.dropped) == (2, 20.0, 3)
    assert events[-1].answer == answer
    assert session.asked == (Message("user", "What is it?\nReally"),)


def test_the_next_question_brings_the_history(run):
    async def work(archive):
        session = MadeSession(["A"])
        await collect(chat.ask(archive, session, None, "1", Sampling()))
        talk = (await archive.run(Conversations.all))[0]
        await collect(chat.ask(archive, session, talk, "2", Sampling()))
        return session.asked

    assert run(work) == (Message("user", "1"), Message("assistant", "A"), Message("user", "2"))


def test_what_was_streamed_stays_when_the_engine_dies(run):
    async def work(archive):
        session = MadeSession(["half ", "an"], EngineError("engine_died", kind="crashed", detail="", rung=""))
        with pytest.raises(EngineError):
            await collect(chat.ask(archive, session, None, "q", Sampling()))
        return await archive.run(Conversations.messages, 1)

    answer = run(work)[1]
    assert (answer.text, answer.finish_reason, answer.facts.tokens) == ("half an", "failed", 2)


@pytest.mark.parametrize("how", ["task", "iterator"])
def test_what_was_streamed_stays_when_it_is_cancelled(run, how):
    async def work(archive):
        session = MadeSession(["half ", "an"], "wait")
        events = chat.ask(archive, session, None, "q", Sampling())
        seen = [await anext(events) for _number in range(3)]
        if how == "task":
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        else:
            await events.aclose()
        assert isinstance(seen[-1], Delta)
        return await archive.run(Conversations.messages, 1)

    answer = run(work)[1]
    assert (answer.text, answer.finish_reason) == ("half an", "cancelled")


def test_an_answer_is_saved_while_it_is_written(run, monkeypatch):
    monkeypatch.setattr(chat, "SAVE_EVERY_S", 0.0)

    async def work(archive):
        session = MadeSession(["one ", "two"], "wait")
        events = chat.ask(archive, session, None, "q", Sampling())
        for _number in range(3):
            await anext(events)
        text = ""
        while not text:  # the saving runs on its own thread
            text = (await archive.run(Conversations.messages, 1))[1].text
        await events.aclose()
        return text

    assert run(work) in ("one ", "one two")


def test_saving_is_due_within_a_second():
    assert chat.SAVE_EVERY_S <= 1.0


def test_asking_again_gives_another_version_of_the_answer(run):
    async def work(archive):
        await collect(chat.ask(archive, MadeSession(["bad"]), None, "q", Sampling()))
        talk = (await archive.run(Conversations.all))[0]
        question = (await archive.run(Conversations.messages, talk.id))[0]
        session = MadeSession(["good"])
        events = await collect(chat.ask_again(archive, session, talk, question, Sampling()))
        return session.asked, events, await archive.run(Conversations.messages, talk.id)

    asked, events, messages = run(work)
    assert asked == (Message("user", "q"),)
    assert isinstance(events[0], chat.Asked)
    assert [message.text for message in messages] == ["q", "good"]
    bad, good = messages[1].versions
    assert events[0].answer.id == good == messages[1].id and bad == good - 1


def test_asking_in_other_words_gives_another_version_of_the_question(run):
    async def work(archive):
        first = await collect(chat.ask(archive, MadeSession(["1"]), None, "q1", Sampling()))
        talk, question = first[0].conversation, first[0].question
        await collect(chat.ask(archive, MadeSession(["2"]), talk, "q2", Sampling()))
        session = MadeSession(["new"])
        await collect(chat.ask_edited(archive, session, talk, question, "q1 anew", Sampling()))
        shown = await archive.run(Conversations.messages, talk.id)
        return session.asked, shown, await archive.run(Conversations.choose, talk.id, question.id)

    asked, shown, old = run(work)
    assert asked == (Message("user", "q1 anew"),)
    assert [message.text for message in shown] == ["q1 anew", "new"]
    assert [message.text for message in old] == ["q1", "1", "q2", "2"]


def test_what_is_set_for_the_conversation_holds(run):
    async def work(archive):
        session = MadeSession(["a"])
        settings = ConversationSettings("Be brief.", temperature=0.25)
        first = await collect(chat.ask(archive, session, None, "q", Sampling(top_p=0.5), settings=settings))
        asked = session.asked, session.sampling
        talk = first[0].conversation
        await archive.run(Conversations.change_settings, talk.id, ConversationSettings(seed=5))
        await collect(chat.ask(archive, session, talk, "again", Sampling()))
        return asked, (session.asked[0], session.sampling)

    first, second = run(work)
    assert first == ((Message("system", "Be brief."), Message("user", "q")), Sampling(0.25, 0.5))
    assert second == (Message("user", "q"), Sampling(seed=5)), "as it is now, not as the window last saw it"


PICTURE = Picture("a" * 64, "png", 3, 2, 7)


def test_pictures_go_before_the_text_of_every_message_that_has_them(run):
    shown = []

    async def show(picture):
        shown.append(picture)
        return {"type": "image", "file": picture.file_name}

    async def work(archive):
        session = MadeSession(["a"])
        first = await collect(
            chat.ask(archive, session, None, "look", Sampling(), pictures=(PICTURE,), show=show)
        )
        talk = first[0].conversation
        await collect(chat.ask(archive, session, talk, "", Sampling(), pictures=(PICTURE,), show=show))
        with_pictures = session.asked
        await collect(chat.ask_edited(archive, session, talk, first[0].question, "anew", Sampling()))
        kept = await archive.run(Conversations.messages, talk.id)
        return with_pictures, session.asked, kept

    asked, without, kept = run(work)
    part = {"type": "image", "file": PICTURE.file_name}
    assert asked[0] == Message("user", [part, {"type": "text", "text": "look"}])
    assert asked[2] == Message("user", [part]) and shown == [PICTURE, PICTURE], "once a picture and answer"
    assert without == (Message("user", "anew"),) and kept[0].pictures == (PICTURE,)


def test_a_picture_that_cannot_be_shown_fails_the_answer_and_keeps_the_question(run):
    async def show(_picture):
        raise EngineError("no_vision_loaded", rung="gguf-cpu")

    async def work(archive):
        session = MadeSession(["a"])
        with pytest.raises(EngineError):
            await collect(
                chat.ask(archive, session, None, "look", Sampling(), pictures=(PICTURE,), show=show)
            )
        return session.asked, await archive.run(Conversations.messages, 1)

    asked, (question, answer) = run(work)
    assert asked is None and question.pictures == (PICTURE,) and answer.finish_reason == "failed"


def test_who_answered_elsewhere_is_kept(run):
    class Elsewhere(MadeSession):
        endpoint = Endpoint("e1", "desk", "http://127.0.0.1:1/v1", "some-model")
        state = None

    async def work(archive):
        session = Elsewhere(["a"])
        del session.state
        await collect(chat.ask(archive, session, None, "q", Sampling()))
        return (await archive.run(Conversations.messages, 1))[1].facts

    facts = run(work)
    assert (facts.model, facts.endpoint, facts.rung) == ("some-model", "desk", None)


def test_a_full_disk_while_streaming_is_said_and_what_fitted_stays(run, monkeypatch):
    monkeypatch.setattr(chat, "SAVE_EVERY_S", 0.0)

    def fill(store):
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages}")

    async def work(archive):
        session = MadeSession(["short ", "x" * 1_000_000])
        events = chat.ask(archive, session, None, "q", Sampling())
        seen = [await anext(events), await anext(events)]
        while not (await archive.run(Conversations.messages, 1))[1].text:
            pass
        await archive.run(fill)
        with pytest.raises(AppError) as caught:
            async for event in events:
                seen.append(event)
        return caught.value.code, len(seen), await archive.run(Conversations.messages, 1)

    code, seen, messages = run(work)
    assert (code, seen) == ("state_unwritable", 3), "all of it was shown"
    assert [message.text for message in messages] == ["q", "short "]


def stored(role, text):
    return StoredMessage(1, 1, role, text, 0.0)


def test_roles_alternate_whatever_was_lost():
    history = [stored("user", "a"), stored("assistant", ""), stored("user", "b"), stored("assistant", "c")]
    assert chat.as_messages(history) == (Message("user", "a\n\nb"), Message("assistant", "c"))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("hello", "hello"),
        ("\n\n  first line \nsecond", "first line"),
        ("word " * 30, "word word word word word word word word word word word word…"),
        ("字" * 100, "字" * 60 + "…"),
        ("   ", ""),
    ],
)
def test_titles(text, title):
    assert chat.title_of(text) == title
