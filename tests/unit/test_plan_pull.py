"""What a download will be, before a byte of it comes: the plan, and why there is none."""

from types import SimpleNamespace

import pytest

from autoglm_desktop.core.errors import AppError, TargetError, TransferError
from autoglm_desktop.store import manifest, updates
from autoglm_desktop.texts import errors, reasons
from autoglm_desktop.usecases import check, pull, pull_disk
from autoglm_desktop.usecases.pull import SeveralVariants
from tests.fakes.fake_hub import FakeHub, Fault
from tests.fakes.fake_hub_faults import Status, gated
from tests.unit.pull_checks import (
    BIG,
    FILES,
    GGML_ORG,
    LUCKY,
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
    services,
)
from tests.unit.test_pull_here import elsewhere, in_cache, in_ollama, tiny_bytes

SMALL = len(FILES[README])


def sentence(error):
    """What the user reads: one text without gaps."""
    told = errors.text(error)
    assert told and "{" not in told and "Traceback" not in told and "\n" not in told
    return told


def refused(code, made, *words, **more):
    """The error of planning that; nothing of a file was asked for or written."""
    with pytest.raises(AppError) as caught:
        planned(made, *words, **more)
    assert caught.value.code == code, caught.value
    assert not list(made.models.rglob("*.part"))
    return caught.value


def paths(plan):
    return [file.path for file in plan.files]


# Targets


def test_a_catalogue_model_with_its_vision_part(tmp_path):
    model, projector = phone_files(tmp_path)
    files = {PHONE_FILE: model, PHONE_PROJECTOR: projector, "AutoGLM-Phone-9B-Q8_0.gguf": OTHER}
    with FakeHub({GGML_ORG: files}) as hub:
        plan = planned(services(tmp_path, hub), PHONE)
        assert sorted(paths(plan)) == sorted([PHONE_FILE, PHONE_PROJECTOR])
        assert plan.total_bytes == len(model) + len(projector) == plan.remaining_bytes
        assert (plan.model, plan.variant, plan.repo) == ("autoglm-phone-9b", "Q4_K_M", GGML_ORG)
        assert all(plan.repo_of(file) == GGML_ORG for file in plan.files) and plan.in_place is None
        assert hub.sent(PHONE_FILE) == hub.sent(PHONE_PROJECTOR) == 0


def test_notes_of_the_catalogue_are_sentences_and_only_for_conversions(tmp_path):
    model, projector = phone_files(tmp_path)
    weights = {"model.safetensors": BIG, "config.json": b"{}"}
    repos = {GGML_ORG: {PHONE_FILE: model, PHONE_PROJECTOR: projector}, "zai-org/AutoGLM-Phone-9B": weights}
    with FakeHub(repos) as hub:
        made = services(tmp_path, hub)
        known = made.library.catalog.model("autoglm-phone-9b").notes
        conversion = planned(made, PHONE)
        original = planned(made, "autoglm-phone-9b:safetensors")
    assert known and codes(conversion.notes) == list(known)
    assert all(reasons.text(note) for note in conversion.notes)
    assert original.notes == () and sorted(paths(original)) == ["config.json", "model.safetensors"]


def test_a_catalogue_model_alone_is_the_variant_that_the_check_recommends(tmp_path):
    model, projector = phone_files(tmp_path)
    with FakeHub({GGML_ORG: {PHONE_PROJECTOR: projector}}) as hub:
        made = services(tmp_path, hub)
        checked = in_loop(made, check.run_check(made, check.CheckOptions(target="autoglm-phone-9b")))
        variant = checked.models[0].recommended.variant
        known = made.library.catalog.model("autoglm-phone-9b").variant(variant)
        (repo, file) = next((one.repo, one.file) for one in known.sources if one.hub == "huggingface")
        name = file or f"AutoGLM-Phone-9B-{variant}.gguf"
        hub.repos[repo].publish({PHONE_PROJECTOR: projector, name: model})
        plan = planned(made, "autoglm-phone-9b")
    assert plan.variant == variant and name in paths(plan)


def test_where_the_check_recommends_nothing_the_variant_is_asked_for(tmp_path, monkeypatch):
    async def nothing(_services, _options):
        return SimpleNamespace(models=[SimpleNamespace(recommended=None)])

    monkeypatch.setattr(check, "run_check", nothing)
    with FakeHub({}) as hub:
        error = refused("variant_needed", services(tmp_path, hub), "autoglm-phone-9b")
        assert isinstance(error, TargetError) and "Q4_K_M" in sentence(error) and hub.asked == []


