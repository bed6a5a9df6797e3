"""The window's queue, with plans and transfers that the tests steer."""

import asyncio
import contextlib
import itertools
from pathlib import Path

import pytest

from autoglm_desktop.core.downloads import Copy, Pulled, PulledFile, PullPlan, PullProgress, PullRequest
from autoglm_desktop.core.errors import AppError, TransferError
from autoglm_desktop.core.repository import RemoteFile
from autoglm_desktop.store.queue import QueueFile
from autoglm_desktop.store.transfer.values import journal_of, part_of
from autoglm_desktop.usecases import downloads as module
from autoglm_desktop.usecases.downloads import Downloads
from tests.fakes.fake_services import made_services

FILE = RemoteFile("made.gguf", 100, "a" * 64)


class Steered:
    """Plans at once; a run waits until the test lets it end."""

    def __init__(self, home: Path):
        self.services = made_services(home)
        self.runs, self.pins = [], []
        self.end = {}
        self.failures = []
        self.now = self.wall_now = 1000.0
        self.tick = asyncio.Event()

    def downloads(self):
        return Downloads(
            self.services, plan=self.plan, run=self.run, sleep=self.sleep,
            wall=lambda: self.wall_now, steady=lambda: self.now,
        )  # fmt: skip

    async def plan(self, services, request, pinned):
        self.pins.append(pinned)
        if self.failures:
            raise self.failures.pop(0)
        folder = services.models / "made" / request.target.partition(":")[0].rpartition("/")[2]
        copies = (Copy("huggingface", "made/model", "c" * 40, (FILE,)),)
        return PullPlan(request, "Made", "made/model", "Q4_K_M", "c" * 40, folder, (FILE,), copies, 100, 100)

    async def run(self, services, plan, report):
        target = plan.request.target
        self.runs.append(target)
        plan.folder.mkdir(parents=True, exist_ok=True)
        part_of(plan.folder / FILE.path).write_bytes(b"x" * 40)
        report(PullProgress("fetch", 40, 100, rate=5.0))
        known = self.end.get(target)
        if known is None or known.cancelled():  # a run that was stopped has cancelled what it waited for
            known = self.end[target] = asyncio.get_running_loop().create_future()
        found = await known
        if isinstance(found, Exception):
            raise found
        part_of(plan.folder / FILE.path).unlink()
        (plan.folder / FILE.path).write_bytes(b"x" * 100)
        return Pulled(plan, (PulledFile(FILE.path, 100, "sha256", 60, "huggingface", FILE.sha256),), 1.0)

    async def sleep(self, seconds):
        await self.tick.wait()
        self.tick.clear()

    def pass_time(self, seconds, wall=None):
        self.now += seconds
        self.wall_now += seconds if wall is None else wall
        self.tick.set()

    def finish(self, target, result=None):
        self.end.pop(target).set_result(result)


async def until(downloads, fits):
    """The first state that fits."""

    async def wait():
        async with contextlib.aclosing(downloads.watch()) as states:
            async for state in states:
                if fits(state):
                    return state
        return None

    return await asyncio.wait_for(wait(), 20)


def states(state):
    return [item.state for item in state.items]


def steered(test):
    """Run a test's coroutine with a Steered; what it starts is closed."""

    def run(tmp_path):
        async def body():
            made = Steered(tmp_path / "数据")
            opened = []
            original = made.downloads
            made.downloads = lambda: opened.append(original()) or opened[-1]
            try:
                await test(made)
            finally:
                for downloads in opened:
                    await downloads.close()

        asyncio.run(body())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@steered
async def test_one_runs_and_the_others_wait_for_their_turn(made):
    downloads = made.downloads()
    await downloads.add(PullRequest("made/one"))
    await downloads.add(PullRequest("made/two"))
    state = await until(downloads, lambda s: s.items[0].progress is not None)
    assert states(state) == ["running", "queued"]
    assert (
        state.items[0].title == "Made"
        and state.items[0].done_bytes == 40
        and state.items[0].total_bytes == 100
    )
    made.finish("made/one")
    await until(downloads, lambda s: states(s) == ["done", "running"])
    assert made.runs == ["made/one", "made/two"]


@steered
async def test_the_same_again_is_no_second_entry(made):
    downloads = made.downloads()
    first = await downloads.add(PullRequest("made/one"))
    assert await downloads.add(PullRequest("made/one")) == first
    await until(downloads, lambda s: states(s) == ["running"])
    await until(downloads, lambda s: s.items[0].progress is not None)
    made.finish("made/one")
    await until(downloads, lambda s: states(s) == ["done"])
    assert await downloads.add(PullRequest("made/one")) != first
    assert len(downloads.state.items) == 1


