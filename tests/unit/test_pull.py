"""Getting a model against fake hubs: what is planned, what is fetched, what lies there afterwards."""

import asyncio
import hashlib
import itertools
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from autoglm_desktop.core.errors import AppError, TargetError, TransferError
from autoglm_desktop.store import manifest
from autoglm_desktop.texts import errors, reasons
from autoglm_desktop.usecases import pull, pull_disk
from autoglm_desktop.usecases.pull import Pinned, SeveralVariants
from tests.fakes.fake_hub import FakeHub, Fault
from tests.fakes.fake_hub_faults import Changed, Drop, Portal, Silence, Stall, Status, gated
from tests.fakes.fake_hub_pull import LIMITS
from tests.unit.pull_checks import (
    BIG,
    FILES,
    GGML_ORG,
    LUCKY,
    NOWHERE,
    OTHER,
    PHONE,
    PHONE_FILE,
    PHONE_PROJECTOR,
    Q2,
    Q4,
    README,
    REPO,
    TWO,
    codes,
    in_loop,
    made_bytes,
    phone_files,
    planned,
    pulled,
    request_of,
    services,
)


def fails(work, code, kind=AppError):
    """The error of that code; its sentence has no gaps."""
    with pytest.raises(kind) as caught:
        work()
    assert caught.value.code == code, caught.value
    told = errors.text(caught.value)
    assert told and "{" not in told
    return caught.value


# What is wanted


def test_the_catalogue_names_repository_file_and_what_to_know(tmp_path):
    model, projector = phone_files(tmp_path)
    files = {PHONE_FILE: model, "mmproj-AutoGLM-Phone-9B-Q8_0.gguf": projector, "other-Q8_0.gguf": OTHER}
    with FakeHub({GGML_ORG: files}) as hub:
        made = services(tmp_path, hub)
        plan = planned(made, PHONE)
        assert (plan.title, plan.model, plan.variant) == ("AutoGLM-Phone-9B", "autoglm-phone-9b", "Q4_K_M")
        assert (plan.repo, plan.commit) == (GGML_ORG, hub.repos[GGML_ORG].head)
        assert [file.path for file in plan.files] == ["mmproj-AutoGLM-Phone-9B-Q8_0.gguf", PHONE_FILE]
        assert plan.folder == made.models / "ggml-org" / "AutoGLM-Phone-9B-GGUF"
        assert codes(plan.notes) == ["early_conversions"] and all(map(reasons.text, plan.notes))
        assert plan.total_bytes == plan.remaining_bytes == len(model) + len(projector)
        found = pulled(made, PHONE)
    local = made.library.find("autoglm-phone-9b", "Q4_K_M")
    assert local is not None and local.projector is not None and found.fetched_bytes == plan.total_bytes
    assert codes(found.notes) == ["early_conversions"]


def test_a_vision_model_comes_from_the_repository_that_has_its_vision_part(tmp_path):
    """The first one of the catalogue has none."""
    model, projector = phone_files(tmp_path)
    files = {PHONE_FILE: model, PHONE_PROJECTOR: projector}
    with FakeHub({GGML_ORG: {PHONE_FILE: model}, LUCKY: files}) as hub:
        plan = planned(services(tmp_path, hub), PHONE)
    assert plan.repo == LUCKY and [file.path for file in plan.files] == [PHONE_PROJECTOR, PHONE_FILE]


def test_without_any_vision_part_it_is_said(tmp_path):
    with FakeHub({GGML_ORG: {PHONE_FILE: phone_files(tmp_path)[0]}}) as hub:
        plan = planned(services(tmp_path, hub), PHONE)
    assert plan.repo == GGML_ORG and "no_projector_there" in codes(plan.notes)


@pytest.mark.parametrize(
    ("mrope", "kind", "note"), [(False, "glm4v", "no_mrope"), (True, "internvl", "projector_unknown")]
)
def test_early_conversions_are_told_by_their_headers(tmp_path, mrope, kind, note):
    model, projector = phone_files(tmp_path, mrope=mrope, kind=kind)
    with FakeHub({GGML_ORG: {PHONE_FILE: model, PHONE_PROJECTOR: projector}}) as hub:
        found = pulled(services(tmp_path, hub), PHONE)
    assert note in codes(found.notes)


