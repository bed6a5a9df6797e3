"""A real llama.cpp whose fast kernels die by SIGSEGV at the first decode: met once, answered, remembered."""

import asyncio
import contextlib
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.protocol import Delta, Message, Sampling
from autoglm_desktop.host import crashes
from autoglm_desktop.host.command import engine_command
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session
from autoglm_desktop.usecases.targets import resolve

SOURCE = Path(__file__).parents[1] / "fakes" / "crashing_kernels.c"


@pytest.fixture(scope="module")
def preload(tmp_path_factory):
    if not sys.platform.startswith("linux"):
        pytest.skip("the crashing kernels enter by LD_PRELOAD, which is Linux's")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to build the crashing kernels with")
    library = tmp_path_factory.mktemp("kernels") / "crashing.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", library, SOURCE], check=True)
    return library


@pytest.fixture
def services(needs_llama, preload, tmp_path):
    def command(python):
        return ["env", f"LD_PRELOAD={preload}", *engine_command(python)]

    return dataclasses.replace(create_services(tmp_path / "home"), command=command)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.gguf"
    gguf_tiny.write_self_test_model(path)
    return path


async def load_and_ask(services, model):
    session = Session(services, prepare)
    try:
        state = await session.load(await asyncio.to_thread(resolve, services.library, str(model)))
        text = ""
        sampling = Sampling(temperature=0.0, max_tokens=6)
        async with contextlib.aclosing(session.generate([Message("user", "hello")], sampling)) as events:
            async for event in events:
                text += event.text if isinstance(event, Delta) else ""
        return state, text
    finally:
        await session.close()


def crashes_here(services, model) -> bool:
    """Whether this processor uses the kernels that were replaced (x86 with AVX2 or more does)."""
    probe = dataclasses.replace(services, command=services.command)
    state, _ = asyncio.run(load_and_ask(probe, model))
    return state.plan.rung == "gguf-cpu-safe"


def test_the_self_test_meets_the_crash_and_no_load_crashes_afterwards(services, model):
    if not crashes_here(services, model):
        pytest.skip("llama.cpp uses other kernels for Q4_K on this processor")
    record = services.environments.find("llama-cpu").record
    assert record.self_test == "safe_mode"
    assert "SIGSEGV" in record.message or "signal" in record.message
    assert not record.options.use_extra_bufts
    for _ in range(2):
        state, text = asyncio.run(load_and_ask(services, model))
        assert text
        assert [(t.rung, t.kind) for t in state.tries] == [("gguf-cpu-safe", None)]
        assert not state.proof.options.use_extra_bufts
    assert services.crashes.all() == (), "nothing crashed but the self-test"


def test_a_crash_while_loading_falls_to_the_safe_twin_and_is_remembered(services, model):
    if not crashes_here(services, model):
        pytest.skip("llama.cpp uses other kernels for Q4_K on this processor")
    found = services.environments.find("llama-cpu")
    # As if the self-test had passed: the crash then comes with the model.
    services.environments.write(
        dataclasses.replace(found.record, self_test="passed", message=None), own=found.own
    )
    state, text = asyncio.run(load_and_ask(services, model))
    assert text
    assert [(t.rung, t.kind) for t in state.tries] == [("gguf-cpu", "crashed"), ("gguf-cpu-safe", None)]
    assert "SIGSEGV" in state.tries[0].message
    (crash,) = services.crashes.all()
    assert (crash.rung, crash.phase, crash.kind) == ("gguf-cpu", "warm_up", "crashed")
    again, _ = asyncio.run(load_and_ask(services, model))
    assert [t.rung for t in again.tries] == ["gguf-cpu-safe"]
    assert again.plan.rung == "gguf-cpu-safe"
    services.crashes.clear()
    third, _ = asyncio.run(load_and_ask(services, model))
    assert [t.rung for t in third.tries] == ["gguf-cpu", "gguf-cpu-safe"]


def test_a_machine_without_a_name_still_has_a_key():
    assert crashes.hardware_key(Machine()) == "unknown CPU"
