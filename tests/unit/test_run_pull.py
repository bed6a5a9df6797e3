"""A plan that is carried out: exact files, or one sentence and everything kept. The fake hubs count what they serve."""

import asyncio
import itertools
import threading
from dataclasses import replace

import pytest

from autoglm_desktop.core.errors import AppError, TransferError
from autoglm_desktop.store import manifest
from autoglm_desktop.store.transfer import fetch as transfer
from autoglm_desktop.texts import errors, reasons
from autoglm_desktop.usecases import pull
from tests.fakes.fake_hub import FakeHub, Fault
from tests.fakes.fake_hub_faults import Changed, Drop, Flip, IgnoreRange, Stall, Status, Truncated, gated
from tests.fakes.fake_hub_pull import LIMITS
from tests.unit.pull_checks import (
    BIG,
    FILES,
    OTHER,
    Q2,
    Q4,
    README,
    REPO,
    TWO,
    codes,
    in_loop,
    made_bytes,
    planned,
    pulled,
    request_of,
    services,
)

SMALL = len(FILES[README])
LARGE = made_bytes(2_000_000, 11)
BLOCK = LIMITS.block_bytes


def sentence(error):
    told = errors.text(error)
    assert told and "{" not in told and "Traceback" not in told and "\n" not in told
    return told


def failed(made, *words, seen=None, **more):
    """The error of a pull, with its sentence."""
    with pytest.raises(AppError) as caught:
        pulled(made, *words, seen=seen, **more)
    sentence(caught.value)
    return caught.value


def on_disk(folder):
    """What lies in a folder, but for what belongs to the program: name → bytes."""
    found = {}
    for path in folder.rglob("*") if folder.exists() else ():
        if path.is_file() and path.suffix != ".lock" and path.name != manifest.NAME:
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def never_backwards(seen):
    """What is done of a file never shrinks, unless it is said to have started anew."""
    for name in {file.path for one in seen for file in one.files}:
        shown = [file for one in seen for file in one.files if file.path == name]
        for before, after in itertools.pairwise(shown):
            assert after.done_bytes >= before.done_bytes or after.restarts > before.restarts, (before, after)
            assert after.restarts >= before.restarts
    return True


# Exact files


def test_exact_files_and_a_manifest_that_knows_them(tmp_path):
    files = {**FILES, "子 目录/注 释.md": b"# \xe6\xb3\xa8\n", "config.json": b"{}"}
    with FakeHub({REPO: files}) as hub:
        made = services(tmp_path, hub)
        found = pulled(made)
        head = hub.repos[REPO].head
        by_path = {file.path: file for file in found.files}
        assert on_disk(made.models / REPO) == files
        assert {path: hub.twice(path) for path in files} == dict.fromkeys(files, 0)
        known = manifest.read(made.models / REPO)
        assert (known.repo, known.source, known.commit) == (REPO, "huggingface", head)
        for path, content in files.items():
            entry, one = known.file(path), by_path[path]
            assert entry.size == one.size == one.fetched_bytes == len(content)
            assert entry.verified == one.verified == ("sha256" if path == Q4 else "git_sha1")
        assert known.file(Q4).sha256 == hub.file(REPO, Q4).sha256
    assert found.fetched_bytes == found.plan.total_bytes and found.seconds >= 0


def test_a_second_variant_joins_the_first(tmp_path):
    with FakeHub({REPO: TWO}) as hub:
        made = services(tmp_path, hub)
        pulled(made, f"{REPO}:Q4_K_M")
        hub.forget()
        pulled(made, f"{REPO}:Q2_K")
        assert hub.sent(Q4) == 0
    assert on_disk(made.models / REPO) == {Q4: BIG, Q2: OTHER}
    assert {file.path for file in manifest.read(made.models / REPO).files} == {Q4, Q2}


def test_two_runs_at_once_fetch_it_once(tmp_path):
    with FakeHub({REPO: {Q4: LARGE, README: FILES[README]}}, rate=8e6) as hub:
        one, two = services(tmp_path, hub), services(tmp_path, hub)

        async def whole(made):
            try:
                plan = await pull.plan_pull(made, request_of(REPO))
                return await pull.run_pull(made, plan)
            finally:
                await made.web.close()

        async def both():
            return await asyncio.gather(whole(one), whole(two))

        found = asyncio.run(both())
        assert hub.sent(Q4) == len(LARGE)
    assert on_disk(one.models / REPO) == {Q4: LARGE, README: FILES[README]}
    assert sorted(max(f.fetched_bytes for f in each.files) for each in found)[1] == len(LARGE)


