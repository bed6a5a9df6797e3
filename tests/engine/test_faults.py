"""Faults in real engines: each ends in a chat that works or in one sentence, soon, and leaves no process behind."""

import asyncio
import os
import signal
import time

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.host.supervisor import LadderFailed
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases.session import Wishes
from autoglm_desktop.usecases.targets import Target
from tests.engine.faulty import LADDER, answer, session_with, worked

pytestmark = pytest.mark.usefixtures("needs_llama")
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def run(work):
    return asyncio.run(asyncio.wait_for(work, 90))


def tried(tries):
    return [(one.rung, one.context, one.kind) for one in tries]


CPU, SAFE = "gguf-cpu", "gguf-cpu-safe"
SMALLER = [(CPU, 1024, "out_of_memory"), (CPU, 512, None)]
TWIN = [(CPU, 1024, "crashed"), (SAFE, 1024, None)]

WHILE_LOADING = [
    ("oom@open", SMALLER),
    ("oom@warm_up", SMALLER),
    ("oom@ready", SMALLER),
    ("oom-abort@load", SMALLER),
    ("oom-abort@warm_up", SMALLER),
    ("kill@load", SMALLER),
    ("kill@warm_up", SMALLER),
    ("abort@load", TWIN),
    ("abort@warm_up", TWIN),
    ("segfault@warm_up", TWIN),
    ("exit-3@load", TWIN),
    ("exit@load", TWIN),
    ("half-line@warm_up", TWIN),
    ("gpu-lost@load", TWIN),
    ("bug@warm_up", TWIN),
    ("hang@warm_up", [(CPU, 1024, "hung"), (SAFE, 1024, None)]),
    ("hang-locked@warm_up", [(CPU, 1024, "hung"), (SAFE, 1024, None)]),
    ("missing@open", [(CPU, 1024, "missing_dependency"), (SAFE, 1024, None)]),
    ("unsupported@warm_up", [(CPU, 1024, "unsupported"), (SAFE, 1024, None)]),
    ("noise@load", [(CPU, 1024, None)]),
    ("noise@warm_up,ignore-eof@open", [(CPU, 1024, None)]),
    ("half-line-on@load", [(CPU, 1024, None)]),
]


@posix
@pytest.mark.parametrize(("fault", "expected"), WHILE_LOADING, ids=[fault for fault, _ in WHILE_LOADING])
def test_a_fault_while_loading_ends_in_a_chat_that_works(tmp_path, own_model, fault, expected):
    async def work():
        async with session_with(tmp_path, own_model, fault) as (session, _, faults):
            return session.state, await answer(session), faults.starts

    state, result, starts = run(work())
    assert tried(state.tries) == expected and starts == len(expected)
    assert state.phase == "ready" and state.proof.context == expected[-1][1]
    assert worked(result) and all(one.message for one in state.tries if one.kind is not None)


BEFORE_A_WORD = [
    ("oom@generate", [(CPU, 1024, "out_of_memory"), (CPU, 512, None)]),
    ("oom@token:1", [(CPU, 1024, "out_of_memory"), (CPU, 512, None)]),
    ("kill@generate", [(CPU, 1024, "out_of_memory"), (CPU, 512, None)]),
    ("oom-abort@generate", [(CPU, 1024, "out_of_memory"), (CPU, 512, None)]),
    ("abort@generate", [(CPU, 1024, "crashed"), (SAFE, 1024, None)]),
    ("segfault@token:1", [(CPU, 1024, "crashed"), (SAFE, 1024, None)]),
    ("half-line@generate", [(CPU, 1024, "crashed"), (SAFE, 1024, None)]),
    ("gpu-lost@generate", [(CPU, 1024, "crashed"), (CPU, 1024, None)]),
    ("hang@generate", [(CPU, 1024, "hung"), (SAFE, 1024, None)]),
    ("hang-locked@generate", [(CPU, 1024, "hung"), (SAFE, 1024, None)]),
    ("bug@generate", [(CPU, 1024, "crashed"), (CPU, 1024, None)]),
]


@posix
@pytest.mark.parametrize(("fault", "expected"), BEFORE_A_WORD, ids=[fault for fault, _ in BEFORE_A_WORD])
def test_a_fault_before_the_first_word_is_answered_by_the_next_engine(tmp_path, own_model, fault, expected):
    async def work():
        async with session_with(tmp_path, own_model, fault) as (session, _, _faults):
            return await answer(session), session.state

    result, state = run(work())
    assert worked(result), result
    assert tried(state.tries) == expected
    assert state.phase == "ready" and state.error is None


IN_AN_ANSWER = [
    ("oom@token:3", "answer_out_of_memory", (CPU, 512)),
    ("kill@token:3", "answer_out_of_memory", (CPU, 512)),
    ("oom-abort@token:3", "answer_out_of_memory", (CPU, 512)),
    ("abort@token:3", "engine_died", (SAFE, 1024)),
    ("segfault@token:3", "engine_died", (SAFE, 1024)),
    ("exit@token:3", "engine_died", (CPU, 1024)),
    ("half-line@token:3", "engine_died", (SAFE, 1024)),
    ("hang@token:3", "engine_died", (SAFE, 1024)),
    ("hang-locked@token:3", "engine_died", (SAFE, 1024)),
    ("terminate@token:3", "engine_died", (CPU, 1024)),
    ("gpu-lost@token:3", "gpu_lost", (CPU, 1024)),
]


