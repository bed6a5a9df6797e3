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

from autoglm_desktop.core.errors import EngineError, ServiceError
from autoglm_desktop.service.run import Address, serve
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.usecases.serve import ServeOptions
from autoglm_desktop.usecases.session import Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.e2e.service_running import (
    CHAT,
    HELLO,
    SLOW,
    client_of,
    connect,
    hang_up,
    made_target,
    phase,
    run,
    service,
    waiting,
)
from tests.fakes.fake_services import made_prepare, made_services

ROOT = Path(__file__).resolve().parents[2]


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
    assert before[1].json()["error"]["code"] == "no_model_loaded" and "retry-after" in before[1].headers
    engine = health.json()["engine"]
    assert health.status_code == 200 and engine["phase"] == "ready" and engine["name"] == "llama-cpu"
    text = whole.json()["choices"][0]["message"]["content"]
    assert "你好" in text and whole.json()["usage"]["completion_tokens"] == 30
    pieces = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert "".join(piece["choices"][0]["delta"].get("content", "") for piece in pieces) == text
    assert [line for line in lines if line][-1] == "data: [DONE]"


def test_a_client_that_hangs_up_stops_the_generation(tmp_path):
    async def work():
        async with service(tmp_path, *SLOW) as (address, session, _):
            reader, writer = await connect(address, {**HELLO, "stream": True})
            await reader.readuntil(b'"content":"')  # the role
            await reader.readuntil(b'"content":"')  # the first token
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
    assert b'"finish_reason":"stop"' in rest


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


async def loaded_again(session):
    """The rung that was tried last, once a model is there again."""
    await phase(session, "ready")
    return session.state.plan.rung


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_an_engine_that_dies_before_the_first_word_costs_the_client_nothing(tmp_path):
    """Its engine is killed while it computes the prompt: the next one is asked the same, on the same stream."""

    async def work():
        async with (
            service(tmp_path, "ok", "--first", 0.5, "--tokens", 3, keep_alive_s=0.1) as (address, session, _),
            client_of(address) as client,
        ):
            first = session._keeper.running.process.pid
            asked = asyncio.ensure_future(client.post(CHAT, json={**HELLO, "stream": True}))
            await phase(session, "generating")
            psutil.Process(first).kill()
            answer = await asked
            return answer, session._keeper.running.process.pid != first

    answer, another = run(work())
    assert answer.status_code == 200 and another
    assert '"error"' not in answer.text and answer.text.endswith("data: [DONE]\n\n")
    assert answer.text.count('"content"') == 4  # the role and three tokens, none of them twice


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_an_engine_that_dies_in_the_middle_ends_that_answer_alone_and_the_queue_goes_on(tmp_path):
    async def work():
        async with service(tmp_path, "crash-generate", 3) as (address, _, _), client_of(address) as client:
            both = [client.post(CHAT, json={**HELLO, "stream": True, "max_tokens": n}) for n in (9, 2)]
            return *await asyncio.gather(*both), (await client.get("/metrics")).text

    broken, whole, page = run(work())
    assert 'autoglm_ladder_falls_total{kind="crashed"} 1.0' in page
    assert broken.status_code == whole.status_code == 200
    assert '"code":"engine_died"' in broken.text and '"error"' not in whole.text
    assert whole.text.count('"content"') == 3


def test_a_request_waits_for_a_model_that_is_loaded_again(tmp_path):
    """Another rung by the user's wish: who asks meanwhile waits and is answered; before the first model it is told."""
    go, asked = asyncio.Event(), []

    async def prepare(services, target, wishes):
        asked.append(wishes.rung)
        if len(asked) > 1:
            await go.wait()
        return await made_prepare(services, target, wishes)

    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 2, prepare=prepare, keep_alive_s=0.05) as (
                address,
                session,
                _,
            ),
            client_of(address) as client,
        ):
            loading = asyncio.ensure_future(session.load(made_target(tmp_path), Wishes("gguf-cpu-safe")))
            await phase(session, "loading")
            reader, writer = await connect(address, {**HELLO, "stream": True})
            await reader.readuntil(b": keep-alive")
            health = await client.get("/health")
            whole = asyncio.ensure_future(client.post(CHAT, json=HELLO))
            await waiting(client, 1)
            go.set()
            rest = await reader.readuntil(b"[DONE]")
            await loading
            await hang_up(writer)
            return health, rest, await whole, await loaded_again(session)

    health, rest, whole, rung = run(work())
    assert health.json()["queue"]["requests"][0]["state"] == "loading" and health.status_code == 200
    assert b'"finish_reason":"stop"' in rest and whole.status_code == 200 and rung == "gguf-cpu-safe"


def test_an_idle_model_and_one_that_was_freed_come_back_with_the_next_request(tmp_path):
    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 2) as (address, session, _),
            client_of(address) as client,
        ):
            await session.unload()
            health = await client.get("/health")
            first = await client.post(CHAT, json=HELLO)
            await session.free()
            return health, first, await client.post(CHAT, json=HELLO)

    health, *answers = run(work())
    assert health.status_code == 200 and health.json()["engine"]["phase"] == "idle"
    assert [answer.status_code for answer in answers] == [200, 200]


