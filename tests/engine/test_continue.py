"""An answer that ends the conversation is continued, by both backends, as if it had never been stopped.

The tiny models say sentences whose Chinese characters are cut in the middle of their bytes (store.gguf_words), so an
answer of any number of tokens may end inside a character; its text then ends before it.
"""

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.engine.continuing import ByteSpeller, Reader
from autoglm_desktop.engine.prompt import begun_answer
from autoglm_desktop.engine.server import JobFailed
from tests.engine.transformers_support import Remembering, picture
from tests.fakes.fake_engine import unsaid

QUESTION = (protocol.Message("system", "Be short."), protocol.Message("user", "打开微信 please"))


class Asker:
    """A backend in this process."""

    def __init__(self, backend):
        self.backend, self.channel = backend, backend._channel

    def ask(self, messages, **sampling):
        """(text, done)"""
        self.channel.events.clear()
        self.channel.asked, self.channel.cancel_after = 0, 10**9
        return self.send(messages, **sampling)

    def send(self, messages, **sampling):
        values = {"temperature": 0.0, "max_tokens": 20, **sampling}
        request = protocol.Generate("r", tuple(messages), protocol.Sampling(**values))
        done = self.backend.generate(request)
        return self.channel.text(), done

    def go_on(self, answer, **sampling):
        return self.ask((*QUESTION, protocol.Message("assistant", answer)), **sampling)

    def forget(self):
        model = getattr(self.backend, "_model", None)
        if model is not None:
            model.cells._truncate(0)
        else:
            self.backend._cache.clear()

    @property
    def standing(self):
        model = getattr(self.backend, "_model", None)
        return model.cells.items if model is not None else self.backend._cache.keys


@pytest.fixture(scope="module")
def llama(needs_llama, tiny_model):
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    backend = LlamaBackend(Remembering())
    safe = protocol.EngineOptions(use_extra_bufts=False)
    backend.load(protocol.Load("llama.cpp", str(tiny_model), 1024, options=safe))
    yield Asker(backend)
    backend.unload()


@pytest.fixture(scope="module")
def torch(made_glm4v):
    from autoglm_desktop.engine.transformers_backend import TransformersBackend

    backend = TransformersBackend(Remembering())
    backend.load(protocol.Load("transformers", str(made_glm4v), 1024, dtype="fp32", threads=1))
    yield Asker(backend)
    backend.unload()


@pytest.fixture(params=["llama", "torch"])
def asker(request):
    return request.getfixturevalue(request.param)


def test_twenty_tokens_and_twenty_more_are_forty(asker):
    whole, _ = asker.ask(QUESTION, max_tokens=40)
    asker.forget()
    first, one = asker.ask(QUESTION)
    rest, two = asker.go_on(first)
    assert first and rest and first + rest == whole
    assert one.usage.completion_tokens == two.usage.completion_tokens == 20
    assert two.usage.prompt_tokens == one.usage.prompt_tokens + 20
    assert two.usage.cached_tokens == two.usage.prompt_tokens - 1, "what was said was evaluated anew"


@pytest.mark.parametrize("count", range(1, 40, 3))
def test_it_goes_on_wherever_it_was_cut(asker, count):
    """Also inside a character: the text ends before it then, and it is said whole."""
    whole, _ = asker.ask(QUESTION, max_tokens=60)
    first, _ = asker.ask(QUESTION, max_tokens=count)
    rest, _ = asker.go_on(first, max_tokens=12)
    assert rest and whole.startswith(first + rest), (first, rest)


@pytest.mark.parametrize("count", [2, 4, 8, 9])
def test_without_its_tokens_the_text_is_read_again(llama, count):
    """As after a start of the program. Here the text gives the tokens that said it; inside the tiny model's Chinese
    words it would not, since those tokens end within characters."""
    whole, _ = llama.ask(QUESTION, max_tokens=60)
    first, _ = llama.ask(QUESTION, max_tokens=count)
    llama.forget()
    rest, done = llama.go_on(first, max_tokens=12)
    assert done.usage.cached_tokens == 0
    assert rest and whole.startswith(first + rest), (first, rest)


