"""``check`` of a repository that is here, as ``chat`` takes it: what can't be read is left out."""

import json
from types import SimpleNamespace

import pytest

from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.machine import EngineInfo, Machine, Runtime
from autoglm_desktop.core.rungs import DeviceMemory, ModelPlan, Recommendation, RungPlan
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.texts.next_steps import _engine, _target
from autoglm_desktop.usecases.check import planned
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.targets import resolve
from tests.unit.test_folder_subject import CONFIG


def test_a_damaged_file_does_not_hide_the_others_and_the_repository_is_named_as_it_was_typed(tmp_path):
    services = create_services(tmp_path)
    place = services.library.models / "made" / "repo"
    place.mkdir(parents=True)
    for kind in ("F16", "Q8_0"):
        gguf_tiny.write_tiny_glm4(place / f"x-{kind}.gguf", weight_type=kind)
    (place / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (place / "tokenizer.json").write_text("{}")
    (place / "model.safetensors").write_bytes(b"\xff" * 16)
    assert len(resolve(services.library, "made/repo").files) == 3
    (found,) = planned("made/repo", services)
    assert set(found.files) == {"F16", "Q8_0"} and _target(found) == "made/repo"


@pytest.mark.parametrize(
    ("rung", "device", "installed", "named"),
    [
        ("transformers-16bit", "ram", False, "torch-cpu"),
        ("transformers-nf4", "gpu:0", False, "torch-cuda"),
        ("transformers-nf4", "gpu:0", True, None),
        ("gguf-cpu", "ram", False, None),
    ],
)
def test_the_engine_of_the_recommended_way_is_named_where_it_lacks(rung, device, installed, named):
    row = RungPlan(rung, status="fits", engine_installed=installed, memory={device: DeviceMemory()})
    best = Recommendation(rung, "x", 0)
    plan = ModelPlan("x", "text", "runs", Reason("made"), None, best, (row,))
    machine = Machine(runtime=Runtime(engines=(EngineInfo("llama-cpu", "llama.cpp"),)))
    told = _engine(SimpleNamespace(models=(plan,), machine=machine))
    assert [line.split()[-1] for line in told] == ([named] if named else [])
