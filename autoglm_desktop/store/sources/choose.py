"""The source that a name, an address or a folder stands for.

A token goes over https, or to this very machine. Plain http is accepted in private networks, where it is common, but no
token is sent there: who listens would have it. A hub there that wants one is told of by ``token_needs_https``.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ...core.addresses import public
from ..transfer.client import Limits
from ..transfer.place import TransferError
from .base import Source
from .endpoint import Endpoint
from .folder import FolderSource
from .hub import keeps_secrets
from .huggingface import HuggingFace
from .modelscope import ModelScope

HUGGINGFACE, HF_MIRROR, MODELSCOPE = "huggingface", "hf-mirror", "modelscope"
ENDPOINTS = {
    HUGGINGFACE: "https://huggingface.co",
    HF_MIRROR: "https://hf-mirror.com",
    MODELSCOPE: "https://modelscope.cn",
}
LOCAL_ENDINGS = (".local", ".lan", ".internal", ".home.arpa", ".localhost")

Tokens = Callable[[str], str | None]
"""The token for a source's name or an endpoint's origin (``store.keys.Keys.get``)."""


def no_tokens(name: str) -> str | None:
    """For sources that are asked without any token."""
    return None


def make_source(
    client: httpx.AsyncClient,
    name: str,
    tokens: Tokens = no_tokens,
    *,
    limits: Limits | None = None,
    environment: Mapping[str, str] | None = None,
) -> Source:
    """``huggingface`` (HF_ENDPOINT), ``hf-mirror``, ``modelscope`` (MODELSCOPE_ENDPOINT), an address, or a folder
    (``folder:PATH`` or a path that exists). Raises TransferError."""
    environment = os.environ if environment is None else environment
    limits = limits or Limits()
    if name == HUGGINGFACE:
        return _huggingface(client, tokens, limits, environment.get("HF_ENDPOINT", ""))
    if name == HF_MIRROR:
        return _compatible(client, HF_MIRROR, ENDPOINTS[HF_MIRROR], tokens, limits, HF_MIRROR)
    if name == MODELSCOPE:
        base = endpoint(environment.get("MODELSCOPE_ENDPOINT") or ENDPOINTS[MODELSCOPE])
        key = MODELSCOPE if base in (ENDPOINTS[MODELSCOPE], "https://www.modelscope.cn") else origin(base)
        return ModelScope(client, MODELSCOPE, base, _token(tokens, key, base), limits)
    if name.lower().startswith(("http://", "https://")):
        base = endpoint(name)
        first = _compatible(client, base, base, tokens, limits, origin(base))
        second = ModelScope(client, base, base, _token(tokens, origin(base), base), limits)
        return Endpoint(base, (first, second))
    if "://" in name:
        raise TransferError("source_address_wrong", address=public(name))
    folder = Path(name.removeprefix("folder:")).expanduser()
    if folder.is_dir():
        return FolderSource(folder)
    if name.startswith("folder:") or folder.is_absolute() or os.sep in name:
        raise TransferError("source_no_folder", path=str(folder))
    raise TransferError("source_unknown", name=name, known=[*ENDPOINTS])


def _huggingface(client: httpx.AsyncClient, tokens: Tokens, limits: Limits, wanted: str) -> HuggingFace:
    """The hub, or what HF_ENDPOINT names. That other host gets no token that was meant for the hub."""
    base = endpoint(wanted or ENDPOINTS[HUGGINGFACE])
    if base == ENDPOINTS[HUGGINGFACE]:
        return HuggingFace(client, HUGGINGFACE, base, lambda: tokens(HUGGINGFACE), limits)
    return _compatible(client, HUGGINGFACE, base, tokens, limits, origin(base))


def _compatible(
    client: httpx.AsyncClient, source_id: str, base: str, tokens: Tokens, limits: Limits, key: str
) -> HuggingFace:
    mirror = base == ENDPOINTS[HF_MIRROR]
    return HuggingFace(
        client,
        source_id,
        base,
        _token(tokens, key, base),
        limits,
        site=ENDPOINTS[HUGGINGFACE] if mirror else None,
        variable=f"HF_TOKEN (HF_ENDPOINT={base})",
    )


def _token(tokens: Tokens, key: str, base: str) -> Callable[[], str | None]:
    """The token of ``key`` for a hub at ``base``, where it may go there."""
    return (lambda: tokens(key)) if keeps_secrets(base) else (lambda: None)


def endpoint(address: str) -> str:
    """A hub's address in one form, without a slash at its end. Raises TransferError: no address, with a password, or
    not encrypted although it is out in the internet."""
    text = address.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme.lower() not in ("http", "https") or parts.query or parts.fragment:
        raise TransferError("source_address_wrong", address=public(text))
    if parts.username is not None or parts.password is not None:
        raise TransferError("source_address_password", address=public(text))
    scheme = parts.scheme.lower()
    if scheme == "http" and not is_near(host):
        raise TransferError("source_needs_https", address=text)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}{f':{port}' if port else ''}{parts.path}"


def origin(address: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def is_near(host: str) -> bool:
    """Whether a host is this machine or in a private network, where plain http is common."""
    host = host.lower().rstrip(".")
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        number = re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host)  # an address as one number: anywhere
        return ("." not in host and number is None) or host.endswith(LOCAL_ENDINGS)
    found = getattr(found, "ipv4_mapped", None) or found
    return found.is_loopback or found.is_private or found.is_link_local