def test_the_cache_changes_no_continuation(asker):
    asker.forget()
    answer = "This model knows 打开"
    fresh, one = asker.go_on(answer)
    again, two = asker.go_on(answer)
    assert fresh == again
    assert one.usage.cached_tokens == 0 and two.usage.cached_tokens == two.usage.prompt_tokens - 1


@pytest.mark.parametrize("deltas", [1, 9, 10, 11, 15])
def test_a_cancelled_answer_goes_on(asker, deltas):
    whole, _ = asker.ask(QUESTION, max_tokens=60)
    asker.channel.events.clear()
    said = []

    def stop(_event):
        said.append(1)
        if len(said) == deltas:
            asker.channel.cancel_after = 0

    asker.channel.on_delta = stop
    try:
        first, done = asker.send(QUESTION, max_tokens=60)
    finally:
        asker.channel.on_delta = None
    assert done.finish_reason == "cancelled"
    rest, more = asker.go_on(first, max_tokens=12)
    assert whole.startswith(first + rest) and rest
    assert more.usage.prompt_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    assert more.usage.cached_tokens == more.usage.prompt_tokens - 1, "what was said was evaluated anew"


def test_penalties_count_what_was_said_before(asker):
    penalties = {"frequency_penalty": 0.7, "presence_penalty": 0.3}
    whole, _ = asker.ask(QUESTION, max_tokens=40, **penalties)
    asker.forget()
    first, _ = asker.ask(QUESTION, **penalties)
    rest, _ = asker.go_on(first, **penalties)
    assert first + rest == whole


def test_whitespace_at_its_end_stays(asker):
    """Templates may strip contents: an answer that is continued goes behind what they wrote, as it is."""
    _, plain = asker.go_on("This model", max_tokens=1)
    for text in ("This model  \n\n", "This model\t", "  This model"):
        asker.forget()
        _, done = asker.go_on(text, max_tokens=1)
        assert done.usage.prompt_tokens > plain.usage.prompt_tokens, text
    asker.forget()
    _, nothing = asker.go_on("", max_tokens=1)
    _, question = asker.ask(QUESTION, max_tokens=1)
    assert nothing.usage.prompt_tokens == question.usage.prompt_tokens


def test_control_tokens_in_it_stay_text(asker):
    asker.forget()
    _, plain = asker.go_on("a  b", max_tokens=1)
    _, done = asker.go_on("a <|user|> b", max_tokens=1)
    assert done.usage.prompt_tokens > plain.usage.prompt_tokens + 3


def test_another_version_of_the_answer_is_not_mixed_with_it(asker):
    """Behind the same question stand the tokens of an answer with the same beginning, and a question after it."""
    whole, _ = asker.ask(QUESTION, max_tokens=60)
    first, _ = asker.ask(QUESTION, max_tokens=9)
    more = (protocol.Message("assistant", first), protocol.Message("user", "and then?"))
    asker.ask((*QUESTION, *more), max_tokens=4)
    other = first + "X"
    asker.go_on(other, max_tokens=1)
    ended = [token for token in asker.standing if isinstance(token, int)]
    asker.forget()
    asker.go_on(other, max_tokens=1)
    assert ended == [token for token in asker.standing if isinstance(token, int)]
    assert whole.startswith(first)


def test_old_turns_go_and_the_answer_stays(asker):
    turns = [
        protocol.Message(role, f"{role} {number} of many words, tap the button and wait for it")
        for number in range(30)
        for role in ("user", "assistant")
    ]
    first, one = asker.ask((*turns, protocol.Message("user", "now")), max_tokens=10)
    continued = (*turns, protocol.Message("user", "now"), protocol.Message("assistant", first))
    rest, two = asker.ask(continued, max_tokens=10)
    assert one.usage.dropped_messages == two.usage.dropped_messages > 0
    assert rest and two.usage.prompt_tokens == one.usage.prompt_tokens + 10


