"""Conversations over engines that fail: no message is lost, and the conversation goes on."""

import asyncio
import os

import pytest

from autoglm_desktop.core.errors import AppError, Reason
from autoglm_desktop.core.protocol import Delta, Sampling
from autoglm_desktop.core.rungs import DeviceMemory, RungPlan
from autoglm_desktop.host.supervisor import LadderFailed
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.texts import errors, reasons, session
from autoglm_desktop.usecases import chat
from autoglm_desktop.usecases.answering import Always
from autoglm_desktop.usecases.session import Wishes
from autoglm_desktop.usecases.targets import Target
from tests.engine.faulty import GREEDY, LADDER, answer, plan, session_with, worked

pytestmark = [
    pytest.mark.usefixtures("needs_llama"),
    pytest.mark.skipif(os.name != "posix", reason="POSIX signals"),
]


def run(work):
    return asyncio.run(asyncio.wait_for(work, 90))


async def ask(archive, loaded, conversation, text):
    """(conversation, what was shown, the error or None)"""
    shown = ""
    try:
        async for event in chat.ask(archive, Always(loaded, GREEDY), conversation, text):
            if isinstance(event, chat.Asked):
                conversation = event.conversation
            elif isinstance(event, Delta):
                shown += event.text
    except AppError as error:
        return conversation, shown, error
    return conversation, shown, None


@pytest.mark.parametrize(
    "fault", ["oom", "kill", "abort", "oom-abort", "hang-locked", "half-line", "gpu-lost"]
)
def test_what_was_said_stays_in_the_conversation_and_the_next_question_is_answered(
    tmp_path, own_model, fault
):
    async def work():
        archive = chat.Archive(Conversations(tmp_path / "chat.sqlite"))
        await archive.open()
        async with session_with(tmp_path, own_model, f"{fault}@token:3") as (loaded, _, _faults):
            conversation, shown, error = await ask(archive, loaded, None, "你好 first")
            _, again, none = await ask(archive, loaded, conversation, "second")
        kept = await archive.run(Conversations.messages, conversation.id)
        await archive.close()
        return shown, error, again, none, kept

    shown, error, again, none, kept = run(work())
    assert error is not None and none is None and shown and again
    assert [(one.role, one.text) for one in kept] == [
        ("user", "你好 first"), ("assistant", shown), ("user", "second"), ("assistant", again),
    ]  # fmt: skip
    assert kept[1].finish_reason == "failed" and kept[3].finish_reason in ("stop", "length")


def test_a_question_that_met_a_dead_engine_is_asked_once_and_answered_once(tmp_path, own_model):
    async def work():
        archive = chat.Archive(Conversations(tmp_path / "chat.sqlite"))
        await archive.open()
        async with session_with(tmp_path, own_model, "kill@generate") as (loaded, _, _faults):
            conversation, shown, error = await ask(archive, loaded, None, "你好")
        kept = await archive.run(Conversations.messages, conversation.id)
        await archive.close()
        return shown, error, kept

    shown, error, kept = run(work())
    assert error is None and [one.role for one in kept] == ["user", "assistant"] and kept[1].text == shown


# The engine refuses layers that it has no card for; here it is asked for none and claims all, and its bytes tell.
ON_GPU = plan("gguf-split", gpu_layers=0, memory={"gpu:0": DeviceMemory(weights=1_000_000, margin=1)})


def test_a_rung_on_the_gpu_that_runs_on_the_processor_is_left_and_told(tmp_path, own_model):

    async def work():
        async with session_with(tmp_path, own_model, "claim-gpu@ready", ladder=(ON_GPU, *LADDER)) as (
            loaded,
            _,
            _f,
        ):
            return loaded.state, await answer(loaded)

    state, result = run(work())
    assert [(one.rung, one.kind) for one in state.tries] == [("gguf-split", "not_proven"), ("gguf-cpu", None)]
    assert state.tries[0].reason.code == "proof_device_bytes" and worked(result)
    assert reasons.text(state.tries[0].reason) in session.try_text(state.tries[0])


def test_a_locked_rung_that_is_not_proven_says_what_is_missing(tmp_path, own_model):
    async def work():
        made = session_with(tmp_path, own_model, "claim-gpu@ready", ladder=(ON_GPU,), load=False)
        async with made as (loaded, _, _faults):
            with pytest.raises(LadderFailed) as caught:
                await loaded.load(Target("tiny", own_model), Wishes(rung="gguf-split"))
            return caught.value

    error = run(work())
    assert error.code == "locked_rung_failed"
    assert reasons.text(
        Reason.of("proof_device_bytes", found_bytes=0, needed_bytes=1_000_000)
    ) in errors.text(error)


def test_memory_that_others_take_after_loading_is_told_after_an_answer(tmp_path, own_model):
    mib = 1024 * 1024
    free = {"gpu:0": 900 * mib}
    margin = RungPlan("gguf-cpu", memory={"gpu:0": DeviceMemory(margin=300 * mib)})
    made = (plan("gguf-cpu", memory=margin.memory),)

    async def work():
        async with session_with(tmp_path, own_model, ladder=made, gpu_free=lambda: dict(free)) as (
            loaded,
            _,
            _f,
        ):
            await answer(loaded)
            await loaded._keeper.watch.looking
            before = loaded.state.warning
            free["gpu:0"] = 20 * mib
            await answer(loaded)
            await loaded._keeper.watch.looking
            return before, loaded.state.warning

    before, warning = run(work())
    assert before is None and warning.code == "memory_taken"
    assert "880" in reasons.text(warning)


def test_tokens_that_become_slow_on_the_gpu_are_told(tmp_path, own_model):
    """The proof of a split is held against its layers only: one layer, on a made engine that claims it."""
    one = plan("gguf-split", gpu_layers=0)

    async def work():
        sampling = Sampling(temperature=0.0, max_tokens=40)
        async with session_with(tmp_path, own_model, "slow@token:20,claim-gpu@ready", ladder=(one,)) as (
            loaded,
            _,
            _faults,
        ):
            warned = []
            loaded.listen(lambda state: warned.append(state.warning))
            result = await answer(loaded, sampling=sampling)
            return result, [one.code for one in warned if one is not None]

    result, warned = run(work())
    assert worked(result) and warned[0] == "speed_fell"


def test_an_engine_without_a_card_that_is_asked_for_layers_is_left(tmp_path, own_model):
    async def work():
        ladder = (plan("gguf-split", gpu_layers=2), *LADDER)
        async with session_with(tmp_path, own_model, ladder=ladder) as (loaded, _, _faults):
            return loaded.state, await answer(loaded)

    state, result = run(work())
    assert [(one.rung, one.kind) for one in state.tries] == [("gguf-split", "not_proven"), ("gguf-cpu", None)]
    assert state.tries[0].message and worked(result)
