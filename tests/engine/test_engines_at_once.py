"""Installing from two places at once, and testing again. Real venvs, a pip that only plays one, fake engines."""

import asyncio
import dataclasses
import sys
from pathlib import Path

from autoglm_desktop.usecases import engines
from tests.fakes.fake_engine import fake_command
from tests.gui.frame import MISSING, OWN, made_services

FAKE_PIP = Path(__file__).parents[1] / "fakes" / "fake_pip.py"


def test_two_who_install_at_once_make_it_once(tmp_path):
    """The window's banner, and a model that is loaded meanwhile."""
    services = made_services(tmp_path, description=MISSING, pip=(sys.executable, str(FAKE_PIP), "ok"))
    stages = ([], [])

    async def both():
        return await asyncio.gather(
            *(
                engines.install(services, "llama-cpu", lambda p, seen=seen: seen.append(p.stage))
                for seen in stages
            )
        )

    one, other = asyncio.run(both())
    assert one == other and one.record.self_test == "passed"
    assert sorted("venv" in seen for seen in stages) == [False, True]
    assert sorted("wait" in seen for seen in stages) == [False, True]


def test_two_who_test_at_once_do_it_once(tmp_path):
    """The window's banner and a model that is loaded as soon as the window is there."""
    services, stages = made_services(tmp_path, "ok", description=OWN), []

    async def both():
        work = (engines.install(services, "llama-cpu", lambda p: stages.append(p.stage)) for _ in range(2))
        return await asyncio.gather(*work)

    one, other = asyncio.run(both())
    assert one == other and one.record.self_test == "passed"
    assert stages.count("self_test") == 1 and "wait" in stages


def test_one_who_waits_can_be_cancelled_and_leaves_the_other_alone(tmp_path):
    services = made_services(tmp_path, description=MISSING, pip=(sys.executable, str(FAKE_PIP), "ok"))

    async def both():
        waiting = asyncio.Event()
        first = asyncio.create_task(engines.install(services, "llama-cpu"))
        await asyncio.sleep(0)
        second = asyncio.create_task(
            engines.install(services, "llama-cpu", lambda p: waiting.set() if p.stage == "wait" else None)
        )
        await waiting.wait()
        second.cancel()
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(results[1], asyncio.CancelledError)
        return results[0]

    assert asyncio.run(both()).record.self_test == "passed"


def test_a_failed_self_test_is_kept_until_another_is_asked_for(tmp_path):
    broken = made_services(tmp_path, "crash-load", description=OWN)
    assert asyncio.run(engines.install(broken, "llama-cpu")).record.self_test == "failed"
    mended = dataclasses.replace(broken, command=fake_command("ok"))
    assert asyncio.run(engines.install(mended, "llama-cpu")).record.self_test == "failed"
    assert asyncio.run(engines.test(mended, "llama-cpu")).record.self_test == "passed"
