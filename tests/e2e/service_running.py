"""A service on 127.0.0.1 with a real uvicorn and a real child that speaks the engine protocol (a fake engine)."""

import asyncio
import contextlib
import json

import httpx

from autoglm_desktop.service.run import Address, serve
from autoglm_desktop.usecases.serve import ServeOptions
from autoglm_desktop.usecases.session import Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_prepare, made_services

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "你好 hello"}]}
SLOW = ("ok", "--tokens", 100_000, "--delay", 0.05)  # 4,000 tokens of room: minutes, if nobody stops it


@contextlib.asynccontextmanager
async def service(home, *mode, load=True, prepare=made_prepare, **options):
    """(address, session, task of the service), the model loaded unless told otherwise."""
    services = made_services(home, *mode)
    session = Session(services, prepare)
    ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(session, ServeOptions(port=0, **options), ready.set_result))
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        if load:
            await session.load(made_target(home), Wishes())
        yield ready.result(), session, task
    finally:
        task.cancel()
        await asyncio.wait({task})
        await session.close()


def made_target(home):
    file = home / "model.gguf"
    file.write_bytes(b"made: the fake engine opens no file")
    return Target("模型", file)


def run(work):
    return asyncio.run(asyncio.wait_for(work, 90))


def client_of(address, **options):
    # Without TLS there is nothing to verify; reading the certificates would take longer than a request.
    return httpx.AsyncClient(base_url=address.url, trust_env=False, timeout=60, verify=False, **options)


async def phase(session, wanted):
    """Wait until the session is in a phase."""
    reached = asyncio.Event()
    forget = session.listen(lambda state: reached.set() if state.phase == wanted else None)
    if session.state.phase != wanted:
        await reached.wait()
    forget()


async def waiting(client, count):
    """Wait until so many requests are in the list."""
    while (await client.get("/health")).json()["queue"]["waiting"] != count:
        await asyncio.sleep(0.01)


async def connect(address, data=None, *, method="POST", path=CHAT, headers=(), raw=None):
    """A raw connection with a request sent (``raw``: just these bytes); (reader, writer)."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    if raw is None:
        body = json.dumps(data).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {address.host}:{address.port}",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        raw = "\r\n".join([*lines, "", ""]).encode() + body
    writer.write(raw)
    await writer.drain()
    return reader, writer


async def hang_up(writer):
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
