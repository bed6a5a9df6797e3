"""Refusals in OpenAI's shape: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

import logging
from typing import Any

from starlette.responses import JSONResponse

from ..core.errors import AppError
from ..usecases.serve import RETRY_LOADING_S
from .public_errors import public

log = logging.getLogger(__name__)
TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error",
}  # fmt: skip
RETRIED = (429, 503)
"""Statuses that come with Retry-After."""


class ApiError(Exception):
    """A refused request. ``retry_s`` becomes Retry-After."""

    def __init__(
        self, status: int, message: str, *, code: str, param: str | None = None, retry_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_s = retry_s

    def body(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self, headers: dict[str, str] | None = None) -> JSONResponse:
        found = dict(headers or {})
        if self.retry_s is not None:
            found["Retry-After"] = str(self.retry_s)
        if self.status == 401:
            found["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body(), self.status, found)


def from_app_error(error: AppError, retry_s: int | None = None) -> ApiError:
    """What an expected failure is to a client (``public_errors``). Its own ``retry_s`` goes first."""
    told = public(error)
    own = getattr(error, "retry_s", None)
    seconds = own or retry_s or RETRY_LOADING_S
    again = seconds if told.status in RETRIED else None
    return ApiError(told.status, told.sentence, code=told.code or error.code, param=told.param, retry_s=again)


def as_api_error(error: AppError | ApiError) -> ApiError:
    return error if isinstance(error, ApiError) else from_app_error(error)


def unexpected() -> ApiError:
    """For a bug: nothing of it is told."""
    return ApiError(
        500, "An unexpected error happened; the log has the details.", code="internal_error", retry_s=None
    )
