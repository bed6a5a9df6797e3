"""The llama.cpp backend on a real GPU: every rung lies where it was asked for. Needs a build for the card."""

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.core.limits import is_gpu
from tests.fakes.made_glm4v import write_picture, write_projector, write_text


@pytest.fixture
def gpu(needs_llama, start_engine):
    """A function that loads a job; skips where llama.cpp was built without a card, or sees none."""
    asked = start_engine()
    found = asked.job(protocol.Devices("llama.cpp"))
    assert isinstance(found, protocol.DeviceList), found
    if not any(is_gpu(device) for device in found.devices):
        pytest.skip(f"this llama.cpp sees no GPU, only {', '.join(found.devices)}")

    def load(path, **values):
        engine = start_engine()
        ready = engine.job(protocol.Load("llama.cpp", str(path), 2048, **values))
        assert isinstance(ready, protocol.Ready), ready
        return engine, ready.proof

    return load


@pytest.mark.gpu
def test_all_layers_on_the_card(gpu, tiny_model):
    engine, proof = gpu(tiny_model, gpu_layers=-1)
    assert proof.gpu_layers == proof.total_layers == 3
    on_card = proof.memory["gpu:0"]
    assert on_card["weights"] > 0 and on_card["kv_cache"] > 0 and on_card["compute"] > 0
    assert engine.ask("hello")[1].usage.completion_tokens > 0


@pytest.mark.gpu
def test_some_layers_on_the_card_answer_as_all_do(gpu, tiny_model):
    whole, all_of_it = gpu(tiny_model, gpu_layers=-1)
    split, part = gpu(tiny_model, gpu_layers=1)
    assert part.gpu_layers == 1 < all_of_it.gpu_layers
    assert part.memory["gpu:0"]["weights"] < all_of_it.memory["gpu:0"]["weights"]
    assert split.ask("hello", max_tokens=8)[0] == whole.ask("hello", max_tokens=8)[0]


@pytest.mark.gpu
def test_a_cpu_rung_of_a_gpu_build_takes_nothing_of_the_card(gpu, tiny_model):
    _engine, proof = gpu(tiny_model, gpu_layers=0)
    assert proof.gpu_layers == 0 and not any(key.startswith("gpu") for key in proof.memory)
    assert not proof.options.op_offload


@pytest.mark.gpu
@pytest.mark.parametrize("place", ["gpu", "cpu"])
def test_the_projector_lies_where_it_was_asked_for(gpu, tmp_path, place):
    model, projector = write_text(tmp_path / "text.gguf"), write_projector(tmp_path / "mmproj.gguf")
    engine, proof = gpu(
        model, gpu_layers=-1, projector=protocol.Projector(str(projector), place == "gpu", 64)
    )
    assert proof.projector.startswith(place)
    part = write_picture(tmp_path / "picture.rgb", 112, 112)
    content = [part, {"type": "text", "text": "what?"}]
    _text, done, _deltas = engine.send([protocol.Message("user", content)])
    assert done.usage.image_tokens == 16