@posix
@pytest.mark.parametrize(("fault", "code", "goes_on"), IN_AN_ANSWER, ids=[f[0] for f in IN_AN_ANSWER])
def test_what_was_said_is_kept_and_the_next_message_goes_on(tmp_path, own_model, fault, code, goes_on):
    async def work():
        async with session_with(tmp_path, own_model, fault) as (session, _, _faults):
            first = await answer(session)
            failed = session.state
            return first, failed, await answer(session), session.state

    (text, error, seconds), failed, second, state = run(work())
    assert text and isinstance(error, AppError) and error.code == code
    assert seconds < 10 and failed.phase == "failed" and failed.error.code == code
    sentence = errors.text(error)
    assert sentence and "{" not in sentence and code not in sentence and "\n" not in sentence
    assert worked(second) and (state.plan.rung, state.plan.context) == goes_on


@posix
def test_a_bad_file_is_one_sentence_and_tried_on_no_other_rung(tmp_path, own_model):
    async def work():
        async with session_with(tmp_path, own_model, "bad-file@warm_up", load=False) as (session, _, faults):
            with pytest.raises(LadderFailed) as caught:
                await session.load(Target("tiny", own_model))
            return caught.value, faults.starts

    error, starts = run(work())
    assert error.code == "file_refused" and starts == 1 and "tensor data" in errors.text(error)


def cannot_run_at_all(kind):
    return [f"{kind}@warm_up"] * 6


@posix
@pytest.mark.parametrize("kind", ["abort", "oom", "kill", "hang", "missing", "unsupported"])
def test_where_every_rung_fails_it_is_one_sentence_and_the_next_message_tries_afresh(
    tmp_path, own_model, kind
):
    async def work():
        faults = cannot_run_at_all(kind)
        async with session_with(tmp_path, own_model, *faults, load=False, ladder=(LADDER[0],)) as made:
            session, services, _ = made
            with pytest.raises(LadderFailed) as caught:
                await session.load(Target("tiny", own_model))
            services.crashes.clear()
            made[2].starts = 99  # the cause is gone
            return caught.value, session.state.phase, await answer(session)

    error, phase, result = run(work())
    assert error.code == "no_rung_worked" and phase == "failed" and len(error.tries) in (1, 3)
    assert all(one.message and one.at and one.phase for one in error.tries)
    assert "{" not in errors.text(error)
    assert worked(result)


@posix
def test_a_locked_rung_is_the_only_one_and_says_so(tmp_path, own_model):
    async def work():
        async with session_with(tmp_path, own_model, "abort@warm_up", load=False) as (
            session,
            services,
            faults,
        ):
            with pytest.raises(LadderFailed) as caught:
                await session.load(Target("tiny", own_model), Wishes(rung=CPU))
            failed, starts = session.state, faults.starts
            services.crashes.clear()
            session.lock(SAFE)
            return caught.value, failed, starts, await answer(session), session.state

    error, failed, starts, result, state = run(work())
    assert error.code == "locked_rung_failed" and starts == 1 and failed.locked == CPU
    assert worked(result) and state.plan.rung == SAFE and state.locked == SAFE


@posix
def test_a_question_that_kills_every_engine_ends_after_few_tries(tmp_path, own_model):
    async def work():
        faults = ["abort@generate"] * 9
        async with session_with(tmp_path, own_model, *faults) as (session, _, made):
            return await answer(session), made.starts

    (text, error, seconds), starts = run(work())
    assert text == "" and isinstance(error, AppError) and starts <= 4 and seconds < 10
    assert "{" not in errors.text(error)


@posix
def test_an_engine_killed_from_outside_while_it_rests_comes_back(tmp_path, own_model):
    async def work():
        async with session_with(tmp_path, own_model) as (session, _, faults):
            process = session._keeper.running.process
            os.kill(process.pid, signal.SIGKILL)
            await process.ended.wait()
            rested = session.state
            return rested, await answer(session), faults.starts

    rested, result, starts = run(work())
    assert rested.phase == "failed" and rested.error.code == "engine_died"
    assert worked(result) and starts == 2


def test_freeing_in_the_middle_of_an_answer_is_at_once_and_the_next_message_loads_again(tmp_path, own_model):
    async def work():
        async with session_with(tmp_path, own_model, "hang-locked@token:3", hung_after_s=60) as (
            session,
            services,
            _,
        ):
            asked = asyncio.ensure_future(answer(session))
            while (
                session.state.phase != "generating"
                or session._keeper.running.process._process.returncode is not None
            ):
                await asyncio.sleep(0.01)
            began = time.monotonic()
            await session.free()
            seconds, state = time.monotonic() - began, session.state
            return seconds, state, await asked, services.crashes.all(), await answer(session)

    seconds, state, (_, error, _), crashes, again = run(work())
    assert seconds < 5 and state.phase == "idle" and state.target is not None
    assert isinstance(error, AppError) and error.code == "engine_freed" and crashes == ()
    assert worked(again)


def test_an_idle_model_is_unloaded_and_the_next_message_loads_it(tmp_path, own_model):
    async def work():
        async with session_with(tmp_path, own_model, idle_s=0.2) as (session, _, faults):
            first = await answer(session)
            unloaded = asyncio.Event()
            session.listen(lambda state: unloaded.set() if state.phase == "idle" else None)
            await unloaded.wait()
            return first, session.state, await answer(session), faults.starts

    first, state, second, starts = run(work())
    assert worked(first) and worked(second) and starts == 2
    assert state.phase in ("ready", "idle") and state.target is not None
