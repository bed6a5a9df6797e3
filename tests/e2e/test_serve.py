"""``serve`` with a real uvicorn on 127.0.0.1 and a real child that speaks the engine protocol (a fake engine)."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from autoglm_desktop.core.errors import ServiceError
from autoglm_desktop.service.run import Address, serve
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.usecases.serve import ServeOptions
from autoglm_desktop.usecases.session import Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_prepare, made_services

ROOT = Path(__file__).resolve().parents[2]
CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "你好 hello"}]}
SLOW = ("ok", "--tokens", 100_000, "--delay", 0.05)  # 4,000 tokens of room: minutes, if nobody stops it


@contextlib.asynccontextmanager
async def service(home, *mode, load=True, **options):
    """(address, session, task of the service), the model loaded unless told otherwise."""
    services = made_services(home, *mode)
    session = Session(services, made_prepare)
    file = home / "model.gguf"
    file.write_bytes(b"made: the fake engine opens no file")
    ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(session, ServeOptions(port=0, **options), ready.set_result))
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        if load:
            await session.load(Target("模型", file), Wishes())
        yield ready.result(), session, task
    finally:
        task.cancel()
        await asyncio.wait({task})
        await session.close()


def run(work):
    return asyncio.run(asyncio.wait_for(work, 90))


def client_of(address):
    return httpx.AsyncClient(base_url=address.url, trust_env=False, timeout=60)


async def phase(session, wanted):
    """Wait until the session is in a phase."""
    reached = asyncio.Event()
    forget = session.listen(lambda state: reached.set() if state.phase == wanted else None)
    if session.state.phase != wanted:
        await reached.wait()
    forget()


async def waiting(client, count):
    """Wait until so many requests are in the list."""
    while (await client.get("/health")).json()["waiting"] != count:
        await asyncio.sleep(0.01)


async def connect(address, data, *, path=CHAT, headers=()):
    """A raw connection with a request sent; (reader, writer)."""
    body = json.dumps(data).encode()
    reader, writer = await asyncio.open_connection(address.host, address.port)
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {address.host}:{address.port}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    return reader, writer


async def hang_up(writer):
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def test_it_listens_at_once_and_answers_when_the_model_is_there(tmp_path):
    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 30, load=False) as (address, session, _),
            client_of(address) as client,
        ):
            before = (await client.get("/health"), await client.post(CHAT, json=HELLO))
            await session.load(Target("模型", tmp_path / "model.gguf"), Wishes())
            health = await client.get("/health")
            whole = await client.post(CHAT, json=HELLO)
            lines = []
            async with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as stream:
                async for line in stream.aiter_lines():
                    lines.append(line)
            return before, health, whole, lines

    before, health, whole, lines = run(work())
    assert [response.status_code for response in before] == [503, 503]
    assert before[1].json()["error"]["code"] == "model_loading" and "retry-after" in before[1].headers
    assert (
        health.status_code == 200
        and health.json()["phase"] == "ready"
        and health.json()["engine"] == "llama-cpu"
    )
    text = whole.json()["choices"][0]["message"]["content"]
    assert "你好" in text and whole.json()["usage"]["completion_tokens"] == 30
    pieces = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert "".join(piece["choices"][0]["delta"].get("content", "") for piece in pieces) == text
    assert [line for line in lines if line][-1] == "data: [DONE]"


def test_a_client_that_hangs_up_stops_the_generation(tmp_path):
    async def work():
        async with service(tmp_path, *SLOW) as (address, session, _):
            reader, writer = await connect(address, {**HELLO, "stream": True})
            await reader.readuntil(b'"content": "')  # the role
            await reader.readuntil(b'"content": "')  # the first token
            assert session.state.phase == "generating"
            await hang_up(writer)
            await phase(session, "ready")
            async with client_of(address) as client:  # the engine is free: it answers one after the other
                return await client.post(CHAT, json={**HELLO, "max_tokens": 2})

    assert run(work()).json()["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("stream", [True, False])
def test_hanging_up_stops_also_during_prefill(tmp_path, stream):
    async def work():
        async with service(tmp_path, "ok", "--first", 80, "--tokens", 2) as (address, session, _):
            _, writer = await connect(address, {**HELLO, "stream": stream})
            await phase(session, "generating")
            await hang_up(writer)
            await phase(session, "ready")
            _, writer = await connect(address, HELLO)
            await phase(session, "generating")
            await hang_up(writer)
            await phase(session, "ready")

    run(work())


def test_who_hangs_up_in_the_list_is_forgotten(tmp_path):
    async def work():
        async with service(tmp_path, *SLOW) as (address, session, _), client_of(address) as client:
            _, first = await connect(address, HELLO)
            await phase(session, "generating")
            _, second = await connect(address, {**HELLO, "stream": True})
            await waiting(client, 1)
            await hang_up(second)
            await waiting(client, 0)
            await hang_up(first)
            await phase(session, "ready")

    run(work())


def test_keep_alives_come_during_a_long_prefill(tmp_path):
    async def work():
        options = {"keep_alive_s": 0.05}
        async with service(tmp_path, "ok", "--first", 80, **options) as (address, session, _):
            reader, writer = await connect(address, {**HELLO, "stream": True})
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b": keep-alive\n\n")
            await reader.readuntil(b": keep-alive\n\n")
            session.stop()
            rest = await reader.readuntil(b"data: [DONE]\n\n")
            await hang_up(writer)
            return head, rest

    head, rest = run(work())
    assert head.startswith(b"HTTP/1.1 200") and b"text/event-stream" in head
    assert b'"finish_reason": "stop"' in rest


def test_chunked_bodies_are_read_also_when_cut_inside_a_character(tmp_path):
    body = json.dumps({**HELLO, "max_tokens": 3}, ensure_ascii=False).encode()

    async def work():
        async with service(tmp_path, "ok") as (address, _, _):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(
                f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )
            for index in range(len(body)):
                writer.write(b"1\r\n" + body[index : index + 1] + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            await hang_up(writer)
            return head

    assert run(work()).startswith(b"HTTP/1.1 200")


async def status(reader):
    return (await reader.readline()).split()[1]


def test_too_large_a_body_is_refused_without_reading_it(tmp_path):
    async def work():
        async with service(tmp_path, "ok", body_limit=10_000) as (address, session, _):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n"
            writer.write(f"{head}Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n".encode())
            declared = await status(reader)  # nothing of the body was sent
            await hang_up(writer)
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            chunked = await status(reader)  # the body has no end yet
            await hang_up(writer)
            async with client_of(address) as client:  # a client that sends everything before it reads
                whole = await client.post(CHAT, content=b"x" * 5_000_000)
                after = await client.get("/health")
            return declared, chunked, whole.status_code, after.status_code, session.state.phase

    assert run(work()) == (b"413", b"413", 413, 200, "ready")


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_a_crash_in_the_middle_is_told_and_the_next_request_loads_again(tmp_path):
    async def work():
        async with (
            service(tmp_path, "crash-generate", 3) as (address, session, _),
            client_of(address) as client,
        ):
            stream = await client.post(CHAT, json={**HELLO, "stream": True})
            health = await client.get("/health")
            first = session.state
            again = await client.post(CHAT, json={**HELLO, "max_tokens": 2})
            return stream, health, first, again

    stream, health, first, again = run(work())
    assert '"code": "engine_died"' in stream.text and stream.text.count('"content"') == 4
    assert health.status_code == 200 and first.phase == "failed"
    assert again.status_code == 200 and again.json()["usage"]["completion_tokens"] == 2


def test_the_context_is_told_with_numbers(tmp_path):
    async def work():
        async with service(tmp_path, "ok") as (address, _, _), client_of(address) as client:
            long = {"messages": [{"role": "user", "content": "x" * 9000}]}
            return await client.post(CHAT, json=long)

    response = run(work())
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert "9,000" in response.json()["error"]["message"] and "4,096" in response.json()["error"]["message"]


def test_ending_the_service_finishes_the_answer_that_is_sent(tmp_path):
    async def work():
        async with service(tmp_path, *SLOW) as (address, session, task), client_of(address) as client:
            reader, writer = await connect(address, {**HELLO, "stream": True})
            await reader.readuntil(b'"content": "')
            await phase(session, "generating")
            queued, queued_writer = await connect(address, HELLO)
            await waiting(client, 1)
            task.cancel()
            rest = await reader.read()
            refused = await queued.read()
            await hang_up(writer)
            await hang_up(queued_writer)
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(OSError):
                await asyncio.open_connection(address.host, address.port)
            return rest, refused

    rest, refused = run(work())
    assert b'"finish_reason": "stop"' in rest and b"data: [DONE]\n\n" in rest
    assert refused.startswith(b"HTTP/1.1 503") and b"service_ending" in refused


def test_a_port_in_use_is_one_expected_error(tmp_path):
    async def work(port):
        await serve(
            Session(made_services(tmp_path), made_prepare), ServeOptions(port=port), lambda _address: None
        )

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServiceError) as caught:
        run(work(taken.getsockname()[1]))
    assert caught.value.code == "port_in_use"


@pytest.mark.parametrize(
    ("host", "key", "code"),
    [
        ("0.0.0.0", None, "key_needed"),
        ("203.0.113.7", "k", "address_unusable"),
        ("bad..name", "k", "address_unusable"),
    ],
)
def test_addresses_that_do_not_work_are_expected_errors(tmp_path, host, key, code):
    async def work():
        async with service(tmp_path, host=host, api_key=key):
            pass

    with pytest.raises(ServiceError) as caught:
        run(work())
    assert caught.value.code == code


def test_addresses_are_written_so_that_they_can_be_opened():
    assert Address("0.0.0.0", 80).url == "http://127.0.0.1:80"
    assert Address("::1", 80).url == "http://[::1]:80" == Address("::", 80).url
    assert Address("192.168.1.5", 8000).url == "http://192.168.1.5:8000"


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "模型 tiny.gguf"
    gguf_tiny.write_tiny_glm4(path)
    return path


@contextlib.contextmanager
def terminal(tmp_path, mode, *args, env=()):
    """``autoglm-desktop ARGS`` as a process, with a fake engine."""
    command = [
        sys.executable,
        "-m",
        "tests.fakes.fake_services",
        str(tmp_path / "home"),
        *map(str, mode),
        "--",
        *args,
    ]
    variables = {**os.environ, "AUTOGLM_HOME": str(tmp_path / "home"), "AUTOGLM_LANG": "en", **dict(env)}
    variables.pop("AUTOGLM_API_KEY", None)
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process, part):
    lines = []
    for line in process.stderr:
        lines.append(line)
        if part in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 0), ("SIGINT", 130)])
def test_the_command_serves_until_a_signal_and_leaves_nothing_behind(tmp_path, model, number, code):
    with terminal(tmp_path, ["ok"], "serve", str(model), "--port", "0") as process:
        listening = read_until(process, "Listening on ")
        url = listening.rpartition("Listening on ")[2].split(";")[0]
        said = read_until(process, "Ctrl-C")
        engines = psutil.Process(process.pid).children(recursive=True)
        answer = httpx.post(url + CHAT, json=HELLO, trust_env=False, timeout=60)
        process.send_signal(getattr(signal, number))
        out, err = process.communicate(timeout=60)
    assert answer.status_code == 200
    assert f"curl {url}/v1/chat/completions" in said and f"--base-url {url}/v1" in said
    assert process.returncode == code
    assert out == "" and "Traceback" not in err
    assert len(engines) == 1 and not any(engine.is_running() for engine in engines)


def test_the_command_ends_when_the_model_does_not_load(tmp_path, model):
    with terminal(tmp_path, ["bad-file"], "serve", str(model), "--port", "0") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == "" and "Traceback" not in err
    assert "magic bytes" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("args", "part"),
    [(["--host", "0.0.0.0"], "--api-key-file"), (["--api-key-file", "no such file"], "no such file")],
)
def test_wrong_options_are_one_sentence(tmp_path, model, args, part):
    with terminal(tmp_path, ["ok"], "serve", str(model), *args) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == ""
    assert len(err.splitlines()) == 1 and part in err


def test_a_port_in_use_is_one_sentence_before_anything_is_loaded(tmp_path, model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with terminal(tmp_path, ["hang"], "serve", str(model), "--port", port) as process:
            _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(err.splitlines()) == 1 and port in err