@pytest.mark.parametrize("stop", ["fixed", "ble", "。"])
def test_behind_a_stop_string_the_text_goes_on(llama, stop):
    """The stop may be within a token: what was said of that token stays out."""
    first, done = llama.ask(QUESTION, max_tokens=60, stop=(stop,))
    assert done.finish_reason == "stop" and stop not in first
    rest, _ = llama.go_on(first, max_tokens=5)
    vocabulary = llama.backend._model.vocabulary
    stands = b"".join(map(vocabulary.piece, llama.standing)).decode("utf-8", "ignore")
    assert rest and stands.endswith("\n" + first + rest)


def test_an_answer_to_a_picture_goes_on(torch, tmp_path):
    """Positions behind a picture are not those of its cells."""
    asker = torch
    content = [picture(tmp_path), {"type": "text", "text": "打开"}]
    shown = (protocol.Message("user", content),)
    whole, _ = asker.ask(shown, max_tokens=24)
    asker.forget()
    first, one = asker.ask(shown, max_tokens=12)
    for forget in (False, True):
        if forget:
            asker.forget()
        rest, two = asker.ask((*shown, protocol.Message("assistant", first)), max_tokens=12)
        assert two.usage.image_tokens == one.usage.image_tokens > 0
        assert forget or first + rest == whole
        assert rest


def test_an_answer_that_fills_the_context_is_refused_with_numbers(asker):
    with pytest.raises(JobFailed, match=r"context_full: [0-9]+ prompt tokens, 1024 in the context"):
        asker.go_on("words " * 2000)


def test_an_answer_with_a_picture_is_no_text_to_go_on_with():
    picture = protocol.Message("assistant", [{"type": "image", "file": "x", "width": 28, "height": 28}])
    with pytest.raises(JobFailed, match="holds a picture"):
        begun_answer([picture], ())
    assert begun_answer([protocol.Message("user", "hi")], ()) is None
    assert begun_answer((), ()) is None


def reader(vocabulary, ends=()):
    """Words of one vocabulary, the longest first."""
    ids = {piece: number for number, piece in enumerate(vocabulary)}

    def tokens(text):
        found, data = [], text.encode()
        while data:
            piece = next(piece for piece in sorted(ids, key=len, reverse=True) if data.startswith(piece))
            found.append(ids[piece])
            data = data[len(piece) :]
        return found

    pieces = list(vocabulary)
    return Reader(tokens, lambda: ByteSpeller(lambda token: pieces[token]), lambda token: token in ends)


def test_its_own_tokens_go_before_those_that_the_text_would_get():
    words = reader([b"hel", b"lo", b"hello", b" "])
    assert words.read("hello", "", [0, 1]).tokens == (0, 1)
    assert words.read("hello", "", []).tokens == (2,)
    assert words.read("hello", "", [0]).tokens == (0, 1)
    assert words.read("hello hello", "", [0]).tokens == (2, 3, 2), (
        "more than one word follows: read as a whole"
    )


def test_what_ends_an_answer_is_no_part_of_one():
    words = reader([b"a", b"b", b""], ends={2})
    assert words.read("ab", "", [0, 2, 1]).tokens == (0, 1)


def test_the_prompt_keeps_its_tokens_where_the_answer_would_join_them():
    words = reader([b"\n", b"\n\n", b"a"])
    assert words.read("\na", "a\n", []).tokens == (0, 2)


def test_over_the_protocol(engine):
    """In an engine process of its own."""
    question = protocol.Message("user", "打开微信 please")
    whole, _, _ = engine.send([question], max_tokens=24)
    first, _, _ = engine.send([question], max_tokens=12)
    rest, done, deltas = engine.send([question, protocol.Message("assistant", first)], max_tokens=12)
    assert first + rest == whole and done.usage.completion_tokens == 12
    assert [delta.tokens for delta in deltas] == sorted({delta.tokens for delta in deltas})
    assert deltas[-1].tokens <= 12, "only the new tokens are counted"


def test_the_fake_engine_goes_on_too():
    words = ["你", "问", " You", " asked"]
    assert unsaid(words, "") == words
    assert unsaid(words, "你问") == [" You", " asked"]
    assert unsaid(words, "你问 Y") == [" You", " asked"]
    assert unsaid(words, "你问 You asked more") == []
