"""Traces by OpenTelemetry, where the extra ``tracing`` is installed and an endpoint is set.

One span per request with its method, the template of its route, its status and its tokens: the ready-made
instrumentation of ASGI also tells the whole address, the query and the client's headers, and makes a span of every
piece that is streamed.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Receive, Scope, Send

from .access_log import HUNG_UP, Record, method_of, record_of, route_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)
VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
CLOSE_S = 5.0


def provider_for(environment: Mapping[str, str] | None = None) -> TracerProvider | None:
    """Where spans go; None: nobody asked for any, or the extra is not installed, or one of OpenTelemetry's variables
    makes no sense (which is logged)."""
    source = os.environ if environment is None else environment
    if (
        not any(source.get(name) for name in VARIABLES)
        or source.get("OTEL_SDK_DISABLED", "").lower() == "true"
    ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning(
            "an endpoint for traces is set, but %s is not installed: pip install 'autoglm-desktop[tracing]'",
            error.name,
        )
        return None
    name = {} if source.get("OTEL_SERVICE_NAME") else {"service.name": "autoglm-desktop"}
    try:
        provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except (ValueError, RuntimeError) as error:  # it checks its variables itself
        log.warning("no traces are sent: %s", error)
        return None
    return provider


async def close(provider: TracerProvider | None) -> None:
    """Send what is left, for CLOSE_S at most; then it may be lost."""
    if provider is None:
        return
    await asyncio.wait({asyncio.ensure_future(asyncio.to_thread(provider.shutdown))}, timeout=CLOSE_S)


class Traced:
    """ASGI application: ``app``, with a span for each request that goes on with its caller's trace."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app = app
        self._tracer = provider.get_tracer("autoglm_desktop.service")
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        caller = self._propagator.extract({"traceparent": headers.get("traceparent", "")})
        method = method_of(scope)
        with self._tracer.start_as_current_span(
            method, caller, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                await self._app(scope, receive, send)
            finally:
                record, route = record_of(scope), route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes(_attributes(method, route, record))
                if (record.status or HUNG_UP) >= 500:
                    span.set_status(Status(StatusCode.ERROR))


def _attributes(method: str, route: str, record: Record) -> dict[str, Any]:
    """Names of OpenTelemetry's semantic conventions (HTTP and generative AI)."""
    found: dict[str, Any] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": record.status or HUNG_UP,
    }
    if record.usage is not None:
        found["gen_ai.usage.input_tokens"] = record.usage.prompt_tokens
        found["gen_ai.usage.output_tokens"] = record.usage.completion_tokens
    return found
