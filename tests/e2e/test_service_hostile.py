"""Clients that mean harm, or are broken: slow ones, half ones, ones that leave, foreign web pages, wrong keys."""

import asyncio
import contextlib
import gc
import json
import logging
import random
import threading

import psutil
import pytest

from tests.e2e.service_running import CHAT, HELLO, SLOW, client_of, connect, hang_up, phase, run, service

HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n".encode()


async def answer_of(reader):
    """(status, code of the error) of what comes until the service hangs up; (None, None) where nothing comes."""
    try:
        data = await reader.read()
    except ConnectionResetError:
        return None, None
    head, _, body = data.partition(b"\r\n\r\n")
    if not head:
        return None, None
    return int(head.split()[1]), json.loads(body)["error"]["code"]


async def dribble(address, beginning, byte):
    """Send ``beginning``, then a byte every 20 ms until the service has had enough; its answer."""
    reader, writer = await connect(address, raw=beginning)

    async def send():
        with contextlib.suppress(OSError):
            while True:
                writer.write(byte)
                await writer.drain()
                await asyncio.sleep(0.02)

    sending = asyncio.ensure_future(send())
    try:
        return await answer_of(reader)
    finally:
        sending.cancel()
        await asyncio.wait({sending})
        await hang_up(writer)


LIMITS = {"head_limit_s": 0.3, "body_limit_s": 0.3, "idle_limit_s": 0.3}


@pytest.mark.parametrize(
    ("beginning", "byte", "expected"),
    [
        (b"", b"G", (408, "request_timeout")),
        (HEAD, b"x", (408, "request_timeout")),
        (HEAD + b"Content-Length: 1000\r\n\r\n", b"x", (408, "request_timeout")),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", (408, "request_timeout")),
        (
            b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
            b"x",
            (404, "not_found"),
        ),
    ],
    ids=["line", "head", "body", "chunks", "a body that nobody reads"],
)
def test_slow_loris_is_cut_off_while_others_are_served(tmp_path, beginning, byte, expected):
    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 2, **LIMITS) as (address, _, _),
            client_of(address) as client,
        ):
            slow = asyncio.ensure_future(dribble(address, beginning, byte))
            statuses = []
            while not slow.done():
                statuses.append((await client.post(CHAT, json=HELLO)).status_code)
            return await slow, set(statuses)

    assert run(work()) == (expected, {200})


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET /v1/mo",
        HEAD,
        HEAD + b"Content-Length: 100\r\n\r\n",
        HEAD + b'Content-Length: 100\r\n\r\n{"messages": [',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
@pytest.mark.parametrize("leaves", [True, False], ids=["hangs up", "falls silent"])
def test_half_requests_are_forgotten(tmp_path, half, leaves):
    async def work():
        async with service(tmp_path, "ok", "--tokens", 2, **LIMITS) as (address, _session, _):
            reader, writer = await connect(address, raw=half)
            if leaves:
                await hang_up(writer)
            else:
                await reader.read()  # until the service hangs up
                await hang_up(writer)
            async with client_of(address) as client:
                health = (await client.get("/health")).json()
                return health["queue"]["answering"], (await client.post(CHAT, json=HELLO)).status_code

    assert run(work()) == (0, 200)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /v1/models HTTP/1.1\nHost: localhost\n folded: x\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"Content-Length: -5\r\n\r\nhello",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a size\r\n",
    ],
)
def test_what_is_no_clean_http_is_refused_in_the_usual_shape(tmp_path, data):
    async def work():
        async with service(tmp_path, "ok", **LIMITS) as (address, session, _):
            reader, writer = await connect(address, raw=data)
            status, code = await answer_of(reader)
            await hang_up(writer)
            assert session.state.phase == "ready"
            return status, bool(code)

    status, has_code = run(work())
    assert status in (400, 403, 431, 501) and has_code


def test_a_smuggled_second_request_is_not_answered(tmp_path):
    """The body of the first is a request of its own for who believes the other length."""
    inner = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data = (
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n" % (5 + len(inner)) + inner
    )

    async def work():
        async with service(tmp_path, "ok", **LIMITS) as (address, _, _):
            reader, writer = await connect(address, raw=data)
            text = await reader.read()
            await hang_up(writer)
            return text

    assert b'"object":"list"' not in run(work())


