"""What a disk, a second cancellation or a crash at a bad moment may not do to a transfer."""

import asyncio
import contextlib
import errno
import hashlib
import json
import os
import threading
from types import SimpleNamespace

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store.transfer import journal, lane
from autoglm_desktop.store.transfer.blocks import Blocks
from autoglm_desktop.store.transfer.ending import to_the_end
from autoglm_desktop.store.transfer.fetch import fetch
from autoglm_desktop.store.transfer.part import PartFile
from autoglm_desktop.store.transfer.place import Reply
from autoglm_desktop.store.transfer.values import Wanted, journal_of, lock_of
from tests.fakes.fake_hub_faults import Drop, Fault, Silence, Status
from tests.fakes.fake_hub_pull import job_for, pull
from tests.unit.transfer_checks import (
    BLOCK,
    DATA,
    ONE,
    OTHER,
    PATH,
    REPO,
    exact,
    fails,
    limits,
    made_hub,
    run,
    sentence,
    target_in,
)

SYNC = "fdatasync" if hasattr(os, "fdatasync") else "fsync"


def failing_once(after, code):
    """The system's flush, which fails once: afterwards it says yes, though the bytes are gone."""
    real, calls = getattr(os, SYNC), iter(range(1_000_000))

    def flush(file):
        if next(calls) == after:
            raise OSError(code, os.strerror(code))
        return real(file)

    return flush


@pytest.mark.parametrize(("code", "said"), [(errno.EIO, "file_unwritable"), (errno.ENOSPC, "disk_full")])
def test_after_a_flush_that_failed_the_journal_claims_nothing_more(tmp_path, monkeypatch, code, said):
    with made_hub(send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=limits(**ONE))
        with monkeypatch.context() as patch:
            patch.setattr(os, SYNC, failing_once(6, code))
            saved = []
            real = journal.save

            def save(wanted, data):
                saved.append(data)
                real(wanted, data)

            patch.setattr(journal, "save", save)
            fails(job, said)
        assert json.loads(journal_of(job.target).read_text())["done"] == saved[-1]["done"]
        assert len(saved) <= 6, "written after the flush that failed"
        run(job)
        exact(job)


def test_a_part_file_stays_failed(tmp_path, monkeypatch):
    part = PartFile(Wanted(tmp_path / "a", 10))

    async def work():
        await part.open(10, fresh=True)
        with monkeypatch.context() as patch:
            patch.setattr(os, SYNC, failing_once(0, errno.EIO))
            for _ in range(2):
                with pytest.raises(AppError):
                    await part.flush()

    asyncio.run(work())
    part.close()


def test_a_target_that_is_a_folder_is_said_before_anything_is_fetched(tmp_path):
    with made_hub() as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        job.target.mkdir(parents=True)
        with pytest.raises(AppError) as caught:
            asyncio.run(pull(job))
        assert caught.value.code == "file_unwritable" and str(job.target) in sentence(caught.value)
        assert hub.sent(PATH) == 0


def test_a_file_below_a_folder_that_may_not_be_written(tmp_path):
    folder = target_in(tmp_path).parent
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere")
        with made_hub() as hub:
            job = job_for([hub], REPO, PATH, target_in(tmp_path))
            with pytest.raises(AppError) as caught:
                asyncio.run(pull(job))
            assert caught.value.code == "folder_not_writable" and str(folder) in sentence(caught.value)
    finally:
        folder.chmod(0o700)


def test_what_a_crash_right_after_the_rename_left_is_cleared_away(tmp_path):
    with made_hub() as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        run(job)
        journal_of(job.target).write_text("{}")
        journal_of(job.target).with_name(journal_of(job.target).name + ".new").write_text("{")
        lock_of(job.target).touch()
        assert run(job).already
        exact(job)


def test_a_crash_before_the_rename_fetches_nothing_again(tmp_path, monkeypatch):
    """Every block is there and in the journal, but the file has not got its name."""
    with made_hub() as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        with monkeypatch.context() as patch:

            def refused(source, target):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

            patch.setattr(journal, "replace", lambda s, t: refused(s, t) if t == job.target else s.replace(t))
            fails(job, "file_in_use")
        assert journal.unfinished(journal_of(job.target)).done_bytes == len(DATA)
        hub.forget()
        assert run(job).fetched_bytes == 0
        exact(job)
        assert hub.sent(PATH) == 0


def test_the_rename_is_tried_again_where_a_reader_is_in_the_way(tmp_path, monkeypatch):
    """As on Windows, where a virus scanner may hold a file for a moment."""
    left = [PermissionError(errno.EACCES, "made"), PermissionError(errno.EACCES, "made")]
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("new")
    target.write_text("old")
    kind = type(source)
    real = kind.replace

    def replace(self, other):
        if left:
            raise left.pop()
        return real(self, other)

    monkeypatch.setattr(kind, "replace", replace)
    monkeypatch.setattr(journal.os, "name", "nt")
    journal.replace(source, target)
    monkeypatch.undo()
    assert target.read_text() == "new" and not left


def test_without_positioned_reads_and_writes(tmp_path, monkeypatch):
    """As on Windows."""
    for name in ("pwritev", "pwrite", "preadv", "pread", "fdatasync"):
        monkeypatch.delattr(os, name, raising=False)
    with made_hub(Fault(Drop(100_000), skip=3), send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)


