"""What OpenAI's sampling fields mean, kept exactly by both backends, also where one writes several answers at once:
stop, seed, penalties, max_tokens."""

import queue
from collections import Counter

import pytest

from autoglm_desktop.core import protocol
from tests.engine.transformers_support import Remembering

HELLO = (protocol.Message("user", "打开微信 please"),)
WILD = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


class Asker:
    """A backend in this process."""

    def __init__(self, backend):
        self.backend, self.channel = backend, backend._channel

    def ask(self, messages=HELLO, **sampling):
        """(text, done)"""
        self.channel.events.clear()
        values = protocol.Sampling(**{"temperature": 0.0, "max_tokens": 40, **sampling})
        done = self.backend.generate(protocol.Generate("r", messages, values))
        return self.channel.text(), done


@pytest.fixture(scope="module")
def llama(needs_llama, tiny_model):
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    backend = LlamaBackend(Remembering())
    safe = protocol.EngineOptions(use_extra_bufts=False)
    backend.load(protocol.Load("llama.cpp", str(tiny_model), 256, threads=1, options=safe))
    yield Asker(backend)
    backend.unload()


@pytest.fixture(scope="module")
def torch(made_glm4):
    from autoglm_desktop.engine.transformers_backend import TransformersBackend

    backend = TransformersBackend(Remembering())
    backend.load(protocol.Load("transformers", str(made_glm4), 256, dtype="fp32", threads=1))
    yield Asker(backend)
    backend.unload()


class BesideOthers(Asker):
    """Each answer beside another one that goes on all the time."""

    def __init__(self, backend):
        super().__init__(backend)
        self._ends = queue.SimpleQueue()
        emit = self.channel.emit

        def told(event):
            emit(event)
            if isinstance(event, (protocol.Done, protocol.Failed)) and event.id == "r":
                self._ends.put(event)

        self.channel.emit = told

    def ask(self, messages=HELLO, **sampling):
        other = (protocol.Message("user", "who else"),)
        assert self.backend.take(protocol.Generate("other", other, protocol.Sampling(max_tokens=200, **WILD)))
        values = protocol.Sampling(**{"temperature": 0.0, "max_tokens": 40, **sampling})
        assert self.backend.take(protocol.Generate("r", messages, values))
        done = self._ends.get(timeout=60)
        self.channel.cancel("other")
        self.backend._batch.drain()
        said = [one for one in self.channel.events if isinstance(one, protocol.Delta) and one.id == "r"]
        self.channel.events.clear()
        assert isinstance(done, protocol.Done), done
        return "".join(delta.text for delta in said), done


@pytest.fixture(scope="module")
def batch(made_glm4):
    from autoglm_desktop.engine.transformers_backend import TransformersBackend

    backend = TransformersBackend(Remembering())
    proof = backend.load(protocol.Load("transformers", str(made_glm4), 256, dtype="fp32", threads=1, batch=2))
    assert proof.batch == 2
    yield BesideOthers(backend)
    backend.unload()


