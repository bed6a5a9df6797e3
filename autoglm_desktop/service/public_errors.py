"""What clients are told of an expected failure: never a path, a trace or a prompt.

The sentences of ``texts.errors`` are for who sits at this machine and name its files; a client gets only what stands
here, filled with values that can't hold more than they say (``_safe``). A code that isn't here gets a general sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core.errors import AppError, Reason
from ..i18n import N_, _
from ..texts.rungs import RUNGS, rung_text

NO_VISION = "no_vision"
BAD_IMAGE = "bad_picture"


@dataclass(frozen=True)
class Public:
    """``code``: as the API calls it (None: as the AppError does). ``less``: where a value of ``sentence`` is not
    known."""

    status: int
    sentence: str
    code: str | None = None
    param: str | None = None
    less: str | None = None


_BUSY_VALUES = N_("Too many requests are waiting; try again in {wait} s.")
_NO_PROJECTOR = N_(
    "The model that is served cannot look at images here: its vision part (mmproj) is missing. Get it on the machine "
    "that serves, or send text only."
)
_NOT_BY_THIS_FILE = N_(
    "The model that is served cannot look at images here: this form of it has no working vision part. Serve another "
    "one, or send text only."
)
_NOT_LOADED = N_(
    "The model was loaded without its vision part (mmproj), so it cannot look at images: send text only, or have it "
    "served in another way (--rung)."
)
_TEXT_MODEL = N_("The model that is served is a text model: it cannot look at images. Send text only.")
_CONTEXT = N_(
    "The conversation no longer fits the context: shorten it, or have the model served with a larger one."
)
_NO_ROOM = N_(
    "The context of the model leaves too little room for the images beside the text and the reply: send fewer or less "
    "text."
)
_FAILED = N_("The model could not be loaded on the machine that serves.")

TABLE: dict[str, Public] = {
    # the request's fault
    "context_full": Public(
        400, N_("The conversation no longer fits the context: it takes {tokens} tokens, and {room_tokens} fit."),
        "context_length_exceeded", "messages", _CONTEXT,
    ),
    "no_vision": Public(400, _NOT_LOADED, NO_VISION, "messages"),
    "no_vision_loaded": Public(
        400,
        N_(
            "{rung} runs the model without its vision part (mmproj), so it cannot look at images: send text only, or "
            "have it served in another way (--rung)."
        ),
        NO_VISION, "messages", _NOT_LOADED,
    ),
    "image_needs_projector": Public(400, _NO_PROJECTOR, NO_VISION, "messages"),
    "vision_none": Public(400, _TEXT_MODEL, NO_VISION, "messages"),
    "vision_part_missing": Public(400, _NO_PROJECTOR, NO_VISION, "messages"),
    "vision_part_to_pull": Public(
        400,
        N_(
            "The model that is served cannot look at images here: its vision part (mmproj) is missing. Get it on the "
            "machine that serves with: autoglm-desktop pull {model}"
        ),
        NO_VISION, "messages", _NO_PROJECTOR,
    ),
    "vision_part_damaged": Public(
        400,
        N_(
            "The model that is served cannot look at images: the file of its vision part (mmproj) is damaged. Get it "
            "again on the machine that serves."
        ),
        NO_VISION, "messages",
    ),
    "bad_picture": Public(400, N_("The image cannot be read; send it again."), BAD_IMAGE, "messages"),
    "picture_unknown": Public(
        400, N_("This is no image that can be read here: PNG, JPEG, WebP, BMP and GIF can."), BAD_IMAGE, "messages"
    ),
    "picture_damaged": Public(400, N_("The image is damaged or not complete."), BAD_IMAGE, "messages"),
    "picture_too_large": Public(
        400, N_("The image has {megapixels} megapixels, more than the {most} that are read here."),
        "image_too_large", "messages", N_("The image has more pixels than are read here."),
    ),
    "picture_too_narrow": Public(
        400,
        N_("An image of {width} × {height} pixels is too long and narrow: one side may be {ratio} times the other."),
        BAD_IMAGE, "messages", N_("The image is too long and narrow."),
    ),
    "picture_no_room": Public(400, _NO_ROOM, "context_length_exceeded", "messages"),
    "pictures_no_room": Public(
        400,
        N_(
            "The context of {tokens} tokens leaves too little room for the images ({count}) beside the text and the "
            "reply: send fewer or less text."
        ),
        "context_length_exceeded", "messages", _NO_ROOM,
    ),
    "image_too_large": Public(
        400, N_("The image is larger than what the model has room for; send a smaller one."), None, "messages"
    ),
    "request_refused": Public(
        400,
        N_(
            "The engine or its chat template refused the request: its messages come in an order or a form that this "
            "model does not know."
        ),
    ),
    "no_grammar": Public(
        400,
        N_(
            "response_format needs a grammar, and the way in which this model runs has none (llama.cpp has): ask in "
            "words, or have the model served in another way (--rung)."
        ),
        None, "response_format",
    ),
    "bad_schema": Public(
        400, N_("No answer can be held to the schema in response_format: {why}."), None, "response_format",
        N_("The schema in response_format cannot be made into a grammar; make it simpler."),
    ),
    # not now
    "service_busy": Public(429, _BUSY_VALUES, less=N_("Too many requests are waiting; try again later.")),
    "queue_timeout": Public(
        503, N_("The request waited for its turn too long; try again in {wait} s."),
        less=N_("The request waited for its turn too long; try again later."),
    ),
    "service_ending": Public(503, N_("The service is ending.")),
    "answer_stopped": Public(503, N_("The answer was stopped on the machine that serves; ask again.")),
    "model_loading": Public(503, N_("The model is still being loaded; try again in a moment.")),
    "no_model_loaded": Public(503, N_("No model is loaded, and none is chosen to be loaded.")),
    "nothing_fits": Public(503, N_("The model does not fit on the machine that serves.")),
    "every_rung_crashed": Public(503, _FAILED),
    "no_rung_worked": Public(503, _FAILED),
    "locked_rung_failed": Public(503, _FAILED),
    "model_failed": Public(503, _FAILED),
    "file_refused": Public(503, _FAILED),
    "engine_died": Public(503, N_("The model's engine ended in the middle; ask again: it is started again.")),
    "gpu_lost": Public(503, N_("The graphics card was lost in the middle; ask again: the model is loaded again.")),
    "nothing_smaller": Public(503, N_("The memory does not suffice for this answer, and there is no smaller way.")),
    "answer_out_of_memory": Public(
        503, N_("The memory ran out in the middle; ask again: the model is loaded with settings that need less.")
    ),
    "engine_freed": Public(503, N_("The model was unloaded in the middle; ask again: it is loaded again.")),
    "picture_no_memory": Public(503, N_("The memory of the machine that serves does not suffice for the image.")),
}  # fmt: skip
"""Every code that clients are told in words of its own."""

_GENERAL = N_("The model cannot answer now; the code says why.")
_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?(?::[\w.-]+)?", re.ASCII)
_COUNTS = re.compile(r"([0-9]+) prompt tokens, ([0-9]+) in the context")
_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\|(?<![#\w/])/")  # not the /a of #/a
_PART = re.compile(r"messages\.[0-9]+\.content\.[0-9]+")


def public(error: AppError) -> Public:
    """What is told of a failure, its sentence filled in the language of this process."""
    found = TABLE.get(error.code) or _other(error.code)
    where = error.values.get("where")
    param = where if isinstance(where, str) and _PART.fullmatch(where) else found.param
    sentence = _(found.sentence)
    values = _values(error)
    try:
        text = sentence.format(**values)
    except KeyError:
        text = _(found.less or _GENERAL)
    return Public(found.status, text, found.code or error.code, param)


def _other(code: str) -> Public:
    if code.startswith(
        ("vision_", "projector_")
    ):  # why the files that are there don't see (core.gguf_vision)
        return Public(400, _NOT_BY_THIS_FILE, NO_VISION, "messages")
    return Public(503, _GENERAL)


def _values(error: AppError) -> dict[str, str]:
    """Of the error's values those that are nothing but numbers and names."""
    found = {key: text for key, value in error.values.items() if (text := _safe(key, value)) is not None}
    detail = error.values.get("detail")
    if isinstance(detail, Reason) and detail.code == "context_tokens":
        numbers = detail.as_dict()
        found |= {key: str(number) for key, number in numbers.items() if isinstance(number, int)}
    elif isinstance(detail, str) and (counted := _COUNTS.fullmatch(detail)):
        found |= {"tokens": counted[1], "room_tokens": counted[2]}
    elif error.code == "bad_schema" and isinstance(detail, str) and not _PATH.search(detail):
        found["why"] = detail  # core.json_schema's words, with pieces of the client's own schema
    return found


def _safe(key: str, value: object) -> str | None:
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return None
    if key == "rung":
        return rung_text(value) if value in RUNGS else None
    if key == "model":
        return value if _NAME.fullmatch(value) else None
    return value if key == "wait" and value.isdecimal() else None
