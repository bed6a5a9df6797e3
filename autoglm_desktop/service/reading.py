"""What a request means to the engine: messages, images, and how tokens are chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ..core import protocol
from ..core.protocol import Message, Sampling
from ..usecases.serve_pictures import Image, Part
from .images import read_image
from .schema import (
    MOST_STOPS,
    MOST_TOKENS,
    ChatRequest,
    CompletionRequest,
    PredictRequest,
    Request,
    parse,
    wrong,
)

ROLES = ("system", "user", "assistant")
OTHER_ROLES = {"developer": "system"}
TEXT_PARTS = ("text", "input_text")
IMAGE_PARTS = ("image_url", "input_image", "image")
COMPLETION_TOKENS = 16
"""What OpenAI's completions write where nothing is said."""
MOST_TOP_K = 2**31 - 1
"""More than any vocabulary has, and what the engines' numbers hold."""


@dataclass(frozen=True)
class Asked:
    """A request as far as generating is concerned. ``dropped``: images of older turns, which are not shown."""

    messages: tuple[Message, ...]
    sampling: Sampling
    stream: bool = False
    include_usage: bool = False
    images: tuple[Image, ...] = ()
    dropped: int = 0


Reader: TypeAlias = Callable[[object, int | None, Sampling], Asked]
"""(the JSON of a body, the context of the loaded model where one is, how that samples where nothing is said) → what is
asked. Raises ApiError (400)."""
USUAL = Sampling()


def chat(data: object, context: int | None, own: Sampling = USUAL) -> Asked:
    """OpenAI's chat completions.

    Behind an assistant message a new one begins, as OpenAI has it; an empty one asks the engine for that.
    """
    request = parse(ChatRequest, data)
    reading = _Reading(request.messages)
    messages = tuple(reading.message(index, item) for index, item in enumerate(request.messages))
    if messages[-1].role == "assistant" and not request.continue_final_message:
        messages = (*messages, Message("assistant", ""))
    limit = request.max_completion_tokens or request.max_tokens or context
    return Asked(
        messages, _sampling(request, limit, own), bool(request.stream), request.include_usage,
        tuple(reading.images), reading.dropped,
    )  # fmt: skip


def completion(data: object, _context: int | None, own: Sampling = USUAL) -> Asked:
    """OpenAI's completions: one text."""
    request = parse(CompletionRequest, data)
    prompt = request.prompt[0] if _is_one_text(request.prompt) else request.prompt
    if not isinstance(prompt, str):
        raise wrong(
            "prompt", "a text, or a list with one, is expected; tokens and several texts are not offered."
        )
    if not prompt:
        raise wrong("prompt", "it is empty.")
    messages = (Message(protocol.RAW, clean(prompt)),)
    limit = request.max_tokens or COMPLETION_TOKENS
    return Asked(messages, _sampling(request, limit, own), bool(request.stream), request.include_usage)


def predict(data: object, context: int | None, own: Sampling = USUAL) -> Asked:
    """One question through the model's chat template."""
    request = parse(PredictRequest, data)
    if not request.text:
        raise wrong("text", "it is empty.")
    limit = min(request.max_tokens or context or MOST_TOKENS, MOST_TOKENS)
    return Asked((Message("user", clean(request.text)),), replace(own, max_tokens=limit))


def clean(text: str) -> str:
    """Half a character (a lone surrogate, which JSON can hold) becomes a question mark: no engine can be told it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _is_one_text(prompt: str | list[Any]) -> bool:
    return isinstance(prompt, list) and len(prompt) == 1


_GIVEN = ("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "seed")


def _sampling(request: Request, limit: int | None, own: Sampling) -> Sampling:
    """How to choose tokens: as asked, else as the model does by itself. Without a limit of its own the engine's room is
    the limit, which it always cuts to."""
    given = {name: value for name in _GIVEN if (value := getattr(request, name)) is not None}
    if "top_k" in given:
        given["top_k"] = min(max(given["top_k"], 0), MOST_TOP_K)  # -1 is vLLM's "off"
    most = min(limit or MOST_TOKENS, MOST_TOKENS)
    return replace(own, max_tokens=most, stop=_stops(request.stop), json_schema=_format(request), **given)


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > MOST_STOPS:
        raise wrong("stop", f"at most {MOST_STOPS} strings are taken.")
    return tuple(clean(text) for text in stops if text)


def _format(request: Request) -> str | None:
    """The schema that the answer is held to, as JSON. Raises ApiError (400)."""
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return "{}"
    if wanted.json_schema is None:
        raise wrong("response_format.json_schema", "the schema is missing.")
    try:
        return clean(json.dumps(wanted.json_schema.schema_ or {}, ensure_ascii=False))
    except RecursionError:
        raise wrong("response_format.json_schema.schema", "it is nested too deeply.") from None


class _Reading:
    """Messages one after the other. Images are taken of the newest user message alone."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        users = (place for place, item in enumerate(items) if item.get("role") == "user")
        self._newest = max(users, default=-1)
        self.images: list[Image] = []
        self.dropped = 0

    def message(self, index: int, item: dict[str, Any]) -> Message:
        where = f"messages.{index}"
        role = item.get("role")
        if not isinstance(role, str) or (role := OTHER_ROLES.get(role, role)) not in ROLES:
            raise wrong(f"{where}.role", f"one of {', '.join((*ROLES, *OTHER_ROLES))} is expected.")
        return Message(role, self._content(index, item.get("content"), f"{where}.content"))

    def _content(self, index: int, content: object, where: str) -> str | list[Part]:
        if content is None or isinstance(content, str):
            return clean(content or "")
        if not isinstance(content, list):
            raise wrong(where, "a string or a list of parts is expected.")
        parts = [self._part(index, part, f"{where}.{place}") for place, part in enumerate(content)]
        found = [part for part in parts if part is not None]
        texts = [part for part in found if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(found) else found

    def _part(self, index: int, part: object, where: str) -> Part | None:
        if isinstance(part, str):
            return clean(part)
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, dict) and kind in IMAGE_PARTS:
            image = read_image(part, where)
            if index != self._newest:
                self.dropped += 1
                return None
            self.images.append(image)
            return image
        if not isinstance(part, dict) or kind not in TEXT_PARTS or not isinstance(part.get("text"), str):
            raise wrong(where, "a part of type text with its text, or of type image_url, is expected.")
        return clean(part["text"])
