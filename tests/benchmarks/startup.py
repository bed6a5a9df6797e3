"""From the start of ``autoglm-desktop`` to its first paint, beside a bare QMainWindow, alternating."""

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from .timing import PYTHON, interleaved, median_range

ROUNDS = 9
BARE = """
import time
from PySide6.QtWidgets import QApplication, QMainWindow
from PySide6.QtGui import QPaintEvent
class Window(QMainWindow):
    def event(self, event):
        done = super().event(event)
        if isinstance(event, QPaintEvent):
            print(time.time(), flush=True)
            QApplication.quit()
        return done
app = QApplication([])
window = Window()
window.resize(1280, 800)
window.show()
app.exec()
"""
UNWANTED = ("torch", "libllama", "libggml", "pydantic_core")
PAINTED = re.compile(r"window painted at ([0-9.]+)")


def environment(home: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return {**kept, "AUTOGLM_HOME": home, "QT_QPA_PLATFORM": "offscreen", "AUTOGLM_LANG": "en"}


def measure() -> list[str]:
    mapped: set[str] = set()
    with tempfile.TemporaryDirectory() as home:
        _ours(home, mapped)  # the engine's self-test and the file caches: not part of a start
        found = interleaved(ROUNDS, ours=lambda: _ours(home, mapped), bare=lambda: _bare(home))
    ours, bare = found["ours"], found["bare"]
    return [
        f"Offscreen, {ROUNDS} starts each, alternating; from the creation of the process to the first paint event.",
        "",
        f"- `autoglm-desktop`: {median_range(ours)} (aim: at most 0.6 s)",
        f"- a bare QMainWindow: {median_range(bare)}; "
        f"ratio {statistics.median(ours) / statistics.median(bare):.2f} (aim: at most 3)",
        f"- mapped in the application, of {', '.join(UNWANTED)}: {', '.join(sorted(mapped)) or 'none'}",
    ]


def _bare(home: str) -> float:
    begun = time.time()
    done = subprocess.run(
        [PYTHON, "-c", BARE], capture_output=True, text=True, check=True, env=environment(home)
    )
    return float(done.stdout) - begun


def _ours(home: str, mapped: set[str]) -> float:
    log = Path(home) / "logs" / "autoglm-desktop.log"
    log.unlink(missing_ok=True)
    begun = time.time()
    with subprocess.Popen([PYTHON, "-m", "autoglm_desktop"], env=environment(home)) as process:
        seconds = _painted(log, process) - begun
        maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
        mapped.update(name for name in UNWANTED if name in maps)
        process.terminate()
        process.wait(30)
    return seconds


def _painted(log: Path, process: subprocess.Popen) -> float:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and psutil.pid_exists(process.pid):
        match = PAINTED.search(log.read_text(encoding="utf-8")) if log.is_file() else None
        if match:
            return float(match[1])
        time.sleep(0.02)
    raise RuntimeError("the window was not painted within 60 s")
