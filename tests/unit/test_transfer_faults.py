"""Every fault of a hub ends in an exact file or one clear sentence, and what was there is not fetched again."""

import asyncio
import email.utils
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
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError, TransferError
from autoglm_desktop.store.transfer.values import journal_of, part_of
from autoglm_desktop.texts.errors import text
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
from tests.fakes.fake_hub_pull import KIB, LIMITS, Watch, job_for, pull

REPO, PATH = "made/模型 one", "子 folder/模型 Q4_K_M.gguf"
DATA = random.Random(1).randbytes(1_500_001)
OTHER = random.Random(2).randbytes(1_400_000)
BLOCK = LIMITS.block_bytes
PROJECT = Path(__file__).resolve().parents[2]
ONE = {"connections": 1}


def limits(**more):
    return LIMITS.__class__(**{**vars(LIMITS), **more})


def made_hub(*faults, data=DATA, **more):
    return FakeHub({REPO: {PATH: data, "config.json": b"{}"}}, faults=faults, **more)


def target_in(tmp_path):
    return tmp_path / "下载 folder" / "模型 Q4_K_M.gguf"


def run(job, watch=None, within=20.0):
    """Fetch; checks on the way that progress never went back."""
    watch = watch or Watch()
    try:
        return asyncio.run(asyncio.wait_for(pull(job, watch), within))
    finally:
        assert watch.seen
        assert watch.never_backwards()


def sentence(error):
    """The text that a user reads, checked for gaps and secrets."""
    said = text(error)
    assert said.endswith((".", "?", "!", ")")) and len(said) > 20
    assert not re.search(r"[{}]|\?(?!$)|Signature|Expires|secret", said)
    assert error.code not in said
    return said


def exact(job, data=DATA):
    assert job.target.read_bytes() == data
    left = sorted(path.name for path in job.target.parent.iterdir())
    assert left == [job.target.name]


def fails(job, *codes):
    with pytest.raises(AppError) as caught:
        run(job)
    assert sentence(caught.value)
    assert caught.value.code in codes, text(caught.value)
    assert not job.target.exists()
    return caught.value


# Once or a few times: an exact file, nothing that counted is fetched again

