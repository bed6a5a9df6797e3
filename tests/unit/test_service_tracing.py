"""Traces: only where they are asked for, and without contents."""

import asyncio
import http.server
import logging
import sys
import threading

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse

from autoglm_desktop.core.protocol import Usage
from autoglm_desktop.service import access_log, tracing

pytest.importorskip("opentelemetry.sdk")
SECRET = "geheim-key"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def made(provider):
    app = FastAPI()

    async def echo(request: Request):
        await request.body()
        access_log.note(Usage(700, 30))
        return PlainTextResponse(SECRET)

    async def fails():
        raise RuntimeError(SECRET)

    app.add_api_route("/v1/echo", echo, methods=["POST"])
    app.add_api_route("/fails", fails, methods=["GET"])
    app.add_middleware(access_log.AccessLog, report=lambda *_values: None)
    return tracing.Traced(app, provider)


def ask(app, method, path, **request):
    async def work():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.request(method, path, **request)

    asyncio.run(asyncio.wait_for(work(), 30))


def spans_of(method, path, **request):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    ask(made(provider), method, path, **request)
    provider.shutdown()
    return exporter.get_finished_spans()


def test_one_span_for_a_request_without_contents_and_headers():
    headers = {
        "authorization": f"Bearer {SECRET}",
        "user-agent": SECRET,
        "traceparent": PARENT,
        "baggage": f"a={SECRET}",
    }
    (span,) = spans_of("POST", f"/v1/echo?q={SECRET}", content=SECRET, headers=headers)
    assert span.name == "POST /v1/echo"
    assert dict(span.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/echo",
        "http.response.status_code": 200,
        "gen_ai.usage.input_tokens": 700,
        "gen_ai.usage.output_tokens": 30,
    }
    assert span.parent is not None and f"{span.parent.span_id:x}" == "b7ad6b7169203331"
    assert SECRET not in span.to_json() and not span.events


def test_an_error_is_told_without_its_text():
    (span,) = spans_of("GET", "/fails")
    assert span.attributes["http.response.status_code"] == 500 and not span.status.is_ok
    assert SECRET not in span.to_json() and not span.events


def test_a_path_that_nobody_serves_is_not_told():
    (span,) = spans_of("GET", f"/{SECRET}")
    assert span.name == "GET (none)" and SECRET not in span.to_json()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "True"},
    ],
)
def test_nothing_is_sent_unless_it_is_asked_for(environment):
    assert tracing.provider_for(environment) is None


def test_an_endpoint_without_the_extra_is_one_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with caplog.at_level(logging.WARNING):
        assert tracing.provider_for({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) is None
    assert len(caplog.messages) == 1 and "tracing" in caplog.messages[0]


@pytest.mark.parametrize("name", ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"])
def test_a_variable_that_makes_no_sense_is_one_line_in_the_log(monkeypatch, caplog, name):
    monkeypatch.setenv(name, "-5")
    assert tracing.provider_for({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_collector_gets_the_spans_when_the_service_ends(monkeypatch):
    """A real exporter to a collector on 127.0.0.1."""
    got = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_words):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        provider = tracing.provider_for()
        ask(made(provider), "POST", "/v1/echo", content=SECRET)
        asyncio.run(tracing.close(provider))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    ((path, body),) = got
    assert path == "/v1/traces" and b"POST /v1/echo" in body and b"autoglm-desktop" in body
    assert SECRET.encode() not in body


def test_closing_without_traces_is_nothing():
    asyncio.run(tracing.close(None))