def test_a_vision_part_of_another_repository(tmp_path):
    """``projector_repo`` of the catalogue; the manifest knows where each file came from."""
    model, projector = phone_files(tmp_path)
    with FakeHub({GGML_ORG: {PHONE_FILE: model}, "made/vision": {PHONE_PROJECTOR: projector}}) as hub:
        made = services(tmp_path, hub)
        made.library.catalog = with_projector_repo(made.library.catalog, "made/vision")
        found = pulled(made, PHONE)
        assert [copy.repo for copy in found.plan.copies] == [GGML_ORG, "made/vision"]
        known = manifest.read(found.plan.folder)
        entry = known.file(PHONE_PROJECTOR)
        assert (known.repo, entry.repo, entry.commit) == (
            GGML_ORG,
            "made/vision",
            hub.repos["made/vision"].head,
        )
        hub.forget()
        again = pulled(made, PHONE)
        assert hub.asked == [] and again.fetched_bytes == 0


def with_projector_repo(catalog, repo):
    def form(variant):
        return replace(variant, sources=tuple(replace(s, projector_repo=repo) for s in variant.sources[:1]))

    models = [replace(model, variants=tuple(map(form, model.variants))) for model in catalog.models]
    return replace(catalog, models=tuple(models))


def test_all_files_of_a_repository_with_one_quantisation(tmp_path):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        found = pulled(made)
    assert {file.path: file.verified for file in found.files} == {Q4: "sha256", README: "git_sha1"}
    assert found.plan.variant == "Q4_K_M" and found.fetched_bytes == len(BIG) + len(FILES[README])
    assert (made.models / REPO / Q4).read_bytes() == BIG
    assert sorted(path.name for path in (made.models / REPO).iterdir() if path.suffix != ".lock") == sorted(
        [Q4, README, manifest.NAME]
    )


def test_several_quantisations_have_to_be_named(tmp_path):
    with FakeHub({REPO: TWO}) as hub:
        error = fails(lambda: planned(services(tmp_path, hub)), "several_variants", SeveralVariants)
        assert [(offer.id, offer.size) for offer in error.offers] == [
            ("Q2_K", len(OTHER)),
            ("Q4_K_M", len(BIG)),
        ]
        plan = planned(services(tmp_path, hub), f"{REPO}:q2_k")
        assert [file.path for file in plan.files] == [Q2]
        wrong = fails(lambda: planned(services(tmp_path, hub), f"{REPO}:Q3_K"), "variant_not_offered")
        assert "Q2_K, Q4_K_M" in errors.text(wrong)
        assert sum(map(hub.sent, TWO)) == 0


def test_one_of_several_files_of_a_type_is_named_by_its_name(tmp_path):
    files = {"a/Model-A-Q4_K_M.gguf": BIG, "b/Model-B-Q4_K_M.gguf": OTHER}
    with FakeHub({REPO: files}) as hub:
        plan = planned(services(tmp_path, hub), f"{REPO}:Model-B-Q4_K_M")
        assert [file.path for file in plan.files] == ["b/Model-B-Q4_K_M.gguf"]
        found = pulled(services(tmp_path, hub), f"{REPO}:Model-B-Q4_K_M")
    assert (found.plan.folder / "b" / "Model-B-Q4_K_M.gguf").read_bytes() == OTHER


@pytest.mark.parametrize("name", ["Some-Model-9B.Q2_K", "Some-Model-9B.Q2_K.gguf"])
def test_a_file_of_a_repository(tmp_path, name):
    with FakeHub({REPO: TWO}) as hub:
        plan = planned(services(tmp_path, hub), f"{REPO}:{name}")
    assert ([file.path for file in plan.files], plan.variant) == ([Q2], "Q2_K")


def test_a_split_file_is_fetched_whole_and_it_is_said(tmp_path):
    parts = {f"M-Q4_K_M-0000{part}-of-00002.gguf": made_bytes(150_000, part) for part in (1, 2)}
    with FakeHub({REPO: parts}) as hub:
        found = pulled(services(tmp_path, hub), f"{REPO}:Q4_K_M")
    assert {file.path for file in found.files} == set(parts)


