"""Pauses, disks that fail, other processes, and processes that are killed."""

import asyncio
import errno
import itertools
import json
import os
import random
import re
import subprocess
import sys
import threading
import time

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store.transfer.values import part_of
from tests.fakes.fake_hub_faults import Fault, Silence, Stall
from tests.fakes.fake_hub_pull import LIMITS, job_for, pull
from tests.unit.transfer_checks import (
    BLOCK,
    DATA,
    PATH,
    PROJECT,
    REPO,
    exact,
    fails,
    limits,
    made_hub,
    run,
    sentence,
    target_in,
)

# Pause


def pause_when(job, moment: threading.Event):
    """Start, cancel when ``moment`` comes; seconds until it had ended."""

    async def work():
        task = asyncio.create_task(pull(job))
        await asyncio.to_thread(moment.wait, 10)
        begun = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begun

    return asyncio.run(work())


@pytest.mark.parametrize("effect", [Stall(30_000), Silence()], ids=str)
def test_pause_during_a_stall_is_quick_and_keeps_everything(tmp_path, effect):
    patient = limits(read_timeout_s=30.0)
    with made_hub(Fault(effect, skip=6, times=None), send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=patient)
        assert pause_when(job, hub.stalled) < 2
        assert part_of(job.target).exists() and not job.target.exists()
        hub.faults.clear()
        hub.release.set()
        run(job)
        exact(job)
        assert hub.twice(PATH) <= 4 * BLOCK


# Disks


def test_a_target_below_a_file(tmp_path):
    (tmp_path / "下载 folder").write_text("a file")
    with made_hub() as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        with pytest.raises(AppError) as caught:
            asyncio.run(pull(job))
        assert caught.value.code == "folder_not_writable" and sentence(caught.value)
        assert hub.sent(PATH) == 0


# Other processes


def child(job, *before):
    return subprocess.Popen(
        [*before, sys.executable, "-m", "tests.fakes.fake_hub_pull", job.json()],
        stdout=subprocess.PIPE,
        cwd=PROJECT,
        text=True,
        encoding="utf-8",
    )


def result_of(process):
    out, _ = process.communicate(timeout=60)
    return json.loads(out)


def test_two_instances_that_want_the_same_file(tmp_path):
    with made_hub(rate=2_000_000, send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        results = [result_of(process) for process in [child(job), child(job)]]
        exact(job)
        assert sorted(found["already"] for found in results) == [False, True]
        assert hub.sent(PATH) < len(DATA) + BLOCK


def test_of_two_instances_the_second_goes_on_when_the_first_is_killed(tmp_path):
    with made_hub(rate=2_000_000, send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        first = child(job)
        while first.poll() is None and hub.sent(PATH) < 500_000:
            hub.release.wait(0.002)
        second = child(job)
        first.kill()
        first.communicate()
        found = result_of(second)
        exact(job)
        assert found["fetched_bytes"] < len(DATA) - 500_000 + LIMITS.connections * BLOCK + BLOCK


@pytest.mark.skipif(os.name != "posix", reason="a limit of the shell")
def test_a_file_system_that_cannot_hold_a_file_this_large(tmp_path):
    """As FAT32, which ends at 4 GiB; here a limit of the process, so that any user can run it."""
    with made_hub() as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        found = result_of(child(job, "sh", "-c", 'ulimit -f 500; exec "$@"', "sh"))
        assert found["error"] == "file_too_large_here" and str(job.target.parent) in found["text"]
        assert hub.sent(PATH) == 0
        run(job)
        exact(job)


IN_A_TMPFS = ["unshare", "--user", "--map-root-user", "--mount"]


def tmpfs_works():
    """Whether this user may mount one (in a name space of its own)."""
    try:
        command = [*IN_A_TMPFS, "mount", "-t", "tmpfs", "none", "/mnt"]
        return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


needs_tmpfs = pytest.mark.skipif(not tmpfs_works(), reason="this user may not mount a tmpfs here")


def in_a_tmpfs(job, options, before, between):
    """Fetch, run ``between``, fetch again, all on a small disk; the two results and whether the file is exact."""
    folder = job.target.parent
    folder.mkdir(parents=True)
    script = f"""set -e
        mount -t tmpfs -o {options} none "$1"; cd "$1"; {before}; cd "$5"
        "$2" -m tests.fakes.fake_hub_pull "$3" || true
        cd "$1"; {between}; cd "$5"
        "$2" -m tests.fakes.fake_hub_pull "$3" || true
        sha256sum < "$4" || true
    """
    arguments = [folder, sys.executable, job.json(), job.target, PROJECT]
    process = subprocess.run(
        [*IN_A_TMPFS, "sh", "-c", script, "sh", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    first, second, digest = process.stdout.splitlines()
    return json.loads(first), json.loads(second), digest.split()[0]


@needs_tmpfs
def test_a_full_disk_pauses_and_goes_on_when_there_is_room(tmp_path):
    with made_hub(send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        fill = "head -c 1100000 /dev/zero > ballast"
        first, second, digest = in_a_tmpfs(job, "size=2m", fill, "rm ballast")
        assert first["error"] == "disk_full"
        assert re.search(r"room .* needed, .* free", first["text"])
        assert second["verified"] == "sha256" and digest == job.sha256
        assert second["fetched_bytes"] < len(DATA) - 5 * BLOCK
        assert hub.twice(PATH) < 9 * BLOCK


@needs_tmpfs
def test_a_read_only_disk_is_said_and_nothing_is_lost(tmp_path):
    with made_hub() as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        read_only, writable = 'mount -o remount,ro "$1"', 'mount -o remount,rw "$1"'
        first, second, digest = in_a_tmpfs(job, "size=9m", read_only, writable)
        assert first["error"] in ("folder_not_writable", "file_unwritable")
        assert str(job.target.parent) in first["text"]
        assert second["verified"] == "sha256" and digest == job.sha256


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_in_the_middle(tmp_path, monkeypatch, code):
    written = itertools.count()
    names = [name for name in ("pwritev", "pwrite", "write") if hasattr(os, name)]

    def failing(write):
        def fail_later(*arguments):
            if next(written) >= 6:
                raise OSError(code, os.strerror(code))
            return write(*arguments)

        return fail_later

    with made_hub(send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        with monkeypatch.context() as patch:
            for name in names[:2]:
                patch.setattr(os, name, failing(getattr(os, name)))
            full = code in (errno.ENOSPC, errno.EDQUOT)
            fails(job, "disk_full" if full else "file_unwritable")
        found = run(job)
        exact(job)
        assert found.fetched_bytes <= len(DATA) - 2 * BLOCK


def test_killed_at_random_moments(tmp_path):
    """At most one block per connection comes twice for each time."""
    with made_hub(rate=4_000_000, send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        moments = sorted(random.Random(7).sample(range(100_000, len(DATA) - 200_000), 5))
        for moment in moments:
            process = child(job)
            while process.poll() is None and hub.sent(PATH) - hub.twice(PATH) < moment:
                hub.release.wait(0.002)
            process.kill()
            process.communicate()
            assert not job.target.exists()
        found = result_of(child(job))
        exact(job)
        assert found["fetched_bytes"] < len(DATA) - moments[-1] + 5 * BLOCK
        assert hub.twice(PATH) <= len(moments) * LIMITS.connections * BLOCK
