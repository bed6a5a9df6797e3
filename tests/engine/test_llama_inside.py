"""The llama.cpp backend in this process, where a test can look at and interrupt single steps."""

import ctypes

import numpy as np
import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.engine.server import JobFailed
from tests.fakes import made_glm4v

SAFE = protocol.EngineOptions(use_extra_bufts=False)
NEVER = 10**9


class Channel:
    """Says "cancelled" from the given number of questions on; stands in for the engine's channel."""

    def __init__(self):
        self.asked, self.cancel_after, self.events = 0, NEVER, []

    def is_cancelled(self, _request):
        self.asked += 1
        return self.asked > self.cancel_after

    def emit(self, event):
        self.events.append(event)

    def text(self):
        return "".join(event.text for event in self.events if isinstance(event, protocol.Delta))


@pytest.fixture
def backend(needs_llama, tmp_path):
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    text = made_glm4v.write_text(tmp_path / "text.gguf")
    projector = made_glm4v.write_projector(tmp_path / "mmproj.gguf")
    backend = LlamaBackend(Channel())
    backend.load(
        protocol.Load(
            "llama.cpp",
            str(text),
            1024,
            options=SAFE,
            projector=protocol.Projector(str(projector), image_tokens=400),
        )
    )
    yield backend
    backend.unload()


@pytest.fixture
def ask(backend, tmp_path):
    """``ask(part, …)`` → (text, done); pictures as (seed, width, height)."""

    def ask(*parts, history=(), max_tokens=8):
        backend._channel.events.clear()
        content = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else made_glm4v.write_picture(tmp_path / f"{part}.rgb", part[1], part[2], part[0])
            for part in parts
        ]
        messages = (*history, protocol.Message("user", content))
        request = protocol.Generate("x", messages, protocol.Sampling(temperature=0.0, max_tokens=max_tokens))
        return backend._channel, backend.generate(request), messages

    return ask


def logits(native, loaded):
    size = native.llama_vocab_n_tokens(loaded.vocab)
    return np.ctypeslib.as_array(native.llama_get_logits_ith(loaded.context, -1), (size,)).copy()


def test_the_context_holds_what_mtmds_own_helper_would_put_there(backend, ask, tmp_path):
    """Positions, cells and batches of a picture larger than a batch, against ``mtmd_helper_eval_chunks``."""
    import llama_cpp.llama_cpp as native
    import llama_cpp.mtmd_cpp as mtmd

    model = backend._model
    wide = (1, 28 * 30, 28 * 20)  # 600 cells, more than a batch of 512
    model.loaded.vision._most = 600
    ask("look ", wide, " and say", max_tokens=1)
    items = model.cells.items[:-1]  # but the answer
    tokens = [item for item in items if isinstance(item, int)]
    model.cells.keep_prefix([0])
    model.cells.prefill(items, lambda: False)
    ours_position = model.cells._position
    ours = logits(native, model.loaded)

    model.cells.keep_prefix([0])
    native.llama_memory_clear(native.llama_get_memory(model.loaded.context), True)
    pixels = next(item for item in items if not isinstance(item, int)).pixels()
    bitmap = mtmd.mtmd_bitmap_init(wide[1], wide[2], (ctypes.c_uint8 * len(pixels)).from_buffer_copy(pixels))
    words = b"[gMASK]<sop><|user|>\nlook <__media__> and say<|assistant|>\n"
    text = mtmd.mtmd_input_text(words, len(words), False, True)
    chunks = mtmd.mtmd_input_chunks_init()
    bitmaps = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
    context = model.loaded.vision._context
    assert mtmd.mtmd_tokenize(context, chunks, ctypes.byref(text), bitmaps, 1) == 0
    position = native.llama_pos(0)
    code = mtmd.mtmd_helper_eval_chunks(
        context, model.loaded.context, chunks, 0, 0, 512, True, ctypes.byref(position)
    )
    theirs = logits(native, model.loaded)
    assert mtmd.mtmd_helper_get_n_tokens(chunks) == len(tokens) + 600
    mtmd.mtmd_input_chunks_free(chunks)
    mtmd.mtmd_bitmap_free(bitmap)
    assert code == 0 and position.value == ours_position
    assert np.abs(ours - theirs).max() < 1e-4, np.abs(ours - theirs).max()


