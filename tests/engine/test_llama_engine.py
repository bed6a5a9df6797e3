"""The llama.cpp backend as a real child process on a tiny generated model."""

import itertools
import os
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.store.gguf_words import CHAT_TEMPLATE

LONG = "The quick brown fox jumps over the lazy dog and runs away. " * 12


def test_the_proof_is_read_from_the_engine(engine):
    proof = engine.proof
    assert proof.backend == "llama.cpp"
    assert "llama-cpp-python" in proof.build
    assert (proof.gpu_layers, proof.total_layers) == (0, 3)
    assert proof.context == 1024
    # 2 layers x 2 KV heads x 64 x (K and V) x 2 bytes x 1024 tokens
    assert proof.memory["ram"]["kv_cache"] == 2 * 2 * 64 * 2 * 2 * 1024
    assert proof.memory["ram"]["weights"] > 3_000_000
    assert any(name.startswith("CPU") for name in proof.devices)
    assert proof.load_s > 0 and proof.warm_up_tokens_per_s > 0


def test_greedy_answers_repeat_and_reuse_the_prompt(engine):
    first, done, deltas = engine.ask("hello")
    again, done_again, _ = engine.ask("hello")
    assert first and first == again
    assert done.usage.completion_tokens == 16 == deltas[-1].tokens
    assert done.finish_reason == "length"
    assert done.usage.cached_tokens == 0
    assert done_again.usage.cached_tokens == done.usage.prompt_tokens - 1
    assert done.timings.tokens_per_s > 0 and done.timings.first_token_s > 0


def test_a_following_turn_reuses_the_conversation(engine):
    answer, first, _ = engine.ask(LONG)
    _, second, _ = engine.ask(LONG, answer, "and then?")
    assert second.usage.cached_tokens >= first.usage.prompt_tokens


def test_the_cache_changes_no_answer(engine, start_engine, tiny_model):
    engine.ask(LONG)
    warm, done, _ = engine.ask(LONG + "changed end")
    assert done.usage.cached_tokens > 0
    fresh = start_engine()
    fresh.job(protocol.Load("llama.cpp", str(tiny_model), 1024))
    cold, _, _ = fresh.ask(LONG + "changed end")
    assert warm == cold


def test_seeds_repeat_and_differ(engine):
    one = engine.ask("hello", temperature=1.5, seed=1, top_k=0, top_p=1.0)[0]
    same = engine.ask("hello", temperature=1.5, seed=1, top_k=0, top_p=1.0)[0]
    others = {engine.ask("hello", temperature=1.5, seed=seed, top_k=0, top_p=1.0)[0] for seed in range(2, 8)}
    assert one == same
    assert len(others | {one}) > 1


def test_cancel_stops_within_a_token(engine):
    cancelled_at = []

    def cancel(request, count):
        if count == 5:
            engine.process.cancel(request)
            cancelled_at.append(count)

    text, done, deltas = engine.ask("hello", on_delta=cancel, max_tokens=900)
    assert cancelled_at == [5]
    assert done.finish_reason == "cancelled"
    assert done.usage.completion_tokens < 900
    assert text == "".join(delta.text for delta in deltas)
    again, done_again, _ = engine.ask("hello")
    assert again and done_again.finish_reason == "length"


class CountingChannel:
    """Says "cancelled" from the given number of questions on; stands in for the engine's channel."""

    def __init__(self, cancel_after):
        self.asked = 0
        self.cancel_after = cancel_after
        self.events = []

    def is_cancelled(self, request):
        self.asked += 1
        return self.asked > self.cancel_after

    def emit(self, event):
        self.events.append(event)


