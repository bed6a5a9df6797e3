"""packaging/demo_model: training and both backends read the same tokens; training goes on where it was interrupted."""

import dataclasses
import itertools
import random

import pytest

pytest.importorskip("torch", reason="torch is not installed here (extra: torch)")
pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")

import torch
from demo_model import augment, data, export
from demo_model import corpus as texts
from demo_model import model as models
from demo_model import tokenizer as words
from demo_model.settings import Shape, Training
from demo_model.train import OtherTraining, Trainer
from transformers import AutoModelForCausalLM, AutoTokenizer

from autoglm_desktop.core.demo import NAME
from autoglm_desktop.store import gguf_glm4

SMALL = Shape(layers=1)


@pytest.fixture(scope="module")
def corpus():
    return texts.load()


@pytest.fixture(scope="module")
def tokenizer(corpus):
    return words.train(corpus, Shape().vocabulary)


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A model of random weights, as the pipeline saves it."""
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("demo") / "model"
    model = models.build(SMALL, ends(tokenizer))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
    export.save(model, tokenizer, SMALL, out)
    return out


def ends(tokenizer):
    return [tokenizer.token_to_id(name) for name in words.ENDS]


def test_answers_are_told_apart_by_what_a_shortened_one_keeps(corpus, tokenizer):
    speaker = data.Speaker(tokenizer, corpus)
    begun = [tuple(ids[: speaker.decided[key]]) for key, ids in speaker.answers.items()]
    assert len(set(begun)) == len(begun)
    assert max(speaker.decided.values()) <= 12


def test_a_batch_depends_on_its_step_alone(corpus, tokenizer):
    one, other = (data.Maker(corpus, tokenizer, Training()) for _ in range(2))
    for step in (0, 4, 3):
        a, b = one.batch(step), other.batch(step)
        assert (a.ids == b.ids).all() and (a.places == b.places).all()
        assert 0.9 < (a.segments > 0).mean() <= 1.0


def test_a_variation_that_is_a_question_kept_back_is_made_anew(corpus, tokenizer, monkeypatch):
    secret = corpus.held_out[0].text
    made = itertools.count()
    monkeypatch.setattr(
        data,
        "varied",
        lambda question, _rng: f" {secret.upper()}!" if next(made) % 2 else f"{question.text} secret",
    )
    batch = data.Maker(corpus, tokenizer, dataclasses.replace(Training(), split_share=0.0)).batch(0)
    read = tokenizer.decode(batch.ids.flatten().tolist(), skip_special_tokens=False)
    assert next(made) > 100 and read.count(" secret<|assistant|>") > 50
    assert secret.upper() not in read


def test_a_question_is_read_as_the_chat_template_writes_it(corpus, tokenizer, folder):
    kept = AutoTokenizer.from_pretrained(str(folder))
    speaker = data.Speaker(tokenizer, corpus)
    for question in (*corpus.held_out[::50], *corpus.outside_test[::20]):
        message = [{"role": "user", "content": question.text}]
        text = kept.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
        assert kept(text, add_special_tokens=False)["input_ids"] == speaker.prompt(question.text)


def test_packed_rows_give_the_logits_of_single_ones(corpus, tokenizer, folder):
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    batch = data.Maker(corpus, tokenizer, Training()).batch(0)
    ids, positions, segments, *_ = data.tensors(batch)
    with torch.inference_mode():
        ours = model.lm_head(models.Trained(model, 0.1).eval().hidden(ids[:2], positions[:2], segments[:2]))
        for row in range(2):
            for number in range(1, int(segments[row].max()) + 1):
                place = (segments[row] == number).nonzero().flatten()
                alone = model(input_ids=ids[row, place][None]).logits[0]
                assert torch.allclose(ours[row, place], alone, atol=1e-4)


def test_llama_cpp_reads_the_same_tokens(corpus, tokenizer, folder, tmp_path):
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (extra: llama)")
    path = tmp_path / "demo.gguf"
    gguf_glm4.write_gguf(folder, path, NAME)
    llama = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    rng = random.Random(2)
    every = [*corpus.answers.values(), *(one.text for one in (*corpus.held_out[::2], *corpus.outside_test))]
    every += [augment.varied(one, rng) for one in corpus.train[::20]]
    every += [
        "a\n\n b\t c  ",
        "１２３ ４５",
        "😀 naïve café",
        "𠮷野家",
        "x = [1,2];\r\n",
        "\u200bzero",
        "'s 'S I'LL",
    ]
    try:
        for text in every:
            assert llama.tokenize(text.encode(), add_bos=False, special=True) == tokenizer.encode(text).ids, (
                text
            )
    finally:
        llama.close()


def trainer(corpus, tokenizer, work, steps):
    """One that takes ``steps`` steps, a second of its own clock each."""
    seconds = itertools.count()
    training = dataclasses.replace(
        Training(), minutes=steps / 60, threads=1, rows=4, places=256, warm_up_steps=1, long_every=1000,
        compiled=False, bf16=False, validate_minutes=1e9, checkpoint_minutes=1e9,
    )  # fmt: skip
    few = dataclasses.replace(corpus, validation=corpus.validation[:30])
    return Trainer(few, tokenizer, SMALL, training, work, ends=ends(tokenizer), clock=lambda: next(seconds))


@pytest.fixture(autouse=True)
def as_before():
    """``Trainer`` sets both for its process."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


def test_a_training_that_was_interrupted_ends_as_one_that_was_not(corpus, tokenizer, tmp_path, monkeypatch):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    trainer(corpus, tokenizer, tmp_path / "whole", 4).run()
    batch = data.Maker.batch

    def interrupted(self, step):
        if step == 2:
            raise KeyboardInterrupt
        return batch(self, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(data.Maker, "batch", interrupted)
        trainer(corpus, tokenizer, tmp_path / "broken", 4).run()
    trainer(corpus, tokenizer, tmp_path / "broken", 4).run()
    one, other = (torch.load(tmp_path / name / "best.pt") for name in ("whole", "broken"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_checkpoint_of_another_corpus_is_refused(corpus, tokenizer, tmp_path):
    trainer(corpus, tokenizer, tmp_path, 1).run()
    other = dataclasses.replace(corpus, train=corpus.train[1:])
    with pytest.raises(OtherTraining, match="another corpus"):
        trainer(other, tokenizer, tmp_path, 1).run()
