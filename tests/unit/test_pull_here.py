"""What another program has already: used where it lies, or taken from there after hashing."""

import json

import pytest

from autoglm_desktop.store.elsewhere import Elsewhere
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from tests.fakes.fake_hub import FakeHub
from tests.fakes.made_models import write_folder
from tests.unit.pull_checks import (
    LUCKY,
    PHONE,
    PHONE_FILE,
    PHONE_PROJECTOR,
    REPO,
    codes,
    planned,
    pulled,
    services,
)
from tests.unit.test_elsewhere import digest, made_hub_cache, make_link
from tests.unit.test_library import made_phone_model, made_projector

NAME = "Some-Model-9B.Q4_K_M.gguf"


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "家 home"
    folder.mkdir()
    return folder


def tiny_bytes(tmp_path, name="made tiny"):
    path = tmp_path / "made" / f"{name}.gguf"
    path.parent.mkdir(exist_ok=True)
    write_tiny_glm4(path, name=name)
    return path.read_bytes()


def elsewhere(home):
    return Elsewhere(home, {}, "linux", shared=(), keep_s=0)


def in_ollama(home, data, kind="model", more=()):
    import hashlib

    found = [(kind, data), *more]
    root = home / ".ollama" / "models"
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    layers = []
    for kind, content in found:
        sha = hashlib.sha256(content).hexdigest()
        (root / "blobs" / f"sha256-{sha}").write_bytes(content)
        layers.append(
            {
                "mediaType": f"application/vnd.ollama.image.{kind}",
                "digest": f"sha256:{sha}",
                "size": len(content),
            }
        )
    path = root / "manifests" / "registry.ollama.ai" / "library" / "made" / "9b"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"layers": layers}))
    return root / "blobs" / layers[0]["digest"].replace(":", "-")


def in_cache(home, data, name=NAME):
    cache = home / ".cache/huggingface/hub"
    link = made_hub_cache(cache, REPO, name)
    blob = link.resolve()
    blob.write_bytes(data)
    fresh = blob.rename(blob.with_name(digest(blob)))
    link.unlink()
    make_link(link, fresh)
    return link


@pytest.mark.parametrize("place", [in_cache, in_ollama], ids=["huggingface", "ollama"])
def test_what_another_program_has_is_used_in_place_after_hashing(tmp_path, home, place):
    data = tiny_bytes(tmp_path)
    path = place(home, data)
    with FakeHub({REPO: {NAME: data}}) as hub:
        made = services(tmp_path, hub, elsewhere=elsewhere(home))
        plan = planned(made)
        assert (plan.in_place, plan.remaining_bytes) == (path, 0)
        seen = []
        found = pulled(made, seen=seen)
        assert found.fetched_bytes == 0 and [file.verified for file in found.files] == ["sha256"]
        assert [one.stage for one in seen][-1] == "done" and hub.sent(NAME) == 0
    assert not made.models.exists() and path.read_bytes() == data


def test_what_is_wrong_there_is_fetched(tmp_path, home):
    data = tiny_bytes(tmp_path)
    blob = in_ollama(home, data)
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with FakeHub({REPO: {NAME: data}}) as hub:
        made = services(tmp_path, hub, elsewhere=elsewhere(home))
        assert planned(made).in_place == blob
        found = pulled(made)
        assert found.plan.in_place is None and hub.sent(NAME) >= len(data)
    assert (made.models / REPO / NAME).read_bytes() == data


def test_a_named_folder_gets_its_own_copy_from_there(tmp_path, home):
    data = tiny_bytes(tmp_path)
    in_ollama(home, data)
    with FakeHub({REPO: {NAME: data}}) as hub:
        made = services(tmp_path, hub, elsewhere=elsewhere(home))
        found = pulled(made, folder=tmp_path / "D")
        assert found.fetched_bytes == 0 and hub.sent(NAME) == 0
    assert (tmp_path / "D" / NAME).read_bytes() == data


def test_a_model_without_the_vision_part_that_it_should_have_is_not_enough(tmp_path, home):
    """The weights are taken from there, the vision part is fetched."""
    model = made_phone_model(tmp_path / "made" / "m.gguf").read_bytes()
    projector = made_projector(tmp_path / "made" / "p.gguf").read_bytes()
    in_ollama(home, model)
    with FakeHub({LUCKY: {PHONE_FILE: model, PHONE_PROJECTOR: projector}}) as hub:
        made = services(tmp_path, hub, elsewhere=elsewhere(home))
        assert planned(made, PHONE).in_place is None
        found = pulled(made, PHONE)
        assert hub.sent(PHONE_FILE) == 0 and found.fetched_bytes == len(projector)
        in_ollama(home, model, more=[("projector", projector)])
        assert (
            planned(services(tmp_path / "other", hub, elsewhere=elsewhere(home)), PHONE).in_place is not None
        )


def test_a_safetensors_folder_of_the_cache(tmp_path, home):
    """Its weights are compared; small files of a cache have no sha256."""
    cache = home / ".cache/huggingface/hub"
    folder = cache / "models--zai-org--AutoGLM-Phone-9B"
    snapshot = write_folder(folder / "snapshots" / ("c" * 40))
    files = {}
    (folder / "blobs").mkdir()
    for path in sorted(snapshot.iterdir()):
        if path.suffix == ".safetensors":
            path.write_bytes(path.read_bytes() + path.name.encode() + bytes(120_000))
            blob = path.rename(folder / "blobs" / digest(path))
            make_link(path, blob)
        files[path.name] = path.read_bytes()
    with FakeHub({"zai-org/AutoGLM-Phone-9B": files}) as hub:
        made = services(tmp_path, hub, elsewhere=elsewhere(home))
        plan = planned(made, "autoglm-phone-9b:safetensors")
        assert plan.in_place == snapshot and codes(plan.notes) == []


def test_lm_studio_and_jan_have_no_hashes_in_their_names(tmp_path, home):
    """Their models are listed and used; a download does not take them for its own."""
    data = tiny_bytes(tmp_path)
    path = home / ".lmstudio" / "models" / REPO / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with FakeHub({REPO: {NAME: data}}) as hub:
        made = services(tmp_path, hub, elsewhere=elsewhere(home))
        assert [local.place for local in made.library.of_repo(REPO)] == ["lmstudio"]
        assert planned(made).in_place is None