# Pause


def paused(made, hub, when):
    """Run until ``when``, then cancel."""

    async def body():
        plan = await pull.plan_pull(made, request_of(REPO))
        task = asyncio.create_task(pull.run_pull(made, plan))
        while not when() and not task.done():
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(made, body())


def test_paused_again_and_again_no_byte_comes_twice(tmp_path):
    """But for what was under way in the kernel when it was told to stop."""
    with FakeHub({REPO: {Q4: LARGE, README: b"# made\n"}}, rate=3e6, send_buffer=8192) as hub:
        made = services(tmp_path, hub, limits=replace(LIMITS, read_timeout_s=20.0, slow_after_s=20.0))
        missing = len(LARGE)
        for part in (0.2, 0.5, 0.8):
            paused(made, hub, lambda: hub.sent(Q4) >= part * len(LARGE))  # noqa: B023
            assert not (made.models / REPO / Q4).exists()
            before, missing = missing, planned(made, f"{REPO}:Q4_K_M").remaining_bytes
            assert 0 < missing < before
        last = missing
        before = hub.sent(Q4)
        found = pulled(made)
        assert hub.sent(Q4) - before == last, "only what was missing"
        assert {file.path: file.fetched_bytes for file in found.files}[Q4] == last
        assert hub.twice(Q4) < 3 * LIMITS.connections * BLOCK
        assert hub.sent(README) == len(b"# made\n")
    assert on_disk(made.models / REPO) == {Q4: LARGE, README: b"# made\n"}


def test_paused_at_one_source_it_goes_on_at_another(tmp_path):
    files = {Q4: LARGE, README: b"# made\n"}
    with FakeHub({REPO: files}, [Fault(Stall(30_000), path=Q4, times=None, skip=4)]) as one:
        made = services(tmp_path, one, limits=replace(LIMITS, read_timeout_s=60.0, slow_after_s=60.0))
        paused(made, one, one.stalled.is_set)
        left = planned(made, f"{REPO}:Q4_K_M").remaining_bytes
        assert left < len(LARGE)
    with FakeHub({REPO: files}) as two:
        made = services(tmp_path, None, two)
        found = pulled(made)
        assert two.sent(Q4) == left and two.sent(README) == 0
        assert {file.path: file.source for file in found.files} == {Q4: "modelscope", README: None}
    assert on_disk(made.models / REPO) == files


def test_paused_in_the_moment_in_which_a_file_gets_its_name(tmp_path, monkeypatch):
    """It is known from then on as ours: its newer version takes its place."""
    target, fresh = f"{REPO}:Q2_K", made_bytes(150_000, 12)
    with FakeHub({REPO: TWO}) as hub:
        made = services(tmp_path, hub)
        publish = transfer._publish

        async def body():
            loop, seen = asyncio.get_running_loop(), threading.Event()
            plan = await pull.plan_pull(made, request_of(target))
            task = asyncio.create_task(pull.run_pull(made, plan))

            def stopped(wanted):
                publish(wanted)
                loop.call_soon_threadsafe(task.cancel)
                loop.call_soon_threadsafe(seen.set)
                assert seen.wait(20)

            monkeypatch.setattr(transfer, "_publish", stopped)
            with pytest.raises(asyncio.CancelledError):
                await task
            monkeypatch.setattr(transfer, "_publish", publish)

        in_loop(made, body())
        assert on_disk(made.models / REPO) == {Q2: OTHER}
        known = manifest.read(made.models / REPO)
        assert known is not None and known.file(Q2).verified == "sha256"
        hub.publish(REPO, {**TWO, Q2: fresh})

        async def again():
            plan = await pull.plan_pull(made, request_of(target), afresh=True)
            return await pull.run_pull(made, plan)

        in_loop(made, again())
    assert on_disk(made.models / REPO) == {Q2: fresh}


# Sources that fail