def test_repository_offers(tmp_path):
    with FakeHub({REPO: TWO}) as hub:
        made = services(tmp_path, hub)
        listing, found = in_loop(made, pull.repository_offers(made, REPO))
        assert (listing.source, [offer.id for offer in found]) == ("huggingface", ["Q2_K", "Q4_K_M"])
        for name in ("", "made", "made/", "/x", "a/b/c"):
            fails(lambda name=name: in_loop(made, pull.repository_offers(made, name)), "repo_name_wrong")


def test_nothing_to_run(tmp_path):
    with FakeHub({REPO: {"pytorch_model.bin": BIG, README: b"# made"}}) as hub:
        fails(lambda: planned(services(tmp_path, hub)), "nothing_to_run")


@pytest.mark.parametrize(
    "target",
    ["", "nonsense", "../x/y", "owner/", "a/b/c", "模型", "a" * 5000, "made/" + "a" * 500, "made x/y"],
)
def test_what_is_no_target(tmp_path, target):
    with FakeHub({}) as hub:
        with pytest.raises(TargetError) as caught:
            planned(services(tmp_path, hub), target)
        told = errors.text(caught.value)
        assert "{" not in told and len(told) < 400 and hub.asked == []
        assert caught.value.code == (
            "repo_name_wrong" if "/" in target or len(target) > 200 else "target_unknown"
        )


def test_hostile_names_never_leave_the_folder(tmp_path):
    hostile = ["../out.gguf", "/abs.gguf", "C:/x.gguf", "a\\..\\b.gguf", "CON.json", "x.gguf.", "pickle.bin"]
    files = {**FILES, **dict.fromkeys(hostile, OTHER), Q4.upper().replace(".GGUF", ".gguf"): OTHER}
    with FakeHub({REPO: files}) as hub:
        made = services(tmp_path, hub)
        found = pulled(made)
    assert {file.path for file in found.files} == {Q4, README}
    assert {path.name for path in made.models.rglob("*") if path.is_file() and path.suffix != ".lock"} == {
        Q4,
        README,
        manifest.NAME,
    }
    assert not list(tmp_path.glob("*.gguf")) and not list(made.models.glob("*.gguf"))


# Where from


def test_a_folder_as_the_source(tmp_path):
    usb = tmp_path / "USB 盘"
    (usb / REPO).mkdir(parents=True)
    (usb / REPO / Q4).write_bytes(BIG)
    made = services(tmp_path)
    found = pulled(made, source=usb)
    assert (found.plan.commit, found.plan.sources) == (None, (str(usb),))
    assert [file.verified for file in found.files] == ["size"]
    assert (made.models / REPO / Q4).read_bytes() == BIG


def test_a_folder_that_this_program_filled_knows_its_hashes(tmp_path):
    with FakeHub({REPO: TWO}) as hub:
        first = services(tmp_path / "one", hub)
        pulled(first, f"{REPO}:Q4_K_M")
    made = services(tmp_path / "two")
    found = pulled(made, f"{REPO}:Q4_K_M", f"folder:{first.models}")
    assert [file.verified for file in found.files] == ["sha256"]
    (first.models / REPO / Q4).write_bytes(BIG[:-1] + b"!")
    third = services(tmp_path / "three")
    fails(lambda: pulled(third, f"{REPO}:Q4_K_M", first.models), "download_corrupt")
    assert not (third.models / REPO / Q4).exists()


def test_folders_that_are_none(tmp_path):
    made = services(tmp_path)
    (tmp_path / "empty").mkdir()
    fails(lambda: planned(made, source=tmp_path / "gone"), "source_no_folder")
    fails(lambda: planned(made, source=tmp_path / "empty"), "folder_without_model")
    fails(lambda: planned(made, source="nope"), "source_unknown")
    fails(lambda: planned(made, source="file:///media"), "source_address_wrong")


@pytest.mark.parametrize("way", ["huggingface", "modelscope"])
def test_any_endpoint_of_either_family(tmp_path, way):
    with FakeHub({REPO: FILES}, [Fault(Status(404), at="listing", path="re*", times=None)]) as hub:
        if way == "huggingface":
            hub.faults.clear()
        found = pulled(services(tmp_path), source=hub.url)
    assert found.plan.sources == (hub.url,) and {file.source for file in found.files} == {hub.url}


