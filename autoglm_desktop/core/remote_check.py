"""What a test of a server has found: one value for each question. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import AppError

REACHED, KEY, MODEL, STREAMS, PICTURES = QUESTIONS = ("reached", "key", "model", "streams", "pictures")

FINE, KEY_REFUSED, UNREACHABLE, NOT_OPENAI, TROUBLE = (
    "fine",
    "key_refused",
    "unreachable",
    "not_openai",
    "trouble",
)
"""What it comes to."""
_KEY_CODES = ("remote_key_refused", "remote_key_needed", "remote_key_gone", "remote_forbidden")
_FAR_CODES = (
    "remote_unreachable", "remote_no_answer", "remote_proxy", "proxy_needs_password", "remote_certificate",
    "remote_not_tls", "remote_tls", "remote_hung_up",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """``status``: ok, warn, fail or unknown. ``code`` with ``values``: a sentence of ``texts.remote``; ``error``: what
    the server or the way to it said."""

    question: str
    status: str
    code: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    error: AppError | None = None


def kind_of(error: AppError) -> str:
    """What an error of a server comes to."""
    if error.code in _KEY_CODES:
        return KEY_REFUSED
    if error.code in _FAR_CODES:
        return UNREACHABLE
    return (
        NOT_OPENAI if error.code in ("remote_not_openai", "remote_no_route", "remote_redirects") else TROUBLE
    )


def verdict(findings: tuple[Finding, ...]) -> str:
    """What a whole test comes to: the first thing that stands in the way."""
    errors = [one.error for one in findings if one.status == "fail" and one.error is not None]
    if errors:
        return kind_of(errors[0])
    return TROUBLE if any(one.status == "fail" for one in findings) else FINE