def test_the_first_source_dies_and_the_other_goes_on(tmp_path):
    files = {Q4: LARGE, README: b"# made\n"}
    with FakeHub({REPO: files}, rate=2e6) as one, FakeHub({REPO: files}, rate=2e6) as two:
        made = services(tmp_path, one, two)
        seen = []

        async def body():
            plan = await pull.plan_pull(made, request_of(REPO))
            assert plan.sources == ("huggingface", "modelscope")
            task = asyncio.create_task(pull.run_pull(made, plan, seen.append))
            while one.sent(Q4) < 300_000:
                assert not task.done()
                await asyncio.sleep(0.002)
            await asyncio.to_thread(one.close)
            return await task

        found = in_loop(made, body())
        assert two.sent(Q4) > 0 and found.fetched_bytes == len(LARGE) + len(files[README])
    assert on_disk(made.models / REPO) == files and never_backwards(seen)


@pytest.mark.parametrize(
    "effect", [Status(503), Status(404), Drop(20_000), Truncated(5_000), IgnoreRange()], ids=str
)
def test_a_source_that_always_fails_beside_one_that_works(tmp_path, effect):
    trouble = Fault(effect, path=Q4, times=None)
    with FakeHub({REPO: FILES}, [trouble]) as one, FakeHub({REPO: FILES}) as two:
        made = services(tmp_path, one, two)
        seen = []
        pulled(made, seen=seen)
    assert on_disk(made.models / REPO) == FILES and never_backwards(seen)


def test_the_only_source_dies(tmp_path):
    """One sentence; what came is kept, and only the rest is fetched later."""
    dead = Fault(Status(503), path=Q4, times=None, skip=2)
    with FakeHub({REPO: {Q4: LARGE, README: b"# made\n"}}, [dead]) as hub:
        made = services(tmp_path, hub)
        error = failed(made)
        assert isinstance(error, TransferError) and not (made.models / REPO / Q4).exists()
        left = planned(made).remaining_bytes
        assert 0 < left < len(LARGE)
        hub.faults.clear()
        hub.forget()
        pulled(made)
        assert hub.sent(Q4) == left and hub.sent(README) == 0
    assert on_disk(made.models / REPO) == {Q4: LARGE, README: b"# made\n"}


@pytest.mark.parametrize("token", [None, "made-token"])
def test_gated_files_of_a_public_listing(tmp_path, token):
    """As on the hub: everybody may list, not everybody may fetch."""
    more = {} if token is None else {"HF_TOKEN": token}
    with FakeHub({REPO: FILES}, [gated()]) as hub:
        made = services(tmp_path, hub, **more)
        error = failed(made)
        assert error.code == ("download_gated_no_token" if token is None else "download_gated")
        assert f"{hub.url}/{REPO}" in sentence(error) and "made-token" not in sentence(error)
    assert Q4 not in on_disk(made.models / REPO)


# Wrong bytes


def test_a_byte_that_is_always_wrong(tmp_path):
    with FakeHub({REPO: FILES}, [Fault(Flip(123_456), path=Q4, times=None)]) as hub:
        made = services(tmp_path, hub)
        seen = []
        error = failed(made, seen=seen)
        assert error.code == "download_corrupt" and Q4 in sentence(error)
        assert on_disk(made.models / REPO).get(README) == FILES[README], "what is right is kept"
        assert not (made.models / REPO / Q4).exists() and never_backwards(seen)
        known = manifest.read(made.models / REPO)
        assert known is None or known.file(Q4) is None
        hub.faults.clear()
        pulled(made)
    assert on_disk(made.models / REPO) == FILES


def test_a_byte_that_is_wrong_once(tmp_path):
    with FakeHub({REPO: FILES}, [Fault(Flip(123_456), path=Q4)]) as hub:
        made = services(tmp_path, hub)
        seen = []
        found = pulled(made, seen=seen)
        assert any(one.effect == Flip(123_456) for one in hub.of(Q4))
    assert on_disk(made.models / REPO) == FILES and never_backwards(seen)
    assert {file.path: file.verified for file in found.files}[Q4] == "sha256"


def test_without_hashes_it_is_said_what_was_checked(tmp_path):
    with FakeHub({REPO: FILES}, hashes=False) as hub:
        made = services(tmp_path, hub)
        found = pulled(made)
        known = manifest.read(made.models / REPO)
        assert {file.verified for file in (*found.files, *known.files)} == {"size"}
        assert {file.sha256 for file in (*found.files, *known.files)} == {None}
    assert on_disk(made.models / REPO) == FILES


# A repository that changes


