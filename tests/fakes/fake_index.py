"""A package index on 127.0.0.1 (PEP 503, with or without PEP 658) with made packages and faults."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import random
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STEP = 64 * 1024


def metadata(name: str, version: str, needs: tuple[str, ...] = ()) -> bytes:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {n}" for n in needs),
    ]
    return ("\n".join(lines) + "\n").encode()


def made_wheel(name: str, version: str, size: int, needs: tuple[str, ...] = ()) -> tuple[str, bytes]:
    """(file name, content) of a wheel whose module holds ``size`` made bytes."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    entries = {
        f"{module}/__init__.py": b"",
        f"{module}/made.bin": random.Random(size).randbytes(size),
        f"{info}/METADATA": metadata(name, version, needs),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: made\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*entries, f"{info}/RECORD"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as wheel:
        for path, content in {**entries, f"{info}/RECORD": record.encode()}.items():
            wheel.writestr(path, content)
    return f"{module}-{version}-py3-none-any.whl", buffer.getvalue()


BACKEND = '''"""Builds the one wheel that lies beside it; needs nothing."""
import pathlib, shutil
def build_wheel(folder, config_settings=None, metadata_directory=None):
    (wheel,) = pathlib.Path(__file__).parent.glob("*.whl")
    shutil.copy(wheel, folder)
    return wheel.name
'''


def made_source(name: str, version: str, size: int) -> tuple[str, bytes]:
    """(file name, content) of a source archive that brings its own build backend."""
    wheel_name, wheel = made_wheel(name, version, size)
    folder = f"{name.replace('-', '_')}-{version}"
    project = '[build-system]\nrequires = []\nbuild-backend = "made_backend"\nbackend-path = ["."]\n'
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in {
            "PKG-INFO": metadata(name, version), "pyproject.toml": project.encode(),
            "made_backend.py": BACKEND.encode(), wheel_name: wheel,
        }.items():  # fmt: skip
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return f"{folder}.tar.gz", buffer.getvalue()


@dataclass
class FakeIndex:
    """``files``: content by name. ``hashes``: what the pages say instead of the truth. ``separate``: PEP 658.

    Faults: ``drop_every`` bytes of a response the connection is closed, for transfers; ``refuse``: status for them;
    ``gone_after``: after so many bytes for transfers nobody answers them; ``ranges``: whether Range is honoured;
    ``login``: "user:password" that every request needs.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hashes: dict[str, str | None] = field(default_factory=dict)
    separate: bool = True
    ranges: bool = True
    drop_every: int | None = None
    refuse: int | None = None
    gone_after: int | None = None
    login: str | None = None
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    sent: int = 0
    """Bytes of files that transfers were sent."""

    def add(self, made: tuple[str, bytes], needs: tuple[str, ...] = ()) -> str:
        self.files[made[0]] = made[1]
        self.needs[made[0]] = needs
        return made[0]

    def page(self, project: str) -> bytes:
        links = []
        for name, content in self.files.items():
            stem = name.partition("-")[0]
            if stem.replace("_", "-") != project:
                continue
            digest = self.hashes.get(name, hashlib.sha256(content).hexdigest())
            fragment = f"#sha256={digest}" if digest else ""
            extra = ""
            if self.separate and name.endswith(".whl"):
                extra = f' data-core-metadata="sha256={hashlib.sha256(self.metadata(name)).hexdigest()}"'
            links.append(f'<a href="../../files/{name}{fragment}"{extra}>{name}</a><br>')
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()

    def metadata(self, name: str) -> bytes:
        project, version = name.split("-")[:2]
        return metadata(project.replace("_", "-"), version, self.needs[name])

    def by_transfers(self, name: str) -> list[str | None]:
        """The ranges that transfers asked for."""
        return [asked for agent, path, asked in self.asked if path == f"/files/{name}" and "autoglm" in agent]

    def by_pip(self, name: str) -> int:
        return sum(path == f"/files/{name}" and agent.startswith("pip/") for agent, path, _ in self.asked)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index: FakeIndex

    def log_message(self, *_) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        agent = self.headers.get("User-Agent", "")
        index = self.index
        index.asked.append((agent, self.path, self.headers.get("Range")))
        if index.login and self.headers.get("Authorization") != (
            "Basic " + base64.b64encode(index.login.encode()).decode()
        ):
            self.answer(401, b"", {"WWW-Authenticate": 'Basic realm="made"'})
        elif self.path.startswith("/simple/"):
            self.answer(200, index.page(self.path.split("/")[2]), {"Content-Type": "text/html"})
        elif self.path.endswith(".metadata"):
            self.answer(200, index.metadata(self.path.split("/")[2].removesuffix(".metadata")))
        elif "autoglm" in agent:
            self.transfer(index.files[self.path.split("/")[2]])
        else:
            self.answer(200, index.files[self.path.split("/")[2]])

    def transfer(self, content: bytes) -> None:
        index = self.index
        if index.refuse:
            return self.answer(index.refuse, b"")
        if index.gone_after is not None and index.sent >= index.gone_after:
            self.close_connection = True
            return None
        start, stop = 0, len(content)
        headers = {"Content-Type": "application/octet-stream"}
        asked = self.headers.get("Range")
        if asked and index.ranges:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), int(last) + 1 if last else len(content)
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        body = content[start:stop]
        cut = index.drop_every is not None and len(body) > index.drop_every
        self.begin(206 if "Content-Range" in headers else 200, len(body), headers)
        for at in range(0, len(body), STEP):
            if cut and at >= index.drop_every:
                break
            if index.gone_after is not None and index.sent >= index.gone_after:
                cut = True
                break
            piece = body[at : at + STEP]
            self.wfile.write(piece)
            index.sent += len(piece)
        self.close_connection = cut
        return None

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.begin(status, len(body), headers or {})
        self.wfile.write(body)

    def begin(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()


@contextlib.contextmanager
def serving(index: FakeIndex):
    """The index at an address: ``http://127.0.0.1:PORT``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"index": index}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
