"""Addresses without what is secret in them. No I/O."""

from __future__ import annotations


def public(address: str) -> str:
    """Without user, password, query and fragment; anything that is no address stays as it is."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    rest = rest.partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    if "@" in path and (":" in host or "@" in host):  # a password with a slash in it
        host, slash, path = rest.rpartition("@")[2].partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def has_secret(address: str) -> bool:
    """Whether an address holds more than may be shown or kept."""
    return public(address) != address
