"""Engine processes: routing, crash, hang, noise, cancel, and no orphan whatever happens. The engine is a fake child."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.host import process as process_module
from autoglm_desktop.host.command import engine_environment
from autoglm_desktop.host.process import EngineProcess
from tests.fakes.fake_engine import fake_command

LOAD = protocol.Load("llama.cpp", "/made/model.gguf", 4096)
posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


@contextlib.asynccontextmanager
async def engine(mode="ok", *args, hung_after_s=30.0):
    process = await EngineProcess.start(fake_command(mode, *args)(Path()), engine_environment(), hung_after_s)
    try:
        yield process
    finally:
        await process.close()
        assert not psutil.pid_exists(process.pid)


def request(text="你好 hello", request_id="r1", **sampling):
    return protocol.Generate(request_id, (protocol.Message("user", text),), protocol.Sampling(**sampling))


async def collect(process, generate):
    events = [event async for event in process.generate(generate)]
    return "".join(event.text for event in events if isinstance(event, protocol.Delta)), events[-1]


def test_a_load_reports_progress_and_a_proof_and_answers():
    async def work():
        async with engine("ok", "--tokens", 20) as process:
            phases = []
            ready = await process.job(LOAD, lambda progress: phases.append(progress.phase))
            text, done = await collect(process, request())
            second = await collect(process, request("again", "r2"))
            return phases, ready, text, done, second[1], process.memory

    phases, ready, text, done, second, memory = run(work())
    assert phases[0] == "open" and phases[-1] == "warm_up" and "load" in phases
    assert ready.proof.build == "fake engine" and ready.proof.context == 4096
    assert "你好" in text and done.usage.completion_tokens == 20 and done.finish_reason == "stop"
    assert second.id == "r2" and second.finish_reason == "stop"
    assert memory.resident_bytes > 0


def test_devices_are_listed():
    async def work():
        async with engine() as process:
            return await process.job(protocol.Devices("llama.cpp"))

    assert run(work()).devices == ("CPU (fake engine)",)


def test_noise_goes_to_the_log_and_harms_nothing(caplog):
    async def work():
        async with engine("noise", "--tokens", 5) as process:
            ready = await process.job(LOAD)
            return ready, await collect(process, request())

    ready, (text, done) = run(work())
    assert isinstance(ready, protocol.Ready) and text and done.finish_reason == "stop"
    assert len([r for r in caplog.records if "not understood" in r.message]) == 12


def test_a_line_without_end_is_dropped_not_fatal():
    """More than the line limit on stdout, without a line break: what follows is still understood."""
    child = (
        "import sys; sys.stdin.readline(); sys.stdout.write('x' * 300_000 + '\\n');"
        'print(\'{"event": "devices", "build": "b", "devices": []}\', flush=True); sys.stdin.read()'
    )

    async def work(monkeypatch):
        monkeypatch.setattr("autoglm_desktop.host.process.LINE_LIMIT", 100_000)
        process = await EngineProcess.start([sys.executable, "-c", child], engine_environment())
        try:
            return await process.job(protocol.Devices("llama.cpp"))
        finally:
            await process.close()

    with pytest.MonkeyPatch.context() as monkeypatch:
        assert isinstance(run(work(monkeypatch)), protocol.DeviceList)


@posix_only
def test_a_native_crash_while_loading_is_one_failed_event():
    async def work():
        async with engine("crash-load") as process:
            failed = await process.job(LOAD)
            again = await process.job(LOAD)
            return failed, again, process.exit

    failed, again, end = run(work())
    assert (failed.kind, again.kind) == ("crashed", "crashed")
    assert "SIGSEGV" in failed.message and "native crash" in failed.message
    assert end.returncode == -signal.SIGSEGV


@posix_only
def test_a_crash_in_the_middle_keeps_what_was_streamed():
    ends = []

    async def work():
        async with engine("crash-generate", 4) as process:
            process.on_end = ends.append
            await process.job(LOAD)
            return [event async for event in process.generate(request())]

    events = run(work())
    assert [event.tokens for event in events[:-1]] == [1, 2, 3, 4]
    assert events[-1].kind == "crashed" and events[-1].id == "r1"
    assert [end.kind for end in ends] == ["crashed"]


def test_allocation_failure_before_an_abort_is_out_of_memory():
    async def work():
        async with engine("oom") as process:
            return await process.job(LOAD)

    failed = run(work())
    assert failed.kind == "out_of_memory" and "failed to allocate" in failed.message


@posix_only
def test_a_kill_that_nobody_here_sent_is_out_of_memory():
    async def work():
        async with engine("ok", "--delay", 60) as process:
            await process.job(LOAD)
            waiting = asyncio.ensure_future(collect(process, request()))
            await asyncio.sleep(0)
            os.kill(process.pid, signal.SIGKILL)
            return (await waiting)[1]

    assert run(work()).kind == "out_of_memory"


def test_an_engine_without_a_sign_of_life_is_hung_and_ended():
    async def work():
        async with engine("hang", hung_after_s=0.4) as process:
            failed = await process.job(LOAD)
            return failed, process.exit

    failed, end = run(work())
    assert failed.kind == "hung" == end.kind


def test_a_request_without_a_sign_of_life_is_hung():
    async def work():
        async with engine("hang-generate", hung_after_s=2.0) as process:
            assert isinstance(await process.job(LOAD), protocol.Ready)
            return (await collect(process, request()))[1]

    assert run(work()).kind == "hung"


def test_an_idle_engine_is_not_hung():
    """Nobody waits for it: however long it is quiet, it stays."""

    async def work():
        async with engine("ok", hung_after_s=0.2) as process:
            await process.job(LOAD)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.ended.wait(), 1.0)
            assert process.exit is None
            return (await collect(process, request()))[1]

    assert isinstance(run(work()), protocol.Done)


def test_cancel_ends_a_request_also_during_prefill_and_the_next_one_works():
    async def work():
        async with engine("ok", "--first", 50, "--tokens", 3) as process:
            await process.job(LOAD)
            first = asyncio.ensure_future(collect(process, request(request_id="slow")))
            await asyncio.sleep(0)
            process.cancel("slow")
            return await first

    text, done = run(work())
    assert text == "" and done.finish_reason == "cancelled"


def test_leaving_the_iterator_cancels_the_request():
    async def work():
        async with engine("ok", "--tokens", 200, "--delay", 0.005) as process:
            await process.job(LOAD)
            async with contextlib.aclosing(process.generate(request(request_id="left"))) as events:
                async for event in events:
                    if event.tokens == 3:
                        break
            text, done = await collect(process, request(request_id="next", max_tokens=2))
            return text, done

    text, done = run(work())
    assert text and done.id == "next" and done.finish_reason == "length"


def test_a_cancelled_task_leaves_no_request_behind():
    async def work():
        async with engine("ok", "--first", 50, "--tokens", 3) as process:
            await process.job(LOAD)
            task = asyncio.ensure_future(collect(process, request(request_id="gone")))
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert list(process._queues) == [None]

    run(work())


def test_closing_tells_those_who_wait_and_is_no_crash():
    async def work():
        async with engine("ok", "--delay", 60) as process:
            await process.job(LOAD)
            waiting = asyncio.ensure_future(collect(process, request()))
            await asyncio.sleep(0)
            await process.close()
            failed = (await waiting)[1]
            return failed, process.exit

    failed, end = run(work())
    assert isinstance(failed, protocol.Failed)
    assert end.kind is None


def test_closing_ends_an_engine_that_ignores_end_of_file():
    stubborn = "import time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)"

    async def work(monkeypatch):
        monkeypatch.setattr("autoglm_desktop.host.process.GRACE_S", 0.2)
        process = await EngineProcess.start([sys.executable, "-c", stubborn], engine_environment())
        await process.close()
        return process.pid, process.exit

    with pytest.MonkeyPatch.context() as monkeypatch:
        pid, end = run(work(monkeypatch))
    assert not psutil.pid_exists(pid) and end.kind is None


def test_a_second_interruption_kills_at_once():
    """Ctrl-C again while an engine that ignores its end is being closed."""

    async def work():
        process = await EngineProcess.start(
            [sys.executable, "-c", "while True: __import__('time').sleep(1)"], engine_environment()
        )
        closing = asyncio.ensure_future(process.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await process.ended.wait()
        return process.pid

    assert not psutil.pid_exists(run(work()))


@posix_only
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("cancels", [1, 2, 3])
def test_a_start_that_is_cancelled_leaves_no_engine(turns, cancels):
    """However far it came, and however often one cancels."""

    async def work():
        starting = asyncio.create_task(
            EngineProcess.start(fake_command("hang")(Path()), engine_environment(), 30.0)
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(cancels):
            starting.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([starting])
        left = [child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
        if not starting.cancelled():  # it was there before
            await starting.result().close()
            return []
        return left

    assert run(work()) == []


def test_killing_ends_what_the_engine_started_too():
    parent = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, file=sys.stderr, flush=True)\nchild.wait()"
    )

    async def work():
        process = await EngineProcess.start([sys.executable, "-c", parent], engine_environment())
        while not process.stderr_tail:
            await asyncio.sleep(0.01)
        grandchild = psutil.Process(int(process.stderr_tail))
        process.kill()
        await process.ended.wait()
        return grandchild

    grandchild = run(work())
    with contextlib.suppress(psutil.NoSuchProcess):
        grandchild.wait(20)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


PARENT = """
import asyncio, sys
from pathlib import Path
from autoglm_desktop.core import protocol
from autoglm_desktop.host.command import engine_environment
from autoglm_desktop.host.process import EngineProcess
from tests.fakes.fake_engine import fake_command

