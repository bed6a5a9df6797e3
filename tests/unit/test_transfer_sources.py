"""Several sources, slow connections, and whole repositories from a listing to the files."""

import asyncio
import contextlib

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store.sources.huggingface import HuggingFace
from autoglm_desktop.store.sources.modelscope import ModelScope
from autoglm_desktop.store.transfer.client import make_client
from autoglm_desktop.store.transfer.fetch import fetch
from autoglm_desktop.store.transfer.values import Wanted
from autoglm_desktop.texts import reasons
from tests.fakes.fake_hub import FakeHub
from tests.fakes.fake_hub_faults import Drop, Fault, Portal, RedirectLoop, Silence, Slow, Status
from tests.fakes.fake_hub_pull import LIMITS, job_for
from tests.unit.transfer_checks import (
    BLOCK,
    DATA,
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


# Both families, and whole repositories


def test_a_file_comes_from_hubs_of_both_families(tmp_path):
    with made_hub(rate=4_000_000) as one, made_hub(rate=4_000_000) as two:
        families = ("huggingface", "modelscope")
        job = job_for([one, two], REPO, PATH, target_in(tmp_path), families=families)
        found = run(job)
        exact(job)
        assert len(found.sources) == 2
        assert {ask.kind for ask in two.of(PATH)} == {"repo", "cdn"}


def test_a_small_file_of_a_hub_that_ignores_ranges_for_those(tmp_path):
    with made_hub(data=b"{}" * 40_000) as hub:
        job = job_for([hub], REPO, PATH, target_in(tmp_path), families=("modelscope",))
        run(job)
        exact(job, b"{}" * 40_000)


@contextlib.asynccontextmanager
async def source_of(hub, kind, **more):
    async with make_client(LIMITS) as client:
        yield kind(client, "made", hub.url, limits=LIMITS, **more)


def pull_all(hub, folder, kind):
    """Everything that the listing of REPO lets through; its listing."""

    async def work():
        async with source_of(hub, kind) as source:
            listing = await source.listing(REPO)
            for file in listing.files:
                target = folder.joinpath(*file.path.split("/"))
                wanted = Wanted(target, file.size, file.sha256, file.git_sha1, listing.commit)
                await fetch(wanted, [source.place(REPO, listing.commit, file)], limits=LIMITS)
            return listing

    return asyncio.run(asyncio.wait_for(work(), 60))


HOSTILE = (
    "../above.gguf",
    "a/../../above.gguf",
    "/etc/above.gguf",
    "C:/above.gguf",
    "C:above.gguf",
    "\\\\server\\share\\above.gguf",
    "..\\above.gguf",
    "nul\0above.gguf",
    "CON.gguf",
    "aux/x.gguf",
    "dot./x.gguf",
    "space /x.gguf",
    "end.gguf ",
    "weights.bin",
    "weights.pkl",
    "run.py",
)


@pytest.mark.parametrize("kind", [HuggingFace, ModelScope])
def test_hostile_names_are_refused_and_the_rest_is_fetched(tmp_path, kind):
    good = {"config.json": b"{}", "fine.gguf": DATA, "子 folder/模型 2.gguf": OTHER}
    files = good | dict.fromkeys(HOSTILE, b"hostile") | {"Case.gguf": b"1", "case.gguf": b"2"}
    with FakeHub({REPO: files}, page_size=5) as hub:
        folder = tmp_path / "models" / "一 two"
        listing = pull_all(hub, folder, kind)
    there = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    inside = {name.removeprefix("models/一 two/"): path.read_bytes() for name, path in there.items()}
    assert all(name.startswith("models/一 two/") for name in there)
    assert good.items() <= inside.items()
    refused = {path for path, _reason in listing.refused}
    assert set(HOSTILE) <= refused
    assert {"Case.gguf", "case.gguf"} & refused
    assert all(reasons.text(reason) for _path, reason in listing.refused)


@pytest.mark.parametrize("kind", [HuggingFace, ModelScope])
def test_a_listing_of_ten_thousand_files(kind):
    files = {f"folder {number // 100}/文件 {number}.json": b"{}" for number in range(9_999)}
    with FakeHub({REPO: files | {PATH: DATA}}) as hub:

        async def work():
            async with source_of(hub, kind) as source:
                return await source.listing(REPO)

        listing = asyncio.run(asyncio.wait_for(work(), 30))
        assert {file.path for file in listing.files} == {*files, PATH}
        assert listing.file(PATH).sha256 == hub.file(REPO, PATH).sha256
        if kind is HuggingFace:
            assert len([ask for ask in hub.asked if ask.kind == "tree"]) == 10


def test_the_commit_is_pinned(tmp_path):
    """What is published while a download runs doesn't mix with it."""
    with FakeHub({REPO: {"a.gguf": DATA, "b.gguf": DATA}}) as hub:

        async def work():
            async with source_of(hub, HuggingFace) as source:
                listing = await source.listing(REPO)
                hub.publish(REPO, {"a.gguf": OTHER, "b.gguf": OTHER})
                file = listing.file("a.gguf")
                wanted = Wanted(tmp_path / "a.gguf", file.size, file.sha256, commit=listing.commit)
                await fetch(wanted, [source.place(REPO, listing.commit, file)], limits=LIMITS)
                return listing.commit, await source.commit(REPO)

        pinned, newest = asyncio.run(asyncio.wait_for(work(), 30))
        assert (tmp_path / "a.gguf").read_bytes() == DATA
        assert newest != pinned and newest == hub.repos[REPO].head


BROKEN_LISTINGS = {
    "500": (Status(500), {"listing_unreachable", "download_unreachable"}),
    "401": (Status(401), {"download_needs_token"}),
    "404": (Status(404, error_code="RepoNotFound"), {"download_not_found"}),
    "gated": (Status(403, error_code="GatedRepo"), {"download_gated_no_token"}),
    "portal": (Portal(), {"listing_unreachable", "listing_unreadable", "download_unreachable"}),
    "silence": (Silence(), {"listing_unreachable", "download_unreachable"}),
    "loop": (RedirectLoop(), {"download_redirects"}),
}


@pytest.mark.parametrize(("effect", "codes"), BROKEN_LISTINGS.values(), ids=BROKEN_LISTINGS)
def test_a_listing_that_cannot_be_had_is_said(effect, codes):
    with FakeHub({REPO: {PATH: DATA}}, [Fault(effect, times=None, at="listing")]) as hub:

        async def work():
            async with source_of(hub, HuggingFace) as source:
                await source.listing(REPO)

        with pytest.raises(AppError) as caught:
            asyncio.run(asyncio.wait_for(work(), 30))
        assert caught.value.code in codes
        assert sentence(caught.value)
