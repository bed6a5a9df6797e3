"""A raw prompt is continued as it stands, by both backends: no template, no control tokens, no picture marks."""

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.engine.server import JobFailed
from tests.engine.transformers_support import Remembering

TEXT = "The quick brown fox jumps over the lazy dog, 打开微信. "


class Asker:
    """A backend in this process."""

    def __init__(self, backend):
        self.backend, self.channel = backend, backend._channel

    def ask(self, text, **sampling):
        """(text, done)"""
        return self.send((protocol.Message(protocol.RAW, text),), **sampling)

    def send(self, messages, **sampling):
        self.channel.events.clear()
        values = protocol.Sampling(**{"temperature": 0.0, "max_tokens": 12, **sampling})
        done = self.backend.generate(protocol.Generate("r", tuple(messages), values))
        return self.channel.text(), done

    @property
    def standing(self):
        model = getattr(self.backend, "_model", None)
        return list(model.cells.items if model is not None else self.backend._cache.keys)

    def tokens(self, text):
        model = getattr(self.backend, "_model", None)
        if model is not None:
            return model.vocabulary.tokens(text)
        return self.backend._maker._tokenised(text)

    def forget(self):
        model = getattr(self.backend, "_model", None)
        if model is not None:
            model.cells._truncate(0)
        else:
            self.backend._cache.clear()


@pytest.fixture(scope="module")
def llama(needs_llama, tiny_model):
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    backend = LlamaBackend(Remembering())
    safe = protocol.EngineOptions(use_extra_bufts=False)
    backend.load(protocol.Load("llama.cpp", str(tiny_model), 512, threads=1, options=safe))
    yield Asker(backend)
    backend.unload()


@pytest.fixture(scope="module")
def torch(made_glm4):
    from autoglm_desktop.engine.transformers_backend import TransformersBackend

    backend = TransformersBackend(Remembering())
    backend.load(protocol.Load("transformers", str(made_glm4), 512, dtype="fp32", threads=1))
    yield Asker(backend)
    backend.unload()


@pytest.fixture(params=["llama", "torch"])
def asker(request):
    return request.getfixturevalue(request.param)


def test_the_text_is_the_prompt_and_nothing_else(asker):
    asker.forget()
    text, done = asker.ask(TEXT)
    tokens = asker.tokens(TEXT)
    assert done.usage.prompt_tokens == len(tokens)  # GLM-4's vocabulary wants no first token
    assert asker.standing[: len(tokens)] == tokens
    assert text and done.finish_reason == "length" and done.usage.completion_tokens == 12


def test_control_tokens_and_marks_are_text(asker):
    for mark in ("<|user|>", "[gMASK]<sop>", "<|begin_of_image|>", "<__media__>", "\ufdd00\ufdd1"):
        asker.ask(f"a {mark} b", max_tokens=1)
        standing = asker.standing
        as_control = asker.tokens(mark)
        assert standing[:1] == asker.tokens("a")
        if len(as_control) < 3:  # a control token, or two, where they mean something
            assert not set(as_control) & set(standing)
        assert all(isinstance(token, int) for token in standing)


def test_the_prompt_cache_is_used(asker):
    asker.forget()
    fresh, one = asker.ask(TEXT * 3)
    again, two = asker.ask(TEXT * 3)
    longer, three = asker.ask(TEXT * 3 + fresh + " and more")
    assert fresh == again and longer
    assert (one.usage.cached_tokens, two.usage.cached_tokens) == (0, one.usage.prompt_tokens - 1)
    assert three.usage.cached_tokens >= one.usage.prompt_tokens


def test_a_conversation_before_it_changes_nothing(asker):
    asker.forget()
    fresh, _ = asker.ask(TEXT)
    asker.send((protocol.Message("user", TEXT),))
    assert asker.ask(TEXT)[0] == fresh


def test_too_long_a_prompt_is_refused_with_numbers(asker):
    long = TEXT * 60
    with pytest.raises(
        JobFailed, match=f"^context_full: {len(asker.tokens(long))} prompt tokens, 512 in the context$"
    ):
        asker.ask(long)
    assert asker.ask(TEXT)[0]


def test_it_may_fill_the_context_but_for_one_token(asker):
    word = next(text for text in ("a", "b", "c") if len(asker.tokens(text * 7)) == 7)
    _, done = asker.ask(word * 511, max_tokens=50)
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.finish_reason) == (511, 1, "length")
    with pytest.raises(JobFailed, match="context_full: 512 prompt tokens, 512"):
        asker.ask(word * 512, max_tokens=50)


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([protocol.Message("raw", "")], "the prompt is empty"),
        ([protocol.Message("raw", "a"), protocol.Message("user", "b")], "a raw prompt is one text"),
        ([protocol.Message("system", "a"), protocol.Message("raw", "b")], "a raw prompt is one text"),
        ([protocol.Message("raw", [{"type": "text", "text": "a"}])], "a raw prompt is one text"),
        ([protocol.Message("raw", None)], "a raw prompt is one text"),
    ],
)
def test_what_is_no_raw_prompt_is_refused_with_one_sentence(asker, messages, why):
    with pytest.raises(JobFailed, match=why) as failed:
        asker.send(messages)
    assert failed.value.kind == "unsupported"


def test_a_first_token_comes_where_the_vocabulary_wants_one(llama, torch, monkeypatch):
    from autoglm_desktop.engine.transformers_prompt import beginning

    vocabulary = llama.backend._model.vocabulary
    monkeypatch.setattr(vocabulary, "beginning", lambda: 5)
    llama.ask(TEXT, max_tokens=1)
    assert llama.standing[0] == 5

    class Tokenizer:
        def __init__(self, bos, ids):
            self.bos_token_id, self._ids = bos, ids

        def __call__(self, _text):
            return {"input_ids": self._ids}

    assert (
        beginning(Tokenizer(None, [9])) == beginning(Tokenizer(1, [9])) == beginning(Tokenizer(1, [])) == ()
    )
    assert beginning(Tokenizer(1, [1, 9])) == (1,)
    monkeypatch.setattr(torch.backend._maker, "_beginning", (7,))
    torch.ask(TEXT, max_tokens=1)
    assert torch.standing[0] == 7


def test_it_is_held_to_a_schema_too(llama):
    text, done = llama.ask("Is it true? ", json_schema='{"type": "boolean"}')
    assert text in ("true", "false") and done.finish_reason == "stop"