async def main():
    engine = await EngineProcess.start(fake_command(*sys.argv[1:])(Path()), engine_environment())
    print(engine.pid, flush=True)
    job = protocol.Load("llama.cpp", "/made/model.gguf", 4096)
    if sys.argv[1] != "hang":
        await engine.job(job)
        print("loaded", flush=True)
    await engine.job(job if sys.argv[1] == "hang" else protocol.Shutdown())

asyncio.run(main())
"""


@posix_only
@pytest.mark.parametrize("mode", ["hang", "hang-generate"])
def test_an_engine_dies_with_its_killed_parent(mode):
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, mode], stdout=subprocess.PIPE, cwd=root, text=True
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.wait_procs([child], timeout=20)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_driver_that_cannot_tell_whether_its_card_works_is_no_sign_of_life():
    """The watch must outlive it: without it the end of an engine is never told."""

    def broken():
        raise OSError("made: the driver is gone")

    async def work():
        command = fake_command("hang")(Path())
        process = await EngineProcess.start(command, engine_environment(), 0.5, broken)
        try:
            return await process.job(LOAD)
        finally:
            await process.close()

    assert run(work()).kind == "hung"


@pytest.mark.parametrize("hung_after_s", [0.5, 60.0])
def test_an_engine_that_even_the_system_cannot_end_is_left(monkeypatch, hung_after_s):
    """Nobody waits for it for ever: neither who asked for a model, nor who closes it."""
    kill = process_module._kill_tree
    monkeypatch.setattr(process_module, "_kill_tree", lambda _process: None)
    monkeypatch.setattr(process_module, "UNKILLABLE_S", 0.5)
    monkeypatch.setattr(process_module, "GRACE_S", 0.1)

    async def work():
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        process = await EngineProcess.start(command, engine_environment(), hung_after_s)
        try:
            told = await process.job(LOAD) if hung_after_s < 1 else None
            await process.close()
            return told, process.exit, psutil.pid_exists(process.pid)
        finally:
            kill(process._process)
            await process._process.wait()

    told, end, there = run(work())
    assert there and end is not None and (told is None or told.kind == "hung")


@posix_only
def test_a_death_is_told_while_the_driver_is_still_asked():
    asked, answer = threading.Event(), threading.Event()

    def blocked():
        asked.set()
        return answer.wait(60)

    async def work():
        command = fake_command("hang")(Path())
        process = await EngineProcess.start(command, engine_environment(), 0.5, blocked)
        job = asyncio.create_task(process.job(LOAD))
        await asyncio.to_thread(asked.wait, 30)
        os.kill(process.pid, signal.SIGKILL)
        told = await job
        return told, answer.is_set()

    async def answered():
        try:
            return await work()
        finally:
            answer.set()

    told, late = run(answered())
    assert told.kind == "out_of_memory" and not late


def test_a_missing_program_is_an_expected_error(tmp_path):
    with pytest.raises(EngineError) as caught:
        run(EngineProcess.start([str(tmp_path / "no such python")], engine_environment()))
    assert caught.value.code == "engine_start_failed"


def test_engines_get_no_secrets():
    found = engine_environment(
        {"HF_TOKEN": "a", "AUTOGLM_API_KEY": "b", "OPENAI_API_KEY": "c", "LANG": "zh_CN.UTF-8"}
    )
    assert found["LANG"] == "zh_CN.UTF-8" and found["HF_HUB_OFFLINE"] == "1"
    assert not {"a", "b", "c"} & set(found.values())


def test_a_silent_engine_whose_gpu_works_is_not_hung_until_the_gpu_rests():
    asked = []

    def active():
        asked.append(True)
        return len(asked) < 3

    async def work():
        command = fake_command("hang")(Path())
        process = await EngineProcess.start(command, engine_environment(), 0.2, active)
        try:
            return await process.job(LOAD)
        finally:
            await process.close()

    assert run(work()).kind == "hung" and len(asked) == 3
