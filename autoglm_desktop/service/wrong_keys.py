"""Slows down who tries keys."""

from __future__ import annotations

import collections
import contextlib
import ipaddress
import time
from collections.abc import Callable, Iterator

from .errors import ApiError

MOST_ADDRESSES = 1024
FORGOTTEN_S = 600.0
MOST_HELD = 64
"""So many wrong keys wait at once; further ones are refused at once, so that they hold no connections."""
MOST_DOUBLED = 20


class WrongKeys:
    """How long a wrong key waits for its answer: ``first_s``, doubled for each further one from that address, up to
    ``most_s``. A right key never waits and forgives nothing: behind one address there may be several machines. So this
    slows down simple tools; against patient ones only a long key helps."""

    def __init__(self, first_s: float, most_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._clock = clock
        self._held = 0
        self._seen: collections.OrderedDict[str, tuple[int, float]] = collections.OrderedDict()

    @contextlib.contextmanager
    def told(self, address: str) -> Iterator[float]:
        """A wrong key came from ``address``: the seconds its answer has to wait. Raises ApiError (429)."""
        count = self._count(group_of(address))
        if self._held >= MOST_HELD:
            raise ApiError(
                429, "Too many wrong keys.", code="too_many_wrong_keys", retry_s=max(1, round(self._most_s))
            )
        self._held += 1
        try:
            yield min(self._most_s, self._first_s * 2 ** min(count - 1, MOST_DOUBLED))
        finally:
            self._held -= 1

    def _count(self, group: str) -> int:
        now = self._clock()
        count, last = self._seen.pop(group, (0, now))
        count = 1 if now - last > FORGOTTEN_S else count + 1
        self._seen[group] = (count, now)
        if len(self._seen) > MOST_ADDRESSES:
            self._seen.popitem(last=False)
        return count


def group_of(address: str) -> str:
    """The address, of IPv6 its network: one machine has as many addresses there as it likes."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
