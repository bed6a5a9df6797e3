"""The bridge where things happen at the same time, or go wrong at the end."""

import asyncio
import threading

import pytest

from autoglm_desktop.gui.bridge import Bridge


def test_work_that_is_cancelled_before_it_began_is_reported_too(qtbot, bridge):
    """Both calls reach the loop before the task's first step."""
    began = []

    async def work(_report):
        began.append(True)

    held = threading.Event()
    bridge.call(held.wait)
    job = bridge.submit(work)
    with qtbot.waitSignals([job.cancelled, job.ended], timeout=5000, order="strict"):
        job.cancel()
        held.set()
    assert not began


def test_a_failing_end_still_ends_the_thread(qapp, caplog):
    bridge = Bridge()

    async def last():
        raise OSError("no")

    bridge.close(last)
    assert "usecases" not in [thread.name for thread in threading.enumerate()]
    assert any("background work" in record.message for record in caplog.records)


def test_work_that_will_not_end_does_not_keep_the_window(qapp, caplog):
    bridge = Bridge()

    async def last():
        await asyncio.Event().wait()

    bridge.close(last, timeout=0.05)
    assert any("did not end" in record.message for record in caplog.records)


@pytest.mark.parametrize("when", ["before", "after"])
def test_calls_around_the_end_are_harmless(qapp, when):
    bridge = Bridge()
    if when == "before":
        bridge.submit(lambda report: asyncio.sleep(0))
    bridge.close()
    if when == "after":
        bridge.submit(lambda report: asyncio.sleep(0)).cancel()
    assert "usecases" not in [thread.name for thread in threading.enumerate()]
