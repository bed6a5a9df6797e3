"""The addresses by which other machines reach this one."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

VIRTUAL = (
    "docker",
    "br-",
    "veth",
    "virbr",
    "vmnet",
    "vboxnet",
    "vethernet",
    "lxc",
    "podman",
    "cni",
    "flannel",
)
"""Beginnings of names of interfaces that lead to containers and virtual machines of this machine."""


@dataclass(frozen=True)
class LanAddress:
    """``address``: IPv4; ``interface``: as the system calls it; ``virtual``: it leads to containers and the like."""

    interface: str
    address: str
    virtual: bool = False


def lan_addresses(
    interfaces: Callable[[], Mapping[str, Iterable[Any]]] = psutil.net_if_addrs,
    states: Callable[[], Mapping[str, Any]] = psutil.net_if_stats,
) -> tuple[LanAddress, ...]:
    """Those of interfaces that are up, the likeliest first: private networks before others, virtual ones last. ()
    where the system doesn't tell."""
    try:
        named, up = interfaces(), states()
    except (OSError, RuntimeError):
        return ()
    found = [
        LanAddress(name, one.address, name.lower().startswith(VIRTUAL))
        for name, addresses in named.items()
        if name not in up or up[name].isup
        for one in addresses
        if one.family == socket.AF_INET and _reachable(one.address)
    ]
    return tuple(
        sorted(found, key=lambda one: (one.virtual, not ipaddress.ip_address(one.address).is_private))
    )


def _reachable(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast)