def test_changed_in_the_middle_only_what_changed_comes_anew(tmp_path):
    files = {Q4: BIG, README: b"# made\n", "config.json": b"{}"}
    fresh = {**files, Q4: LARGE}
    with FakeHub({REPO: files}, [Fault(Changed(LARGE), path=Q4, times=None, skip=1)]) as hub:
        made = services(tmp_path, hub)
        seen = []

        async def body():
            plan = await pull.plan_pull(made, request_of(REPO))
            hub.publish(REPO, fresh)
            task = asyncio.create_task(pull.run_pull(made, plan, seen.append))
            while not any(one.effect is not None for one in hub.of(Q4)):
                assert not task.done()
                await asyncio.sleep(0.002)
            hub.faults.clear()
            return await task

        found = in_loop(made, body())
        assert found.plan.commit == hub.repos[REPO].head
        assert [hub.sent(name) for name in (README, "config.json")] == [len(b"# made\n"), 2]
    assert on_disk(made.models / REPO) == fresh and never_backwards(seen)
    assert "changed_meanwhile" in codes(found.notes) and all(map(reasons.text, found.notes))
    assert any(one.notice is not None and one.notice.code == "changed_meanwhile" for one in seen)
    fetched = {file.path: file.fetched_bytes for file in found.files}
    assert fetched[Q4] >= len(LARGE) and fetched[README] == len(files[README]), "of this run, all of it"
    known = manifest.read(made.models / REPO)
    assert known.commit == found.plan.commit and known.file(Q4).size == len(LARGE)


def test_a_file_that_is_gone_in_the_middle(tmp_path):
    """The variant is not offered any more: that is said, with what there is."""
    with FakeHub({REPO: TWO}) as hub:
        made = services(tmp_path, hub)

        async def body():
            plan = await pull.plan_pull(made, request_of(f"{REPO}:Q4_K_M"))
            hub.publish(REPO, {Q2: OTHER})
            hub.repos[REPO].commits[0][1].pop(Q4)
            await pull.run_pull(made, plan)

        with pytest.raises(TransferError) as caught:
            in_loop(made, body())
    assert caught.value.code == "variant_not_offered" and "Q2_K" in sentence(caught.value)
    assert Q4 not in on_disk(made.models / REPO) and not (made.models / REPO / Q2).exists()


def test_one_that_changes_for_ever_ends(tmp_path):
    with FakeHub({REPO: FILES}, [Fault(Changed(OTHER), path=Q4, times=None)]) as hub:
        made = services(tmp_path, hub)
        assert failed(made).code == "download_changed"
        listings = [one for one in hub.asked if one.kind == "revision"]
        assert 1 < len(listings) <= 4
        hub.faults.clear()
        pulled(made)
    assert on_disk(made.models / REPO) == FILES


# Progress


@pytest.mark.parametrize("effect", [None, Drop(50_000), Status(503), Flip(100_000)], ids=str)
def test_progress_never_goes_back_and_ends_whole(tmp_path, effect):
    files = {Q4: LARGE, Q2.replace("Q2_K", "imatrix.md"): OTHER, README: b"# made\n"}
    faults = [] if effect is None else [Fault(effect, path=Q4, times=2, skip=1)]
    with FakeHub({REPO: files}, faults, rate=6e6) as hub:
        made = services(tmp_path, hub)
        seen = []
        pulled(made, seen=seen)
    assert never_backwards(seen) and len(seen) > 2
    assert {one.total_bytes for one in seen} == {sum(map(len, files.values()))}
    assert all(one.done_bytes == sum(file.done_bytes for file in one.files) for one in seen)
    assert all(0 <= file.done_bytes <= file.size for one in seen for file in one.files)
    last = seen[-1]
    assert (last.stage, last.done_bytes) == ("done", last.total_bytes)
    assert {file.phase for file in last.files} == {"done"} and last.notice is None
    assert {one.stage for one in seen} <= {"fetch", "verify", "done"}
    if effect is None:
        totals = [one.done_bytes for one in seen]
        assert totals == sorted(totals) and {source for one in seen for source in one.sources} == {
            "huggingface"
        }


def test_progress_begins_where_the_last_run_ended(tmp_path):
    with FakeHub({REPO: {Q4: LARGE}}, rate=3e6) as hub:
        made = services(tmp_path, hub)
        paused(made, hub, lambda: hub.sent(Q4) > len(LARGE) / 2)
        left = planned(made).remaining_bytes
        seen = []
        pulled(made, seen=seen)
    assert seen[0].done_bytes == len(LARGE) - left and never_backwards(seen)