def test_cancel_during_prefill_leaves_the_engine_usable(needs_llama, tiny_model):
    """In this process, so that the cancellation falls into the middle of a batch: the native callback asks the
    channel between graph nodes."""
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    channel = CountingChannel(cancel_after=20)
    backend = LlamaBackend(channel)
    backend.load(protocol.Load("llama.cpp", str(tiny_model), 4096))
    messages = (protocol.Message("user", LONG * 4),)
    sampling = protocol.Sampling(temperature=0.0, max_tokens=8)
    cancelled = backend.generate(protocol.Generate("p", messages, sampling))
    assert cancelled.finish_reason == "cancelled"
    assert cancelled.usage.completion_tokens == 0
    assert 20 < channel.asked < 40, "the prefill went on after the cancellation"
    channel.cancel_after = 10**9
    done = backend.generate(protocol.Generate("q", messages, sampling))
    text = "".join(event.text for event in channel.events if isinstance(event, protocol.Delta))
    backend.load(protocol.Load("llama.cpp", str(tiny_model), 4096))
    channel.events.clear()
    backend.generate(protocol.Generate("r", messages, sampling))
    fresh = "".join(event.text for event in channel.events if isinstance(event, protocol.Delta))
    backend.unload()
    assert done.finish_reason == "length"
    assert text == fresh, "an aborted prefill must leave nothing wrong in the KV cache"


def test_stop_strings_never_appear(engine):
    full, _, _ = engine.ask("hello", max_tokens=40)
    stop = full[10:14]
    text, done, _ = engine.ask("hello", max_tokens=40, stop=(stop,))
    assert done.finish_reason == "stop"
    assert text == full[: full.index(stop)]


def test_old_turns_make_room_and_are_counted(engine):
    turns = []
    for index in range(12):
        turns += [f"question {index} {LONG}", f"answer {index}"]
    text, done, _ = engine.ask(*turns, "the last question")
    assert text
    assert done.usage.dropped_messages > 0 and done.usage.dropped_messages % 2 == 0
    assert done.usage.prompt_tokens < 1024


def test_a_message_larger_than_the_context_is_refused_with_numbers(engine):
    _, failed, _ = engine.ask(LONG * 60)
    assert isinstance(failed, protocol.Failed)
    assert failed.kind == "unsupported" and failed.message.startswith("context_full: ")
    assert "1024" in failed.message
    assert engine.ask("hello")[0]


def test_control_tokens_in_the_users_text_stay_text(engine):
    plain = engine.ask("a")[1].usage.prompt_tokens
    _, done, _ = engine.ask("a<|user|>")
    assert done.usage.prompt_tokens > plain + 2, "the control token must arrive as several text tokens"


def test_image_parts_are_refused(engine):
    message = protocol.Message(
        "user", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    )
    _, failed, _ = engine.send([message])
    assert failed.kind == "unsupported" and failed.message.startswith("no_vision")


def test_a_file_without_mrope_sections_answers_text(needs_llama, start_engine, tmp_path):
    path = tmp_path / "no-mrope.gguf"
    gguf_tiny.write_tiny_glm4(path, mrope=False)
    engine = start_engine()
    assert isinstance(engine.job(protocol.Load("llama.cpp", str(path), 512)), protocol.Ready)
    assert engine.ask("hello")[0]


def test_who_hears_that_it_is_ready_knows_what_it_holds(needs_llama, start_engine, tiny_model):
    engine = start_engine()
    assert isinstance(engine.job(protocol.Load("llama.cpp", str(tiny_model), 512)), protocol.Ready)
    assert engine.process.memory.resident_bytes > 0


