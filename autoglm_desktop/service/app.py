"""The routes of the public API: chat completions, completions, predict, models, health, metrics, its description."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from .. import __version__
from ..core.protocol import Sampling
from ..usecases.session import SessionState
from . import docs_page, health, openapi, ops, reading
from .answers import Chat, Labels, Predicted, Shape, Text
from .errors import ApiError, unexpected
from .generation import Generation
from .guard import key_matches
from .limits import read_body
from .parts import Parts
from .reading import Asked, Reader

READ_ELSEWHERE = 64 * 1024
"""Bodies above so many bytes are read in a thread: the loop goes on streaming."""
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def create_app(parts: Parts) -> FastAPI:
    """The application over one session."""
    routes = _Routes(parts)
    # The pages that FastAPI makes would fetch scripts from elsewhere, and it would describe what it does not check.
    app = FastAPI(
        title="AutoGLM Desktop", version=__version__, openapi_url=None, docs_url=None, redoc_url=None,
        redirect_slashes=False,
    )  # fmt: skip
    handlers: list[tuple[str, str, Handler]] = [
        ("POST", "/v1/chat/completions", routes.chat),
        ("POST", "/v1/completions", routes.completions),
        ("POST", "/predict", routes.predict),
        ("GET", "/v1/models", routes.models),
        ("GET", "/v1/models/{name:path}", routes.model),
        ("GET", "/health", routes.health),
        ("GET", "/metrics", routes.metrics),
        ("GET", "/openapi.json", routes.openapi),
        ("GET", "/docs", routes.docs),
        ("GET", "/", routes.root),
    ]
    for method, path, handler in handlers:
        methods = [method, "HEAD"] if method == "GET" else [method]  # RFC 9110, 9.1: who has GET has HEAD
        app.add_api_route(path, handler, methods=methods, response_model=None)
    app.add_exception_handler(ApiError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    ops.wrap(app, parts)
    return app


class _Routes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._created = int(time.time())
        self._document = openapi.document(keyed=parts.options.api_key is not None)
        self._page = docs_page.page(self._document)

    async def chat(self, request: Request) -> Response:
        """OpenAI's chat completions, streamed or whole. Any model name is taken; the loaded model answers."""
        asked = await self._asked(request, reading.chat)
        return self._generation(request, asked, Chat(self._labels("chatcmpl"), usage=asked.include_usage))

    async def completions(self, request: Request) -> Response:
        """OpenAI's completions: a text is continued as it stands, and nothing is taken out of what comes."""
        asked = await self._asked(request, reading.completion)
        shape = Text(self._labels("cmpl"), usage=asked.include_usage)
        return self._generation(request, asked, shape, raw=True)

    async def predict(self, request: Request) -> Response:
        """One question, one answer."""
        return self._generation(request, await self._asked(request, reading.predict), Predicted())

    async def models(self, _request: Request) -> Response:
        """The model that is served, or is being loaded."""
        served = self._model()
        return JSONResponse({"object": "list", "data": [served] if served is not None else []})

    async def model(self, request: Request) -> Response:
        """The model that is served, by its name."""
        served = self._model()
        if served is None or request.path_params["name"] != served["id"]:
            text = (
                "There is no model of this name; GET /v1/models tells the one that is served, under any name."
            )
            raise ApiError(404, text, code="model_not_found", param="model")
        return JSONResponse(served)

    async def health(self, request: Request) -> Response:
        """200 UP when a request would be answered, else 503 DOWN. Without the key only that is told."""
        parts = self._parts
        known = key_matches(request.headers.get("authorization", ""), parts.options.api_key)
        told = health.health_of(parts.session, parts.gate, details=known)
        headers = {"Retry-After": str(told.retry_s)} if told.retry_s is not None else None
        return JSONResponse(told.body, told.status, headers)

    async def metrics(self, _request: Request) -> Response:
        """Counts and times for Prometheus."""
        page, kind = self._parts.metrics.page()
        return Response(page, headers={"content-type": kind})

    async def openapi(self, _request: Request) -> Response:
        """The description of these routes."""
        return JSONResponse(self._document)

    async def docs(self, _request: Request) -> Response:
        """The same for people: one page without scripts, which needs nothing from elsewhere."""
        return Response(self._page, media_type="text/html", headers=docs_page.HEADERS)

    async def root(self, _request: Request) -> Response:
        """What this is, for who opens its address."""
        model = self._model()
        return JSONResponse(
            {
                "name": "AutoGLM Desktop",
                "version": __version__,
                "model": model["id"] if model is not None else None,
                "api": "/v1",
                "documentation": "/docs",
                "openapi": "/openapi.json",
                "health": "/health",
            }
        )

    def _generation(self, request: Request, asked: Asked, shape: Shape, *, raw: bool = False) -> Response:
        phone = not raw and self._parts.is_phone(self._parts.session.state.target)
        return Generation(self._parts, request.scope["route"].path, asked, shape, phone=phone)

    def _labels(self, kind: str) -> Labels:
        return Labels(served_name(self._parts.session.state), kind)

    def _model(self) -> dict[str, Any] | None:
        state = self._parts.session.state
        if state.target is None:
            return None
        return {
            "id": served_name(state),
            "object": "model",
            "created": self._created,
            "owned_by": "autoglm-desktop",
            "max_model_len": _context(state),
        }

    async def _asked(self, request: Request, reader: Reader) -> Asked:
        """What a body asks for. Raises ApiError (400, 413)."""
        body = await read_body(request.receive, self._parts.options.body_limit)
        state = self._parts.session.state
        context, own = _context(state), self._parts.sampling(state.target)
        if len(body) > READ_ELSEWHERE:
            return await asyncio.to_thread(_read, body, reader, context, own)
        return _read(body, reader, context, own)


def served_name(state: SessionState) -> str:
    """How the model is called to clients: its id in the catalogue, else its file's name."""
    return (state.target.model or state.target.name) if state.target is not None else "none"


def _context(state: SessionState) -> int | None:
    return state.proof.context if state.proof is not None else None


def _read(body: bytes, reader: Reader, context: int | None, own: Sampling) -> Asked:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The body is not JSON: {_place(error)}.", code="invalid_json") from None
    return reader(data, context, own)


def _place(error: Exception) -> str:
    """Where the JSON is wrong, without quoting it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "too deeply nested" if isinstance(error, RecursionError) else "not UTF-8, or a number too large"


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


_HTTP = {
    404: ("not_found", "There is no such route; GET /docs lists them."),
    405: ("method_not_allowed", "This route takes another method; the header Allow names it."),
}


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, text = _HTTP.get(error.status_code, ("http_error", "The request was not understood."))
    return ApiError(error.status_code, text, code=code).response(dict(error.headers or {}))


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return unexpected().response()
