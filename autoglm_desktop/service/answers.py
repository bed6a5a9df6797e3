"""Answers in OpenAI's shapes: whole and in pieces."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from ..core.protocol import Done, Usage

KEEP_ALIVE = b": keep-alive\n\n"
END = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Labels:
    """What all pieces of one answer carry. ``model`` is the one that answers, whatever name was asked for."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))


def chunk(
    labels: Labels, delta: dict[str, str] | None, finish: str | None = None, usage: Usage | None = None
) -> bytes:
    """One piece as a server-sent event. ``delta`` None: the piece that carries the usage alone."""
    choices = (
        [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}] if delta is not None else []
    )
    return event(
        {
            "id": labels.id,
            "object": "chat.completion.chunk",
            "created": labels.created,
            "model": labels.model,
            "choices": choices,
            **({"usage": usage_of(usage)} if usage is not None else {}),
        }
    )


def event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


def completion(labels: Labels, text: str, done: Done) -> dict[str, Any]:
    """A whole answer."""
    message = {"role": "assistant", "content": text.encode("utf-8", "replace").decode(), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(done)}
    return {
        "id": labels.id,
        "object": "chat.completion",
        "created": labels.created,
        "model": labels.model,
        "choices": [choice],
        "usage": usage_of(done.usage),
    }


def finish_reason(done: Done) -> str:
    """``stop`` or ``length``; an answer stopped here by the user counts as stopped."""
    return "length" if done.finish_reason == "length" else "stop"


def usage_of(usage: Usage) -> dict[str, Any]:
    """Token counts; ``dropped_messages`` (ours) only where old turns no longer fitted the context."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        **({"dropped_messages": usage.dropped_messages} if usage.dropped_messages else {}),
    }
