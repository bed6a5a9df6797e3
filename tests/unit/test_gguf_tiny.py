from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from autoglm_desktop.core.gguf_types import TYPES
from autoglm_desktop.core.quantise import FTYPES, tensor_types, weight_table_for
from autoglm_desktop.core.shapes import AUTOGLM_PHONE_9B, TensorShape, text_shapes
from autoglm_desktop.store.gguf import read_header, weight_table
from autoglm_desktop.store.gguf_blocks import QUANTISABLE, quantise_rows, random_blocks
from autoglm_desktop.store.gguf_tiny import write_cut, write_glm4, write_self_test_model, write_tiny_glm4
from autoglm_desktop.store.gguf_words import SENTENCES, SPECIALS, expected_reply, vocabulary
from autoglm_desktop.store.gguf_write import GgufWriter, Hole
from tests.fakes.make_gguf import MADE_NAME, main


def test_the_self_test_model_meets_the_kernels_of_a_real_file(tmp_path: Path) -> None:
    """The conditions of ggml-cpu/amx/amx.cpp and repack.cpp, as the writer's docstring gives them."""
    path = tmp_path / "自检.gguf"
    assert write_self_test_model(path) == path.stat().st_size <= 8 << 20
    header = read_header(path)
    assert header.file_type == "Q4_K_M"
    assert header.has_mrope
    assert Counter(tensor.type.name for tensor in header.tensors if tensor.type.quantised) == {
        "Q4_K": 10, "Q6_K": 2, "Q5_0": 1, "Q8_0": 1,
    }  # fmt: skip
    for tensor in header.tensors:
        if len(tensor.shape) == 2:
            assert tensor.shape[1] % 64 == 0
            assert tensor.shape[0] % (256 if tensor.type.name in ("Q4_K", "Q6_K") else 32) == 0
    assert header.tensor("blk.0.ffn_down.weight").shape[0] % 256  # as in AutoGLM-Phone-9B


