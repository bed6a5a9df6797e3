"""Verify, delete, move, import: every file ends whole in one place, and nothing of others is touched."""

import asyncio
import errno
import shutil
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.store import file_work, manifest, settings
from autoglm_desktop.store.elsewhere import Elsewhere
from autoglm_desktop.usecases import disk_import, disk_move, on_disk, targets
from tests.fakes.fake_services import made_services
from tests.fakes.made_models import remember, write_folder, write_safetensors, write_unfinished
from tests.unit.test_elsewhere import made_hub_cache, made_ollama, make_link, tiny
from tests.unit.test_library import PHONE, made_phone_model, made_projector

REPO = "made/AutoGLM-Phone-9B-GGUF"


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "数据 home")


def run(work):
    return asyncio.run(work)


def made_repo(services, *types, repo=REPO, projector=True):
    """Variants of one repository as downloads leave them; returns the folder."""
    folder = services.models.joinpath(*repo.split("/"))
    paths = [made_phone_model(folder / f"AutoGLM-Phone-9B-{kind}.gguf") for kind in types]
    paths += [made_projector(folder / "mmproj-F16.gguf")] if projector else []
    remember(folder, *paths, repo=repo)
    return folder


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- verify


def test_what_was_downloaded_is_proved_by_its_hash(services):
    folder = made_repo(services, "Q4_K_M")
    seen = []
    found = run(on_disk.verify(services, f"{REPO}:Q4_K_M", seen.append))
    assert found.ok and found.proved
    assert {(file.path.name, file.status, file.by) for file in found.files} == {
        ("AutoGLM-Phone-9B-Q4_K_M.gguf", "ok", "sha256"),
        ("mmproj-F16.gguf", "ok", "sha256"),
    }
    total = sum(
        (folder / name).stat().st_size for name in ("AutoGLM-Phone-9B-Q4_K_M.gguf", "mmproj-F16.gguf")
    )
    assert seen and (seen[-1].done_bytes, seen[-1].total_bytes) == (total, total)


@pytest.mark.parametrize("target", [REPO, f"{REPO}:Q4_K_M", PHONE, "path"])
def test_a_flipped_bit_is_found_however_it_is_named(services, target):
    folder = made_repo(services, "Q4_K_M")
    path = folder / "AutoGLM-Phone-9B-Q4_K_M.gguf"
    flip(path)
    found = run(on_disk.verify(services, str(path) if target == "path" else target))
    assert not found.ok
    assert {file.path.name: file.status for file in found.files}[path.name] == "damaged"


def test_a_download_that_has_only_begun_is_not_called_whole(services):
    write_unfinished(services.models / "made" / "other" / "x-Q4_K_M.gguf")
    with pytest.raises(TargetError, match="folder_unfinished"):
        run(on_disk.verify(services, "made/other"))


def test_cut_and_missing_files(services):
    folder = made_repo(services, "Q4_K_M", "Q8_0")
    path = folder / "AutoGLM-Phone-9B-Q4_K_M.gguf"
    path.write_bytes(path.read_bytes()[:100])
    (folder / "AutoGLM-Phone-9B-Q8_0.gguf").unlink()
    found = run(on_disk.verify(services, REPO))
    statuses = {file.path.name: file.status for file in found.files}
    assert statuses == {
        path.name: "changed_size",
        "AutoGLM-Phone-9B-Q8_0.gguf": "missing",
        "mmproj-F16.gguf": "ok",
    }
    assert run(on_disk.verify(services, str(path))).files[0].expected_size > 100


def test_without_a_hash_only_the_structure_counts(services):
    path = made_phone_model(services.models / "by hand.gguf")
    found = run(on_disk.verify(services, str(path)))
    assert found.ok and not found.proved
    assert [(file.status, file.by) for file in found.files] == [("no_hash", "structure")]
    path.write_bytes(path.read_bytes()[:-200_000])
    (file,) = run(on_disk.verify(services, str(path))).files
    assert (file.status, file.reason.code) == ("damaged", "gguf_truncated")


