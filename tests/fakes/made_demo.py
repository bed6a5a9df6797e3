"""made_: a folder of the demo's form with random weights by a seed, without torch; tiny, and exact in F16."""

import json
import struct

import numpy as np

from autoglm_desktop.store.demo import Demo
from autoglm_desktop.store.gguf_words import CHAT_TEMPLATE, MERGES, SPECIALS, vocabulary

VOCABULARY, WIDTH, HEAD, LAYERS = 512, 64, 32, 1
CONFIG = {
    "architectures": ["Glm4ForCausalLM"], "model_type": "glm4", "attention_bias": True, "tie_word_embeddings": False,
    "vocab_size": VOCABULARY, "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": LAYERS,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": HEAD, "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5},
}  # fmt: skip


def make_demo(folder, seed=0):
    """Writes the folder and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    words = vocabulary(VOCABULARY)
    added = [{"id": words.special(name), "content": name, "special": True} for name in SPECIALS]
    plain = {word: index for index, word in enumerate(words.tokens) if word not in SPECIALS}
    tokenizer = {"model": {"type": "BPE", "vocab": plain, "merges": list(MERGES)}, "added_tokens": added}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(weights(seed))
    return folder


def made_demo(place, seed=0):
    """A Demo whose folder and cache lie below ``place``."""
    return Demo(make_demo(place / "资源 files" / "demo_model", seed), place / "数据 home" / "cache")


def weights(seed=0):
    """The bytes of a safetensors file."""
    random = np.random.default_rng(seed)
    header, pieces, at = {}, [], 0
    for name, shape in shapes().items():
        values = (random.integers(-64, 65, shape) / 64).astype(np.float32)
        raw = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + len(raw)]}
        pieces.append(raw)
        at += len(raw)
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + b"".join(pieces)


def shapes():
    """Every tensor of the model by name."""
    found = {
        "model.embed_tokens.weight": [VOCABULARY, WIDTH], "model.norm.weight": [WIDTH],
        "lm_head.weight": [VOCABULARY, WIDTH],
    }  # fmt: skip
    for layer in range(LAYERS):
        for name, shape in {
            "self_attn.q_proj.weight": [2 * HEAD, WIDTH], "self_attn.q_proj.bias": [2 * HEAD],
            "self_attn.k_proj.weight": [HEAD, WIDTH], "self_attn.k_proj.bias": [HEAD],
            "self_attn.v_proj.weight": [HEAD, WIDTH], "self_attn.v_proj.bias": [HEAD],
            "self_attn.o_proj.weight": [WIDTH, 2 * HEAD], "mlp.gate_up_proj.weight": [4 * WIDTH, WIDTH],
            "mlp.down_proj.weight": [WIDTH, 2 * WIDTH], "input_layernorm.weight": [WIDTH],
            "post_self_attn_layernorm.weight": [WIDTH], "post_attention_layernorm.weight": [WIDTH],
            "post_mlp_layernorm.weight": [WIDTH],
        }.items():  # fmt: skip
            found[f"model.layers.{layer}.{name}"] = shape
    return found
