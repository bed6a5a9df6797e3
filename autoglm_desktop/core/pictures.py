"""How large a picture is shown to a model, in pixels and in tokens. Pure.

The rule is that of the Glm4v processor (transformers 5.23.0, ``smart_resize`` of models/glm4v): what the models were
trained on. llama.cpp would letterbox instead, which moves every place on the screen, so both backends get pictures that
were made fitting here (docs/numbers.md, section 5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import AppError
from .gguf_vision import CELL_PIXELS

FRAMES = 2
"""The processor counts a still picture as two frames of a film."""
LEAST_PIXELS = 112 * 112
"""Of both frames; smaller pictures are enlarged (the processor's ``shortest_edge``)."""
MOST_TOKENS = 6144
"""``max_pixels`` of ``smart_resize``: 14 · 14 · 2 · 2 · 2 · 6144 pixels of both frames, also GLM-4.1V's own setting."""
LONGEST_RATIO = 200
"""Beyond this ratio of its sides the processor refuses a picture."""
MOST_MEGAPIXELS = 100
"""Of a picture as it lies in its file. 100 megapixels are 300 MB when decoded; no screenshot comes near."""

REPLY_TOKENS = 1024
"""What a picture leaves free for the reply, where the reply may be longer."""
TEMPLATE_TOKENS = 64
"""Around a message: its roles and marks, with some to spare."""
BYTES_PER_TOKEN = 3
"""Of a prompt in UTF-8, on the safe side: prose has 4 or more, in Chinese and in English."""


@dataclass(frozen=True)
class PictureSize:
    """Pixels; both sides are multiples of 28, as the engine protocol wants them."""

    width: int
    height: int

    @property
    def tokens(self) -> int:
        """Cells of the context that it takes, as both backends count."""
        return (self.width // CELL_PIXELS) * (self.height // CELL_PIXELS)


def shown_size(width: int, height: int, most_tokens: int = MOST_TOKENS) -> PictureSize:
    """The size at which a picture of ``width`` × ``height`` pixels is shown.

    Raises AppError: picture_too_narrow. ValueError where no token may be used.
    """
    if most_tokens < 1:
        raise ValueError(f"a picture in {most_tokens} tokens")
    if max(width, height) > LONGEST_RATIO * min(width, height):
        raise AppError("picture_too_narrow", width=width, height=height, ratio=LONGEST_RATIO)
    if min(width, height) < CELL_PIXELS:
        scale = CELL_PIXELS / min(width, height)
        width, height = int(width * scale), int(height * scale)
    most = min(most_tokens, MOST_TOKENS) * CELL_PIXELS**2 * FRAMES
    columns, rows = (max(1, round(side / CELL_PIXELS)) for side in (width, height))
    pixels = FRAMES * columns * rows * CELL_PIXELS**2
    if pixels > most:
        scale = math.sqrt(FRAMES * width * height / most)
        columns, rows = (max(1, math.floor(side / scale / CELL_PIXELS)) for side in (width, height))
    elif pixels < LEAST_PIXELS:
        scale = math.sqrt(LEAST_PIXELS / (FRAMES * width * height))
        columns, rows = (math.ceil(side * scale / CELL_PIXELS) for side in (width, height))
    columns, rows = _cut(columns, rows, min(most_tokens, MOST_TOKENS))
    return PictureSize(columns * CELL_PIXELS, rows * CELL_PIXELS)


def room_for_picture(context: int, proven: int | None, prompt: str, reply_tokens: int) -> int:
    """Tokens that one picture may take: those of the largest one that loading has proven (None: all), and what prompt
    and reply leave of the context."""
    return min(room_left(context, prompt, reply_tokens), MOST_TOKENS if proven is None else proven)


def room_left(context: int, prompt: str, reply_tokens: int) -> int:
    """Tokens that prompt and reply leave of the context. The prompt's are guessed: only the engine can count them."""
    words = len(prompt.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN + TEMPLATE_TOKENS
    return max(0, context - words - min(reply_tokens, REPLY_TOKENS))


def shares(wants: Sequence[int], room: int) -> tuple[int, ...]:
    """What each of several pictures gets of a room in tokens: what it wants where all do; else small ones what they
    want, and the rest as much as each other."""
    found = [0] * len(wants)
    for done, place in enumerate(sorted(range(len(wants)), key=lambda place: wants[place])):
        found[place] = min(wants[place], room // (len(wants) - done))
        room -= found[place]
    return tuple(found)


def _cut(columns: int, rows: int, most: int) -> tuple[int, int]:
    """Where rounding a long, narrow or tiny picture up went beyond what there is room for: the longer side gives."""
    if columns * rows <= most:
        return columns, rows
    if columns >= rows:
        rows = min(rows, most)
        return most // rows, rows
    columns = min(columns, most)
    return columns, most // columns
