"""Downloads from a local hub that is a process of its own: rates, what a kill costs, memory, latencies, the window."""

import functools
import itertools
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from autoglm_desktop.store.transfer.client import Limits
from tests.fakes.fake_hub import sent_twice
from tests.fakes.fake_hub_faults import Asked

from . import download_latency
from .download_latency import sha256_of
from .download_setup import GB, MB, PATH, ROOT, Hub, command, emptied, job_to, run
from .timing import interleaved

ROUNDS = 5
KILLS = 20
SEED = 3


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        big, small, out = root / "big", root / "small", root / "out"
        lines = [
            "A hub on 127.0.0.1, a process of its own; each download a process of its own. Medians, (smallest–largest)."
        ]
        lines += ["", "One fast server, 1 GB:", *_fast(big, out)]
        lines += ["", "Limited servers, 400 MB:", *_limited(small, out)]
        lines += ["", "Kills, memory, latency:", *_killed(big, out), *_memory(big, out)]
        shutil.rmtree(big)
        lines += download_latency.measure()
    return lines


def _rates(found: dict, size: int) -> dict[str, list[float]]:
    """MB/s of each run."""
    return {way: [size / one["seconds"] / MB for one in runs] for way, runs in found.items()}


def _told(rates: list[float]) -> str:
    return f"{statistics.median(rates):.0f} MB/s ({min(rates):.0f}–{max(rates):.0f}, n={len(rates)})"


def _share(one: list[float], other: list[float]) -> float:
    """Median of the ratios of runs that were next to each other."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


FAST = {"as fast as it can": (), "10 Gbit/s": ("--rate", "1.25e9"), "1 Gbit/s": ("--rate", "1.25e8")}
OTHERS = {
    "plain": "a plain read to disk by httpx (aim: at least 95 %)",
    "hub": "huggingface_hub, which does not verify (aim: at least 100 %)",
    "plain_sha256": "the plain read with a sha256 beside it",
    "plain_async": "the plain read with httpx.AsyncClient",
}


def _fast(root: Path, out: Path) -> list[str]:
    lines = []
    for name, options in FAST.items():
        others = list(OTHERS)[: 2 if options else 4]
        with Hub(root, GB, *options) as hub:
            job = job_to([hub], out)
            run("plain", job)  # the file is in the cache from here on
            ways = {way: functools.partial(run, way, job) for way in ("ours", *others)}
            found = _rates(interleaved(ROUNDS, **ways), GB)
        lines.append(f"- {name}: {_told(found['ours'])}, sha256 verified. That is")
        for way in others:
            share = _share(found["ours"], found[way])
            lines.append(f"  - {share:.0%} of {OTHERS[way]}: {_told(found[way])}")
    return lines


def _limited(root: Path, out: Path) -> list[str]:
    size, rounds = 400 * MB, 3
    blocks = Limits(block_bytes=8 * MB)
    one = Limits(block_bytes=8 * MB, connections=1)
    with Hub(root, size, "--rate-per-connection", str(20 * MB)) as hub:
        many, single = job_to([hub], out, blocks), job_to([hub], out, one)
        ways = {
            "four": lambda: run("ours", many),
            "single": lambda: run("ours", single),
            "plain": lambda: run("plain", single),
        }
        found = _rates(interleaved(rounds, **ways), size)
    lines = [
        f"- 20 MB/s per connection: {_told(found['four'])} with four, {_told(found['single'])} with one "
        f"({_share(found['four'], found['single']):.2f} ×, aim: at least 3.5), a plain read {_told(found['plain'])} "
        f"({_share(found['four'], found['plain']):.2f} ×)"
    ]
    limit = ("--rate", str(60 * MB))
    with Hub(root, size, *limit) as first, Hub(root, size, *limit) as second:
        jobs = {"both": [first, second], "first": [first], "second": [second]}
        ways = {name: lambda hubs=hubs: run("ours", job_to(hubs, out, blocks)) for name, hubs in jobs.items()}
        found = _rates(interleaved(rounds, **ways), size)
    better = max(("first", "second"), key=lambda name: statistics.median(found[name]))
    lines.append(
        f"- two sources of 60 MB/s: {_told(found['both'])}, the better one alone {_told(found[better])} "
        f"({_share(found['both'], found[better]):.2f} ×, aim: at least 1.8)"
    )
    return lines


def _killed(root: Path, out: Path) -> list[str]:
    """SIGKILL when a random number of the file's bytes has been sent, 20 times; then once to the end."""
    moments = sorted(random.Random(SEED).sample(range(20 * MB, GB - 100 * MB), KILLS))
    with Hub(root, GB, "--rate", str(250 * MB), "--send-buffer", "65536") as hub, emptied(out):
        job, twice = job_to([hub], out), [0]
        for moment in moments:
            with subprocess.Popen(command("ours", job), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
                while process.poll() is None and _sent(hub)[0] < moment:
                    time.sleep(0.02)
                if process.poll() is not None:
                    raise RuntimeError("ended before it was killed")
                process.kill()
            twice.append(_sent(hub)[1])
        done = subprocess.run(command("ours", job), cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        twice.append(_sent(hub)[1])
        exact = sha256_of(job.target) == hub.sha256
    worst = max(after - before for before, after in itertools.pairwise(twice))
    allowed = job.limits.connections * job.limits.block_bytes
    return [
        f"- SIGKILL at {KILLS} random moments of 1 GB at 250 MB/s (seed {SEED}): {twice[-1] / MB:.0f} MB sent twice, "
        f"{worst / MB:.0f} MB after the worst (aim: at most one block per connection, {allowed / MB:.0f} MB); the file "
        f"is {'exact' if exact else 'WRONG'}"
    ]


def _sent(hub: Hub) -> tuple[int, int]:
    """Bytes of the file that were sent: without repetitions, and repeated ones."""
    asked = [
        Asked(one["origin"], "GET", "", {}, path=one["path"], begin=one["begin"], sent=one["sent"])
        for one in hub.requests()
    ]
    twice = sent_twice(asked, PATH)
    return sum(one.sent for one in asked if one.path == PATH) - twice, twice


def _memory(root: Path, out: Path) -> list[str]:
    with Hub(root, GB) as hub:
        peak = max(run("ours", job_to([hub], out))["peak_bytes"] for _ in range(3))
    return [
        f"- largest resident memory of a process that fetches 1 GB: {peak / MB:.0f} MB (aim: at most 120 MB)"
    ]
