"""What the HTTP service costs beyond the engine, and what clients that leave, wait or come together leave behind.

A real uvicorn on 127.0.0.1 and, in the same process, a real session; the engine is a child as always: a fake one that
holds no model and streams as fast as it can, and a tiny GGUF file on llama.cpp. The same session is asked with and
without HTTP, in turn. The client is of sockets and nothing else, so that it is not what is measured; it runs in the
same loop, which makes the service look slower than it is, not faster.
"""

import asyncio
import contextlib
import dataclasses
import gc
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from autoglm_desktop.core.protocol import Delta, Message, Sampling
from autoglm_desktop.host.command import engine_command
from autoglm_desktop.service.run import Address, serve
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.usecases.serve import ServeOptions
from autoglm_desktop.usecases.session import Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_prepare, made_services

from .timing import median_range

ROUNDS = 40
TOKENS = 300
ABORTED, WARM_UP = 1000, 200
CLIENTS = (1, 4, 16, 64)
AIM_FIRST_MS, AIM_TOKEN_MS, AIM_BYTES = 5.0, 0.3, 5_000_000
QUESTION = "hello"
CONTEXT = 4096


@dataclass(frozen=True)
class Timed:
    """Of one answer: seconds to the first token, and of the whole answer by its tokens."""

    first_s: float
    token_s: float
    tokens: int


@dataclass(frozen=True)
class Left:
    """What a process holds: threads, file descriptors (handles on Windows), resident bytes."""

    threads: int
    handles: int
    resident: int


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[str]:
    lines = ["Beyond the engine: the same session over HTTP and without it, in turn.", ""]
    async with running(folder / "paced", "ok", "--tokens", CONTEXT, "--delay", 0.001) as (address, session):
        lines += await _overhead("a fake engine at most 1,000 tokens/s", address, session)
    async with running(folder / "fast", "ok", "--tokens", CONTEXT) as (address, session):
        lines += await _overhead("a fake engine as fast as it can", address, session, paced=False)
    async with running(folder / "tiny", real=True) as (address, session):
        lines += await _overhead("tiny glm4 (F16, 2 layers) on llama.cpp", address, session)
    async with running(folder / "aborted", "ok", "--tokens", 200, "--delay", 0.0005) as (address, session):
        lines += ["", *await _aborted(address, session)]
    async with running(folder / "order", "ok", "--tokens", CONTEXT, "--delay", 0.001) as (address, session):
        lines += ["", *await _in_order(address, session)]
    async with running(folder / "many", "ok", "--tokens", CONTEXT) as (address, session):
        lines += ["", *await _together(address)]
    return lines


@contextlib.asynccontextmanager
async def running(home: Path, *mode: object, real: bool = False) -> AsyncIterator[tuple[Address, Session]]:
    """A service with its model loaded."""
    home.mkdir()
    file = home / "model.gguf"
    gguf_tiny.write_tiny_glm4(file)
    services = made_services(home, *(mode or ("ok",)))
    if real:
        services = dataclasses.replace(services, command=lambda _python: engine_command(Path(sys.executable)))
    session = Session(services, made_prepare)
    ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
    options = ServeOptions(port=0, keep_alive_s=600.0)
    task = asyncio.ensure_future(serve(session, options, ready.set_result))
    try:
        await session.load(Target("tiny", file), Wishes(context=CONTEXT))
        yield await ready, session
    finally:
        task.cancel()
        await asyncio.wait({task})
        await session.close()


async def _overhead(name: str, address: Address, session: Session, *, paced: bool = True) -> list[str]:
    """``paced``: its tokens come one by one. Where they don't, all are there before the first is looked at, and the
    time to the first one says nothing."""
    direct, http = [], []
    async with connected(address) as client:
        for number in range(ROUNDS + 3):  # the first ones warm up
            ways = [(direct, lambda: without_http(session)), (http, lambda: streamed(client))]
            for found, ask in ways if number % 2 else reversed(ways):  # none of them always comes first
                timed = await ask()
                if number >= 3:
                    found.append(timed)
    assert all(one.tokens >= TOKENS - 2 for one in (*direct, *http))
    lines = [f"- {name}, {TOKENS} tokens, {ROUNDS} rounds; medians of the paired differences:"]
    if paced:
        lines.append(_line("to the first token", direct, http, "first_s", 2, AIM_FIRST_MS))
    return [
        *lines,
        _line("for each token (whole answer by its tokens)", direct, http, "token_s", 4, AIM_TOKEN_MS),
    ]


def _line(name: str, direct: list[Timed], http: list[Timed], what: str, digits: int, aim: float) -> str:
    plain, served = ([getattr(one, what) * 1000 for one in found] for found in (direct, http))
    added = statistics.median(a - b for a, b in zip(served, plain, strict=True))
    return (
        f"  - {name}: {added:+.{digits}f} ms (aim: at most {aim:g}); without HTTP "
        f"{median_range(plain, 'ms', digits)}, over HTTP {median_range(served, 'ms', digits)}"
    )


async def without_http(session: Session) -> Timed:
    began = time.perf_counter()
    times, count = [], 0
    sampling = Sampling(temperature=0.0, max_tokens=TOKENS)
    async with contextlib.aclosing(session.generate([Message("user", QUESTION)], sampling)) as events:
        async for event in events:
            if isinstance(event, Delta):
                times.append(time.perf_counter())
                count = event.tokens
    return _timed(began, times, count)


def _timed(began: float, times: list[float], count: int) -> Timed:
    return Timed(times[0] - began, (times[-1] - began) / max(1, count), count)