@pytest.mark.parametrize("after", [1, 3, 8, 20])
def test_cancelling_while_a_picture_is_encoded_or_read_leaves_nothing_wrong(ask, backend, after):
    """The flag is looked at before, between nodes of the encoder and between those of the text model."""
    channel = backend._channel
    channel.asked, channel.cancel_after = 0, after
    _, cancelled, _ = ask("a ", (1, 280, 280), " b")
    assert cancelled.finish_reason == "cancelled" and cancelled.usage.completion_tokens == 0
    assert channel.asked <= after + 3, "it went on after the cancellation"
    channel.cancel_after = NEVER
    _, done, _ = ask("a ", (1, 280, 280), " b")
    shown = channel.text()
    assert done.finish_reason == "length"
    backend._model.cells.keep_prefix([0])
    backend._model.loaded.vision._kept.clear()
    ask("a ", (1, 280, 280), " b")
    assert channel.text() == shown


def test_a_picture_is_encoded_once_though_turns_before_it_go(backend, ask, monkeypatch):
    vision, encoded = backend._model.loaded.vision, []
    encode = vision.encode

    def counted(pixels, picture, cancelled):
        encoded.append(picture.digest)
        return encode(pixels, picture, cancelled)

    monkeypatch.setattr(vision, "encode", counted)
    history, dropped = (), 0
    for seed in range(9):
        _, done, messages = ask(f"step {seed} ", (seed, 280, 280), history=history)
        history = (*messages, protocol.Message("assistant", "do(action)"))
        dropped = max(dropped, done.usage.dropped_messages)
    assert dropped > 0
    assert len(encoded) == len(set(encoded)) == 9


def test_after_a_cut_the_next_turns_find_their_context_again(backend, ask):
    """Else every turn of a full conversation would evaluate all of it anew."""
    history, reused = (), []
    for step in range(30):
        _, done, messages = ask(f"step {step} of many: tap the button, then wait for it.", history=history)
        history = (*messages, protocol.Message("assistant", backend._channel.text()))
        if done.usage.dropped_messages:
            reused.append(done.usage.cached_tokens / done.usage.prompt_tokens)
        assert done.usage.prompt_tokens < 1024
    assert len(reused) > 8
    assert sum(share > 0.8 for share in reused) > 0.7 * len(reused), reused


def test_a_long_conversation_is_not_made_anew_for_each_of_its_turns(backend, monkeypatch):
    """As few turns go as must; found out in a few trials, since each takes as long as the conversation."""
    prompts, made = backend._model.prompts, []
    render = prompts._template.render
    monkeypatch.setattr(prompts._template, "render", lambda flat: made.append(len(flat)) or render(flat))
    turn = (("user", "question of many"), ("assistant", "do(action)"))
    messages = [protocol.Message(role, text) for _ in range(300) for role, text in turn]
    request = protocol.Generate("x", (*messages, protocol.Message("user", "and now?")))
    fitted = prompts.fit(request, lambda _items: 0)
    assert len(made) < 25 and fitted.dropped > 100
    one_more = len(prompts._made(_without(request.messages, fitted.dropped - 2), 0, {}, ()).items)
    assert len(fitted.items) <= 0.75 * 1024 < one_more


def _without(messages, dropped):
    return (*messages[:2], *messages[2 + dropped :])


def test_a_prompt_that_ends_with_a_picture_or_hides_one_is_refused(backend, ask, monkeypatch):
    template = backend._model.prompts._template
    monkeypatch.setattr(template, "render", lambda _messages: "nothing")
    with pytest.raises(JobFailed, match="leaves out or repeats"):
        ask("a ", (1, 28, 28))


@pytest.mark.parametrize(("code", "kind"), [(-3, "crashed"), (-2, "out_of_memory")])
def test_a_decode_that_fails_says_nothing_of_the_file(backend, ask, monkeypatch, code, kind):
    from autoglm_desktop.engine import llama_cells

    monkeypatch.setattr(llama_cells.native, "llama_decode", lambda _context, _batch: code)
    with pytest.raises(JobFailed, match=f"returned {code}") as failed:
        ask("hello")
    assert failed.value.kind == kind