def test_a_safetensors_folder(services):
    folder = write_folder(services.models / "zai-org" / "AutoGLM-Phone-9B")
    assert run(on_disk.verify(services, f"{PHONE}:safetensors")).ok
    (folder / "model-00001-of-00002.safetensors").unlink()
    weights = write_safetensors(folder / "model-00002-of-00002.safetensors")
    weights.write_bytes(weights.read_bytes() + b"more")
    (folder / "tokenizer.json").write_text("{")
    files = run(on_disk.verify(services, str(folder))).files
    found = {file.path.name: file.status for file in files}
    assert "safetensors_size" in {file.reason.code for file in files if file.reason is not None}
    assert found == {
        "config.json": "no_hash",
        "model.safetensors.index.json": "no_hash",
        "model-00001-of-00002.safetensors": "missing",
        "model-00002-of-00002.safetensors": "damaged",
        "tokenizer.json": "damaged",
    }


def test_a_folder_without_a_tokenizer_is_not_whole(services, tmp_path):
    folder = write_folder(tmp_path / "usb" / "made")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(TargetError, match="tokenizer_missing"):
        run(on_disk.import_path(services, folder))
    found = run(on_disk.verify(services, str(folder)))
    assert [file.path.name for file in found.files if file.status == "missing"] == ["tokenizer.json"]
    assert not found.ok


def test_a_folder_with_a_config_alone_lacks_weights(services, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TargetError, match="folder_without_weights"):
        run(on_disk.verify(services, str(tmp_path)))


def test_names_of_other_programs_are_hashes(services, tmp_path):
    link = made_hub_cache(tmp_path / "home/.cache/huggingface/hub")
    blob = made_ollama(tmp_path / "home/.ollama/models")
    services.library.elsewhere = Elsewhere(tmp_path / "home", {}, "linux", shared=())
    for path in (link, blob):
        (file,) = run(on_disk.verify(services, str(path))).files
        assert (file.status, file.by) == ("ok", "sha256")
    flip(blob)
    assert not run(on_disk.verify(services, str(blob))).ok
    assert run(on_disk.verify(services, "made/Tiny-GGUF")).proved


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("made/none", "repo_not_installed"),
        (f"{REPO}:Q2_K", "variant_not_installed"),
        ("nonsense", "target_unknown"),
        (f"{PHONE}:Q5_K_M", "model_not_here"),
        ("./nothing.gguf", "file_not_found"),
    ],
)
def test_targets_that_are_nothing(services, target, code):
    made_repo(services, "Q4_K_M")
    for work in (on_disk.verify, on_disk.removal):
        with pytest.raises(TargetError, match=code):
            run(work(services, target))


def test_cancelling_stops_between_two_pieces(services, monkeypatch):
    """Each piece waits for a gate, so that the file can never be read to its end before the cancel."""
    made_repo(services, "Q4_K_M", projector=False)
    reading, gate, pieces = threading.Event(), threading.Event(), []
    original = file_work._piece

    def slow(file, stop):
        reading.set()
        gate.wait(10)
        pieces.append(1)
        return original(file, stop)

    monkeypatch.setattr(file_work, "_piece", slow)

    async def cancelled():
        task = asyncio.create_task(on_disk.verify(services, REPO))
        await asyncio.to_thread(reading.wait, 10)
        start = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        took = time.monotonic() - start
        gate.set()
        return took

    assert run(cancelled()) < 2  # the read hangs; 0.25 s are waited for it (benchmarks measure)
    assert len(pieces) == 1


# --- remove


def test_a_variant_goes_and_the_projector_stays_for_the_other(services):
    folder = made_repo(services, "Q4_K_M", "Q8_0")
    (folder / "notes of mine.txt").write_text("stays")
    found = run(on_disk.removal(services, f"{REPO}:Q4_K_M"))
    assert [path.name for path in found.files] == ["AutoGLM-Phone-9B-Q4_K_M.gguf"]
    assert found.freed_bytes > 0 and tree(folder) >= {"AutoGLM-Phone-9B-Q4_K_M.gguf"}
    run(on_disk.remove(services, found))
    assert "AutoGLM-Phone-9B-Q4_K_M.gguf" not in tree(folder) and "mmproj-F16.gguf" in tree(folder)
    assert [file.path for file in manifest.read(folder).files] == [
        "AutoGLM-Phone-9B-Q8_0.gguf",
        "mmproj-F16.gguf",
    ]
    run(on_disk.remove(services, run(on_disk.removal(services, f"{REPO}:Q8_0"))))
    assert tree(folder) - {manifest.LOCK_NAME} == {"notes of mine.txt"}


