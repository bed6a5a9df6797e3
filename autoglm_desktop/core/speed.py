"""How fast a plan will be, from the paces of its devices (``core.pace``). Pure; tokens/s, seconds; unknown is None.

Decoding reads every weight once per token, and the KV cache of what is in the context. A prefill is arithmetic: two
operations per parameter and token, and the attention over what stands before. Layers that stay in RAM beside a GPU are
carried to it once per batch (llama.cpp's ``op_offload``). An image is arithmetic alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from .machine import Disk
from .pace import Pace
from .rungs import PhoneStep
from .subject import TextShape

VISION_HIDDEN, VISION_DEPTH, PATCHES_PER_TOKEN = 1536, 24, 4
PATCH_PARAMETERS = 850e6
"""AutoGLM's vision part (section 1): hidden size, blocks, patches merged into a token, weights that a patch meets.
The formula below gives the notes' 50 TFLOP at 1080 x 2400 and 7 at 540 x 1200."""

PREFILL_BATCH = 512
PHONE_PROMPT_TOKENS = 2_000
PHONE_REPLY_TOKENS = 200
TEXT_CONTEXT_TOKENS = 512
"""What stands in the context while ``tokens_per_s`` is told, and is read for ``prompt_tokens_per_s`` (wish text)."""


@dataclass(frozen=True)
class Share:
    """What of a model lies on one device. ``layer_bytes``: of its layers; ``head_bytes``: the output, 0 elsewhere;
    ``kv_bytes``: the filled part of its KV cache."""

    layers: int
    layer_bytes: int
    head_bytes: int
    kv_bytes: int

    @property
    def empty(self) -> bool:
        return not (self.layers or self.head_bytes)


def decode_s(share: Share, pace: Pace, cells: int) -> float | None:
    """Seconds that a device spends on one decoded token behind ``cells`` tokens; 0 where nothing lies on it."""
    if share.empty:
        return 0.0
    if pace.layer is not None:
        head = pace.layer.decode_head_s if share.head_bytes else 0.0
        return pace.layer.decode_layers_s(share.layers, cells) + head
    if not pace.read:
        return None
    return (share.layer_bytes + share.head_bytes + share.kv_bytes) / pace.read


def prefill_s(share: Share, pace: Pace, shape: TextShape, tokens: int) -> float | None:
    """Seconds that a device spends on reading ``tokens`` tokens from an empty context."""
    if share.empty:
        return 0.0
    batches = -(-tokens // PREFILL_BATCH)
    if pace.layer is not None:
        head = batches * pace.layer.prefill_head_s if share.head_bytes else 0.0
        return pace.layer.prefill_layers_s(share.layers, tokens) + head
    if not pace.arithmetic:
        return None
    head_flop = 2 * shape.head_parameters * batches if share.head_bytes else 0
    return (layers_flop(shape, share.layers, tokens) + head_flop) / pace.arithmetic


def carried_s(share: Share, gpu: Pace, shape: TextShape, tokens: int) -> float | None:
    """Seconds to read ``tokens`` tokens in layers that lie in RAM while the GPU computes them."""
    if share.empty:
        return 0.0
    if not gpu.link or not gpu.arithmetic:
        return None
    batches = -(-tokens // PREFILL_BATCH)
    return batches * share.layer_bytes / gpu.link + layers_flop(shape, share.layers, tokens) / gpu.arithmetic


def layers_flop(shape: TextShape, layers: int, tokens: int) -> float:
    """Arithmetic of ``tokens`` tokens in ``layers`` layers: linear ones, and attention over half the tokens each."""
    if not shape.layers:
        return 0.0
    linear = 2.0 * shape.layer_parameters * layers / shape.layers * tokens
    return linear + 2.0 * tokens**2 * shape.query_width * layers


def vision_flop(image_tokens: int) -> float:
    """Arithmetic of encoding one image: linear layers plus attention over all its patches."""
    patches = image_tokens * PATCHES_PER_TOKEN
    return 2 * PATCH_PARAMETERS * patches + 4 * patches**2 * VISION_HIDDEN * VISION_DEPTH


def image_s(pace: Pace, image_tokens: int) -> float | None:
    """Seconds to encode an image with the arithmetic that a device shows in a prefill."""
    return vision_flop(image_tokens) / pace.arithmetic if pace.arithmetic else None


def phone_step(
    step: PhoneStep, image: float | None, prompt_per_s: float | None, tokens_per_s: float | None
) -> float | None:
    """Seconds of one phone step: the image, the prefill of what is not cached, the reply."""
    if image is None or not prompt_per_s or not tokens_per_s:
        return None
    fresh = step.image_tokens + step.prompt_tokens - step.cached_tokens
    return image + fresh / prompt_per_s + step.reply_tokens / tokens_per_s


def load(file_bytes: int | None, disk: Disk | None) -> float | None:
    """Seconds to read the files from disk; None where the disk's speed was not measured."""
    if file_bytes is None or disk is None or not disk.sequential_read_bytes_per_s:
        return None
    return file_bytes / disk.sequential_read_bytes_per_s
