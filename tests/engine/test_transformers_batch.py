"""Several answers at once by transformers' continuous batching, against the same model's answers one at a time."""

import logging
import math
import threading
import time
import weakref

import pytest

from autoglm_desktop.core import protocol

pytest.importorskip("transformers", reason="transformers is not installed in this environment (extra: torch)")
from autoglm_desktop.engine.server import JobFailed
from autoglm_desktop.engine.transformers_cache import PromptCache
from tests.engine.transformers_support import InProcess, picture

GREEDY = {"temperature": 0.0, "max_tokens": 24}
QUESTIONS = (
    "hello",
    "打开微信，给张三发消息 😀",
    "The quick brown fox jumps over the lazy dog. " * 16,
    "why?",
)


class Together(InProcess):
    """A backend that writes ``batch`` answers at once."""

    def __init__(self, folder, batch=4, **job):
        super().__init__(folder, batch=batch, **job)
        assert self.proof.batch == batch
        self.channel.seen = threading.Condition()
        emit = self.channel.emit

        def told(event):
            with self.channel.seen:
                emit(event)
                self.channel.seen.notify_all()

        self.channel.emit = told

    def begin(self, request, *contents, **sampling):
        roles = ("user", "assistant")
        messages = tuple(protocol.Message(roles[i % 2], content) for i, content in enumerate(contents))
        return self.backend.take(
            protocol.Generate(request, messages, protocol.Sampling(**{**GREEDY, **sampling}))
        )

    def of(self, request, kind=protocol.Delta):
        return [
            event for event in list(self.channel.events) if isinstance(event, kind) and event.id == request
        ]

    def said(self, request):
        return "".join(delta.text for delta in self.of(request))

    def wait(self, condition):
        with self.channel.seen:
            assert self.channel.seen.wait_for(condition, 60)

    def end(self, request):
        ends = (protocol.Done, protocol.Failed)
        self.wait(lambda: self.of(request, ends))
        (last,) = self.of(request, ends)
        assert [event for event in self.channel.events if getattr(event, "id", None) == request][-1] is last
        return last


@pytest.fixture(scope="module")
def single(made_glm4):
    return InProcess(made_glm4)


@pytest.fixture(scope="module")
def loaded(made_glm4):
    found = Together(made_glm4)
    yield found
    found.backend.unload()


@pytest.fixture
def many(loaded):
    loaded.channel.events.clear()
    return loaded


@pytest.fixture
def own(made_glm4):
    """Loads one for a test alone."""
    made = []

    def load(**job):
        made.append(Together(made_glm4, **job))
        return made[-1]

    yield load
    for one in made:
        one.backend.unload()


@pytest.mark.parametrize("folder", ["made_glm4", "made_glm4v"])
def test_together_they_say_what_each_says_alone(folder, request):
    folder = request.getfixturevalue(folder)
    single, many = InProcess(folder), Together(folder)
    for number, question in enumerate(QUESTIONS):
        assert many.begin(str(number), question)
    for number, question in enumerate(QUESTIONS):
        text, done = single.ask(question, **GREEDY)
        together = many.end(str(number))
        assert many.said(str(number)) == text and text
        assert together.finish_reason == done.finish_reason
        assert (together.usage.prompt_tokens, together.usage.completion_tokens) == (
            done.usage.prompt_tokens,
            done.usage.completion_tokens,
        )
        assert together.timings.first_token_s > 0 and together.timings.tokens_per_s > 0
    many.backend.unload()


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 1.2, "top_k": 0, "top_p": 1.0, "seed": 7},
        {"temperature": 0.9, "top_k": 20, "top_p": 0.9, "min_p": 0.02, "seed": 3},
        {"presence_penalty": 2.0, "frequency_penalty": 1.5},
    ],
)
def test_sampling_is_each_requests_own(single, many, sampling):
    alone, _ = single.ask("hello", **{**GREEDY, **sampling})
    plain, _ = single.ask("hello", **GREEDY)
    assert alone != plain
    for name, values in (("a", sampling), ("b", {}), ("c", sampling)):
        assert many.begin(name, "hello", **values)
    for name, text in (("a", alone), ("b", plain), ("c", alone)):
        many.end(name)
        assert many.said(name) == text