def test_several_quantisations(tmp_path):
    with FakeHub({REPO: TWO}) as hub:
        with pytest.raises(SeveralVariants) as caught:
            planned(services(tmp_path, hub))
        assert {offer.id: offer.size for offer in caught.value.offers} == {
            "Q2_K": len(OTHER),
            "Q4_K_M": len(BIG),
        }
        told = sentence(caught.value)
        assert "Q2_K" in told and "Q4_K_M" in told and REPO in told


@pytest.mark.parametrize("variant", ["Q2_K", "q2_k", "Some-Model-9B.Q2_K.gguf"])
def test_one_of_them(tmp_path, variant):
    with FakeHub({REPO: TWO}) as hub:
        plan = planned(services(tmp_path, hub), f"{REPO}:{variant}")
    assert (paths(plan), plan.variant, plan.total_bytes) == ([Q2], "Q2_K", len(OTHER))
    assert (plan.title, plan.model, plan.notes) == ("Some-Model-9B-GGUF", None, ())


def test_one_that_is_not_there(tmp_path):
    with FakeHub({REPO: TWO}) as hub:
        error = refused("variant_not_offered", services(tmp_path, hub), f"{REPO}:Q8_0")
    assert all(word in sentence(error) for word in ("Q8_0", "Q2_K", "Q4_K_M", REPO))


def test_a_projector_and_small_files_are_no_second_variant(tmp_path):
    files = {**FILES, "mmproj-Some-Model-9B-F16.gguf": OTHER, "model.safetensors": made_bytes(5000)}
    with FakeHub({REPO: files}) as hub:
        plan = planned(services(tmp_path, hub))
    assert plan.variant == "Q4_K_M" and sorted(paths(plan)) == sorted(files)
    assert plan.total_bytes == sum(map(len, files.values()))


# Hostile and odd listings

HOSTILE = {
    "../out.gguf": "name_outside",
    "/abs.gguf": "name_absolute",
    "C:/x.gguf": "name_absolute",
    "a/../../b.gguf": "name_outside",
    "CON.json": "name_reserved",
    "x.gguf.": "name_ending",
    "pickle.bin": "type_runs_code",
}


def test_hostile_names_are_refused_and_listed(tmp_path):
    with FakeHub({REPO: {**FILES, **dict.fromkeys(HOSTILE, OTHER), README.lower(): b"same name"}}) as hub:
        made = services(tmp_path, hub)
        plan = planned(made)
        listing, _offers = in_loop(made, pull.repository_offers(made, REPO))
    assert sorted(paths(plan)) == sorted(FILES)
    found = {path: reason.code for path, reason in listing.refused}
    assert found == {**HOSTILE, README.lower(): "name_collides"}
    assert all(reasons.text(reason) for _, reason in listing.refused)
    root = plan.folder.resolve()
    assert all((plan.folder / path).resolve().is_relative_to(root) for path in paths(plan))


def test_only_hostile_names(tmp_path):
    with FakeHub({REPO: dict.fromkeys(HOSTILE, OTHER)}) as hub:
        assert REPO in sentence(refused("nothing_to_run", services(tmp_path, hub)))


def test_chinese_names_with_spaces(tmp_path):
    name = "子 目录/模型 名-Q4_K_M.gguf"
    with FakeHub({REPO: {name: BIG}}) as hub:
        assert paths(planned(services(tmp_path, hub))) == [name]


def test_a_listing_of_many_pages(tmp_path):
    files = {f"notes/{number:04}.md": b"# made\n" for number in range(2_000)} | FILES
    with FakeHub({REPO: files}, page_size=300) as hub:
        plan = planned(services(tmp_path, hub))
    assert len(plan.files) == len(files) and plan.total_bytes == sum(map(len, files.values()))


# Sources


def test_a_folder_as_the_source(tmp_path):
    usb = tmp_path / "USB 盘"
    (usb / REPO).mkdir(parents=True)
    for name, content in TWO.items():
        (usb / REPO / name).write_bytes(content)
    made = services(tmp_path)
    plan = planned(made, f"{REPO}:Q4_K_M", usb)
    assert (plan.sources, plan.commit, plan.total_bytes) == ((str(usb),), None, len(BIG))
    assert plan.folder == made.models / REPO and plan.files[0].sha256 is None
    assert refused("several_variants", made, REPO, usb)


def test_the_models_folder_itself_as_the_source(tmp_path):
    """Nothing is copied onto itself, nothing lost."""
    made = services(tmp_path)
    target = made.models / REPO / Q4
    target.parent.mkdir(parents=True)
    target.write_bytes(BIG)
    pulled(made, f"{REPO}:Q4_K_M", made.models)
    assert target.read_bytes() == BIG and not list(made.models.rglob("*.part*.json"))


