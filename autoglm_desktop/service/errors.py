"""Refusals in OpenAI's shape: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from ..core.errors import AppError
from ..texts import errors as texts
from ..usecases.serve import RETRY_LOADING_S, Busy

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
REFUSED = {
    "context_full": "context_length_exceeded",
    "no_vision": "no_vision",
    "bad_picture": "bad_picture",
    "image_too_large": "image_too_large",
    "request_refused": "request_refused",
}
"""Codes of AppErrors that are the request's fault, as the API calls them."""


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


def from_app_error(error: AppError, retry_s: int = RETRY_LOADING_S) -> ApiError:
    """What an expected failure is to a client: its request's fault (400), too many (429), or not now (503)."""
    message = texts.text(error)
    if error.code in REFUSED:
        return ApiError(400, message, code=REFUSED[error.code], param="messages")
    if isinstance(error, Busy):
        status = 429 if error.code == "service_busy" else 503
        return ApiError(status, message, code=error.code, retry_s=error.retry_s)
    return ApiError(503, message, code=error.code, retry_s=retry_s)


def as_api_error(error: AppError | ApiError) -> ApiError:
    return error if isinstance(error, ApiError) else from_app_error(error)