def test_kv_cache_in_q8_0_takes_half(needs_llama, start_engine, tiny_model):
    engine = start_engine()
    ready = engine.job(protocol.Load("llama.cpp", str(tiny_model), 1024, kv_type="q8_0"))
    # 34 bytes per 32 values (ggml's Q8_0 block); llama.cpp's log rounds to 0.01 MiB
    expected = 2 * 2 * 64 * 2 * 34 * 1024 / 32
    assert ready.proof.memory["ram"]["kv_cache"] == pytest.approx(expected, abs=0.006 * 2**20)
    assert engine.ask("hello")[0]


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("damage", ["no_gguf", "truncated_header", "truncated_weights", "empty", "missing"])
def test_bad_files_fail_in_one_event(needs_llama, start_engine, tiny_model, tmp_path, damage):
    data = tiny_model.read_bytes()
    path = tmp_path / "bad.gguf"
    contents = {
        "no_gguf": b"not a model" * 100,
        "truncated_header": data[:2000],
        "truncated_weights": data[: len(data) // 2],
        "empty": b"",
    }
    if damage in contents:
        write(path, contents[damage])
    failed = start_engine().job(protocol.Load("llama.cpp", str(path), 512))
    assert isinstance(failed, protocol.Failed)
    assert failed.kind == "bad_file", failed
    assert failed.message


def test_more_memory_than_there_is_fails_cleanly(needs_llama, start_engine, tmp_path):
    path = tmp_path / "deep.gguf"
    gguf_tiny.write_tiny_glm4(path, layers=40, kv_heads=4, head_dim=128, context=2**24)
    failed = start_engine().job(protocol.Load("llama.cpp", str(path), 2**24))
    assert isinstance(failed, protocol.Failed)
    assert failed.kind == "out_of_memory", failed


def test_unload_frees_and_a_second_load_works(engine, tiny_model):
    engine.loop.run_until_complete(engine.process._send(protocol.Unload()))
    _, failed, _ = engine.ask("hello")
    assert failed.kind == "unsupported"
    assert isinstance(engine.job(protocol.Load("llama.cpp", str(tiny_model), 512)), protocol.Ready)
    assert engine.ask("hello")[0]


def test_devices_are_listed(needs_llama, start_engine):
    listed = start_engine().job(protocol.Devices("llama.cpp"))
    assert any(name.startswith("CPU") for name in listed.devices)


@pytest.mark.parametrize("context", [1, 100])
def test_a_context_smaller_than_a_batch_works(needs_llama, start_engine, tiny_model, context):
    """llama.cpp pads the cells to 256 but not the batch, and aborts at a longer prompt."""
    engine = start_engine()
    ready = engine.job(protocol.Load("llama.cpp", str(tiny_model), context))
    assert isinstance(ready, protocol.Ready), ready
    assert ready.proof.context == 256
    text, done, _ = engine.ask("long " * 28)
    assert text and done.usage.prompt_tokens > 100


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no UTF-8")
def test_a_path_that_is_no_utf_8(needs_llama, start_engine, tiny_model, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/bad \xff name.gguf")
    Path(path).write_bytes(tiny_model.read_bytes())
    assert isinstance(start_engine().job(protocol.Load("llama.cpp", path, 512)), protocol.Ready)


def with_template(tiny_model, path, template):
    """The tiny model with another chat template of the same length."""
    old = CHAT_TEMPLATE.encode()
    new = template.encode() + b"{#" + b" " * (len(old) - len(template) - 4) + b"#}"
    return write(path, tiny_model.read_bytes().replace(old, new))


def test_a_template_that_cannot_be_read_is_a_bad_file(needs_llama, start_engine, tiny_model, tmp_path):
    path = with_template(tiny_model, tmp_path / "broken.gguf", "{% if %}")
    failed = start_engine().job(protocol.Load("llama.cpp", str(path), 512))
    assert failed.kind == "bad_file" and "template" in failed.message


@pytest.mark.parametrize(
    "template", ['{{ "" }}', "{{ messages[0].content + 1 }}", "{{ raise_exception('no') }}"]
)
def test_a_template_that_makes_no_prompt_refuses_the_request(
    needs_llama, start_engine, tiny_model, tmp_path, template
):
    engine = start_engine()
    path = with_template(tiny_model, tmp_path / "made.gguf", template)
    assert isinstance(engine.job(protocol.Load("llama.cpp", str(path), 512)), protocol.Ready)
    for _again in range(2):
        assert engine.ask("hello")[1].kind == "unsupported"


def test_templates_are_set_up_as_transformers_does(needs_llama):
    from autoglm_desktop.engine.prompt import Template

    source = (
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.content }}{% endfor %}"
        "{% if tools is not none %}{{ tools | length }}{% endif %}{{ bos_token }}"
    )
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert Template(source, {"bos_token": "!"}).render(messages) == "a!"


