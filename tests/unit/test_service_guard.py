"""Who may call: hosts, origins, keys."""

import asyncio

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from autoglm_desktop.service.errors import ApiError
from autoglm_desktop.service.guard import (
    Guard,
    allowed_names,
    check_framing,
    check_origin,
    host_allowed,
    key_matches,
    origin_allowed,
)
from autoglm_desktop.service.wrong_keys import FORGOTTEN_S, MOST_ADDRESSES, MOST_HELD, WrongKeys, group_of
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
        "[::1]evil",
        "[::1",
        "localhost:80@evil.example",
        "user@localhost",
        "localhost/evil",
        "localhost:port",
        "localhost:123456",
        "localhost evil",
        "2130706433",
        "127.1",
        "localhost\\.evil",
        "localhos\u0167",
    ],
)
def test_rebound_names_are_not(host):
    assert not host_allowed(host, NAMES)


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "http://127.0.0.1", "https://localhost", "http://[::1]:5173",
     "http://host.docker.internal:8080", "http://192.168.1.5:8000", "http://LOCALHOST.:3000"],
)  # fmt: skip
def test_local_pages_and_own_pages_are_let_in(origin):
    assert origin_allowed(origin, "192.168.1.5:8000", NAMES)


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://evil.example@localhost", "http://localhost@evil.example", "http://localhost:80@evil.example",
     "http://localhost/", "http://localhost?a", "http://localhost#a", "http://localhost.evil.example.", "localhost",
     "//localhost", "ftp://localhost", "http://[::1]evil",
     "https://evil.example", "http://localhost.evil.example", "http://203.0.113.7", "http://[::1",
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


NAMED = {"host": "localhost:8000"}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "cross-site", "origin": "http://host.docker.internal"},
        {},
    ],
)
def test_what_is_no_foreign_page_is_let_in(headers):
    check_origin(Headers(NAMED | headers), NAMES)


def test_a_probe_without_a_name_is_let_in_where_it_may():
    check_origin(Headers({}), NAMES, nameless=True)
    for headers in ({"host": ""}, {"host": "evil.example"}, {"origin": "https://evil.example"}):
        with pytest.raises(ApiError):
            check_origin(Headers(headers), NAMES, nameless=True)
    with pytest.raises(ApiError):
        check_origin(Headers({}), NAMES)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, "host_not_allowed"),
        ({"origin": "null"}, "origin_not_allowed"),
        ({"origin": "https://evil.example"}, "origin_not_allowed"),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, "origin_not_allowed"),
        ({"sec-fetch-site": "cross-site"}, "origin_not_allowed"),
    ],
)
def test_refusals_name_the_setting_and_the_variable(headers, code):
    with pytest.raises(ApiError) as caught:
        check_origin(Headers(NAMED | headers), NAMES)
    assert (caught.value.status, caught.value.code) == (403, code)
    assert "Allowed hosts" in caught.value.message and "AUTOGLM_ALLOWED_HOSTS" in caught.value.message


def test_two_lengths_of_one_body_are_refused():
    check_framing(Headers({"content-length": "5"}), 100)
    with pytest.raises(ApiError) as caught:
        check_framing(Headers({"content-length": "5", "transfer-encoding": "chunked"}), 100)
    assert caught.value.status == 400


def test_large_headers_are_refused_and_the_connection_closed():
    check_framing(Headers({"a": "b" * 99}), 100)
    with pytest.raises(ApiError) as caught:
        check_framing(Headers({"a": "b" * 100}), 100)
    assert caught.value.status == 431
    response = guarded(headers={"x": "y" * 5000}, head_limit=4096)
    assert response.status_code == 431 and response.headers["connection"] == "close"


def waits(wrong, *addresses):
    found = []
    for address in addresses:
        with wrong.told(address) as seconds:
            found.append(seconds)
    return found


def test_wrong_keys_wait_longer_each_time_by_address():
    now = [0.0]
    wrong = WrongKeys(0.25, 4.0, lambda: now[0])
    assert waits(wrong, *["10.0.0.1"] * 6) == [0.25, 0.5, 1, 2, 4, 4]
    assert waits(wrong, "10.0.0.2", *["10.0.0.1"] * 50) == [0.25] + [4] * 50
    now[0] += FORGOTTEN_S + 1
    assert waits(wrong, "10.0.0.1") == [0.25]