def test_the_last_variant_takes_everything_of_ours_along(services):
    folder = made_repo(services, "Q4_K_M")
    write_unfinished(folder / "AutoGLM-Phone-9B-Q8_0.gguf")
    found = run(on_disk.removal(services, REPO))
    assert {path.name for path in found.files} == {
        "AutoGLM-Phone-9B-Q4_K_M.gguf",
        "mmproj-F16.gguf",
        "AutoGLM-Phone-9B-Q8_0.gguf.part",
        "AutoGLM-Phone-9B-Q8_0.gguf.part.json",
    }
    run(on_disk.remove(services, found))
    assert services.models.is_dir() and list(services.models.iterdir()) == []


def test_a_projector_stays_for_a_download_that_has_begun(services):
    folder = made_repo(services, "Q4_K_M")
    write_unfinished(folder / "AutoGLM-Phone-9B-Q8_0.gguf")
    run(on_disk.remove(services, run(on_disk.removal(services, f"{REPO}:Q4_K_M"))))
    assert "mmproj-F16.gguf" in tree(folder)


def test_only_what_has_begun_can_be_removed_too(services):
    part = write_unfinished(services.models / "made" / "other" / "x-Q4_K_M.gguf")
    found = run(on_disk.removal(services, "made/other:Q4_K_M"))
    assert part in found.files
    run(on_disk.remove(services, found))
    assert not part.exists() and services.library.unfinished() == ()


def test_a_download_that_runs_is_not_removed(services):
    part = write_unfinished(services.models / "made" / "other" / "x-Q4_K_M.gguf")
    found = run(on_disk.removal(services, "made/other"))
    with FileLock(str(part) + ".lock"), pytest.raises(AppError, match="download_running"):
        run(on_disk.remove(services, found))
    assert part.exists()


def test_a_safetensors_folder_goes_and_foreign_files_stay(services):
    folder = write_folder(services.models / "zai-org" / "AutoGLM-Phone-9B")
    (folder / "photo.png").write_bytes(b"mine")
    found = run(on_disk.removal(services, f"{PHONE}:safetensors"))
    run(on_disk.remove(services, found))
    assert tree(folder) == {"photo.png"}


def test_a_gguf_beside_a_folder_survives_it(services):
    folder = write_folder(services.models / "made" / "AutoGLM-Phone-9B")
    made_phone_model(folder / "x-Q4_K_M.gguf")
    run(on_disk.remove(services, run(on_disk.removal(services, "made/AutoGLM-Phone-9B:safetensors"))))
    assert "x-Q4_K_M.gguf" in tree(folder) and not any(name.endswith(".safetensors") for name in tree(folder))


def test_what_was_added_by_path_is_only_forgotten(services, tmp_path):
    path = made_phone_model(tmp_path / "mine" / "x.gguf")
    services.library.add(path)
    found = run(on_disk.removal(services, str(path)))
    assert (found.files, found.forgotten, found.freed_bytes) == ((), (path,), 0)
    run(on_disk.remove(services, found))
    assert path.exists() and services.library.files() == ()


def test_a_file_that_was_never_added_is_left_alone(services, tmp_path):
    path = made_phone_model(tmp_path / "mine" / "x.gguf")
    with pytest.raises(TargetError, match="not_in_list"):
        run(on_disk.removal(services, path))
    assert path.exists()


def test_a_link_goes_and_what_it_leads_to_stays(services, tmp_path):
    path = made_phone_model(tmp_path / "mine" / "x.gguf")
    services.models.mkdir(parents=True)
    make_link(services.models / "link.gguf", path)
    found = run(on_disk.removal(services, services.models / "link.gguf"))
    assert found.files == (services.models / "link.gguf",) and found.freed_bytes < 10_000
    run(on_disk.remove(services, found))
    assert path.exists() and services.library.files() == ()


def test_files_of_other_programs_are_never_deleted(services, tmp_path):
    path = tiny(tmp_path / "home" / ".lmstudio" / "models" / "made" / "x" / "x.gguf")
    services.library.elsewhere = Elsewhere(tmp_path / "home", {}, "linux", shared=())
    for target in (str(path), "made/x"):
        with pytest.raises(TargetError, match="found_elsewhere") as refused:
            run(on_disk.removal(services, target))
        assert refused.value.values["program"] == "LM Studio"
    assert path.exists()