@steered
async def test_pause_keeps_and_resume_goes_on_at_the_same_commit(made):
    downloads = made.downloads()
    item = await downloads.add(PullRequest("made/one"))
    await until(downloads, lambda s: s.items[0].progress is not None)
    await downloads.pause(item)
    found = downloads.state.items[0]
    assert (found.state, found.done_bytes, found.interrupted) == ("paused", 40, False)
    assert found.progress.rate is None
    await downloads.resume(item)
    await until(downloads, lambda s: states(s) == ["running"])
    await until(downloads, lambda s: len(made.runs) == 2)
    assert made.pins[0] is None and made.pins[1].commit == "c" * 40


@steered
async def test_cancel_deletes_what_is_unfinished_and_keeps_what_is_complete(made):
    downloads = made.downloads()
    folder = made.services.models / "made" / "one"
    item = await downloads.add(PullRequest("made/one"))
    await until(downloads, lambda s: s.items[0].progress is not None)
    journal_of(folder / FILE.path).write_text("{}", encoding="utf-8")
    (folder / "config.json").write_text("{}", encoding="utf-8")
    await downloads.cancel(item)
    assert downloads.state.items == () and QueueFile(made.services.home / "state").read() == ()
    assert [path.name for path in folder.iterdir()] == ["config.json"]


@steered
async def test_what_was_interrupted_is_offered_and_not_begun(made):
    before = made.downloads()
    await before.add(PullRequest("made/one"))
    await before.add(PullRequest("made/two"))
    await until(before, lambda s: s.items[0].progress is not None)
    await before.close()
    made.runs.clear()
    after = made.downloads()
    state = await until(after, lambda s: len(s.items) == 2)
    assert [(item.state, item.interrupted) for item in state.items] == [("paused", True)] * 2
    assert made.runs == []
    await after.resume(state.items[0].id)
    state = await until(after, lambda s: states(s) == ["running", "paused"])
    assert not state.items[0].interrupted


@steered
async def test_a_killed_program_is_offered_too(made):
    file = QueueFile(made.services.home / "state")
    before = made.downloads()
    await before.add(PullRequest("made/one"))
    await until(before, lambda s: s.items[0].progress is not None)
    killed = file.read()
    assert killed[0].state == "running"
    await before.close()
    file.change(lambda _known: killed)
    state = await until(made.downloads(), lambda s: bool(s.items))
    assert state.items[0].interrupted and state.items[0].state == "paused"


@steered
async def test_without_a_network_it_waits_longer_each_time(made):
    offline = TransferError("download_no_network", name="made.gguf")
    made.failures = [offline, offline, offline]
    downloads = made.downloads()
    await downloads.add(PullRequest("made/one"))
    for wait in (15, 30):
        state = await until(downloads, lambda s: states(s) == ["waiting"])
        tries = len(made.pins)
        assert state.items[0].error.code == "download_no_network"
        made.pass_time(wait - 1)
        await until(downloads, lambda s: not made.tick.is_set())
        assert len(made.pins) == tries
        made.pass_time(2)
        await until(downloads, lambda s, tries=tries: len(made.pins) > tries)
    made.failures.clear()
    made.pass_time(61)
    state = await until(downloads, lambda s: states(s) == ["running"])
    assert state.items[0].error is None


@steered
async def test_waking_up_tries_at_once(made):
    made.failures = [TransferError("download_no_network", name="made.gguf")]
    downloads = made.downloads()
    await downloads.add(PullRequest("made/one"))
    await until(downloads, lambda s: states(s) == ["waiting"])
    made.pass_time(1, wall=3600)
    await until(downloads, lambda s: states(s) == ["running"])


@steered
async def test_a_clock_set_back_changes_nothing(made):
    made.failures = [TransferError("download_no_network", name="made.gguf")]
    downloads = made.downloads()
    await downloads.add(PullRequest("made/one"))
    await until(downloads, lambda s: states(s) == ["waiting"])
    made.pass_time(1, wall=-86400)
    await until(downloads, lambda s: not made.tick.is_set())
    assert states(downloads.state) == ["waiting"]
    made.pass_time(15)
    await until(downloads, lambda s: states(s) == ["running"])


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (AppError("disk_full", path="x", needed_bytes=5, free_bytes=1), "paused"),
        (
            TransferError("download_gated", source="huggingface", repo="made/one", address="https://x"),
            "failed",
        ),
    ],
)
def test_what_fails_says_why_also_after_a_new_start(tmp_path, error, state):
    @steered
    async def body(made):
        downloads = made.downloads()
        await downloads.add(PullRequest("made/one"))
        await downloads.add(PullRequest("made/two"))
        await until(downloads, lambda s: s.items[0].progress is not None)
        made.finish("made/one", error)
        found = await until(downloads, lambda s: states(s) == [state, "running"])
        assert found.items[0].error.values == error.values
        await downloads.close()
        found = await until(made.downloads(), lambda s: len(s.items) == 2)
        assert (found.items[0].state, found.items[0].error.code) == (state, error.code)

    body(tmp_path)


