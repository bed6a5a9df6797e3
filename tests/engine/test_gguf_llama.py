"""llama.cpp itself on the files made here: it loads them, agrees on their numbers and says what it should.

In a child process each: a native crash is then a failed test, not a dead test run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autoglm_desktop.core.gguf_types import TYPES
from autoglm_desktop.core.quantise import FTYPES, tensor_types
from autoglm_desktop.core.shapes import TensorShape
from autoglm_desktop.store.gguf import read_header
from autoglm_desktop.store.gguf_tiny import write_self_test_model, write_tiny_glm4
from autoglm_desktop.store.gguf_words import expected_reply

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (extra: llama)")

ROOT = Path(__file__).resolve().parents[2]


def ask(*arguments: object) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.gguf_child", *map(str, arguments)],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "GGML_NO_BACKTRACE": "1", "PYTHONIOENCODING": "utf-8"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    return json.loads(done.stdout)


def test_type_table() -> None:
    """Names, block lengths and block sizes are those of the installed library."""
    assert ask("types") == {name: [name, kind.block, kind.block_bytes] for name, kind in TYPES.items()}


def test_blocks_are_read_as_meant() -> None:
    answer = ask("blocks")
    for name, deviation in answer["deviations"].items():
        assert deviation == pytest.approx(1.0, abs=0.05), name
    for name, limit in {"Q8_0": 0.03, "Q6_K": 0.12, "Q4_K": 0.3}.items():
        assert answer["errors"][name] < limit


@pytest.mark.parametrize("mrope", [True, False])
@pytest.mark.parametrize("weight_type", ["F16", "Q4_K_M", "Q2_K"])
def test_tiny_models_speak(tmp_path: Path, weight_type: str, mrope: bool) -> None:
    path = tmp_path / "模型 tiny.gguf"
    write_tiny_glm4(path, weight_type=weight_type, mrope=mrope)
    answer = ask("decode", path, 50)
    assert answer["finite"]
    assert answer["reply"] == expected_reply(50)


def test_the_self_test_model(tmp_path: Path) -> None:
    """Header and library agree on bytes, parameters, layers and token ids; the prompt fills two tiles."""
    path = tmp_path / "self-test.gguf"
    write_self_test_model(path)
    header = read_header(path)
    answer = ask("decode", path, 60)
    assert answer["reply"] == expected_reply(60)
    assert answer["prompt_tokens"] > 32
    assert answer["bytes"] == header.tensor_bytes
    assert answer["parameters"] == header.parameter_count
    assert answer["layers"] == header.block_count
    assert answer["vocabulary"] == header.vocab_size
    assert (answer["bos"], answer["eos"]) == (header.bos_token_id, header.eos_token_id)
    assert answer["eot"] == header.integer("tokenizer.ggml.eot_token_id")


def test_a_model_that_ends(tmp_path: Path) -> None:
    write_tiny_glm4(tmp_path / "m.gguf", ends=True)
    assert ask("decode", tmp_path / "m.gguf", 50)["reply"] == expected_reply(50).split("\n")[0] + "\n"


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_tensor_types_are_the_quantiser_s(tmp_path: Path, kv_heads: int) -> None:
    """Its dry run on 18 layers (no multiple of 8), with few and many grouped queries."""
    path = tmp_path / "m.gguf"
    write_tiny_glm4(path, layers=18, kv_heads=kv_heads, vocab=384)
    answer = ask("dry_run", path, *FTYPES)
    shapes = [TensorShape(tensor.name, tensor.shape) for tensor in read_header(path).tensors]
    for ftype in FTYPES:
        expected = tensor_types(shapes, ftype, grouped_queries=4 // kv_heads)
        assert answer[ftype] == {name: kind.name for name, kind in expected.items()}, ftype


def test_the_chat_template_takes_strings_and_parts(tmp_path: Path) -> None:
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 comes with llama-cpp-python and is not installed")
    write_tiny_glm4(tmp_path / "m.gguf")
    template = jinja2.Environment().from_string(read_header(tmp_path / "m.gguf").chat_template)
    messages = [
        {"role": "system", "content": "Be short."},
        {
            "role": "user",
            "content": [{"type": "image_url"}, {"type": "text", "text": "What is this?"}, " Say."],
        },
        {"role": "assistant", "content": "A phone."},
        {"role": "tool", "content": "42"},
        {"role": "user", "content": None},
    ]
    assert template.render(messages=messages, add_generation_prompt=True) == (
        "[gMASK]<sop><|system|>\nBe short."
        "<|user|>\n<|begin_of_image|><|image|><|end_of_image|>What is this? Say."
        "<|assistant|>\nA phone.<|observation|>\n42<|user|>\n<|assistant|>\n"
    )