def test_websockets_and_other_methods_are_refused(tmp_path):
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
               "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip

    async def work():
        async with service(tmp_path, "ok") as (address, _, _), client_of(address) as client:
            socket = await client.get(CHAT, headers=upgrade)
            methods = ("HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW")
            others = [(await client.request(method, CHAT)).status_code for method in methods]
            return socket.status_code, others

    socket, others = run(work())
    assert socket == 405 and set(others) <= {400, 403, 405}


def test_pages_of_elsewhere_get_nothing_also_by_rebinding(tmp_path):
    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 2) as (address, _session, _),
            client_of(address) as client,
        ):
            port, _plain = address.port, json.dumps(HELLO)
            found = []
            for headers in (
                {"host": f"evil.example:{port}"},  # rebound: the name leads here now
                {"host": f"evil.example:{port}", "origin": f"http://evil.example:{port}"},
                {"origin": "https://evil.example"},
                {"origin": "null"},
                {"origin": f"http://127.0.0.1.evil.example:{port}"},
                {"origin": f"http://localhost:{port}@evil.example"},
                {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
            ):
                for response in (
                    await client.post(CHAT, json=HELLO, headers=headers),
                    await client.post(
                        CHAT, content=json.dumps(HELLO), headers={**headers, "content-type": "text/plain"}
                    ),
                    await client.get("/v1/models", headers=headers),
                    await client.get("/health", headers=headers),
                    await client.options(CHAT, headers={**headers, "access-control-request-method": "POST"}),
                ):
                    found.append(
                        (response.status_code, [n for n in response.headers if n.startswith("access-")])
                    )
            own = await client.post(CHAT, json=HELLO, headers={"origin": f"http://127.0.0.1:{port}"})
            preflight = await client.options(CHAT, headers={"access-control-request-method": "POST"})
            return found, own, preflight

    found, own, preflight = run(work())
    assert found and all(one == (403, []) for one in found)
    assert own.status_code == 200 and "access-control-allow-origin" not in own.headers
    assert preflight.status_code == 405 and not any(name.startswith("access-") for name in preflight.headers)


def test_wrong_keys_wait_and_the_right_one_beside_them_does_not(tmp_path):
    async def work():
        options = {"api_key": "secret", "wrong_key_s": (3600.0, 3600.0)}
        async with (
            service(tmp_path, "ok", "--tokens", 2, **options) as (address, _, _),
            client_of(address) as client,
        ):
            tries = [await connect(address, HELLO, headers=["Authorization: Bearer guess"]) for _ in range(5)]
            headers = {"authorization": "Bearer secret"}
            right = [(await client.post(CHAT, json=HELLO, headers=headers)).status_code for _ in range(3)]
            answered = [reader for reader, _ in tries if reader._buffer]
            for _, writer in tries:
                await hang_up(writer)
            return right, answered

    assert run(work()) == ([200, 200, 200], [])


async def ended(reader):
    with contextlib.suppress(ConnectionResetError):
        return await reader.read()
    return b""


def test_connections_are_bounded_and_idle_ones_make_room(tmp_path):
    async def work():
        async with service(tmp_path, *SLOW, connections=4) as (address, session, _):
            idle = [await connect(address, raw=b"") for _ in range(4)]
            busy = [await connect(address, {**HELLO, "stream": True}) for _ in range(4)]
            for reader, _ in idle:  # the four that asked nothing had to go
                assert await ended(reader) == b""
            await phase(session, "generating")
            reader, writer = await connect(address, HELLO)
            refused = await response(reader)
            for _, one in [*idle, *busy]:
                await hang_up(one)
            await phase(session, "ready")
            ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
            writer.write(ask)  # there was no room when it asked; the one after that finds some
            again = await response(reader)
            while b" 503 " in again[0]:
                writer.write(ask)
                again = await response(reader)
            await hang_up(writer)
            return refused, again

    (head, body), (after, _) = run(work())
    assert head.startswith(b"HTTP/1.1 503") and b"retry-after" in head.lower()
    assert json.loads(body)["error"]["code"] == "too_many_connections" and after.startswith(b"HTTP/1.1 200")


async def response(reader):
    """(head, body) of the next response on a connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    (size,) = (int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
    return head, await reader.readexactly(size)


def test_who_takes_nothing_of_an_answer_is_hung_up_on_and_holds_no_engine(tmp_path, caplog):
    caplog.set_level("INFO")

    async def work():
        many = ("ok", "--tokens", 3000, "--reply", "x" * 3000)
        async with service(tmp_path, *many, send_limit_s=0.2) as (address, _session, _):
            ask = json.dumps({**HELLO, "stream": True}).encode()
            _reader, writer = await asyncio.open_connection(address.host, address.port, limit=1024)
            writer.transport.pause_reading()
            one = HEAD + b"Content-Length: %d\r\n\r\n" % len(ask) + ask
            writer.write(one * 40)  # more than all buffers on the way take
            async with client_of(address) as client:
                whole = await client.post(CHAT, json={**HELLO, "max_tokens": 2})
                while (
                    len(psutil.Process().net_connections("tcp")) > 4
                ):  # ours, the listening one, both ends of httpx
                    await asyncio.sleep(0.02)
            writer.transport.abort()
            return whole.status_code

    assert run(work()) == 200


def counts():
    gc.collect()
    process = psutil.Process()
    handles = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return threading.active_count(), handles, len(process.net_connections("tcp"))


def test_aborted_streams_leave_no_thread_no_socket_and_no_turn(tmp_path):
    """1,000 of them in the benchmark; here 100, by ones and tens, at every moment of an answer."""

    async def abort(address, after):
        reader, writer = await connect(address, {**HELLO, "stream": True})
        with contextlib.suppress(asyncio.IncompleteReadError):
            for _ in range(after):
                await reader.readuntil(b'"content":"')
        writer.transport.abort()
        await hang_up(writer)

    async def quiet(client):
        while (queue := (await client.get("/health")).json()["queue"])["answering"] or queue["waiting"]:
            await asyncio.sleep(0.01)

    async def work():
        async with service(tmp_path, "ok", "--tokens", 50, "--delay", 0.001) as (address, _session, _):
            async with client_of(address) as client:
                await abort(address, 1)
                await quiet(client)
                before = counts()
                for number in range(10):
                    await asyncio.gather(*(abort(address, (number + one) % 4) for one in range(10)))
                await quiet(client)
                while (after := counts())[2] > before[2]:  # a socket that is being closed
                    await asyncio.sleep(0.01)
                whole = await client.post(CHAT, json=HELLO)
            return before, after, whole.json()["usage"]["completion_tokens"], len(asyncio.all_tasks())

    before, after, tokens, tasks = run(work())
    assert after[0] < before[0] + 5 and after[1] < before[1] + 10 and tokens == 50  # a leak would be 100
    assert tasks < 20


def mangled(chance, data):
    """A request with some bytes changed, left out, repeated, or cut off."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data))
        how = chance.randrange(4)
        if how == 0:
            data[place] = chance.randrange(256)
        elif how == 1:
            del data[place : place + chance.randint(1, 10)]
        elif how == 2:
            data[place:place] = data[place : place + 20]
        else:
            data[place:place] = chance.choice(
                [b"\r\n", b"\n", b"\x00", b": ", b"\xff", b"0\r\n\r\n", b"5;x=y\r\n"]
            )
        if not data:
            return b"\r\n"
    return bytes(data)


def test_mangled_requests_neither_end_the_service_nor_are_errors_of_it(tmp_path, caplog):
    chance = random.Random(7)
    body = json.dumps({**HELLO, "max_tokens": 1}).encode()
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    two = whole + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def send(address, data):
        reader, writer = await connect(address, raw=data)
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(200), 0.02)
        await hang_up(writer)

    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 1, **LIMITS) as (address, _, _),
            client_of(address) as client,
        ):
            for _ in range(30):
                await asyncio.gather(
                    *(send(address, mangled(chance, chance.choice([whole, chunked, two]))) for _ in range(10))
                )
            return (await client.post(CHAT, json=HELLO)).status_code

    assert run(work()) == 200
    assert not [one.getMessage() for one in caplog.records if one.levelname in ("ERROR", "CRITICAL")]


def test_probes_of_http_1_0_need_no_host_and_upgrades_are_no_news(tmp_path, caplog):
    """nginx, HAProxy and others ask for /health in this way; nothing else is answered without a name."""

    async def work():
        found = []
        async with service(tmp_path, "ok") as (address, _session, _task):
            for raw in (
                b"GET /health HTTP/1.0\r\n\r\n",
                b"GET /v1/models HTTP/1.0\r\n\r\n",
                b"GET /health HTTP/1.0\r\nHost: evil.example\r\n\r\n",
                b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
            ):
                reader, writer = await connect(address, raw=raw)
                found.append((await reader.read())[9:12])
                await hang_up(writer)
        return found

    assert run(work()) == [b"200", b"403", b"403", b"200"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
