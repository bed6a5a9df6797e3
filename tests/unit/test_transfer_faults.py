"""Every fault of a hub ends in an exact file or one clear sentence, and what was there is not fetched again."""

import email.utils
import random
import time

import pytest

from autoglm_desktop.core.errors import TransferError
from autoglm_desktop.store.transfer.journal import unfinished
from autoglm_desktop.store.transfer.values import journal_of, part_of
from tests.fakes.fake_hub import sent_twice
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
    Stall,
    Status,
    Truncated,
    WrongLength,
    WrongRange,
)
from tests.fakes.fake_hub_pull import LIMITS, Watch, job_for
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
        kept = [one for one in hub.asked if not isinstance(one.effect, WrongRange)]
        assert sent_twice(kept, PATH) <= BLOCK


def test_a_line_that_breaks_every_6_mb(tmp_path):
    data = random.Random(6).randbytes(20_000_000)
    with made_hub(Fault(Drop(6_000_000), times=None), data=data, send_buffer=65_536) as hub:
        large = limits(block_bytes=4_000_000, connections=2)
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=large)
        assert run(job).restarts == 0
        exact(job, data)
        assert hub.twice(PATH) < 1_000_000


# For good: one sentence, everything kept; the next run goes on where this one ended

LASTING = {
    "dropped at once": (Fault(Drop(0), times=None, skip=8), {"download_unreachable"}),
    "reset at once": (Fault(Drop(0, reset=True), times=None, skip=8), {"download_unreachable"}),
    "500": (Fault(Status(500), times=None, skip=8), {"download_unreachable"}),
    "503": (Fault(Status(503), times=None, skip=8, at="resolve"), {"download_unreachable"}),
    "429": (Fault(Status(429, retry_after=0.01), times=None, skip=8, at="resolve"), {"download_unreachable"}),
    "401": (Fault(Status(401), times=None, skip=8, at="resolve"), {"download_needs_token"}),
    "403": (Fault(Status(403), times=None, skip=8, at="resolve"), {"download_needs_token"}),
    "404": (Fault(Status(404), times=None, skip=8, at="resolve"), {"download_file_gone"}),
    "gated": (
        Fault(Status(403, error_code="GatedRepo"), times=None, skip=8, at="resolve"),
        {"download_gated_no_token"},
    ),
    "silence": (Fault(Silence(), times=None, skip=8), {"download_unreachable"}),
    "stall": (Fault(Stall(0), times=None, skip=8), {"download_unreachable"}),
    "expired links": (Fault(ExpiredLink(), times=None, skip=8), {"download_unreachable"}),
    "redirect loop": (Fault(RedirectLoop(), times=None, skip=8, at="resolve"), {"download_redirects"}),
    "portal": (Fault(Portal(), times=None, skip=8, at="resolve"), {"download_unreachable"}),
    "wrong range": (Fault(WrongRange(1000), times=None, skip=8), {"download_unreachable"}),
}


@pytest.mark.parametrize(("fault", "codes"), LASTING.values(), ids=LASTING)
def test_lasting_faults_end_in_one_sentence_and_keep_everything(tmp_path, fault, codes):
    with made_hub(fault, send_buffer=4096) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), limits=limits(read_timeout_s=0.1, tries=3))
        fails(job, *codes)
        assert part_of(job.target).stat().st_size == len(DATA)
        kept = unfinished(journal_of(job.target)).done_bytes
        assert kept > 0
        before = hub.sent(PATH)
        hub.faults.clear()
        run(job)
        exact(job)
        assert hub.sent(PATH) - before <= len(DATA) - kept + BLOCK


REFUSED = {
    "401": (Status(401), "download_bad_token"),
    "403": (Status(403), "download_token_weak"),
    "404": (Status(404, error_code="EntryNotFound"), "download_file_gone"),
    "404 of the repository": (Status(404, error_code="RepoNotFound"), "download_not_found"),
    "gated": (Status(403, error_code="GatedRepo"), "download_gated"),
}


@pytest.mark.parametrize(("effect", "code"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_token(tmp_path, effect, code):
    with made_hub(Fault(effect, times=None, at="resolve")) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), token="secret-1")
        fails(job, code)
        assert len(hub.of(PATH)) <= LIMITS.connections, "a refusal is final"


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
    everywhere = [Fault(Flip(offset), times=None) for offset in range(7, len(DATA), BLOCK)]
    with made_hub(*everywhere) as bad, made_hub(rate=2_000_000) as good:
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
