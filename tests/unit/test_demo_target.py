"""``demo`` as TARGET: what names it, what goes before it, and that it counts nowhere as a model."""

import asyncio
import dataclasses
import json

import pytest

from autoglm_desktop.core import demo
from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.protocol import Sampling
from autoglm_desktop.host.crashes import file_key, hardware_key
from autoglm_desktop.host.starts import Files, Start
from autoglm_desktop.host.supervisor import crash_of
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases import disk_targets, on_disk, serve, targets
from autoglm_desktop.usecases.check import CheckOptions, run_check
from autoglm_desktop.usecases.check_json import to_json
from autoglm_desktop.usecases.plan import crash_notes, prepare
from autoglm_desktop.usecases.session import Wishes
from tests.fakes.fake_services import made_services, plan
from tests.fakes.made_demo import made_demo, make_demo


@pytest.fixture
def services(tmp_path):
    found = made_services(tmp_path / "家 home")
    found.library.demo = made_demo(tmp_path)
    return found


@pytest.fixture
def library(services):
    return services.library


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """No file of that name lies in the current folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def code_of(call, *args):
    with pytest.raises(TargetError) as told:
        call(*args)
    assert errors.text(told.value).endswith(".") and "{" not in errors.text(told.value)
    return told.value.code


@pytest.mark.parametrize("text", ["demo", "DEMO", "Demo"])
def test_its_name_is_taken_in_any_case(library, text):
    found = targets.resolve(library, text)
    assert found.is_demo and found.whole and (found.name, found.model) == (demo.NAME, "demo")
    assert found.files == library.demo.files() and found.file.suffix == ".gguf" and found.variant is None


def test_a_file_of_that_name_goes_first(library, somewhere):
    write_tiny_glm4(somewhere / "demo")
    found = targets.resolve(library, "demo")
    assert not found.is_demo and found.file == somewhere / "demo"
    assert targets.find(library, "demo") == found
    assert targets.resolve(library, "DEMO").is_demo or (somewhere / "DEMO").exists(), (
        "where case tells names apart"
    )


def test_a_folder_with_a_model_of_that_name_goes_first(library, somewhere):
    make_demo(somewhere / "demo")
    found = targets.resolve(library, "demo")
    assert not found.is_demo and found.file == somewhere / "demo"


def test_a_folder_without_a_model_does_not(library, somewhere):
    (somewhere / "demo").mkdir()
    assert targets.resolve(library, "demo").is_demo
    assert code_of(targets.find, library, "demo") == "demo_only_chats"
    assert code_of(targets.resolve, library, "./demo") == "folder_without_config"


@pytest.mark.parametrize("text", ["demo:Q4_K_M", "demo:F16", "DEMO:safetensors", "demo:"])
def test_it_has_no_variants(library, text):
    assert code_of(targets.resolve, library, text) == "demo_no_variant"


@pytest.mark.parametrize("text", ["demo", "Demo", "demo:Q4"])
@pytest.mark.parametrize("call", [targets.find, targets.named, disk_targets.locate])
def test_it_is_nothing_to_check_download_verify_or_remove(library, call, text):
    assert code_of(call, library, text) == "demo_only_chats"


def test_who_mistypes_a_name_is_told_of_it_where_it_can_be_used(library):
    with pytest.raises(TargetError, match="target_unknown") as told:
        targets.resolve(library, "dmo")
    assert errors.text(told.value).endswith(", demo.")
    with pytest.raises(TargetError, match="target_unknown") as told:
        targets.find(library, "dmo")
    assert "demo" not in errors.text(told.value)


def test_an_installation_without_it_says_so(library):
    library.demo = None
    assert code_of(targets.resolve, library, "demo") == "demo_missing"


@pytest.mark.parametrize("text", ["a\0b", "x" * 5000, "~nobody-of-this-name/demo"])
def test_names_that_no_file_can_have_are_refused_in_a_sentence(library, text):
    code_of(targets.resolve, library, text)
    code_of(targets.find, library, text)


def test_its_files_by_path_are_the_demo_and_no_model(library):
    path, folder = library.demo.files()
    for place in (path, folder, folder / "model.safetensors"):
        assert targets.resolve(library, str(place)).is_demo
        assert code_of(targets.find, library, str(place)) == "demo_only_chats"


@pytest.mark.parametrize("copy", [False, True])
def test_it_is_not_imported(services, copy):
    path, folder = services.library.demo.files()
    for place in (path, folder):
        with pytest.raises(TargetError, match="demo_only_chats"):
            asyncio.run(on_disk.import_path(services, place, copy))
    assert services.library.files() == ()


def test_of_a_folder_around_it_the_rest_is_imported(services):
    around = services.library.demo.folder.parent
    with pytest.raises(TargetError, match="demo_only_chats"):
        asyncio.run(on_disk.import_path(services, around))
    write_tiny_glm4(around / "tiny.gguf")
    asyncio.run(on_disk.import_path(services, around))
    assert [local.path for local in services.library.files()] == [around / "tiny.gguf"]


# It counts nowhere


def test_no_check_and_no_list_knows_it(services):
    """Neither before nor after its file was made."""

    def checked():
        result = asyncio.run(run_check(services, CheckOptions()))
        return result, json.loads(json.dumps(to_json(result)))

    services.library.demo.files()
    result, document = checked()
    catalogue = {model.id for model in services.library.catalog.models}
    assert {model["id"] for model in document["models"]} == catalogue and "demo" not in catalogue
    assert all(model["chosen"] is None for model in document["models"])
    for model in document["models"]:
        assert not any(row["installed"] for row in model["ladder"])
        assert model["recommended"] is None or model["recommended"]["download_bytes"] != 0
    assert demo.NAME not in json.dumps(document)
    assert services.library.files() == () and services.library.unfinished() == ()
    assert services.library.catalog.called("demo") is None and result.models


def start_of(services, path, *, apart):
    (environment,) = services.environments.installed()
    return Start(plan("gguf-cpu"), environment, Files(path), apart=apart)


@pytest.fixture
def other(tmp_path):
    """A model of the user's."""
    write_tiny_glm4(tmp_path / "other.gguf")
    return tmp_path / "other.gguf"


