"""What stands in the KV cache, and evaluating tokens and pictures behind it.

Positions are given to llama.cpp: on M-RoPE models a picture takes more cells than positions, and the position that
llama.cpp would choose behind a picture is wrong.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np

from . import llama_load
from .llama_pictures import Item, Picture, cells_of, positions_of
from .llama_vision import Cancelled, Embeddings
from .server import JobFailed

ABORTED = 2  # llama_decode's return value when the abort callback said so
NO_CELLS = 1  # … when the context is full


class Cells:
    """The one sequence of a loaded model's context."""

    def __init__(self, loaded: llama_load.Loaded) -> None:
        self._loaded = loaded
        self.items: list[Item] = []
        self._position = 0

    def shared(self, items: list[Item]) -> int:
        """How many first items stand there already; never the last, whose logits are needed."""
        count = 0
        for old, new in zip(self.items, items, strict=False):
            if old != new:
                break
            count += 1
        return max(0, min(count, len(items) - 1))

    def keep_prefix(self, items: list[Item]) -> int:
        """Keep what the new prompt shares with what was evaluated; returns how many items."""
        self._truncate(self.shared(items))
        return len(self.items)

    def _truncate(self, count: int) -> None:
        """Forget all but the first items; recurrent models can't forget a part and start anew."""
        del self.items[count:]
        self._position = positions_of(self.items)
        memory = native.llama_get_memory(self._loaded.context)
        if not native.llama_memory_seq_rm(memory, 0, self._position, -1):
            native.llama_memory_clear(memory, True)
            self.items = []
            self._position = 0

    def prefill(self, items: list[Item], cancelled: Callable[[], bool]) -> None:
        """Evaluate the prompt in batches. The CPU backend asks the callback between graph nodes; for GPU
        backends, which don't, the flag is looked at between batches. Raises Cancelled, JobFailed."""
        context = self._loaded.context
        callback = native.ggml_abort_callback(lambda _data: cancelled())
        native.llama_set_abort_callback(context, callback, ctypes.c_void_p(0))
        try:
            for part in _parts(items, self._loaded.batch):
                if cancelled():
                    raise Cancelled
                done = self._picture(part, cancelled) if isinstance(part, Picture) else self.evaluate(part)
                if not done:
                    text = f"context_full: no room for {cells_of(items)} prompt tokens"
                    raise JobFailed("unsupported", text)
                native.llama_synchronize(context)  # GPU backends only queue the work: the time must be real
        finally:
            native.llama_set_abort_callback(context, native.ggml_abort_callback(), ctypes.c_void_p(0))

    def evaluate(self, tokens: list[int]) -> bool:
        """Decode tokens behind what was evaluated. False: the context is full. Raises Cancelled, JobFailed."""
        count = len(tokens)
        batch: Any = native.llama_batch()
        batch.n_tokens = count
        batch.token = (native.llama_token * count)(*tokens)
        batch.pos = (native.llama_pos * count)(*range(self._position, self._position + count))
        if not self._decode(batch):
            return False
        self.items += tokens
        self._position += count
        return True

    def _picture(self, picture: Picture, cancelled: Callable[[], bool]) -> bool:
        """A picture is one item: a part of it that was evaluated is forgotten. Raises Cancelled, JobFailed."""
        vision = self._loaded.vision
        if vision is None:
            raise JobFailed("unsupported", "no_vision: the model was loaded without its vision part")
        if cells_of(self.items) + picture.cells > self._loaded.cells:
            return False
        rows = vision.embed(picture, cancelled)
        if not self.decode_rows(rows, picture, cancelled):
            return False
        self.items.append(picture)
        self._position += picture.positions
        return True

    def decode_rows(self, rows: Embeddings, picture: Picture, cancelled: Callable[[], bool]) -> bool:
        """Evaluate a picture's embeddings at the current position, which stays. Raises Cancelled, JobFailed."""
        size = self._loaded.batch
        places = _places(picture, self._position)
        for start in range(0, picture.cells, size):
            if cancelled():
                self._truncate(len(self.items))
                raise Cancelled
            part = np.ascontiguousarray(rows[start : start + size])
            place = np.ascontiguousarray(places[:, start : start + size])
            batch: Any = native.llama_batch()
            batch.n_tokens = len(part)
            batch.embd = part.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            batch.pos = place.ctypes.data_as(ctypes.POINTER(native.llama_pos))
            if not self._decode(batch):
                return False
        return True

    def _decode(self, batch: Any) -> bool:
        code = native.llama_decode(self._loaded.context, batch)
        if code == 0:
            return True
        # Finished micro-batches of an aborted batch stay in the KV cache: forget what is beyond our own count.
        self._truncate(len(self.items))
        if code == ABORTED:
            raise Cancelled
        if code == NO_CELLS:
            return False
        kind, message = llama_load.log.failure(f"llama_decode returned {code}")
        raise JobFailed("out_of_memory" if kind == "out_of_memory" or code == -2 else "crashed", message)


def _parts(items: list[Item], batch: int) -> Iterator[list[int] | Picture]:
    """Pictures alone, tokens in runs of at most ``batch``."""
    run: list[int] = []
    for item in items:
        if isinstance(item, Picture) or len(run) == batch:
            if run:
                yield run
            run = []
        if isinstance(item, Picture):
            yield item
        else:
            run.append(item)
    if run:
        yield run


def _places(picture: Picture, position: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Time, row, column and an unused fourth position of each cell (``mtmd_helper_image_get_decoder_pos``,
    ``set_position_mrope_2d``): time stands still within a picture."""
    index = np.arange(picture.cells, dtype=np.int32)
    rows, columns = np.divmod(index, np.int32(picture.columns))
    still = np.full_like(index, position)
    return np.stack([still, still + rows, still + columns, np.zeros_like(index)])
