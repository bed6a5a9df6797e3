"""A tokenizer that isn't the weights' own is told by the header."""

import dataclasses

import pytest

from autoglm_desktop.core.gguf_header import SkippedArray, refusal
from autoglm_desktop.core.gguf_types import ValueType
from autoglm_desktop.store.gguf import read_header
from tests.fakes.made_glm4v import write_text


@pytest.fixture(scope="module")
def header(tmp_path_factory):
    return read_header(write_text(tmp_path_factory.mktemp("made") / "text.gguf"))


def test_a_whole_file_has_its_own_tokenizer(header):
    assert refusal(header) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tokenizer.ggml.tokens", SkippedArray(ValueType.STRING, 600)),
        ("tokenizer.ggml.token_type", SkippedArray(ValueType.INT32, 600)),
        ("tokenizer.ggml.scores", SkippedArray(ValueType.FLOAT32, 600)),
        ("tokenizer.ggml.eos_token_id", 640),
        ("tokenizer.ggml.eot_token_id", 151_336),
    ],
)
def test_tables_of_another_length_are_refused(header, key, value):
    other = dataclasses.replace(header, metadata={**header.metadata, key: value})
    reason = refusal(other)
    assert reason is not None and reason.code == "tokenizer_mismatch"


def test_a_token_that_stands_for_none_is_left_alone(header):
    none = {**header.metadata, "tokenizer.ggml.eot_token_id": 2**32 - 1}
    assert refusal(dataclasses.replace(header, metadata=none)) is None
