from __future__ import annotations

import io
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.core.gguf_header import SkippedArray
from autoglm_desktop.core.gguf_types import TYPES, ValueType
from autoglm_desktop.core.quantise import weight_table_for
from autoglm_desktop.core.shapes import AUTOGLM_PHONE_9B, text_shapes
from autoglm_desktop.store.gguf import GgufHeader, parse_header, read_header, refusal, weight_table
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.gguf_write import GgufWriter


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> GgufHeader:
    path = tmp_path_factory.mktemp("模型 with spaces") / "tiny 模型.gguf"
    write_tiny_glm4(path)
    return read_header(path)


def test_what_a_model_says_of_itself(tiny: GgufHeader) -> None:
    assert tiny.version == 3
    assert tiny.architecture == "glm4"
    assert tiny.name == "made: tiny glm4, random weights"
    assert tiny.file_type == "F16"
    assert (tiny.block_count, tiny.context_length, tiny.embedding_length) == (2, 4096, 256)
    assert (tiny.head_count, tiny.head_count_kv, tiny.key_length, tiny.value_length) == (4, 2, 64, 64)
    assert tiny.kv_elements_per_token == 2 * 2 * 128
    assert tiny.vocab_size == 640
    assert tiny.has_mrope
    assert tiny.has_chat_template
    assert tiny.bos_token_id == tiny.eos_token_id
    assert not tiny.is_projector
    assert tiny.split_count == 1
    assert refusal(tiny) is None


def test_the_tensor_table(tiny: GgufHeader) -> None:
    embedding = tiny.tensor("token_embd.weight")
    assert embedding is not None
    assert (embedding.shape, embedding.type.name, embedding.offset) == ((256, 640), "F16", 0)
    assert tiny.tensor("nothing") is None
    last = tiny.tensors[-1]
    assert tiny.data_offset % tiny.alignment == 0
    assert tiny.data_offset + last.offset + last.size <= tiny.file_size
    assert tiny.tensor_bytes == weight_table(tiny).total


def test_no_sections_means_no_images(tmp_path: Path) -> None:
    write_tiny_glm4(tmp_path / "m.gguf", mrope=False)
    assert not read_header(tmp_path / "m.gguf").has_mrope


def test_the_table_of_a_file_is_the_table_of_its_shapes(tmp_path: Path) -> None:
    """The header alone, without 5.7 GiB of weights behind it."""
    path = tmp_path / "header.gguf"
    _header_of_autoglm(path, "Q4_K_M")
    header = read_header(path)
    assert weight_table(header) == weight_table_for("Q4_K_M")
    assert header.file_size == pytest.approx(5.73 * 2**30, rel=0.001)
    assert header.parameter_count == 9_400_279_040


def _header_of_autoglm(path: Path, ftype: str) -> None:
    from autoglm_desktop.core.quantise import tensor_types

    writer = GgufWriter(path, free_bytes=lambda _folder: 1 << 40)
    writer.add("general.architecture", "glm4")
    shapes = text_shapes(AUTOGLM_PHONE_9B)
    types = tensor_types(shapes, ftype)
    for shape in shapes:
        writer.add_tensor(shape.name, types[shape.name], shape.shape, list)
    with path.open("wb") as file:
        file.write(writer.header())
        file.truncate(writer.size)


def test_long_arrays_are_counted_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.gguf"
    words = [f"word{index}" for index in range(50_000)]
    writer = GgufWriter(path)
    writer.add("tokenizer.ggml.tokens", words)
    writer.add("tokenizer.ggml.scores", [0.5] * 50_000)
    writer.add("after", 7)
    writer.write()
    header = read_header(path)
    assert header.metadata["tokenizer.ggml.tokens"] == SkippedArray(ValueType.STRING, 50_000)
    assert header.metadata["tokenizer.ggml.scores"] == SkippedArray(ValueType.FLOAT32, 50_000)
    assert header.metadata["after"] == 7
    assert header.vocab_size == 50_000
    kept = read_header(path, keep={"tokenizer.ggml.tokens"})
    assert kept.metadata["tokenizer.ggml.tokens"] == tuple(words)
    assert kept.vocab_size == 50_000


