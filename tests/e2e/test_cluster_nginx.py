"""packaging/cluster/nginx.conf in a real nginx on 127.0.0.1, in front of servers that only play vLLM."""

import http.client
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.fakes.fake_openai import Behaviour, FakeOpenAI

CLUSTER = Path(__file__).parents[2] / "packaging" / "cluster"
BINARY = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
CHAT = "/v1/chat/completions"
MODEL = "made-model"
WEIGHTS = (3, 2, 1)

pytestmark = [
    pytest.mark.skipif(BINARY is None, reason="nginx is not installed"),
    pytest.mark.skipif(os.name == "nt", reason="a listening socket is handed to nginx, as POSIX allows"),
]


def version() -> tuple[int, ...]:
    told = subprocess.run([str(BINARY), "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(int(part) for part in re.findall(r"nginx/(\d+)\.(\d+)\.(\d+)", told)[0])


def upstream_for(ports: list[int]) -> str:
    """The shipped upstream with loopback addresses instead of names."""
    text = (CLUSTER / "upstream.conf").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^resolver .*$", "", text).replace(" resolve;", ";")
    for number in range(1, 4):
        old = f"server vllm-{number}:8000 "
        assert old in text
        new = f"server 127.0.0.1:{ports[number - 1]} " if number <= len(ports) else "# "
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[int]:
    """The shipped configuration, with a folder and a socket of the test's own; the port it listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        listener.setblocking(False)  # as nginx makes its own: two workers must not wait for one connection
        port = listener.getsockname()[1]
        text = (CLUSTER / "nginx.conf").read_text(encoding="utf-8")
        assert "listen 8080;" in text
        text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/tmp/", f"{folder}/")
        text = text.replace("/dev/stdout", f"{folder}/access.log")
        if os.geteuid() == 0:
            text = "user root;\n" + text
        (folder / "nginx.conf").write_text(text, encoding="utf-8")
        (folder / "upstream.conf").write_text(upstream, encoding="utf-8")
        command = [str(BINARY), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
        with (folder / "stderr").open("wb") as errors:
            running = subprocess.Popen(
                command, stderr=errors, stdout=errors, pass_fds=[listener.fileno()],
                env={**os.environ, "NGINX": f"{listener.fileno()};"},
            )  # fmt: skip
    try:
        # The socket is open already: this waits until nginx takes the connection, or has died.
        try:
            assert ask(port, "GET", "/nginx-health")[0] == 200
        except OSError as error:
            raise AssertionError((folder / "stderr").read_text(encoding="utf-8")) from error
        yield port
    finally:
        running.terminate()
        running.wait(20)


@contextmanager
def instances(folder: Path, *behaviours: Behaviour) -> Iterator[tuple[int, list[FakeOpenAI]]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(FakeOpenAI(does)) for does in behaviours]
        ports = [int(server.url.split(":")[2].split("/")[0]) for server in servers]
        yield stack.enter_context(nginx(folder, upstream_for(ports))), servers


def ask(
    port: int, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, path, content, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def request_body(stream: bool = False, text: str = "Hi") -> dict:
    return {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": text}]}


def error_of(body: bytes) -> dict:
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_stream_passes_piece_by_piece_and_a_client_that_hangs_up_is_told_to_vllm(folder: Path) -> None:
    with instances(folder, Behaviour(hold=3)) as (port, [vllm]):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(
            "POST", CHAT, json.dumps(request_body(stream=True)), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        seen = b""
        while seen.count(b"data: ") < 3:  # the fourth is never sent: nothing waits for a whole answer
            seen += response.read1(65536)
        assert vllm.holding.wait(10)
        assert not vllm.hung_up.is_set()
        response.close()
        connection.close()
        assert vllm.hung_up.wait(10)


def test_key_and_answer_pass_unchanged(folder: Path) -> None:
    with instances(folder, Behaviour(key="made-key")) as (port, [vllm]):
        status, _headers, body = ask(port, "POST", CHAT, request_body())
        assert (status, json.loads(body)["error"]["message"]) == (401, "made: refused None")
        status, _headers, body = ask(port, "POST", CHAT, request_body(), Authorization="Bearer made-key")
        assert (status, json.loads(body)["choices"][0]["message"]["content"]) == (200, "made: Hello, 你好!")
        status, _headers, body = ask(port, "GET", "/v1/models", Authorization="Bearer made-key")
        assert (status, json.loads(body)["data"][0]["id"]) == (200, MODEL)
        assert [request.method for request in vllm.asked] == ["POST", "POST", "GET"]
        wrong = {"model": "unknown", "messages": [], "stream": False}
        status, _headers, body = ask(port, "POST", CHAT, wrong, Authorization="Bearer made-key")
        assert (status, json.loads(body)["error"]["message"]) == (404, "The model 'unknown' does not exist.")


def test_requests_are_shared_by_weight(folder: Path) -> None:
    with instances(folder, *[Behaviour()] * 3) as (port, servers):
        for count in range(1, 13):
            assert ask(port, "GET", "/v1/models")[0] == 200
            logged(folder, count)  # nginx itself knows now that the instance is idle again
        assert [len(server.asked) for server in servers] == [2 * weight for weight in WEIGHTS]


def test_the_least_busy_instance_for_its_weight_is_next(folder: Path) -> None:
    with instances(folder, *[Behaviour(hold=1)] * 3) as (port, servers), ExitStack() as stack:
        for _ in range(12):
            hold_one(stack, port)
        assert [len(server.asked) for server in servers] == [2 * weight for weight in WEIGHTS]


def test_an_instance_that_is_down_is_skipped(folder: Path) -> None:
    with socket.socket() as closed, FakeOpenAI(Behaviour()) as alive:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        ports = [closed.getsockname()[1], int(alive.url.split(":")[2].split("/")[0])]
        with nginx(folder, upstream_for(ports)) as port:
            for _ in range(8):
                assert ask(port, "POST", CHAT, request_body())[0] == 200
        assert len(alive.chats) == 8


def test_a_request_that_an_instance_has_seen_is_not_run_again(folder: Path) -> None:
    with hang_up_server() as (dying, seen), FakeOpenAI(Behaviour()) as alive:
        ports = [dying, int(alive.url.split(":")[2].split("/")[0])]
        with nginx(folder, upstream_for(ports)) as port:
            status, headers, body = ask(port, "POST", CHAT, request_body())  # the heavier one is first
        assert (status, error_of(body)["code"], headers["retry-after"]) == (503, "no_instance", "10")
        assert len(seen) == 1
        assert alive.asked == []


def test_without_an_instance_the_refusal_is_in_openais_form(folder: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with nginx(folder, upstream_for([closed.getsockname()[1]])) as port:
            status, headers, body = ask(port, "POST", CHAT, request_body())
            assert (status, error_of(body)["code"]) == (503, "no_instance")
            assert headers["retry-after"] == "10"
            assert ask(port, "GET", "/health")[0] == 503
            assert ask(port, "GET", "/nginx-health")[0] == 200


def test_a_body_above_64_mib_is_refused_before_it_is_sent(folder: Path) -> None:
    with instances(folder, Behaviour()) as (port, [vllm]):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.putrequest("POST", CHAT)
        connection.putheader("Content-Length", str(64 * 1024 * 1024 + 1))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 413
        assert response.getheader("Content-Type") == "application/json"
        assert error_of(response.read())["code"] == "request_too_large"
        connection.close()
        assert vllm.asked == []


def test_a_body_larger_than_the_buffer_arrives_whole(folder: Path) -> None:
    text = "x" * (6 * 1024 * 1024)
    with instances(folder, Behaviour()) as (port, [vllm]):
        assert ask(port, "POST", CHAT, request_body(text=text))[0] == 200
        assert vllm.chats[0]["messages"][0]["content"] == text


def test_too_many_requests_from_one_address_are_refused(folder: Path) -> None:
    with socket.socket() as closed, ExitStack() as stack:
        closed.bind(("127.0.0.1", 0))
        port = stack.enter_context(nginx(folder, upstream_for([closed.getsockname()[1]])))
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(60)]
        for connection in connections:  # all at once: no answer is waited for
            stack.callback(connection.close)
            connection.request("GET", "/v1/models")
        responses = [connection.getresponse() for connection in connections]
        let_through = [response for response in responses if response.status == 503]  # nobody is there
        refused = [response for response in responses if response.status == 429]
        assert len(let_through) + len(refused) == len(responses)
        assert 21 <= len(let_through) < len(responses)  # one and the burst
        for response in refused:
            assert error_of(response.read())["code"] == "too_many_requests"
            assert response.getheader("Retry-After") == "2"


def test_more_than_an_instance_can_queue_is_refused(folder: Path) -> None:
    with instances(folder, Behaviour(hold=1)) as (port, [vllm]), ExitStack() as stack:
        for _ in range(16):
            hold_one(stack, port)
        status, headers, body = ask(port, "POST", CHAT, request_body(stream=True))
        assert (status, error_of(body)["code"], headers["retry-after"]) == (503, "no_instance", "10")
        assert len(vllm.asked) == 16


@pytest.mark.parametrize(
    "path", ["/metrics", "/tokenize", "/v1/embeddings", "/v1/chat/completions/render", "/docs", "/"]
)
def test_other_routes_of_vllm_stay_inside(folder: Path, path: str) -> None:
    with instances(folder, Behaviour()) as (port, [vllm]):
        status, _headers, body = ask(port, "POST", path, {})
        assert (status, error_of(body)["code"]) == (404, "not_found")
        assert vllm.asked == []


def test_the_log_holds_no_contents_and_no_key(folder: Path) -> None:
    with instances(folder, Behaviour()) as (port, _servers):
        ask(
            port,
            "POST",
            f"{CHAT}?made=query",
            request_body(text="made prompt"),
            Authorization="Bearer made-key",
        )
        log = logged(folder, 1)
    assert f"POST {CHAT} 200" in log
    assert "made" not in log


@pytest.mark.skipif(
    BINARY is not None and version() < (1, 27, 3), reason="this nginx is older than 1.27.3: no `resolve`"
)
def test_instances_that_the_name_server_does_not_know_are_left_out(folder: Path) -> None:
    with name_server({"vllm-2": "127.0.0.1"}) as (dns, known), FakeOpenAI(Behaviour()) as alive:
        text = (CLUSTER / "upstream.conf").read_text(encoding="utf-8")
        text = text.replace("resolver 127.0.0.11 ", f"resolver 127.0.0.1:{dns} ")
        text = text.replace(":8000 ", f":{int(alive.url.split(':')[2].split('/')[0])} ")
        with nginx(folder, text) as port:
            assert known.wait(20)
            until = time.monotonic() + 20
            while (
                status := ask(port, "GET", "/v1/models")[0]
            ) != 200:  # nginx takes the answer over a moment later
                assert status in (429, 503)
                assert time.monotonic() < until
                time.sleep(0.05)


def logged(folder: Path, lines: int) -> str:
    """The access log once it holds so many lines: a line is written when all is over for nginx."""
    until = time.monotonic() + 20
    log = folder / "access.log"
    while (text := log.read_text(encoding="utf-8")).count("\n") < lines:
        assert time.monotonic() < until, text
        time.sleep(0.002)
    return text


def hold_one(stack: ExitStack, port: int) -> None:
    """A streamed answer that has begun and never ends."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    stack.callback(connection.close)
    connection.request(
        "POST", CHAT, json.dumps(request_body(stream=True)), {"Content-Type": "application/json"}
    )
    response = connection.getresponse()
    stack.callback(response.close)
    assert response.status == 200
    assert response.read1(1)


@contextmanager
def hang_up_server() -> Iterator[tuple[int, list[bytes]]]:
    """Reads a request and closes without a word."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with connection:
                    head = connection.recv(65536)
                    if head:
                        seen.append(head)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1], seen
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@contextmanager
def name_server(names: dict[str, str]) -> Iterator[tuple[int, threading.Event]]:
    """Answers questions for A records; other names do not exist. The event: one of the names has been answered."""
    known = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def run() -> None:
            while True:
                question, address = server.recvfrom(512)
                if not question:
                    return
                end = question.index(b"\0", 12) + 5
                labels, at = [], 12
                while question[at]:
                    labels.append(question[at + 1 : at + 1 + question[at]].decode())
                    at += question[at] + 1
                found = names.get(".".join(labels))
                flags = 0x8180 if found else 0x8183
                head = question[:2] + struct.pack(">HHHHH", flags, 1, 1 if found else 0, 0, 0)
                record = (
                    b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(found)
                    if found
                    else b""
                )
                server.sendto(head + question[12:end] + record, address)
                if found:
                    known.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        yield port, known
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        thread.join(10)
