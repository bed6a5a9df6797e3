"""What people paste where ``owner/repo[:VARIANT]`` is expected: addresses of a hub's pages and files. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

HOSTS = ("huggingface.co", "hf.co", "hf-mirror.com", "modelscope.cn", "www.modelscope.cn")
"""The public hubs; pages of any other host name a source too."""

_ADDRESS = re.compile(r"(https?)://([^/\s]+)/(.*)", re.IGNORECASE)
_FILE = re.compile(r"(?:blob|resolve|raw|file/view)/[^/]+/(.+)\.gguf", re.IGNORECASE)


@dataclass(frozen=True)
class Pasted:
    """``target``: as ``pull`` takes it. ``source``: the address of the hub, where it is none of the public ones."""

    target: str
    source: str | None = None


def read(text: str) -> Pasted:
    """What was meant. The page of one GGUF file means that file; anything that is no address stays as it is, but for
    white space around it and a slash behind it."""
    text = text.strip()
    host = text.partition("/")[0].lower()
    found = _ADDRESS.fullmatch(f"https://{text}" if host in HOSTS else text)
    if found is None:
        return Pasted(text.removesuffix("/") if text.count("/") > 1 else text)
    scheme, host, path = found[1].lower(), found[2].lower(), found[3].partition("#")[0].partition("?")[0]
    parts = [unquote(part) for part in path.split("/")]
    if parts[0] == "models":
        parts = parts[1:]
    repo = "/".join(parts[:2]).rstrip("/")
    file = _FILE.fullmatch("/".join(parts[2:]))
    target = f"{repo}:{file[1]}" if file is not None and repo.count("/") == 1 else repo
    return Pasted(target, None if host in HOSTS else f"{scheme}://{found[2]}")