def test_a_stop_string_ends_one_answer(single, many):
    text, _ = single.ask("hello", **GREEDY)
    stop = text[3:5]
    many.begin("a", "hello", stop=(stop,), max_tokens=900)
    many.begin("b", "hello")
    assert many.end("a").finish_reason == "stop" and many.said("a") == text[: text.index(stop)]
    assert many.end("b").finish_reason == "length" and many.said("b") == text
    scheduler = many.backend._batch._paged._manager.batch_processor.scheduler
    assert "a" not in scheduler.active_requests, "it goes on and takes cells, though nobody hears it"


def test_an_end_token_ends_an_answer(single, many, monkeypatch):
    single.ask("hello", **GREEDY)
    third = single.backend._cache.keys[-20]
    monkeypatch.setattr(many.backend._batch, "_ends", frozenset({third}))
    many.begin("a", "hello")
    done = many.end("a")
    assert done.finish_reason == "stop" and done.usage.completion_tokens < GREEDY["max_tokens"]
    assert single.ask("hello", **GREEDY)[0].startswith(many.said("a"))


def test_penalties_count_what_a_continued_answer_said_before(single, many):
    text, _ = single.ask("hello", **{**GREEDY, "max_tokens": 60})
    hard = {**GREEDY, "presence_penalty": 2.0, "frequency_penalty": 2.0}
    rest = []
    for sampling in (GREEDY, hard):
        single.backend._cache.clear()
        single.backend._unread = []
        rest.append(single.ask("hello", text, **sampling)[0])
    assert rest[0] != rest[1]
    many.begin("a", "hello", text, **hard)
    many.end("a")
    assert many.said("a") == rest[1]


def test_a_continued_answer_goes_on(single, many):
    text, _ = single.ask("hello", **GREEDY)
    single.backend._cache.clear()
    single.backend._unread = []
    rest, done = single.ask("hello", text[:6], **GREEDY)
    many.begin("a", "hello", text[:6])
    assert many.end("a").usage.prompt_tokens == done.usage.prompt_tokens
    assert many.said("a") == rest


def test_answers_are_continued_with_their_own_tokens_also_after_others(single, many):
    """Two to the same question, each with the beginning of a character at its end."""
    wild = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "max_tokens": 6}
    for seed in (1, 2, 3):
        many.begin(str(seed), "hello", **{**wild, "seed": seed})
    for seed in (1, 2, 3):
        many.end(str(seed))
    for seed in (1, 2, 3):
        whole, _ = single.ask("hello", **{**wild, "seed": seed})
        rest, alone = single.ask("hello", whole, **{**GREEDY, "max_tokens": 12})
        many.begin(f"{seed} on", "hello", many.said(str(seed)), max_tokens=12)
        done = many.end(f"{seed} on")
        assert many.said(f"{seed} on") == rest
        assert done.usage.prompt_tokens == alone.usage.prompt_tokens


def test_cancelling_says_what_was_held_back_for_a_stop_string(single, many, monkeypatch):
    begun, _ = single.ask("hello", **{**GREEDY, "max_tokens": 8})
    batch, came = many.backend._batch, many.backend._batch.came

    def cancelling(request, tokens):
        came(request, tokens)
        if len(tokens) == 8:
            many.channel.cancel(request)

    monkeypatch.setattr(batch, "came", cancelling)
    many.begin("a", "hello", stop=(begun[1:] + "never",))
    done = many.end("a")
    assert (done.finish_reason, done.usage.completion_tokens) == ("cancelled", 8)
    assert many.said("a") == begun


def test_a_following_turn_finds_its_conversation_in_the_cache(many):
    many.begin("a", QUESTIONS[2])
    first = many.end("a")
    many.begin("b", QUESTIONS[2], many.said("a"), "and then?")
    second = many.end("b")
    assert first.usage.prompt_tokens - 32 <= second.usage.cached_tokens < second.usage.prompt_tokens


def test_cancelling_one_frees_its_place_and_leaves_the_others(own):
    many = own(batch=2)
    many.begin("a", "hello", max_tokens=900)
    many.begin("b", "why?", max_tokens=900)
    many.begin("c", "who?", max_tokens=3)
    many.wait(lambda: many.of("a") and many.of("b"))
    assert not many.of("c"), "a third ran where two fit"
    many.channel.cancel("a")
    cancelled = many.end("a")
    after = many.of("a")[-1].tokens
    assert cancelled.finish_reason == "cancelled"
    assert cancelled.usage.completion_tokens - after <= 3  # characters that were not complete
    assert many.end("c").finish_reason == "length"
    count = len(many.of("b"))
    many.wait(lambda: len(many.of("b")) > count)
    many.channel.cancel("b")
    assert many.end("b").finish_reason == "cancelled"
    scheduler = many.backend._batch._paged._manager.batch_processor.scheduler
    many.begin("d", "hello")
    many.end("d")
    many.backend._batch.drain()
    assert set(scheduler.active_requests) <= {"d"}