def test_a_mistake_of_ours_does_not_stop_the_queue(tmp_path, caplog):
    @steered
    async def body(made):
        downloads = made.downloads()
        await downloads.add(PullRequest("made/one"))
        await downloads.add(PullRequest("made/two"))
        await until(downloads, lambda s: s.items[0].progress is not None)
        made.finish("made/one", ZeroDivisionError("made"))
        state = await until(downloads, lambda s: states(s) == ["failed", "running"])
        assert state.items[0].error.code == "download_unexpected"

    body(tmp_path)
    assert "ZeroDivisionError" in caplog.text


@steered
async def test_order_dismiss_and_pause_all(made):
    downloads = made.downloads()
    ids = [await downloads.add(PullRequest(f"made/{name}")) for name in ("one", "two", "three")]
    await until(downloads, lambda s: s.items[0].progress is not None)
    await downloads.move_up(ids[2])
    assert [item.id for item in downloads.state.items] == [ids[0], ids[2], ids[1]]
    await downloads.move_up(ids[0])
    await downloads.pause_all()
    assert states(downloads.state) == ["paused"] * 3
    await downloads.dismiss(ids[1])
    assert [item.id for item in downloads.state.items] == [ids[0], ids[2]]


@steered
async def test_a_second_instance_shows_and_steers_what_the_first_runs(made):
    first, second = made.downloads(), made.downloads()
    item = await first.add(PullRequest("made/one"))
    await until(first, lambda s: s.items[0].progress is not None)
    state = await until(second, lambda s: bool(s.items))
    assert state.items[0].elsewhere and state.items[0].state == "running" and made.runs == ["made/one"]
    await second.pause(item)
    first._wake.set()
    await until(first, lambda s: states(s) == ["paused"])
    assert first._current is None or first._current[1].done()
    await first.resume(item)
    await until(first, lambda s: states(s) == ["running"])
    await until(first, lambda s: len(made.runs) == 2)
    second._wake.set()
    await until(second, lambda s: states(s) == ["running"])
    await second.cancel(item)
    first._wake.set()
    await until(first, lambda s: s.items == ())

    async def gone():  # the entry goes first, then what it had fetched
        while list(made.services.models.rglob("*.part")):
            await asyncio.sleep(0.01)

    await asyncio.wait_for(gone(), 10)


@steered
async def test_the_second_takes_over_when_the_first_ends(made):
    first, second = made.downloads(), made.downloads()
    await first.add(PullRequest("made/one"))
    await until(first, lambda s: s.items[0].progress is not None)
    await until(second, lambda s: bool(s.items))
    await first.close()
    second._wake.set()
    state = await until(second, lambda s: states(s) == ["paused"])
    assert state.items[0].interrupted
    await second.resume(state.items[0].id)
    await until(second, lambda s: states(s) == ["running"])


@steered
async def test_a_state_folder_that_cannot_be_written_does_not_hinder_a_download(made):
    made.services.home.mkdir(parents=True, exist_ok=True)
    (made.services.home / "state").write_text("a file", encoding="utf-8")
    downloads = made.downloads()
    await downloads.start()
    downloads._queue._right = contextlib.nullcontext()
    downloads._queue._right.release = lambda: None
    await downloads.add(PullRequest("made/one"))
    assert states(downloads.state) in (["queued"], ["running"])


def test_states_come_at_most_five_times_a_second(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REPORT_EVERY_S", 0.05)

    @steered
    async def body(made):
        downloads = made.downloads()
        await downloads.add(PullRequest("made/one"))
        await until(downloads, lambda s: s.items[0].progress is not None)
        loop = asyncio.get_running_loop()
        times = []
        async with contextlib.aclosing(downloads.watch()) as found:
            async for state in found:
                times.append(loop.time())
                for step in range(50):
                    downloads._queue.live(state.items[0].id).progress = PullProgress("fetch", 40 + step, 100)
                    downloads._changed()
                if len(times) == 5:
                    break
        assert min(b - a for a, b in itertools.pairwise(times)) >= 0.04

    body(tmp_path)


def test_importing_it_brings_no_http_library():
    import subprocess
    import sys

    code = "import sys, autoglm_desktop.usecases.downloads; print('httpx' in sys.modules, 'keyring' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