PASSING = {
    "dropped at once": Fault(Drop(0)),
    "dropped after a byte": Fault(Drop(1)),
    "dropped within a block": Fault(Drop(100_000), skip=2),
    "reset at once": Fault(Drop(0, reset=True)),
    "reset within a block": Fault(Drop(100_000, reset=True), skip=2),
    "every 160 KB": Fault(Drop(160_000), times=None),
    "every 20 KB, reset": Fault(Drop(20_000, reset=True), times=None),
    "500": Fault(Status(500), skip=1),
    "500 of the hub": Fault(Status(500), skip=1, at="resolve"),
    "502, 2 times": Fault(Status(502), times=2),
    "503, 3 times": Fault(Status(503), times=3, at="resolve"),
    "429": Fault(Status(429), times=2, at="resolve"),
    "too short": Fault(WrongLength(-5000), skip=1),
    "too long": Fault(WrongLength(5000), skip=1),
    "truncated": Fault(Truncated(70_000), skip=1),
    "wrong range": Fault(WrongRange(1000), skip=1),
    "stall": Fault(Stall(100_000), skip=2),
    "stall without a byte": Fault(Stall(0)),
    "silence": Fault(Silence(), skip=1),
    "silence of the hub": Fault(Silence(), skip=1, at="resolve"),
    "expired link": Fault(ExpiredLink()),
    "expired link later": Fault(ExpiredLink(), skip=2, times=2),
    "portal": Fault(Portal(), skip=2),
    "redirect loop once": Fault(RedirectLoop(), times=3, at="resolve"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_passing_faults_end_in_the_exact_file(tmp_path, fault):
    with made_hub(fault, send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=limits(**ONE))
        found = run(job)
        exact(job)
        assert found.verified == "sha256" and found.restarts == 0
        assert any(one.effect == fault.effect for one in hub.asked), "the fault was not met"
        assert hub.twice(PATH) <= BLOCK


# For good: one sentence, everything kept; the next run goes on where this one ended

LASTING = {
    "dropped at once": (Fault(Drop(0), times=None, skip=3), {"download_unreachable"}),
    "reset at once": (Fault(Drop(0, reset=True), times=None, skip=3), {"download_unreachable"}),
    "500": (Fault(Status(500), times=None, skip=3), {"download_unreachable"}),
    "503": (Fault(Status(503), times=None, skip=3, at="resolve"), {"download_unreachable"}),
    "429": (Fault(Status(429, retry_after=0.01), times=None, skip=3, at="resolve"), {"download_unreachable"}),
    "401": (Fault(Status(401), times=None, skip=3, at="resolve"), {"download_needs_token"}),
    "403": (Fault(Status(403), times=None, skip=3, at="resolve"), {"download_refused"}),
    "404": (Fault(Status(404), times=None, skip=3, at="resolve"), {"download_not_found"}),
    "gated": (
        Fault(Status(403, error_code="GatedRepo"), times=None, skip=3, at="resolve"),
        {"download_gated"},
    ),
    "silence": (Fault(Silence(), times=None, skip=3), {"download_unreachable"}),
    "stall": (Fault(Stall(0), times=None, skip=3), {"download_unreachable"}),
    "expired links": (Fault(ExpiredLink(), times=None, skip=3), {"download_unreachable"}),
    "redirect loop": (Fault(RedirectLoop(), times=None, skip=3, at="resolve"), {"download_unreachable"}),
    "portal": (Fault(Portal(), times=None, skip=3, at="resolve"), {"download_unreachable"}),
    "wrong range": (Fault(WrongRange(1000), times=None, skip=3), {"download_unreachable"}),
}


@pytest.mark.parametrize(("fault", "codes"), LASTING.values(), ids=LASTING)
def test_lasting_faults_end_in_one_sentence_and_keep_everything(tmp_path, fault, codes):
    with made_hub(fault, send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=limits(read_timeout_s=0.1, tries=3))
        fails(job, *codes)
        assert part_of(job.target).stat().st_size == len(DATA)
        kept = sum(hi - lo for lo, hi in json.loads(journal_of(job.target).read_text("utf-8"))["done"])
        assert kept >= 3
        before = hub.sent(PATH)
        hub.faults.clear()
        run(job)
        exact(job)
        assert hub.sent(PATH) - before <= len(DATA) - (kept - 1) * BLOCK


def test_a_lasting_flip_is_said_and_an_older_file_stays(tmp_path):
    with made_hub(Fault(Flip(700_000), times=None)) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        job.target.parent.mkdir(parents=True)
        job.target.write_bytes(b"an older version")
        with pytest.raises(TransferError) as caught:
            run(job)
        assert caught.value.code == "download_corrupt" and sentence(caught.value)
        assert job.target.read_bytes() == b"an older version"
        assert len([one for one in hub.of(PATH) if isinstance(one.effect, Flip)]) == 2
        assert not part_of(job.target).exists()
        hub.faults.clear()
        run(job)
        exact(job)


def test_a_flipped_byte_is_found_and_the_file_fetched_again(tmp_path):
    with made_hub(Fault(Flip(700_000))) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        found = run(job, watch := Watch())
        exact(job)
        assert found.restarts == 1
        assert watch.seen[-1].restarts == 1


def test_a_flipped_byte_is_fetched_from_the_other_source(tmp_path):
    with made_hub(Fault(Flip(700_000), times=None)) as bad, made_hub(rate=2_000_000) as good:
        job = job_for([bad, good], REPO, PATH, target_in(tmp_path), limits=limits(connections=2))
        found = run(job)
        exact(job)
        assert found.restarts == 1


@pytest.mark.parametrize("after", [0.4, "date"])
def test_retry_after_is_honoured(tmp_path, after):
    value = email.utils.formatdate(time.time() + 2.9, usegmt=True) if after == "date" else after
    fault = Fault(Status(429, retry_after=value), skip=2, at="resolve")
    with made_hub(fault) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=limits(max_retry_after_s=5.0, **ONE))
        run(job, watch := Watch())
        exact(job)
        asked = [one for one in hub.of(PATH) if one.kind == "resolve"]
        at = next(index for index, one in enumerate(asked) if one.status == 429)
        assert asked[at + 1].time - asked[at].time >= (1.5 if after == "date" else 0.39)
        assert watch.notices


def test_a_hub_that_ignores_ranges_sends_the_file_once(tmp_path):
    with made_hub(Fault(IgnoreRange(), times=None), rate=6_000_000, send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)
        assert hub.sent(PATH) < 1.5 * len(DATA)


def test_a_hub_that_ignores_ranges_and_breaks_starts_over(tmp_path):
    """It cannot go on in the middle, but what is there is not written again."""
    faults = [Fault(Stall(700_000), times=1), Fault(IgnoreRange(), times=None)]
    with made_hub(*faults) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=limits(**ONE))
        run(job)
        exact(job)


def test_a_range_that_is_ignored_once(tmp_path):
    with made_hub(Fault(IgnoreRange(), skip=4)) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)


def test_every_body_is_truncated(tmp_path):
    """Each answer ends early in good order; as long as bytes come, it goes on."""
    with made_hub(Fault(Truncated(50_000), times=None)) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)


def test_every_content_length_is_too_large(tmp_path):
    with made_hub(Fault(WrongLength(7), times=None)) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)