def test_a_beginning_token_that_the_template_leaves_out_is_added(
    needs_llama, start_engine, engine, tmp_path, tiny_model
):
    key = b"tokenizer.ggml.add_bos_token" + (7).to_bytes(4, "little")
    data = tiny_model.read_bytes()
    assert data.count(key + b"\0") == 1
    path = write(tmp_path / "bos.gguf", data.replace(key + b"\0", key + b"\1"))
    other = start_engine()
    assert isinstance(other.job(protocol.Load("llama.cpp", str(path), 1024)), protocol.Ready)
    plain = engine.ask("hello")[1].usage.prompt_tokens
    assert other.ask("hello")[1].usage.prompt_tokens == plain + 1


def test_the_first_turn_and_the_last_stay_when_old_ones_go():
    from autoglm_desktop.engine.prompt import without_oldest_turn

    roles = ["system", "user", "assistant", "user", "assistant", "user"]
    messages = tuple(protocol.Message(role, str(index)) for index, role in enumerate(roles))
    shorter = without_oldest_turn(messages)
    assert [message.content for message in shorter] == ["0", "1", "2", "5"]
    assert without_oldest_turn(shorter) is None


@pytest.fixture
def backend(needs_llama, tmp_path):
    """A backend in this process; its replies end after a sentence."""
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    path = tmp_path / "ends.gguf"
    gguf_tiny.write_tiny_glm4(path, ends=True)
    backend = LlamaBackend(CountingChannel(10**9))
    backend.load(protocol.Load("llama.cpp", str(path), 512))
    yield backend
    backend.unload()


def hello(**sampling):
    return protocol.Generate(
        "x", (protocol.Message("user", "hello"),), protocol.Sampling(temperature=0.0, **sampling)
    )


def test_the_end_token_counts_neither_as_token_nor_as_time(backend, monkeypatch):
    from autoglm_desktop.engine import llama_backend

    clock = itertools.count()
    monkeypatch.setattr(llama_backend.time, "perf_counter", lambda: float(next(clock)))
    done = backend.generate(hello(max_tokens=100))
    assert done.finish_reason == "stop" and done.usage.completion_tokens > 2
    assert done.timings.tokens_per_s == 1.0, "the made clock ticks once a token"


def test_long_pieces_of_text_arrive_whole(backend, monkeypatch):
    """llama_token_to_piece writes nothing into a buffer that is too small and returns the size as a negative number."""
    from autoglm_desktop.engine import llama_vocab

    def piece(_vocab, _token, buffer, size, _strip, _special):
        if size < 300:
            return -300
        buffer.value = b"x" * 299
        return 299

    monkeypatch.setattr(llama_vocab.native, "llama_token_to_piece", piece)
    assert backend._model.vocabulary.piece(65) == b"x" * 299


def test_a_memory_that_cannot_forget_a_part_starts_anew(backend, monkeypatch):
    """Recurrent models: llama_memory_seq_rm says no. After an aborted batch nothing may count as evaluated."""
    from autoglm_desktop.engine import llama_cells

    monkeypatch.setattr(llama_cells.native, "llama_memory_seq_rm", lambda *_: False)
    whole = backend.generate(hello(max_tokens=4))
    backend._channel.cancel_after = backend._channel.asked + 1  # the callback, in the middle of the prefill
    assert backend.generate(hello(max_tokens=4)).finish_reason == "cancelled"
    assert backend._model.cells.items == []
    backend._channel.cancel_after = 10**9
    assert backend.generate(hello(max_tokens=4)).usage.completion_tokens == whole.usage.completion_tokens
