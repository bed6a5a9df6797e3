"""The description of the routes: what ``/openapi.json`` tells, and the page for people.

It is written out here, not derived from the handlers: these check bodies themselves, and a description that is derived
from less than what is checked would promise what is refused (tests/e2e/test_service_schemathesis.py holds both against
each other). The page has no script and nothing from elsewhere.
"""

from __future__ import annotations

from typing import Any

from .. import __version__
from . import openapi_bodies as bodies
from .openapi_bodies import ref

JSON_TYPE = "application/json"
RETRY = {
    "Retry-After": {
        "description": "Seconds until it is worth trying again.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
DROPPED = {
    "X-AutoGLM-Dropped-Images": {
        "description": "How many images of older turns were not shown to the model.", "schema": {"type": "integer"},
    },
    "X-AutoGLM-Dropped-Messages": {
        "description": "How many old messages no longer fitted the context (of whole answers).",
        "schema": {"type": "integer"},
    },
}  # fmt: skip
REFUSALS = {
    "400": "The request can't be answered: no JSON, a value that is not allowed (`param` names it), an image that "
    "can't be read or that this model can't look at, a prompt larger than the context.",
    "401": "The key is missing or wrong.",
    "403": "`Host` or `Origin` is not allowed.",
    "404": "There is no such route or model.",
    "405": "The route takes another method.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "429": "Too many requests wait for their turn, or too many wrong keys were tried.",
    "500": "A bug; the log has the details.",
    "503": "No model answers now: it is being loaded, could not be, or the request waited for its turn too long.",
}


def document(*, keyed: bool) -> dict[str, Any]:
    """The OpenAPI 3.2 document (which can describe streams). ``keyed``: whether a key is needed."""
    chat = _answers("A chat answer, whole or streamed.", "ChatCompletion", "ChatCompletionChunk")
    text = _answers("The text that follows, whole or streamed.", "Completion", "Completion")
    paths: dict[str, Any] = {
        "/v1/chat/completions": {"post": _post("chat", "Chat completions", "ChatRequest", chat)},
        "/v1/completions": {"post": _post("completions", "Completions of a text", "CompletionRequest", text)},
        "/predict": {
            "post": _post(
                "predict", "One question, one answer", "PredictRequest", _found("The answer.", "Prediction")
            )
        },
        "/v1/models": {"get": _get("models", "The model that is served", _found("A list.", "ModelList"))},
        "/v1/models/{name}": {
            "get": _get("model", "The model of this name", _found("The model.", "Model"), "404")
            | {"parameters": [bodies.MODEL_NAME]}
        },
        "/health": {"get": _health()},
        "/metrics": {
            "get": _get("metrics", "Counts and times for Prometheus", _plain("text/plain", "The page."))
        },
        "/openapi.json": {
            "get": _get("openapi", "This description", {"200": _content("The document.", {"type": "object"})})
        },
        "/docs": {"get": _get("docs", "This description for people", _plain("text/html", "The page."))},
        "/": {"get": _get("root", "What this is", _found("Name, version, and where to go on.", "Root"))},
    }
    components: dict[str, Any] = {"schemas": bodies.SCHEMAS}
    found: dict[str, Any] = {
        "openapi": "3.2.0",
        "info": {"title": "AutoGLM Desktop", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": components,
    }
    if keyed:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"key": []}]
        paths["/health"]["get"]["security"] = [{}, {"key": []}]
    return found


_ABOUT = (
    "The model on this machine for the phone agent and for every program that speaks OpenAI's API. Fields that are not "
    "described are ignored; any model name is taken. Images are data URIs; links are never fetched."
)


def _content(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {JSON_TYPE: {"schema": schema}}}


def _found(description: str, name: str) -> dict[str, Any]:
    return {"200": _content(description, ref(name))}


def _plain(kind: str, description: str) -> dict[str, Any]:
    return {"200": {"description": description, "content": {kind: {"schema": {"type": "string"}}}}}


def _answers(description: str, name: str, stream: str) -> dict[str, Any]:
    answer = _content(description, ref(name))
    answer["headers"] = DROPPED
    answer["content"]["text/event-stream"] = {"itemSchema": bodies.event(stream)}
    return {"200": answer}


def _refusals(*statuses: str) -> dict[str, Any]:
    found = {status: _content(REFUSALS[status], ref("Error")) for status in statuses}
    for status in ("429", "503"):
        if status in found:
            found[status]["headers"] = RETRY
    return found


def _post(name: str, summary: str, body: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON_TYPE: {"schema": ref(body)}}},
        "responses": answers | _refusals("400", "401", "403", "408", "413", "429", "500", "503"),
    }


def _get(name: str, summary: str, answers: dict[str, Any], *more: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": answers | _refusals("401", "403", *more, "429", "500"),
    }


def _health() -> dict[str, Any]:
    told = _get("health", "Whether a request would be answered", _found("UP.", "Health"))
    told["responses"]["503"] = _content("DOWN.", ref("Health")) | {"headers": RETRY}
    del told["responses"]["401"]
    return told