@pytest.fixture(params=["llama", "torch", "batch"])
def asker(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("length", [1, 2, 5, 11, 20])
@pytest.mark.parametrize("place", [0, 1, 7, 30])
def test_the_answer_ends_before_the_stop_string(asker, place, length):
    """At once, in the first token, in the middle of one, over several."""
    whole, _ = asker.ask()
    stop = whole[place : place + length]
    text, done = asker.ask(stop=(stop,))
    assert text == whole[: whole.index(stop)]
    assert done.finish_reason == "stop" and done.usage.completion_tokens <= 40


def test_of_many_stop_strings_the_first_in_the_text_counts(asker):
    whole, _ = asker.ask()
    stops = ("never said", whole[25:28], whole[12:17], "\x00", whole[30:])
    text, done = asker.ask(stop=stops)
    assert text == whole[: min(whole.index(stop) for stop in stops if stop in whole)]
    assert done.finish_reason == "stop"


def test_a_stop_string_that_never_comes_takes_nothing_away(asker):
    whole, _ = asker.ask()
    text, done = asker.ask(stop=(whole[-4:] + "never", "never"))
    assert text == whole and done.finish_reason == "length"


def test_a_stop_string_of_the_prompt_ends_nothing(asker):
    """Only what is said counts, also where an answer is continued."""
    whole, _ = asker.ask()
    assert asker.ask(stop=("please",))[0] == whole
    begun, _ = asker.ask(max_tokens=5)
    rest, _ = asker.ask((*HELLO, protocol.Message("assistant", begun)), stop=(begun,), max_tokens=4)
    assert rest and whole.startswith(begun + rest)


def test_a_seed_repeats_whatever_was_asked_between(asker):
    one, _ = asker.ask(seed=1, **WILD)
    others = {asker.ask(seed=seed, **WILD)[0] for seed in (2, 3, 4, 2**32 + 9)}
    assert asker.ask(seed=1, **WILD)[0] == one
    assert len(others | {one}) > 2
    assert asker.ask(seed=2**33 + 1, **WILD)[0] == one, "a seed's low 32 bits count"
    assert asker.ask(seed=-1, **WILD)[0] == asker.ask(seed=-1, **WILD)[0]


def test_without_a_seed_answers_differ(asker):
    assert len({asker.ask(**WILD)[0] for _ in range(5)}) > 1


@pytest.mark.parametrize(
    ("frequency", "presence"), [(0.0, 0.0), (0.7, 0.0), (0.0, 1.3), (0.4, 0.9), (-0.5, 0.0), (2.0, -2.0)]
)
def test_penalties_are_openais(asker, frequency, presence, monkeypatch):
    """``logit - count * frequency - (count > 0) * presence`` over what was generated, not the prompt: the likeliest of
    that is said. https://developers.openai.com/api/docs/guides/advanced-usage#frequency-and-presence-penalties"""
    seen = watch(asker, monkeypatch)
    asker.ask(max_tokens=60, frequency_penalty=frequency, presence_penalty=presence)
    counts: Counter[int] = Counter()
    assert len(seen) >= 50
    for logits, token in seen:
        for old, times in counts.items():
            logits[old] -= times * frequency + presence
        assert logits[token] == pytest.approx(logits.max(), abs=1e-4)
        counts[token] += 1
    if frequency or presence > 0:
        assert len(counts) > 1


def watch(asker, monkeypatch):
    """The logits before each token, and the token."""
    seen = []
    if hasattr(asker.backend, "_model"):
        import numpy as np

        from autoglm_desktop.engine import sampling

        choose = sampling.Free.choose
        size = asker.backend._model.vocabulary.size

        def chosen(self, context):
            pointer = sampling.native.llama_get_logits_ith(context, -1)
            logits = np.array(np.ctypeslib.as_array(pointer, (size,)))
            token = choose(self, context)
            seen.append((logits, token))
            return token

        monkeypatch.setattr(sampling.Free, "choose", chosen)
        return seen
    from autoglm_desktop.engine import transformers_sampling

    choose = transformers_sampling.Sampler.choose

    monkeypatch.setattr(transformers_sampling.Sampler, "plain", False)  # a batch would not ask it

    def taken(self, logits):
        token = choose(self, logits)
        if self._sampling.max_tokens == 200:
            return token  # the other one
        seen.append((logits.detach().float().cpu().numpy().copy(), token))
        return token

    monkeypatch.setattr(transformers_sampling.Sampler, "choose", taken)
    return seen


@pytest.mark.parametrize("most", [1, 2, 17])
def test_max_tokens_is_exact(asker, most):
    _, done = asker.ask(max_tokens=most)
    assert (done.usage.completion_tokens, done.finish_reason) == (most, "length")


def test_max_tokens_ends_at_the_context(asker):
    _, done = asker.ask(max_tokens=100_000)
    assert done.finish_reason == "length"
    assert done.usage.prompt_tokens + done.usage.completion_tokens == 256


def test_a_stop_string_in_the_last_token_is_a_stop(asker):
    whole, _ = asker.ask(max_tokens=9)
    text, done = asker.ask(max_tokens=9, stop=(whole[-2:],))
    assert text == whole[: whole.index(whole[-2:])] and done.finish_reason == "stop"
