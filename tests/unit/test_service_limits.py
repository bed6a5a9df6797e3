"""How large a body may be and how slowly it may come."""

import asyncio

import pytest

from autoglm_desktop.service.errors import ApiError
from autoglm_desktop.service.limits import Limits, read_body
from autoglm_desktop.usecases.serve import ServeOptions


def read(limit, *messages):
    taken = []

    async def receive():
        taken.append(1)
        return messages[len(taken) - 1]

    return asyncio.run(read_body(receive, limit)), len(taken)


def piece(size, more=True):
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


GONE = {"type": "http.disconnect"}


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
        read(10, piece(3), GONE)
    assert caught.value.status == 400


class Wire:
    """Messages that come after so many seconds of a clock that only they move; None: nothing comes any more."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.now = 0.0
        self.sent = []

    async def receive(self):
        seconds, message = self.messages.pop(0)
        self.now += seconds
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(self, message):
        self.sent.append(message)


def through(wire, headers=(), **options):
    """What an application behind the limits gets: the body, or the error; then it answers and waits for the end."""
    seen = []

    async def app(scope, receive, send):
        try:
            more = True
            while more:
                message = await receive()
                seen.append(len(message.get("body", b"")))
                more = message.get("more_body", False)
            if wire.messages:
                seen.append((await receive())["type"])
        except ApiError as error:
            seen.append(error.status)
        await send("answered")

    limits = Limits(app, ServeOptions(**options), lambda: wire.now)
    asyncio.run(asyncio.wait_for(limits({"type": "http", "headers": headers}, wire.receive, wire.send), 30))
    assert wire.sent == ["answered"]
    return seen


def test_a_slow_but_honest_upload_passes():
    """20 MB at 25 kB/s: more than 13 minutes."""
    pieces = [(2.0, piece(50_000)) for _ in range(400)]
    seen = through(Wire(*pieces, (0, piece(0, more=False))))
    assert sum(seen) == 20_000_000


def test_one_byte_at_a_time_does_not():
    wire = Wire(*((1.0, piece(1)) for _ in range(100)), (0, piece(0, more=False)))
    seen = through(wire, body_limit_s=20, body_rate=16_384)
    assert seen == [1] * 21 + [408]  # each byte bought 61 µs


def test_a_body_that_never_comes_is_given_up():
    seen = through(Wire((0, piece(5)), (0, None)), body_limit_s=0.01)
    assert seen == [5, 408]


def test_after_the_body_there_is_no_limit_to_waiting():
    seen = through(Wire((0, piece(5, more=False)), (10_000, GONE)), body_limit_s=1)
    assert seen == [5, "http.disconnect"]


def test_the_size_holds_for_every_reader():
    seen = through(Wire((0, piece(6)), (0, piece(6))), body_limit=10)
    assert seen == [6, 413]


def test_a_declared_size_is_refused_before_anything_is_read():
    wire = Wire((0, piece(5)))
    assert through(wire, [(b"content-length", b"11")], body_limit=10) == [413]
    assert wire.messages == [(0, piece(5))]
    assert through(Wire((0, piece(5, more=False))), [(b"content-length", b"10")], body_limit=10) == [5]


def test_all_bodies_together_are_bounded_and_what_is_answered_no_longer_counts():
    async def work():
        inside, leave, found = asyncio.Event(), asyncio.Event(), []

        async def app(scope, receive, send):
            try:
                found.append(len((await receive())["body"]))
            except ApiError as error:
                found.append((error.status, error.retry_s is not None))
                return
            inside.set()
            await leave.wait()

        limits = Limits(app, ServeOptions(bodies_limit=10))

        def ask(size):
            return asyncio.ensure_future(
                limits({"type": "http", "headers": []}, Wire((0, piece(size, more=False))).receive, None)
            )

        first = ask(6)
        await inside.wait()
        await ask(6)
        second = ask(4)
        leave.set()
        await asyncio.gather(first, second)
        await ask(10)
        return found

    assert asyncio.run(asyncio.wait_for(work(), 30)) == [6, (503, True), 4, 10]


def test_other_protocols_are_passed_on():
    async def app(scope, receive, send):
        await send(scope["type"])

    wire = Wire()
    asyncio.run(Limits(app, ServeOptions())({"type": "lifespan"}, wire.receive, wire.send))
    assert wire.sent == ["lifespan"]
