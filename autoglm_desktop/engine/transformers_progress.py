"""How far loading is, by bytes: transformers counts tensors as it places them, their sizes come from the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from transformers.utils import logging

DESCRIPTION = "Loading weights"
STEPS = 100
Report = Callable[[float], None]


@contextmanager
def reported(sizes: Mapping[str, int], report: Report) -> Iterator[None]:
    """While a model loads, call ``report`` with the fraction of its bytes that is in place."""

    def hook(factory: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs.get("desc") == DESCRIPTION and args:
            return counted(list(args[0]), sizes, report)
        return factory(*args, **{**kwargs, "disable": True})

    report(0.0)
    before = logging.set_tqdm_hook(hook)
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)


def counted(items: list[Any], sizes: Mapping[str, int], report: Report) -> Iterator[Any]:
    """The items one by one; after each the fraction, in steps of a hundredth."""
    mean = sum(sizes.values()) / len(sizes) if sizes else 1.0
    weights = [sizes.get(item[0], mean) for item in items]
    total, done, told = sum(weights) or 1.0, 0.0, 0
    for item, weight in zip(items, weights, strict=True):
        yield item
        done += weight
        if int(STEPS * done / total) > told:
            told = int(STEPS * done / total)
            report(done / total)
