"""Asking with everything kept: what is on disk after an answer, a stop, a death."""

import asyncio
import contextlib
import threading

import pytest

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.errors import AppError, EngineError
from autoglm_desktop.core.protocol import Delta, Message, Sampling
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.store.conversations import Conversations, Picture, StoredMessage
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases import answer_writer, chat
from autoglm_desktop.usecases.answering import Always
from autoglm_desktop.usecases.chat_messages import Shown
from tests.fakes.made_answers import MadeSession, collect, with_archive


@pytest.fixture
def run(tmp_path):
    """Run ``work(archive)`` on a loop, with an open archive."""
    return lambda work: with_archive(tmp_path / "c.sqlite3", work)


def test_question_and_answer_are_kept_with_what_the_engine_reported(run):
    async def work(archive):
        session = MadeSession(["Hel", "lo"], "dropped")
        events = await collect(chat.ask(archive, Always(session), None, "What is it?\nReally"))
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
        await collect(chat.ask(archive, Always(session), None, "1"))
        talk = (await archive.run(Conversations.all))[0]
        await collect(chat.ask(archive, Always(session), talk, "2"))
        return session.asked

    assert run(work) == (Message("user", "1"), Message("assistant", "A"), Message("user", "2"))


def test_what_was_streamed_stays_when_the_engine_dies(run):
    async def work(archive):
        session = MadeSession(["half ", "an"], EngineError("engine_died", kind="crashed", detail="", rung=""))
        with pytest.raises(EngineError):
            await collect(chat.ask(archive, Always(session), None, "q"))
        return await archive.run(Conversations.messages, 1)

    answer = run(work)[1]
    assert (answer.text, answer.finish_reason, answer.facts.tokens) == ("half an", "failed", 2)


@pytest.mark.parametrize("how", ["task", "iterator"])
def test_what_was_streamed_stays_when_it_is_cancelled(run, how):
    async def work(archive):
        session = MadeSession(["half ", "an"], "wait")
        events = chat.ask(archive, Always(session), None, "q")
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


@pytest.mark.parametrize("edited", [False, True])
def test_a_question_is_kept_when_it_is_cancelled_before_its_answer_begins(run, edited):
    async def work(archive):
        if edited:
            asked = (await collect(chat.ask(archive, Always(MadeSession(["A"])), None, "q")))[0]
            events = chat.ask_edited(
                archive, Always(MadeSession(["B"])), asked.conversation, asked.question, "sent"
            )
        else:
            events = chat.ask(archive, Always(MadeSession(["A"])), None, "sent")
        gate = threading.Event()
        busy = asyncio.ensure_future(archive.run(lambda _store: gate.wait(30)))
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        gate.set()
        await busy
        await asyncio.wait({waiting})
        return await archive.run(Conversations.messages, 1)

    assert run(work)[0].text == "sent"


def test_it_stays_when_its_last_save_is_cancelled_as_well(run):
    async def work(archive):
        events = chat.ask(archive, Always(MadeSession(["half ", "an"], "wait")), None, "q")
        for _number in range(3):
            await anext(events)
        gate = threading.Event()
        busy = asyncio.ensure_future(archive.run(lambda _store: gate.wait(30)))
        waiting = asyncio.ensure_future(anext(events))
        while not waiting.done():
            waiting.cancel()
            await asyncio.sleep(0)
        gate.set()
        await busy
        return await archive.run(Conversations.messages, 1)

    answer = run(work)[1]
    assert (answer.text, answer.finish_reason) == ("half an", "cancelled")


def test_it_stays_when_the_archive_is_closed_behind_two_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(answer_writer, "SAVE_EVERY_S", 0.0)
    path = tmp_path / "c.sqlite3"

    async def work():
        archive = chat.Archive(Conversations(path))
        await archive.open()
        events = chat.ask(archive, Always(MadeSession(["half ", "an"], "wait")), None, "q")
        for _number in range(3):
            await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        for _time in range(2):
            await asyncio.sleep(0)
            waiting.cancel()
        await asyncio.wait({waiting})
        await archive.close()

    asyncio.run(asyncio.wait_for(work(), 30))
    store = Conversations(path)
    store.open()
    answer = store.messages(1)[1]
    store.close()
    assert (answer.text, answer.finish_reason) == ("half an", "cancelled")


