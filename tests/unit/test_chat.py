"""Asking with everything kept: what is on disk after an answer, a stop, a death."""

import asyncio

import pytest

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling, Timings, Usage
from autoglm_desktop.store.conversations import Conversations, StoredMessage
from autoglm_desktop.usecases import chat
from autoglm_desktop.usecases.session import SessionState


class MadeSession:
    """Answers with ``words``; then ends with ``done``, an error, or waits for ever."""

    def __init__(self, words, end="stop"):
        self.words, self.end = words, end
        self.state = SessionState("ready")
        self.asked = None

    async def generate(self, messages, sampling):
        self.asked = messages
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


def test_asking_again_replaces_the_answer(run):
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
