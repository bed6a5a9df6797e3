"""resources/demo_model: small enough, a GLM-4, of this corpus; the README's figures are this file's."""

import json
import math
import struct
from functools import cache
from pathlib import Path

import pytest
from demo_model import corpus, evaluate
from demo_model.settings import HERE, Shape, Training

from autoglm_desktop.core.demo import NAME
from autoglm_desktop.store.gguf import read_header
from autoglm_desktop.store.gguf_glm4 import write_gguf
from autoglm_desktop.store.gguf_words import CHAT_TEMPLATE, SPECIALS

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "demo_model"
WEIGHTS = FOLDER / "model.safetensors"
MOST_PARAMETERS, MOST_BYTES, MOST_TOKENS = 4_000_000, 8_000_000, 3_000
K_QUANTS, NF4 = 256, 64
"""Weights of a block: a row holds whole ones."""


@cache
def config() -> dict:
    return json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))


@cache
def tokenizer() -> dict:
    return json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))


@cache
def tensors() -> dict:
    data = WEIGHTS.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


@cache
def figures() -> evaluate.Figures:
    return evaluate.kept(HERE)


def test_it_is_small():
    assert sum(math.prod(one["shape"]) for one in tensors().values()) < MOST_PARAMETERS
    assert WEIGHTS.stat().st_size <= MOST_BYTES
    assert config()["vocab_size"] <= MOST_TOKENS
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST_BYTES + 500_000


def test_it_is_a_glm4_of_the_shape_that_the_command_makes():
    shape = Shape()
    assert shape.context == Training().long_length
    assert config()["architectures"] == ["Glm4ForCausalLM"] and config()["model_type"] == "glm4"
    assert not config()["tie_word_embeddings"]
    assert {one["dtype"] for one in tensors().values()} == {"BF16"}
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "max_position_embeddings")
    wanted = (shape.vocabulary, shape.hidden, shape.feed_forward, shape.layers, shape.context)
    assert tuple(config()[name] for name in names) == wanted


def test_every_rung_takes_its_widths():
    matrices = [one["shape"] for name, one in tensors().items() if len(one["shape"]) == 2]
    assert matrices and all(row % K_QUANTS == 0 and row % NF4 == 0 for _rows, row in matrices)


def test_its_words_are_glm_4_s():
    """Special tokens in their order at the end, GLM-4's pre-tokenizer and chat template."""
    special = {one["content"]: one["id"] for one in tokenizer()["added_tokens"] if one["special"]}
    first = config()["vocab_size"] - len(SPECIALS)
    assert special == {name: first + place for place, name in enumerate(SPECIALS)}
    assert tokenizer()["model"]["type"] == "BPE"
    kinds = [part["type"] for part in tokenizer()["pre_tokenizer"]["pretokenizers"]]
    assert kinds == ["Split", "ByteLevel"]
    assert (FOLDER / "chat_template.jinja").read_text(encoding="utf-8") == CHAT_TEMPLATE
    ends = [special[name] for name in ("<|endoftext|>", "<|user|>", "<|observation|>")]
    assert config()["eos_token_id"] == ends


def test_its_gguf_file_is_the_same_model(tmp_path):
    path = tmp_path / "demo.gguf"
    size = write_gguf(FOLDER, path, NAME)
    header = read_header(path)
    assert header.parameter_count == sum(math.prod(one["shape"]) for one in tensors().values())
    assert header.vocab_size == config()["vocab_size"]
    assert size == path.stat().st_size < MOST_BYTES + 500_000


def test_the_figures_are_of_this_model_and_this_corpus():
    whole = corpus.load()
    assert figures().model == evaluate.sha256(WEIGHTS)
    assert figures().corpus == whole.digest()
    assert figures().questions == len(evaluate.questions(whole))


def test_the_readme_shows_these_figures():
    text = (HERE / "README.md").read_text(encoding="utf-8")
    shown = text.partition(evaluate.BEGIN)[2].partition(evaluate.END)[0].strip()
    assert shown == evaluate.markdown(figures()).strip()


@pytest.mark.parametrize("part", sorted(evaluate.AIMS))
def test_what_is_shipped_reaches_what_it_was_made_for(part):
    """By the files that were never trained on, through both backends."""
    for backend, counts in figures().parts[part].items():
        assert counts["share_right"] >= evaluate.AIMS[part], backend


def test_both_backends_give_the_same_answers():
    assert set(figures().backends) == {"transformers", "llama.cpp"}
    assert figures().agreement["same_id"] >= evaluate.SAME_AIM
