"""Which files of a target can look at pictures, and what is said where none can."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from PIL import Image

from autoglm_desktop.cli_pictures import FirstPicture
from autoglm_desktop.core.errors import AppError, EngineError, TargetError
from autoglm_desktop.core.protocol import Proof
from autoglm_desktop.core.rungs import PhoneStep, RungPlan
from autoglm_desktop.store import catalog
from autoglm_desktop.store.library import Library
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases import pictures
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session_state import SessionState
from autoglm_desktop.usecases.targets import Target
from tests.fakes import made_glm4v


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "models", tmp_path / "state", catalog.load())


@pytest.fixture
def place(tmp_path):
    """A folder of the repository made/repo in the models folder."""
    folder = tmp_path / "models" / "made" / "repo"
    folder.mkdir(parents=True)
    return folder


def seeing(library, *files):
    return pictures.seeing(library, Target("made", files[0], others=tuple(files[1:])))


def refused(library, *files):
    with pytest.raises(TargetError) as caught:
        seeing(library, *files)
    assert "?" not in errors.text(caught.value)
    return caught.value


def folder_of(path, kind):
    path.mkdir()
    config = {"model_type": kind, "architectures": ["X"], "num_hidden_layers": 2, "text_config": {}}
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (path / "model.safetensors").write_bytes(b"\0" * 64)
    return path


def test_a_model_with_its_part_sees(library, place):
    made_glm4v.write_projector(place / "mmproj-tiny-F16.gguf")
    path = made_glm4v.write_text(place / "tiny-F16.gguf")
    assert seeing(library, path) == Target("made", path)


def test_a_target_is_narrowed_to_what_sees(library, place, tmp_path):
    blind = made_glm4v.write_text(tmp_path / "blind.gguf", sections=False)
    made_glm4v.write_projector(place / "mmproj-tiny-F16.gguf")
    path = made_glm4v.write_text(place / "tiny-F16.gguf")
    folder = folder_of(tmp_path / "folder", "glm4v")
    assert seeing(library, blind, path, folder) == Target("made", path, others=(folder,))


def test_without_its_part_a_model_of_a_repository_names_the_pull(library, place):
    error = refused(library, made_glm4v.write_text(place / "tiny-F16.gguf"))
    assert error.code == "vision_part_to_pull" and error.values["model"] == "made/repo:F16"


def test_without_its_part_any_file_names_the_folder(library, tmp_path):
    error = refused(library, made_glm4v.write_text(tmp_path / "tiny.gguf"))
    assert error.code == "vision_part_missing" and error.values["folder"] == str(tmp_path)


def test_a_damaged_part_is_named(library, place):
    part = made_glm4v.write_projector(place / "mmproj-tiny-F16.gguf")
    part.write_bytes(part.read_bytes()[:-1000])
    error = refused(library, made_glm4v.write_text(place / "tiny-F16.gguf"))
    assert error.code == "vision_part_damaged" and str(part) in errors.text(error)


def test_a_text_model_is_named_so(library, tmp_path):
    assert refused(library, made_glm4v.write_text(tmp_path / "t.gguf", sections=False)).code == "vision_none"
    assert refused(library, folder_of(tmp_path / "folder", "glm4")).code == "vision_none"


@pytest.mark.parametrize(
    ("made", "code"),
    [({"without": "v.blk.0.ffn_up.weight"}, "projector_incomplete"), ({"out": 256}, "projector_other_model")],
)
def test_a_part_that_does_not_fit_is_named(library, place, made, code):
    made_glm4v.write_projector(place / "mmproj-tiny-F16.gguf", **made)
    error = refused(library, made_glm4v.write_text(place / "tiny-F16.gguf"))
    assert error.code == code and "mmproj-tiny-F16.gguf" in errors.text(error)


PLAN = RungPlan("gguf-cpu", context=10_240, phone_step=PhoneStep(817, 2000, 0, 200))


def test_the_room_is_of_the_running_engine():
    proof = Proof("llama.cpp", "made", projector="cpu glm4v F16", context=8192)
    assert pictures.room(SessionState(plan=PLAN, proof=proof), "hello", 1024) == 817
    small = Proof("llama.cpp", "made", projector="cpu glm4v F16", context=600)
    assert pictures.room(SessionState(plan=PLAN, proof=small), "hello", 16) == 600 - 64 - 16 - 1


def test_no_vision_part_was_loaded():
    with pytest.raises(EngineError) as caught:
        pictures.room(SessionState(plan=PLAN, proof=Proof("llama.cpp", "made")), "hello", 1024)
    assert caught.value.code == "no_vision_loaded" and "GGUF on the CPU" in errors.text(caught.value)


def test_a_full_context_has_no_room():
    proof = Proof("llama.cpp", "made", projector="cpu glm4v F16", context=512)
    with pytest.raises(AppError) as caught:
        pictures.room(SessionState(plan=PLAN, proof=proof), "hello", 1024)
    assert caught.value.code == "picture_no_room"


def test_a_picture_whose_question_failed_goes_with_the_next_one(tmp_path):
    shot = tmp_path / "shot.png"
    Image.new("RGB", (56, 56), "red").save(shot)
    proof = Proof("llama.cpp", "made", projector="cpu glm4v F16", context=8192)
    session = SimpleNamespace(state=SessionState("ready", plan=PLAN, proof=proof))

    async def work():
        picture = FirstPicture(create_services(tmp_path / "home"), str(shot))
        first = await picture.message(session, "one", 100)
        picture.take_back(first)
        second, third = [await picture.message(session, text, 100) for text in ("two", "three")]
        picture.take_back(third)
        fourth = await picture.message(session, "four", 100)
        await picture.close()
        return first.content, second.content, third.content, fourth.content

    first, second, third, fourth = asyncio.run(work())
    assert first[0] == second[0] and (third, fourth) == ("three", "four")
