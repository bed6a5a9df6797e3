"""The bodies of requests and answers as JSON Schema (2020-12)."""

from __future__ import annotations

from typing import Any

from .images import KINDS
from .reading import COMPLETION_TOKENS, IMAGE_PARTS, OTHER_ROLES, ROLES, TEXT_PARTS
from .schema import MOST_STOPS

Schema = dict[str, Any]
IMAGE_FORMAT = "image-data-uri"
"""A data URI of an image file in base64; what the bytes are must be readable."""
MODEL_NAME: Schema = {
    "name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
}  # fmt: skip


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, *required: str, **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def _or_null(schema: Schema, description: str = "") -> Schema:
    """Every field may be null, which is as if it was not there."""
    return {"anyOf": [schema, {"type": "null"}], **({"description": description} if description else {})}


def _number(least: float, most: float | None = None, kind: str = "number") -> Schema:
    return {"type": kind, "minimum": least, **({"maximum": most} if most is not None else {})}


def _only(value: Any, description: str) -> Schema:
    return _or_null({"const": value}, description)


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_WHOLE: Schema = {"type": "integer"}
_TOKENS: Schema = {"anyOf": [_number(1, kind="integer"), {"const": -1}]}
_EMPTY_LIST: Schema = {"type": "array", "maxItems": 0}
_NO_TOOLS = "Calling tools is not offered: anything but an empty list is refused."
_NO_CHANCES = "Probabilities are not offered."
_JSON_SCHEMA = _object({"name": _or_null(_TEXT), "schema": _or_null({"type": "object"})})

_REQUEST: Schema = {
    "model": {"description": "Anything: the loaded model answers, and is named in the answer."},
    "stream": _or_null(_FLAG),
    "stream_options": _or_null(
        _object({"include_usage": _or_null(_FLAG, "A last event with the token counts and no choices.")})
    ),
    "max_tokens": _or_null(_TOKENS, "Cut to the room left in the context; -1: that room."),
    "temperature": _or_null(
        _number(0, 2),
        "0: greedy, the likeliest token always. Not given: as the model's makers do, like all of these.",
    ),
    "top_p": _or_null(_number(0, 1)),
    "top_k": _or_null(_number(-1, kind="integer"), "-1 and 0: off."),
    "min_p": _or_null(_number(0, 1)),
    "frequency_penalty": _or_null(_number(-2, 2), "Counts the tokens of the answer only."),
    "presence_penalty": _or_null(_number(-2, 2), "Counts the tokens of the answer only."),
    "seed": _or_null(_number(-(2**63), 2**63 - 1, "integer")),
    "stop": _or_null({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": MOST_STOPS}]}),
    "n": _only(1, "Only one answer is offered."),
    "logit_bias": _or_null({"type": "object", "maxProperties": 0}, "Not offered."),
    "response_format": _or_null(ref("ResponseFormat"), "Held to by a grammar, which llama.cpp has."),
}

_CHAT: Schema = {
    "messages": {"type": "array", "minItems": 1, "items": ref("Message")},
    "max_completion_tokens": _or_null(_TOKENS, "Goes before max_tokens."),
    "continue_final_message": _or_null(
        _FLAG, "Write the last message on where it is the assistant's (vLLM)."
    ),
    "tools": _or_null(_EMPTY_LIST, _NO_TOOLS),
    "functions": _or_null(_EMPTY_LIST, _NO_TOOLS),
    "logprobs": _only(False, _NO_CHANCES),
    "top_logprobs": _only(0, _NO_CHANCES),
    "audio": {"type": "null", "description": "Only text is answered."},
    "modalities": _only(["text"], "Only text is answered."),
    "web_search_options": {"type": "null", "description": "Searching the web is not offered."},
}

_COMPLETION: Schema = {
    "prompt": {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 1},
        ],
        "description": "One text, continued as it stands: no chat template, nothing taken out of the answer.",
    },
    "max_tokens": _or_null(
        _TOKENS, f"Cut to the room left in the context; -1: that room; {COMPLETION_TOKENS} if not given."
    ),
    "best_of": _only(1, "Only one answer is offered."),
    "echo": _only(False, "The prompt is not repeated."),
    "suffix": _only("", "Not offered."),
    "logprobs": _only(False, _NO_CHANCES),
}

_CHOICE: Schema = {
    "index": _COUNT,
    "logprobs": {"type": "null"},
    "finish_reason": {"enum": ["stop", "length"]},
}
_LABELS: Schema = {"id": _TEXT, "created": _WHOLE, "model": _TEXT}
_REPLY = _object(
    {"role": {"const": "assistant"}, "content": _TEXT, "refusal": {"type": "null"}}, "role", "content"
)
_STREAMED: Schema = _CHOICE | {"finish_reason": _or_null(_CHOICE["finish_reason"])}
_DELTA = _object({"role": {"const": "assistant"}, "content": _TEXT})


def _listed(choice: Schema) -> Schema:
    return {"type": "array", "items": _object(choice, *choice)}