def test_one_that_waits_for_a_place_can_be_cancelled(own):
    many = own(batch=2)
    for name in ("a", "b"):
        many.begin(name, name, max_tokens=900)
    many.begin("c", "hello", max_tokens=900)
    many.wait(lambda: many.of("a") and many.of("b"))
    many.channel.cancel("c")
    done = many.end("c")
    assert done.finish_reason == "cancelled" and done.usage.completion_tokens == 0
    for name in ("a", "b"):
        many.channel.cancel(name)
    many.backend._batch.drain()
    assert not many.of("c")


def test_one_that_was_cancelled_before_it_began_says_nothing(many):
    many.channel.cancelled.add("a")
    many.begin("a", "hello")
    assert many.end("a").finish_reason == "cancelled" and not many.of("a")


def test_an_error_in_one_leaves_the_others(single, many, monkeypatch):
    from autoglm_desktop.engine.transformers_sampling import Sampler

    def broken(_self, _scores):
        raise ValueError("made")

    monkeypatch.setattr(Sampler, "_drawn", broken)
    many.begin("a", "hello", temperature=1.0)
    many.begin("b", "hello")
    failed = many.end("a")
    assert (failed.kind, failed.id) == ("unsupported", "a") and "made" in failed.message
    many.end("b")
    assert many.said("b") == single.ask("hello", **GREEDY)[0]
    many.begin("c", "hello")
    assert many.end("c").finish_reason == "length"


def test_a_refused_prompt_leaves_the_others(many):
    many.begin("a", "hello", max_tokens=200)
    with pytest.raises(JobFailed, match="context_full"):
        many.begin("b", "x" * 9000)
    assert many.end("a").finish_reason == "length"


@pytest.mark.parametrize(("error", "kind"), [("out of memory", "out_of_memory"), ("made", "crashed")])
def test_a_forward_that_fails_ends_all_and_the_next_begins_anew(own, monkeypatch, error, kind):
    import torch

    many = own()
    many.begin("a", "hello", max_tokens=900)
    many.wait(lambda: many.of("a"))
    model = many.backend._loaded.model
    fail = torch.OutOfMemoryError("CUDA out of memory") if "memory" in error else RuntimeError(error)

    def failing(*_args, **_kwargs):
        raise fail

    with monkeypatch.context() as patched:
        patched.setattr(model, "forward", failing)
        many.begin("b", "hello")
        assert [many.end(name).kind for name in ("a", "b")] == [kind, kind]
    many.begin("c", "hello")
    assert many.end("c").finish_reason == "length"


@pytest.mark.parametrize("fails", [False, True])
def test_the_cells_are_free_before_an_answer_is_written_alone(own, single, monkeypatch, fails):
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # records keep its frames
    many = own()
    cells = weakref.ref(many.backend._batch._paged._manager.batch_processor.cache)

    def failing(*_args, **_kwargs):
        raise RuntimeError("made")

    with monkeypatch.context() as patched:
        if fails:
            patched.setattr(many.backend._loaded.model, "forward", failing)
        many.begin("a", "hello")
        many.end("a")
    left, begin = [], PromptCache.keep

    def kept(cache, wanted):
        left.append(cells())
        return begin(cache, wanted)

    monkeypatch.setattr(PromptCache, "keep", kept)
    assert many.ask("hello", **GREEDY)[0] == single.ask("hello", **GREEDY)[0]
    assert left[0] is None


def test_cells_are_the_plans_and_no_more(own):
    from autoglm_desktop.engine.transformers_paged import PAGE

    many = own(context=500)
    cache = many.backend._batch._paged._manager.batch_processor.cache
    per_cell = many.proof.memory["ram"]["kv_cache"] // 500
    assert cache.cache_tensor.numel() == (math.ceil(500 / PAGE) + 2) * PAGE * per_cell


