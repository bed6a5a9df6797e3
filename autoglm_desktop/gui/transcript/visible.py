"""Characters that would change how a text reads without being seen."""

from __future__ import annotations

DIRECTIONS = (
    *range(0x202A, 0x202F),  # embeddings and overrides
    *range(0x2066, 0x206A),  # isolates
    0x200E, 0x200F, 0x061C,  # marks
)  # fmt: skip
"""Unicode's bidirectional formatting characters (UAX #9, section 2)."""

_TABLE: dict[int, str] = {code: f"[U+{code:04X}]" for code in DIRECTIONS}
_TABLE |= dict.fromkeys((*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xFFFC), "\ufffd")
_TABLE |= {0x2028: "\n", 0x2029: "\n", 0x0D: ""}


def visible(text: str) -> str:
    """The text with direction characters spelled out, without control characters; one character at a time, so that a
    text may be cut anywhere."""
    return text.translate(_TABLE)
