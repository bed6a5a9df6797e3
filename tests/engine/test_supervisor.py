"""Walking the ladder with fake engines: smaller plans after out of memory, the safe twin after a crash, an end."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.host.crashes import CrashMemory
from autoglm_desktop.host.environments import Description, Environment, Record
from autoglm_desktop.host.starts import Files, Start
from autoglm_desktop.host.supervisor import LadderFailed, Supervisor
from tests.fakes.fake_engine import fake_command

DESCRIPTION = Description("llama-cpu", "llama.cpp", "llama-cpp-python", "llama_cpp")
ENVIRONMENT = Environment(DESCRIPTION, Path(), Record("llama-cpu", "0.3.36"), own=True)
CPU = RungPlan("gguf-cpu", status="fits", context=4096, kv_type="f16")
SAFE = RungPlan("gguf-cpu-safe", status="fits", context=4096)
SPLIT = RungPlan("gguf-split", status="fits", context=4096, gpu_layers=10)
needs_signals = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@pytest.fixture
def crashes(tmp_path):
    return CrashMemory(tmp_path / "crashes.json")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "模型.gguf"
    path.write_bytes(b"made")
    return path


def halve(plan):
    """Smaller plans: the context halved down to 512."""
    context = plan.context // 2
    while context >= 512:
        yield RungPlan(plan.rung, status="fits", context=context)
        context //= 2


def starts(model, plans):
    return [Start(plan, ENVIRONMENT, Files(model)) for plan in plans]


def load(crashes, model, plans, *command, smaller=halve):
    """(running or the error, steps, pids of every engine that was started)"""
    steps, pids = [], []

    async def work():
        supervisor = Supervisor(crashes, "made CPU", fake_command(*command))
        try:
            running = await supervisor.load(starts(model, plans), smaller, steps.append, threads=3)
        except LadderFailed as error:
            return error
        pids.append(running.process.pid)
        await running.process.close()
        return running

    result = asyncio.run(asyncio.wait_for(work(), 60))
    assert not any(psutil.pid_exists(pid) for pid in pids)
    return result, steps


def load_by(crashes, model, code):
    """Load by a child that runs ``code`` as its engine; returns the tries."""

    async def work():
        supervisor = Supervisor(crashes, "made CPU", lambda _python: [sys.executable, "-c", code])
        with pytest.raises(LadderFailed) as caught:
            await supervisor.load(starts(model, [CPU]), halve)
        return caught.value

    return asyncio.run(asyncio.wait_for(work(), 60))


def tried(result):
    return [(item.rung, item.kind) for item in result.tries]


def test_the_first_plan_that_works_runs(crashes, model):
    running, steps = load(crashes, model, [SPLIT, CPU], "ok")
    assert tried(running) == [("gguf-split", None)]
    assert running.plan == SPLIT and running.proof.gpu_layers == 10 and running.proof.context == 4096
    assert [step.progress.phase for step in steps][:2] == ["open", "open"]
    assert steps[-1].progress.phase == "warm_up"


def test_after_out_of_memory_the_next_smaller_plan_of_the_same_rung(crashes, model):
    running, steps = load(crashes, model, [CPU, SAFE], "oom-above", 1024)
    assert tried(running) == [
        ("gguf-cpu", "out_of_memory"),
        ("gguf-cpu", "out_of_memory"),
        ("gguf-cpu", None),
    ]
    assert running.proof.context == 1024
    assert [step.failed.kind for step in steps if step.failed] == ["out_of_memory"] * 2
    assert crashes.all() == (), "out of memory is no crash"


def test_without_a_smaller_plan_the_next_rung(crashes, model):
    failed, _ = load(crashes, model, [CPU, SAFE], "oom", smaller=lambda _plan: iter(()))
    assert tried(failed) == [("gguf-cpu", "out_of_memory"), ("gguf-cpu-safe", "out_of_memory")]
    assert failed.code == "no_rung_worked"
    assert "failed to allocate" in str(failed.values["detail"])


def test_smaller_plans_of_one_rung_are_bounded(crashes, model):
    def forever(plan):
        yield RungPlan(plan.rung, status="fits", context=plan.context - 1)

    failed, _ = load(crashes, model, [CPU], "oom-above", 16, smaller=forever)
    assert len(failed.tries) == 5


@needs_signals
def test_after_a_crash_the_safe_twin_before_the_other_rungs(crashes, model):
    running, _ = load(crashes, model, [CPU, SPLIT, SAFE], "crash-unless-safe")
    assert tried(running) == [("gguf-cpu", "crashed"), ("gguf-cpu-safe", None)]
    assert not running.proof.options.use_extra_bufts
    assert [(crash.rung, crash.phase) for crash in crashes.all()] == [("gguf-cpu", "warm_up")]


@needs_signals
def test_a_crash_of_a_rung_without_twin_goes_on_with_the_next(crashes, model):
    failed, _ = load(crashes, model, [SPLIT, CPU, SAFE], "crash-load")
    assert tried(failed) == [("gguf-split", "crashed"), ("gguf-cpu", "crashed"), ("gguf-cpu-safe", "crashed")]
    assert "SIGSEGV" in failed.tries[0].message
    assert {crash.rung for crash in crashes.all()} == {"gguf-split", "gguf-cpu", "gguf-cpu-safe"}


@needs_signals
def test_a_crash_narrows_when_another_file_works(crashes, model, tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes(b"made too")
    load(crashes, model, [CPU], "crash-load")
    load(crashes, other, [CPU], "ok")
    (crash,) = crashes.all()
    assert crash.file is not None and crash.file == crash.seen_with
    load(crashes, model, [CPU], "ok")
    assert crashes.all() == ()


def test_a_bad_file_ends_it(crashes, model):
    failed, _ = load(crashes, model, [SPLIT, CPU, SAFE], "bad-file")
    assert tried(failed) == [("gguf-split", "bad_file")]
    assert failed.code == "file_refused" and failed.values["path"] == str(model)


def test_no_plans_is_an_expected_error(crashes, model):
    failed, _ = load(crashes, model, [], "ok")
    assert failed.code == "no_rung_worked" and failed.tries == ()


def test_cancelling_a_load_ends_its_engine(crashes, model):
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    async def work():
        started = asyncio.Event()
        supervisor = Supervisor(crashes, "made CPU", fake_command("hang"))
        task = asyncio.ensure_future(
            supervisor.load(starts(model, [CPU]), halve, lambda _step: started.set())
        )
        await started.wait()
        while not {child.pid for child in psutil.Process().children()} - before:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(work(), 60))
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before


@needs_signals
def test_an_engine_that_was_asked_to_end_is_no_crash(crashes, model):
    failed = load_by(crashes, model, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert tried(failed) == [("gguf-cpu", "crashed")] and "SIGTERM" in failed.tries[0].message
    assert crashes.all() == (), "a logout must not take the rung away"


def test_an_error_that_the_engine_survives_is_no_crash(crashes, model):
    event = '{"event": "failed", "kind": "crashed", "message": "TypeError: a bug of ours"}'
    failed = load_by(crashes, model, f"print({event!r}, flush=True); import sys; sys.stdin.read()")
    assert tried(failed) == [("gguf-cpu", "crashed")] and crashes.all() == ()


@needs_signals
def test_a_crash_memory_that_cannot_be_written_stops_no_load(model, tmp_path):
    (tmp_path / "file").write_text("")
    memory = CrashMemory(tmp_path / "file" / "crashes.json")
    running, _ = load(memory, model, [CPU, SAFE], "crash-unless-safe")
    assert tried(running) == [("gguf-cpu", "crashed"), ("gguf-cpu-safe", None)]
