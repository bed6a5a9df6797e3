"""The engine computes with as many threads as the machine has performance cores."""

import asyncio
import dataclasses

import pytest

from autoglm_desktop.core.machine import Cpu, Machine
from autoglm_desktop.usecases.session import Session
from autoglm_desktop.usecases.targets import Target
from tests.engine.faulty import preparing, session_with


@pytest.mark.parametrize(
    ("cpu", "threads"),
    [
        (Cpu(performance_cores=3, physical_cores=5, logical_cores=8), 3),
        (Cpu(performance_cores=None, physical_cores=5, logical_cores=8), 5),
    ],
)
def test_threads_are_those_of_the_performance_cores(needs_llama, tmp_path, tiny_model, cpu, threads):
    planned = preparing()

    async def prepare(services, target, wishes):
        prepared = await planned(services, target, wishes)
        return dataclasses.replace(prepared, machine=Machine(cpu=cpu))

    async def work():
        async with session_with(tmp_path, tiny_model, load=False) as (_session, services, _faults):
            session = Session(services, prepare)
            try:
                return (await session.load(Target("tiny", tiny_model))).proof.threads
            finally:
                await session.close()

    assert asyncio.run(work()) == threads
