"""Remove, move and import touch nothing that this program did not put there, whatever the models folder is."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.store import file_work, manifest, settings
from autoglm_desktop.store.elsewhere import Elsewhere
from autoglm_desktop.usecases import disk_move, on_disk
from tests.fakes.fake_services import made_services
from tests.fakes.made_models import remember, write_folder, write_unfinished
from tests.unit.test_elsewhere import make_link
from tests.unit.test_library import made_phone_model, made_projector
from tests.unit.test_on_disk import REPO, made_repo, tree


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "数据 home")


@pytest.fixture(params=["rename", "copy"])
def way(request, monkeypatch):
    if request.param == "copy":
        monkeypatch.setattr(disk_move, "_device", lambda folder: None)
    return request.param


def run(work):
    return asyncio.run(work)


def remove(services, target):
    found = run(on_disk.removal(services, target))
    run(on_disk.remove(services, found))
    return found


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- remove


@pytest.mark.parametrize("named", ["path", "folder", "dots"])
def test_a_folder_that_is_a_link_out_of_the_models_folder(services, tmp_path, named):
    """Somebody's models on another disk, reached through a link."""
    folder = tmp_path / "mine" / "made" / "x"
    path = made_phone_model(folder / "x-Q4_K_M.gguf")
    remember(folder, path, repo="made/x")
    services.models.mkdir(parents=True)
    make_link(services.models / "made", tmp_path / "mine" / "made")
    before = content(tmp_path / "mine")
    target = {
        "path": services.models / "made" / "x" / path.name,
        "folder": services.models / "made" / "x",
        "dots": services.models / ".." / ".." / "mine" / "made" / "x" / path.name,
    }[named]
    with pytest.raises(TargetError, match="not_in_list"):
        remove(services, target)
    with pytest.raises(TargetError):
        remove(services, "made/x")
    assert content(tmp_path / "mine") == before


def test_a_manifest_that_leads_through_a_link(services, tmp_path):
    folder = made_repo(services, "Q4_K_M")
    outside = tmp_path / "mine" / "keep.json"
    outside.parent.mkdir()
    outside.write_text("{}")
    make_link(folder / "link", outside.parent)
    text = (folder / manifest.NAME).read_text().replace("mmproj-F16.gguf", "link/keep.json")
    (folder / manifest.NAME).write_text(text)
    remove(services, REPO)
    assert outside.exists()


@pytest.mark.parametrize(
    "name", ["/etc/x.json", "C:\\x.json", "C:x.json", "..\\x.json", "a/../../x.json", "//h/x"]
)
def test_names_in_a_manifest_that_lead_out_are_not_read(services, name):
    folder = services.models / "made" / "x"
    folder.mkdir(parents=True)
    entry = manifest.ManifestFile(name, 1, "0" * 64)
    manifest._replace(folder / manifest.NAME, manifest.json.dumps(
        manifest.as_json(manifest.Manifest("made/x", files=(entry,)))))  # fmt: skip
    assert manifest.read(folder).files == ()


def test_a_folder_that_becomes_a_link_after_the_question(services, tmp_path):
    folder = made_repo(services, "Q4_K_M")
    found = run(on_disk.removal(services, REPO))
    folder.rename(tmp_path / "moved away")
    make_link(folder, tmp_path / "moved away")
    before = tree(tmp_path / "moved away")
    with pytest.raises(AppError, match="file_not_removed"):
        run(on_disk.remove(services, found))
    assert tree(tmp_path / "moved away") == before


def test_a_file_that_vanished_after_the_question(services):
    folder = made_repo(services, "Q4_K_M")
    found = run(on_disk.removal(services, REPO))
    (folder / "mmproj-F16.gguf").unlink()
    run(on_disk.remove(services, found))
    assert list(services.models.iterdir()) == []


def test_another_programs_folder_as_models_folder(services, tmp_path):
    """LM Studio's models are not ours, even where its folder was chosen; what we have fetched there is."""
    root = tmp_path / "user" / ".lmstudio" / "models"
    theirs = made_phone_model(root / "made" / "theirs" / "x-Q4_K_M.gguf")
    services.library.models = root
    services.library.elsewhere = Elsewhere(tmp_path / "user", {}, "linux", shared=())
    folder = made_repo(services, "Q4_K_M")
    for target in (str(theirs), "made/theirs"):
        with pytest.raises(TargetError, match="found_elsewhere"):
            remove(services, target)
    services.library.elsewhere.keep_s = -1
    remove(services, REPO)
    assert theirs.exists() and not folder.exists()
    made_repo(services, "Q4_K_M")
    run(on_disk.move_models(services, tmp_path / "new"))
    assert theirs.exists() and "AutoGLM-Phone-9B-Q4_K_M.gguf" in str(tree(tmp_path / "new"))


