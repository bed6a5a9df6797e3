"""The fake hub's answers: the routes of both families, and bodies with whatever fault is due."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from . import fake_hub_faults as faults
from .fake_hub_files import HubFile

STEP = 64 * 1024
PORTAL = b"<!DOCTYPE html><html><title>Welcome</title><body>Please sign in to use this network.</body></html>"


class Gone(Exception):
    """The connection is to be closed."""


class Answered(Exception):
    """There is nothing left to do for this request."""


class HubHandler(BaseHTTPRequestHandler):
    """``server.hub`` is the FakeHub, ``server.origin`` says whether this is the hub or its CDN."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 0

    def setup(self) -> None:
        super().setup()
        self.hub = self.server.hub
        self.bucket = faults.Bucket(self.hub.rate_per_connection)
        if self.hub.send_buffer:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.hub.send_buffer)

    def log_message(self, *_) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked = faults.Asked(self.server.origin, self.command, self.path, headers)
        self.hub.asked.append(self.asked)
        try:
            url = urlsplit(self.path)
            self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
            self.route(unquote(url.path).lstrip("/"))
        except Gone:
            self.close_connection = True
        except Answered:
            pass

    do_HEAD = do_GET

    # Routes

    def route(self, path: str) -> None:
        parts = path.split("/")
        if path == "_fake/requests":
            self.answer(200, [vars(one) | {"effect": None} for one in self.hub.asked[:-1]])
        elif self.server.origin == "cdn":
            self.cdn(parts)
        elif path.startswith("api/models/") and len(parts) >= 5:
            self.api("/".join(parts[2:4]), parts[4], "/".join(parts[5:]) or "main")
        elif path.startswith("api/v1/models/") and parts[5:6] == ["repo"]:
            self.modelscope("/".join(parts[3:5]), parts[6:])
        elif len(parts) > 4 and parts[2] == "resolve":
            self.file("resolve", "/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.fail(404, "EntryNotFound")

    def repo(self, name: str, revision: str):
        repo = self.hub.repos.get(name)
        found = repo.at(revision) if repo else None
        if found is None:
            self.fail(404, "RevisionNotFound" if repo else "RepoNotFound")
            raise Answered
        return found

    def api(self, repo: str, kind: str, revision: str) -> None:
        """Hugging Face: the commit of a revision, or a page of its files."""
        self.asked.kind = kind
        self.common(self.hub.faults.take(faults.LISTING, kind))
        commit, files = self.repo(repo, revision)
        if kind == "revision":
            return self.answer(200, {"id": repo, "sha": commit, "siblings": []})
        begin = int(self.query.get("cursor", 0))
        page = list(files.values())[begin : begin + self.hub.page_size]
        headers = {"X-Repo-Commit": commit}
        if begin + len(page) < len(files):
            target = (
                f"{self.hub.url}/api/models/{quote(repo)}/tree/{revision}"
                f"?recursive=True&cursor={begin + len(page)}"
            )
            headers["Link"] = f'<{target}>; rel="next"'
        folders = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "folder"}] if not begin else []
        return self.answer(200, folders + [self.entry(file) for file in page], headers)

    def entry(self, file: HubFile) -> dict:
        entry = {"type": "file", "size": file.size, "path": file.path}
        if self.hub.hashes:
            entry["oid"] = file.git_sha1
            if file.lfs:
                entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 135}
        return entry

    def modelscope(self, repo: str, rest: list[str]) -> None:
        revision = self.query.get("Revision", "master")
        if rest == ["files"]:
            self.asked.kind = "files"
            self.common(self.hub.faults.take(faults.LISTING, "files"))
            commit, files = self.repo(repo, revision)
            found = [{"Path": "folder", "Name": "folder", "Type": "tree", "Size": 0}]
            for file in files.values():
                name = file.path.rpartition("/")[2]
                entry = {
                    "Path": file.path,
                    "Name": name,
                    "Type": "blob",
                    "Size": file.size,
                    "IsLFS": file.lfs,
                }
                found.append(
                    entry | {"Revision": commit} | ({"Sha256": file.sha256} if self.hub.hashes else {})
                )
            self.answer(200, {"Code": 200, "Data": {"Files": found}, "Message": "success", "Success": True})
        elif not rest and "FilePath" in self.query:
            self.file("repo", repo, revision, self.query["FilePath"])
        else:
            self.fail(404, "EntryNotFound")

    def file(self, kind: str, repo: str, revision: str, path: str) -> None:
        """The hub's answer for a file: on to the CDN, or the body."""
        self.asked.kind, self.asked.path = kind, path
        effect = self.hub.faults.take(faults.RESOLVE, path)
        self.common(effect)
        commit, files = self.repo(repo, revision)
        if path not in files:
            return self.fail(404, "EntryNotFound")
        file = files[path]
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-Etag": f'"{file.etag}"',
            "X-Linked-Size": str(file.size),
        }
        if not (self.hub.redirects and file.lfs):
            return self.data(file, headers, small=kind == "repo" and not file.lfs)
        link = f"{self.hub.cdn_url}/{quote(f'{repo}/{revision}/{path}')}?{self.hub.sign()}"
        headers |= {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes", "Location": link}
        return self.answer(302, b"", headers)

    def cdn(self, parts: list[str]) -> None:
        path = "/".join(parts[3:])
        self.asked.kind, self.asked.path = "cdn", path
        if not self.hub.valid(self.query.get("Signature", "")):
            return self.fail(403)
        _commit, files = self.repo("/".join(parts[:2]), parts[2])
        return self.data(files[path], {}) if path in files else self.fail(404)

    # Answers

    def answer(self, status: int, body, headers: dict | None = None, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.head(status, {"Content-Type": kind, "Content-Length": str(len(data))} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(data)

    def head(self, status: int, headers: dict) -> None:
        self.asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def fail(self, status: int, error_code: str | None = None, message: str = "made by the fake hub") -> None:
        headers = {"X-Error-Code": error_code, "X-Error-Message": message} if error_code else {}
        self.answer(status, {"error": message}, headers)

    def common(self, effect: object) -> None:
        """Effects that any request can meet. Raises Answered, Gone."""
        self.asked.effect = effect
        match effect:
            case faults.Status(code, retry_after, error_code, message):
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                if error_code:
                    headers |= {"X-Error-Code": error_code, "X-Error-Message": message}
                self.answer(code, {"error": message}, headers)
            case faults.ExpiredLink():
                self.answer(403, b"<Error><Code>AccessDenied</Code></Error>", kind="application/xml")
            case faults.RedirectLoop():
                self.answer(302, b"", {"Location": self.path})
            case faults.Portal():
                self.answer(200, PORTAL, kind="text/html; charset=utf-8")
            case faults.Silence():
                self.stall()
            case faults.Drop(after=0, reset=reset):
                self.end(reset)
            case _:
                return
        raise Answered

    def stall(self) -> None:
        self.hub.stalled.set()
        self.hub.release.wait()
        raise Gone

    def data(self, file: HubFile, headers: dict, small: bool = False) -> None:
        """The file's bytes, with the fault that is due."""
        effect = None
        if self.command == "GET":
            effect = self.hub.faults.take(faults.DATA, file.path, *self.wanted(file))
        self.common(effect)
        if isinstance(effect, faults.Changed):
            file = HubFile(file.path, effect.content)
            headers = {name: "f" * 40 for name in headers if name == "X-Repo-Commit"}
        whole = small or isinstance(effect, faults.IgnoreRange) or not self.asked.range
        start, end = (0, file.size) if whole else self.wanted(file)
        if start >= end and file.size and not whole:
            return self.answer(416, b"", {"Content-Range": f"bytes */{file.size}"})
        if isinstance(effect, faults.WrongRange):
            start = min(start + effect.by, end - 1)
        length = end - start + (effect.by if isinstance(effect, faults.WrongLength) else 0)
        headers |= {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        headers["Content-Type"] = "application/octet-stream"
        if isinstance(effect, faults.Truncated):
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(length)
        if not whole:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
        self.head(200 if whole else 206, headers)
        self.asked.begin = start
        return self.body(file, start, end, effect) if self.command == "GET" else None

    def wanted(self, file: HubFile) -> tuple[int, int]:
        first, _, last = (self.asked.range or "bytes=0-").removeprefix("bytes=").partition("-")
        return int(first), min(int(last) + 1, file.size) if last else file.size

    def body(self, file: HubFile, start: int, end: int, effect: object) -> None:
        stop = end
        if isinstance(effect, faults.Drop | faults.Truncated | faults.Stall):
            stop = min(end, start + effect.after)
        if effect is None and self.hub.unlimited and isinstance(file.content, Path):
            self.from_file(file.content, start, end)
        else:
            self.from_memory(file, start, stop, effect)
        match effect:
            case faults.Drop(reset=reset) if stop < end:
                self.end(reset)
            case faults.Stall() if stop < end:
                self.stall()
            case faults.Truncated() | faults.WrongLength():
                raise Gone

    def from_file(self, path: Path, start: int, end: int) -> None:
        with path.open("rb") as source:
            try:
                self.connection.sendfile(source, start, end - start)
            finally:
                self.asked.sent = source.tell() - start

    def from_memory(self, file: HubFile, start: int, stop: int, effect: object) -> None:
        own = faults.Bucket(effect.rate) if isinstance(effect, faults.Slow) else None
        step = STEP if own is None else max(1, min(STEP, int(effect.rate / 50)))
        for at in range(start, stop, step):
            data = file.read(at, min(at + step, stop))
            if isinstance(effect, faults.Flip) and at <= effect.offset < at + len(data):
                data = bytearray(data)
                data[effect.offset - at] ^= 0x10
            for bucket in (self.bucket, self.hub.bucket, own):
                if bucket:
                    bucket.wait(len(data), self.hub.release)
            self.connection.sendall(data)
            self.asked.sent += len(data)

    def end(self, reset: bool) -> None:
        """Close now, once what was sent has arrived."""
        with contextlib.suppress(ImportError, OSError):
            import fcntl
            import termios

            for _ in range(1000):
                if not struct.unpack("i", fcntl.ioctl(self.connection, termios.TIOCOUTQ, b"\0\0\0\0"))[0]:
                    break
                time.sleep(0.001)
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        raise Gone
