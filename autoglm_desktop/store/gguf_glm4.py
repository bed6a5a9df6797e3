"""The demo's folder as a GGUF file: F16, exact; names and rows as llama.cpp's converter has them (glm4, no M-RoPE).

For small models that are one bf16 file: it is read whole. A bf16 value below 2^-17 would lose bits in F16; the demo's
training has set such weights to 0, and here they are refused.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.gguf_types import TYPES, ValueType
from .gguf_write import GgufWriter

LAYER_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_self_attn_layernorm": "post_attention_norm",
    "post_attention_layernorm": "ffn_norm", "post_mlp_layernorm": "post_ffw_norm",
}  # fmt: skip
OTHER_NAMES = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
WEIGHTS, CONFIG, WORDS, TEMPLATE = "model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"
READ = (WEIGHTS, CONFIG, WORDS, TEMPLATE)
"""All that is read of a folder."""
NORMAL, CONTROL = 1, 3  # llama_token_type
ROLES = {
    "bos": "<|endoftext|>", "eos": "<|endoftext|>", "padding": "<|endoftext|>", "eot": "<|user|>",
    "eom": "<|observation|>",
}  # fmt: skip
F16_FILE = 1


@dataclass(frozen=True)
class Words:
    """``tokens`` in order of their ids."""

    tokens: tuple[str, ...]
    special: frozenset[str]
    merges: tuple[str, ...]
    template: str


def write_gguf(folder: Path, path: Path, name: str) -> int:
    """Returns the file's size; ``name``: its ``general.name``. Raises OSError and ValueError for a folder that isn't
    such a model (KeyError, TypeError, AttributeError, struct.error where its texts have another form), AppError as
    ``GgufWriter.write``."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if config.get("model_type") != "glm4" or config.get("tie_word_embeddings"):
        raise ValueError(f"{folder} holds no untied glm4 model")
    words = read_words(folder)
    if len(words.tokens) != config["vocab_size"]:
        raise ValueError(f"{len(words.tokens)} tokens for {config['vocab_size']} rows")
    writer = GgufWriter(path)
    writer.add("general.architecture", "glm4")
    writer.add("general.name", name)
    _add_numbers(writer, config)
    _add_words(writer, words)
    tensors = dict(_tensors(folder / WEIGHTS))
    _check_names(tensors, config["num_hidden_layers"])
    for name, values in sorted(tensors.items(), key=lambda item: _order(item[0])):
        kind = "F32" if values.ndim == 1 else "F16"
        raw = _exact(name, values, kind)
        writer.add_tensor(gguf_name(name), TYPES[kind], values.shape[::-1], functools.partial(list, [raw]))
    return writer.write()


def _exact(name: str, values: npt.NDArray[np.float32], kind: str) -> bytes:
    """Raises ValueError where a value can't be had in ``kind``."""
    with np.errstate(over="ignore"):
        data = values.astype(np.float32 if kind == "F32" else np.float16)
    if not np.array_equal(data.astype(np.float32), values):
        raise ValueError(f"{name} is not exact in {kind}")
    return data.tobytes()


def read_words(folder: Path) -> Words:
    """ValueError for a tokenizer that isn't a byte-level BPE with all ids in use."""
    data = json.loads((folder / WORDS).read_text(encoding="utf-8"))
    model = data["model"]
    ids = {**model["vocab"], **{token["content"]: token["id"] for token in data["added_tokens"]}}
    tokens = sorted(ids, key=ids.__getitem__)
    if model["type"] != "BPE" or sorted(ids.values()) != list(range(len(ids))):
        raise ValueError(f"{folder}: no BPE with ids from 0 on")
    special = frozenset(token["content"] for token in data["added_tokens"] if token["special"])
    merges = tuple(merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    template = (folder / TEMPLATE).read_text(encoding="utf-8")
    return Words(tuple(tokens), special, merges, template)


def _add_numbers(writer: GgufWriter, config: Mapping[str, Any]) -> None:
    rope = config["rope_parameters"]
    for key, value in (
        ("general.type", "model"), ("general.license", "apache-2.0"), ("general.file_type", F16_FILE),
        ("general.quantization_version", 2),
        ("glm4.block_count", config["num_hidden_layers"]), ("glm4.context_length", config["max_position_embeddings"]),
        ("glm4.embedding_length", config["hidden_size"]), ("glm4.feed_forward_length", config["intermediate_size"]),
        ("glm4.attention.head_count", config["num_attention_heads"]),
        ("glm4.attention.head_count_kv", config["num_key_value_heads"]),
        ("glm4.attention.key_length", config["head_dim"]), ("glm4.attention.value_length", config["head_dim"]),
        ("glm4.attention.layer_norm_rms_epsilon", float(config["rms_norm_eps"])),
        ("glm4.rope.dimension_count", int(config["head_dim"] * rope["partial_rotary_factor"])),
        ("glm4.rope.freq_base", float(rope["rope_theta"])),
    ):  # fmt: skip
        writer.add(key, value)


def _add_words(writer: GgufWriter, words: Words) -> None:
    writer.add("tokenizer.ggml.model", "gpt2")
    writer.add("tokenizer.ggml.pre", "glm4")
    writer.add("tokenizer.ggml.tokens", words.tokens)
    types = [CONTROL if token in words.special else NORMAL for token in words.tokens]
    writer.add("tokenizer.ggml.token_type", types, ValueType.INT32)
    writer.add("tokenizer.ggml.merges", words.merges)
    for role, token in ROLES.items():
        writer.add(f"tokenizer.ggml.{role}_token_id", words.tokens.index(token))
    writer.add("tokenizer.ggml.add_bos_token", False)
    writer.add("tokenizer.chat_template", words.template)


def _tensors(path: Path) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Every tensor of a bf16 file, widened."""
    data = path.read_bytes()
    if len(data) < 8:
        raise ValueError("the weights have no header")
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "BF16":
            raise ValueError(f"{name} is {entry['dtype']}, not BF16")
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        if end > len(data):
            raise ValueError(f"{name} ends behind the file")
        halves = np.frombuffer(data[begin:end], "<u2").astype(np.uint32)
        yield name, (halves << 16).view(np.float32).reshape(entry["shape"])


def _check_names(names: Collection[str], layers: int) -> None:
    """Raises ValueError where a weight of the model is missing."""
    wanted = {f"model.layers.{layer}.{part}.weight" for layer in range(layers) for part in LAYER_NAMES}
    wanted |= {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"}
    if missing := wanted.difference(names):
        raise ValueError(f"{min(missing)} is missing")


def gguf_name(name: str) -> str:
    """``model.layers.3.mlp.down_proj.weight`` → ``blk.3.ffn_down.weight``."""
    inner, _, last = name.removeprefix("model.").rpartition(".")
    if not inner.startswith("layers."):
        return f"{OTHER_NAMES[inner]}.{last}"
    _, number, part = inner.split(".", 2)
    return f"blk.{number}.{LAYER_NAMES[part]}.{last}"


def _order(name: str) -> tuple[int, int, str]:
    """Embedding, layers, final norm, output."""
    new = gguf_name(name)
    if new.startswith("blk."):
        return 1, int(new.split(".")[1]), new
    return (0 if new.startswith("token_embd") else 2), 0, new