def test_two_hubs_that_agree_serve_one_file(tmp_path):
    data = made_bytes(3_000_000)
    files = {Q4: data, README: b"# made\n"}
    with FakeHub({REPO: files}, rate=4e6) as one, FakeHub({REPO: files}, rate=4e6) as two:
        made = services(tmp_path, one, two)
        found = pulled(made)
        assert found.plan.sources == ("huggingface", "modelscope")
        assert min(one.sent(Q4), two.sent(Q4)) > len(data) / 8
    assert (made.models / REPO / Q4).read_bytes() == data


def test_of_two_hubs_that_differ_one_is_used(tmp_path):
    with FakeHub({REPO: FILES}) as one, FakeHub({REPO: {**FILES, Q4: BIG[:-1] + b"!"}}) as two:
        made = services(tmp_path, one, two)
        found = pulled(made)
        (used,) = found.plan.sources
    right = BIG if used == "huggingface" else BIG[:-1] + b"!"
    assert (made.models / REPO / Q4).read_bytes() == right


def test_where_sources_differ_the_one_that_was_begun_with_goes_on(tmp_path):
    with FakeHub({REPO: FILES}) as one, FakeHub({REPO: {**FILES, Q4: BIG[:-1] + b"!"}}, rate=50e3) as two:
        made = services(tmp_path, one, two)
        (made.models / REPO).mkdir(parents=True)
        begin(made, Q4, BIG[:-1] + b"!")
        assert planned(made).sources == ("modelscope",)


def begin(made, name, data):
    """The first half of a file, as an earlier run would have left it."""
    target = made.models / REPO / name
    blocks = len(data) // 65536 // 2
    with target.with_name(name + ".part").open("wb") as part:
        part.write(data[: blocks * 65536])
        part.truncate(len(data))
    journal = {"schema": 1, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "git_sha1": None}
    journal |= {"commit": None, "block_bytes": 65536, "done": [[0, blocks]], "kept": {}}
    target.with_name(name + ".part.json").write_text(json.dumps(journal))
    return blocks * 65536


def test_a_paused_download_goes_on_at_another_source(tmp_path):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, None, hub)
        (made.models / REPO).mkdir(parents=True)
        done = begin(made, Q4, BIG)
        plan = planned(made, source="modelscope")
        assert plan.remaining_bytes == len(BIG) - done + len(FILES[README])
        found = pulled(made, source="modelscope")
        assert hub.sent(Q4) == len(BIG) - done and (made.models / REPO / Q4).read_bytes() == BIG
        assert not list(made.models.rglob("*.part*.json")) and found.files[0].verified == "sha256"


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, ["huggingface", "hf-mirror", "modelscope"]),
        ({"HF_ENDPOINT": "https://huggingface.co/"}, ["huggingface", "hf-mirror", "modelscope"]),
        ({"HF_ENDPOINT": "https://hf-mirror.com"}, ["huggingface", "modelscope"]),
        ({"HF_ENDPOINT": "https://hub.made.example"}, ["huggingface"]),
        ({"MODELSCOPE_ENDPOINT": "https://hub.made.example"}, ["modelscope"]),
        ({"HF_ENDPOINT": NOWHERE, "MODELSCOPE_ENDPOINT": NOWHERE}, ["huggingface", "modelscope"]),
    ],
)
def test_who_names_a_hub_of_their_own_asks_that_alone(environment, asked):
    from autoglm_desktop.usecases.pull_find import asked_for

    assert list(asked_for("auto", environment)) == asked
    assert asked_for("modelscope", environment) == ("modelscope",)


def test_a_catalogue_model_is_asked_where_it_is_said_to_be(tmp_path):
    made = services(tmp_path)
    error = fails(lambda: planned(made, PHONE, "modelscope"), "not_at_source")
    assert "Q4_K_M" in errors.text(error)
    fails(lambda: planned(made, "autoglm-phone-9b:Q4_0"), "no_public_copy")
    fails(lambda: planned(made, "autoglm-phone-9b:Q9"), "variant_unknown")


# What stands in the way


