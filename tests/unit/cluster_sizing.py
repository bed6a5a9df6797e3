"""The arithmetic of docs/cluster.md, from the planner's own numbers.

``python -m tests.unit.cluster_sizing`` prints its tables.
"""

import math
from pathlib import Path

from autoglm_desktop.core import speed
from autoglm_desktop.core.cards import LLAMA2_LAYERS_FLOP_PER_TOKEN
from autoglm_desktop.core.pictures import CELL_PIXELS, FRAMES, shown_size
from autoglm_desktop.core.shapes import AUTOGLM_PHONE_9B, layer_parameters, parameters
from autoglm_desktop.probe.gpu_table import load_table

GIB = 2**30
VISION_PARAMETERS = 892_498_432
"""docs/numbers.md, section 1."""
UTILISATION = 0.92
RESERVE_BYTES = 1.5e9
"""What a screenshot's prefill takes at its peak: docs/numbers.md, section 5 (unmeasured)."""
MAX_PIXELS = 5_000_000
"""Of both frames: Open-AutoGLM's --mm-processor-kwargs."""
LONGEST_REPLY = 3_000
"""max_tokens of Open-AutoGLM's client."""
CONTEXTS = (25_480, 16_384)
SIZES = (24, 48, 80)
CARDS = (
    ("RTX 3090", 24),
    ("RTX 4090", 24),
    ("RTX A6000", 48),
    ("RTX 6000 Ada Generation", 48),
    ("A100-SXM4-80GB", 80),
)
AT_ONCE = (1, 4, 16)

WEIGHT_BYTES = 2 * (parameters(AUTOGLM_PHONE_9B) + VISION_PARAMETERS)
READ_BYTES = 2 * (
    layer_parameters(AUTOGLM_PHONE_9B) + AUTOGLM_PHONE_9B.vocabulary * AUTOGLM_PHONE_9B.embedding
)
"""What one token reads: all layers and the head; of the embedding one row, of the vision part nothing."""
KV_BYTES = AUTOGLM_PHONE_9B.kv_bytes_per_token()
PICTURE_TOKENS = shown_size(1080, 2400, MAX_PIXELS // (FRAMES * CELL_PIXELS**2)).tokens
PROMPT_TOKENS = PICTURE_TOKENS + speed.PHONE_PROMPT_TOKENS
STEP_TOKENS = PROMPT_TOKENS + LONGEST_REPLY


def pool_tokens(card_gib: int) -> int:
    """Tokens that a card's KV cache has room for."""
    return int((UTILISATION * card_gib * GIB - WEIGHT_BYTES - RESERVE_BYTES) / KV_BYTES)


def prefill_flop() -> float:
    """Arithmetic of one prompt with its screenshot: 2 per weight and token, and the vision part's."""
    return 2 * layer_parameters(AUTOGLM_PHONE_9B) * PROMPT_TOKENS + speed.vision_flop(PICTURE_TOKENS)


def pace(name: str, at_once: int) -> tuple[float, float, float]:
    """(prefill of one step s, one step s, steps a minute) while ``at_once`` phones are answered."""
    cards = load_table(Path(__file__).parents[2] / "resources" / "gpus.toml")
    card = next(card for card in cards.rows if name in card.names)
    rate = (card.pp512 or math.nan) * LLAMA2_LAYERS_FLOP_PER_TOKEN
    prefill = prefill_flop() / rate
    kv = at_once * (PROMPT_TOKENS + speed.PHONE_REPLY_TOKENS / 2) * KV_BYTES
    token = (READ_BYTES + kv) / ((card.bandwidth_gb_s or math.nan) * 1e9 * (card.efficiency or math.nan))
    whole = at_once * prefill + speed.PHONE_REPLY_TOKENS * token
    return prefill, whole, 60 * at_once / whole


def memory_rows() -> list[str]:
    rows = []
    for size in SIZES:
        pool = pool_tokens(size)
        cells = [
            f"{size} GiB",
            f"{pool:,}",
            *(str(pool // context) for context in CONTEXTS),
            str(pool // STEP_TOKENS),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def pace_rows() -> list[str]:
    rows = []
    for name, size in CARDS:
        most = pool_tokens(size) // STEP_TOKENS
        told = [pace(name, count) for count in AT_ONCE]
        cells = [
            f"{seconds:.0f} s, {minute:.0f}" if count <= most else "–"
            for count, (_prefill, seconds, minute) in zip(AT_ONCE, told, strict=True)
        ]
        rows.append("| " + " | ".join([name, f"{told[0][0]:.1f} s", *cells]) + " |")
    return rows


if __name__ == "__main__":
    print(
        f"weights {WEIGHT_BYTES / 1e9:.2f} GB, read per token {READ_BYTES / 1e9:.2f} GB, KV {KV_BYTES:.0f} B"
    )
    print(f"picture {PICTURE_TOKENS}, prompt {PROMPT_TOKENS}, step {STEP_TOKENS} tokens")
    print(
        f"prefill {prefill_flop() / 1e12:.0f} TFLOP, {speed.vision_flop(PICTURE_TOKENS) / 1e12:.0f} of them vision"
    )
    print("\n".join([*memory_rows(), *pace_rows()]))