def test_a_failure_that_nobody_waits_for_is_logged(run, caplog):
    async def work(archive):
        async def fail():
            raise await archive.run(lambda _store: AppError("state_unwritable", path="p", detail="made"))

        waiting = asyncio.ensure_future(archive.finish(fail()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})

    run(work)
    assert "state_unwritable" in caplog.text


def test_an_answer_is_saved_while_it_is_written(run, monkeypatch):
    monkeypatch.setattr(answer_writer, "SAVE_EVERY_S", 0.0)

    async def work(archive):
        session = MadeSession(["one ", "two"], "wait")
        events = chat.ask(archive, Always(session), None, "q")
        for _number in range(3):
            await anext(events)
        text = ""
        while not text:  # the saving runs on its own thread
            text = (await archive.run(Conversations.messages, 1))[1].text
        await events.aclose()
        return text

    assert run(work) in ("one ", "one two")


def test_saving_is_due_within_a_second():
    assert answer_writer.SAVE_EVERY_S <= 1.0


def test_asking_again_gives_another_version_of_the_answer(run):
    async def work(archive):
        await collect(chat.ask(archive, Always(MadeSession(["bad"])), None, "q"))
        talk = (await archive.run(Conversations.all))[0]
        question = (await archive.run(Conversations.messages, talk.id))[0]
        session = MadeSession(["good"])
        events = await collect(chat.ask_again(archive, Always(session), talk, question))
        return session.asked, events, await archive.run(Conversations.messages, talk.id)

    asked, events, messages = run(work)
    assert asked == (Message("user", "q"),)
    assert isinstance(events[0], chat.Asked)
    assert [message.text for message in messages] == ["q", "good"]
    bad, good = messages[1].versions
    assert events[0].answer.id == good == messages[1].id and bad == good - 1


@pytest.mark.parametrize("purged", [False, True])
def test_nothing_is_asked_in_a_conversation_that_was_deleted_elsewhere(run, purged):
    async def work(archive):
        asked = (await collect(chat.ask(archive, Always(MadeSession(["A"])), None, "q")))[0]
        deletion = await archive.run(Conversations.delete, asked.conversation.id)
        if purged:
            await archive.run(Conversations.purge, deletion)
        session = MadeSession(["B"])
        codes = []
        for events in (
            chat.ask(archive, Always(session), asked.conversation, "q2"),
            chat.ask_again(archive, Always(session), asked.conversation, asked.question),
            chat.ask_edited(archive, Always(session), asked.conversation, asked.question, "q3"),
        ):
            with pytest.raises(AppError) as raised:
                await collect(events)
            codes.append(raised.value.code)
        return (
            codes,
            session.asked,
            await archive.run(lambda store: store.rows("SELECT count(*) FROM messages")),
        )

    assert run(work) == (["conversation_gone"] * 3, None, [(0 if purged else 2,)])


def test_asking_in_other_words_gives_another_version_of_the_question(run):
    async def work(archive):
        first = await collect(chat.ask(archive, Always(MadeSession(["1"])), None, "q1"))
        talk, question = first[0].conversation, first[0].question
        await collect(chat.ask(archive, Always(MadeSession(["2"])), talk, "q2"))
        session = MadeSession(["new"])
        await collect(chat.ask_edited(archive, Always(session), talk, question, "q1 anew"))
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
        first = await collect(
            chat.ask(archive, Always(session, Sampling(top_p=0.5)), None, "q", settings=settings)
        )
        asked = session.asked, session.sampling
        talk = first[0].conversation
        await archive.run(Conversations.change_settings, talk.id, ConversationSettings(seed=5))
        await collect(chat.ask(archive, Always(session), talk, "again"))
        return asked, (session.asked[0], session.sampling)

    first, second = run(work)
    assert first == ((Message("system", "Be brief."), Message("user", "q")), Sampling(0.25, 0.5))
    assert second == (Message("user", "q"), Sampling(seed=5)), "as it is now, not as the window last saw it"


