"""Models of other programs: made_ folders in the layouts that their public sources describe (see store.elsewhere)."""

import hashlib
import json
import time
from pathlib import Path

import pytest

from autoglm_desktop.store import catalog
from autoglm_desktop.store.elsewhere import Elsewhere, hubs, jan, lmstudio, ollama
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.library import Library
from tests.fakes.made_models import write_folder
from tests.unit.test_library import made_phone_model, made_projector

COMMIT = "c" * 40


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "家 home"
    folder.mkdir()
    return folder


def search(home, environment=None, system="linux", **more):
    return Elsewhere(home, environment or {}, system, shared=(), **more)


def library(tmp_path, found):
    return Library(tmp_path / "models", tmp_path / "state", catalog.load(), found)


def tiny(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tiny_glm4(path, name="made tiny")
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made_hub_cache(cache, repo="made/Tiny-GGUF", name="tiny.gguf", commit=COMMIT):
    """A blob named by its hash and a snapshot that links to it; returns the snapshot's file."""
    folder = cache / ("models--" + repo.replace("/", "--"))
    fresh = tiny(folder / "blobs" / "fresh")
    blob = fresh.rename(fresh.with_name(digest(fresh)))
    link = folder / "snapshots" / commit / name
    link.parent.mkdir(parents=True)
    make_link(link, Path("../../blobs") / blob.name)
    return link


def make_link(link: Path, target: Path, *, folder: bool = False) -> None:
    try:
        link.symlink_to(target, target_is_directory=folder)
    except OSError as error:  # Windows without the right to
        pytest.skip(f"links cannot be made here: {error}")


@pytest.mark.parametrize(
    ("variables", "place"),
    [({}, ".cache/huggingface/hub"), ({"HF_HOME": "HOME/hf"}, "hf/hub"), ({"HF_HUB_CACHE": "HOME/c"}, "c")],
)
def test_hugging_face_cache(home, variables, place):
    link = made_hub_cache(home / place)
    environment = {key: value.replace("HOME", str(home)) for key, value in variables.items()}
    (found,) = search(home, environment).models()
    assert (found.path, found.place, found.repo) == (link, "huggingface", "made/Tiny-GGUF")
    assert search(home, environment).with_sha256(digest(link)) == link.resolve()


def test_a_file_of_two_snapshots_is_listed_once_and_the_branch_decides(home, tmp_path):
    link = made_hub_cache(home / ".cache/huggingface/hub", commit="1" * 40)
    second = link.parents[1] / ("2" * 40) / link.name
    second.parent.mkdir()
    make_link(second, Path("../../blobs") / link.resolve().name)
    (link.parents[2] / "refs").mkdir()
    (link.parents[2] / "refs" / "main").write_text("2" * 40)
    (local,) = library(tmp_path, search(home)).files()
    assert (local.path, local.place, local.repo) == (second, "huggingface", "made/Tiny-GGUF")


def test_broken_links_and_unfinished_blobs_are_nothing(home):
    link = made_hub_cache(home / ".cache/huggingface/hub")
    blob = link.resolve()
    blob.rename(blob.with_name(blob.name + ".incomplete"))
    assert search(home).models() == ()
    assert search(home).with_sha256(blob.name) is None


def test_safetensors_of_the_cache_are_listed_where_the_catalogue_knows_them(home, tmp_path):
    cache = home / ".cache/huggingface/hub"
    known = write_folder(cache / "models--zai-org--AutoGLM-Phone-9B" / "snapshots" / COMMIT)
    write_folder(cache / "models--made--something-else" / "snapshots" / COMMIT, model_type="bert")
    found = library(tmp_path, search(home))
    (local,) = found.files()
    assert (local.path, local.place, local.variant) == (known, "huggingface", "safetensors")
    assert (local.repo, local.name) == ("zai-org/AutoGLM-Phone-9B", "AutoGLM-Phone-9B")
    assert found.at(known) == local
    model = found.catalog.model("autoglm-phone-9b")
    assert found.installed(model).variants == frozenset(("safetensors",))


def test_hashes_that_are_none_find_nothing(home):
    made_hub_cache(home / ".cache/huggingface/hub")
    assert search(home).with_sha256("0" * 64) is None
    assert search(home).with_sha256("../../x") is None


@pytest.mark.parametrize("place", ["hub/models/made/Tiny-4___1V-GGUF", "hub/made/Tiny-4___1V-GGUF"])
@pytest.mark.parametrize("variable", [None, "base", "hub"])
def test_modelscope_cache(home, place, variable):
    base = home / (".cache/modelscope" if variable is None else "ms")
    path = tiny(base / place / "x.gguf")
    tiny(base / "hub/models/._____temp/made/other/y.gguf")
    value = {
        None: {},
        "base": {"MODELSCOPE_CACHE": str(base)},
        "hub": {"MODELSCOPE_CACHE": str(base / "hub")},
    }
    (found,) = search(home, value[variable]).models()
    assert (found.path, found.place, found.repo) == (path, "modelscope", "made/Tiny-4.1V-GGUF")


@pytest.mark.parametrize("way", ["new", "old", "pointer", "settings", "program settings"])
def test_lm_studio(home, way):
    root = {
        "new": home / ".lmstudio" / "models",
        "old": home / ".cache" / "lm-studio" / "models",
        "pointer": home / "other" / "models",
    }.get(way, home / "my models")
    path = tiny(root / "made" / "Tiny-GGUF" / "tiny.gguf")
    if way == "pointer":
        (home / ".lmstudio-home-pointer").write_text(f"{home / 'other'}\n")
    if "settings" in way:
        folder = home / (".lmstudio" if way == "settings" else ".config/LM Studio")
        folder.mkdir(parents=True)
        (folder / "settings.json").write_text(json.dumps({"downloadsFolder": str(root)}))
    (found,) = search(home).models()
    assert (found.path, found.place, found.repo) == (path, "lmstudio", "made/Tiny-GGUF")


def test_lm_studio_may_link_to_folders_in_a_ring(home, tmp_path):
    path = tiny(home / ".lmstudio" / "models" / "made" / "one" / "x.gguf")
    make_link(path.parent / "again", path.parent.parent, folder=True)
    assert [local.path for local in library(tmp_path, search(home)).files()] == [path]


@pytest.mark.parametrize(
    ("system", "folder", "variables"),
    [
        ("linux", ".local/share/Jan/data", {}),
        ("linux", "xdg/Jan/data", {"XDG_DATA_HOME": "HOME/xdg"}),
        ("linux", ".config/Jan/data", {}),
        ("darwin", "Library/Application Support/Jan/data", {}),
        ("win32", "AppData/Roaming/Jan/data", {}),
        ("linux", "jan", {}),
        ("linux", "own", {"JAN_DATA_FOLDER": "HOME/own"}),
    ],
)
def test_jan_data_folders(home, system, folder, variables):
    model = tiny(home / folder / "llamacpp" / "models" / "made" / "tiny" / "model.gguf")
    made_projector(model.with_name("mmproj.gguf"))
    text = (
        "embedding: false\nmodel_path: llamacpp/models/made/tiny/model.gguf\n"
        "mmproj_path: llamacpp/models/made/tiny/mmproj.gguf\nname: 'made: tiny'\nsize_bytes: 10\n"
    )
    model.with_name("model.yml").write_text(text)
    environment = {key: value.replace("HOME", str(home)) for key, value in variables.items()}
    (found,) = search(home, environment, system).models()
    assert (found.path, found.place, found.name) == (model, "jan", "made: tiny")
    assert found.projector == model.with_name("mmproj.gguf")


def test_jan_with_a_data_folder_of_its_own_and_an_imported_file(home):
    settings = home / ".local/share/Jan/settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"data_folder": str(home / "jan data")}))
    model = tiny(home / "files" / "x.gguf")
    folder = home / "jan data" / "llamacpp" / "models" / "x"
    folder.mkdir(parents=True)
    (folder / "model.yml").write_text(f"model_path: {model}\n")
    old = tiny(home / "jan data" / "models" / "old" / "old.gguf")
    assert {found.path for found in search(home).models()} == {model, old}


def made_ollama(root, *, tag="9b", complete=True, projector=False):
    blobs = root / "blobs"
    layers = []
    fresh = blobs / "fresh"
    makes = [("model", lambda: made_phone_model(fresh))]
    makes += [("projector", lambda: made_projector(fresh))] if projector else []
    for kind, make in makes:
        make()
        layers.append(
            {
                "mediaType": f"application/vnd.ollama.image.{kind}",
                "digest": f"sha256:{digest(fresh)}",
                "size": fresh.stat().st_size + (0 if complete else 1),
            }
        )
        fresh.rename(blobs / f"sha256-{digest(fresh)}")
    path = root / "manifests" / "registry.ollama.ai" / "library" / "glm4" / tag
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return blobs / layers[0]["digest"].replace(":", "-")


def test_ollama(home, tmp_path):
    blob = made_ollama(home / ".ollama" / "models", projector=True)
    found = search(home)
    (model,) = found.models()
    assert (model.path, model.place, model.name) == (blob, "ollama", "glm4:9b")
    (local,) = library(tmp_path, found).files()
    assert (local.place, local.name, local.refusal) == ("ollama", "glm4:9b", None)
    assert local.projector is not None and local.projector.name.startswith("sha256-")
    assert library(tmp_path, found).at(blob).projector == local.projector
    assert found.with_sha256(digest(blob)) == blob


def test_ollama_elsewhere_and_of_the_system(home, tmp_path):
    made_ollama(tmp_path / "disk")
    blob = made_ollama(tmp_path / "shared")
    found = Elsewhere(home, {"OLLAMA_MODELS": str(tmp_path / "disk")}, "linux", shared=(tmp_path / "shared",))
    assert [model.path.parents[1].name for model in found.models()] == ["disk", "shared"]
    assert found.with_sha256(digest(blob)).parents[1].name == "disk"


def test_ollama_blobs_that_are_not_complete_are_nothing(home):
    made_ollama(home / ".ollama" / "models", complete=False)
    assert search(home).models() == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"layers": 3}', '{"layers": [{"mediaType": 1}]}', "\x00"])