@pytest.mark.parametrize("token", [None, "made-token"])
def test_gated_says_what_to_do(tmp_path, token):
    with FakeHub({REPO: FILES}, [gated(at="listing")]) as hub:
        made = services(tmp_path, hub)
        code = "download_gated_no_token"
        if token is not None:
            made.keys._run[hub.url] = token
            code = "download_gated"
        error = fails(lambda: planned(made), code)
    assert f"{hub.url}/{REPO}" in errors.text(error) and "made-token" not in errors.text(error)


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "download_needs_token"), (404, "download_not_found"), (503, "listing_unreachable")],
)
def test_refusals_are_told_apart(tmp_path, status, code):
    with FakeHub({REPO: FILES}, [Fault(Status(status), at="listing", times=None)]) as hub:
        error = fails(lambda: planned(services(tmp_path, hub)), code, TransferError)
        assert REPO in errors.text(error)


def test_a_sign_in_page_is_no_listing(tmp_path):
    with FakeHub({REPO: FILES}, [Fault(Portal(), at="listing", times=None)]) as hub:
        fails(lambda: planned(services(tmp_path, hub)), "listing_unreachable")


def test_the_most_telling_of_several_failures(tmp_path):
    with FakeHub({REPO: FILES}, [gated(at="listing")]) as one, FakeHub({}) as two:
        fails(lambda: planned(services(tmp_path, one, two)), "download_gated_no_token")


def test_without_hashes_it_is_checked_by_size_and_said(tmp_path):
    with FakeHub({REPO: FILES}, hashes=False) as hub:
        made = services(tmp_path, hub)
        found = pulled(made)
        assert {file.verified for file in found.files} == {"size"}
        hub.forget()
        assert pulled(made).fetched_bytes == 0 and hub.sent(Q4) == 0
        hub.publish(REPO, {**FILES, Q4: OTHER + BIG[len(OTHER) :]})
        assert planned(made).remaining_bytes == len(BIG) + len(FILES[README]), (
            "another commit may be another file"
        )


def test_two_hubs_without_hashes_are_not_mixed(tmp_path):
    with FakeHub({REPO: FILES}, hashes=False) as one, FakeHub({REPO: TWO}, hashes=False) as two:
        two.repos[REPO].commits[-1][1].pop(Q2)
        assert len(planned(services(tmp_path, one, two)).sources) == 1


def disk(monkeypatch, free):
    monkeypatch.setattr(pull_disk.shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))


def test_space_is_asked_for_before_the_start(tmp_path, monkeypatch):
    needed = len(BIG) + len(FILES[README])
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        disk(monkeypatch, needed + pull_disk.MARGIN_BYTES - 1)
        error = fails(lambda: planned(made), "disk_full")
        assert error.values["needed_bytes"] == needed + 512 * 1024 * 1024
        assert hub.sent(Q4) == 0 and not made.models.exists()
        disk(monkeypatch, needed + pull_disk.MARGIN_BYTES)
        assert planned(made).remaining_bytes == needed
        (made.models / REPO).mkdir(parents=True)
        done = begin(made, Q4, BIG)
        disk(monkeypatch, needed - done + pull_disk.MARGIN_BYTES)
        assert planned(made).remaining_bytes == needed - done, "only what is missing counts"


def test_what_is_complete_needs_no_room(tmp_path, monkeypatch):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        pulled(made)
        disk(monkeypatch, 0)
        assert planned(made).remaining_bytes == 0


def test_a_file_where_the_folder_should_be(tmp_path):
    made = services(tmp_path)
    made.home.mkdir(exist_ok=True)
    made.models.write_text("no folder")
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        with pytest.raises(AppError) as caught:
            pulled(made)
    assert str(made.models) in errors.text(caught.value)


@pytest.mark.parametrize("theirs", [b"my own notes", b"!" * len(FILES[README])], ids=["size", "content"])
def test_somebody_elses_file_is_never_replaced(tmp_path, theirs):
    folder = tmp_path / "my papers"
    folder.mkdir()
    (folder / README).write_bytes(theirs)
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        error = fails(lambda: pulled(made, folder=folder), "move_conflict")
        assert str(folder / README) in errors.text(error) and (folder / README).read_bytes() == theirs
        (folder / README).write_bytes(FILES[README])
        pulled(made, folder=folder)
        assert hub.sent(README) == 0, "the very same file is taken as it is"


