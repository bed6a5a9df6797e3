"""Prepared pictures (raw RGB, sides multiples of 28) as a Glm4v model takes them.

The same numbers as transformers' ``Glm4vImageProcessorPil`` without its resizing, and without torchvision or Pillow.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .server import JobFailed

CONFIGS = ("processor_config.json", "preprocessor_config.json")
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's CLIP, the processor's own defaults (transformers, image_processing_pil_glm4v.py)."""
LONGEST_EDGE = 28 * 28 * 15_000
"""Its default limit: pixels of both temporal patches together."""
LONGEST_RATIO = 200


@dataclass(frozen=True)
class Picture:
    """A prepared picture: its file and size in pixels. ``key``: what the prompt cache knows it by."""

    file: str
    width: int
    height: int
    data: bytes
    key: str


@dataclass(frozen=True)
class PictureReader:
    """How a model wants pictures. ``token``: the placeholder's id, which stands between ``begin`` and ``end``;
    ``edge``: pixels of one token's side."""

    token: int
    begin: int
    end: int
    patch: int
    temporal: int
    merge: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    longest_edge: int

    @property
    def edge(self) -> int:
        return self.patch * self.merge

    @classmethod
    def of(cls, folder: Path, model: Any) -> PictureReader | None:
        """None where the model takes no pictures, or another kind than Glm4v's. Raises JobFailed(bad_file)."""
        if not str(model.config.model_type).startswith("glm4v") or not hasattr(model.model, "get_rope_index"):
            return None
        values, vision = _processor(folder), model.config.vision_config
        size = values.get("size") or {}
        try:
            return cls(
                token=int(model.config.image_token_id),
                begin=int(model.config.image_start_token_id),
                end=int(model.config.image_end_token_id),
                patch=int(vision.patch_size),
                temporal=int(vision.temporal_patch_size),
                merge=int(vision.spatial_merge_size),
                mean=tuple(float(value) for value in values.get("image_mean") or MEAN),
                std=tuple(float(value) for value in values.get("image_std") or STD),
                longest_edge=int(size.get("longest_edge") or LONGEST_EDGE),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise JobFailed("bad_file", f"processor: {error}") from error

    def read(self, part: dict[str, Any]) -> Picture:
        """The picture of a message part. Raises JobFailed(unsupported)."""
        try:
            file, width, height = str(part["file"]), int(part["width"]), int(part["height"])
            data = Path(file).read_bytes()
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise JobFailed("unsupported", f"bad_picture: {error}") from error
        if width < self.edge or height < self.edge or width % self.edge or height % self.edge:
            raise JobFailed(
                "unsupported", f"bad_picture: {width} x {height} pixels, not multiples of {self.edge}"
            )
        if len(data) != width * height * 3:
            raise JobFailed(
                "unsupported", f"bad_picture: {len(data)} bytes are no {width} x {height} RGB pixels"
            )
        ratio = max(width, height) / min(width, height)
        if self.temporal * width * height > self.longest_edge or ratio > LONGEST_RATIO:
            raise JobFailed(
                "unsupported", f"image_too_large: {width} x {height} pixels are beyond the model's limit"
            )
        key = f"{width}x{height}:{hashlib.sha256(data).hexdigest()}"
        return Picture(file, width, height, data, key)

    def tokens(self, picture: Picture) -> int:
        return (picture.width // self.edge) * (picture.height // self.edge)

    def blank(self, tokens: int) -> Picture:
        """A grey picture of about so many tokens, for the warm-up."""
        wide = max(4, math.isqrt(max(tokens, 1)))
        high = max(4, -(-tokens // wide))
        width, height = wide * self.edge, high * self.edge
        return Picture("", width, height, b"\x80" * (width * height * 3), "")

    def grid(self, picture: Picture) -> list[int]:
        """Patches in time, down and across."""
        return [1, picture.height // self.patch, picture.width // self.patch]

    def patches(self, picture: Picture) -> Any:
        """float32 tensor (patches, values of one): normalised, in the order of the merged grid."""
        pixels = np.frombuffer(picture.data, np.uint8).reshape(picture.height, picture.width, 3)
        values: Any = pixels.astype(np.float32) / np.float32(255)
        values = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        down, across = picture.height // self.patch, picture.width // self.patch
        blocks = values.transpose(2, 0, 1).reshape(
            3, down // self.merge, self.merge, self.patch, across // self.merge, self.merge, self.patch
        )
        blocks = blocks.transpose(1, 4, 2, 5, 0, 3, 6)[:, :, :, :, :, None]
        shape = (*blocks.shape[:5], self.temporal, self.patch, self.patch)
        flat = np.ascontiguousarray(np.broadcast_to(blocks, shape)).reshape(down * across, -1)
        return torch.from_numpy(flat)


def encode(model: Any, device: Any, reader: PictureReader, picture: Picture) -> Any:
    """The picture's embeddings, one row per token; ``device``: where the model's inputs go."""
    grid = torch.tensor([reader.grid(picture)], device=device)
    output = model.model.get_image_features(reader.patches(picture).to(device), grid)
    rows = output.pooler_output
    return torch.cat(list(rows), dim=0) if isinstance(rows, (tuple, list)) else rows


def _processor(folder: Path) -> dict[str, Any]:
    """The image processor's values, whichever file holds them. Raises JobFailed(bad_file)."""
    for name in CONFIGS:
        path = folder / name
        if not path.is_file():
            continue
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise JobFailed("bad_file", f"{name}: {error}") from error
        if isinstance(data, dict):
            inner = data.get("image_processor", data)
            return inner if isinstance(inner, dict) else {}
    return {}
