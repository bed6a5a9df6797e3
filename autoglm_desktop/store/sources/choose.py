"""The source that a name, an address or a folder stands for."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ..transfer.client import Limits
from ..transfer.place import TransferError
from .base import Source
from .endpoint import Endpoint
from .folder import FolderSource
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
        return ModelScope(client, MODELSCOPE, base, lambda: tokens(key), limits)
    if name.lower().startswith(("http://", "https://")):
        base = endpoint(name)
        first = _compatible(client, base, base, tokens, limits, origin(base))
        second = ModelScope(client, base, base, lambda: tokens(origin(base)), limits)
        return Endpoint(base, (first, second))
    if "://" in name:
        raise TransferError("source_address_wrong", address=_without_secrets(name))
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
        lambda: tokens(key),
        limits,
        site=ENDPOINTS[HUGGINGFACE] if mirror else None,
        variable=f"HF_TOKEN (HF_ENDPOINT={base})",
    )


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
        raise TransferError("source_address_wrong", address=_without_secrets(text))
    if parts.username is not None or parts.password is not None:
        raise TransferError("source_address_password", address=_without_secrets(text))
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
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith(LOCAL_ENDINGS)
    return found.is_loopback or found.is_private or found.is_link_local


def _without_secrets(address: str) -> str:
    scheme, mark, rest = address.partition("://")
    rest = rest.partition("?")[0].partition("#")[0]
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