def test_after_a_ladder_that_failed_requests_are_told_when_to_come_back_and_then_it_is_tried_again(
    tmp_path, monkeypatch
):
    """Not 503 for ever: what kept the model from loading may be over."""
    monkeypatch.setattr("autoglm_desktop.usecases.serve.RETRY_FAILED_S", 0.3)
    tries = []

    async def prepare(services, target, wishes):
        tries.append(target)
        if len(tries) in (2, 3):
            raise EngineError("nothing_fits", reason=None)
        return await made_prepare(services, target, wishes)

    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 2, prepare=prepare) as (address, session, _),
            client_of(address) as client,
        ):
            await session.unload()
            failed = await client.post(CHAT, json=HELLO)
            told = await client.post(CHAT, json=HELLO)
            health = await client.get("/health")
            found = [failed, told]
            while found[-1].status_code == 503:
                await asyncio.sleep(0.02)
                found.append(await client.post(CHAT, json=HELLO))
            return failed, told, health, found[-1]

    failed, told, health, answered = run(work())
    assert {one.status_code for one in (failed, told, health)} == {503}
    assert told.json()["error"]["code"] == "nothing_fits" and int(told.headers["retry-after"]) >= 1
    assert health.json()["status"] == "DOWN"
    assert answered.status_code == 200 and len(tries) == 4  # asked often, tried twice more


def test_who_waits_too_long_is_told_when_to_come_back(tmp_path):
    async def work():
        async with (
            service(tmp_path, *SLOW, wait_limit_s=0.1) as (address, session, _),
            client_of(address) as client,
        ):
            _, first = await connect(address, HELLO)
            await phase(session, "generating")
            whole = await client.post(CHAT, json=HELLO)
            await hang_up(first)
            return whole

    whole = run(work())
    assert whole.status_code == 503 and whole.json()["error"]["code"] == "queue_timeout"
    assert int(whole.headers["retry-after"]) >= 1


def test_a_full_list_is_told_with_the_time_to_come_back(tmp_path):
    async def work():
        async with service(tmp_path, *SLOW, waiting=1) as (address, session, _), client_of(address) as client:
            _, first = await connect(address, HELLO)
            await phase(session, "generating")
            _, second = await connect(address, HELLO)
            await waiting(client, 1)
            refused = await client.post(CHAT, json=HELLO)
            await hang_up(second)
            await hang_up(first)
            return refused

    refused = run(work())
    assert refused.status_code == 429 and refused.json()["error"]["code"] == "service_busy"
    assert 1 <= int(refused.headers["retry-after"]) <= 120


def test_the_place_in_the_list_is_told_on_the_stream(tmp_path):
    async def work():
        async with service(tmp_path, *SLOW, keep_alive_s=0.05) as (address, session, _):
            _, first = await connect(address, HELLO)
            await phase(session, "generating")
            reader, second = await connect(address, {**HELLO, "stream": True})
            await reader.readuntil(b": waiting, 1 before you")
            await hang_up(first)
            await reader.readuntil(b'"content":"\xe4')
            await hang_up(second)
            await phase(session, "ready")

    run(work())


def test_metrics_and_log_tell_what_was_done_and_not_what_was_asked(tmp_path, caplog):
    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 3) as (address, _, _),
            client_of(address) as client,
        ):
            await client.post(
                CHAT + "?secret=geheim", json={"messages": [{"role": "user", "content": "geheim"}]}
            )
            await client.get("/geheim")
            return (await client.get("/metrics")).text

    with caplog.at_level("DEBUG"):
        page = run(work())
    assert (
        'request_duration_seconds_count{method="POST",route="/v1/chat/completions",status="200"} 1.0' in page
    )
    assert "autoglm_completion_tokens_total 3.0" in page and "autoglm_model_loaded 1.0" in page
    assert 'autoglm_engine_memory_bytes{device="ram"} 6.16e+09' in page
    ours = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith("http"))
    assert "geheim" not in page and "geheim" not in ours
    assert "POST /v1/chat/completions 200 " in ours and " tokens 6+3" in ours


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
    assert '"code":"engine_died"' in stream.text and stream.text.count('"content"') == 4
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
    assert "9000" in response.json()["error"]["message"] and "4096" in response.json()["error"]["message"]


def test_ending_the_service_finishes_the_answer_that_is_sent(tmp_path):
    async def work():
        async with service(tmp_path, *SLOW) as (address, session, task), client_of(address) as client:
            reader, writer = await connect(address, {**HELLO, "stream": True})
            await reader.readuntil(b'"content":"')
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
    assert b'"finish_reason":"stop"' in rest and b"data: [DONE]\n\n" in rest
    assert refused.startswith(b"HTTP/1.1 503") and b"service_ending" in refused


def test_switched_off_and_on_again_it_leaves_nothing_in_the_session_and_the_model_where_it_is(tmp_path):
    async def work():
        session = Session(made_services(tmp_path, "ok", "--tokens", 2), made_prepare)
        await session.load(made_target(tmp_path), Wishes())
        engine, watching, answers = session._keeper.running, len(session._board._listeners), []
        for _ in range(3):
            ready = asyncio.get_running_loop().create_future()
            task = asyncio.ensure_future(serve(session, ServeOptions(port=0), ready.set_result))
            async with client_of(await ready) as client:
                answers.append((await client.post(CHAT, json=HELLO)).status_code)
            task.cancel()
            await asyncio.wait({task})
        found = (
            session._keeper.running is engine,
            len(session._board._listeners) - watching,
            len(asyncio.all_tasks()),
        )
        await session.close()
        return answers, found

    answers, (same, more, tasks) = run(work())
    assert answers == [200] * 3 and same and more == 0
    assert tasks < 10


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
    assert caught.value.code == code and "attempting" not in str(caught.value.values)


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