def test_numa_is_set_once(needs_llama, monkeypatch):
    from autoglm_desktop.engine import llama_placement

    given = []
    monkeypatch.setattr(llama_placement, "_numa", None)
    monkeypatch.setattr(llama_placement.native, "llama_numa_init", given.append)
    llama_placement.set_numa(None)
    llama_placement.set_numa("isolate")
    llama_placement.set_numa("isolate")
    assert given == [2]
    for other in ("distribute", "mirror", None):
        with pytest.raises(JobFailed, match="numa"):
            llama_placement.set_numa(other)


MAPS = """\
00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/x
7f0000100000-7f0000900000 rw-p 00000000 00:00 0
7f0001000000-7f0001100000 rw-p 00000000 00:00 0
7f0002000000-7f0004000000 rw-p 00000000 08:02 99 /models/a b.gguf
7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0 [stack]
"""


def test_anonymous_memory_is_found_in_whole_huge_pages(needs_llama):
    from autoglm_desktop.engine.llama_placement import anonymous_maps

    assert anonymous_maps(MAPS) == [(0x7F0000200000, 0x600000)]


class Parameters:
    devices = split_mode = main_gpu = tensor_split = load_mode = None


@pytest.fixture
def cards(needs_llama, monkeypatch):
    from autoglm_desktop.engine import devices

    made = (
        devices.Device("CUDA0 (made)", 11, True), devices.Device("CUDA1 (made)", 22, True),
        devices.Device("CPU (made)", 33, False),
    )  # fmt: skip
    monkeypatch.setattr(devices, "everything", lambda: made)


def placed(**values):
    """(handles, split mode, shares) that llama.cpp would get."""
    from autoglm_desktop.engine.llama_placement import place

    parameters = Parameters()
    job = protocol.Load("llama.cpp", "x", 512, **values)
    kept = place(parameters, job, job.devices)
    handles = list(kept[0])[:-1] if kept else None
    shares = list(parameters.tensor_split)[:2] if parameters.tensor_split is not None else None
    return handles, parameters.split_mode, shares


def test_layers_are_split_over_the_named_cards_in_their_order(cards):
    both = ("CUDA1", "CUDA0 (made)")
    assert placed(gpu_layers=30, devices=both, split=(20, 10)) == ([22, 11], 1, [20.0, 10.0])
    assert placed(gpu_layers=-1, devices=both, split=(3, 1)) == ([22, 11], 1, [3.0, 1.0])
    assert placed(gpu_layers=-1, devices=("CUDA1",)) == ([22], 0, None)
    assert placed(gpu_layers=-1) == (None, None, None), "llama.cpp's choice"
    assert placed(gpu_layers=0)[0] == [] == placed(gpu_layers=0, devices=both)[0]


@pytest.mark.parametrize(
    "values",
    [
        {"gpu_layers": 30, "devices": ("CUDA0", "CUDA1"), "split": (20, 11)},
        {"gpu_layers": 30, "devices": ("CUDA0",), "split": (20, 10)},
        {"gpu_layers": 30, "devices": ("CUDA7",)},
        {"gpu_layers": 30, "devices": ("CPU",)},
    ],
)
def test_a_split_that_cannot_be_is_refused(cards, values):
    with pytest.raises(JobFailed) as failed:
        placed(**values)
    assert failed.value.kind == "unsupported"


def test_memory_is_held_as_asked(needs_llama):
    from autoglm_desktop.engine.llama_placement import place

    modes = {}
    for lock in (False, True):
        for huge in (False, True):
            parameters = Parameters()
            options = protocol.EngineOptions(memory_lock=lock, huge_pages=huge)
            place(parameters, protocol.Load("llama.cpp", "x", 512, options=options), ())
            modes[lock, huge] = parameters.load_mode
    # llama.h: nothing of its own, none, mmap with lock, lock
    assert modes == {(False, False): None, (False, True): 0, (True, False): 3, (True, True): 2}