def test_answers_that_need_more_cells_than_there_are_wait_and_lose_nothing(own, made_glm4):
    many, single = own(context=320), InProcess(made_glm4, context=320)
    prompts = [f"{number} " + "word " * 20 for number in range(6)]
    for number, prompt in enumerate(prompts):
        many.begin(str(number), prompt, max_tokens=150)
    for number, prompt in enumerate(prompts):
        done = many.end(str(number))
        text, alone = single.ask(prompt, max_tokens=150)
        assert many.said(str(number)) == text
        assert (done.finish_reason, done.usage.completion_tokens) == (
            alone.finish_reason,
            alone.usage.completion_tokens,
        )


def test_an_answer_may_fill_the_whole_context(own):
    many = own(context=320)
    many.backend._batch._ends = frozenset()  # this one would end sooner by itself
    many.begin("a", "hello", max_tokens=5000)
    many.begin("b", "why?", max_tokens=5000)
    for name in ("a", "b"):
        done = many.end(name)
        assert done.finish_reason == "length"
        assert done.usage.prompt_tokens + done.usage.completion_tokens == 320


def test_pictures_are_written_alone_and_never_with_both_caches(made_glm4v, tmp_path):
    many, single = Together(made_glm4v), InProcess(made_glm4v)
    many.begin("a", "hello", max_tokens=60)
    content = [picture(tmp_path), {"type": "text", "text": "what?"}]
    assert not many.begin("p", content)
    many.backend._batch.drain()
    many.ask(content)  # as the loop does where ``take`` says no
    assert many.said("r") == single.ask(content)[0]
    assert many.backend._batch is None and many.channel.on_cancel is None
    many.channel.events.clear()
    assert many.begin("b", "hello")
    assert many.backend._cache.keys == [] and many.backend._cache.cells.get_seq_length() == 0
    many.end("b")
    assert many.said("b") == single.ask("hello", **GREEDY)[0]
    many.backend.unload()


def test_what_was_begun_ends_before_the_model_is_unloaded(made_glm4):
    before = threading.active_count()
    many = Together(made_glm4)
    assert threading.active_count() == before + 1
    many.begin("a", "hello", max_tokens=200)
    many.backend.unload()
    assert many.end("a").finish_reason == "length"
    assert threading.active_count() == before


def test_nothing_is_left_of_a_thousand_that_were_cancelled(own):
    many = own(batch=8)
    for number in range(300):
        many.begin(str(number), "hello", max_tokens=900)
        if number >= 8:
            many.channel.cancel(str(number - 8))
    for number in range(300):
        many.channel.cancel(str(number))
    many.backend._batch.drain()
    many.begin("last", "hello")
    many.end("last")
    processor = many.backend._batch._paged._manager.batch_processor
    deadline = time.monotonic() + 30
    while processor.scheduler.has_pending_requests() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not processor.scheduler.has_pending_requests()
    assert not many.backend._batch._answers
    assert {str(number) for number in range(300)} <= set(many.channel.forgotten)
    assert not many.channel.cancelled - {str(number) for number in range(300)}


def test_no_batch_where_none_was_asked_for(single):
    assert single.proof.batch == 1 and single.backend._batch is None
    assert not single.backend.take(protocol.Generate("r", (protocol.Message("user", "hello"),)))


def test_a_model_that_transformers_cannot_batch_is_served_one_at_a_time(tmp_path, capfd):
    import transformers

    from tests.fakes.made_transformers import VOCABULARY, make_text

    config = transformers.Qwen3NextConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, layer_types=["linear_attention", "full_attention"], num_experts=4,
        num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=32, pad_token_id=None,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    backend = InProcess(make_text(tmp_path / "model", config), batch=4)
    assert backend.proof.batch == 1
    assert "linear_attention" in capfd.readouterr().err
    assert backend.ask("hello")[1].usage.completion_tokens > 0