@pytest.mark.parametrize("ending", ["", "/"])
def test_an_address_as_the_source(tmp_path, ending):
    with FakeHub({REPO: FILES}) as hub, FakeHub({REPO: TWO}) as usual:
        plan = planned(services(tmp_path, usual), source=hub.url + ending)
        assert usual.asked == [] and plan.commit == hub.repos[REPO].head
    assert [source.rstrip("/") for source in plan.sources] == [hub.url]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("nope", "source_unknown"),
        ("/no/such/folder", "source_no_folder"),
        ("ftp://made.example", "source_address_wrong"),
    ],
)
def test_what_is_no_source(tmp_path, source, code):
    with FakeHub({REPO: FILES}) as hub:
        error = refused(code, services(tmp_path, hub), source=source)
        assert source in sentence(error) and hub.asked == []


def test_a_password_in_an_address_is_not_repeated(tmp_path):
    with FakeHub({REPO: FILES}) as hub:
        source = hub.url.replace("http://", "http://me:made-secret@")
        with pytest.raises(AppError) as caught:
            planned(services(tmp_path), source=source)
    assert "made-secret" not in sentence(caught.value) + repr(caught.value.values)


def test_a_repository_that_is_nowhere(tmp_path):
    with FakeHub({REPO: FILES}) as one, FakeHub({}) as two:
        error = refused("download_not_found", services(tmp_path, one, two), "made/Gone-GGUF")
    assert "made/Gone-GGUF" in sentence(error)


def test_one_source_has_it_and_the_other_does_not(tmp_path):
    with FakeHub({}) as one, FakeHub({REPO: FILES}) as two:
        assert planned(services(tmp_path, one, two)).sources == ("modelscope",)


@pytest.mark.parametrize("token", [None, "made-token"])
def test_gated(tmp_path, token):
    more = {} if token is None else {"HF_TOKEN": token}
    with FakeHub({REPO: FILES}, [gated(at="listing")]) as hub:
        code = "download_gated_no_token" if token is None else "download_gated"
        error = refused(code, services(tmp_path, hub, **more))
        assert f"{hub.url}/{REPO}" in sentence(error) and "made-token" not in sentence(error)
        assert {one.authorized for one in hub.asked} == {token is not None}


def test_a_server_in_trouble_is_passed_over(tmp_path):
    """The other one has it."""
    trouble = Fault(Status(503), at="listing", times=None)
    with FakeHub({REPO: FILES}, [trouble]) as one, FakeHub({REPO: FILES}) as two:
        assert planned(services(tmp_path, one, two)).sources == ("modelscope",)


# Copies


def test_two_sources_that_agree_are_two_copies(tmp_path):
    with FakeHub({REPO: FILES}) as one, FakeHub({REPO: FILES}) as two:
        plan = planned(services(tmp_path, one, two))
    assert plan.sources == ("huggingface", "modelscope")
    assert {copy.file(Q4).sha256 for copy in plan.copies} == {one.file(REPO, Q4).sha256}
    assert plan.total_bytes == len(BIG) + SMALL, "each file counts once"


@pytest.mark.parametrize(
    "theirs",
    [{Q4: BIG[:-1] + b"!", README: FILES[README]}, {Q4: BIG + b"!", README: FILES[README]}],
    ids=["sha256", "size"],
)
def test_sources_that_differ_are_one_copy(tmp_path, theirs):
    with FakeHub({REPO: FILES}) as one, FakeHub({REPO: theirs}) as two:
        plan = planned(services(tmp_path, one, two))
    (copy,) = plan.copies
    used = one if copy.source == "huggingface" else two
    assert plan.files == copy.files and copy.file(Q4).sha256 == used.file(REPO, Q4).sha256


def test_another_readme_does_not_part_them(tmp_path):
    with FakeHub({REPO: FILES}) as one, FakeHub({REPO: {**FILES, README: b"# another\n"}}) as two:
        made = services(tmp_path, one, two)
        assert len(planned(made).copies) == 2
        pulled(made)
    assert (made.models / REPO / README).read_bytes() == FILES[README]


def test_two_repositories_of_the_catalogue_with_the_same_file_serve_it_together(tmp_path):
    model, projector = phone_files(tmp_path)
    model += made_bytes(200_000)
    files = {PHONE_FILE: model, PHONE_PROJECTOR: projector}
    with FakeHub({GGML_ORG: files, LUCKY: files}) as hub:
        plan = planned(services(tmp_path, hub), PHONE)
    assert {copy.repo for copy in plan.copies} == {GGML_ORG, LUCKY} and plan.repo == GGML_ORG
    assert plan.total_bytes == len(model) + len(projector)


# What is here already


def test_offline(tmp_path):
    error = refused("download_no_network", services(tmp_path))
    assert isinstance(error, TransferError) and sentence(error)


def test_offline_with_a_half_of_it(tmp_path):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        pulled(made)
    (made.models / REPO / Q4).unlink()
    refused("download_no_network", services(tmp_path))


