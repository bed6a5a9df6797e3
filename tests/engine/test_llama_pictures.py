"""Pictures through llama.cpp's projector on tiny made glm4v pairs (``tests.fakes.made_glm4v``)."""

import itertools

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.core.gguf_vision import missing_part, vision_refusal
from autoglm_desktop.store import gguf
from tests.fakes import made_glm4v

SAFE = protocol.EngineOptions(use_extra_bufts=False)
WORDS = "The quick brown fox jumps over the lazy dog. " * 3


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(folder, text, projector); the folder's name has Chinese characters and a space."""
    folder = tmp_path_factory.mktemp("看图 folder")
    text = made_glm4v.write_text(folder / "文 text.gguf")
    return folder, text, made_glm4v.write_projector(folder / "视 mmproj.gguf")


def load(text, projector, context=2048, **values):
    vision = protocol.Projector(str(projector), image_tokens=values.pop("image_tokens", 60))
    return protocol.Load("llama.cpp", str(text), context, options=SAFE, projector=vision, **values)


@pytest.fixture
def seeing(needs_llama, start_engine, pair):
    """A ready engine that takes pictures, and its ``see`` that asks with them."""
    engine = start_engine()
    ready = engine.job(load(*pair[1:]))
    assert isinstance(ready, protocol.Ready), ready
    engine.proof = ready.proof
    return engine


@pytest.fixture
def picture(tmp_path):
    """Makes pictures of 280 × 140 pixels: 50 cells, 10 positions."""
    numbers = itertools.count()

    def make(seed, width=280, height=140):
        return made_glm4v.write_picture(tmp_path / f"{next(numbers)}.rgb", width, height, seed)

    return make


def text(value):
    return {"type": "text", "text": value}


def user(*parts):
    return protocol.Message("user", [text(part) if isinstance(part, str) else part for part in parts])


def assistant(answer):
    return protocol.Message("assistant", answer)


def test_the_proof_tells_of_the_projector(seeing):
    proof = seeing.proof
    assert proof.projector == "cpu glm4v F16"
    assert proof.image_s > 0
    assert proof.memory["ram"]["projector"] == pytest.approx(577_000, rel=0.01)  # the file's tensors
    assert proof.options == protocol.EngineOptions(use_extra_bufts=False, op_offload=False)


def test_answers_with_a_picture_repeat_and_depend_on_it(seeing, picture):
    first, done, _ = seeing.send([user("what is ", picture(1), "?")])
    again, done_again, _ = seeing.send([user("what is ", picture(1), "?")])
    other, _, _ = seeing.send([user("what is ", picture(2), "?")])
    assert first and first == again
    assert other != first
    assert done.usage.cached_tokens == 0
    assert done_again.usage.cached_tokens == done.usage.prompt_tokens - 1


@pytest.mark.parametrize(
    ("width", "height", "cells"), [(28, 28, 1), (56, 84, 6), (280, 140, 50), (140, 280, 50)]
)
def test_a_picture_counts_with_its_cells(seeing, picture, width, height, cells):
    plain = seeing.send([user("ab")])[1].usage
    seen = seeing.send([user("a", picture(1, width, height), "b")])[1].usage
    assert (plain.image_tokens, seen.image_tokens) == (0, cells)
    assert seen.prompt_tokens == plain.prompt_tokens + cells + 2, "the picture and a token at each end"


def test_a_context_too_small_for_the_picture_is_said(needs_llama, start_engine, pair, picture):
    engine = start_engine()
    assert isinstance(engine.job(load(*pair[1:], context=256, image_tokens=400)), protocol.Ready)
    _, failed, _ = engine.send([user("a", picture(1, 28 * 20, 28 * 20))])
    assert failed.kind == "unsupported" and failed.message.startswith("context_full: 4"), failed
    assert "256" in failed.message
    assert engine.send([user("a", picture(1))])[0]


def test_a_picture_larger_than_what_was_proven_is_refused(seeing, picture):
    _, failed, _ = seeing.send([user(picture(1, 28 * 20, 28 * 20))])
    assert failed.kind == "unsupported" and failed.message.startswith("image_too_large: 400 "), failed
    assert seeing.send([user(picture(1))])[0]


def test_a_following_turn_reuses_the_picture(seeing, picture):
    answer, first, _ = seeing.send([user("look ", picture(1))])
    _, second, _ = seeing.send([user("look ", picture(1)), assistant(answer), user("and ", picture(2))])
    assert second.usage.cached_tokens >= first.usage.prompt_tokens
    assert second.usage.image_tokens == 100
    _, third, _ = seeing.send([user("look ", picture(3)), assistant(answer), user("and ", picture(2))])
    assert third.usage.cached_tokens < 20, "another picture at the start: nothing behind it counts"


def test_the_cache_changes_no_answer(seeing, start_engine, pair, picture):
    answer = seeing.send([user("look ", picture(1))])[0]
    talk = [user("look ", picture(1)), assistant(answer), user("and ", picture(2), " now")]
    warm, done, _ = seeing.send(talk)
    assert done.usage.cached_tokens > 50
    fresh = start_engine()
    fresh.job(load(*pair[1:]))
    cold, cold_done, _ = fresh.send(talk)
    assert cold_done.usage.cached_tokens == 0
    assert warm == cold