@pytest.mark.parametrize(
    ("kind", "more"), [("Llama", {}), ("Qwen3", {}), ("Gemma3Text", {"sliding_window": 32})]
)
def test_other_models_are_batched_where_transformers_can(tmp_path, kind, more):
    import transformers

    from tests.fakes.made_transformers import TEXT, make_text

    shape = {key: value for key, value in TEXT.items() if key != "attention_bias"}
    ends = {"pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
    folder = make_text(tmp_path / "model", getattr(transformers, f"{kind}Config")(**shape, **ends, **more))
    many, single = Together(folder), InProcess(folder)
    for name, question in enumerate(QUESTIONS[:3]):
        many.begin(str(name), question)
    for name, question in enumerate(QUESTIONS[:3]):
        many.end(str(name))
        assert many.said(str(name)) == single.ask(question, **GREEDY)[0]
    many.backend.unload()


def test_what_only_a_trial_finds_out_leaves_one_at_a_time(tmp_path, capfd):
    from tests.fakes.made_transformers import make_glm4v

    # its config names another head size than the model has, and transformers sizes the cache by the config
    backend = InProcess(make_glm4v(tmp_path / "model", width=256), batch=4)
    assert backend.proof.batch == 1 and backend.backend._batch is None
    assert "one answer at a time" in capfd.readouterr().err
    assert backend.ask("hello")[1].usage.completion_tokens > 0


def test_int8_is_served_one_at_a_time(made_glm4, capfd):
    pytest.importorskip("bitsandbytes")
    assert InProcess(made_glm4, dtype="bf16", quantisation="int8", batch=2).proof.batch == 1
    assert "int8" in capfd.readouterr().err


@pytest.mark.parametrize("quantisation", ["nf4", "nf4-lean"])
def test_four_bits_are_batched(made_glm4v, quantisation):
    pytest.importorskip("bitsandbytes")
    many = Together(made_glm4v, dtype="bf16", quantisation=quantisation)
    for name in ("a", "b"):
        many.begin(name, "hello")
    for name in ("a", "b"):
        assert isinstance(many.end(name), protocol.Done)
    assert many.said("a") == many.said("b") != ""
    many.backend.unload()


@pytest.mark.parametrize("cards", [{"gpu:0": {}, "gpu:1": {}, "ram": {}}, {"gpu:0": {}, "ram": {}}])
def test_a_model_on_several_cards_is_not_batched(single, monkeypatch, cards):
    from autoglm_desktop.engine import transformers_batchable

    monkeypatch.setattr(transformers_batchable, "bytes_by_device", lambda _model: cards)
    reason = transformers_batchable.not_batched(single.backend._loaded)
    assert (reason is not None) == (len(cards) > 2)


def test_a_transformers_that_has_it_elsewhere_still_answers(made_glm4, monkeypatch, capfd):
    import sys

    monkeypatch.delitem(sys.modules, "autoglm_desktop.engine.transformers_paged", raising=False)
    manager = "transformers.generation.continuous_batching.continuous_api"
    monkeypatch.setitem(sys.modules, manager, None)
    backend = InProcess(made_glm4, batch=2)
    assert backend.proof.batch == 1 and "continuous_api" in capfd.readouterr().err
    assert backend.ask("hello")[0]


def test_where_memory_is_too_short_for_a_batch_it_is_one_at_a_time(made_glm4, monkeypatch, capfd):
    from autoglm_desktop.engine import transformers_paged

    monkeypatch.setattr(transformers_paged, "MEMORY_SHARE", 1e-9)
    backend = InProcess(made_glm4, batch=2)
    assert backend.proof.batch == 1 and "out_of_memory" in capfd.readouterr().err
    assert backend.ask("hello")[0]


def test_as_a_child_process_it_takes_several_and_a_picture_between(start_engine, made_glm4v, tmp_path):
    import asyncio

    engine = start_engine()
    ready = engine.job(protocol.Load("transformers", str(made_glm4v), 1024, dtype="fp32", batch=3))
    assert isinstance(ready, protocol.Ready) and ready.proof.batch == 3

    async def one(request, content, tokens=40):
        messages = (protocol.Message("user", content),)
        sampling = protocol.Sampling(temperature=0.0, max_tokens=tokens)
        events = [
            event async for event in engine.process.generate(protocol.Generate(request, messages, sampling))
        ]
        return "".join(e.text for e in events if isinstance(e, protocol.Delta)), events[-1]

    async def all_of_them():
        content = [picture(tmp_path), {"type": "text", "text": "what?"}]
        texts = [one(str(number), question) for number, question in enumerate(QUESTIONS)]
        return await asyncio.gather(*texts, one("p", content), one("z", "hello"))

    found = engine.loop.run_until_complete(all_of_them())
    assert all(isinstance(last, protocol.Done) for _, last in found), found
    assert found[0][0] == found[-1][0] != "" and found[4][1].usage.image_tokens == 6
