"""The HTTP client that downloads and listings share: the system's certificates and proxies, no total time limit."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx
import truststore

from ... import __version__
from .ending import to_the_end

MIB = 1024 * 1024

if hasattr(httpcore.AsyncHTTP11Connection, "READ_NUM_BYTES"):
    # httpcore takes 64 KiB from the socket at a time; with 256 a download costs half the processor time
    # (docs/measured.md, download).
    httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024

NEAR = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""Never asked through a proxy."""

for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # they log addresses, and signed links are secrets


@dataclass(frozen=True)
class Limits:
    """How a transfer behaves. Tests give shorter times.

    ``connections`` per source and file; a request asks for at most ``span_blocks`` blocks; ``tries``: failures in a
    row with next to nothing in between, after which a source is given up; waits between them grow from ``backoff_s`` to
    ``max_backoff_s``. A connection slower than ``slow_share`` of its siblings for ``slow_after_s`` is replaced.
    """

    connections: int = 4
    block_bytes: int = 16 * MIB
    span_blocks: int = 4
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 15.0
    tries: int = 6
    backoff_s: float = 0.5
    max_backoff_s: float = 20.0
    max_retry_after_s: float = 300.0
    slow_share: float = 0.2
    slow_after_s: float = 5.0
    report_interval_s: float = 0.2
    max_redirects: int = 8


class Client(httpx.AsyncClient):
    """Closes all its connections even when the closing is cancelled: httpcore closes one after the other, and anyio's
    shield doesn't hold off ``Task.cancel``."""

    async def aclose(self) -> None:
        await to_the_end(super().aclose())

    async def __aexit__(self, *raised: Any) -> None:
        await to_the_end(super().__aexit__(*raised))


def make_client(limits: Limits | None = None) -> httpx.AsyncClient:
    """A client; close it. Proxies come from the environment and the system, certificates from the system's store."""
    limits = limits or Limits()
    timeout = httpx.Timeout(limits.read_timeout_s, connect=limits.connect_timeout_s, pool=None)
    return Client(
        verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        timeout=timeout,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
        follow_redirects=True,
        max_redirects=limits.max_redirects,
        mounts=dict.fromkeys(NEAR),
        headers={"User-Agent": f"autoglm-desktop/{__version__}", "Accept-Encoding": "identity"},
    )
