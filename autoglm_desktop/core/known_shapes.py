"""The shapes of the catalogue's models, by the names that ``catalog.toml`` uses.

Where each number was read: docs/numbers.md, sections 1 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .shapes import AUTOGLM_PHONE_9B, ModelShapes

GLM_4_1V_9B = AUTOGLM_PHONE_9B
"""GLM-4.1V-9B-Thinking: the model whose shapes AutoGLM-Phone-9B has (docs/numbers.md, section 10)."""

GLM_4_9B_0414 = replace(AUTOGLM_PHONE_9B, context=32_768, rope_sections=None)
"""GLM-4-9B-0414: the same text model with a shorter context and plain RoPE (docs/numbers.md, section 10)."""

GLM_EDGE_1_5B = ModelShapes(
    layers=28, embedding=2048, feed_forward=6144, vocabulary=59_264,
    heads=16, kv_heads=4, head_dim=128, context=8192,
    rope_dims=128, architecture="chatglm", gguf_header_bytes=3_000_000,
)  # fmt: skip
GLM_EDGE_4B = ModelShapes(
    layers=40, embedding=3072, feed_forward=8192, vocabulary=59_264,
    heads=24, kv_heads=6, head_dim=128, context=8192,
    rope_dims=128, architecture="chatglm", gguf_header_bytes=3_000_000,
)  # fmt: skip
"""GLM-Edge chat models; the published sizes of their files prove the numbers (docs/numbers.md, section 10)."""

QWEN3_0_6B = ModelShapes(
    layers=28, embedding=1024, feed_forward=3072, vocabulary=151_936,
    heads=16, kv_heads=8, head_dim=128, context=40_960,
    rope_dims=128, rope_base=1_000_000.0, norm_epsilon=1e-6, architecture="qwen3", tied=True,
    gguf_header_bytes=6_000_000,
)  # fmt: skip
"""Qwen3-0.6B by its published configuration (docs/numbers.md, section 10)."""

SHAPES: Mapping[str, ModelShapes] = {
    "autoglm-phone-9b": AUTOGLM_PHONE_9B,
    "glm-4.1v-9b": GLM_4_1V_9B,
    "glm-4-9b-0414": GLM_4_9B_0414,
    "glm-edge-1.5b": GLM_EDGE_1_5B,
    "glm-edge-4b": GLM_EDGE_4B,
    "qwen3-0.6b": QWEN3_0_6B,
}
