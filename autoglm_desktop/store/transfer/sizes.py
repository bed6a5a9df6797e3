"""Learns a file's size where no listing says it."""

from __future__ import annotations

import asyncio
import dataclasses

from .client import Limits
from .place import Place, TransferError, TryAgain
from .values import Wanted


async def learn_size(wanted: Wanted, place: Place, limits: Limits) -> Wanted:
    """``wanted`` with the size that the place names. Raises TransferError, also where it names none."""
    for round_ in range(limits.tries):
        try:
            async with place.open(0, 1) as reply:
                total = reply.total
        except TryAgain as error:
            if round_ == limits.tries - 1:
                code = "download_no_network" if error.offline else "download_unreachable"
                raise TransferError(code, name=wanted.target.name, why=error.reason) from error
            pause = limits.backoff_s * 2**round_ if error.after is None else error.after
            await asyncio.sleep(min(pause, limits.max_retry_after_s))
            continue
        if total is None:
            raise TransferError("download_no_size", name=wanted.target.name, source=place.name)
        return dataclasses.replace(wanted, size=total)
    raise AssertionError("tries is at least 1")
