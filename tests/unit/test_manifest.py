"""What a download leaves beside its files: read tolerantly, merged, never trusted to name files outside."""

import json

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store import manifest
from autoglm_desktop.store.manifest import Manifest, ManifestFile

A, B = "a" * 64, "b" * 64


def made(*files, repo="made/repo", commit="c" * 40):
    return Manifest(repo, "huggingface", commit, files)


def test_what_is_merged_is_read(tmp_path):
    folder = tmp_path / "模型 repo"
    wanted = made(ManifestFile("sub/x.gguf", 5, A, None, "sha256"), ManifestFile("y.json", 7, None, "d" * 40))
    assert manifest.merge(folder, wanted) == wanted
    assert manifest.read(folder) == wanted
    assert manifest.read(folder).file("sub/x.gguf").sha256 == A
    assert manifest.read(folder).file("z") is None


def test_a_second_variant_is_added_and_keeps_its_own_commit(tmp_path):
    manifest.merge(tmp_path, made(ManifestFile("q4.gguf", 1, A), commit="1" * 40))
    manifest.merge(tmp_path, made(ManifestFile("q8.gguf", 2, B), commit="2" * 40))
    found = manifest.read(tmp_path)
    assert [file.path for file in found.files] == ["q4.gguf", "q8.gguf"]
    assert found.commit == "2" * 40
    assert [found.commit_of(file) for file in found.files] == ["1" * 40, "2" * 40]
    manifest.merge(tmp_path, made(ManifestFile("q4.gguf", 9, B), commit="2" * 40))
    assert manifest.read(tmp_path).file("q4.gguf") == ManifestFile("q4.gguf", 9, B)


def test_files_of_another_repository_say_so(tmp_path):
    manifest.merge(tmp_path, made(ManifestFile("one.gguf", 1, A), repo="made/one"))
    manifest.merge(tmp_path, made(ManifestFile("two.gguf", 2, B), repo="made/two"))
    found = manifest.read(tmp_path)
    assert {file.path: found.repo_of(file) for file in found.files} == {
        "one.gguf": "made/one",
        "two.gguf": "made/two",
    }


def test_what_is_forgotten_is_gone_and_an_empty_manifest_too(tmp_path):
    manifest.merge(tmp_path, made(ManifestFile("a", 1), ManifestFile("b", 1)))
    manifest.forget(tmp_path, ["a", "not there"])
    assert [file.path for file in manifest.read(tmp_path).files] == ["b"]
    manifest.forget(tmp_path, ["b"])
    assert manifest.read(tmp_path) is None and not (tmp_path / manifest.NAME).exists()
    manifest.forget(tmp_path / "nowhere", ["b"])
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "path", ["../out.gguf", "/etc/x.json", "C:\\x.gguf", "a/../../b.gguf", ".autoglm.json"]
)
def test_names_that_lead_elsewhere_are_left_out(tmp_path, path):
    entries = [{"path": path, "size": 1}, {"path": "in.gguf", "size": 1}]
    (tmp_path / manifest.NAME).write_text(json.dumps({"schema": 1, "files": entries}))
    assert [file.path for file in manifest.read(tmp_path).files] == ["in.gguf"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff", b'{"schema": 2, "files": []}', b'{"schema": 1, "files": 3}']
)
def test_a_broken_manifest_counts_as_none_and_is_logged(tmp_path, content, caplog):
    (tmp_path / manifest.NAME).write_bytes(content)
    assert manifest.read(tmp_path) is None
    assert "manifest not used" in caplog.text
    manifest.merge(tmp_path, made(ManifestFile("a", 1)))
    assert manifest.read(tmp_path) is not None


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AppError, match="state_unwritable"):
        manifest.merge(tmp_path / "file", made())
