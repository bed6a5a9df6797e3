"""Which names from a listing may become files here: safe on every system, of a type that is needed. No I/O."""

from __future__ import annotations

import re
import unicodedata

from .errors import Reason

MAX_PART_BYTES = 240
"""File systems take 255; an unfinished file's name is up to 15 longer (``.part.json``)."""
MAX_PATH_BYTES = 1024

ALLOWED_TYPES = frozenset({"safetensors", "gguf", "json", "txt", "model", "jinja", "md"})
CODE_TYPES = frozenset(
    {
        "bin",
        "pt",
        "pth",
        "pkl",
        "pickle",
        "ckpt",
        "joblib",
        "npy",
        "npz",
        "py",
        "so",
        "dll",
        "exe",
        "msi",
        "sh",
    }
)
OWN_NAMES = re.compile(r"\.autoglm.*|.*\.part\.json", re.IGNORECASE | re.DOTALL)

_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE | re.DOTALL
)
_FORBIDDEN = frozenset('<>:"|?*\\')
_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_path(path: str) -> Reason | None:
    """Why a path from a listing may not be used as a file's name below a folder; None: it may."""
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path):
        return Reason.of("name_absolute")
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        return Reason.of("name_too_long")
    for part in path.replace("\\", "/").split("/"):
        if part == "..":
            return Reason.of("name_outside")
    for part in path.split("/"):
        reason = _check_part(part)
        if reason is not None:
            return reason
    return None


def _check_part(part: str) -> Reason | None:
    if part in ("", "."):
        return Reason.of("name_empty_part")
    if any(char in _FORBIDDEN or char in _DIRECTIONS or _unprintable(char) for char in part):
        return Reason.of("name_character")
    if part[-1] in ". ":
        return Reason.of("name_ending")
    if _RESERVED.fullmatch(part):
        return Reason.of("name_reserved")
    if OWN_NAMES.fullmatch(part):
        return Reason.of("name_own")
    if len(part.encode()) > MAX_PART_BYTES:
        return Reason.of("name_too_long")
    return None


def _unprintable(char: str) -> bool:
    return (
        (not char.isascii() and unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"))
        or char < " "
        or char == "\x7f"
    )


def check_type(path: str) -> Reason | None:
    """Why a file of this type is never fetched; None: it may be. A name without a type is not needed."""
    name = path.rpartition("/")[2]
    kind = name.rpartition(".")[2].lower() if "." in name else ""
    if kind in ALLOWED_TYPES:
        return None
    return Reason.of("type_runs_code" if kind in CODE_TYPES else "type_not_needed")


def folded(path: str) -> str:
    """The same for paths that a file system which ignores case or composition takes for one."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