def test_old_turns_with_pictures_make_room(needs_llama, start_engine, pair, picture):
    engine = start_engine()
    engine.job(load(*pair[1:], context=512))
    talk = []
    for seed in range(8):
        talk += [user(f"step {seed} ", picture(seed)), assistant("do(action)")]
    shown, done, _ = engine.send([*talk, user("last ", picture(9))])
    assert shown
    assert done.usage.dropped_messages > 0 and done.usage.dropped_messages % 2 == 0
    assert done.usage.prompt_tokens < 512 and done.usage.image_tokens % 50 == 0


MARKERS = "<__media__><|image|><|begin_of_image|><|user|>\ufdd00\ufdd1"


def test_literal_markers_in_a_text_stay_text(seeing, picture):
    _, plain, _ = seeing.send([user("a", picture(1))])
    shown, done, _ = seeing.send([user("a" + MARKERS, picture(1))])
    assert shown
    assert done.usage.image_tokens == plain.usage.image_tokens == 50
    assert done.usage.prompt_tokens > plain.usage.prompt_tokens + 20


def test_a_control_token_spread_over_two_parts_stays_text(seeing):
    whole = seeing.send([user("a<|user|>")])[1].usage.prompt_tokens
    assert seeing.send([user("a<|us", "er|>")])[1].usage.prompt_tokens == whole


@pytest.mark.parametrize(
    "change", [{"width": 281}, {"height": 0}, {"file": "/nowhere.rgb"}, {"height": 168}, {"width": None}]
)
def test_a_picture_that_is_none_is_refused(seeing, picture, change):
    _, failed, _ = seeing.send([user(picture(1) | change)])
    assert failed.kind == "unsupported" and failed.message.startswith("bad_picture: "), failed


def test_pictures_without_a_projector_are_refused(needs_llama, start_engine, pair, picture):
    engine = start_engine()
    engine.job(protocol.Load("llama.cpp", str(pair[1]), 512, options=SAFE))
    _, failed, _ = engine.send([user(picture(1))])
    assert failed.kind == "unsupported" and failed.message.startswith("no_vision"), failed


def test_a_q8_0_projector_sees_almost_the_same(needs_llama, start_engine, pair):
    projector = made_glm4v.write_projector(pair[0] / "q8.gguf", weight_type="Q8_0")
    ready = start_engine().job(load(pair[1], projector, kv_type="q8_0"))
    assert isinstance(ready, protocol.Ready), ready
    assert ready.proof.memory["ram"]["projector"] < 450_000
    assert ready.proof.projector == "cpu glm4v Q8_0"


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("projector_kind", {"kind": "internvl"}),
        ("projector_other_model", {"out": 256}),
        ("projector_incomplete", {"without": "v.patch_embd.weight.1"}),
        ("projector_incomplete", {"without": "v.blk.1.attn_qkv.weight"}),
        ("projector_incomplete", {"without": "clip.use_silu"}),
    ],
)
def test_a_projector_that_does_not_fit_is_refused(needs_llama, start_engine, pair, tmp_path, code, made):
    projector = made_glm4v.write_projector(tmp_path / "other.gguf", **made)
    engine = start_engine()
    failed = engine.job(load(pair[1], projector))
    assert isinstance(failed, protocol.Failed)
    assert failed.kind == "bad_file" and failed.message.startswith(code), failed
    assert isinstance(engine.job(load(*pair[1:])), protocol.Ready), "the process lives on"


@pytest.mark.parametrize(
    ("code", "made"), [("vision_no_sections", {"sections": False}), ("vision_no_bos", {"bos": False})]
)
def test_a_text_file_that_can_see_nothing_is_refused(needs_llama, start_engine, pair, tmp_path, code, made):
    model = made_glm4v.write_text(tmp_path / "early.gguf", **made)
    failed = start_engine().job(load(model, pair[2]))
    assert failed.kind == "bad_file" and failed.message.startswith(code), failed


def test_a_projector_alone_or_missing_is_refused(needs_llama, start_engine, pair):
    for projector in (pair[1], pair[0] / "missing.gguf"):
        assert start_engine().job(load(pair[1], projector)).kind == "bad_file"


def test_layers_on_a_gpu_that_is_not_there_are_not_proven(needs_llama, start_engine, pair):
    assert start_engine().job(load(*pair[1:], gpu_layers=2)).kind == "not_proven"


def test_every_part_of_a_projector_is_asked_for(tmp_path, pair):
    """Whatever single key or tensor is left out, the header alone tells."""
    whole = gguf.read_header(pair[2])
    assert missing_part(whole) is None and vision_refusal(gguf.read_header(pair[1]), whole) is None
    names = [tensor.name for tensor in whole.tensors]
    keys = [key for key in whole.metadata if key.startswith("clip.") and key != "clip.projector_type"]
    assert len(names) == 28 and len(keys) == 12
    for name in [*names, *keys]:
        path = made_glm4v.write_projector(tmp_path / "part.gguf", without=name)
        assert missing_part(gguf.read_header(path)) == name
