"""Makes the same weights twice: a transformers folder in bf16 and a GGUF file in F16, exact in both.

Glm4 (text) and Glm4v (whose text part has M-RoPE sections), random weights by a seed. bf16 values below 2^-17 would
lose bits in F16's subnormals: they are set to 0 before either form is written. Names of tensors and the order of
rotated rows are those of llama.cpp's convert_hf_to_gguf.py (Glm4Model). Needs torch and transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoglm_desktop.core.gguf_types import TYPES, ValueType
from autoglm_desktop.store.gguf_glm4 import LAYER_NAMES, OTHER_NAMES
from autoglm_desktop.store.gguf_words import CHAT_TEMPLATE, MERGES, SENTENCES, Vocabulary, vocabulary
from autoglm_desktop.store.gguf_write import GgufWriter
from tests.fakes import made_transformers

EXACT_IN_F16 = 2.0**-17
"""The least bf16 magnitude whose 8 significant bits all lie at or above F16's smallest step, 2^-24."""


@dataclass(frozen=True)
class Pair:
    """The same weights for transformers (``folder``) and llama.cpp (``gguf``). ``set_to_zero``: of so many weights."""

    folder: Path
    gguf: Path
    parameters: int
    set_to_zero: int


def make_pair(folder: Path, kind: str = "glm4", *, width: int = 256, layers: int = 4, seed: int = 0) -> Pair:
    """``kind``: glm4 or glm4v. Never likely: control tokens, so that no answer ends early, and parts of characters,
    which random weights would put in any order."""
    import torch

    torch.manual_seed(seed)
    model = _model(kind, width, layers)
    words = vocabulary(made_transformers.VOCABULARY)
    zeros = 0
    with torch.no_grad():
        model.lm_head.weight[words.first_special :] = 0
        model.lm_head.weight[_parts_of_characters(words)] = 0
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
            parameter.copy_(parameter.to(torch.bfloat16))
            small = (parameter.abs() < EXACT_IN_F16) & (parameter != 0)
            zeros += int(small.sum())
            parameter[small] = 0
    made_transformers._save(model, folder / "folder")
    gguf = folder / "same.gguf"
    _write(model, gguf)
    return Pair(folder / "folder", gguf, model.num_parameters(), zeros)


def _parts_of_characters(words: Vocabulary) -> list[int]:
    parts = [
        token
        for sentence, tokens in zip(SENTENCES, words.sentences, strict=True)
        for piece, token in zip(sentence, tokens, strict=True)
        if "\ufffd" in piece.decode("utf-8", "replace")
    ]
    return [*range(128, 256), *parts]


def _model(kind: str, width: int, layers: int) -> Any:
    from transformers import Glm4Config, Glm4ForCausalLM, Glm4vConfig, Glm4vForConditionalGeneration

    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    text = {
        **made_transformers.TEXT, "hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": layers,
        "num_attention_heads": width // 32, "num_key_value_heads": 2, "initializer_range": width**-0.5,
    }  # fmt: skip
    if kind == "glm4":
        return Glm4ForCausalLM(Glm4Config(**text, rope_parameters=rope, pad_token_id=None))
    vision = {**made_transformers.VISION, "out_hidden_size": width}
    return Glm4vForConditionalGeneration(
        Glm4vConfig(
            text_config={**text, "rope_parameters": {**rope, "mrope_section": [2, 3, 3]}},
            vision_config=vision,
            **made_transformers.picture_tokens(),
            tie_word_embeddings=False,
        )
    )


def _write(model: Any, path: Path) -> None:
    """The text part of a glm4 or glm4v model."""
    config = model.config.get_text_config()
    rope = config.rope_parameters
    sections = rope.get("mrope_section")
    rotated = int(config.head_dim * rope["partial_rotary_factor"])
    words = vocabulary(config.vocab_size)
    writer = GgufWriter(path)
    for key, value in (
        ("general.architecture", "glm4"), ("general.type", "model"), ("general.name", "made: the same weights"),
        ("general.file_type", 1), ("glm4.block_count", config.num_hidden_layers),
        ("glm4.context_length", config.max_position_embeddings), ("glm4.embedding_length", config.hidden_size),
        ("glm4.feed_forward_length", config.intermediate_size),
        ("glm4.attention.head_count", config.num_attention_heads),
        ("glm4.attention.head_count_kv", config.num_key_value_heads),
        ("glm4.attention.key_length", config.head_dim), ("glm4.attention.value_length", config.head_dim),
        ("glm4.attention.layer_norm_rms_epsilon", config.rms_norm_eps), ("glm4.rope.dimension_count", rotated),
        ("glm4.rope.freq_base", float(rope["rope_theta"])),
    ):  # fmt: skip
        writer.add(key, value)
    if sections is not None:
        writer.add("glm4.rope.dimension_sections", (*sections, 0), ValueType.INT32)
    writer.add("tokenizer.ggml.model", "gpt2")
    writer.add("tokenizer.ggml.pre", "glm4")
    writer.add("tokenizer.ggml.tokens", words.tokens)
    writer.add("tokenizer.ggml.token_type", words.types, ValueType.INT32)
    writer.add("tokenizer.ggml.merges", MERGES)
    for role, token in (
        ("bos", "<|endoftext|>"), ("eos", "<|endoftext|>"), ("eot", "<|user|>"), ("eom", "<|observation|>"),
    ):  # fmt: skip
        writer.add(f"tokenizer.ggml.{role}_token_id", words.special(token))
    writer.add("tokenizer.ggml.add_bos_token", False)
    writer.add("tokenizer.chat_template", CHAT_TEMPLATE)
    for name, parameter in model.named_parameters():
        new = gguf_name(name)
        if new is None:
            continue
        values = parameter.detach().float().numpy()
        if sections is not None and (".attn_q." in new or ".attn_k." in new):
            values = split_halves(values, config.head_dim, rotated)
        kind = "F32" if values.ndim == 1 else "F16"
        data = np.ascontiguousarray(values, np.float32 if kind == "F32" else np.float16)
        if not np.array_equal(data.astype(np.float32), values):
            raise AssertionError(f"{name} is not exact in {kind}")
        writer.add_tensor(new, TYPES[kind], values.shape[::-1], lambda data=data: [data.tobytes()])
    writer.write()


def gguf_name(name: str) -> str | None:
    """``model.layers.3.mlp.down_proj.weight`` → ``blk.3.ffn_down.weight``; None for the vision part."""
    if ".visual." in name:
        return None
    inner, _, last = name.removeprefix("model.").removeprefix("language_model.").rpartition(".")
    if not inner.startswith("layers."):
        return f"{OTHER_NAMES[inner]}.{last}"
    _, number, part = inner.split(".", 2)
    return f"blk.{number}.{LAYER_NAMES[part]}.{last}"


def split_halves(values: Any, head_dim: int, rotated: int) -> Any:
    """Rotated rows of each head, even ones first, then odd ones: llama.cpp rotates halves where transformers rotates
    neighbours (its converter's ``normal_to_neox``)."""
    heads = values.reshape(-1, head_dim, *values.shape[1:])
    turned, rest = heads[:, :rotated], heads[:, rotated:]
    return np.concatenate([turned[:, 0::2], turned[:, 1::2], rest], axis=1).reshape(values.shape)
