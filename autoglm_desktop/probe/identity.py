"""Whose machine this is: what a report must not tell. Nothing here uses the network."""

from __future__ import annotations

import os
import platform
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.redact import Identity
from .files import read_text

USERS = ("USER", "LOGNAME", "USERNAME", "SUDO_USER", "PKEXEC_USER")
HOMES = ("HOME", "USERPROFILE")
HOSTS = ("HOSTNAME", "COMPUTERNAME", "USERDOMAIN", "USERDNSDOMAIN", "HOST")
SECRETS = re.compile(
    r"TOKEN|SECRET|PASS|CREDENTIAL|(API|ACCESS|PRIVATE)_?KEY|_KEY$|_AUTH$|COOKIE", re.IGNORECASE
)


def identity(
    environ: Mapping[str, str] = os.environ, root: Path = Path("/"), ordinary: frozenset[str] = frozenset()
) -> Identity:
    """What the environment, the accounts and the network's set-up call this user and this machine."""
    login, full, home = _account()
    users = [login, *(environ.get(name) for name in USERS), *(full or "").split(",")[:1]]
    homes = [home, *(environ.get(name) for name in HOMES), _home()]
    hostname = (read_text(root / "etc/hostname", 256) or "").split("#")[0]
    hosts = [_hostname(), platform.node(), hostname, *(environ.get(name) for name in HOSTS)]
    secrets = [
        value for name, value in environ.items() if SECRETS.search(name) and not value.startswith(("/", "~"))
    ]
    return Identity(_known(users), _known(homes), _known(hosts), _known(secrets), ordinary)


def _known(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value.strip() for value in values if value and value.strip()))


def _account() -> tuple[str | None, str | None, str | None]:
    """(login name, full name, home folder) as the list of accounts has them; POSIX only."""
    try:
        import pwd

        entry = pwd.getpwuid(os.getuid())
    except (ImportError, AttributeError, KeyError, OSError):
        return None, None, None
    return entry.pw_name, entry.pw_gecos, entry.pw_dir


def _home() -> str | None:
    try:
        return str(Path.home())
    except (RuntimeError, OSError):
        return None


def _hostname() -> str | None:
    try:
        return socket.gethostname()
    except OSError:
        return None