@pytest.mark.parametrize("above", [0, 1, 2])
def test_the_models_folder_and_those_above_it_are_not_one_model(services, above):
    made_repo(services, "Q4_K_M")
    target = [services.models, *services.models.parents][above]
    before = content(services.models)
    with pytest.raises(TargetError, match="remove_too_much"):
        remove(services, target)
    assert content(services.models) == before


def test_the_small_files_of_somebody_else_stay(services):
    folder = write_folder(services.models / "made" / "project")
    for name in ("package.json", "notes.txt", "diary.md"):
        (folder / name).write_text("{}")
    remove(services, folder)
    assert tree(folder) == {"package.json", "notes.txt", "diary.md"}


def test_of_a_downloaded_folder_only_what_the_manifest_names_goes(services):
    folder = write_folder(services.models / "made" / "x")
    remember(folder, *folder.iterdir(), repo="made/x")
    (folder / "my-adapter.safetensors").write_bytes(b"mine")
    (folder / "vocab.json").write_text("{}")
    remove(services, "made/x")
    assert tree(folder) - {manifest.LOCK_NAME} == {"my-adapter.safetensors", "vocab.json"}


def test_parts_of_another_model_of_that_name_stay(services):
    folder = services.models / "made"
    one = made_phone_model(folder / "x-Q4_K_M.gguf")
    other = folder / "x-Q4_K_M-00001-of-00002.gguf"
    shutil.copy(one, other)
    remove(services, one)
    assert not one.exists() and other.exists()


def test_a_projector_that_nobody_named_stays(services):
    """Beside a text model by hand: it may be for a model that lies elsewhere."""
    folder = services.models
    path = made_phone_model(folder / "x-Q4_K_M.gguf")
    used = made_projector(folder / "a-mmproj-F16.gguf")
    unused = made_projector(folder / "b-mmproj-F16.gguf")
    remove(services, path)
    assert not used.exists() and unused.exists()


@pytest.mark.skipif(os.name == "nt", reason="rights of folders")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may delete everywhere")
def test_a_read_only_folder_is_said(services):
    folder = made_repo(services, "Q4_K_M")
    folder.chmod(0o555)
    try:
        with pytest.raises(AppError, match="file_in_use_or_forbidden"):
            remove(services, REPO)
        assert "AutoGLM-Phone-9B-Q4_K_M.gguf" in tree(folder)
    finally:
        folder.chmod(0o755)


# --- move


def test_out_of_a_home_folder_only_models_move(services, tmp_path, way):
    home = tmp_path / "user"
    services.library.models = home
    made_repo(services, "Q4_K_M")
    write_folder(home / "ModelsByHand")
    write_unfinished(home / "made" / "y" / "y-Q8_0.gguf")
    mine = ["diary.md", "Documents/letter.txt", ".config/x/settings.json", "photo.png.part", "code/app.lock"]
    for name in mine:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("mine")
    (home / "Templates").mkdir()
    run(on_disk.move_models(services, tmp_path / "new"))
    assert tree(home) == set(mine) and (home / "Templates").is_dir()
    moved = tree(tmp_path / "new")
    assert {f"{REPO}/mmproj-F16.gguf", f"{REPO}/{manifest.NAME}", "made/y/y-Q8_0.gguf.part",
            "made/y/y-Q8_0.gguf.part.json", "ModelsByHand/config.json"} <= moved  # fmt: skip
    assert not any("letter" in name or "diary" in name for name in moved)


@pytest.mark.parametrize("place", ["home", "above", "data"])
def test_folders_that_hold_more_than_models_are_not_taken(services, tmp_path, monkeypatch, place):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "user" / "me")
    made_repo(services, "Q4_K_M")
    folder = {"home": tmp_path / "user" / "me", "above": tmp_path / "user", "data": services.home}[place]
    before = content(services.models)
    with pytest.raises(AppError, match="move_needs_own_folder"):
        run(on_disk.move_models(services, folder))
    assert content(services.models) == before and services.models == services.home / "models"


@pytest.mark.parametrize("same", [True, False])
def test_into_the_folder_above_with_a_folder_of_the_same_name(services, tmp_path, way, same):
    """…/models/models/a.gguf goes where …/models/a.gguf was, which is …/a.gguf then."""
    top = tmp_path / "disk" / "models"
    services.library.models = top
    one = made_phone_model(top / "a-Q4_K_M.gguf")
    other = made_phone_model(top / "models" / "a-Q4_K_M.gguf")
    if not same:
        other.write_bytes(other.read_bytes() + b"\0")
    wanted = sorted([one.read_bytes(), other.read_bytes()])
    try:
        run(on_disk.move_models(services, tmp_path / "disk"))
    except AppError as error:
        assert error.code == "move_conflict"
    assert sorted(content(tmp_path / "disk").values())[:2] == wanted


def test_settings_that_cannot_be_written_undo_the_move(services, tmp_path, monkeypatch, way):
    made_repo(services, "Q4_K_M")
    before = content(services.models)
    monkeypatch.setattr(settings, "update", lambda home, **values: False)
    with pytest.raises(AppError, match="state_unwritable"):
        run(on_disk.move_models(services, tmp_path / "new"))
    assert content(services.models) == before and len(services.library.files()) == 1