def test_every_content_length_is_too_small(tmp_path):
    """The last bytes of a range never come: said, and kept."""
    with made_hub(Fault(WrongLength(-7), times=None)) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        fails(job, "download_unreachable")
        hub.faults.clear()
        hub.forget()
        run(job)
        exact(job)
        assert hub.sent(PATH) < len(DATA) - BLOCK


def test_a_file_that_changes_in_the_middle(tmp_path):
    """The listing's hash is the measure: what is there now is not that file."""
    with made_hub(Fault(Changed(OTHER), skip=5, times=None)) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        fails(job, "download_changed")


def test_a_file_without_hashes_that_changes_in_the_middle_starts_anew(tmp_path):
    with made_hub(Fault(Changed(OTHER), skip=5, times=None), hashes=False) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), size=None)
        try:
            found = run(job)
        except TransferError as error:
            assert error.code == "download_changed"
            assert sentence(error)
            assert not job.target.exists()
        else:
            exact(job, OTHER)
            assert found.restarts == 1


def test_a_file_without_hashes_counts_by_its_size(tmp_path):
    with made_hub(hashes=False) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        assert run(job).verified == "size"
        exact(job)


@pytest.mark.parametrize("data", [b"", b"{}", b"x" * BLOCK, b"y" * (BLOCK + 1)])
def test_small_files_are_checked_by_their_git_hash(tmp_path, data):
    with made_hub(data=data) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        assert run(job).verified == "git_sha1"
        exact(job, data)
        assert run(job).already


def test_a_size_that_is_not_known_is_learned(tmp_path):
    with made_hub(hashes=False) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), size=None)
        run(job)
        exact(job)


# Several sources


def test_two_sources_that_agree_are_used_together(tmp_path):
    with made_hub(rate=4_000_000) as one, made_hub(rate=4_000_000) as two:
        job = job_for([one, two], REPO, PATH, target_in(tmp_path))
        found = run(job)
        exact(job)
        assert len(found.sources) == 2
        assert min(one.sent(PATH), two.sent(PATH)) > len(DATA) / 4


def test_of_sources_that_disagree_only_one_is_used(tmp_path):
    other = DATA[:-1] + b"!"
    with made_hub(rate=4_000_000) as one, made_hub(data=other) as two:
        job = job_for([one, two], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)
        assert two.sent(PATH) == 0


@pytest.mark.parametrize("effect", [Status(500), Status(404), Drop(0), Silence()], ids=str)
def test_another_source_goes_on(tmp_path, effect):
    dies = Fault(effect, skip=4, times=None)
    with made_hub(dies, send_buffer=4096) as one, made_hub(rate=3_000_000) as two:
        job = job_for([one, two], REPO, PATH, target_in(tmp_path), limits=limits(tries=2))
        found = run(job)
        exact(job)
        assert len(found.sources) == 2
        assert one.sent(PATH) + two.sent(PATH) < 1.5 * len(DATA)


def test_a_paused_download_goes_on_at_another_source(tmp_path):
    dies = Fault(Status(500), skip=3, times=None)
    with made_hub(dies, send_buffer=4096) as one, made_hub() as two:
        fails(job_for([one], REPO, PATH, target_in(tmp_path)), "download_unreachable")
        job = job_for([two], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)
        assert two.sent(PATH) <= len(DATA) - 2 * BLOCK


def test_a_connection_that_is_much_slower_is_replaced(tmp_path):
    slow = Fault(Slow(20_000), skip=2)
    with made_hub(slow, rate_per_connection=400_000, send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        run(job)
        exact(job)
        crawled = next(one for one in hub.of(PATH) if one.effect == slow.effect)
        assert 0 < crawled.sent < BLOCK


def test_the_token_goes_to_the_hub_only(tmp_path):
    with made_hub() as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), token="secret-1")
        run(job)
        assert {(one.origin, one.authorized) for one in hub.of(PATH)} == {("hub", True), ("cdn", False)}


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


# A clock that is set back


def test_a_clock_that_is_set_back_changes_nothing(tmp_path, monkeypatch):
    now = [2_000_000_000.0]

    def backwards():
        now[0] -= 3600.0
        return now[0]

    with made_hub(Fault(Status(503), times=2), Fault(Stall(1000))) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        monkeypatch.setattr(time, "time", backwards)
        run(job)
        exact(job)


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
        assert "room" in first["text"] and "MiB" in first["text"]
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
    write = os.pwrite if hasattr(os, "pwrite") else os.write

    def failing(*arguments):
        if next(written) >= 6:
            raise OSError(code, os.strerror(code))
        return write(*arguments)

    with made_hub(send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path))
        with monkeypatch.context() as patch:
            patch.setattr(os, write.__name__, failing)
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