def test_the_same_seed_writes_the_same_file(tmp_path: Path) -> None:
    write_tiny_glm4(tmp_path / "a.gguf", seed=3)
    write_tiny_glm4(tmp_path / "b.gguf", seed=3)
    write_tiny_glm4(tmp_path / "c.gguf", seed=4)
    a, b, c = ((tmp_path / f"{name}.gguf").read_bytes() for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize("ftype", FTYPES)
def test_every_file_type_can_be_written(tmp_path: Path, ftype: str) -> None:
    write_tiny_glm4(tmp_path / "m.gguf", weight_type=ftype, layers=1)
    header = read_header(tmp_path / "m.gguf")
    assert header.file_type == ftype
    shapes = [TensorShape(tensor.name, tensor.shape) for tensor in header.tensors]
    expected = tensor_types(shapes, ftype, grouped_queries=2)
    written = {tensor.name: tensor.type for tensor in header.tensors}
    if expected["token_embd.weight"].name not in QUANTISABLE:
        expected["token_embd.weight"] = TYPES["Q8_0"]
    assert written == expected


def test_shapes_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too few"):
        write_tiny_glm4(tmp_path / "m.gguf", vocab=300)
    with pytest.raises(ValueError, match="unknown file type"):
        write_tiny_glm4(tmp_path / "m.gguf", weight_type="Q9")
    with pytest.raises(ValueError, match="too narrow"):
        write_tiny_glm4(tmp_path / "m.gguf", hidden=32, head_dim=16)
    assert list(tmp_path.iterdir()) == []


def test_a_real_vocabulary_weighs_what_the_planner_says(tmp_path: Path) -> None:
    model = dataclasses.replace(AUTOGLM_PHONE_9B, layers=1, embedding=256, feed_forward=864, heads=2)
    write_glm4(tmp_path / "m.gguf", model, "Q4_K_M", name="made: narrow")
    header = read_header(tmp_path / "m.gguf")
    assert weight_table(header) == weight_table_for("Q4_K_M", model)
    assert header.vocab_size == 151_552
    assert header.bos_token_id == 151_329


@pytest.mark.parametrize("tied", [False, True])
def test_a_cut_s_embedding_is_a_hole_but_for_the_words_that_are_fed(tmp_path: Path, tied: bool) -> None:
    path = tmp_path / "切 cut.gguf"
    shapes = dataclasses.replace(
        AUTOGLM_PHONE_9B, layers=1, embedding=512, feed_forward=864, heads=4, vocabulary=60_000, tied=tied
    )
    types = {name: kind.name for name, kind in tensor_types(text_shapes(shapes), "Q8_0").items()}
    assert write_cut(path, shapes, types, "Q8_0") == path.stat().st_size
    header = read_header(path)
    assert {tensor.name: tensor.type.name for tensor in header.tensors} == types
    embedding = header.tensor("token_embd.weight")
    with path.open("rb") as file:
        file.seek(header.data_offset + embedding.offset)
        row = embedding.size // 60_000
        known, rest = file.read(256 * row), file.read(embedding.size - 256 * row)
    assert len(known.strip(b"\0")) > 250 * row
    assert bool(rest.strip(b"\0")) == tied
    if not tied and hasattr(path.stat(), "st_blocks"):
        assert path.stat().st_blocks * 512 < path.stat().st_size - len(rest) // 2


def test_the_last_tensor_of_a_file_may_be_a_hole(tmp_path: Path) -> None:
    writer = GgufWriter(tmp_path / "m.gguf")
    writer.add("general.architecture", "glm4")
    writer.add_tensor("a.weight", TYPES["F32"], (64,), lambda: [b"x" * 64, Hole(192)])
    assert writer.write() == (tmp_path / "m.gguf").stat().st_size
    assert (tmp_path / "m.gguf").read_bytes().endswith(b"x" * 64 + bytes(192))


def test_make_gguf_tiny(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.gguf"
    assert main(["--tiny", "--type", "F16", "--no-mrope", "--layers", "1", str(path)]) == 0
    assert f"{path.stat().st_size} bytes" in capsys.readouterr().out
    header = read_header(path)
    assert (header.block_count, header.has_mrope) == (1, False)
    assert main([str(tmp_path / "none" / "m.gguf"), "--tiny"]) == 1
    assert "file_unwritable" in capsys.readouterr().err
    assert "random weights" in MADE_NAME


@pytest.mark.parametrize("size", [640, 1000, 151_552])
def test_vocabularies_have_no_token_twice(size: int) -> None:
    words = vocabulary(size)
    assert len(words.tokens) == len(words.types) == len(set(words.tokens)) == size
    assert [words.tokens[words.special(token)] for token in SPECIALS] == list(SPECIALS)
    assert words.special("<|endoftext|>") == (151_329 if size > 151_344 else words.first_special)


def test_streams_meet_half_characters_and_end_in_whole_ones() -> None:
    pieces = [piece for sentence in SENTENCES for piece in sentence]
    assert len(set(pieces)) == len(pieces)
    incomplete = 0
    for end in range(1, len(pieces)):
        text = b"".join(pieces[:end])
        if text.decode("utf-8", "ignore").encode() != text:
            incomplete += 1
    assert incomplete >= 8
    whole = b"".join(pieces).decode("utf-8")
    assert expected_reply(len(pieces)) == whole
    assert expected_reply(len(pieces) + 1) == whole + "This"


@pytest.mark.parametrize(
    "kind",
    ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
     "IQ4_NL", "IQ4_XS"],
)  # fmt: skip
def test_random_blocks_have_the_type_s_size(kind: str) -> None:
    blocks = random_blocks(TYPES[kind], 512, np.random.default_rng(1))
    assert blocks.dtype == np.uint8
    assert blocks.size == 512 // TYPES[kind].block * TYPES[kind].block_bytes


def test_types_without_random_blocks() -> None:
    with pytest.raises(ValueError, match="IQ1_S"):
        random_blocks(TYPES["IQ1_S"], 256, np.random.default_rng(1))


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K", "Q6_K"])
def test_zero_rows_stay_zero(kind: str) -> None:
    blocks = quantise_rows(TYPES[kind], np.zeros((1, 256), np.float32))
    assert not blocks[-2:].any() if kind == "Q6_K" else not blocks[:2].any()


def test_bytes_of_plain_floats() -> None:
    values = np.array([[1.0, -2.5, 0.0]], np.float32)
    assert np.frombuffer(quantise_rows(TYPES["F16"], values), np.float16).tolist() == [1.0, -2.5, 0.0]
    bf16 = np.frombuffer(quantise_rows(TYPES["BF16"], values), np.uint16).astype(np.uint32) << 16
    assert bf16.view(np.float32).tolist() == [1.0, -2.5, 0.0]


def test_pieces_are_tokens_of_their_own() -> None:
    """A prompt's last token must not be one that the sentences use, or the reply starts elsewhere."""
    words = vocabulary(640)
    spoken = set(itertools.chain.from_iterable(words.sentences))
    assert not spoken & set(range(256))
    assert all(words.types[token] == 1 for token in spoken)