def test_manifests_of_something_else(text):
    assert ollama.parse_manifest(text) is None


def test_names():
    assert ollama.parse_name(("registry.ollama.ai", "library", "glm4", "9b")) == "glm4:9b"
    assert ollama.parse_name(("hf.co", "made", "repo", "Q4_K_M")) == "hf.co/made/repo:Q4_K_M"
    assert hubs.parse_repo_folder("models--made--a--b") == "made/a--b"
    assert hubs.parse_repo_folder("models--gpt2") is None and hubs.parse_repo_folder("datasets--a--b") is None
    assert jan.parse_model_yml('name: "a \\"b\\""\nmodel_path: C:\\x\\m.gguf\n') == jan.ModelYml(
        "C:\\x\\m.gguf", None, 'a "b"'
    )
    assert lmstudio.parse_downloads_folder("[]") is None and lmstudio.parse_downloads_folder("{") is None
    assert jan.parse_data_folder('{"data_folder": 3}') is None


def test_what_cannot_be_read_is_left_out(home):
    for name in (".lmstudio/settings.json", ".ollama/models", ".cache/huggingface/hub"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"\xff\x00 no folder, no JSON")
    path = tiny(home / ".cache" / "lm-studio" / "models" / "made" / "x" / "x.gguf")
    assert [found.path for found in search(home).models()] == [path]