@pytest.mark.parametrize("relative", [True, False])
def test_links_lead_to_the_same_after_a_move(services, tmp_path, relative):
    path = made_phone_model(tmp_path / "mine" / "x.gguf")
    services.models.mkdir(parents=True)
    link = services.models / "link.gguf"
    make_link(link, Path(os.path.relpath(path, services.models)) if relative else path)
    run(on_disk.move_models(services, tmp_path / "other" / "place"))
    moved = tmp_path / "other" / "place" / "link.gguf"
    assert moved.resolve() == path and path.exists() and not os.path.lexists(link)


def test_what_changes_during_the_copy_is_not_deleted(services, tmp_path, monkeypatch):
    folder = made_repo(services, "Q4_K_M")
    path = folder / "AutoGLM-Phone-9B-Q4_K_M.gguf"
    monkeypatch.setattr(disk_move, "_device", lambda folder: None)
    original = disk_move._choose

    def choose(services, place):
        path.write_bytes(b"a newer download")
        original(services, place)

    monkeypatch.setattr(disk_move, "_choose", choose)
    moved = run(on_disk.move_models(services, tmp_path / "new"))
    assert moved.left == (path,) and path.read_bytes() == b"a newer download"


def test_the_beginning_of_a_download_in_the_new_folder_survives(services, tmp_path, monkeypatch):
    """The copy of x.gguf is no reason to throw away x.gguf.part that lies there."""
    folder = made_repo(services, "Q4_K_M")
    monkeypatch.setattr(disk_move, "_device", lambda folder: None)
    part = write_unfinished(tmp_path / "new" / REPO / "AutoGLM-Phone-9B-Q4_K_M.gguf", 1_000_000)
    before = part.read_bytes()
    run(on_disk.move_models(services, tmp_path / "new"))
    assert part.read_bytes() == before and not folder.exists()


# --- copy and import


def test_a_copy_never_writes_through_a_link_or_over_a_file(tmp_path):
    source, keep = tmp_path / "source", tmp_path / "keep"
    source.write_bytes(b"new")
    keep.write_bytes(b"mine")
    target = tmp_path / "there" / "x.gguf"
    target.parent.mkdir()
    make_link(target.with_name(target.name + file_work.COPYING), keep)
    told = []
    stop = disk_move.Work(told.append).stop
    file_work.copy(source, target, stop, told.append)
    assert keep.read_bytes() == b"mine" and target.read_bytes() == b"new"
    source.write_bytes(b"newer")
    with pytest.raises(AppError, match="import_exists"):
        file_work.copy(source, target, stop, told.append)
    assert target.read_bytes() == b"new" and tree(target.parent) == {"x.gguf"}


def test_a_name_that_is_taken_in_the_last_moment_is_kept(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "x.gguf"
    source.write_bytes(b"new")
    original = file_work.sha256_of

    def late(path, stop, told):
        target.write_bytes(b"somebody else's")
        return original(path, stop, told)

    monkeypatch.setattr(file_work, "sha256_of", late)
    with pytest.raises(AppError, match="import_exists"):
        file_work.copy(source, target, disk_move.Work(print).stop, lambda _count: None)
    assert target.read_bytes() == b"somebody else's"


@pytest.mark.parametrize("names", [("a/x.gguf", "b/x.gguf"), ("a/x.gguf", "b/X.GGUF")])
def test_two_different_files_of_one_name_are_not_imported_as_one(services, tmp_path, names):
    one, other = (made_phone_model(tmp_path / "usb" / name) for name in names)
    other.write_bytes(other.read_bytes() + b"\0")
    with pytest.raises(AppError, match="import_collides"):
        run(on_disk.import_path(services, tmp_path / "usb", True))
    assert services.library.files() == () and one.exists() and other.exists()


def test_the_models_folder_by_another_name_is_not_copied_onto_itself(services, tmp_path):
    made_repo(services, "Q4_K_M")
    by_hand = made_phone_model(services.models / "by hand.gguf")
    make_link(tmp_path / "alias", services.models)
    before = content(services.models)
    run(on_disk.import_path(services, tmp_path / "alias", True))
    run(on_disk.import_path(services, by_hand, True))
    assert content(services.models) == before


def test_a_damaged_source_never_appears_under_its_name(services, tmp_path, monkeypatch):
    usb = made_services(tmp_path / "usb")
    folder = made_repo(usb, "Q4_K_M", projector=False)
    path = folder / "AutoGLM-Phone-9B-Q4_K_M.gguf"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    seen = []
    monkeypatch.setattr(file_work, "rename_new", lambda source, target: seen.append(target))
    with pytest.raises(AppError, match="source_damaged"):
        run(on_disk.import_path(services, folder, True))
    assert seen == []
