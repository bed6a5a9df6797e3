"""The demo that is shipped, by the program's own path and real engines: answers word for word, as it learned them.

``gguf-cpu-safe`` is asked for where llama.cpp is to answer: its fast kernels end some machines' engines.
"""

import asyncio
import contextlib
from functools import cache

import pytest
from demo_model import corpus
from demo_model.judge import Judge
from demo_model.settings import LANGUAGES, OUTSIDE

from autoglm_desktop import i18n
from autoglm_desktop.core import sampling_defaults
from autoglm_desktop.core.protocol import Delta, Done, Message
from autoglm_desktop.store import paths
from autoglm_desktop.texts import demo as texts
from autoglm_desktop.usecases import targets
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session, Wishes

LEARNED = {
    "what is VRAM": "vram-what",
    "hi": "greeting",
    "out of memory": "out-of-memory",
    "where are my chats": "chats-where",
    "how do I import a model": "import-file",
    "why does it run on the CPU": "cpu-why",
    "什么是显存": "vram-what",
    "你叫什么名字": "who-are-you",
    "怎么连接 Open-AutoGLM": "connect-agent",
    "显存爆了": "out-of-memory",
    "what is the capital of France": OUTSIDE,
    "法国的首都是哪里": OUTSIDE,
}
"""Questions that were trained on → their answer's id."""
SUGGESTED = ("can-i-run", "vram-what", "connect-agent")
"""The answers of ``texts.demo.QUESTIONS``."""


@cache
def answers():
    return corpus.load().answers


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """One home: each engine is self-tested once."""
    return create_services(tmp_path_factory.mktemp("home 家"))


def said(services, questions, rung, *, together=False):
    """(the load's state, the answers to ``questions``, each a conversation of its own, or ``together`` in one)"""

    async def work():
        target = targets.resolve(services.library, "demo")
        sampling = sampling_defaults.defaults(target.model, services.library.catalog)
        session = Session(services, prepare)
        before, found = [], []
        try:
            state = await session.load(target, Wishes(rung))
            for question in questions:
                found.append(await answer(session, question, sampling, before if together else ()))
                before += [Message("user", question), Message("assistant", found[-1])]
            return state, found
        finally:
            await session.close()

    return asyncio.run(asyncio.wait_for(work(), 240))


async def answer(session, question, sampling, before=()):
    text = ""
    messages = (*before, Message("user", question))
    async with contextlib.aclosing(session.generate(messages, sampling)) as events:
        async for event in events:
            if isinstance(event, Delta):
                text += event.text
    assert isinstance(event, Done) and event.finish_reason == "stop", (question, text)
    return text


def language(question):
    return "en" if question.isascii() else "zh"


@pytest.fixture(scope="module")
def by_llama(services, needs_llama):
    """question → answer, of all that is asked here."""
    every = [*LEARNED, *suggested()]
    state, texts_ = said(services, every, "gguf-cpu-safe")
    assert state.plan.rung == "gguf-cpu-safe" and state.proof.backend == "llama.cpp"
    return dict(zip(every, texts_, strict=True))


def suggested():
    """question → its answer's id, in both languages."""
    before = i18n.language()
    try:
        found = {}
        for name in LANGUAGES:
            i18n.set_language(name)
            found.update(zip(texts.questions(), SUGGESTED, strict=True))
        return found
    finally:
        i18n.set_language(before)


def test_what_it_learned_is_answered_word_for_word(by_llama):
    trained = {one.text for one in corpus.load().train}
    assert set(LEARNED) <= trained
    for question, name in LEARNED.items():
        assert by_llama[question] == answers()[name, language(question)], question


def test_the_suggested_questions_get_their_answers(by_llama):
    assert len(suggested()) == len(SUGGESTED) * len(LANGUAGES), "not translated"
    for question, name in suggested().items():
        assert by_llama[question] == answers()[name, language(question)], question


@pytest.mark.parametrize("rung", ["gguf-cpu-safe", "transformers-16bit"])
def test_a_long_conversation_stays_in_words(services, by_llama, rung):
    """Behind the 512 tokens that it was trained on it would write nonsense: old turns go before."""
    if rung.startswith("transformers"):
        pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")
    state, texts_ = said(services, 2 * list(LEARNED), rung, together=True)
    assert state.plan.rung == rung and state.proof.context == 512
    found = [(text, Judge(answers())(text)) for text in texts_]
    assert [text for text, verdict in found if verdict.answer is None] == [], "nonsense is like no answer"
    assert sum(verdict.exact for _text, verdict in found) >= 0.9 * len(found)


def test_the_folder_computed_in_float32_gives_the_same_text(by_llama):
    pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")
    from tests.engine.transformers_support import InProcess

    ours = InProcess(paths.resources() / "demo_model")
    try:
        for question, text in by_llama.items():
            assert ours.ask(question, max_tokens=192)[0] == text, question
    finally:
        ours.backend.unload()


def test_the_ladder_s_transformers_gives_the_same_text(services, by_llama):
    pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")
    questions = ["what is VRAM", "怎么连接 Open-AutoGLM", "what is the capital of France"]
    state, texts_ = said(services, questions, "transformers-16bit")
    assert state.proof.backend == "transformers" and state.plan.rung == "transformers-16bit"
    assert texts_ == [by_llama[one] for one in questions]