@contextlib.asynccontextmanager
async def connected(address: Address) -> AsyncIterator["Client"]:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass(frozen=True)
class Client:
    """A kept connection of chunked answers."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def ask(self, tokens: int, content: str = QUESTION, *, stream: bool = True) -> None:
        data = {
            "messages": [{"role": "user", "content": content}], "max_tokens": tokens, "temperature": 0,
            "stream": stream, "stream_options": {"include_usage": True},
        }  # fmt: skip
        body = json.dumps(data).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The chunks of an answer, as they come."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readuntil(b"\r\n")


async def streamed(client: Client) -> Timed:
    began = time.perf_counter()
    client.ask(TOKENS)
    times, usage = [], {}
    async for piece in client.pieces():
        for line in piece.split(b"\n\n"):
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                usage = event.get("usage") or usage
                if event["choices"] and event["choices"][0]["delta"].get("content"):
                    times.append(time.perf_counter())
    return _timed(began, times, usage["completion_tokens"])


async def _aborted(address: Address, session: Session) -> list[str]:
    before, after, worst_ms = await aborted(address, session, WARM_UP, ABORTED)
    grown = after.resident - before.resident
    return [
        f"{ABORTED:,} streams aborted, 16 at a time, each after 0 to 9 tokens ({WARM_UP} before to warm up):",
        "",
        f"- threads {after.threads - before.threads:+d}, file descriptors {after.handles - before.handles:+d}, "
        f"resident memory {grown / 1e6:+.2f} MB (aim: none, none, at most {AIM_BYTES / 1e6:g} MB)",
        f"- from a client's leaving until the engine is free: at most {worst_ms:.1f} ms of 20 (a token takes 0.5 ms)",
    ]


async def aborted(address: Address, session: Session, warm_up: int, count: int) -> tuple[Left, Left, float]:
    """(before, after, milliseconds until the engine was free at worst)."""
    await _abort_all(address, session, warm_up)
    before = await left()
    await _abort_all(address, session, count)
    after = await left()
    return before, after, max([await _until_free(address, session) for _ in range(20)])


async def _abort_all(address: Address, session: Session, count: int) -> None:
    for number in range(0, count, 16):
        await asyncio.gather(
            *(_abort(address, (number + one) % 10) for one in range(min(16, count - number)))
        )
    await free(session)


async def _abort(address: Address, after: int) -> None:
    async with connected(address) as client:
        client.ask(TOKENS)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for _ in range(after):
                await client.reader.readuntil(b'"content":"')
        client.writer.transport.abort()


async def _until_free(address: Address, session: Session) -> float:
    async with connected(address) as client:
        client.ask(TOKENS)
        await client.reader.readuntil(b'"content":"')
        began = time.perf_counter()
        client.writer.transport.abort()
        await free(session)
        return (time.perf_counter() - began) * 1000


async def free(session: Session) -> None:
    """Wait until the session rests."""
    while session.state.phase != "ready":
        await asyncio.sleep(0.0005)


async def left() -> Left:
    """Held now, once closed sockets are gone."""
    process = psutil.Process()
    handles: Callable[[], int] = process.num_fds if hasattr(process, "num_fds") else process.num_handles
    fewest = handles()
    for _ in range(20):
        await asyncio.sleep(0.05)
        gc.collect()
        fewest = min(fewest, handles())
    return Left(threading.active_count(), fewest, process.memory_info().rss)


async def _in_order(address: Address, session: Session) -> list[str]:
    order, waited = await in_order(address, session, 64)
    right = "in the order in which they came" if order == list(range(64)) else f"NOT in order: {order}"
    return [
        f"64 clients that wait behind one answer are served {right}; the last one had its first token "
        f"{max(waited):.2f} s after the first one's turn began (20 tokens each, 1 ms per token)."
    ]


async def in_order(address: Address, session: Session, count: int) -> tuple[list[int], list[float]]:
    """(the order in which they were answered, when)."""
    order: list[int] = []
    waited: list[float] = []
    begun = 0.0

    async def wait(number: int, client: Client) -> None:
        client.ask(20, f"{number}")
        first = True
        async for _piece in client.pieces():
            if first:
                order.append(number)
                waited.append(time.perf_counter() - begun)
                first = False

    async with contextlib.AsyncExitStack() as stack:
        ahead = await stack.enter_async_context(connected(address))
        ahead.ask(CONTEXT)
        await ahead.reader.readuntil(b'"content":"')
        tasks = []
        for number in range(count):
            client = await stack.enter_async_context(connected(address))
            tasks.append(asyncio.ensure_future(wait(number, client)))
            await asyncio.sleep(0.005)
        begun = time.perf_counter()
        ahead.writer.transport.abort()
        await asyncio.gather(*tasks)
    return order, waited


async def _together(address: Address) -> list[str]:
    lines = [
        "Clients at once, each 10 answers of 100 tokens one after the other (a fake engine, one answer at a time):",
        "",
    ]
    for count in CLIENTS:
        await asyncio.gather(*(_ten(address) for _ in range(count)))  # warm up
        began = time.perf_counter()
        worst = await asyncio.gather(*(_ten(address) for _ in range(count)))
        seconds = time.perf_counter() - began
        lines.append(
            f"- {count}: {count * 10 / seconds:,.0f} answers/s, {count * 1000 / seconds:,.0f} tokens/s, "
            f"the longest answer took {max(worst) * 1000:.0f} ms with its waiting"
        )
    return lines


async def _ten(address: Address) -> float:
    worst = 0.0
    async with connected(address) as client:
        for _ in range(10):
            began = time.perf_counter()
            client.ask(100)
            async for _piece in client.pieces():
                pass
            worst = max(worst, time.perf_counter() - began)
    return worst
