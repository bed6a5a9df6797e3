"""A session over real engines on a tiny model, whose first starts meet faults (``engine/faults.py``)."""

import contextlib
import dataclasses
import sys
import time
from pathlib import Path

import psutil

from autoglm_desktop.core.errors import AppError, Reason
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling
from autoglm_desktop.core.rungs import ModelPlan, RungPlan
from autoglm_desktop.host.command import engine_command
from autoglm_desktop.usecases.session import Prepared, Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import FakeServices, made_services

HELLO = (Message("user", "你好 hello"),)
GREEDY = Sampling(temperature=0.0, max_tokens=6)


class Faults:
    """An engine's command line: the n-th start meets the n-th entry (a fault, several with commas, or None); later
    starts meet none. ``pids`` of the children are found by their command line."""

    def __init__(self, *faults):
        self._faults = list(faults)
        self.starts = 0

    def __call__(self, _python):
        found = self._faults[self.starts] if self.starts < len(self._faults) else None
        self.starts += 1
        words = [word for fault in (found or "").split(",") if fault for word in ("--fault", fault)]
        return [*engine_command(Path(sys.executable)), *words]


def plan(rung, context=1024, **values):
    return RungPlan(
        rung, status="fits", installed=True, engine_installed=True, context=context, kv_type="f16", **values
    )


LADDER = (plan("gguf-cpu"), plan("gguf-cpu-safe"))


def halves(current):
    """Smaller plans: the context halved, down to 256."""
    context = current.context // 2
    while context >= 256:
        yield plan(current.rung, context)
        context //= 2


def preparing(ladder=LADDER, notes=True):
    """``prepare`` for a session: rungs that crashed before are out, as the planner has it."""

    async def prepare(services, target, wishes):
        crashed = {crash.rung for crash in services.crashes.all()} if notes else set()
        left = tuple(one for one in ladder if one.rung not in crashed)
        chosen = left[0].rung if left else None
        shown = left or (RungPlan(ladder[-1].rung, installed=True, reason=Reason("crashes_here")),)
        found = ModelPlan(target.name, "text", "runs", Reason("made"), chosen, None, shown)
        return Prepared(target.file, found, Machine(), halves)

    return prepare


def services_with(home, faults):
    """Its environment claims a card, so that rungs on a GPU are tried."""
    made = made_services(home)
    record = made.environments.find("llama-cpu").record
    made.environments.write(dataclasses.replace(record, devices=("CUDA0 (made)", "CPU")), own=False)
    values = {name: getattr(made, name) for name in ("home", "environments", "crashes", "library")}
    return FakeServices(**values, command=faults)


@contextlib.asynccontextmanager
async def session_with(home, model, *faults, ladder=LADDER, load=True, **options):
    """(session, services, faults); at the end no engine is left."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    command = Faults(*faults)
    services = services_with(home, command)
    session = Session(services, preparing(ladder), **{"hung_after_s": 1.0, **options})
    try:
        if load:
            await session.load(Target("tiny", model), Wishes())
        yield session, services, command
    finally:
        await session.close()
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert after <= before, "an engine is left"


async def answer(session, messages=HELLO, sampling=GREEDY):
    """(text, the last event or the error that was raised, seconds until then)"""
    text, last, began = "", None, time.monotonic()
    try:
        async for event in session.generate(messages, sampling):
            last = event
            if isinstance(event, Delta):
                text += event.text
    except AppError as error:
        last = error
    return text, last, time.monotonic() - began


def worked(result):
    return bool(result[0]) and isinstance(result[1], Done)
