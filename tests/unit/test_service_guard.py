"""Who may call: hosts, origins, keys, and the size of bodies."""

import asyncio

import pytest

from autoglm_desktop.service.errors import ApiError
from autoglm_desktop.service.guard import (
    allowed_names,
    host_allowed,
    key_matches,
    origin_allowed,
    read_body,
)
from autoglm_desktop.usecases.serve import ServeOptions

NAMES = allowed_names(ServeOptions(allowed_hosts=("host.docker.internal",)))


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LocalHost.:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "192.168.1.5:8000",
     "host.docker.internal:8000", "10.0.0.1"],
)  # fmt: skip
def test_own_names_and_addresses_are_let_in(host):
    assert host_allowed(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[evil]",
        "::1",
    ],
)
def test_rebound_names_are_not(host):
    assert not host_allowed(host, NAMES)


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "http://127.0.0.1", "https://localhost", "http://[::1]:5173",
     "http://host.docker.internal:8080", "http://192.168.1.5:8000"],
)  # fmt: skip
def test_local_pages_and_own_pages_are_let_in(origin):
    assert origin_allowed(origin, "192.168.1.5:8000", NAMES)


@pytest.mark.parametrize(
    "origin",
    ["null", "", "https://evil.example", "http://localhost.evil.example", "http://203.0.113.7", "http://[::1",
     "http://192.168.1.5:9000", "file://localhost", "http://", "chrome-extension://abc"],
)  # fmt: skip
def test_foreign_pages_are_not(origin):
    assert not origin_allowed(origin, "192.168.1.5:8000", NAMES)


def test_the_own_name_counts_where_others_reach_the_service():
    import socket

    own = socket.gethostname().lower()
    assert own in allowed_names(ServeOptions(host="0.0.0.0", api_key="k"))
    assert "pc.example" in allowed_names(ServeOptions(host="PC.example", api_key="k"))


@pytest.mark.parametrize(
    ("header", "key", "matches"),
    [
        ("", None, True),
        ("Bearer EMPTY", None, True),
        ("Bearer secret", "secret", True),
        ("bearer secret ", "secret", True),
        ("", "secret", False),
        ("Bearer", "secret", False),
        ("Bearer EMPTY", "secret", False),
        ("Bearer secret2", "secret", False),
        ("Basic secret", "secret", False),
        ("secret", "secret", False),
        ("Bearer \xe9", "secret", False),
    ],
)
def test_keys(header, key, matches):
    assert key_matches(header, key) is matches


def read(limit, *messages):
    taken = []

    async def receive():
        taken.append(1)
        return messages[len(taken) - 1]

    return asyncio.run(read_body(receive, limit)), len(taken)


def piece(size, more=True):
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def test_a_body_is_read_up_to_the_limit():
    assert read(10, piece(4), piece(6, more=False)) == (b"x" * 10, 2)
    assert read(10, {"type": "http.request"}) == (b"", 1)


def test_reading_stops_at_the_limit_not_at_the_end():
    messages = [piece(6), piece(6)]  # a third receive would be an IndexError
    with pytest.raises(ApiError) as caught:
        read(10, *messages)
    assert caught.value.status == 413


def test_a_client_that_leaves_in_the_middle_is_no_request():
    with pytest.raises(ApiError) as caught:
        read(10, piece(3), {"type": "http.disconnect"})
    assert caught.value.status == 400
