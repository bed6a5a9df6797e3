"""User and password of a package index: from the addresses in pip's settings, or .netrc. Kept in memory.

pip gets those of AUTOGLM_INDEX_… by a netrc file of its own, which only this user can read and which is gone when pip
ends. Not on its command line, which every user of the machine can see, nor in PIP_EXTRA_INDEX_URL: pip would put that
address on the command line of the pip that it starts for a build.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import logging
import netrc
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from ..core.errors import EngineError
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


@dataclass(frozen=True)
class Index:
    """An index for pip: its address without user and password, and the variables that tell them. ``login``: both, as
    in the address that was given."""

    address: str | None
    settings: dict[str, str]
    login: tuple[str, ...] = field(default=(), repr=False)


@contextlib.contextmanager
def for_pip(index: str | None, file: Path) -> Iterator[Index]:
    """``index``: an address or a folder. ``file`` is written where the address holds a user, and deleted at the end.

    Raises EngineError(index_login_unusable), OSError.
    """
    with contextlib.suppress(FileNotFoundError):  # of a run that was killed
        file.unlink()
    parts = _split(index) if index is not None else None
    if index is None or "://" not in index or "@" not in index.partition("://")[2].partition("?")[0]:
        yield Index(index, {}, (index,) if index else ())
        return
    if parts is None or not parts.hostname:
        raise EngineError("index_login_unusable", host="?")
    if parts.username is None:  # the sign is a part of the path
        yield Index(index, {}, (index,))
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_netrc(file, parts.hostname, unquote(parts.username), unquote(parts.password or ""))
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        yield Index(bare, {"NETRC": str(file)}, (index,))
    finally:
        file.unlink(missing_ok=True)


def _write_netrc(file: Path, host: str, user: str, password: str) -> None:
    """The user's own netrc, which pip would not read any more, and one entry more. Raises EngineError, OSError."""
    entry = f"machine {host}\nlogin {_netrc_word(user)}\npassword {_netrc_word(password)}\n"
    for text in (*_netrc_texts(), ""):
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as out:
            out.write(f"{text}\n\n{entry}")
        with contextlib.suppress(netrc.NetrcParseError, UnicodeError):
            found = netrc.netrc(file).authenticators(host)
            if found is not None and (found[0], found[2]) == (user, password):
                return
    raise EngineError("index_login_unusable", host=host)


def _netrc_word(text: str) -> str:
    """As the netrc module reads it: quotes and backslashes mean something since Python 3.11."""
    if sys.version_info < (3, 11):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _netrc_texts() -> list[str]:
    """What the user's netrc says, if there is one."""
    for path in _netrc_files():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return [path.read_text(encoding="utf-8")]
    return []


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


def _netrc_files() -> list[Path]:
    own = os.environ.get("NETRC")
    if own:
        return [Path(own)]
    try:
        return [Path(name).expanduser() for name in ("~/.netrc", "~/_netrc")]
    except RuntimeError:  # no home folder
        return []


def _from_netrc(host: str) -> dict[str, str]:
    for path in _netrc_files():
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
