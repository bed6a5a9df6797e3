"""The transformers backend on a real GPU: every precision lies where it was asked for."""

import importlib.util

import pytest

from tests.engine.transformers_support import InProcess, picture


@pytest.fixture
def gpu():
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed in this environment (extra: torch)")
    import torch

    if not torch.cuda.is_available():
        pytest.skip(f"torch {torch.__version__} sees no CUDA GPU here")
    return torch.cuda.device_count()


@pytest.mark.gpu
@pytest.mark.parametrize("quantisation", [None, "int8", "nf4", "nf4-lean"])
def test_every_precision_lies_on_the_gpu(gpu, made_glm4v, tmp_path, quantisation):
    loaded = InProcess(
        made_glm4v, dtype="fp16", quantisation=quantisation, max_memory={"gpu:0": 1 << 30, "ram": 1 << 30}
    )
    proof = loaded.proof
    assert proof.gpu_layers == proof.total_layers == 3
    assert proof.devices[0].startswith("cuda:0 (")
    on_gpu = proof.memory["gpu:0"]
    assert on_gpu["weights"] > 0 and on_gpu["projector"] > 0 and on_gpu["compute"] > 0
    host = proof.memory.get("ram", {}).get("weights", 0)
    assert host == (512 * 128 * 2 if quantisation == "nf4-lean" else 0)
    content = [picture(tmp_path), {"type": "text", "text": "what?"}]
    text, done = loaded.ask(content)
    assert text and done.usage.image_tokens == 6
    assert loaded.backend.memory().devices["gpu:0"] > 0
    loaded.backend.unload()


@pytest.mark.gpu
def test_a_context_that_the_gpu_can_not_hold_fails_before_ready(gpu, made_glm4v):
    from autoglm_desktop.engine.server import JobFailed

    with pytest.raises(JobFailed) as failed:
        InProcess(made_glm4v, dtype="fp16", max_memory={"gpu:0": 1 << 30}, context=1 << 30)
    assert failed.value.kind == "out_of_memory"


@pytest.mark.gpu
def test_two_gpus_share_the_layers(gpu, made_glm4v):
    if gpu < 2:
        pytest.skip("one GPU only")
    whole = InProcess(made_glm4v, dtype="fp16", max_memory={"gpu:0": 1 << 30})
    size = whole.proof.footprint_bytes
    loaded = InProcess(made_glm4v, dtype="fp16", max_memory={"gpu:0": size * 2 // 3, "gpu:1": size})
    assert {"gpu:0", "gpu:1"} <= set(loaded.proof.memory)
    assert loaded.proof.gpu_layers == 3 and loaded.ask("hello")[0] == whole.ask("hello")[0]
