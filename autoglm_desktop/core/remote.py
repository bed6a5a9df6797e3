"""Servers that speak OpenAI's protocol, as the user names them: addresses in one form, and where they lead. No I/O."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import urlsplit

from .addresses import public
from .errors import AppError

HERE, NEAR, AWAY = "here", "near", "away"
"""Where an address leads: this machine, a private network, or anywhere else. All but HERE leaves this machine."""

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
"""The hosts that the HTTP client never asks through a proxy (``store.transfer.client.NEAR``). Another spelling of the
same, as 127.0.0.2, might go through one, so it doesn't count."""
LISTENING_ON_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""What servers print as their own address, and what it is for who asks them."""
LOCAL_ENDINGS = (".local", ".lan", ".internal", ".home.arpa")
ROUTES = ("/chat/completions", "/completions", "/models")
MOST_CHARACTERS = 2000

_VERSION = re.compile(r"v\d+\w*", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_HOST = re.compile(r"[^\s/\\?#@:\[\]<>\"'`{}|^%]+")


class RemoteError(AppError):
    """A remote server cannot be asked, refuses, or answers with something that can't be used."""


@dataclass(frozen=True)
class Endpoint:
    """A server that the user entered. ``url``: as ``base_url`` makes it; ``model``: the name that is asked for (""
    where none is chosen yet); ``has_key``: a key was given, which lies in the keyring under ``key_name``."""

    id: str
    name: str
    url: str
    model: str = ""
    has_key: bool = False

    @property
    def place(self) -> str:
        """HERE, NEAR or AWAY."""
        return place_of(self.url)

    @property
    def leaves(self) -> bool:
        """Whether what is written to it leaves this machine."""
        return self.place != HERE

    @property
    def host(self) -> str:
        """Host and port, for sentences."""
        return urlsplit(self.url).netloc

    @property
    def key_name(self) -> str:
        """Where its key is kept. The address is a part of it: a changed address gets no key that was given for
        another one."""
        parts = urlsplit(self.url)
        return f"endpoint {self.id} {parts.scheme} {parts.netloc}"


def base_url(text: str) -> str:
    """An address in one form: scheme, host, path to …/v1, no slash at its end. What people paste (a route, no scheme,
    0.0.0.0) is put right.

    Raises RemoteError: remote_address_wrong, remote_address_secret, remote_needs_https.
    """
    address = text.strip()
    wrong = RemoteError("remote_address_wrong", address=public(address)[:200])
    if not address or len(address) > MOST_CHARACTERS or re.search(r"[\s\\\x00-\x1f]", address):
        raise wrong
    if "://" not in address:
        address = f"{_usual_scheme(address)}://{address}"
    try:
        parts = urlsplit(address)
        host, port = _plain(parts.hostname or ""), parts.port
    except ValueError:
        raise wrong from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise RemoteError("remote_address_secret", address=public(address)[:200])
    if parts.scheme not in ("http", "https") or not _is_host(host):
        raise wrong
    host = LISTENING_ON_ALL.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    if parts.scheme == "http" and _host_place(host) == AWAY:
        raise RemoteError("remote_needs_https", address=shown)
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}{f':{port}' if port and port != usual else ''}{_path(parts.path)}"


def place_of(url: str) -> str:
    """HERE, NEAR or AWAY, by the host of an address of ``base_url``."""
    return _host_place(_plain(urlsplit(url).hostname or ""))


def _plain(host: str) -> str:
    """As the HTTP client reads it: full-width letters and dots, as a Chinese keyboard writes them, are usual ones."""
    return unicodedata.normalize("NFKC", host).replace("\u3002", ".").rstrip(".").lower()


def _usual_scheme(address: str) -> str:
    try:
        host = _plain(urlsplit(f"//{address}").hostname or "")
    except ValueError:
        return "https"
    return "https" if _host_place(LISTENING_ON_ALL.get(host, host)) == AWAY else "http"


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return "%" not in host
    return bool(_HOST.fullmatch(host)) and not host.startswith((".", "-")) and ".." not in host


def _host_place(host: str) -> str:
    host = host.lower()
    if host in THIS_MACHINE:
        return HERE
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        plain = "." not in host and _NUMBER.fullmatch(host) is None  # an address as one number leads anywhere
        return NEAR if host and (plain or host.endswith(LOCAL_ENDINGS)) else AWAY
    found = getattr(found, "ipv4_mapped", None) or found
    return NEAR if found.is_private or found.is_link_local or found.is_loopback else AWAY


def _path(path: str) -> str:
    """To where the routes begin: …/v1, or another version that the address names itself."""
    path = re.sub(r"/{2,}", "/", path).rstrip("/")
    for route in ROUTES:
        path = path.removesuffix(route)
    return path if any(_VERSION.fullmatch(part) for part in path.split("/")) else f"{path}/v1"
