"""What the name of a GGUF file says: quantisation, part of how many, projector. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TYPE = re.compile(
    r"(?<![A-Za-z0-9])(?:(UD)[-_.])?"
    r"((?:I|T)?Q[1-9](?:_K_(?:XXS|XS|XXL|XL|S|M|L|P)|_K|_[01](?:_\d_\d)?|_(?:XXS|XS|XL|NL|S|M|L))?"
    r"|BF16|FP?16|FP?32|MXFP4(?:_MOE)?|NVFP4)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_PART = re.compile(r"-(\d{5})-of-(\d{5})$", re.IGNORECASE)
_PROJECTOR = re.compile(r"(?:^|[-_.])mmproj(?:$|[-_.])", re.IGNORECASE)
_NO_MODEL = re.compile(r"(?:^|[-_.])imatrix(?:$|[-_.])", re.IGNORECASE)


@dataclass(frozen=True)
class GgufName:
    """``stem``: the path without ``.gguf`` and without the part. ``type``: upper-case quantisation (``Q4_K_M``,
    ``UD-Q4_K_XL``), None where the name has none. ``part`` of ``parts``: 1 of 1 for a single file."""

    stem: str
    type: str | None
    part: int = 1
    parts: int = 1
    projector: bool = False
    model: bool = True

    @property
    def base(self) -> str:
        """The model's name alone, lower case, for telling which projector belongs to which model."""
        name = _TYPE.sub("", _PROJECTOR.sub("-", self.stem.rpartition("/")[2]))
        return re.sub(r"[-_. ]+", "-", name).strip("-").lower()


def parse(path: str) -> GgufName:
    """Read a path that ends in ``.gguf``. The file's name goes before its folder's."""
    stem = path[: -len(".gguf")]
    part, parts = 1, 1
    found = _PART.search(stem)
    if found:
        part, parts, stem = int(found[1]), int(found[2]), stem[: found.start()]
    folder, _, name = stem.rpartition("/")
    kind = _type(name) or _type(folder.rpartition("/")[2])
    projector = bool(_PROJECTOR.search(name))
    return GgufName(stem, kind, part, parts, projector, not projector and not _NO_MODEL.search(name))


def with_type(stem: str, kind: str) -> str:
    """A file's name (without ``.gguf``) with another type in place of its last one, or behind it."""
    found = list(_TYPE.finditer(stem))
    return f"{stem[: found[-1].start()]}{kind}{stem[found[-1].end() :]}" if found else f"{stem}-{kind}"


def _type(name: str) -> str | None:
    """The last type that a name has."""
    found = list(_TYPE.finditer(name))
    if not found:
        return None
    kind = found[-1][2].upper()
    kind = {"FP16": "F16", "FP32": "F32"}.get(kind, kind)
    return f"UD-{kind}" if found[-1][1] else kind
