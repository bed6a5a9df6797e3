"""Makes a Glm4v folder of about a billion parameters (bf16, 1.9 GB) in seconds: random weights repeated from one pool.

    python -m tests.fakes.made_large OUT

Widths are half of AutoGLM-Phone-9B's, so that tables and biases weigh about as much as there. Needs torch and
transformers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fakes import made_transformers

TEXT = {
    "vocab_size": 32_768, "hidden_size": 2048, "intermediate_size": 6848, "num_hidden_layers": 14,
    "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 4096,
    "attention_bias": True, "tie_word_embeddings": False,
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 12, 12], "partial_rotary_factor": 0.5,
    },
}  # fmt: skip
VISION = {
    "hidden_size": 768, "depth": 12, "num_heads": 12, "out_hidden_size": 2048, "intermediate_size": 6848,
    "image_size": 336,
}  # fmt: skip
POOL = 1 << 22


def make_large(folder: Path) -> Path:
    import torch
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration

    config = Glm4vConfig(
        text_config=TEXT,
        vision_config=VISION,
        **made_transformers.picture_tokens(),
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        model = Glm4vForConditionalGeneration(config)
    model = model.to(torch.bfloat16).to_empty(device="cpu")
    torch.manual_seed(0)
    pool = (torch.randn(POOL) * 0.02).to(torch.bfloat16)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight") or ".norm" in name:
                parameter.fill_(1.0)
                continue
            for piece in parameter.view(-1).split(POOL):
                piece.copy_(pool[: len(piece)])
    return made_transformers._save(model, folder)


if __name__ == "__main__":
    print(make_large(Path(sys.argv[1])))
