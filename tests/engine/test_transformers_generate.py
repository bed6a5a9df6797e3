"""The transformers backend's answers on tiny made models, against transformers' own ``generate``."""

import numpy as np
import pytest

from autoglm_desktop.core import protocol

pytest.importorskip("transformers", reason="transformers is not installed in this environment (extra: torch)")
from autoglm_desktop.engine.server import JobFailed
from tests.engine.transformers_support import InProcess, picture, pixels_of

LONG = "The quick brown fox jumps over the lazy dog and runs away. " * 12


@pytest.fixture(scope="module")
def vision(made_glm4v):
    return InProcess(made_glm4v)


@pytest.fixture(scope="module")
def text_only(made_glm4):
    return InProcess(made_glm4)


@pytest.fixture(scope="module")
def reference(made_glm4v):
    """transformers' own class, tokenizer and image processor on the same folder."""
    import torch
    from transformers import AutoTokenizer, Glm4vForConditionalGeneration
    from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil

    model = Glm4vForConditionalGeneration.from_pretrained(made_glm4v, dtype=torch.float32)
    return (
        model,
        AutoTokenizer.from_pretrained(made_glm4v),
        Glm4vImageProcessorPil.from_pretrained(made_glm4v),
    )


def their_answer(reference, prompt, parts=(), tokens=16):
    """What transformers answers to a prompt in the chat template's form."""
    import torch

    model, tokenizer, processor = reference
    token, inputs = model.config.image_token_id, {}
    if parts:
        made = processor(images=[pixels_of(part) for part in parts], return_tensors="pt", do_resize=False)
        inputs = {"pixel_values": made["pixel_values"], "image_grid_thw": made["image_grid_thw"]}
        for grid in made["image_grid_thw"]:
            count = int(grid.prod()) // 4
            prompt = prompt.replace("<|image|>", "<|placeholder|>" * count, 1)
        prompt = prompt.replace("<|placeholder|>", "<|image|>")
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    if parts:
        inputs["mm_token_type_ids"] = (ids == token).long()
    with torch.inference_mode():
        out = model.generate(ids, **inputs, do_sample=False, max_new_tokens=tokens)
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True), ids.shape[1]


@pytest.mark.parametrize("question", ["hello", "打开微信，给张三发消息 😀", LONG])
def test_greedy_text_is_what_transformers_says(vision, reference, question):
    vision.backend._cache.clear()
    text, done = vision.ask(question)
    theirs, count = their_answer(reference, f"[gMASK]<sop><|user|>\n{question}<|assistant|>\n")
    assert done.usage.prompt_tokens == count
    assert theirs.startswith(text) and len(theirs) - len(text) <= 3  # ours holds back an unfinished character
    assert text


def test_pictures_are_seen_as_transformers_sees_them(vision, reference, tmp_path):
    one, two = picture(tmp_path, 84, 56, 1, "a.rgb"), picture(tmp_path, 112, 140, 2, "b.rgb")
    content = [{"type": "text", "text": "what "}, one, {"type": "text", "text": " and "}, two]
    text, done = vision.ask(content)
    image = "<|begin_of_image|><|image|><|end_of_image|>"
    prompt = f"[gMASK]<sop><|user|>\nwhat {image} and {image}<|assistant|>\n"
    theirs, count = their_answer(reference, prompt, (one, two))
    assert (done.usage.prompt_tokens, done.usage.image_tokens) == (count, 6 + 20)
    assert theirs.startswith(text) and text
    other, _ = vision.ask([{"type": "text", "text": "what "}, two, {"type": "text", "text": " and "}, one])
    assert other != text, "the picture's place changes nothing: it was not seen"


def test_patches_are_the_processors(vision, reference, tmp_path):
    part = picture(tmp_path, 140, 84)
    reader = vision.backend._loaded.pictures
    theirs = reference[2](images=[pixels_of(part)], return_tensors="pt", do_resize=False)
    ours = reader.read(part)
    assert [reader.grid(ours)] == theirs["image_grid_thw"].tolist()
    np.testing.assert_allclose(reader.patches(ours).numpy(), theirs["pixel_values"].numpy(), atol=2e-6)


def test_a_following_turn_reuses_the_conversation(vision, tmp_path):
    content = [picture(tmp_path), {"type": "text", "text": LONG}]
    answer, first = vision.ask(content)
    warm, second = vision.ask(content, answer, "and then?")
    assert second.usage.cached_tokens >= first.usage.prompt_tokens
    assert second.usage.image_tokens == 6
    vision.backend._cache.clear()
    cold, fresh = vision.ask(content, answer, "and then?")
    assert fresh.usage.cached_tokens == 0
    assert warm == cold


def test_another_picture_is_not_the_cached_one(vision, tmp_path):
    vision.backend._cache.clear()
    text, _ = vision.ask([picture(tmp_path, seed=1, name="a.rgb"), {"type": "text", "text": "?"}])
    other, done = vision.ask([picture(tmp_path, seed=2, name="b.rgb"), {"type": "text", "text": "?"}])
    assert done.usage.cached_tokens < 10
    assert text != other


def test_cancel_within_a_token(text_only):
    def cancel(delta):
        if delta.tokens >= 5:
            text_only.channel.cancel_after = 0

    text_only.channel.on_delta = cancel
    text, done = text_only.ask("hello", max_tokens=500)
    text_only.channel.on_delta, text_only.channel.cancel_after = None, 10**9
    assert done.finish_reason == "cancelled"
    assert 5 <= done.usage.completion_tokens <= 8  # held-back characters may delay the delta, not the cancel
    assert text


