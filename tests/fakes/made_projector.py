"""Makes the vision part of a Glm4v folder into a projector GGUF (``mmproj``), exact in F16 where the weights are.

Names and shapes are those that llama.cpp's projector ``glm4v`` reads (``core.gguf_vision``); the kernel in time of the
patch embedding becomes two kernels. Needs torch and transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from autoglm_desktop.core.gguf_types import TYPES
from autoglm_desktop.store.gguf_write import GgufWriter
from tests.fakes.made_glm4v import MEAN, STD

NAMES = {
    "patch_embed.proj.bias": "v.patch_embd.bias", "embeddings.position_embedding.weight": "v.position_embd.weight",
    "post_conv_layernorm.weight": "v.norm_embd.weight", "post_layernorm.weight": "v.post_ln.weight",
    "downsample.weight": "mm.patch_merger.weight", "downsample.bias": "mm.patch_merger.bias",
    "merger.proj.weight": "mm.model.fc.weight", "merger.gate_proj.weight": "mm.gate.weight",
    "merger.up_proj.weight": "mm.up.weight", "merger.down_proj.weight": "mm.down.weight",
    "merger.post_projection_norm.weight": "mm.post_norm.weight",
    "merger.post_projection_norm.bias": "mm.post_norm.bias",
}  # fmt: skip
BLOCK_NAMES = {
    "norm1": "ln1", "norm2": "ln2", "attn.qkv": "attn_qkv", "attn.proj": "attn_out", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
KERNEL = "patch_embed.proj.weight"


def write_projector_of(folder: Path, path: Path) -> Path:
    """The projector of a folder that ``made_pair.make_pair`` (kind glm4v) made. AssertionError where a value is not
    exact in F16."""
    import torch
    from transformers import Glm4vForConditionalGeneration

    model = Glm4vForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    vision = model.config.vision_config
    writer = GgufWriter(path)
    for key, value in (
        ("general.architecture", "clip"), ("general.type", "mmproj"), ("general.file_type", 1),
        ("clip.has_vision_encoder", True), ("clip.projector_type", "glm4v"), ("clip.use_silu", True),
        ("clip.vision.projection_dim", vision.out_hidden_size), ("clip.vision.image_size", vision.image_size),
        ("clip.vision.patch_size", vision.patch_size), ("clip.vision.embedding_length", vision.hidden_size),
        ("clip.vision.feed_forward_length", vision.out_hidden_size), ("clip.vision.block_count", vision.depth),
        ("clip.vision.attention.head_count", vision.num_heads),
        ("clip.vision.attention.layer_norm_epsilon", vision.rms_norm_eps), ("clip.vision.image_mean", MEAN),
        ("clip.vision.image_std", STD),
    ):  # fmt: skip
        writer.add(key, value)
    for name, parameter in model.model.visual.named_parameters():
        values = parameter.detach().float().numpy()
        if name == KERNEL:
            _add(writer, "v.patch_embd.weight", values[:, :, 0])
            _add(writer, "v.patch_embd.weight.1", values[:, :, 1])
        else:
            _add(writer, projector_name(name), values)
    writer.write()
    return path


def projector_name(name: str) -> str:
    """``blocks.1.mlp.up_proj.weight`` → ``v.blk.1.ffn_up.weight``"""
    if not name.startswith("blocks."):
        return NAMES[name]
    _, number, part = name.removesuffix(".weight").split(".", 2)
    return f"v.blk.{number}.{BLOCK_NAMES[part]}.weight"


def _add(writer: GgufWriter, name: str, values: Any) -> None:
    kind = "F32" if values.ndim == 1 or name == "v.position_embd.weight" else "F16"
    data = np.ascontiguousarray(values, np.float32 if kind == "F32" else np.float16)
    if not np.array_equal(data.astype(np.float32), values):
        raise AssertionError(f"{name} is not exact in {kind}")
    writer.add_tensor(name, TYPES[kind], values.shape[::-1], lambda: [data.tobytes()])
