"""Set-up by ``launch.py`` in a copy of the checkout: what is fetched, how long it takes, what a later start adds.

Needs the package index (or pip's cache).
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .timing import PYTHON, interleaved, median_range, wall

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 9


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(".venv*", ".git", "__pycache__", ".*_cache")
        shutil.copytree(ROOT, copy, ignore=ignored)
        environment = {**os.environ, "AUTOGLM_HOME": str(Path(folder) / "home")}
        fetched = _fetched(copy, Path(folder) / "wheels")
        begun = time.perf_counter()
        _launch(copy, environment)
        first = time.perf_counter() - begun
        python = copy / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        direct = [str(python), "-m", "autoglm_desktop", "--version"]
        found = interleaved(
            ROUNDS,
            again=lambda: wall([sys.executable, "launch.py", "--version"], cwd=copy, env=environment),
            direct=lambda: wall(direct, cwd=copy, env=environment),
        )
        size = sum(path.stat().st_size for path in (copy / ".venv").rglob("*") if path.is_file())
    added = statistics.median(found["again"]) - statistics.median(found["direct"])
    return [
        f"- to fetch for running (wheels, pip included): {fetched / 1e6:.0f} MB (aim: at most 150 MB); "
        f"on disk {size / 1e6:.0f} MB",
        f"- first `launch.py --version`, wheels from pip's cache or the index: {first:.1f} s",
        f"- again, nothing changed: {median_range(found['again'])}; the program alone "
        f"{median_range(found['direct'])}; added {added:.3f} s (aim: at most 0.3 s)",
    ]


def _launch(copy: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "launch.py", "--version"]
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)


def _fetched(copy: Path, wheels: Path) -> int:
    command = [PYTHON, "-m", "pip", "download", "--quiet", "--dest", str(wheels), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    return sum(path.stat().st_size for path in wheels.iterdir() if not path.name.startswith("autoglm"))
