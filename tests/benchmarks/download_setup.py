"""What the download benchmark works with: a fake hub as a process of its own, a big file, a job."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

from autoglm_desktop.store.transfer.client import Limits
from tests.fakes.fake_hub_pull import Job

from .timing import PYTHON

ROOT = Path(__file__).resolve().parents[2]
MB = 1_000_000
GB = 1_000_000_000
REPO, PATH = "made/model", "made-Q8_0.gguf"


class Hub:
    """A fake hub process that serves one made file of ``size`` bytes below ``root``."""

    def __init__(self, root: Path, size: int, *options: str) -> None:
        self.size = size
        file = root / REPO / PATH
        if not file.is_file():
            self.make(file)
        self.sha256 = file.with_name(file.name + ".sha256").read_text()
        command = [PYTHON, "-m", "tests.fakes.fake_hub", "--root", str(root), *options]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = json.loads(self._process.stdout.readline())["url"]

    def make(self, file: Path) -> None:
        file.parent.mkdir(parents=True)
        digest, block = hashlib.sha256(), os.urandom(MB)
        with file.open("wb") as out:
            for number in range(self.size // MB):
                data = number.to_bytes(8, "little") + block[8:]
                digest.update(data)
                out.write(data)
        file.with_name(file.name + ".sha256").write_text(digest.hexdigest())

    def requests(self) -> list[dict]:
        with urllib.request.urlopen(f"{self.url}/_fake/requests") as reply:
            return json.load(reply)

    def close(self) -> None:
        self._process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def job_to(hubs: list[Hub], folder: Path, limits: Limits | None = None) -> Job:
    names = tuple(hub.url for hub in hubs)
    hashes = tuple(hub.sha256 for hub in hubs)
    return Job(
        folder / PATH, names, REPO, ("main",) * len(hubs), PATH, hubs[0].size, hubs[0].sha256,
        place_hashes=hashes, limits=limits or Limits(),
    )  # fmt: skip


def command(way: str, job: Job) -> list[str]:
    return [PYTHON, "-m", "tests.benchmarks.download_child", way, job.json()]


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_OFFLINE": "0",
    }


def run(way: str, job: Job) -> dict:
    """One download into an empty folder; what the child says. The file is checked and removed."""
    with emptied(job.target.parent):
        done = subprocess.run(command(way, job), cwd=ROOT, env=environment(), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:] + done.stdout[-500:])
        found = json.loads(done.stdout.splitlines()[-1])
        if job.target.stat().st_size != job.size:
            raise RuntimeError(f"{way}: wrong size")
        return found


@contextlib.contextmanager
def emptied(folder: Path):
    """The folder is empty before, and gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
