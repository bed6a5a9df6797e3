"""The body of a chat request, and what a refusal of it means. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .protocol import Message, Sampling
from .remote import Endpoint, RemoteError
from .remote_stream import error_text, shorten

OPTIONAL = ("stream_options", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty", "stop")
"""What a server may not know. Where its refusal names one of them, the request goes without it: a server of
transformers refuses top_k, OpenAI's own refuses min_p."""
RENAMED = {"max_tokens": "max_completion_tokens"}
"""What newer models of OpenAI want instead."""
CONTEXT_WORDS = ("context length", "context size", "context window", "maximum context", "too many tokens")
MODEL_MISSING = ("model_not_found", "does not exist", "not found", "no such model", "unknown model")
PICTURE_WORDS = (
    "image", "multimodal", "multi-modal", "vision", "mmproj", "picture", "must be a string", "valid string",
)  # fmt: skip


def body_of(
    endpoint: Endpoint,
    messages: Sequence[Message],
    sampling: Sampling,
    data_uri: Callable[[dict[str, Any]], str],
    *,
    stream: bool = True,
) -> dict[str, Any]:
    """The request. ``data_uri`` makes an address of a prepared picture's part."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": one.role, "content": _content(one.content, data_uri)} for one in messages],
        "stream": stream,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
    }
    if stream:
        body["stream_options"] = {"include_usage": True}
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    return body


def _content(content: Any, data_uri: Callable[[dict[str, Any]], str]) -> Any:
    """Text as it is; parts in their order. Text alone in parts becomes text: not every server takes parts."""
    if isinstance(content, str):
        return content
    if all(part["type"] == "text" for part in content):
        return "".join(part["text"] for part in content)
    return [
        {"type": "image_url", "image_url": {"url": data_uri(part)}}
        if part["type"] == "image"
        else {"type": "text", "text": part["text"]}
        for part in content
    ]


def without_unknown(body: dict[str, Any], said: str) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The request without what a refusal names, and the names; None where it names nothing that could be left out."""
    for old, new in RENAMED.items():
        if old in body and new in said:
            return {**{key: value for key, value in body.items() if key != old}, new: body[old]}, ()
    named = tuple(key for key in OPTIONAL if key in body and key in said)
    if not named:
        return None
    return {key: value for key, value in body.items() if key not in named}, named


def refusal(
    endpoint: Endpoint,
    status: int,
    body: object,
    *,
    with_key: bool,
    pictures: bool = False,
    wait_s: float | None = None,
) -> RemoteError:
    """What an HTTP status other than 200 means. ``wait_s``: of Retry-After; ``pictures``: some were sent."""
    said = shorten(error_text(body))
    low = said.lower()
    name = endpoint.name

    def error(code: str, **values: object) -> RemoteError:
        return RemoteError(code, name=name, **values)

    if status == 401:
        return error("remote_key_refused" if with_key else "remote_key_needed")
    if status == 403:
        return error("remote_forbidden", detail=said or "HTTP 403")
    if status == 407:
        return error("proxy_needs_password")
    if status in (404, 400) and "model" in low and any(word in low for word in MODEL_MISSING):
        return error("remote_model_gone", model=endpoint.model)
    if status in (404, 405, 410):
        return error("remote_no_route", address=endpoint.url)
    if status == 429:
        return (
            error("remote_busy", wait=math.ceil(wait_s))
            if wait_s is not None
            else error("remote_busy_unknown")
        )
    if any(word in low for word in CONTEXT_WORDS):
        return error("remote_context_full", detail=said)
    if pictures and any(word in low for word in PICTURE_WORDS):
        return error("remote_no_pictures", detail=said)
    if status == 413:
        return error("remote_too_large")
    if status == 503:
        return error("remote_not_ready", detail=said or "HTTP 503")
    if status >= 500:
        return error("remote_trouble", status=status, detail=said or f"HTTP {status}")
    return error("remote_refused", status=status, detail=said or f"HTTP {status}")