def test_its_crash_is_remembered_of_its_file_alone(services, other):
    hardware, (file, _folder) = hardware_key(Machine()), services.library.demo.files()
    crash = crash_of(hardware, start_of(services, file, apart=True), "warm_up", "crashed", "SIGILL")
    assert crash.file == crash.seen_with == file_key(file) is not None
    services.crashes.add(crash)
    assert crash_notes(services, Machine()) == crash_notes(services, Machine(), {"F16": other}) == ()
    (note,) = crash_notes(services, Machine(), {"F16": file})
    assert (note.rung, note.variant) == ("gguf-cpu", "F16")


def test_a_crash_of_another_file_holds_for_the_demo_and_its_success_clears_none(services, other):
    hardware, (file, _folder) = hardware_key(Machine()), services.library.demo.files()
    start = start_of(services, other, apart=False)
    services.crashes.add(crash_of(hardware, start, "warm_up", "crashed", "SIGILL"))
    (kept,) = services.crashes.all()
    build = start.environment.record.version or ""

    def worked(path, apart):
        services.crashes.worked(hardware, build, "llama.cpp", "gguf-cpu", file_key(path), apart=apart)
        return services.crashes.all()

    assert worked(file, True) == (kept,) and len(crash_notes(services, Machine(), {"F16": file})) == 1
    assert worked(file, False) == (dataclasses.replace(kept, file=file_key(other)),), (
        "what another file would do"
    )
    assert worked(other, False) == ()


def test_its_own_note_goes_when_it_worked(services):
    hardware, (file, _folder) = hardware_key(Machine()), services.library.demo.files()
    start = start_of(services, file, apart=True)
    services.crashes.add(crash_of(hardware, start, "warm_up", "crashed", "SIGILL"))
    build = start.environment.record.version or ""
    services.crashes.worked(hardware, build, "llama.cpp", "gguf-cpu", file_key(file), apart=True)
    assert services.crashes.all() == ()


def test_plans_of_it_are_kept_apart_and_those_of_others_are_not(services, other):
    its = asyncio.run(prepare(services, targets.of_demo(services.library), Wishes()))
    users = asyncio.run(prepare(services, targets.resolve(services.library, str(other)), Wishes()))
    assert its.apart and not users.apart
    assert its.plan.id == demo.NAME and its.file == services.library.demo.files()[0]


@pytest.mark.parametrize("asked", [None, 4096])
def test_it_is_loaded_with_no_more_context_than_its_files_state(services, asked):
    path, folder = services.library.demo.files()
    stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]
    for text in ("demo", str(path), str(folder)):
        target = targets.resolve(services.library, text)
        prepared = asyncio.run(prepare(services, target, Wishes(context=asked)))
        rows = (*prepared.plan.ladder, *prepared.smaller(prepared.plan.ladder[-1]))
        assert {row.context for row in rows} - {None} == {stated}, text


def test_it_is_asked_for_the_likeliest_token_everywhere(services):
    target = targets.of_demo(services.library)
    assert serve.sampling_of(target, services.library.catalog) == Sampling(temperature=0.0, max_tokens=128)
    assert not serve.is_phone(target, services.library.catalog)
    assert serve.sampling_of(None, services.library.catalog) == Sampling()