PICTURE = Picture("a" * 64, "png", 3, 2, 7)


def test_pictures_go_before_the_text_of_every_message_that_has_them(run):
    part, asked_for, open_now = {"type": "image", "file": "made"}, [], []

    @contextlib.asynccontextmanager
    async def show(history, system, sampling):
        asked_for.append([len(message.pictures) for message in history])
        open_now.append(True)
        yield Shown({PICTURE: part}, unseen=2)
        open_now.pop()

    async def work(archive):
        session = MadeSession(["a"])
        first = await collect(
            chat.ask(archive, Always(session, show=show), None, "look", pictures=(PICTURE,))
        )
        talk = first[0].conversation
        await collect(chat.ask(archive, Always(session, show=show), talk, "", pictures=(PICTURE,)))
        with_pictures = session.asked
        await collect(chat.ask_edited(archive, Always(session), talk, first[0].question, "anew"))
        kept = await archive.run(Conversations.messages, talk.id)
        return with_pictures, session.asked, kept, first[-1].answer

    asked, without, kept, answer = run(work)
    assert asked[0] == Message("user", [part, {"type": "text", "text": "look"}])
    assert asked[2] == Message("user", [part]) and asked_for == [[1], [1, 0, 1]] and not open_now
    assert without == (Message("user", "anew"),) and kept[0].pictures == (PICTURE,)
    assert answer.facts.unseen == 2


def test_a_picture_that_cannot_be_shown_fails_the_answer_and_keeps_the_question(run):
    def show(*_request):
        raise EngineError("no_vision_loaded", rung="gguf-cpu")

    async def work(archive):
        session = MadeSession(["a"])
        with pytest.raises(EngineError):
            await collect(chat.ask(archive, Always(session, show=show), None, "look", pictures=(PICTURE,)))
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
        await collect(chat.ask(archive, Always(session), None, "q"))
        return (await archive.run(Conversations.messages, 1))[1].facts

    facts = run(work)
    assert (facts.model, facts.endpoint, facts.rung) == ("some-model", "desk", None)


def test_a_full_disk_while_streaming_is_said_and_what_fitted_stays(run, monkeypatch):
    """SQLite itself says that its file may not grow, as it does where a disk is full."""
    monkeypatch.setattr(answer_writer, "SAVE_EVERY_S", 0.0)

    def fill(store):
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages}")

    def make_room(store):
        store.connection.execute("PRAGMA max_page_count = 1000000")

    async def work(archive):
        session = MadeSession(["short ", "x" * 1_000_000])
        events = chat.ask(archive, Always(session), None, "q")
        seen = [await anext(events), await anext(events)]
        while not (await archive.run(Conversations.messages, 1))[1].text:
            pass
        await archive.run(fill)
        with pytest.raises(AppError) as caught:
            async for event in events:
                seen.append(event)
        full = await archive.run(Conversations.messages, 1)
        with pytest.raises(AppError) as again:  # nothing of a question that cannot be kept is asked
            await collect(chat.ask(archive, Always(session), seen[0].conversation, "y" * 100_000))
        await archive.run(make_room)
        await collect(chat.go_on(archive, Always(MadeSession(["rest"])), seen[0].conversation, full[-1]))
        await collect(chat.ask(archive, Always(MadeSession(["a"])), seen[0].conversation, "next"))
        checked = await archive.run(lambda store: store.rows("PRAGMA integrity_check"))
        return (
            caught.value,
            again.value,
            len(seen),
            full,
            await archive.run(Conversations.messages, 1),
            checked,
        )

    error, again, seen, full, after, checked = run(work)
    assert error.code == again.code == "state_unwritable" and seen == 3, "all of it was shown"
    sentence = errors.text(error)
    assert sentence.endswith("c.sqlite3 cannot be written: the disk is full; make room and try again.")
    assert [message.text for message in full] == ["q", "short "] and full[1].finish_reason is None
    assert [message.text for message in after] == ["q", "short rest", "next", "a"]
    assert [message.finish_reason for message in after[1::2]] == ["stop", "stop"] and checked == [("ok",)]


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
