"""HTTP to a server that speaks OpenAI's protocol. A key goes in one header to that server and nowhere else: no
redirect is followed, and what a server says of it is taken out of errors."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from ..core.addresses import public
from ..core.remote import Endpoint, RemoteError
from ..core.remote_stream import shorten
from .transfer.answers import retry_after
from .transfer.client import Limits, make_client
from .transfer.ending import to_the_end

CONNECT_S = 10.0
FIRST_S = 600.0
"""Until the first byte: a long prompt on a processor takes minutes."""
WRITE_S = 60.0
LIST_S = 20.0
MOST_BYTES = 8 * 1024 * 1024
"""Of an answer that comes in one piece."""
MOST_ERROR_BYTES = 64 * 1024


class Refused(Exception):
    """An HTTP status other than 200, with what the server says (JSON where it is some)."""

    def __init__(self, status: int, body: object, wait_s: float | None) -> None:
        super().__init__(status)
        self.status, self.body, self.wait_s = status, body, wait_s


@dataclass
class Answer:
    """An answer that comes. ``whole``: as one JSON; ``events``: the server says that these are events. ``close`` it:
    that ends the connection."""

    whole: bool
    events: bool
    _client: httpx.AsyncClient = field(repr=False)
    _response: httpx.Response = field(repr=False)
    _http: RemoteHttp = field(repr=False)
    _chunks: AsyncIterator[bytes] | None = field(default=None, repr=False)

    async def next(self) -> bytes:
        """What has arrived; b"" at the end. Raises RemoteError."""
        if self._chunks is None:
            self._chunks = self._response.aiter_bytes()
        try:
            async for chunk in self._chunks:
                if chunk:
                    return chunk
        except (httpx.HTTPError, OSError) as error:
            raise self._http.failure(error, begun=True) from None
        return b""

    def hide(self, text: str) -> str:
        """Of an error in the middle of the answer: as ``RemoteHttp.hide``."""
        return self._http.hide(text)

    async def close(self) -> None:
        await self._client.aclose()
        await to_the_end(self._response.aclose())


@dataclass(frozen=True)
class RemoteHttp:
    """Asks one server. ``key`` None: without one. Each request has a client of its own, half a millisecond's work:
    closing it is how an answer is stopped, also while it connects; no cookie is kept, no stale connection used."""

    endpoint: Endpoint
    key: str | None = field(default=None, repr=False)
    limits: Limits | None = field(default=None, repr=False)

    async def get(self, route: str) -> Any:
        """The JSON at a route. Raises Refused, RemoteError."""
        timeout = httpx.Timeout(LIST_S, connect=CONNECT_S)
        answer = await self._send("GET", route, timeout, None)
        try:
            if not answer.whole:
                raise self._error("remote_not_openai")
            data = await self._all(answer, MOST_BYTES)
            return json.loads(data)
        except (ValueError, RecursionError):
            raise self._error("remote_not_openai") from None
        finally:
            await answer.close()

    async def chat(self, body: dict[str, Any]) -> Answer:
        """Ask for an answer; close it. Raises Refused, RemoteError."""
        timeout = httpx.Timeout(FIRST_S, connect=CONNECT_S, write=WRITE_S, pool=None)
        return await self._send("POST", "/chat/completions", timeout, body)

    async def _send(
        self, method: str, route: str, timeout: httpx.Timeout, body: dict[str, Any] | None
    ) -> Answer:
        headers = {"Connection": "close", "Accept": "text/event-stream, application/json"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        client = make_client(self.limits)
        try:
            url = self.endpoint.url + route
            request = client.build_request(method, url, headers=headers, json=body, timeout=timeout)
            response = await client.send(request, stream=True, follow_redirects=False)
            return await self._judged(client, response)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            await client.aclose()
            raise self.failure(error) from None
        except BaseException:
            await client.aclose()
            raise

    async def _judged(self, client: httpx.AsyncClient, response: httpx.Response) -> Answer:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.is_redirect or 300 <= response.status_code < 400:
            raise self._error(
                "remote_redirects", address=shorten(public(response.headers.get("location", "")))
            )
        whole = kind == "application/json" or kind.endswith("+json")
        answer = Answer(whole, kind == "text/event-stream", client, response, self)
        if response.status_code != 200:
            text = (await self._all(answer, MOST_ERROR_BYTES, cut=True)).decode("utf-8", errors="replace")
            raise Refused(response.status_code, self._said(text, kind), retry_after(response.headers))
        if kind in ("text/html", "application/xhtml+xml"):
            raise self._error("remote_not_openai")
        return answer

    async def _all(self, answer: Answer, most: int, *, cut: bool = False) -> bytes:
        """Everything. Raises RemoteError(remote_too_long), unless the rest may be ``cut`` off."""
        data = bytearray()
        while chunk := await answer.next():
            data += chunk
            if len(data) > most:
                if cut:
                    break
                raise self._error("remote_too_long")
        return bytes(data[:most])

    def hide(self, text: str) -> str:
        """Without the key: some servers repeat what was wrong. A text that was cut (``shorten``) may end within it."""
        if not self.key:
            return text
        text = text.replace(self.key, "…")
        cut = text.removesuffix("…")
        begun = next((n for n in range(len(self.key) - 1, 3, -1) if cut.endswith(self.key[:n])), 0)
        return cut[: len(cut) - begun] + "…" if begun else text

    def _said(self, text: str, kind: str) -> object:
        text = self.hide(text)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return "" if "html" in kind or text.lstrip().startswith("<") else text

    def _error(self, code: str, **values: object) -> RemoteError:
        return RemoteError(
            code, name=self.endpoint.name, address=values.pop("address", self.endpoint.url), **values
        )

    def failure(self, error: Exception, *, begun: bool = False) -> RemoteError:
        """What went wrong before an answer, or (``begun``) in the middle of it."""
        tls = _tls(error)
        if tls is not None:
            return self._error(tls, host=self.endpoint.host)
        if isinstance(error, httpx.ProxyError):
            return self._error("proxy_needs_password" if "407" in str(error) else "remote_proxy")
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError)):
            return self._error("remote_address_wrong")
        if isinstance(error, httpx.ConnectTimeout):
            return self._error("remote_no_answer", host=self.endpoint.host)
        if isinstance(error, httpx.ConnectError):
            return self._error("remote_unreachable", host=self.endpoint.host)
        if isinstance(error, httpx.TimeoutException):
            return self._error("remote_slow")
        return self._error("remote_cut" if begun else "remote_hung_up")


def _tls(error: BaseException | None) -> str | None:
    """The code for what is wrong with the encryption, if that is behind it."""
    for _ in range(10):
        if error is None:
            return None
        text = str(error)
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in text:
            return "remote_certificate"
        if "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text or "RECORD_LAYER_FAILURE" in text:
            return "remote_not_tls"
        if isinstance(error, ssl.SSLError):
            return "remote_tls"
        error = error.__cause__ or error.__context__
    return None
