"""What the service's end means for requests that cannot come to theirs: a refusal, and no traceback in the log."""

import asyncio
import logging

import pytest

from tests.e2e.service_running import CHAT, HELLO, SLOW, connect, hang_up, phase, run, service
from tests.fakes.fake_services import made_prepare

KEY = "made-0123456789abcdef"


async def uploading(address, _session):
    raw = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{{"
    found = await connect(address, raw=raw.encode())
    await asked(address)
    return found


async def with_a_wrong_key(address, _session):
    found = await connect(address, {}, headers=("Authorization: Bearer wrong",))
    await asked(address)
    return found


async def in_a_hung_engine(address, session):
    found = await connect(address, HELLO)
    await phase(session, "generating")
    return found


async def while_the_model_is_loaded_again(address, session):
    await session.unload()
    found = await connect(address, {**HELLO, "stream": True})
    await phase(session, "loading")
    return found


async def asked(address):
    """A whole request later: what was sent before has been read."""
    reader, writer = await connect(address, raw=b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await hang_up(writer)


def loading_once():
    """A prepare that comes to no end from the second time on."""
    times = []

    async def prepare(services, target, wishes):
        times.append(1)
        if len(times) > 1:
            await asyncio.Event().wait()
        return await made_prepare(services, target, wishes)

    return prepare


@pytest.mark.parametrize(
    ("begin", "mode", "options"),
    [
        (uploading, SLOW, {}),
        (with_a_wrong_key, SLOW, {"api_key": KEY, "wrong_key_s": (60.0, 60.0)}),
        (in_a_hung_engine, ("hang-generate",), {}),
        (while_the_model_is_loaded_again, SLOW, {}),
    ],
)
def test_who_cannot_be_answered_any_more_is_told_so(tmp_path, caplog, begin, mode, options):
    async def work():
        async with service(tmp_path, *mode, prepare=loading_once(), **options) as (address, session, task):
            reader, writer = await begin(address, session)
            task.cancel()
            await asyncio.wait({task})
            answer = await reader.read()
            await hang_up(writer)
        return answer

    answer = run(work())
    assert answer.startswith(b"HTTP/1.1 503 ") and b'"service_ending"' in answer
    assert b"retry-after: " in answer
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_who_is_impatient_gets_the_same_end(tmp_path, caplog):
    """A second Ctrl-C: the service ends as it does after one, and leaves no task behind."""

    async def work():
        before = asyncio.all_tasks()
        async with service(tmp_path, *SLOW) as (address, _session, task):
            reader, writer = await connect(address, {**HELLO, "stream": True})
            await reader.readuntil(b'"content":')
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            rest = await reader.read()
            await hang_up(writer)
        return rest, [one for one in asyncio.all_tasks() - before if not one.done()]

    rest, left = run(work())
    assert b"[DONE]" in rest and not left
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