def test_writes_that_take_only_a_part_at_a_time(tmp_path, monkeypatch):
    real = getattr(os, "pwritev", None)
    if real is None:
        pytest.skip("no such call here")
    monkeypatch.setattr(os, "pwritev", lambda file, chunks, at: real(file, [chunks[0][:5000]], at))
    with made_hub() as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)


def test_a_slow_disk_does_not_make_a_connection_slow():
    """Time that a lane waits for the disk is not the connection's: it would be replaced for that."""
    now = [100.0]
    one = lane.Lane(SimpleNamespace(limits=limits(slow_after_s=5.0)), MadePlace("one", b""), lambda: now[0])
    one.busy_since = 90.0
    one._arrivals.append((99.0, 1000))
    before, during = one.rate(), []

    async def flush():
        now[0] += 20.0
        during.append(one.rate())

    asyncio.run(one._disk(flush()))
    assert before == one.rate() == 200.0
    assert during == [None]


def test_beyond_four_gib_offsets_are_right(tmp_path):
    """A sparse file: only its end is written."""
    size = 5 * 2**32 + 7
    wanted = Wanted(tmp_path / "large.gguf", size, sha256="ab" * 32)
    part = PartFile(wanted)

    async def work():
        await part.open(size, fresh=True)
        await part.write(size - 7, [b"the", b" end"])
        await part.flush()

    try:
        asyncio.run(work())
    except AppError as error:
        pytest.skip(f"not on this disk: {error.code}")
    finally:
        part.close()
    blocks = Blocks(size, 16 * 2**20)
    blocks.finish(blocks.count - 1)
    journal.save(wanted, journal.entry(wanted, blocks, {}))
    assert journal.load(wanted).done_bytes == blocks.length(blocks.count - 1)
    with part.path.open("rb") as file:
        file.seek(size - 7)
        assert file.read() == b"the end"


def test_a_block_that_is_done_is_not_counted_twice():
    """A late writer of a block that somebody else has finished."""
    blocks = Blocks(250, 100)
    blocks.finish(1)
    blocks.keep(1, 60)
    assert blocks.done_bytes == 100


# Ends


def test_work_that_is_cancelled_twice_ends_first():
    done = []

    async def work():
        await asyncio.sleep(0.05)
        done.append(1)

    async def main():
        task = asyncio.create_task(to_the_end(work()))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done

    asyncio.run(main())


def test_work_that_fails_says_so():
    async def work():
        raise AppError("disk_full")

    with pytest.raises(AppError):
        asyncio.run(to_the_end(work()))


def test_cancelled_twice_nothing_goes_on_behind_the_lock(tmp_path):
    with made_hub(Fault(Silence(), skip=8, times=None), send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=limits(read_timeout_s=30.0))

        async def work():
            task = asyncio.create_task(pull(job))
            await asyncio.to_thread(hub.stalled.wait, 10)
            for _ in range(4):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
            return asyncio.all_tasks() - {asyncio.current_task()}

        assert not asyncio.run(work())
        assert not [one for one in threading.enumerate() if one.name.startswith("transfer")]
        hub.faults.clear()
        hub.release.set()
        found = run(job)
        exact(job)
        assert found.fetched_bytes < len(DATA)


# Bounds


def test_a_byte_for_each_request_is_no_progress(tmp_path):
    """At that pace nothing ever ends: one sentence, and what came is kept."""
    with made_hub(Fault(Drop(1), skip=8, times=None), send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        fails(job, "download_unreachable")
        assert len(hub.of(PATH)) < 80
        hub.faults.clear()
        assert run(job).fetched_bytes < len(DATA)
        exact(job)


def test_a_report_that_fails_ends_the_transfer(tmp_path):
    """An error of ours is not lost in a task that nobody looks at."""

    def report(progress):
        if progress.done_bytes > BLOCK:
            raise RuntimeError("made")

    with made_hub(rate_per_connection=500_000) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=limits(report_interval_s=0.01))
        with pytest.raises(RuntimeError, match="made"):
            asyncio.run(asyncio.wait_for(pull(job, report), 20))
        assert hub.sent(PATH) < len(DATA)


def test_a_size_that_the_first_source_does_not_say_comes_from_the_next(tmp_path):
    dead = Fault(Status(404), times=None, at="resolve")
    with made_hub(dead) as one, made_hub() as two:
        job = job_for([one, two], REPO, PATH, target_in(tmp_path), size=None)
        assert run(job).sources == ("hub1",)
        exact(job)


class MadePlace:
    """A place that answers at once, and says nothing of its file but the size."""

    sha256 = None

    def __init__(self, name, data):
        self.name, self.data, self.size = name, data, len(data)

    @contextlib.asynccontextmanager
    async def open(self, start, end):
        async def chunks():
            await asyncio.sleep(0.001)
            yield self.data[start:end]

        yield Reply(start, self.size, chunks())


def test_sources_of_a_small_file_that_agree_by_size_only_are_not_mixed_again(tmp_path):
    """Git's hash is that of the first source; which of them is wrong shows in the end."""
    data, other = DATA[:90_000], OTHER[:90_000]
    places = [MadePlace("one", data), MadePlace("two", other), MadePlace("three", other)]
    digest = hashlib.sha1(b"blob 90000\0" + data).hexdigest()
    wanted = Wanted(tmp_path / "a.json", len(data), git_sha1=digest)
    found = asyncio.run(fetch(wanted, places, limits=limits(block_bytes=8192, connections=1)))
    assert wanted.target.read_bytes() == data
    assert (found.restarts, found.verified) == (1, "git_sha1")