def test_a_hostile_manifest_deletes_nothing_outside(services, tmp_path):
    folder = made_repo(services, "Q4_K_M")
    outside = services.home / "keep.json"
    outside.write_text("{}")
    text = (folder / manifest.NAME).read_text()
    (folder / manifest.NAME).write_text(text.replace("mmproj-F16.gguf", "../../../keep.json"))
    run(on_disk.remove(services, run(on_disk.removal(services, REPO))))
    assert outside.exists()


def test_a_file_that_cannot_be_deleted_is_said(services, monkeypatch):
    made_repo(services, "Q4_K_M")
    found = run(on_disk.removal(services, REPO))

    def refuse(self, missing_ok=False):
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(AppError, match="file_in_use_or_forbidden"):
        run(on_disk.remove(services, found))


# --- move


@pytest.fixture(params=["rename", "copy"])
def way(request, monkeypatch):
    """Renaming on one disk; copying as to another one."""
    if request.param == "copy":
        monkeypatch.setattr(disk_move, "_device", lambda folder: None)
    return request.param


def test_the_models_folder_moves(services, tmp_path, way):
    folder = made_repo(services, "Q4_K_M")
    part = write_unfinished(folder / "y-Q8_0.gguf", 5_000_000)
    before, content = tree(services.models) - {f"{REPO}/{manifest.LOCK_NAME}"}, part.read_bytes()
    old, new = services.models, tmp_path / "other 盘" / "models"
    seen = []
    moved = run(on_disk.move_models(services, new, seen.append))
    assert tree(new) == before and not old.exists()
    assert (new / part.relative_to(old)).read_bytes() == content
    assert services.models == new == moved.folder and moved.left == ()
    assert settings.load(services.home).models_folder == str(new)
    assert run(on_disk.verify(services, REPO)).proved
    assert seen[-1].done_bytes == seen[-1].total_bytes
    assert services.library.unfinished()[0].done_bytes == 500_000


def test_another_instance_takes_the_new_folder_over(services, tmp_path):
    made_repo(services, "Q4_K_M")
    other = made_services(services.home)
    run(on_disk.move_models(services, tmp_path / "new"))
    other.reread_settings()
    assert other.models == tmp_path / "new" and len(other.library.files()) == 1


def test_foreign_files_in_the_new_folder_stay(services, tmp_path, way):
    made_repo(services, "Q4_K_M")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "photo.png").write_bytes(b"mine")
    run(on_disk.move_models(services, tmp_path / "new"))
    assert (tmp_path / "new" / "photo.png").read_bytes() == b"mine"


def test_another_file_of_that_name_is_a_conflict(services, tmp_path, way):
    folder = made_repo(services, "Q4_K_M")
    before = tree(services.models)
    there = tmp_path / "new" / REPO / "mmproj-F16.gguf"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"another")
    with pytest.raises(AppError, match="move_conflict"):
        run(on_disk.move_models(services, tmp_path / "new"))
    assert tree(services.models) >= before - {f"{REPO}/{manifest.LOCK_NAME}"} and folder.is_dir()
    assert there.read_bytes() == b"another" and services.models == services.home / "models"


@pytest.mark.parametrize(
    ("place", "code"), [("models/inside", "move_into_itself"), ("models", "move_same_folder")]
)
def test_folders_that_cannot_be(services, place, code):
    made_repo(services, "Q4_K_M")
    with pytest.raises(AppError, match=code):
        run(on_disk.move_models(services, services.home / place))
    assert run(on_disk.verify(services, REPO)).proved


def test_too_little_room_is_said_before_anything_moves(services, tmp_path, monkeypatch):
    made_repo(services, "Q4_K_M")
    monkeypatch.setattr(disk_move, "_device", lambda folder: None)
    monkeypatch.setattr(disk_move, "free_bytes", lambda folder: 1000)
    with pytest.raises(AppError, match="disk_full") as refused:
        run(on_disk.move_models(services, tmp_path / "new"))
    assert refused.value.values["free"] == 1000
    assert tree(tmp_path / "new") == set()


