"""Small helpers of the benchmarks."""

import statistics
import subprocess
import sys
import time


def wall(command, **more) -> float:
    """Seconds of one run; raises when it fails."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
    return time.perf_counter() - begun


def interleaved(rounds: int, **functions) -> dict[str, list[float]]:
    """Call each function in turn, ``rounds`` times, so that a noisy minute hits all alike."""
    found = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            found[name].append(function())
    return found


def median_range(values, unit="s", digits=3) -> str:
    low, high = min(values), max(values)
    return (
        f"{statistics.median(values):.{digits}f} {unit} ({low:.{digits}f}–{high:.{digits}f}, n={len(values)})"
    )


PYTHON = sys.executable