def event(name: str) -> Schema:
    """A server-sent event of a stream: a piece of the answer, the error that ended it, or the end."""
    piece = {"contentMediaType": "application/json", "contentSchema": {"anyOf": [ref(name), ref("Error")]}}
    return _object({"data": {"type": "string", "anyOf": [{"const": "[DONE]"}, piece]}}, "data")


SCHEMAS: dict[str, Schema] = {
    "ChatRequest": _object(_CHAT | _REQUEST, "messages"),
    "CompletionRequest": _object(_REQUEST | _COMPLETION, "prompt"),
    "PredictRequest": _object(
        {"text": {"type": "string", "minLength": 1}, "max_tokens": _or_null(_TOKENS)}, "text"
    ),
    "Message": _object(
        {
            "role": {"enum": [*ROLES, *OTHER_ROLES], "description": "developer is system."},
            "content": {
                "anyOf": [_TEXT, {"type": "null"}, {"type": "array", "items": ref("Part")}],
                "description": "Text parts are joined. Images are shown of the newest user message only.",
            },
        },
        "role",
    ),
    "Part": {"anyOf": [_TEXT, ref("TextPart"), ref("ImagePart")]},
    "TextPart": _object({"type": {"enum": list(TEXT_PARTS)}, "text": _TEXT}, "type", "text"),
    "ImagePart": _object(
        {
            "type": {"enum": list(IMAGE_PARTS)},
            "image_url": {"anyOf": [ref("ImageUrl"), _object({"url": ref("ImageUrl")}, "url")]},
        },
        "type",
        "image_url",
    ),
    "ImageUrl": {
        "type": "string",
        "format": IMAGE_FORMAT,
        "description": f"data:image/…;base64,… of {', '.join(KINDS)}. Links are refused, and never fetched.",
    },
    "ResponseFormat": {
        "anyOf": [
            _object({"type": {"enum": ["text", "json_object"]}, "json_schema": _or_null(_JSON_SCHEMA)}, "type"),
            _object({"type": {"const": "json_schema"}, "json_schema": _JSON_SCHEMA}, "type", "json_schema"),
        ]
    },
    "Usage": _object(
        {
            "prompt_tokens": _COUNT,
            "completion_tokens": _COUNT,
            "total_tokens": _COUNT,
            "prompt_tokens_details": _object({"cached_tokens": _COUNT}),
            "dropped_messages": _COUNT | {"description": "Old messages that no longer fitted the context."},
        },
        "prompt_tokens", "completion_tokens", "total_tokens",
    ),
    "ChatCompletion": _object(
        _LABELS
        | {
            "object": {"const": "chat.completion"},
            "choices": _listed(_CHOICE | {"message": _REPLY}),
            "usage": ref("Usage"),
        },
        "id", "object", "created", "model", "choices", "usage",
    ),
    "ChatCompletionChunk": _object(
        _LABELS
        | {
            "object": {"const": "chat.completion.chunk"},
            "choices": _listed(_STREAMED | {"delta": _DELTA}),
            "usage": _or_null(ref("Usage")),
        },
        "id", "object", "created", "model", "choices",
    ),
    "Completion": _object(
        _LABELS
        | {
            "object": {"const": "text_completion"},
            "choices": _listed(_STREAMED | {"text": _TEXT}),
            "usage": _or_null(ref("Usage")),
        },
        "id", "object", "created", "model", "choices",
    ),
    "Prediction": _object(
        {"text": _TEXT, "usage": ref("Usage"), "finish_reason": _CHOICE["finish_reason"]},
        "text", "usage", "finish_reason",
    ),
    "Model": _object(
        {
            "id": _TEXT,
            "object": {"const": "model"},
            "created": _WHOLE,
            "owned_by": _TEXT,
            "max_model_len": _or_null(_WHOLE, "Tokens of the context; null while it is not loaded."),
        },
        "id", "object", "created", "owned_by",
    ),
    "ModelList": _object(
        {"object": {"const": "list"}, "data": {"type": "array", "items": ref("Model")}}, "object", "data"
    ),
    "Health": _object(
        {
            "status": {"enum": ["UP", "DOWN"]},
            "timestamp": {"type": "string", "format": "date-time"},
            "engine": {"type": "object"},
            "model": _or_null({"type": "object"}),
            "queue": _object({"waiting": _COUNT, "answering": _COUNT, "bound": _COUNT, "requests": {"type": "array"}}),
            "memory": {"type": "object", "additionalProperties": _COUNT, "description": "Bytes by device."},
        },
        "status", "timestamp",
        description="Without the key only status and timestamp.",
    ),
    "Root": _object(
        dict.fromkeys(("name", "version", "api", "documentation", "openapi", "health"), _TEXT)
        | {"model": _or_null(_TEXT)},
        "name", "version", "model",
    ),
    "Error": _object(
        {
            "error": _object(
                {"message": _TEXT, "type": _TEXT, "param": _or_null(_TEXT), "code": _TEXT},
                "message", "type", "param", "code",
            )
        },
        "error",
    ),
}  # fmt: skip