def test_what_was_stopped_loses_nothing_and_goes_on(services, tmp_path, monkeypatch, way):
    made_repo(services, "Q4_K_M", "Q8_0")
    before = tree(services.models) - {f"{REPO}/{manifest.LOCK_NAME}"}
    steps = []
    original = disk_move.Work.check

    def check(work):
        steps.append(1)
        if len(steps) == 4:
            work.stop.set()
        original(work)

    monkeypatch.setattr(disk_move.Work, "check", check)
    with pytest.raises(file_work.Stopped):
        run(on_disk.move_models(services, tmp_path / "new"))
    assert services.models == services.home / "models"
    assert tree(services.models) >= before, "the old folder is whole"
    assert not [name for name in tree(tmp_path / "new") if name.endswith(".part")]
    run(on_disk.move_models(services, tmp_path / "new"))
    assert tree(tmp_path / "new") == before and not (services.home / "models").exists()


def test_a_copy_that_differs_is_thrown_away(services, tmp_path, monkeypatch):
    made_repo(services, "Q4_K_M")
    monkeypatch.setattr(disk_move, "_device", lambda folder: None)
    monkeypatch.setattr(file_work, "sha256_of", lambda path, stop, told: "0" * 64)
    with pytest.raises(AppError, match="copy_damaged"):
        run(on_disk.move_models(services, tmp_path / "new"))
    assert tree(tmp_path / "new") == set()


def test_a_disk_that_is_not_there_is_said(services, tmp_path):
    services.library.models = tmp_path / "usb" / "models"
    assert services.models_folder_gone and services.library.files() == ()
    for work in (on_disk.move_models(services, tmp_path / "new"),
                 on_disk.import_path(services, made_phone_model(tmp_path / "x.gguf"), True)):  # fmt: skip
        with pytest.raises(AppError, match="models_folder_gone"):
            run(work)
    use = run(on_disk.disk_use(services))
    assert (use.models_bytes, use.partial_bytes) == (0, 0) and use.free_bytes > 0
    assert not (tmp_path / "usb").exists()


def test_a_download_that_runs_stops_the_move(services, tmp_path):
    part = write_unfinished(services.models / "made" / "other" / "x-Q4_K_M.gguf")
    with FileLock(str(part) + ".lock"), pytest.raises(AppError, match="download_running"):
        run(on_disk.move_models(services, tmp_path / "new"))
    assert part.exists()


def test_an_empty_library_moves_too(services, tmp_path):
    assert run(on_disk.move_models(services, tmp_path / "new")).files == 0
    assert services.models == tmp_path / "new"


# --- import


def test_a_file_is_used_where_it_lies(services, tmp_path):
    path = made_phone_model(tmp_path / "usb" / "x.gguf")
    found = run(on_disk.import_path(services, path))
    assert [local.path for local in services.library.files()] == [path]
    assert not found.copied and found.name == "AutoGLM Phone 9B"


def test_a_copy_is_compared_and_can_be_verified_later(services, tmp_path):
    path = made_phone_model(tmp_path / "usb" / "x.gguf")
    projector = made_projector(path.with_name("mmproj.gguf"))
    found = run(on_disk.import_path(services, path, True))
    (local,) = found.models
    assert local.path == services.models / "x" / "x.gguf" and local.path.read_bytes() == path.read_bytes()
    assert local.projector == services.models / "x" / projector.name
    shutil.rmtree(tmp_path / "usb")
    assert run(on_disk.verify(services, str(local.path))).proved
    assert [found.path for found in services.library.files()] == [local.path]


def test_a_repository_on_a_usb_disk_keeps_its_place_and_hashes(services, tmp_path):
    usb = made_services(tmp_path / "usb")
    made_repo(usb, "Q4_K_M", "Q8_0")
    found = run(on_disk.import_path(services, usb.models, True))
    assert found.copied and len(found.models) == 2
    assert run(on_disk.verify(services, REPO)).proved
    again = run(on_disk.import_path(services, usb.models, True))
    assert {local.path for local in again.models} == {local.path for local in found.models}


