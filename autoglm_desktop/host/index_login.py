"""User and password of a package index: from the addresses in pip's settings, or .netrc. Kept in memory only."""

from __future__ import annotations

import ast
import base64
import logging
import netrc
import os
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from .install_run import run

log = logging.getLogger(__name__)

SETTINGS = ("index-url", "extra-index-url", "find-links")


async def addresses(pip: Sequence[str]) -> tuple[str, ...]:
    """The addresses in pip's settings (its files and the environment), passwords included: never to be logged."""
    ended = await run([*pip, "config", "list"], {}, None)
    return settings_addresses(ended.lines) if ended.status == 0 else ()


def settings_addresses(lines: Iterable[str]) -> tuple[str, ...]:
    """The addresses in what ``pip config list`` prints: ``global.index-url='https://…'``."""
    found: list[str] = []
    for line in lines:
        key, _, value = line.partition("=")
        if key.rpartition(".")[2] not in SETTINGS:
            continue
        try:
            text = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            continue
        found += str(text).split()
    return tuple(found)


class Logins:
    """Which user and password an address is asked with: those of the index at the same host, else .netrc's."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = [parts for parts in map(_split, known) if parts is not None and parts.username]

    def headers(self, url: str) -> dict[str, str]:
        """Authorization for an address; empty where nothing is known."""
        parts = _split(url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            return {}
        same = [known for known in self._known if _origin(known) == _origin(parts)]
        if same:
            best = max(same, key=lambda known: _shared(known.path, parts.path))
            return _basic(unquote(best.username or ""), unquote(best.password or ""))
        return _from_netrc(parts.hostname)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
        return parts
    except ValueError:
        return None


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or {"https": 443}.get(parts.scheme, 80)


def _shared(one: str, other: str) -> int:
    """How many folders two paths begin with alike."""
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _basic(user: str, password: str) -> dict[str, str]:
    text = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {text}"}


def _from_netrc(host: str) -> dict[str, str]:
    own = os.environ.get("NETRC")
    files = [Path(own)] if own else [Path("~/.netrc").expanduser(), Path("~/_netrc").expanduser()]
    for path in files:
        try:
            found = netrc.netrc(path).authenticators(host)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            log.warning("%s cannot be read", path)
            continue
        if found is not None:
            return _basic(found[0], found[2] or "")
    return {}
