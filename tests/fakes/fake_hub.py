"""A hub on 127.0.0.1 that speaks the routes of Hugging Face and ModelScope, with faults, limits and a record.

In a test: ``with FakeHub({"made/model": {"a.gguf": data}}, faults=[Fault(Drop(1000))]) as hub: … hub.url``.
As a process: ``python -m tests.fakes.fake_hub --root DIR`` serves ``DIR/owner/repo/…`` and prints one line of JSON
with its addresses; it ends with its stdin. ``GET /_fake/requests`` is the record.
"""

from __future__ import annotations

import argparse
import json
import secrets
import socket
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

from .fake_hub_faults import Asked, Bucket, Fault, Faults, sent_ranges, sent_twice
from .fake_hub_files import HubFile, make_repo, repos_of
from .fake_hub_http import HubHandler

__all__ = ["Asked", "FakeHub", "Fault", "HubFile", "sent_ranges", "sent_twice"]


class HubServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, hub: FakeHub, origin: str, port: int) -> None:
        self.hub, self.origin = hub, origin
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), HubHandler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def process_request(self, request, client_address) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """No more connections, and none of those that are there."""
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class FakeHub:
    """``repos``: id -> {path: bytes or Path}, or a list of such for several commits (the last is the newest).

    ``rate_per_connection``, ``rate``: bytes/s; ``page_size``: entries of a listing's page; ``redirects``: large
    files go to the CDN (another port) by a link that is signed and valid for ``link_seconds``; ``hashes``: whether
    listings have any; ``send_buffer``: bytes that the kernel may hold per connection, so that ``Asked.sent`` is
    close to what arrived.
    """

    def __init__(
        self,
        repos: dict,
        faults=(),
        *,
        port: int = 0,
        rate_per_connection: float | None = None,
        rate: float | None = None,
        page_size: int = 1000,
        redirects: bool = True,
        hashes: bool = True,
        link_seconds: float = 3600.0,
        send_buffer: int | None = None,
    ) -> None:
        self.repos = {name: make_repo(name, commits) for name, commits in repos.items()}
        self.faults = Faults(faults)
        self.rate_per_connection, self.rate = rate_per_connection, rate
        self.bucket = Bucket(rate)
        self.page_size, self.redirects, self.hashes = page_size, redirects, hashes
        self.link_seconds, self.send_buffer = link_seconds, send_buffer
        self.asked: list[Asked] = []
        self.stalled, self.release = threading.Event(), threading.Event()
        self._links: dict[str, float] = {}
        self._servers = [HubServer(self, "hub", port), HubServer(self, "cdn", 0)]
        self.url, self.cdn_url = (f"http://127.0.0.1:{one.server_address[1]}" for one in self._servers)

    def __enter__(self) -> FakeHub:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.release.set()
        for server in self._servers:
            server.end()

    @property
    def unlimited(self) -> bool:
        return self.rate is None and self.rate_per_connection is None

    def sign(self) -> str:
        """A link's query that is valid for a while."""
        token = secrets.token_hex(16)
        self._links[token] = time.monotonic() + self.link_seconds
        return f"Expires={int(self.link_seconds)}&Signature={token}"

    def valid(self, token: str) -> bool:
        return self._links.get(token, 0.0) > time.monotonic()

    def publish(self, repo: str, files: dict) -> str:
        """A new commit; its sha."""
        return self.repos[repo].publish(files)

    def file(self, repo: str, path: str) -> HubFile:
        return self.repos[repo].commits[-1][1][path]

    def of(self, path: str) -> list[Asked]:
        """Requests for the file's bytes."""
        return [one for one in self.asked if one.path == path]

    def forget(self) -> None:
        """Empty the record."""
        self.asked.clear()

    def sent(self, path: str) -> int:
        return sum(one.sent for one in self.of(path))

    def twice(self, path: str) -> int:
        return sent_twice(self.asked, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate-per-connection", type=float, help="bytes/s")
    parser.add_argument("--rate", type=float, help="bytes/s, all connections together")
    parser.add_argument("--send-buffer", type=int, help="bytes per connection")
    parser.add_argument("--no-redirects", action="store_true")
    options = parser.parse_args()
    hub = FakeHub(
        repos_of(options.root),
        port=options.port,
        rate_per_connection=options.rate_per_connection,
        rate=options.rate,
        redirects=not options.no_redirects,
        send_buffer=options.send_buffer,
    )
    print(json.dumps({"url": hub.url, "cdn_url": hub.cdn_url}), flush=True)
    sys.stdin.read()
    hub.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