@pytest.mark.parametrize("repo", ["../../../out", "made", "a/b/c", "/etc/x", "made/.."])
def test_a_hostile_manifest_on_the_usb_disk_leads_nowhere(services, tmp_path, repo):
    path = made_phone_model(tmp_path / "usb" / "x.gguf")
    remember(path.parent, path, repo=repo)
    before = tree(tmp_path)
    found = run(on_disk.import_path(services, path, True))
    assert [local.path for local in found.models] == [services.models / "x" / "x.gguf"]
    assert all(name.startswith("数据 home/models/x/") for name in tree(tmp_path) - before)


def test_a_damaged_source_is_not_copied(services, tmp_path):
    usb = made_services(tmp_path / "usb")
    folder = made_repo(usb, "Q4_K_M")
    flip(folder / "AutoGLM-Phone-9B-Q4_K_M.gguf")
    with pytest.raises(AppError, match="source_damaged"):
        run(on_disk.import_path(services, folder, True))
    assert services.library.files() == ()


def test_a_folder_with_safetensors(services, tmp_path):
    folder = write_folder(tmp_path / "usb" / "AutoGLM-Phone-9B")
    (folder / "pytorch_model.bin").write_bytes(b"never copied")
    found = run(on_disk.import_path(services, folder, True))
    target = services.models / "AutoGLM-Phone-9B"
    assert [local.path for local in found.models] == [target]
    assert tree(target) - {manifest.NAME, manifest.LOCK_NAME} == tree(folder) - {"pytorch_model.bin"}
    assert run(on_disk.import_path(services, folder)).models[0].path == folder


def test_imports_that_are_refused(services, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.gguf").write_bytes(b"no model")
    made_projector(tmp_path / "mmproj.gguf")
    cases = ((tmp_path / "empty", "nothing_to_import"), (tmp_path / "bad", "gguf_not_a_gguf"),
             (tmp_path / "none.gguf", "file_not_found"), (tmp_path / "mmproj.gguf", "projector_alone"))  # fmt: skip
    for path, code in cases:
        with pytest.raises(TargetError, match=code):
            run(on_disk.import_path(services, path))
    path = made_phone_model(tmp_path / "x.gguf")
    monkeypatch.setattr(disk_import, "free_bytes", lambda folder: 10)
    with pytest.raises(AppError, match="disk_full"):
        run(on_disk.import_path(services, path, True))
    monkeypatch.undo()
    there = services.models / "x" / "x.gguf"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"another file")
    with pytest.raises(AppError, match="import_exists"):
        run(on_disk.import_path(services, path, True))
    assert there.read_bytes() == b"another file"


# --- how much


def test_disk_use_counts_models_and_what_has_begun(services):
    folder = made_repo(services, "Q4_K_M")
    write_unfinished(folder / "y-Q8_0.gguf", 50_000_000)
    use = run(on_disk.disk_use(services))
    model = (folder / "AutoGLM-Phone-9B-Q4_K_M.gguf").stat().st_size
    assert use.folder == services.models and use.models_bytes >= model
    sparse = hasattr(folder.stat(), "st_blocks")
    assert 0 < use.partial_bytes < (1_000_000 if sparse else 51_000_000)


def test_targets_know_repositories(services):
    folder = made_repo(services, "Q4_K_M")
    write_folder(services.models / "made" / "folder")
    found = targets.resolve(services.library, f"{REPO}:q4_k_m")
    assert found.file == folder / "AutoGLM-Phone-9B-Q4_K_M.gguf" and found.model == PHONE
    assert targets.resolve(services.library, REPO).file == found.file
    both = made_repo(services, "Q8_0", "Q4_K_M")
    found = targets.resolve(services.library, REPO)
    assert found.whole and set(found.files) == set(both.glob("Auto*.gguf"))
    assert targets.resolve(services.library, f"{REPO}:Q8_0").others == ()
    made = services.models / "made" / "folder"
    assert targets.resolve(services.library, "made/folder").file == made
    assert targets.resolve(services.library, str(made)).file == made
    write_folder(services.models / "made" / "gptq", quantization_config={"quant_method": "gptq"})
    for text, code in (("made/gptq", "folder_quantised"), ("made/none", "repo_not_installed"),
                       (f"{REPO}:Q9", "variant_not_installed")):  # fmt: skip
        with pytest.raises(TargetError, match=code):
            targets.resolve(services.library, text)
