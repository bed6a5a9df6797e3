"""Whether the same weights say the same through transformers (bf16, computed in float32) and llama.cpp (F16)."""

import tempfile
from pathlib import Path

from tests.engine import agreement

MODELS = (
    ("glm4", 256, 4, 0),
    ("glm4v", 256, 4, 0),
    ("glm4", 256, 4, 1),
    ("glm4v", 256, 4, 1),
    ("glm4", 512, 8, 0),
)


def measure() -> list[str]:
    lines = [
        f"The same random weights (exact in bf16 and F16), {agreement.PROMPTS} prompts of {agreement.TOKENS} tokens,",
        "as many greedy ones behind each. transformers: KV cache float32; llama.cpp: activations rounded to F16, KV",
        "cache F16, flash attention. Δ: of every logit at every step behind the same tokens; a tie: the two best",
        "logits lie closer than the bound.",
        "",
        f"| model | weights | largest Δ | mean Δ | in deviations of the logits (bound {agreement.BOUND}) | same text | "
        "ties | same, ties not counted (aim: 95 %) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, width, layers, seed in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(_row(Path(folder), kind, width, layers, seed))
    return lines


def _row(folder: Path, kind: str, width: int, layers: int, seed: int) -> str:
    from tests.fakes.made_pair import make_pair

    pair = make_pair(folder, kind, width=width, layers=layers, seed=seed)
    found = agreement.compare(pair)
    cells = [
        f"{kind} {width} × {layers}, seed {seed}",
        f"{pair.parameters / 1e6:.1f} M",
        f"{found.worst:.4f}",
        f"{found.mean:.5f}",
        f"{found.worst / found.spread:.4f}",
        f"{found.same_text} of {found.prompts}",
        str(found.ties),
        f"{found.same:.0%}",
    ]
    return "| " + " | ".join(cells) + " |"
