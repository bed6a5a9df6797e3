"""The self-test of an engine environment with fake engines: passed, safe mode, failed."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from autoglm_desktop.host.environments import Description, Environment, Record
from autoglm_desktop.host.self_test import MODEL_NAME, self_test
from tests.fakes.fake_engine import fake_command

DESCRIPTION = Description("llama-cpu", "llama.cpp", "llama-cpp-python", "llama_cpp")
ENVIRONMENT = Environment(DESCRIPTION, Path(), Record("llama-cpu", "0.3.36", message="old"), own=True)
needs_signals = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("缓存 cache")
    (folder / MODEL_NAME).write_bytes(b"made: the fake engine opens no file")
    return folder


def run(cache, *command):
    work = self_test(ENVIRONMENT, cache, "made CPU", command=fake_command(*command))
    return asyncio.run(asyncio.wait_for(work, 60))


def test_a_working_engine_passes(cache):
    record = run(cache, "ok")
    assert (record.self_test, record.message) == ("passed", None)
    assert record.hardware == "made CPU" and record.build == "fake engine" and record.version == "0.3.36"
    assert record.options.use_extra_bufts


@needs_signals
def test_a_crash_is_answered_by_safe_options(cache):
    record = run(cache, "crash-unless-safe")
    assert record.self_test == "safe_mode"
    assert not record.options.use_extra_bufts
    assert "SIGSEGV" in record.message


@needs_signals
@pytest.mark.parametrize("mode", ["crash-load", "crash-generate"])
def test_an_engine_that_crashes_both_ways_failed(cache, mode):
    record = run(cache, mode)
    assert record.self_test == "failed" and "SIGSEGV" in record.message


def test_a_wrong_answer_is_not_passed(cache):
    wrong = [*fake_command("ok")(Path())[:-1], "nonsense"]  # the last word is what the self-test model says
    work = self_test(ENVIRONMENT, cache, "made CPU", command=lambda _python: wrong)
    record = asyncio.run(asyncio.wait_for(work, 60))
    assert record.self_test == "failed" and "nonsense" in record.message


def test_noise_does_not_matter(cache):
    assert run(cache, "noise").self_test == "passed"


@pytest.mark.parametrize(("mode", "part"), [("bad-file", "magic"), ("oom", "failed to allocate")])
def test_other_failures_are_told(cache, mode, part):
    record = run(cache, mode)
    assert record.self_test == "failed" and part in record.message


def test_the_model_is_written_once(tmp_path):
    work = self_test(ENVIRONMENT, tmp_path / "new", "made CPU", command=fake_command("ok"))
    assert asyncio.run(asyncio.wait_for(work, 60)).self_test == "passed"
    model = tmp_path / "new" / MODEL_NAME
    assert model.read_bytes()[:4] == b"GGUF"
    before = model.stat().st_mtime_ns
    work = self_test(ENVIRONMENT, tmp_path / "new", "made CPU", command=fake_command("ok"))
    asyncio.run(asyncio.wait_for(work, 60))
    assert model.stat().st_mtime_ns == before


def examined(cache, description, *command):
    environment = Environment(description, Path(), Record(description.name, "1"), own=False)
    work = self_test(environment, cache, "made CPU", command=fake_command(*command))
    return asyncio.run(asyncio.wait_for(work, 60))


def test_transformers_is_tested_by_its_devices(cache):
    record = examined(cache, Description("torch-cpu", "transformers", "torch", "torch"), "ok")
    assert (record.self_test, record.devices, record.build) == (
        "passed",
        ("CPU (fake engine)",),
        "fake engine",
    )


def test_torch_for_a_card_that_sees_none_did_not_pass(cache):
    description = Description("torch-cuda", "transformers", "torch", "torch", gpu=True, device="cuda")
    record = examined(cache, description, "ok")
    assert record.self_test == "failed"
    assert "CPU (fake engine)" in record.message and "fake engine" in record.message


@needs_signals
def test_torch_that_crashes_did_not_pass(cache):
    wanted = Description("torch-cpu", "transformers", "torch", "torch")
    dying = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
    environment = Environment(wanted, Path(), Record("torch-cpu", "1"), own=False)
    work = self_test(environment, cache, "made CPU", command=lambda _python: dying)
    record = asyncio.run(asyncio.wait_for(work, 60))
    assert record.self_test == "failed" and "SIGSEGV" in record.message


def test_llama_for_a_card_must_have_its_layers_there(cache):
    """The fake engine has no card: asked for all layers it says that none is on one."""
    description = Description(
        "llama-cuda", "llama.cpp", "llama-cpp-python", "llama_cpp", gpu=True, device="cuda"
    )
    record = examined(cache, description, "ok")
    assert record.self_test == "failed" and "no layer is on a graphics card" in record.message
