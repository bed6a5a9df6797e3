"""A first decode, and a first picture, before ``ready``: so that a native crash comes while loading."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..core import protocol
from . import llama_load
from .llama_cells import Cells
from .llama_vision import proof_picture
from .server import JobFailed


def prove_pictures(
    loaded: llama_load.Loaded,
    projector: protocol.Projector,
    cells: Cells,
    progress: Callable[[str, float], None],
) -> protocol.Proof:
    """Encode a picture of ``proof_tokens``, else ``image_tokens`` cells and let the model read it (a small one where
    the context is smaller); the proof with its time. Raises JobFailed."""
    vision = loaded.vision
    if vision is None:
        raise JobFailed("not_proven", "the projector was not opened")
    progress("project", 0.0)
    begun = time.perf_counter()
    wanted = projector.image_tokens if projector.proof_tokens is None else projector.proof_tokens
    pixels, picture = proof_picture(wanted)
    rows = vision.encode(pixels, picture, _never)
    seconds = time.perf_counter() - begun
    if picture.cells > loaded.cells:
        pixels, picture = proof_picture(0)
        rows = vision.encode(pixels, picture, _never)
    if not cells.decode_rows(rows, picture, _never):
        raise JobFailed(
            "unsupported", f"context_full: {picture.cells} cells of a picture, {loaded.cells} in all"
        )
    cells.keep_prefix([0])  # forgets the picture
    progress("project", 1.0)
    log, place = llama_load.log, llama_load.log.projector_device or "cpu"
    if projector.gpu and not place.startswith("gpu"):
        raise JobFailed("not_proven", "the vision part was to lie on a GPU and lies in memory")
    proof = loaded.proof
    return replace(
        proof,
        projector=f"{place} glm4v {vision.file_type}".strip(),
        image_s=seconds if projector.image_tokens and projector.proof_tokens is None else None,
        load_s=(proof.load_s or 0.0) + time.perf_counter() - begun,
        memory={device: dict(causes) for device, causes in log.memory.items()},
    )


def _never() -> bool:
    return False
