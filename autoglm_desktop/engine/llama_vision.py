"""Pictures through llama.cpp's projector (``libmtmd``): opened beside the model, each picture encoded once.

Only whole pictures go through ``mtmd_tokenize``, never a user's text: a literal ``<__media__>`` in it stays text.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np
import numpy.typing as npt

from ..core import protocol
from ..core.gguf_vision import CELL_PIXELS
from .llama_log import callback, log
from .llama_pictures import CHANNELS, Picture
from .server import JobFailed

Embeddings = npt.NDArray[np.float32]
"""One row for each cell."""

NODES_PER_LOOK = 8
"""Graph nodes between two looks at the cancel flag: a GPU has to wait for each look."""
KEPT_BYTES = 128 << 20
"""Embeddings kept in RAM: two pictures of 1080 × 2400 take 110 MB (3,354 cells of 4,096 floats each)."""
MOST_CELLS = 1 << 16
FLASH_ATTENTION_ENABLED = 1  # llama.h: LLAMA_FLASH_ATTN_TYPE_ENABLED
LEAST_CELLS = 8  # what clip.cpp would enlarge a smaller picture to


class Cancelled(Exception):
    """The request was cancelled before its first token."""


class Vision:
    """An opened projector. ``embed`` gives a picture's rows; ``close`` frees it."""

    def __init__(
        self, job: protocol.Projector, model: Any, threads: int, device: int | None, file_type: str
    ) -> None:
        """``device``: the GPU's handle (None: llama.cpp's first). Raises JobFailed: out_of_memory, bad_file;
        missing_dependency where the build has no libmtmd."""
        try:
            import llama_cpp.mtmd_cpp as mtmd
        except (ImportError, OSError, RuntimeError) as error:
            raise JobFailed("missing_dependency", f"libmtmd: {error}") from error
        self._mtmd = mtmd
        self._log = log
        self.file_type = file_type
        self._width = native.llama_model_n_embd(model)
        self._most = job.image_tokens or MOST_CELLS
        self._nodes = 0
        self._cancelled: Callable[[], bool] = _never
        self._kept: OrderedDict[Picture, Embeddings] = OrderedDict()
        self._look = native.ggml_backend_sched_eval_callback(self._on_node)
        mtmd.mtmd_log_set(callback, ctypes.c_void_p(0))
        mtmd.mtmd_helper_log_set(callback, ctypes.c_void_p(0))
        parameters = mtmd.mtmd_context_params_default()
        parameters.use_gpu = job.gpu
        parameters.device = device
        parameters.print_timings = False
        parameters.n_threads = threads
        parameters.flash_attn_type = FLASH_ATTENTION_ENABLED
        parameters.warmup = False  # it reserves for 2,116 cells; ``llama_prove`` encodes a real picture
        parameters.image_min_tokens, parameters.image_max_tokens = 1, MOST_CELLS  # never resized here
        parameters.cb_eval = self._look
        self._context = mtmd.mtmd_init_from_file(os.fsencode(job.file), model, parameters)
        if not self._context:
            kind, message = self._log.failure("llama.cpp could not load the projector")
            raise JobFailed(kind, message)

    def close(self) -> None:
        self._kept.clear()
        self._mtmd.mtmd_free(self._context)

    def embed(self, picture: Picture, cancelled: Callable[[], bool]) -> Embeddings:
        """The picture's embeddings, encoded or remembered. Raises Cancelled, JobFailed."""
        known = self._kept.get(picture)
        if known is not None:
            self._kept.move_to_end(picture)
            return known
        if picture.cells > self._most:
            text = f"image_too_large: {picture.cells} cells, {self._most} were proven when loading"
            raise JobFailed("unsupported", text)
        rows = self.encode(picture.pixels(), picture, cancelled)
        self._kept[picture] = rows
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return rows

    def encode(self, pixels: bytes, picture: Picture, cancelled: Callable[[], bool]) -> Embeddings:
        """Compute the embeddings. Raises Cancelled, JobFailed."""
        mtmd = self._mtmd
        buffer = (ctypes.c_uint8 * len(pixels)).from_buffer_copy(pixels)
        bitmap = mtmd.mtmd_bitmap_init(picture.width, picture.height, buffer)
        chunks = mtmd.mtmd_input_chunks_init()
        self._cancelled = cancelled
        try:
            chunk = self._chunk(chunks, bitmap, picture)
            code = mtmd.mtmd_encode_chunk(self._context, chunk)
            if cancelled():
                raise Cancelled
            if code:
                kind, message = self._log.failure(f"mtmd_encode_chunk returned {code}")
                raise JobFailed(kind if kind == "out_of_memory" else "crashed", message)
            rows = mtmd.mtmd_get_output_embd(self._context)
            return np.ctypeslib.as_array(rows, (picture.cells, self._width)).copy()
        finally:
            self._cancelled = _never
            mtmd.mtmd_input_chunks_free(chunks)
            mtmd.mtmd_bitmap_free(bitmap)

    def _chunk(self, chunks: Any, bitmap: Any, picture: Picture) -> Any:
        """The picture's chunk, checked to have the cells that the prompt counted."""
        mtmd = self._mtmd
        marker = mtmd.mtmd_default_marker()
        text = mtmd.mtmd_input_text(marker, len(marker), False, True)
        bitmaps = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
        code = mtmd.mtmd_tokenize(self._context, chunks, ctypes.byref(text), bitmaps, 1)
        if code:
            raise JobFailed("unsupported", f"bad_picture: mtmd_tokenize returned {code}")
        for index in range(mtmd.mtmd_input_chunks_size(chunks)):
            chunk = mtmd.mtmd_input_chunks_get(chunks, index)
            if mtmd.mtmd_input_chunk_get_type(chunk) != mtmd.MTMD_INPUT_CHUNK_TYPE_IMAGE:
                continue
            cells = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
            positions = mtmd.mtmd_input_chunk_get_n_pos(chunk)
            if (cells, positions) == (picture.cells, picture.positions):
                return chunk
            text = (
                f"{cells} cells and {positions} positions instead of {picture.cells} and {picture.positions}"
            )
            raise JobFailed("unsupported", f"bad_picture: {text}")
        raise JobFailed("unsupported", "bad_picture: llama.cpp made no picture of it")

    def _on_node(self, _tensor: object, ask: bool, _data: object) -> bool:
        """Asked before a node whether to stop behind it; then whether to go on."""
        if not ask:
            return not self._cancelled()
        self._nodes += 1
        return self._nodes % NODES_PER_LOOK == 0


def _never() -> bool:
    return False


def proof_picture(cells: int) -> tuple[bytes, Picture]:
    """A grey picture of at least ``cells`` cells (and what llama.cpp can take at least), as square as can be."""
    cells = max(cells, LEAST_CELLS)
    columns = math.isqrt(cells)
    rows = -(-cells // columns)
    picture = Picture("", columns * CELL_PIXELS, rows * CELL_PIXELS, "")
    return bytes([128]) * (picture.width * picture.height * CHANNELS), picture
