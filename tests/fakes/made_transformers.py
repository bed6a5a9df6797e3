"""Makes small model folders as transformers reads them: Glm4v (text and pictures) and Glm4, random weights by a seed.

    python -m tests.fakes.made_transformers glm4v OUT

Vocabulary and chat template are those of ``store.gguf_words``, so GGUF and folder take the same prompts. Needs torch,
transformers and tokenizers (extra: test).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from autoglm_desktop.store.gguf_words import CHAT_TEMPLATE, MERGES, SPECIALS, vocabulary

VOCABULARY = 512
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""GLM-4's pre-tokenizer (its tokenizer.json)."""
TEXT = {
    "vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 4096,
    "initializer_range": 0.1, "attention_bias": True, "tie_word_embeddings": False,
}  # fmt: skip
VISION = {
    "hidden_size": 64, "depth": 2, "num_heads": 2, "out_hidden_size": 128, "intermediate_size": 128,
    "image_size": 336, "initializer_range": 0.1,
}  # fmt: skip


def picture_tokens() -> dict[str, int]:
    """The ids that a Glm4vConfig has of the vocabulary's tokens around pictures."""
    special = vocabulary(VOCABULARY).special
    return {
        "image_token_id": special("<|image|>"), "video_token_id": special("<|video|>"),
        "image_start_token_id": special("<|begin_of_image|>"), "image_end_token_id": special("<|end_of_image|>"),
        "video_start_token_id": special("<|begin_of_video|>"), "video_end_token_id": special("<|end_of_video|>"),
    }  # fmt: skip


def make_glm4v(folder: Path, *, seed: int = 0, width: int = 128, layers: int = 2) -> Path:
    """A Glm4vForConditionalGeneration in bf16 with everything a real folder has."""
    import torch
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration

    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [2, 3, 3],
        "partial_rotary_factor": 0.5,
    }
    torch.manual_seed(seed)
    config = Glm4vConfig(
        text_config={**_text(width, layers), "rope_parameters": rope},
        vision_config={
            **VISION,
            "hidden_size": width // 2,
            "out_hidden_size": width,
            "intermediate_size": width,
        },
        **picture_tokens(),
        tie_word_embeddings=False,
    )
    return _save(Glm4vForConditionalGeneration(config), folder)


def make_glm4(folder: Path, *, seed: int = 0) -> Path:
    """A Glm4ForCausalLM in bf16: text only."""
    import torch
    from transformers import Glm4Config, Glm4ForCausalLM

    torch.manual_seed(seed)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    return _save(Glm4ForCausalLM(Glm4Config(**TEXT, rope_parameters=rope, pad_token_id=None)), folder)


def make_text(folder: Path, config) -> Path:
    """The text model of any transformers config whose vocabulary has VOCABULARY tokens, in bf16."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    return _save(AutoModelForCausalLM.from_config(config), folder)


def _text(width: int, layers: int) -> dict[str, object]:
    return {**TEXT, "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers}


def _save(model, folder: Path) -> Path:
    import torch

    words = vocabulary(VOCABULARY)
    ends = [words.special(name) for name in ("<|endoftext|>", "<|user|>", "<|observation|>")]
    shard = "600KB" if model.num_parameters() < 10_000_000 else "5GB"
    model.generation_config.eos_token_id = ends
    model.generation_config.pad_token_id = ends[0]
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size=shard)
    _save_tokenizer(folder)
    processor = {
        "image_processor": {
            "image_processor_type": "Glm4vImageProcessor",
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
            "size": {"shortest_edge": 12544, "longest_edge": 9633792},
        },
        "processor_class": "Glm4vProcessor",
    }  # fmt: skip
    (folder / "processor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return folder


def _save_tokenizer(folder: Path) -> None:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = vocabulary(VOCABULARY)
    ids = {token: index for index, token in enumerate(words.tokens)}
    merges = [tuple(merge.split(" ")) for merge in MERGES]
    bpe = Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=True))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
    )
    tokenizer.save_pretrained(folder)


def main() -> int:
    kind, out = sys.argv[1:]
    {"glm4v": make_glm4v, "glm4": make_glm4}[kind](Path(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
