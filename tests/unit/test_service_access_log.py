"""The line of each request, and what is counted of it."""

import asyncio
import logging

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, StreamingResponse

from autoglm_desktop.core.protocol import Usage
from autoglm_desktop.service import access_log
from autoglm_desktop.service.access_log import HUNG_UP, AccessLog, Record, line

SECRET = "geheim-密"


def made(report):
    app = FastAPI(redirect_slashes=False)

    async def echo(request: Request):
        await request.body()
        access_log.note(Usage(700, 30))
        return PlainTextResponse("1234567")

    async def stream(name: str):
        async def pieces():
            yield b"12345"
            yield b"678"

        return StreamingResponse(pieces())

    async def fails():
        raise RuntimeError(SECRET)

    async def health():
        return PlainTextResponse("UP")

    app.add_api_route("/v1/echo", echo, methods=["POST"])
    app.add_api_route("/stream/{name:path}", stream, methods=["GET"])
    app.add_api_route("/fails", fails, methods=["GET"])
    app.add_api_route("/health", health, methods=["GET"])
    app.add_middleware(AccessLog, report=report)
    return app


def asked(caplog, method, path, level=logging.INFO, **request):
    """What was reported, and what was logged."""
    reported = []

    async def work():
        app = made(lambda *values: reported.append(values))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.7", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.request(method, path, **request)

    with caplog.at_level(level, logger=access_log.__name__):
        asyncio.run(asyncio.wait_for(work(), 30))
    (found,) = reported
    lines = [record.getMessage() for record in caplog.records if record.name == access_log.__name__]
    return found, lines


def test_a_line_tells_the_request_without_its_contents(caplog):
    (method, route, status, seconds), (text,) = asked(
        caplog,
        "POST",
        f"/v1/echo?key={SECRET}",
        content=SECRET,
        headers={"authorization": f"Bearer {SECRET}".encode()},
    )
    assert (method, route, status) == ("POST", "/v1/echo", 200) and seconds >= 0
    assert text.startswith("POST /v1/echo 200 ")
    assert text.endswith(f" s in {len(SECRET.encode())} out 7 from 192.0.2.7 tokens 700+30")
    assert "geheim" not in text and "key" not in text


def test_a_stream_counts_all_its_pieces_and_its_route_is_the_template(caplog):
    found, (text,) = asked(caplog, "GET", f"/stream/{SECRET}")
    assert found[:3] == ("GET", "/stream/{name:path}", 200)
    assert " out 8 from" in text and "geheim" not in text


@pytest.mark.parametrize(
    ("method", "path", "reported"),
    [
        ("GET", f"/{SECRET}", ("GET", "(none)", 404)),
        ("GET", "/v1/echo", ("GET", "/v1/echo", 405)),
        ("BREW", "/v1/echo", ("other", "/v1/echo", 405)),
        ("GET", "/fails", ("GET", "/fails", 500)),
    ],
)
def test_what_a_client_invents_becomes_no_label(caplog, method, path, reported):
    found, (text,) = asked(caplog, method, path)
    assert found[:3] == reported and "geheim" not in text and "BREW" not in text


def test_probes_stand_in_the_log_only_when_more_is_wanted(caplog):
    assert asked(caplog, "GET", "/health")[1] == []
    assert len(asked(caplog, "GET", "/health", logging.DEBUG)[1]) == 1


def run(app, scope=None, report=None):
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    middleware = AccessLog(app, report or (lambda *_values: None))
    asyncio.run(middleware(scope or {"type": "http", "method": "POST", "client": None}, receive, send))
    return sent


def test_who_leaves_before_an_answer_is_counted_as_such(caplog):
    async def leaves(scope, receive, send):
        await receive()

    reported = []
    with caplog.at_level(logging.INFO, logger=access_log.__name__):
        run(leaves, report=lambda *values: reported.append(values))
    assert reported[0][:3] == ("POST", "(none)", HUNG_UP)
    assert caplog.messages[-1].startswith("POST (none) 499 ") and " from -" in caplog.messages[-1]


def test_an_answer_that_broke_off_is_told():
    record = Record(200, 5, 10, complete=False)
    assert line("GET", "/x", 200, 1.0, "-", record).endswith("(not finished)")
    assert line("GET", "/x", 200, 1.0, "-", Record(200, 5, 10, complete=True)).endswith("from -")


def test_other_protocols_are_passed_on_and_notes_outside_of_a_request_do_nothing():
    async def app(scope, receive, send):
        await send(scope["type"])

    access_log.note(Usage(1, 1))
    assert run(app, {"type": "lifespan"}) == ["lifespan"]
