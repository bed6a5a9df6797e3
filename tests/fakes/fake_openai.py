"""A server on 127.0.0.1 that speaks OpenAI's protocol, well or badly. Answers are made up.

``with FakeOpenAI(Behaviour(status=401)) as server: … server.url``. ``server.asked`` holds what came; ``server.hung_up``
is set when a client has closed the connection of an answer.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ("made: ", "Hel", "lo, ", "你好", "!")


@dataclass(frozen=True)
class Behaviour:
    """What it does. ``key``: the one it wants; ``status`` other than 200: for chats (``list_status``: for the list),
    with ``error`` and ``retry_after``; ``raw``: these bytes are the body of a chat, in pieces; ``hold``: after so many
    pieces nothing more comes; ``die``: after so many pieces the connection is reset; ``kind``: Content-Type of chats;
    ``whole``: one JSON instead of events; ``unknown``: fields that are refused with 422; ``pictures``: seen | left_out
    | refused; ``usage``: whether tokens are counted; ``thoughts``: streamed as ``thought_key`` first."""

    words: tuple[str, ...] = WORDS
    models: tuple[str, ...] = ("made-model", "made-other")
    key: str | None = None
    open_list: bool = False
    status: int = 200
    list_status: int = 200
    list_body: bytes | None = None
    list_kind: str = "application/json"
    error: object = None
    retry_after: str | None = None
    location: str | None = None
    raw: tuple[bytes, ...] | None = None
    hold: int | None = None
    die: int | None = None
    kind: str = "text/event-stream"
    whole: bool = False
    unknown: tuple[str, ...] = ()
    pictures: str = "seen"
    usage: bool = True
    finish: str | None = "stop"
    done: bool = True
    thoughts: tuple[str, ...] = ()
    thought_key: str = "reasoning_content"
    newline: bytes = b"\n"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: dict | None


@dataclass
class FakeOpenAI:
    does: Behaviour = field(default_factory=Behaviour)
    asked: list[Request] = field(default_factory=list)

    def __enter__(self) -> FakeOpenAI:
        self.hung_up, self.holding, self.release = threading.Event(), threading.Event(), threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return self

    def __exit__(self, *_raised: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def all_closed(self, timeout_s: float) -> bool:
        """Whether the clients have closed all their connections by then."""
        with self._server.changed:
            return self._server.changed.wait_for(lambda: not self._server.open, timeout_s)

    @property
    def chats(self) -> list[dict]:
        return [request.body for request in self.asked if request.method == "POST"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments) -> None:
        self.open: set[socket.socket] = set()
        self.changed = threading.Condition()
        super().__init__(*arguments)

    def process_request(self, request, client_address) -> None:
        with self.changed:
            self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        super().shutdown_request(request)
        with self.changed:
            self.open.discard(request)
            self.changed.notify_all()

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        return

    @property
    def fake(self) -> FakeOpenAI:
        return self.server.fake

    def do_GET(self) -> None:
        does = self._note(None)
        if does.list_status != 200:
            return self._refuse(does, does.list_status)
        if not does.open_list and not self._may(does):
            return self._refuse(does, 401)
        body = does.list_body
        if body is None:
            entries = [{"id": name, "object": "model", "max_model_len": 8192} for name in does.models]
            body = json.dumps({"object": "list", "data": entries}).encode()
        return self._answer(200, body, does.list_kind)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        does = self._note(body)
        if not self._may(does):
            return self._refuse(does, 401)
        if does.status != 200:
            return self._refuse(does, does.status)
        named = [name for name in does.unknown if name in body]
        if named:
            return self._refuse(does, 422, {"detail": f"Unexpected fields in the request: {named}"})
        pictures = "image_url" in json.dumps(body["messages"])
        if pictures and does.pictures == "refused":
            return self._refuse(does, 400, {"error": {"message": "this model is not a multimodal model"}})
        if does.raw is not None:
            return self._stream(does, does.raw)
        if body["model"] not in does.models:
            return self._refuse(
                does, 404, {"error": {"message": f"The model {body['model']!r} does not exist."}}
            )
        tokens = 9 + (64 if pictures and does.pictures == "seen" else 0)
        usage = {"prompt_tokens": tokens, "completion_tokens": len(does.words)} if does.usage else None
        if does.whole or not body["stream"]:
            message = {"role": "assistant", "content": "".join(does.words)}
            whole = {
                "id": "made",
                "choices": [{"message": message, "finish_reason": does.finish}],
                "usage": usage,
            }
            return self._answer(200, json.dumps(whole).encode())
        return self._stream(does, events(does, usage))

    def _note(self, body: dict | None) -> Behaviour:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.fake.asked.append(Request(self.command, self.path, headers, body))
        return self.fake.does

    def _may(self, does: Behaviour) -> bool:
        return does.key is None or self.headers.get("Authorization") == f"Bearer {does.key}"

    def _refuse(self, does: Behaviour, status: int, error: object = None) -> None:
        said = (
            does.error
            or error
            or {"error": {"message": f"made: refused {self.headers.get('Authorization')}"}}
        )
        headers = {"Retry-After": does.retry_after} if does.retry_after else {}
        if does.location:
            headers["Location"] = does.location
        if isinstance(said, bytes):
            return self._answer(status, said, "text/html", headers)
        return self._answer(status, json.dumps(said).encode(), headers=headers)

    def _answer(
        self, status: int, body: bytes, kind: str = "application/json", headers: dict | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, does: Behaviour, pieces: tuple[bytes, ...]) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", does.kind)
        self.send_header("Connection", "close")
        self.end_headers()
        for number, piece in enumerate(pieces):
            if number == does.die:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()
                return
            if number == does.hold:
                self._hold()
                return
            self.wfile.write(piece)
            self.wfile.flush()

    def _hold(self) -> None:
        """Nothing more, until the client hangs up or the test is over."""
        self.fake.holding.set()
        while not self.fake.release.is_set():
            readable, _w, _x = select.select([self.connection], [], [], 0.02)
            if readable and self._is_gone():
                self.fake.hung_up.set()
                return

    def _is_gone(self) -> bool:
        """Whether the client has closed, also with something unread (a reset)."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True


def events(does: Behaviour, usage: dict | None) -> tuple[bytes, ...]:
    """An answer as servers stream it."""
    deltas: list[dict] = [{"role": "assistant", "content": ""}]
    deltas += [{does.thought_key: word, "content": None} for word in does.thoughts]
    deltas += [{"content": word} for word in does.words]
    chunks: list[dict] = [{"id": "made", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    if does.finish is not None:
        chunks.append({"id": "made", "choices": [{"index": 0, "delta": {}, "finish_reason": does.finish}]})
    if usage is not None:
        chunks.append({"id": "made", "choices": [], "usage": usage})
    lines = [b"data: " + json.dumps(chunk, ensure_ascii=False).encode() for chunk in chunks]
    if does.done:
        lines.append(b"data: [DONE]")
    return tuple(line + 2 * does.newline for line in lines)
