"""How the window's service is to run: what is kept of it, its key, and the names it is called by."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from ..probe.network import LanAddress, lan_addresses
from ..store import settings
from .serve import ServeOptions, read_allowed_hosts
from .services import Services

__all__ = [
    "LanAddress",
    "Names",
    "ServiceSettings",
    "keep",
    "lan_addresses",
    "names_of",
    "read",
    "with_key",
    "with_new_key",
]

KEY = "service"
"""Under this name the key lies in the keyring."""
KEY_BYTES = 24
THIS_MACHINE, EVERYWHERE = "127.0.0.1", "0.0.0.0"
PORTS = (1, 65_535)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?", re.ASCII)
_BETWEEN = re.compile(r"[\s,;，；、]+")


@dataclass(frozen=True)
class ServiceSettings:
    """``port`` 0: a free one; ``lan``: other machines may reach it; ``ask_key``: programs of this machine need the
    key, too; ``hosts``: further names in ``Host`` and ``Origin``; ``on``: it was on when the window closed;
    ``key_where``: where the key is kept, ``keyring`` or ``run`` (where no keyring is safe)."""

    port: int = 8000
    lan: bool = False
    ask_key: bool = False
    hosts: tuple[str, ...] = ()
    key: str | None = field(default=None, repr=False)
    on: bool = False
    key_where: str | None = None

    @property
    def needs_key(self) -> bool:
        return self.lan or self.ask_key

    @property
    def needed_key(self) -> str | None:
        """The key that requests must carry; None where none is asked for."""
        return self.key if self.needs_key else None

    def options(self, environment: Mapping[str, str] | None = None) -> ServeOptions:
        """For the service; names of AUTOGLM_ALLOWED_HOSTS are let in, too."""
        return ServeOptions(
            host=EVERYWHERE if self.lan else THIS_MACHINE,
            port=self.port,
            api_key=self.needed_key,
            allowed_hosts=(*self.hosts, *read_allowed_hosts(environment)),
        )


@dataclass(frozen=True)
class Names:
    """Names that were entered: ``hosts`` as the service compares them, ``wrong``: what can't be one."""

    hosts: tuple[str, ...]
    wrong: tuple[str, ...]


def names_of(text: str) -> Names:
    """Names from a line of text, separated by commas or spaces. An address is cut down to its name."""
    hosts: list[str] = []
    wrong: list[str] = []
    for word in filter(None, _BETWEEN.split(text.strip())):
        name = _name(word)
        if name is None:
            wrong.append(word)
        elif name not in hosts:
            hosts.append(name)
    return Names(tuple(hosts), tuple(wrong))


def _name(word: str) -> str | None:
    try:
        found = urlsplit(word if "://" in word else f"//{word}").hostname
    except ValueError:
        return None
    name = (found or "").lower()
    return name.rstrip(".") if _NAME.fullmatch(name) else None


async def read(services: Services) -> ServiceSettings:
    """What is kept, without the key: a keyring may take seconds or ask the user for its password, and most who open
    the window need none."""
    return await asyncio.to_thread(_read, services)


async def keep(services: Services, wanted: ServiceSettings) -> bool:
    """Keep all but the key (and a port 0); False (logged) where the folder can't be written."""
    changes: dict[str, str | int | None] = {
        "service_on": wanted.on,
        "service_lan": wanted.lan,
        "service_ask_key": wanted.ask_key,
        "service_hosts": ", ".join(wanted.hosts),
    }
    if wanted.port:
        changes["service_port"] = wanted.port
    return await asyncio.to_thread(lambda: settings.update(services.home, **changes))


async def with_key(services: Services, wanted: ServiceSettings) -> ServiceSettings:
    """With the key that is kept, else with a new one. Asks the keyring, which may take seconds."""
    kept = await asyncio.to_thread(services.keys.get, KEY)
    if kept is None:
        return await with_new_key(services, wanted)
    return replace(wanted, key=kept, key_where=await asyncio.to_thread(services.keys.where, KEY))


async def with_new_key(services: Services, wanted: ServiceSettings) -> ServiceSettings:
    """With a key nobody can guess, which is kept. Asks the keyring, which may take seconds."""
    made = secrets.token_urlsafe(KEY_BYTES)
    where = await asyncio.to_thread(services.keys.set, KEY, made)
    return replace(wanted, key=made, key_where=where)


def _read(services: Services) -> ServiceSettings:
    found = settings.load(services.home)
    port = found.service_port if PORTS[0] <= found.service_port <= PORTS[1] else ServiceSettings.port
    return ServiceSettings(
        port,
        found.service_lan,
        found.service_ask_key,
        names_of(found.service_hosts).hosts,
        on=found.service_on,
    )
