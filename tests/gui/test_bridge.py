"""The bridge between Qt and the loop: results, errors, streams, cancelling, closing."""

import asyncio
import threading

import pytest
from PySide6.QtCore import QThread

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.gui.bridge import Bridge


def test_results_arrive_on_the_guis_thread(qtbot, bridge, qapp):
    seen = []

    async def work(report):
        report("half")
        return threading.current_thread().name

    def result(value):
        seen.append((value, QThread.currentThread()))

    job = bridge.submit(work, on_result=result, on_item=seen.append)
    with qtbot.waitSignal(job.ended, timeout=5000):
        pass
    assert seen == ["half", ("usecases", qapp.thread())]


def test_expected_errors_and_surprises_go_different_ways(qtbot, bridge):
    failed = []

    async def expected(_report):
        raise AppError("file_not_found", path="x")

    async def surprise(_report):
        raise RuntimeError("boom")

    job = bridge.submit(expected, on_error=failed.append)
    with qtbot.waitSignal(job.ended, timeout=5000):
        pass
    assert [error.code for error in failed] == ["file_not_found"]
    with qtbot.waitSignal(bridge.crashed, timeout=5000) as caught:
        bridge.submit(surprise, on_error=failed.append)
    assert str(caught.args[0]) == "boom"
    assert len(failed) == 1


def test_cancelling_reaches_the_work(qtbot, bridge):
    ended = []

    async def work(report):
        try:
            report("started")
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    job = bridge.submit(work)
    job.item.connect(lambda _value: job.cancel())
    with qtbot.waitSignal(job.cancelled, timeout=5000):
        pass
    assert ended == ["cleaned up"]


def test_a_stream_is_closed_when_it_is_cancelled(qtbot, bridge):
    closed, got = [], []

    async def numbers():
        try:
            for number in range(10**9):
                yield number
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    job = bridge.stream(numbers, got.append)
    job.item.connect(lambda value: job.cancel() if value == 3 else None)
    with qtbot.waitSignal(job.cancelled, timeout=5000):
        pass
    assert got[:4] == [0, 1, 2, 3]
    assert closed == [True]


def test_closing_cancels_runs_the_last_and_ends_the_thread(qapp):
    bridge = Bridge()
    order = []
    started = threading.Event()

    async def work(_report):
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            order.append("work ended")

    async def last():
        order.append("last")

    bridge.submit(work)
    assert started.wait(5)
    bridge.close(last)
    bridge.close(last)
    assert order == ["work ended", "last"]
    assert "usecases" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("count", [20_000])
def test_void_calls_do_not_wear_out_none(qapp, count):
    """PySide6 6.12.0 lost a reference to None with each such call on Python before 3.12, and aborted after ~5,000."""
    for _ in range(count):
        assert qapp.processEvents() is None
