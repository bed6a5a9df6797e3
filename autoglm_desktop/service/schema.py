"""What a chat request may say, and what it means to the engine. Unknown fields are ignored."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import ServiceError
from ..core.protocol import Message, Sampling
from .errors import ApiError, from_app_error

ROLES = ("system", "user", "assistant")
OTHER_ROLES = {"developer": "system"}
IMAGE_PARTS = ("image_url", "input_image", "image")
MAX_STOPS = 16


class StreamOptions(BaseModel):
    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """The fields of OpenAI's chat completions that are understood, and vLLM's ``top_k``, ``min_p`` and
    ``continue_final_message``."""

    model_config = ConfigDict(allow_inf_nan=False)

    messages: list[dict[str, Any]] = Field(min_length=1)
    model: Any = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = None
    stop: str | list[str] | None = None
    continue_final_message: bool | None = None
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)


def parse(data: object) -> ChatRequest:
    """A request from its JSON. Raises ApiError (400)."""
    if not isinstance(data, dict):
        raise ApiError(400, "The body must be a JSON object.", code="invalid_json")
    try:
        request = ChatRequest.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(item) for item in first["loc"])
        raise ApiError(400, f"{where}: {first['msg']}", code="invalid_value", param=where) from None
    if request.n not in (None, 1):
        raise ApiError(400, "n: only one answer per request is offered.", code="unsupported_value", param="n")
    for name in ("tools", "functions"):
        if getattr(request, name):
            text = f"{name}: calling tools is not offered; describe them in the messages."
            raise ApiError(400, text, code="unsupported_value", param=name)
    return request


def messages_of(request: ChatRequest) -> tuple[Message, ...]:
    """The conversation with text parts joined. Raises ApiError (400), for an image naming what is missing.

    Behind an assistant message a new one begins, as OpenAI has it; an empty one asks the engine for that.
    """
    messages = tuple(_message(index, item) for index, item in enumerate(request.messages))
    if messages[-1].role == "assistant" and not request.continue_final_message:
        return (*messages, Message("assistant", ""))
    return messages


def sampling_of(request: ChatRequest, context: int | None) -> Sampling:
    """How to choose tokens. Without ``max_tokens`` the context is the limit; the engine cuts to the room left."""
    given = {
        name: value
        for name in (
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "frequency_penalty",
            "presence_penalty",
            "seed",
        )
        if (value := getattr(request, name)) is not None
    }
    if given.get("top_k") == -1:  # vLLM's "off"
        given["top_k"] = 0
    limit = request.max_completion_tokens or request.max_tokens or context or Sampling.max_tokens
    return Sampling(max_tokens=limit, stop=_stops(request.stop), **given)


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > MAX_STOPS:
        text = f"stop: at most {MAX_STOPS} strings are taken."
        raise ApiError(400, text, code="invalid_value", param="stop")
    return tuple(text for text in stops if text)


def _message(index: int, item: dict[str, Any]) -> Message:
    where = f"messages.{index}"
    role = item.get("role")
    if not isinstance(role, str) or (role := OTHER_ROLES.get(role, role)) not in ROLES:
        text = f"{where}.role: one of {', '.join((*ROLES, *OTHER_ROLES))} is expected."
        raise ApiError(400, text, code="invalid_value", param=f"{where}.role")
    return Message(role, _text(item.get("content"), f"{where}.content"))


def _text(content: object, where: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        text = f"{where}: a string or a list of parts is expected."
        raise ApiError(400, text, code="invalid_value", param=where)
    return "".join(_part(part, f"{where}.{index}") for index, part in enumerate(content))


def _part(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in IMAGE_PARTS:
        missing = from_app_error(ServiceError("image_needs_projector"))
        raise ApiError(400, missing.message, code="no_vision", param=where)
    if (
        not isinstance(part, dict)
        or kind not in ("text", "input_text")
        or not isinstance(part.get("text"), str)
    ):
        text = f"{where}: a part of type text with its text is expected."
        raise ApiError(400, text, code="invalid_value", param=where)
    return str(part["text"])
