"""What an HTTP answer or failure means: try again, or final with what to do.

Hugging Face says why in X-Error-Code (RepoNotFound, GatedRepo, RevisionNotFound, EntryNotFound); a repository that is
private or doesn't exist is 401 for anonymous users and 404 for others.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx

from ...core.errors import Reason
from .place import TransferError, TryAgain

MAX_RETRY_AFTER_S = 600.0
AGAIN = frozenset({408, 425, 429})
LINK_GONE = frozenset({401, 403, 404, 410})


@dataclass(frozen=True)
class Asked:
    """What was asked for, for sentences. ``address``: the repository's page for people; ``tokens``: where tokens are
    made; ``variable``: the environment variable that holds one; ``name``: the file (None: the listing)."""

    source: str
    repo: str
    address: str = ""
    tokens: str = ""
    variable: str = ""
    name: str | None = None
    revision: str | None = None
    with_token: bool = False

    def having(self, token: str | None) -> Asked:
        return replace(self, with_token=token is not None)

    def error(self, code: str, **values: object) -> TransferError:
        given = {"source": self.source, "repo": self.repo}
        if self.name is not None:
            given["name"] = self.name
        return TransferError(code, **given, **values)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait, as Retry-After (seconds or a date) or RateLimit says; at most MAX_RETRY_AFTER_S."""
    text = headers.get("retry-after", "").strip()
    seconds: float | None = None
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII):
        seconds = float(text)
    elif text:
        date = _date(text)
        if date is None:
            return None
        here = _date(headers.get("date", "")) or now or datetime.now(timezone.utc)  # this clock may be wrong
        seconds = (date - here).total_seconds()
    else:
        found = re.search(r"\bt=(\d{1,6})\b", headers.get("ratelimit", ""), re.ASCII)
        seconds = float(found[1]) if found else None
    return None if seconds is None else min(max(0.0, seconds), MAX_RETRY_AFTER_S)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def passing(status: int, headers: Mapping[str, str]) -> TryAgain | None:
    """What may work later: too many requests, a busy or broken server. None for any other status."""
    if status == 511:
        return TryAgain(Reason.of("answer_is_a_page"))
    if status == 429:
        return TryAgain(Reason.of("too_many_requests"), retry_after(headers))
    if status in AGAIN or status >= 500:
        return TryAgain(Reason.of("server_trouble", status=status), retry_after(headers))
    return None


def refusal(status: int, headers: Mapping[str, str], asked: Asked) -> TransferError:
    """What a hub's own refusal means: final, with what to do."""
    code = headers.get("x-error-code", "")
    if code == "GatedRepo":
        return _gated(asked)
    if code == "RevisionNotFound":
        return asked.error("download_revision_gone", revision=asked.revision or "?")
    if status in (404, 410) and code != "RepoNotFound" and asked.name is not None:
        return asked.error("download_file_gone")
    if status == 401:
        return _no_token(asked, headers)
    if status == 403 and not asked.with_token:
        return _needs_token(asked)
    if status == 403:
        return asked.error("download_token_weak", address=asked.address)
    if status in (404, 410):
        return asked.error("download_not_found")
    if status == 407:
        return asked.error("proxy_needs_password")
    return asked.error("download_refused", status=status)


def _gated(asked: Asked) -> TransferError:
    if asked.with_token:
        return asked.error("download_gated", address=asked.address)
    values = {"address": asked.address, "tokens": asked.tokens, "variable": asked.variable}
    return asked.error("download_gated_no_token", **values)


def _no_token(asked: Asked, headers: Mapping[str, str]) -> TransferError:
    """401: a hub says so for what doesn't exist as well, unless the token itself is wrong."""
    wrong = "credentials" in headers.get("x-error-message", "").lower()
    if asked.with_token and (wrong or headers.get("x-error-code") != "RepoNotFound"):
        return asked.error("download_bad_token", tokens=asked.tokens, variable=asked.variable)
    return asked.error("download_not_found") if asked.with_token else _needs_token(asked)


def _needs_token(asked: Asked) -> TransferError:
    return asked.error("download_needs_token", tokens=asked.tokens, variable=asked.variable)


def failure(error: Exception, asked: Asked) -> TryAgain | TransferError:
    """What went wrong before or while an answer came. ``error``: httpx.HTTPError, httpx.InvalidURL or OSError."""
    if _certificate(error):
        return asked.error("download_certificate")
    if isinstance(error, httpx.TooManyRedirects):
        return asked.error("download_redirects")
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return asked.error("download_bad_address")
    if isinstance(error, httpx.ProxyError):
        if "407" in str(error):
            return asked.error("proxy_needs_password")
        return TryAgain(Reason.of("proxy_trouble"), offline=True)
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return TryAgain(Reason.of("no_connection"), offline=True)
    if isinstance(error, httpx.TimeoutException):
        return TryAgain(Reason.of("stalled"))
    return TryAgain(Reason.of("connection_lost"))


def _certificate(error: BaseException | None) -> bool:
    """Whether a certificate that is not trusted is behind it."""
    for _ in range(10):
        if error is None:
            return False
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