def test_two_repositories_in_one_folder_do_not_take_each_others_place(tmp_path):
    """Names that both have: the second is told so; a README is nobody's need."""
    other = "made/Other-GGUF"
    files = {"Other-Q4_K_M.gguf": OTHER, README: b"# other\n"}
    clash = {"Other-Q4_K_M.gguf": OTHER, Q4: OTHER}
    with FakeHub({REPO: FILES, other: files, "made/Clash-GGUF": clash}) as hub:
        made = services(tmp_path, hub)
        for repo in (REPO, other):
            pulled(made, repo, folder=tmp_path / "D")
        fails(
            lambda: pulled(made, "made/Clash-GGUF:Some-Model-9B.Q4_K_M", folder=tmp_path / "D"),
            "move_conflict",
        )
        known = manifest.read(tmp_path / "D")
        assert (tmp_path / "D" / Q4).read_bytes() == BIG and known.repo_of(known.file(Q4)) == REPO
        hub.publish(REPO, {**FILES, Q4: made_bytes(123_456, 9)})
        pulled(made, REPO, folder=tmp_path / "D")
    assert (tmp_path / "D" / Q4).stat().st_size == 123_456, "its own newer version replaces it"


def test_the_models_folder_of_a_disk_that_is_not_connected(tmp_path):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        made.library.models = tmp_path / "usb" / "models"
        fails(lambda: planned(made), "models_folder_gone")
        assert pulled(made, folder=tmp_path / "here").plan.folder == tmp_path / "here"
    assert not (tmp_path / "usb").exists()


# Versions


def test_a_download_goes_on_at_the_commit_that_it_began_with(tmp_path):
    with FakeHub({REPO: [FILES, {**FILES, Q4: OTHER}]}) as hub:
        made = services(tmp_path, hub)
        old = hub.repos[REPO].commits[0][0]
        plan = planned(made, pinned=Pinned("huggingface", REPO, old))
        assert (plan.commit, plan.total_bytes) == (old, len(BIG) + len(FILES[README]))
        gone = planned(made, pinned=Pinned("huggingface", REPO, "f" * 40))
        assert gone.commit == hub.repos[REPO].head
        assert planned(made, pinned=Pinned("modelscope", REPO, old)).commit == hub.repos[REPO].head


def test_what_changes_in_the_middle_is_listed_again_and_said(tmp_path):
    fresh = {**FILES, Q4: OTHER}
    with FakeHub({REPO: FILES}, [Fault(Changed(OTHER), path=Q4, times=None)]) as hub:
        made = services(tmp_path, hub)

        async def both():
            plan = await pull.plan_pull(made, request_of(REPO))
            hub.publish(REPO, fresh)
            found = asyncio.create_task(pull.run_pull(made, plan, told.append))
            while not any(one.effect is not None for one in hub.of(Q4)):
                await asyncio.sleep(0.005)
            hub.faults.clear()
            return await found

        told = []
        found = in_loop(made, both())
        assert found.plan.commit == hub.repos[REPO].head
    assert "changed_meanwhile" in codes(found.notes)
    assert (made.models / REPO / Q4).read_bytes() == OTHER
    assert not list(made.models.rglob("*.part"))
    shown = [{file.path: file for file in one.files}.get(Q4) for one in told if one.files]
    for before, after in itertools.pairwise(shown):
        assert after.done_bytes >= before.done_bytes or after.restarts > before.restarts


def test_the_leftover_of_another_version_starts_anew_and_it_is_said(tmp_path):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        (made.models / REPO).mkdir(parents=True)
        begin(made, Q4, OTHER)
        plan = planned(made)
        assert plan.remaining_bytes == plan.total_bytes and "changed_meanwhile" in codes(plan.notes)
        pulled(made)
    assert (made.models / REPO / Q4).read_bytes() == BIG


def test_what_is_complete_needs_no_network(tmp_path):
    with FakeHub({REPO: TWO}) as hub:
        pulled(services(tmp_path, hub), f"{REPO}:Q4_K_M")
    made = services(tmp_path)
    plan = planned(made, f"{REPO}:Q4_K_M")
    assert plan.remaining_bytes == 0 and plan.notes == ()
    assert codes(planned(made, REPO).notes) == ["newest_unknown"]
    fails(lambda: planned(made, f"{REPO}:Q2_K"), "download_no_network")


