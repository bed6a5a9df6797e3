"""Saved 4-bit forms of model folders: where they lie, when there is room, how they are listed and go. made_ folders."""

import asyncio
import json
import os
import shutil

import pytest

from autoglm_desktop import cli_models
from autoglm_desktop.core.rungs import DeviceMemory, RungPlan
from autoglm_desktop.host.starts import Files
from autoglm_desktop.store.library import Library
from autoglm_desktop.usecases import disk_move, on_disk, saved_forms
from tests.fakes.fake_services import made_services

GIB = 1 << 30


def made_folder(path, size=64):
    """A folder as the library knows one: a config and a safetensors file of no tensors."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"model_type": "made", "architectures": ["Made"]}))
    header = json.dumps({"made": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    (path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    return path


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "家 home")


@pytest.fixture
def folder(services):
    return made_folder(services.models / "owner" / "made-9B")


@pytest.fixture(autouse=True)
def free(monkeypatch):
    """Free bytes of the disk, which a test may change."""
    told = [100 * GIB]
    monkeypatch.setattr(saved_forms, "free_bytes", lambda _folder: told[0])
    return told


def place(services, folder, quantisation="nf4", need=5 * GIB):
    return asyncio.run(saved_forms.place(services, folder, quantisation, need))


def written(path):
    """What the engine leaves at a place."""
    made_folder(path)
    (path / "autoglm-quantised.json").write_text("{}")
    return path


def test_a_form_has_one_place_and_is_written_once(services, folder):
    path, save = place(services, folder)
    assert save and path.is_relative_to(services.models / "made") and path.name.startswith("made-9B-nf4-")
    assert not path.exists(), "the engine writes it"
    written(path)
    assert place(services, folder) == (path, True), "a damaged one may be made again"
    assert place(services, folder, "nf4-lean")[0] != path


@pytest.mark.parametrize("quantisation", [None, "int8"])
def test_only_4_bit_forms_are_kept(services, folder, quantisation):
    assert place(services, folder, quantisation) == (None, False)


@pytest.mark.parametrize(("room", "need"), [(5 * GIB + 100, 5 * GIB), (None, 5 * GIB), (100 * GIB, None)])
def test_without_known_room_nothing_is_kept(services, folder, free, caplog, room, need):
    free[0] = room
    with caplog.at_level("INFO"):
        assert place(services, folder, need=need) == (None, False)
    assert "is not kept" in caplog.text


def test_one_that_is_there_is_read_though_the_disk_is_full(services, folder, free):
    path = written(place(services, folder)[0])
    free[0] = 0
    assert place(services, folder) == (path, False)


@pytest.mark.parametrize("what", ["weights", "time", "config"])
def test_a_changed_source_is_never_read_as_saved(services, folder, what):
    path = written(place(services, folder)[0])
    other = written(place(services, folder, "nf4-lean")[0])
    if what == "weights":
        shutil.rmtree(folder)
        made_folder(folder, size=65)
    elif what == "time":
        os.utime(folder / "model.safetensors", (1, 1))
    else:
        (folder / "config.json").write_text(json.dumps({"model_type": "made", "changed": True}))
    fresh, save = place(services, folder)
    assert fresh != path and save and not path.exists(), "what can't be read any more takes no room"
    assert other.exists(), "another kind is looked at when it is wanted"


def test_what_a_plan_is_loaded_from(services, folder, free):
    memory = {"gpu:0": DeviceMemory(weights=4 * GIB, projector=GIB, kv_cache=9 * GIB)}
    plan = RungPlan("transformers-nf4", memory=memory)
    where = place(services, folder)[0]
    free[0] = 5 * GIB + saved_forms.MARGIN_BYTES
    assert asyncio.run(saved_forms.files(services, folder, plan)) == Files(folder, saved=where, save=True)
    free[0] -= 1
    assert asyncio.run(saved_forms.files(services, folder, plan)) == Files(folder)
    whole = RungPlan("transformers-16bit", memory=memory)
    assert asyncio.run(saved_forms.files(services, folder, whole)) == Files(folder)


def test_a_note_beside_the_weights_changes_nothing(services, folder):
    path, _save = place(services, folder)
    (folder / "README.md").write_text("made")
    assert place(services, folder)[0] == path


def test_leftovers_are_cleaned_and_what_is_being_written_is_not(services, folder, caplog):
    path, _save = place(services, folder)
    part = made_folder(path.with_name(path.name + ".part"))
    with caplog.at_level("INFO"):
        assert place(services, folder) == (None, False)
    assert part.exists() and "another engine is writing" in caplog.text
    for one in (part, *part.iterdir()):
        os.utime(one, (1, 1))
    assert place(services, folder) == (path, True) and not part.exists()


def test_a_source_that_is_gone_or_a_disk_that_is_not_there(services, folder, monkeypatch):
    assert place(services, folder.parent / "gone") == (None, False)
    monkeypatch.setattr(type(services), "models_folder_gone", True)
    assert place(services, folder) == (None, False)


def test_forms_are_listed_and_are_no_models(services, folder):
    assert asyncio.run(saved_forms.forms(services)) == ()
    path = written(place(services, folder)[0])
    part = place(services, folder, "nf4-lean")[0]
    made_folder(part.with_name(part.name + ".part"))
    (found,) = asyncio.run(saved_forms.forms(services))
    assert (found.path, found.source, found.quantisation) == (path, "made-9B", "nf4")
    assert found.size_bytes == sum(file.stat().st_size for file in path.iterdir())
    assert [local.path for local in services.library.files()] == [folder]


def test_one_is_removed_by_its_path(services, folder):
    path = written(place(services, folder)[0])
    other = written(place(services, folder, "nf4-lean")[0])
    going = asyncio.run(on_disk.removal(services, path))
    assert set(going.files) == set(path.iterdir()) and going.freed_bytes > 0
    asyncio.run(on_disk.remove(services, going))
    assert not path.exists() and other.exists() and folder.exists()
    (left,) = asyncio.run(saved_forms.forms(services))
    asyncio.run(saved_forms.remove(services, left))
    assert not (services.models / "made").exists() and folder.exists()


def test_they_go_with_their_model(services, folder):
    other = made_folder(services.models / "owner" / "made-other")
    path = written(place(services, folder)[0])
    left = made_folder(path.with_name(path.name + ".part"))
    kept = written(place(services, other)[0])
    going = asyncio.run(on_disk.removal(services, folder))
    assert set(path.iterdir()) | set(left.iterdir()) | set(folder.iterdir()) == set(going.files)
    asyncio.run(on_disk.remove(services, going))
    assert not folder.exists() and not path.exists() and not left.exists() and kept.exists()


def test_the_form_of_an_added_folder_goes_and_the_folder_stays(services, tmp_path):
    folder = made_folder(tmp_path / "elsewhere")
    services.library.add(folder)
    path = written(place(services, folder)[0])
    going = asyncio.run(on_disk.remove(services, asyncio.run(on_disk.removal(services, folder))))
    assert going.forgotten == (folder,) and folder.exists() and not path.exists()


def test_what_lies_elsewhere_is_not_taken_for_ours(services, tmp_path):
    """A folder with the mark outside of the models folder."""
    written(tmp_path / "else")
    with pytest.raises(Exception) as caught:
        asyncio.run(on_disk.removal(services, tmp_path / "else"))
    assert caught.value.code == "folder_without_weights"


def test_the_forms_of_a_hubs_cache_have_the_repositorys_name(services, tmp_path):
    folder = made_folder(tmp_path / "hub" / "models--owner--made-9B" / "snapshots" / "0123abcd")
    assert place(services, folder)[0].name.startswith("made-9B-nf4-")


def test_they_move_with_the_models_folder(services, folder, tmp_path):
    path = written(place(services, folder)[0])
    moved = asyncio.run(disk_move.move_models(services, tmp_path / "new place"))
    assert moved.folder == tmp_path / "new place"
    there = moved.folder / path.relative_to(services.home / "models")
    library = Library(moved.folder, services.library.state, services.library.catalog)
    assert saved_forms.is_form(there)
    assert saved_forms.where(library, moved.folder / "owner" / "made-9B", "nf4") == there


def test_the_terminal_lists_them(services, folder, capsys, monkeypatch):
    path = written(place(services, folder)[0])
    monkeypatch.setattr(cli_models, "create_services", lambda: services)
    options = type("Options", (), {"json": False})
    assert asyncio.run(cli_models.models(options)) == 0
    assert f"  {path} · nf4 · " in capsys.readouterr().out
    options.json = True
    asyncio.run(cli_models.models(options))
    (found,) = json.loads(capsys.readouterr().out)["made"]
    assert (found["path"], found["source"]) == (str(path), "made-9B")


def test_the_engines_own_words():
    saved = pytest.importorskip("autoglm_desktop.engine.transformers_saved")
    from autoglm_desktop.store.model_walk import QUANTISED_MARK

    assert saved.MARK == QUANTISED_MARK
