"""Rows of the tables that users may edit (TOML), checked before anything believes them. Pure."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar

from .machine import LARGEST

T = TypeVar("T")


def row(cls: type[T], item: object, where: str, *, zero: bool = False) -> T:
    """One row as a frozen value. ``zero``: whether a number may be 0.

    Raises ValueError, naming table and key: not a table, an unknown or missing key, a wrong type, an empty text, a
    number below zero, not finite or beyond 64 bits.
    """
    if not isinstance(item, dict):
        raise ValueError(f"{where}: expected a table")
    hints, needed = _fields(typing.cast("Hashable", cls))
    unknown = sorted(set(item) - set(hints))
    if unknown:
        raise ValueError(f"{where}: unknown keys {unknown}")
    missing = sorted(needed - set(item))
    if missing:
        raise ValueError(f"{where}: missing keys {missing}")
    return cls(**{key: _sound(hints[key], value, f"{where}: {key}", zero) for key, value in item.items()})


def rows(data: dict[str, Any], key: str) -> list[object]:
    """The array of tables called ``key``; without it none. Raises ValueError when it is something else."""
    found = data.get(key, [])
    if not isinstance(found, list):
        raise ValueError(f"{key}: expected an array of tables")
    return found


@lru_cache(maxsize=16)
def _fields(cls: Hashable) -> tuple[dict[str, Any], frozenset[str]]:
    """(hint by field, the fields without a default) of a dataclass."""
    kind = typing.cast("type[Any]", cls)
    needed = (item.name for item in dataclasses.fields(kind) if item.default is dataclasses.MISSING)
    return typing.get_type_hints(kind), frozenset(needed)


def _sound(hint: Any, value: object, where: str, zero: bool) -> object:
    """The value as its type wants it: lists become tuples, whole numbers fractions."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        hint = next(found for found in args if found is not type(None))
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list")
        inner = args[:1] * len(value) if args[-1] is Ellipsis else args
        if len(inner) != len(value):
            raise ValueError(f"{where}: expected {len(inner)} items")
        return tuple(_sound(kind, one, where, True) for kind, one in zip(inner, value, strict=True))
    if hint is float and type(value) is int and value < LARGEST:
        value = float(value)
    if type(value) is not hint:
        raise ValueError(f"{where}: expected {hint.__name__}")
    if isinstance(value, str):
        if not value.strip():
            raise ValueError(f"{where} is empty")
    elif type(value) in (int, float) and not _in_range(typing.cast("float", value), zero):
        raise ValueError(f"{where}: out of range")
    return value


def _in_range(value: float, zero: bool) -> bool:
    """Neither NaN nor infinity is."""
    return 0 <= value < LARGEST and (value > 0 or zero)