def test_what_lost_a_file_is_fetched_again(tmp_path):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        pulled(made)
        (made.models / REPO / Q4).unlink()
        assert planned(made, f"{REPO}:Q4_K_M").remaining_bytes == len(BIG)
        pulled(made)
        hub.forget()
        assert pulled(made, f"{REPO}:Q4_K_M").fetched_bytes == 0 and hub.asked == []


# Pause


def test_cancelling_is_a_pause_at_once_and_keeps_everything(tmp_path):
    """Also during a stall, long before a timeout."""
    data = made_bytes(2_000_000)
    stall = Fault(Stall(30_000), path=Q4, times=None, skip=3)
    with FakeHub({REPO: {Q4: data}}, [stall], send_buffer=4096) as hub:
        made = services(tmp_path, hub, limits=replace(LIMITS, read_timeout_s=60.0, slow_after_s=60.0))

        async def paused():
            plan = await pull.plan_pull(made, request_of(REPO))
            task = asyncio.create_task(pull.run_pull(made, plan))
            assert await asyncio.to_thread(hub.stalled.wait, 20)
            task.cancel()
            start = asyncio.get_running_loop().time()
            with pytest.raises(asyncio.CancelledError):
                await task
            return asyncio.get_running_loop().time() - start

        assert in_loop(made, paused()) < 5
        hub.faults.clear()
        hub.release.set()
        left = planned(made).remaining_bytes
        assert left < len(data)
        hub.forget()
        pulled(made)
        assert hub.sent(Q4) == left
    assert (made.models / REPO / Q4).read_bytes() == data


def test_cancelling_while_the_source_says_nothing(tmp_path):
    with FakeHub({REPO: FILES}, [Fault(Silence(), at="listing", times=None)]) as hub:
        made = services(tmp_path, hub, limits=replace(LIMITS, read_timeout_s=60.0))

        async def paused():
            task = asyncio.create_task(pull.plan_pull(made, request_of(REPO)))
            assert await asyncio.to_thread(hub.stalled.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)

        in_loop(made, paused())
    assert not made.models.exists()


def test_a_connection_that_drops_is_survived(tmp_path):
    with FakeHub({REPO: FILES}, [Fault(Drop(70_000), path=Q4, times=3)]) as hub:
        made = services(tmp_path, hub)
        pulled(made)
    assert (made.models / REPO / Q4).read_bytes() == BIG


def test_it_is_never_slower_for_a_hub_that_says_nothing(tmp_path, monkeypatch):
    """The others are waited for a while, not for ever."""
    from autoglm_desktop.usecases import pull_find

    monkeypatch.setattr(pull_find, "PATIENCE_S", 0.05)
    silent = Fault(Silence(), at="listing", times=None)
    with FakeHub({REPO: FILES}) as one, FakeHub({REPO: FILES}, [silent]) as two:
        assert planned(services(tmp_path, one, two)).sources == ("huggingface",)


def test_what_went_into_a_folder_of_the_users_choice_is_in_the_list(tmp_path):
    model, projector = phone_files(tmp_path)
    with FakeHub({GGML_ORG: {PHONE_FILE: model, PHONE_PROJECTOR: projector}, REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        for target in (PHONE, REPO):
            pulled(made, target, folder=tmp_path / "D")
    (local,) = made.library.files()
    assert (local.path, local.model) == (tmp_path / "D" / PHONE_FILE, "autoglm-phone-9b")
    assert local.projector == tmp_path / "D" / PHONE_PROJECTOR and local.repo == GGML_ORG
    assert made.library.is_added(local.path), "and not what is no model"


def test_a_folder_that_is_moved_is_whole(tmp_path):
    """Nothing in a manifest names the place where it was made."""
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        pulled(made)
        shutil.move(made.models / REPO, tmp_path / "elsewhere")
        hub.forget()
        found = pulled(made, f"{REPO}:Q4_K_M", folder=tmp_path / "elsewhere")
        assert found.fetched_bytes == 0 and hub.asked == []