def test_own_files_come_first_and_a_hard_link_is_the_same_file(home, tmp_path):
    path = tiny(home / ".lmstudio" / "models" / "made" / "x" / "x.gguf")
    own = tmp_path / "models" / "x.gguf"
    own.parent.mkdir()
    own.hardlink_to(path)
    (local,) = library(tmp_path, search(home)).files()
    assert (local.path, local.place) == (own, None)


def test_results_are_kept_for_a_moment(home):
    now = [0.0]
    found = search(home, clock=lambda: now[0], keep_s=3.0)
    assert found.models() == ()
    tiny(home / ".lmstudio" / "models" / "made" / "x" / "x.gguf")
    assert found.models() == ()
    now[0] = 3.5
    assert len(found.models()) == 1


def test_many_files_are_listed_without_reading_them_again(home, tmp_path, monkeypatch):
    source = tiny(tmp_path / "tiny.gguf")
    for index in range(60):
        path = home / ".lmstudio" / "models" / "made" / f"m{index}" / "x.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(source.read_bytes())
    found = library(tmp_path, search(home, keep_s=0))
    assert len(found.files()) == 60
    monkeypatch.setattr("autoglm_desktop.store.gguf.read_header", lambda path: pytest.fail("read again"))
    start = time.perf_counter()
    assert len(found.files()) == 60
    print(f"60 files listed again in {1000 * (time.perf_counter() - start):.0f} ms")
