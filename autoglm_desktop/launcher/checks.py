"""``launch.py test``: lint, format, types and tests, all of them even if one fails."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import texts


@dataclass(frozen=True)
class Check:
    name: str
    module: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    name: str
    passed: bool
    seconds: float


MOST_WORKERS = 4
"""Processes that run tests side by side; each takes up to a gigabyte with what it starts."""


def workers() -> int:
    """As many as there are cores, up to MOST_WORKERS."""
    return min(MOST_WORKERS, os.cpu_count() or 1)


def checks(arguments: tuple[str, ...], writable: bool) -> tuple[Check, ...]:
    """With arguments only pytest, which gets them. In a checkout that cannot be written nothing is cached."""
    cache = () if writable else ("-p", "no:cacheprovider")
    if arguments:
        return (Check("pytest", "pytest", (*cache, *arguments)),)
    tests = Check("pytest", "pytest", (*cache, "-n", str(workers()), "--dist", "worksteal"))
    no_cache = () if writable else ("--no-cache",)
    return (
        Check("ruff check", "ruff", ("check", *no_cache, ".")),
        Check("ruff format", "ruff", ("format", "--check", *no_cache, ".")),
        Check("mypy", "mypy", () if writable else (f"--cache-dir={os.devnull}",)),
        tests,
    )


def run_checks(
    wanted: tuple[Check, ...], run: Callable[[Check], int], clock: Callable[[], float] = time.perf_counter
) -> tuple[Result, ...]:
    results: list[Result] = []
    for check in wanted:
        sys.stdout.write(f"== {check.name}\n")
        sys.stdout.flush()
        start = clock()
        passed = run(check) == 0
        results.append(Result(check.name, passed, clock() - start))
    return tuple(results)


def command(python: Path, check: Check) -> list[str]:
    return [str(python), "-m", check.module, *check.arguments]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The tests draw nowhere unless somebody wants to watch them."""
    return {"QT_QPA_PLATFORM": "offscreen", **environ}


def summary(results: tuple[Result, ...]) -> str:
    return "\n".join(texts.check_result(result.name, result.passed, result.seconds) for result in results)