def test_offline_but_complete_here(tmp_path):
    model, projector = phone_files(tmp_path)
    with FakeHub({GGML_ORG: {PHONE_FILE: model, PHONE_PROJECTOR: projector}, REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        pulled(made, PHONE)
        pulled(made)
    made = services(tmp_path)
    assert planned(made, PHONE).remaining_bytes == planned(made).remaining_bytes == 0
    assert codes(planned(made).notes) == ["newest_unknown"], "which files there are only the source knows"
    assert codes(planned(made, PHONE, afresh=True).notes) == ["newest_unknown"]
    (made.models / GGML_ORG / PHONE_PROJECTOR).unlink()
    refused("download_no_network", services(tmp_path), PHONE)


def test_a_known_update_asks_the_source(tmp_path):
    target = f"{REPO}:Q4_K_M"
    with FakeHub({REPO: TWO}) as hub:
        made = services(tmp_path, hub)
        folder = pulled(made, target).plan.folder
        hub.forget()
        assert planned(made, target).remaining_bytes == 0 and hub.asked == []
        hub.publish(REPO, {**TWO, Q4: made_bytes(150_000, 7)})
        assert planned(made, target).remaining_bytes == 0 and hub.asked == []
        updates.note(made.home, {str(folder): hub.repos[REPO].head})
        plan = planned(made, target)
        assert (plan.commit, plan.remaining_bytes) == (hub.repos[REPO].head, 150_000)


@pytest.mark.parametrize("damage", ["shorter", "no manifest"])
def test_what_is_damaged_here_is_not_complete(tmp_path, damage):
    with FakeHub({REPO: TWO}) as hub:
        made = services(tmp_path, hub)
        folder = pulled(made, f"{REPO}:Q4_K_M").plan.folder
        if damage == "shorter":
            (folder / Q4).write_bytes(BIG[:-1])
        else:
            (folder / manifest.NAME).unlink()
            (folder / Q4).unlink()
        plan = planned(made, f"{REPO}:Q4_K_M")
    assert plan.remaining_bytes == len(BIG)


@pytest.mark.parametrize("place", [in_cache, in_ollama], ids=["huggingface", "ollama"])
def test_found_in_place_elsewhere(tmp_path, place):
    data, home = tiny_bytes(tmp_path), tmp_path / "家 home"
    home.mkdir()
    path = place(home, data)
    with FakeHub({REPO: {Q4: data}}) as hub:
        made = services(tmp_path, hub, elsewhere=elsewhere(home))
        plan = planned(made)
        assert (plan.in_place, plan.remaining_bytes, plan.total_bytes) == (path, 0, len(data))
        named = planned(made, folder=tmp_path / "D")
        assert named.in_place is None and named.remaining_bytes == len(data)
        hub.publish(REPO, {Q4: data + b"newer"})
        assert planned(made).in_place is None, "another version is another file"
    assert not made.models.exists()


# Room


def disk(monkeypatch, free):
    def usage(_path):
        if isinstance(free, OSError):
            raise free
        return SimpleNamespace(free=free)

    monkeypatch.setattr(pull_disk.shutil, "disk_usage", usage)


def test_a_disk_that_is_too_full(tmp_path, monkeypatch):
    needed = len(BIG) + SMALL + pull_disk.MARGIN_BYTES
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        disk(monkeypatch, needed - 1)
        error = refused("disk_full", made)
        assert (error.values["needed_bytes"], error.values["free_bytes"]) == (needed, needed - 1)
        assert str(made.models / REPO) in sentence(error) and not made.models.exists()
        disk(monkeypatch, needed)
        assert planned(made).remaining_bytes == len(BIG) + SMALL


def test_the_room_of_the_folder_that_was_named(tmp_path, monkeypatch):
    asked = []
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        monkeypatch.setattr(
            pull_disk.shutil, "disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=1 << 40)
        )
        (tmp_path / "D").mkdir()
        planned(made, folder=tmp_path / "D" / "not yet" / "there")
    assert set(asked) == {tmp_path / "D"}


def test_a_disk_that_does_not_answer(tmp_path, monkeypatch):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        disk(monkeypatch, OSError(5, "made input/output error"))
        assert "made input/output error" in sentence(refused("folder_not_writable", made))


def test_a_models_folder_that_is_gone(tmp_path):
    with FakeHub({REPO: FILES}) as hub:
        made = services(tmp_path, hub)
        made.library.models = tmp_path / "usb" / "models"
        assert str(tmp_path / "usb" / "models") in sentence(refused("models_folder_gone", made))
        assert hub.asked == []
        assert planned(made, folder=tmp_path / "here").folder == tmp_path / "here"