def test_what_is_remembered_of_wrong_keys_is_bounded():
    wrong = WrongKeys(1, 4)
    assert waits(wrong, *(f"10.0.{n // 256}.{n % 256}" for n in range(MOST_ADDRESSES + 1))) == [1] * (
        MOST_ADDRESSES + 1
    )
    assert waits(wrong, "10.0.0.0", "10.0.4.0") == [1, 2]  # the first one is forgotten, the last one is not


def test_no_more_than_so_many_wrong_keys_hold_a_connection():
    wrong = WrongKeys(1, 4)
    held = [wrong.told("10.0.0.1") for _ in range(MOST_HELD)]
    for one in held:
        one.__enter__()
    with pytest.raises(ApiError) as caught, wrong.told("10.0.0.2"):
        raise AssertionError
    assert caught.value.status == 429 and caught.value.retry_s
    held[0].__exit__(None, None, None)
    assert waits(wrong, "10.0.0.2") == [2]


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.168.1.5", "192.168.1.5"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.168.1.5", "192.168.1.5"),
        ("-", "-"),
    ],
)
def test_one_machine_has_one_group_of_addresses(address, group):
    assert group_of(address) == group


def guarded(path="/v1/models", key="secret", headers=(), **options):
    """Through Guard alone: the response."""

    async def work():
        app = Guard(
            PlainTextResponse("in"), ServeOptions(api_key="secret", wrong_key_s=(0.0, 0.0), **options)
        )
        sent = {"authorization": f"Bearer {key}"} if key is not None else {}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost:8000"
        ) as client:
            return await client.get(path, headers=sent | dict(headers))

    return asyncio.run(asyncio.wait_for(work(), 30))


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/v1/models", "secret", 200),
        ("/v1/models", "wrong", 401),
        ("/v1/models", None, 401),
        ("/metrics", None, 401),  # what is counted tells when and how much somebody works
        ("/metrics", "secret", 200),
        ("/docs", None, 401),
        ("/nowhere", None, 401),
        ("/health/", None, 401),
        ("/health", None, 200),
        ("/health", "wrong", 200),
    ],
)
def test_where_a_key_is_needed(path, key, status):
    assert guarded(path, key).status_code == status


def test_a_foreign_page_is_refused_whatever_key_it_has():
    response = guarded(headers={"origin": "https://evil.example"})
    assert response.status_code == 403 and response.json()["error"]["code"] == "origin_not_allowed"
    assert "access-control-allow-origin" not in response.headers


def test_a_wrong_key_waits_and_the_right_one_beside_it_does_not():
    """The wrong ones would wait for an hour: that the right one is answered at all shows that it waits for none."""

    async def work():
        options = ServeOptions(api_key="secret", wrong_key_s=(3600.0, 3600.0))
        app = Guard(PlainTextResponse("in"), options)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost:8000"
        ) as client:
            tried = {
                asyncio.ensure_future(client.get(path, headers={"authorization": "Bearer wrong"}))
                for path in ("/v1/models", "/health")  # /health tells more to the right key
            }
            right = await client.get("/v1/models", headers={"authorization": "Bearer secret"})
            probe = await client.get("/health")
            done = [task for task in tried if task.done()]
            for task in tried:
                task.cancel()
            await asyncio.wait(tried)
            return right.status_code, probe.status_code, done

    assert asyncio.run(asyncio.wait_for(work(), 30)) == (200, 200, [])


def test_who_hangs_up_does_not_go_on_waiting():
    async def work():
        app = Guard(PlainTextResponse("in"), ServeOptions(api_key="secret", wrong_key_s=(3600.0, 3600.0)))
        messages = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"authorization", b"Bearer wrong")]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/models",
            "headers": headers,
            "client": ("::1", 5),
        }
        await app(scope, receive, send)
        return sent[0]["status"]

    assert asyncio.run(asyncio.wait_for(work(), 30)) == 401
