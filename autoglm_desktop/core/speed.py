"""How fast a plan will be: estimates from bandwidths. Pure; tokens/s, seconds, bytes/s; unknown is None.

Decoding reads every weight once per token, and the KV cache of what is in the context: bytes on the GPU over
the GPU's bandwidth plus bytes in RAM over the RAM's, each times the share that is reached in practice
(docs/numbers.md, section 6; ``core.cards``). A prefill and an image are estimated only where a prefill figure of the
very card is public. Nothing here is measured on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import cards
from .card_values import LLAMA2_FLOP_PER_TOKEN
from .machine import Cpu, Disk, Gpu
from .rungs import PhoneStep

PREFILL_SCALE = 0.72
"""From Llama-2-7B to AutoGLM-Phone-9B's text model (section 6)."""

VISION_HIDDEN, VISION_DEPTH, PATCHES_PER_TOKEN = 1536, 24, 4
VISION_LINEAR_PARAMETERS = 850e6
"""AutoGLM's vision part (section 1): hidden size, blocks, patches merged into a token, parameters per patch.
The formula below gives the notes' 50 TFLOP at 1080 x 2400 and 7 at 540 x 1200."""

PHONE_PROMPT_TOKENS = 2_000
PHONE_REPLY_TOKENS = 200
SAFE_SHARE = 0.92
"""Of the decoding speed that is left without the CPU kernels' own weight layout (section 9: 8 % slower)."""
TEXT_CONTEXT_TOKENS = 512
"""What stands in the context while ``tokens_per_s`` is told (wish text)."""


@dataclass(frozen=True)
class Reads:
    """Bytes that one decoded token reads."""

    gpu: int
    ram: int


def decode(reads: Reads, gpu: Gpu | None, cpu: Cpu, table: cards.Cards | None = None) -> float | None:
    """Tokens/s of decoding; None where a bandwidth that counts is unknown. ``table``: gpus.toml."""
    seconds = 0.0
    if reads.gpu:
        bandwidth = gpu.memory_bandwidth_bytes_per_s if gpu is not None else None
        if gpu is None or not bandwidth:
            return None
        seconds += reads.gpu / (bandwidth * cards.decode_efficiency(gpu, table))
    if reads.ram:
        if not cpu.memory_bandwidth_bytes_per_s:
            return None
        seconds += reads.ram / (cpu.memory_bandwidth_bytes_per_s * cards.CPU_EFFICIENCY)
    return 1 / seconds if seconds else None


def prefill(gpu: Gpu | None, *, all_on_gpu: bool, table: cards.Cards | None = None) -> float | None:
    """Tokens/s of reading a prompt; known only with every layer on a card whose figure is public."""
    if gpu is None or not all_on_gpu:
        return None
    figure = cards.llama2_prefill(gpu, table)
    return figure * PREFILL_SCALE if figure is not None else None


def vision_flop(image_tokens: int) -> float:
    """Arithmetic of encoding one image: linear layers plus attention over all its patches."""
    patches = image_tokens * PATCHES_PER_TOKEN
    return 2 * VISION_LINEAR_PARAMETERS * patches + 4 * patches**2 * VISION_HIDDEN * VISION_DEPTH


def image(
    gpu: Gpu | None, image_tokens: int, *, on_gpu: bool, table: cards.Cards | None = None
) -> float | None:
    """Seconds to encode an image on the GPU at the arithmetic its prefill figure shows; on a CPU unknown."""
    figure = cards.llama2_prefill(gpu, table) if gpu is not None and on_gpu else None
    if figure is None:
        return None
    return vision_flop(image_tokens) / (figure * LLAMA2_FLOP_PER_TOKEN)


def phone_step(
    step: PhoneStep, image_s: float | None, prompt_per_s: float | None, tokens_per_s: float | None
) -> float | None:
    """Seconds of one phone step: the image, the prefill of what is not cached, the reply."""
    if image_s is None or not prompt_per_s or not tokens_per_s:
        return None
    fresh = step.image_tokens + step.prompt_tokens - step.cached_tokens
    return image_s + fresh / prompt_per_s + step.reply_tokens / tokens_per_s


def load(file_bytes: int | None, disk: Disk | None) -> float | None:
    """Seconds to read the files from disk; None where the disk's speed was not measured."""
    if file_bytes is None or disk is None or not disk.sequential_read_bytes_per_s:
        return None
    return file_bytes / disk.sequential_read_bytes_per_s
