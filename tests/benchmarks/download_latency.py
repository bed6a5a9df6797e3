"""How fast a download stops, also in a stall, and how long the window stands still while one runs at full speed."""

import asyncio
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from autoglm_desktop.store.transfer.client import Limits
from tests.fakes.fake_hub import FakeHub
from tests.fakes.fake_hub_faults import Fault, Silence, Stall
from tests.fakes.fake_hub_pull import job_for, pull

from .download_setup import GB, MB, PATH, REPO, ROOT, Hub, job_to
from .startup import environment
from .timing import PYTHON

ROUNDS = 10
WINDOWS = 3
PATIENT = Limits(block_bytes=4 * MB, read_timeout_s=60.0)
WINDOW = """
import sys, time
from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication
from autoglm_desktop.app import Application
from autoglm_desktop.gui.bridge import Bridge

def pause(until, limit_ms=60000):
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() else None)
    timer.start(50)
    QTimer.singleShot(limit_ms, loop.quit)
    loop.exec()
    assert until()

class Probe(QTimer):
    def __init__(self):
        super().__init__()
        self.ticks = [time.perf_counter()]
        self.timeout.connect(lambda: self.ticks.append(time.perf_counter()))
        self.setTimerType(Qt.TimerType.PreciseTimer)
        self.start(4)

    def longest(self):
        self.stop()
        return max(b - a for a, b in zip(self.ticks, self.ticks[1:]))

app = QApplication([])
application = Application(app)
application.show()
pause(lambda: application.window.contents is not None)
pause(lambda: application.contents.system.result is not None)
settled = []
QTimer.singleShot(4000, lambda: settled.append(True))
pause(lambda: settled)  # what starts with the window is not measured here
from tests.fakes.fake_hub_pull import job_of, pull
job, found, seen = job_of(sys.argv[1]), [], []
probe, begun = Probe(), time.perf_counter()
def shown(item):
    seen.append(item)
    application.window.update()

bridge = Bridge()
work = bridge.submit(lambda report: pull(job, report), found.append, found.append, shown)
pause(lambda: found)
seconds, longest = time.perf_counter() - begun, probe.longest()
idle = Probe()
QTimer.singleShot(2000, lambda: seen.append(None))
pause(lambda: seen[-1] is None)
import json
print(json.dumps({"idle": idle.longest(), "longest": longest, "seconds": seconds, "found": type(found[0]).__name__}))
bridge.close()
application.close()
"""


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.write_bytes(b"made " * (40 * MB))
        stop = {
            "at full speed": _stops(data, Path(folder)),
            "in a stall": _stops(data, Path(folder), Stall(3 * MB)),
            "before the first byte": _stops(data, Path(folder), Silence()),
        }
        window = max(
            (_window(Path(folder), round_) for round_ in range(WINDOWS)), key=lambda one: one["longest"]
        )
    told = ", ".join(f"{max(times) * 1000:.0f} ms {name}" for name, times in stop.items())
    return [
        f"- pause (cancelling keeps the files, so it is the same), the longest of {ROUNDS}: {told} (aim: at most 300)",
        f"- the window's longest stall in {WINDOWS} runs, while 1 GB comes at {GB / window['seconds'] / MB:.0f} MB/s: "
        f"{window['longest'] * 1000:.0f} ms (aim: at most 50); the same window at rest: {window['idle'] * 1000:.0f} ms",
    ]


def _stops(data: Path, folder: Path, effect=None) -> list[float]:
    """Seconds from cancelling to the end of the download, all on disk."""
    found, digest = [], sha256_of(data)
    for round_ in range(ROUNDS):
        faults = [Fault(effect, skip=3, times=None)] if effect else []
        with FakeHub({REPO: {PATH: data}}, faults, rate=None if effect else 800 * MB) as hub:
            job = job_for([hub], REPO, PATH, folder / "out" / f"{round_}.gguf", sha256=digest, limits=PATIENT)
            found.append(asyncio.run(_cancelled(job, hub, bool(effect), 0.08 + 0.007 * round_)))
    return found


async def _cancelled(job, hub: FakeHub, stalls: bool, after: float) -> float:
    task = asyncio.create_task(pull(job))
    if stalls:
        await asyncio.to_thread(hub.stalled.wait, 20)
    await asyncio.sleep(after)
    begun = time.perf_counter()
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        raise RuntimeError(f"not cancelled: {task.exception() or task.result()}")
    return time.perf_counter() - begun


def _window(folder: Path, round_: int) -> dict:
    with Hub(folder / "big", GB) as hub, tempfile.TemporaryDirectory() as home:
        job = job_to([hub], folder / f"window {round_}")
        done = subprocess.run(
            [PYTHON, "-c", WINDOW, job.json()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env=environment(home),
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    shutil.rmtree(job.target.parent)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["found"] != "Fetched":
        raise RuntimeError(done.stdout + done.stderr[-2000:])
    return found


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
