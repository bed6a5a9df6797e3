"""How long ``autoglm-desktop check --json`` takes, beside a bare interpreter."""

import statistics

from .timing import PYTHON, interleaved, median_range, wall


def measure() -> list[str]:
    found = interleaved(
        9,
        check=lambda: wall([PYTHON, "-m", "autoglm_desktop", "check", "--json"]),
        bare=lambda: wall([PYTHON, "-c", "pass"]),
    )
    check, bare = found["check"], found["bare"]
    return [
        f"- `check --json`: {median_range(check)} (aim: at most 1.0 s)",
        f"- bare interpreter in the same run: {median_range(bare)}; "
        f"ratio {statistics.median(check) / statistics.median(bare):.1f}",
    ]
