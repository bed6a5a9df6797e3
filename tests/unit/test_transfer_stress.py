"""Many small transfers with random sizes, faults, sources and pauses. The seed is in the test's name."""

import asyncio
import gc
import hashlib
import json
import random
import threading

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store.transfer.values import journal_of, part_of
from autoglm_desktop.texts.errors import TABLE
from tests.fakes.fake_hub import FakeHub
from tests.fakes.fake_hub_faults import (
    Changed,
    Drop,
    ExpiredLink,
    Fault,
    Flip,
    IgnoreRange,
    Portal,
    RedirectLoop,
    Silence,
    Slow,
    Stall,
    Status,
    Truncated,
    WrongLength,
    WrongRange,
)
from tests.fakes.fake_hub_pull import KIB, Watch, job_for, pull
from tests.unit.transfer_checks import limits, sentence

REPO, PATH = "made/stress", "模型 a.gguf"
BLOCK = 32 * KIB
MOST_RUNS = 6
SEEDS = range(20)
CASES = 5
"""Per seed."""


def a_size(rng):
    edge = rng.choice([1, 2, 3, 7])
    sizes = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, edge * BLOCK - 1, edge * BLOCK, edge * BLOCK + 1]
    return rng.choice([*sizes, rng.randrange(1, 20 * BLOCK), rng.randrange(1, 20 * BLOCK)])


def a_fault(rng, size):
    after = rng.choice([0, 1, rng.randrange(1, 3 * BLOCK)])
    effect, at = rng.choice(
        [
            (Drop(after), "data"),
            (Drop(after, reset=True), "data"),
            (Truncated(after), "data"),
            (WrongLength(rng.choice([-500, -1, 1, 500])), "data"),
            (WrongRange(rng.randrange(1, BLOCK)), "data"),
            (Flip(rng.randrange(max(1, size))), "data"),
            (Stall(after), "data"),
            (Silence(), rng.choice(["data", "resolve"])),
            (Slow(rng.choice([100_000, 400_000])), "data"),
            (IgnoreRange(), "data"),
            (ExpiredLink(), "data"),
            (Changed(b"another file" * 100), "data"),
            (RedirectLoop(), "resolve"),
            (Portal(), rng.choice(["data", "resolve"])),
            (Status(rng.choice([401, 403, 404, 416, 500, 503])), "resolve"),
            (Status(429, retry_after=rng.choice([None, 0, 0.02])), "resolve"),
        ]
    )
    times = rng.choice([1, 1, 2, 5, None])
    return Fault(effect, times=1 if isinstance(effect, Slow) else times, skip=rng.randrange(6), at=at)


class Case:
    """One file from one to three made hubs, fetched again and again until it is there."""

    def __init__(self, rng, folder):
        self.rng, self.size = rng, a_size(rng)
        self.data = rng.randbytes(self.size)
        wrong = bytes([self.data[0] ^ 1]) + self.data[1:] if self.data else b""
        self.hubs, self.differ = [], False
        for index in range(rng.choice([1, 1, 2, 3])):
            differs = index and rng.random() < 0.3
            self.differ = self.differ or bool(differs)
            faults = [a_fault(rng, self.size) for _ in range(rng.choice([0, 1, 2, 3]))]
            rate = rng.choice([None, None, 3_000_000])
            hub = FakeHub(
                {REPO: {PATH: wrong if differs else self.data}}, faults, rate=rate, send_buffer=4096
            )
            self.hubs.append(hub)
        quick = limits(
            block_bytes=BLOCK, connections=rng.randint(1, 4), read_timeout_s=0.12, slow_after_s=0.2, tries=3
        )
        self.job = job_for(self.hubs, REPO, PATH, folder / "模型 a.gguf", limits=quick)

    def close(self):
        for hub in self.hubs:
            hub.close()

    async def once(self, pause):
        """One run, paused after ``pause`` reports or never; the error's code, "paused" or None."""
        reached, watch = asyncio.Event(), Watch()

        def report(progress):
            watch(progress)
            if pause is not None and len(watch.seen) >= pause:
                reached.set()

        task = asyncio.create_task(pull(self.job, report))
        waiting = asyncio.create_task(reached.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=20)
        hangs = not task.done() and not reached.is_set()
        waiting.cancel()
        task.cancel()
        if self.rng.random() < 0.3:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task, waiting])
        assert not hangs, "it neither ends nor goes on"
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"left behind: {others}"
        assert watch.never_backwards()
        assert all(one.size is None or one.done_bytes <= one.size for one in watch.seen)
        if task.cancelled():
            return "paused"
        if isinstance(task.exception(), AppError):
            assert sentence(task.exception())
            return task.exception().code
        task.result()
        return None

    def inspect(self):
        """What lies on the disk is never more than what is right; bytes that the journal has."""
        target, journal = self.job.target, journal_of(self.job.target)
        if target.exists():  # paused in the moment of the rename
            assert target.read_bytes() == self.data, "an unfinished file got its final name"
            return self.size
        if not journal.exists():
            return 0
        told, held = json.loads(journal.read_text()), part_of(target).read_bytes()
        block, kept = told["block_bytes"], 0
        claims = [(first * block, min(after * block, self.size)) for first, after in told["done"]]
        claims += [(int(index) * block, int(index) * block + count) for index, count in told["kept"].items()]
        for begin, end in claims:
            kept += end - begin
            if not self.corrupting:
                assert held[begin:end] == self.data[begin:end], "the journal claims what is not there"
        assert len(held) == self.size and kept <= self.size
        return kept

    @property
    def corrupting(self):
        """Whether a hub sent bytes that are not those of the file; the hash finds that in the end. Without a sha256
        (small files) sources agree by their size only."""
        flipped = any(isinstance(one.effect, Flip) for hub in self.hubs for one in hub.asked)
        return flipped or (self.job.sha256 is None and self.differ)

    def bounded(self, runs):
        """What was sent more than once: at most a request for each connection and run, and for each fault."""
        asked = [one for hub in self.hubs for one in hub.asked]
        if self.corrupting or any(
            isinstance(one.effect, (IgnoreRange, WrongRange, Changed)) for one in asked
        ):
            return
        faults = sum(one.effect is not None for one in asked)
        lanes = len(self.hubs) * self.job.limits.connections
        request = self.job.limits.span_blocks * BLOCK
        assert sum(one.sent for one in asked) <= self.size + request * (len(runs) * lanes + faults)

    def work(self):
        runs = []
        while len(runs) < MOST_RUNS:
            last = len(runs) == MOST_RUNS - 1
            if last:
                for hub in self.hubs:
                    hub.faults.clear()
            pause = None if last or self.rng.random() < 0.4 else self.rng.randrange(1, 12)
            came = asyncio.run(self.once(pause))
            runs.append(came)
            if came is None:
                break
            assert came == "paused" or came in TABLE, runs
            before = self.inspect()
            if came == "paused":
                assert self.inspect() == before, "something still writes"
        assert runs[-1] is None, runs
        held = self.job.target.read_bytes()
        assert hashlib.sha256(held).digest() == hashlib.sha256(self.data).digest()
        assert [path.name for path in self.job.target.parent.iterdir()] == [self.job.target.name]
        self.bounded(runs)
        return runs


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_the_file_is_exact_or_a_sentence_says_why(tmp_path, seed):
    rng = random.Random(seed)
    for number in range(CASES):
        case = Case(rng, tmp_path / f"{number} 文件")
        try:
            case.work()
        finally:
            case.close()
    gc.collect()
    left = [one.name for one in threading.enumerate() if one.name.startswith("transfer")]
    assert not left, left
