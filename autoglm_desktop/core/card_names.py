"""Which model a GPU's name tells: drivers, tables and sellers decorate the same name differently. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

# Vendors' decorations, which don't tell one model from another.
# fmt: off
NOISE = frozenset((
    "nvidia", "geforce", "amd", "radeon", "intel", "apple", "gpu", "graphics", "generation", "tm", "r",
    "with", "design",
))
# fmt: on
LAPTOP = frozenset(("laptop", "mobile", "notebook"))


@lru_cache(maxsize=1024)
def split_name(name: str) -> tuple[frozenset[str], bool, int | None]:
    """(words that name the model, whether a laptop's, gigabytes in the name) of a GPU's full name.

    "NVIDIA GeForce RTX 4060 Laptop GPU" → ({"rtx", "4060"}, True, None). Mesa's driver and chip in brackets
    ("(RADV PHOENIX)") are left out.
    """
    text = re.sub(r"\((?:radv|aco|llvm)\b[^)]*\)", " ", name.lower()).replace("max-q", "laptop")
    size = re.search(r"\b(\d{1,4})\s*gi?b\b", text)
    text = re.sub(r"\b\d+\s*gi?b\b", " ", text)
    text = re.sub(r"(\d)(ti|super|xt|xtx)\b", r"\1 \2", text)
    words = frozenset(re.findall(r"[a-z0-9]+", text))
    return words - NOISE - LAPTOP, bool(words & LAPTOP), int(size[1]) if size else None
