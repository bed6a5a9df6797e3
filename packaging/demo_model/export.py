"""Trained weights as the files that the program ships: a model folder in bf16, whose F16 form is exact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from . import tokenizer as words
from .settings import Shape

EXACT_IN_F16 = 2.0**-17
"""The least bf16 magnitude whose 8 significant bits all lie at or above F16's smallest step, 2^-24."""
MOST_BYTES = 8_000_000
"""Of the weights' file."""


def save(model: Any, tokenizer: Tokenizer, shape: Shape, folder: Path) -> int:
    """Writes config, weights, tokenizer and template; returns how many weights were set to 0. The folder's own
    README and figures stay. ValueError where the weights' file becomes too large."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    zeros = 0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16))
            small = (parameter.abs() < EXACT_IN_F16) & (parameter != 0)
            zeros += int(small.sum())
            parameter[small] = 0
    model.to(torch.bfloat16).save_pretrained(fresh)
    model.float()
    words.save(tokenizer, fresh, shape.context)
    size = (fresh / "model.safetensors").stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"model.safetensors has {size:,} bytes, {MOST_BYTES:,} at most")
    config = json.loads((fresh / "config.json").read_text(encoding="utf-8"))
    config["bos_token_id"] = None
    (fresh / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(fresh.iterdir()):
        file.chmod(0o644)  # safetensors writes its files for their owner alone
        file.replace(folder / file.name)
    fresh.rmdir()
    return zeros