def test_strings_across_the_reading_window(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    writer = GgufWriter(path)
    writer.add("many", ["x" * 997] * 3000)  # 3 MB: lengths and strings fall on window borders
    writer.add("template", "y" * 3_000_000)
    writer.add("last", "end")
    writer.write()
    header = read_header(path)
    assert header.metadata["many"] == SkippedArray(ValueType.STRING, 3000)
    assert header.metadata["template"] == "y" * 3_000_000
    assert header.metadata["last"] == "end"


def test_the_first_block_of_a_remote_file_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    size = write_tiny_glm4(path)
    whole = read_header(path)
    first = path.read_bytes()[: whole.data_offset]
    assert parse_header(io.BytesIO(first), size) == whole
    with pytest.raises(TargetError) as caught:
        parse_header(io.BytesIO(first[:-100]), size)
    assert caught.value.code == "gguf_truncated"


def test_missing_and_unreadable(tmp_path: Path) -> None:
    for path, code in (
        (tmp_path / "none.gguf", "file_not_found"),
        (tmp_path, "file_unreadable"),
        (Path("a\0b"), "file_not_found"),
    ):
        with pytest.raises(TargetError) as caught:
            read_header(path)
        assert caught.value.code == code
        assert caught.value.values["path"] == str(path)


METADATA = {
    "general.architecture": "glm4",
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ["a", "b"],
}


@pytest.mark.parametrize(
    ("change", "tensors", "code"),
    [
        ({}, True, None),
        ({"general.architecture": "llama"}, True, None),
        ({"general.architecture": "clip"}, True, "projector_alone"),
        ({"general.type": "mmproj"}, True, "projector_alone"),
        ({"general.type": "adapter"}, True, "adapter_alone"),
        ({"general.architecture": "glm9"}, True, "unknown_architecture"),
        ({"general.architecture": None}, True, "unknown_architecture"),
        ({"general.architecture": 5}, True, "unknown_architecture"),
        ({"general.architecture": "bert"}, True, "not_a_text_model"),
        ({}, False, "no_weights"),
        ({"tokenizer.ggml.model": None}, True, "no_tokenizer"),
        ({"tokenizer.ggml.model": "no_vocab"}, True, "no_tokenizer"),
        ({"tokenizer.ggml.tokens": None}, True, "no_tokenizer"),
    ],
)
def test_refusal(tmp_path: Path, change: dict[str, object], tensors: bool, code: str | None) -> None:
    path = tmp_path / "m.gguf"
    writer = GgufWriter(path)
    for key, value in {**METADATA, **change}.items():
        if value is not None:
            writer.add(key, value)
    if tensors:
        writer.add_tensor("token_embd.weight", TYPES["F32"], (8,), lambda: [bytes(32)])
    writer.write()
    reason = refusal(read_header(path))
    assert (reason.code if reason else None) == code


def test_values_of_another_type_count_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    writer = GgufWriter(path)
    for key, value in {
        "general.architecture": "glm4",
        "general.name": 5,
        "general.file_type": "Q4",
        "glm4.block_count": "forty",
        "glm4.context_length": -1,
        "glm4.embedding_length": True,
        "glm4.attention.head_count": [8, 32, 16],
        "glm4.rope.dimension_sections": "8,12,12",
        "tokenizer.chat_template": 1.5,
        "tokenizer.ggml.tokens": 3,
    }.items():
        writer.add(key, value)
    writer.write()
    header = read_header(path)
    assert header.head_count == 32
    assert not header.has_mrope
    for value in (
        header.name, header.file_type, header.block_count, header.context_length, header.embedding_length,
        header.key_length, header.chat_template, header.vocab_size, header.kv_elements_per_token,
    ):  # fmt: skip
        assert value is None


def test_defaults_as_in_llama_cpp(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    writer = GgufWriter(path)
    for key, value in {
        "general.architecture": "llama",
        "llama.block_count": 3,
        "llama.embedding_length": 512,
        "llama.attention.head_count": 8,
        "general.file_type": 15 | 1024,
    }.items():
        writer.add(key, value)
    writer.write()
    header = read_header(path)
    assert (header.head_count_kv, header.key_length, header.value_length) == (8, 64, 64)
    assert header.file_type == "Q4_K_M"
