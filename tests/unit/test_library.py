"""Model files on disk: found, recognised, refused with the reason, remembered."""

import json
import os
import struct
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.core.gguf_types import TYPES
from autoglm_desktop.store import catalog
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.gguf_write import GgufWriter
from autoglm_desktop.store.library import Library, projector_weights
from autoglm_desktop.store.local_models import of_variant
from autoglm_desktop.texts import reasons
from tests.fakes.made_models import remember, write_folder, write_unfinished

PHONE = "autoglm-phone-9b"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "模型 models").mkdir()
    return Library(tmp_path / "模型 models", tmp_path / "state", catalog.load())


def made_phone_model(path: Path, *, name: str = "AutoGLM Phone 9B", mrope: bool = True) -> Path:
    """A tiny file with AutoGLM's layer count and name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tiny_glm4(path, layers=40, hidden=64, head_dim=32, weight_type="Q4_K_M", name=name, mrope=mrope)
    return path


def made_projector(path: Path, kind: str = "glm4v") -> Path:
    writer = GgufWriter(path)
    writer.add("general.architecture", "clip")
    writer.add("clip.projector_type", kind)
    writer.add_tensor("v.patch_embd.weight", TYPES["F32"], (64,), lambda: [bytes(256)])
    writer.write()
    return path


def test_an_empty_library_is_empty(library: Library) -> None:
    assert library.files() == ()
    missing = Library(library.models / "not there", library.state, library.catalog)
    assert missing.files() == ()


def test_files_are_found_in_folders_and_recognised(library: Library) -> None:
    path = made_phone_model(library.models / "a b" / "AutoGLM-Phone-9B-Q4_K_M.gguf")
    (library.models / "notes.txt").write_text("no model")
    (found,) = library.files()
    assert (found.path, found.model, found.variant) == (path, PHONE, "Q4_K_M")
    assert (found.architecture, found.file_type, found.refusal) == ("glm4", "Q4_K_M", None)
    assert found.size_bytes == path.stat().st_size
    assert library.find(PHONE) == found == library.find(PHONE, "Q4_K_M")
    assert library.find(PHONE, "Q8_0") is None and library.find("else") is None


def test_other_models_are_listed_without_a_catalogue_name(library: Library) -> None:
    write_tiny_glm4(library.models / "x.gguf", name="Something else")
    (found,) = library.files()
    assert (found.name, found.model, found.variant) == ("Something else", None, None)


def test_random_weights_are_never_taken_for_the_model(library: Library) -> None:
    made_phone_model(library.models / "AutoGLM-Phone-9B-Q4_K_M.gguf", name="made: AutoGLM-Phone-9B shapes")
    (found,) = library.files()
    assert found.model is None


def test_damaged_files_are_listed_with_the_reason(library: Library) -> None:
    (library.models / "text.gguf").write_bytes(b"this is no model")
    whole = made_phone_model(library.models / "whole.gguf").read_bytes()
    (library.models / "half.gguf").write_bytes(whole[: len(whole) // 2])
    (library.models / "empty.gguf").write_bytes(b"")
    codes = {found.path.name: found.refusal.code if found.refusal else None for found in library.files()}
    assert codes == {
        "text.gguf": "gguf_not_a_gguf", "half.gguf": "gguf_truncated", "empty.gguf": "gguf_not_a_gguf",
        "whole.gguf": None,
    }  # fmt: skip


def test_a_projector_stands_with_its_model(library: Library) -> None:
    made_phone_model(library.models / "one" / "AutoGLM-Phone-9B.gguf")
    projector = made_projector(library.models / "one" / "mmproj.gguf")
    made_phone_model(library.models / "two" / "AutoGLM-Phone-9B.gguf")
    found = {local.path.parent.name: local.projector for local in library.files()}
    assert found == {"one": projector, "two": None}
    weights = projector_weights(projector)
    assert (weights.memory_bytes, weights.file_bytes) == (256, projector.stat().st_size)


@pytest.mark.parametrize(("kind", "mrope"), [("internvl", True), ("glm4v", False)])
def test_early_conversions_get_no_projector(library: Library, kind: str, mrope: bool) -> None:
    made_phone_model(library.models / "AutoGLM-Phone-9B.gguf", mrope=mrope)
    made_projector(library.models / "mmproj.gguf", kind)
    (found,) = library.files()
    assert found.projector is None
    model = library.catalog.model(PHONE)
    assert model is not None and not library.installed(model).projector


def test_installed_variants(library: Library) -> None:
    model = library.catalog.model(PHONE)
    assert model is not None
    assert library.installed(model).variants == frozenset()
    made_phone_model(library.models / "AutoGLM-Phone-9B.gguf")
    made_projector(library.models / "mmproj.gguf")
    found = library.installed(model)
    assert (found.variants, found.projector) == (frozenset(("Q4_K_M",)), True)


def test_files_elsewhere_are_remembered_once(library: Library, tmp_path: Path) -> None:
    path = made_phone_model(tmp_path / "elsewhere" / "AutoGLM-Phone-9B.gguf")
    assert library.add(path).model == PHONE
    library.add(path)
    again = Library(library.models, library.state, library.catalog)
    assert [found.path for found in again.files()] == [path]
    saved = json.loads((library.state / "library.json").read_text("utf-8"))
    assert saved == {"schema": 1, "paths": [str(path)]}
    assert again.forget(path) and not again.forget(path)
    assert again.files() == () and path.exists()


def test_a_remembered_file_that_is_gone_is_left_out(library: Library, tmp_path: Path) -> None:
    path = made_phone_model(tmp_path / "x.gguf")
    library.add(path)
    path.unlink()
    assert library.files() == ()


def test_what_is_no_model_is_not_remembered(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(struct.pack("<4sI", b"NOPE", 3))
    with pytest.raises(TargetError, match="gguf_not_a_gguf"):
        library.add(path)
    with pytest.raises(TargetError, match="file_not_found"):
        library.add(tmp_path / "missing.gguf")
    assert not (library.state / "library.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"paths": 3}', "\x00"])
def test_a_broken_list_counts_as_empty(library: Library, tmp_path: Path, content: str) -> None:
    library.state.mkdir()
    (library.state / "library.json").write_text(content)
    assert library.files() == ()
    library.add(made_phone_model(tmp_path / "x.gguf"))
    assert len(library.files()) == 1


def test_a_state_folder_that_cannot_be_written_is_said(library: Library, tmp_path: Path) -> None:
    library.state.write_text("a file where the folder should be")
    with pytest.raises(AppError, match="state_unwritable"):
        library.add(made_phone_model(tmp_path / "x.gguf"))


def test_a_file_is_read_again_only_when_it_changed(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    from autoglm_desktop.store import gguf

    path = made_phone_model(library.models / "AutoGLM-Phone-9B.gguf")
    read: list[str] = []
    original = gguf.read_header
    monkeypatch.setattr(gguf, "read_header", lambda path: (read.append(str(path)), original(path))[1])
    library.files()
    library.files()
    assert len(read) == 1
    os.utime(path, ns=(1, 1))
    library.files()
    assert len(read) == 2


def test_a_safetensors_folder_is_listed_and_counts_as_installed(library: Library) -> None:
    folder = write_folder(library.models / "zai-org" / "AutoGLM-Phone-9B")
    (found,) = library.files()
    assert (found.path, found.file_type, found.architecture) == (folder, "safetensors", "glm4v")
    assert (found.model, found.variant, found.repo) == (PHONE, "safetensors", "zai-org/AutoGLM-Phone-9B")
    assert found.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert found.refusal is None and found.complete
    model = library.catalog.model(PHONE)
    assert model is not None
    assert library.installed(model).variants == frozenset(("safetensors",))
    assert library.find(PHONE) == found and library.runnable(PHONE) == (found,)
    assert library.at(folder) == found


def test_a_folder_without_all_its_parts_is_refused(library: Library) -> None:
    folder = write_folder(library.models / "zai-org" / "AutoGLM-Phone-9B")
    (folder / "model-00002-of-00002.safetensors").unlink()
    (found,) = library.files()
    assert found.refusal is not None and found.refusal.code == "shard_missing" and not found.complete
    model = library.catalog.model(PHONE)
    assert model is not None and library.installed(model).variants == frozenset()


def test_a_folder_without_a_tokenizer_is_refused(library: Library) -> None:
    folder = write_folder(library.models / "zai-org" / "AutoGLM-Phone-9B")
    (folder / "tokenizer.json").unlink()
    (found,) = library.files()
    assert found.refusal is not None and found.refusal.code == "tokenizer_missing" and not found.complete
    assert "tokenizer.json" in reasons.text(found.refusal)
    (folder / "tokenizer.model").write_bytes(b"made")
    assert library.files()[0].refusal is None


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_folder_with_a_damaged_config_is_refused(library: Library, content: str) -> None:
    (write_folder(library.models / "made" / "x") / "config.json").write_text(content)
    (found,) = library.files()
    assert found.refusal is not None and found.refusal.code == "json_damaged"


def test_a_quantised_folder_is_not_the_16_bit_variant(library: Library) -> None:
    write_folder(library.models / "made" / "AutoGLM-Phone-9B", quantization_config={"bits": 4})
    (found,) = library.files()
    assert (found.model, found.variant) == (PHONE, None)


def test_what_is_being_downloaded_is_not_listed(library: Library) -> None:
    folder = write_folder(library.models / "zai-org" / "AutoGLM-Phone-9B")
    write_unfinished(folder / "model-00003-of-00003.safetensors")
    write_unfinished(library.models / "made" / "repo" / "x-Q4_K_M.gguf")
    assert library.files() == ()
    names = {item.target.name: (item.size, item.done_bytes) for item in library.unfinished()}
    assert names == {"model-00003-of-00003.safetensors": (1000, 100), "x-Q4_K_M.gguf": (1000, 100)}


def test_a_gguf_that_is_being_downloaded_leaves_the_folder_beside_it_alone(library: Library) -> None:
    folder = write_folder(library.models / "made" / "AutoGLM-Phone-9B")
    write_unfinished(folder / "x-Q4_K_M.gguf")
    assert [found.path for found in library.files()] == [folder]


def test_repositories_by_manifest_and_by_place(library: Library, tmp_path: Path) -> None:
    folder = library.models / "made" / "repo"
    first = made_phone_model(folder / "UD-Q4" / "x-Q4_K_M.gguf")
    outside = made_phone_model(tmp_path / "usb" / "y.gguf")
    remember(tmp_path / "usb", outside, repo="made/other")
    library.add(outside)
    assert {found.path: found.repo for found in library.files()} == {
        first: "made/repo",
        outside: "made/other",
    }
    (found,) = library.of_repo("Made/Repo")
    assert found.path == first and library.of_repo("made/none") == ()


def test_a_variant_is_what_the_name_says_else_what_the_header_says(library: Library) -> None:
    """Headers of mixed quantisations state the nearest plain type."""
    names = ("x-Q4_K_M.gguf", "x-UD-Q4_K_XL.gguf")
    plain, mixed = (made_phone_model(library.models / "made" / "repo" / name) for name in names)
    unnamed = made_phone_model(library.models / "made" / "other" / "x.gguf")
    both, other = library.of_repo("made/repo"), library.of_repo("made/other")
    assert [found.path for found in of_variant(both, "q4_k_m")] == [plain]
    assert [found.path for found in of_variant(both, "UD-Q4_K_XL")] == [mixed]
    assert [found.path for found in of_variant(both, "x-Q4_K_M")] == [plain]
    assert [found.path for found in of_variant(other, "Q4_K_M")] == [unnamed]
    assert of_variant(both, "Q8_0") == () and of_variant(both, None) == both


def test_a_damaged_download_is_known_by_its_repository(library: Library) -> None:
    model = library.catalog.model(PHONE)
    assert model is not None
    repo = next(source.repo for v in model.variants if v.id == "Q4_K_M" for source in v.sources)
    path = made_phone_model(library.models.joinpath(*repo.split("/")) / "AutoGLM-Phone-9B-Q4_K_M.gguf")
    path.write_bytes(path.read_bytes()[:100])
    (found,) = library.files()
    assert (found.model, found.variant) == (PHONE, "Q4_K_M")
    assert not found.complete and library.installed(model).variants == frozenset()


def test_a_folder_may_be_added_by_path(library: Library, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "AutoGLM-Phone-9B")
    assert library.add(folder).model == PHONE
    assert [found.path for found in library.files()] == [folder]
    with pytest.raises(TargetError, match="folder_without_config"):
        library.add(tmp_path)


def test_a_download_into_any_folder_is_known_by_its_manifest(library: Library, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "D" / "my models")
    remember(folder, *folder.iterdir(), repo="zai-org/AutoGLM-Phone-9B")
    library.add(folder)
    (found,) = library.files()
    assert (found.model, found.variant, found.repo) == (PHONE, "safetensors", "zai-org/AutoGLM-Phone-9B")


def made_nameless(path: Path, layers: int, architecture: str = "chatglm") -> Path:
    """A file whose header names no model, as the maker's GLM-Edge files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GgufWriter(path)
    writer.add("general.architecture", architecture)
    writer.add(f"{architecture}.block_count", layers)
    writer.add("general.file_type", 15)
    writer.add("tokenizer.ggml.model", "gpt2")
    writer.add("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_tensor("blk.0.attn_norm.weight", TYPES["F32"], (64,), lambda: [bytes(256)])
    writer.write()
    return path


@pytest.mark.parametrize(
    ("place", "layers", "model"),
    [
        ("zai-org/glm-edge-1.5b-chat-gguf", 28, "glm-edge-1.5b-chat"),
        ("ZhipuAI/glm-edge-4b-chat-gguf", 40, "glm-edge-4b-chat"),
        ("my files/glm-edge-4b-chat", 40, "glm-edge-4b-chat"),
        ("glm-edge-4b-chat", 40, "glm-edge-4b-chat"),
        ("zai-org/glm-edge-4b-chat-gguf", 28, None),
        ("made/something", 28, None),
        (".", 28, None),
    ],
)
def test_a_file_without_any_name_is_known_by_where_it_lies(
    library: Library, place: str, layers: int, model: str | None
) -> None:
    path = made_nameless(library.models / place / "ggml-model-Q4_K_M.gguf", layers)
    (found,) = library.files()
    assert (found.path, found.model, found.refusal) == (path, model, None)
    assert found.variant == ("Q4_K_M" if model is not None else None)
    known = library.catalog.model(model or "")
    assert library.at(path) == found and (known is None or found.name == known.title)


def test_a_name_of_its_own_goes_before_the_folder(library: Library) -> None:
    made_nameless(library.models / "glm-edge-4b-chat" / "other-Q4_K_M.gguf", 40)
    (found,) = library.files()
    assert (found.model, found.name) == (None, "other-Q4_K_M")


def test_a_file_without_a_name_is_known_by_its_manifest(library: Library, tmp_path: Path) -> None:
    path = made_nameless(tmp_path / "D" / "ggml-model-Q4_K_M.gguf", 28)
    remember(tmp_path / "D", path, repo="zai-org/glm-edge-1.5b-chat-gguf")
    assert library.add(path).model == "glm-edge-1.5b-chat"


THINKING = "GLM-4.1V-9B-Thinking"


def test_in_a_flat_folder_each_model_gets_its_own_projector(library: Library) -> None:
    """The alphabet would give both the same."""
    made_phone_model(library.models / "AutoGLM-Phone-9B-Q4_K_M.gguf")
    made_phone_model(library.models / f"{THINKING}-Q4_K_M.gguf", name=THINKING)
    first = made_projector(library.models / "mmproj-AutoGLM-Phone-9B-F16.gguf")
    second = made_projector(library.models / f"mmproj-{THINKING}-F16.gguf")
    found = {local.path.name: local.projector for local in library.files()}
    assert found == {"AutoGLM-Phone-9B-Q4_K_M.gguf": first, f"{THINKING}-Q4_K_M.gguf": second}
    assert {name: library.at(library.models / name).projector for name in found} == found
    first.unlink()
    found = {local.path.name: local.projector for local in library.files()}
    assert found == {"AutoGLM-Phone-9B-Q4_K_M.gguf": None, f"{THINKING}-Q4_K_M.gguf": second}


def test_the_manifest_says_whose_a_projector_is(library: Library, tmp_path: Path) -> None:
    """Names that tell nothing, in one folder that two downloads went to."""
    folder = tmp_path / "D"
    one, two = (made_phone_model(folder / f"{name}-Q4_K_M.gguf") for name in ("a", "b"))
    first, second = (made_projector(folder / f"{name}.gguf") for name in ("mmproj-F16", "x-mmproj-F16"))
    remember(folder, one, second, repo="made/one")
    remember(folder, two, first, repo="made/two")
    assert (library.add(one).projector, library.add(two).projector) == (second, first)


def test_a_projector_of_another_repository_that_the_catalogue_names(library: Library) -> None:
    from dataclasses import replace

    repo = "ggml-org/AutoGLM-Phone-9B-GGUF"
    model = library.catalog.model(PHONE)
    assert model is not None
    folder = library.models / "ggml-org" / "AutoGLM-Phone-9B-GGUF"
    path = made_phone_model(folder / "AutoGLM-Phone-9B-Q4_K_M.gguf")
    projector = made_projector(folder / "vision-mmproj.gguf")
    remember(folder, projector, repo="made/vision")
    remember(folder, path, repo=repo)
    assert library.at(path).projector is None, "it is another repository's"

    def paired(variant):  # type: ignore[no-untyped-def]
        sources = [replace(s, projector_repo="made/vision") if s.repo == repo else s for s in variant.sources]
        return replace(variant, sources=tuple(sources))

    told = replace(model, variants=tuple(map(paired, model.variants)))
    library.catalog = replace(library.catalog, models=(told, *library.catalog.models[1:]))
    assert library.at(path).projector == projector


def test_unknown_models_share_a_folder_and_keep_apart(library: Library) -> None:
    for name in ("one", "two", "three"):
        made_phone_model(library.models / f"{name}-Q4_K_M.gguf", name=f"made {name}")
    first = made_projector(library.models / "one.mmproj-F16.gguf")
    found = {local.path.stem: local.projector for local in library.files()}
    assert found == {"one-Q4_K_M": first, "two-Q4_K_M": None, "three-Q4_K_M": None}


def test_the_best_type_of_projector_is_taken(library: Library) -> None:
    made_phone_model(library.models / "AutoGLM-Phone-9B-Q4_K_M.gguf")
    made_projector(library.models / "AutoGLM-Phone-9B.mmproj-Q8_0.gguf")
    best = made_projector(library.models / "AutoGLM-Phone-9B.mmproj-f16.gguf")
    assert [local.projector for local in library.files()] == [best]


def test_an_added_file_has_the_projector_beside_it(library: Library, tmp_path: Path) -> None:
    path = made_phone_model(tmp_path / "D" / "AutoGLM-Phone-9B-Q4_K_M.gguf")
    made_phone_model(tmp_path / "D" / "not added.gguf")
    projector = made_projector(tmp_path / "D" / "mmproj.gguf")
    assert library.add(path).projector == projector
    assert [(local.path, local.projector) for local in library.files()] == [(path, projector)]


def test_a_folder_that_is_no_model_says_why(library: Library, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TargetError, match="folder_without_weights"):
        library.at(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"made")
    with pytest.raises(TargetError, match="folder_of_pickles") as told:
        library.at(tmp_path)
    assert told.value.values["name"] == "pytorch_model.bin"
