"""The routes of the public API: chat completions, models, health."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from .. import __version__
from ..texts import errors as texts
from ..usecases.serve import Gate, Served, ServeOptions, refusal, will_answer
from ..usecases.session import SessionState
from ..usecases.targets import Target
from . import schema
from .answers import Labels
from .errors import ApiError
from .generation import Asked, Generation
from .guard import Guard, key_matches, read_body, too_large

log = logging.getLogger(__name__)
PARSED_ELSEWHERE = 1024 * 1024
"""Bodies above so many bytes are parsed in a thread: the loop goes on streaming."""

IsPhone = Callable[[Target | None], bool]


def create_app(
    session: Served,
    options: ServeOptions,
    *,
    is_phone: IsPhone = lambda _target: False,
    gate: Gate | None = None,
) -> FastAPI:
    """The application over one session. ``is_phone`` says for which models replies are cleaned for the agent."""
    routes = _Routes(session, options, is_phone, gate or Gate(options.waiting))
    # The documentation pages would fetch scripts from elsewhere; the description itself is served.
    app = FastAPI(
        title="AutoGLM Desktop", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    body = {
        "required": True,
        "content": {"application/json": {"schema": schema.ChatRequest.model_json_schema()}},
    }
    app.add_api_route(
        "/v1/chat/completions",
        routes.chat,
        methods=["POST"],
        openapi_extra={"requestBody": body},
        response_model=None,
    )
    app.add_api_route("/v1/models", routes.models, methods=["GET"], response_model=None)
    app.add_api_route("/health", routes.health, methods=["GET"], response_model=None)
    app.add_exception_handler(ApiError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(Guard, options=options)
    return app


class _Routes:
    def __init__(self, session: Served, options: ServeOptions, is_phone: IsPhone, gate: Gate) -> None:
        self._session = session
        self._options = options
        self._is_phone = is_phone
        self._gate = gate
        self._created = int(time.time())

    async def chat(self, request: Request) -> Response:
        """OpenAI's chat completions, streamed or whole. Any model name is taken; the loaded model answers."""
        parsed = schema.parse(await self._json(request))
        state = self._session.state
        context = state.proof.context if state.proof is not None else None
        asked = Asked(
            schema.messages_of(parsed),
            schema.sampling_of(parsed, context),
            bool(parsed.stream),
            parsed.include_usage,
        )
        return Generation(
            self._session, self._gate, asked, Labels(served_name(state)),
            phone=self._is_phone(state.target), keep_alive_s=self._options.keep_alive_s,
        )  # fmt: skip

    async def models(self) -> JSONResponse:
        """The model that is served, or is being loaded."""
        state = self._session.state
        context = state.proof.context if state.proof is not None else None
        model = {
            "id": served_name(state),
            "object": "model",
            "created": self._created,
            "owned_by": "autoglm-desktop",
            "max_model_len": context,
        }
        return JSONResponse({"object": "list", "data": [model] if state.target is not None else []})

    async def health(self, request: Request) -> JSONResponse:
        """200 UP when a request would be answered, else 503 DOWN. Without the key only that is told."""
        state = self._session.state
        up = will_answer(state)
        told: dict[str, Any] = {"status": "UP" if up else "DOWN"}
        if key_matches(request.headers.get("authorization", ""), self._options.api_key):
            told |= _details(state, self._gate)
        told["timestamp"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        refused = refusal(state)
        headers = {"Retry-After": str(refused[1])} if refused is not None else None
        return JSONResponse(told, 200 if up else 503, headers)

    async def _json(self, request: Request) -> object:
        limit = self._options.body_limit
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > limit:
            raise too_large(limit)
        body = await read_body(request.receive, limit)
        try:
            if len(body) > PARSED_ELSEWHERE:
                return await asyncio.to_thread(json.loads, body)
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ApiError(400, f"The body is not JSON: {_place(error)}.", code="invalid_json") from None


def served_name(state: SessionState) -> str:
    """How the model is called to clients: its id in the catalogue, else its file's name."""
    return (state.target.model or state.target.name) if state.target is not None else "none"


def _details(state: SessionState, gate: Gate) -> dict[str, Any]:
    return {
        "engine": state.engine,
        "phase": state.phase,
        "model": served_name(state) if state.target is not None else None,
        "rung": state.plan.rung if state.plan is not None else None,
        "waiting": gate.waiting,
        "error": texts.text(state.error) if state.error is not None else None,
    }


def _place(error: Exception) -> str:
    """Where the JSON is wrong, without quoting it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "too deeply nested" if isinstance(error, RecursionError) else "not UTF-8, or a number too large"


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    text = f"{request.method} {request.url.path}: {error.detail}"
    refused = ApiError(error.status_code, text, code=codes.get(error.status_code, "http_error"))
    return refused.response(dict(error.headers or {}))


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return ApiError(
        500, "An unexpected error happened; the log has the details.", code="internal_error"
    ).response()
