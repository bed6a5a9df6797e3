"""What requests may say: their fields, with limits. Unknown fields are ignored; what can't be kept is refused by name.

``reading.py`` says what they mean to the engine, ``openapi.py`` describes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import ApiError

MOST_STOPS = 16


def _whole(value: object) -> object:
    """3000.0 is a whole number, as JSON Schema has it and some clients send it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
MOST_TOKENS = 2**31 - 1
"""Beyond any context; the engine cuts to the room left."""


def _no_limit(value: object) -> object:
    """-1 is how LM Studio and llama.cpp write that there is none."""
    return MOST_TOKENS if value == -1 and not isinstance(value, bool) else value


Tokens = Annotated[int, Field(ge=1), BeforeValidator(_whole), BeforeValidator(_no_limit)]


class Fields(BaseModel):
    """Of the kind that JSON has: no "5" for 5, as OpenAI has it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class StreamOptions(Fields):
    include_usage: bool | None = None


class JsonSchema(Fields):
    name: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")


class ResponseFormat(Fields):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Request(Fields):
    """What all routes that generate understand: of OpenAI's fields, and vLLM's ``top_k`` and ``min_p``."""

    model: Any = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Whole | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    seed: Whole | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: str | list[str] | None = None
    n: Whole | None = None
    logit_bias: dict[str, Any] | None = None
    response_format: ResponseFormat | None = None

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class ChatRequest(Request):
    """OpenAI's chat completions; ``continue_final_message`` is vLLM's. Messages are read in ``reading``."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_completion_tokens: Tokens | None = None
    continue_final_message: bool | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    logprobs: bool | None = None
    top_logprobs: Whole | None = None
    audio: Any = None
    modalities: list[str] | None = None
    web_search_options: Any = None


class CompletionRequest(Request):
    """OpenAI's completions: a text that is continued as it stands."""

    prompt: str | list[Any]
    best_of: Whole | None = None
    echo: bool | None = None
    suffix: str | None = None
    logprobs: bool | Whole | None = None


class PredictRequest(Fields):
    """One question, one answer."""

    text: str
    max_tokens: Tokens | None = None


def _one(value: object) -> bool:
    return value in (None, 1)


def _nothing(value: object) -> bool:
    return not value


def _absent(value: object) -> bool:
    return value is None


def _words(value: object) -> bool:
    return value is None or value == ["text"]


_TOOLS = "calling tools is not offered; describe them in the messages."
_CHANCES = "the probabilities of tokens are not offered."
UNSUPPORTED: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("n", _one, "only one answer per request is offered."),
    ("best_of", _one, "only one answer per request is offered."),
    ("tools", _nothing, _TOOLS),
    ("functions", _nothing, _TOOLS),
    ("logprobs", lambda value: value is None or value is False, _CHANCES),
    ("top_logprobs", _nothing, _CHANCES),
    ("logit_bias", _nothing, "changing the probabilities of single tokens is not offered."),
    ("audio", _absent, "only text is answered."),
    ("modalities", _words, "only text is answered."),
    ("web_search_options", _absent, "searching the web is not offered."),
    ("echo", _nothing, "the prompt is not repeated in the answer."),
    ("suffix", _nothing, "inserting text before a suffix is not offered."),
)
"""(field, whether its value asks for nothing, what is said otherwise)"""

Model = TypeVar("Model", bound=Fields)


def parse(kind: type[Model], data: object) -> Model:
    """A request from its JSON. Raises ApiError (400), naming the field."""
    if not isinstance(data, dict):
        raise ApiError(400, "The body must be a JSON object.", code="invalid_json")
    try:
        request = kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = _place(first["loc"], data, missing=first["type"] == "missing")
        raise wrong(place, first["msg"]) from None
    for name, harmless, why in UNSUPPORTED:
        if not harmless(getattr(request, name, None)):
            raise ApiError(400, f"{name}: {why}", code="unsupported_value", param=name)
    return request


def _place(steps: tuple[int | str, ...], data: object, *, missing: bool) -> str:
    """The field by its names in the JSON: behind one that may be of several types stands which of them was tried."""
    found: list[str] = []
    for step in steps:
        if isinstance(data, dict) and (missing or step in data):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
        else:
            break
        found.append(str(step))
    return ".".join(found)


def wrong(where: str, what: str) -> ApiError:
    return ApiError(400, f"{where}: {what}", code="invalid_value", param=where)
