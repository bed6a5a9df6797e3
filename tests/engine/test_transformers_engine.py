"""The transformers backend as a real child process."""

import importlib.util

import pytest

from autoglm_desktop.core import protocol
from tests.engine.transformers_support import picture

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason="transformers is not installed here (extra: torch)",
)


def test_a_session_with_a_picture(start_engine, made_glm4v, tmp_path):
    engine = start_engine()
    ready = engine.job(
        protocol.Load("transformers", str(made_glm4v), 1024, dtype="bf16", quantisation="nf4-lean")
    )
    assert isinstance(ready, protocol.Ready), ready
    assert ready.proof.quantised_modules == 27
    content = [picture(tmp_path), {"type": "text", "text": "打开设置"}]
    text, done, deltas = engine.send([protocol.Message("user", content)])
    assert isinstance(done, protocol.Done) and done.usage.image_tokens == 6
    assert text and done.usage.completion_tokens >= deltas[-1].tokens

    def cancel(request, count):
        if count == 3:
            engine.process.cancel(request)

    _, done, _ = engine.ask("hello", on_delta=cancel, max_tokens=900)
    assert done.finish_reason in ("cancelled", "stop") and done.usage.completion_tokens < 900
    _, failed, _ = engine.send([protocol.Message("user", [{**content[0], "width": 1}])])
    assert isinstance(failed, protocol.Failed) and failed.kind == "unsupported" and failed.id is not None
    assert engine.ask("still there?")[1].finish_reason in ("length", "stop")


def test_devices_and_failures(start_engine, made_glm4, tmp_path):
    engine = start_engine()
    devices = engine.job(protocol.Devices("transformers"))
    assert isinstance(devices, protocol.DeviceList), devices
    assert any(name.startswith("CPU") for name in devices.devices) and "torch" in devices.build
    failed = engine.job(protocol.Load("transformers", str(tmp_path), 1024))
    assert isinstance(failed, protocol.Failed) and failed.kind == "bad_file"
    ready = engine.job(protocol.Load("transformers", str(made_glm4), 512, dtype="bf16"))
    assert isinstance(ready, protocol.Ready), ready
    assert engine.ask("hello")[0]