def test_cancel_in_the_middle_of_a_prefill_leaves_the_engine_usable(vision, tmp_path):
    content = [picture(tmp_path), {"type": "text", "text": LONG}]
    vision.backend._cache.clear()
    cold, _ = vision.ask(content)
    vision.backend._cache.clear()
    vision.channel.cancel_after = 6  # the vision part's 2 blocks and one text layer have been asked
    _, cancelled = vision.ask(content)
    asked, vision.channel.cancel_after = vision.channel.asked, 10**9
    assert cancelled.finish_reason == "cancelled" and cancelled.usage.completion_tokens == 0
    assert asked == 7, "the prefill went on after the cancellation"
    again, done = vision.ask(content)
    assert again == cold and done.finish_reason == "length"


def test_stop_strings_end_the_answer_before_them(text_only):
    text, _ = text_only.ask("hello")
    stop = text[3:5]
    cut, done = text_only.ask("hello", stop=(stop,))
    assert done.finish_reason == "stop"
    assert cut == text[: text.index(stop)]


def test_a_penalty_ends_repetition(text_only):
    plain, _ = text_only.ask("hello", max_tokens=40)
    varied, _ = text_only.ask("hello", max_tokens=40, presence_penalty=2.0, frequency_penalty=2.0)
    assert plain != varied


def test_seeds_repeat_and_differ(text_only):
    def draw(seed):
        return text_only.ask("hello", temperature=1.5, top_k=0, top_p=1.0, seed=seed)[0]

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(1, 6)}) > 1


def test_old_turns_are_dropped_until_it_fits(made_glm4):
    small = InProcess(made_glm4, context=420)
    turns = [LONG[:200] if n % 2 == 0 else "yes" for n in range(7)]
    _, done = small.ask(*turns, max_tokens=16)
    assert done.usage.dropped_messages in (2, 4)
    with pytest.raises(JobFailed, match="context_full") as failed:
        small.ask(LONG)
    assert failed.value.kind == "unsupported"


def test_an_answer_ends_where_the_context_does(made_glm4):
    small = InProcess(made_glm4, context=64)
    _, done = small.ask("hello", max_tokens=500)
    assert done.finish_reason == "length"
    assert done.usage.prompt_tokens + done.usage.completion_tokens == 64


def test_control_tokens_in_the_text_are_only_text(vision):
    _, plain = vision.ask("a")
    _, done = vision.ask("a<|image|><|user|>")
    assert done.usage.image_tokens == 0
    assert done.usage.prompt_tokens > plain.usage.prompt_tokens + 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 80}, "multiples of 28"),
        ({"height": 28}, "are no 84 x 28 RGB pixels"),
        ({"file": "/nowhere/picture.rgb"}, "No such file"),
        ({"width": None}, "bad_picture"),
    ],
)
def test_unprepared_pictures_are_refused(vision, tmp_path, change, message):
    with pytest.raises(JobFailed, match=message) as failed:
        vision.ask([{**picture(tmp_path), **change}])
    assert failed.value.kind == "unsupported"
    assert vision.ask("hello")[0]


def test_pictures_beyond_the_models_limit_are_refused(vision, tmp_path):
    with pytest.raises(JobFailed, match="image_too_large"):
        vision.ask([picture(tmp_path, 28 * 201, 28)])


def test_a_template_that_leaves_a_picture_out_is_told(vision, tmp_path, monkeypatch):
    from autoglm_desktop.engine import prompt

    template = prompt.Template("[gMASK]<sop><|user|>\nalways the same<|assistant|>\n", {})
    monkeypatch.setattr(vision.backend._maker, "_template", template)
    assert vision.ask("hello")[0]
    with pytest.raises(JobFailed, match="leaves out or repeats a picture"):
        vision.ask([picture(tmp_path)])


def test_a_text_model_takes_no_pictures(text_only, tmp_path):
    with pytest.raises(JobFailed, match="no_vision") as failed:
        text_only.ask([picture(tmp_path)])
    assert failed.value.kind == "unsupported"


def test_out_of_memory_in_an_answer_keeps_the_engine(text_only, monkeypatch):
    import torch

    before, _ = text_only.ask("hello")
    model = text_only.backend._loaded.model

    def fail(*_args, **_kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with monkeypatch.context() as patched, pytest.raises(JobFailed) as failed:
        patched.setattr(model, "forward", fail)
        text_only.ask("something else")
    assert failed.value.kind == "out_of_memory"
    assert text_only.ask("hello")[0] == before


def test_characters_of_several_tokens_come_whole(text_only):
    from autoglm_desktop.engine.transformers_words import Words

    tokenizer = text_only.backend._loaded.tokenizer
    said = "点击发送 😀 ok"
    words = Words(tokenizer)
    pieces = [words.feed(token) for token in tokenizer(said, add_special_tokens=False)["input_ids"]]
    assert "".join(pieces) == said
    assert "" in pieces and not any("\ufffd" in piece for piece in pieces)


def test_usage_and_timings_are_told(text_only):
    text_only.backend._cache.clear()
    text, done = text_only.ask(LONG)
    assert done.timings.first_token_s > 0 and done.timings.tokens_per_s > 0
    assert done.timings.prompt_tokens_per_s > 0
    assert done.usage == protocol.Usage(done.usage.prompt_tokens, 16)
    assert text
