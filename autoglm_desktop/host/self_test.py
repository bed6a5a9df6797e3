"""The self-test of an engine environment: one real decode in a child, with the kernels a real model uses.

A native crash is met here and answered with safer options, so that no later load has to crash.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from ..core import protocol
from ..core.environment_choice import TRANSFORMERS
from ..core.limits import is_gpu
from ..store import gguf_words
from .command import engine_command, engine_environment
from .environments import Environment, Record
from .process import EngineProcess

log = logging.getLogger(__name__)
MODEL_NAME = "self-test-v1.gguf"
# Longer than 32 tokens, so that both the batched and the single-token kernels run (gguf_tiny says why).
PROMPT = "The quick brown fox jumps over the lazy dog. 快速的棕色狐狸跳过懒狗。" * 3
TOKENS = 8

Command = Callable[[Path], list[str]]


async def self_test(
    environment: Environment, cache: Path, hardware: str, *, command: Command = engine_command
) -> Record:
    """Test an environment as it is and, if it crashes, with safe options. Returns its new record."""
    if environment.description.backend == TRANSFORMERS:
        return await _devices(environment, hardware, command)
    model = cache / MODEL_NAME
    if not model.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_write_model, model)
    record = dataclasses.replace(environment.record, hardware=hardware, message=None)
    normal, safe = protocol.EngineOptions(), protocol.EngineOptions(use_extra_bufts=False)
    proof = await _one(environment, model, normal, command)
    if isinstance(proof, protocol.Proof):
        return _passed(record, proof, "passed")
    first = proof
    log.warning("self-test of %s failed: %s %s", environment.description.name, first.kind, first.message)
    if first.kind in ("crashed", "hung", "not_proven"):
        proof = await _one(environment, model, safe, command)
        if isinstance(proof, protocol.Proof):
            return dataclasses.replace(
                _passed(record, proof, "safe_mode"), message=first.message, options=safe
            )
    assert isinstance(proof, protocol.Failed)
    return dataclasses.replace(record, self_test="failed", message=proof.message)


async def _devices(environment: Environment, hardware: str, command: Command) -> Record:
    """transformers has no tiny model to try: it is imported, does a sum on each device, and names them. One that is for
    a card must see it."""
    record = dataclasses.replace(environment.record, hardware=hardware, message=None)
    python = environment.python
    engine = await EngineProcess.start(command(python), engine_environment(python=python))
    try:
        event = await engine.job(protocol.Devices(TRANSFORMERS))
    finally:
        await engine.close()
    if not isinstance(event, protocol.DeviceList):
        detail = event.message if isinstance(event, protocol.Failed) else type(event).__name__
        log.warning("self-test of %s failed: %s", environment.description.name, detail)
        return dataclasses.replace(record, self_test="failed", message=detail)
    found = dataclasses.replace(record, build=event.build, devices=event.devices)
    if environment.description.gpu and not any(map(is_gpu, event.devices)):
        message = f"no graphics card among its devices ({_named(event.devices)}; {event.build})"
        return dataclasses.replace(found, self_test="failed", message=message)
    return dataclasses.replace(found, self_test="passed")


def _write_model(path: Path) -> None:
    from ..store import gguf_tiny  # numpy: kept out of the window's start

    gguf_tiny.write_self_test_model(path)


def _passed(record: Record, proof: protocol.Proof, result: str) -> Record:
    return dataclasses.replace(
        record, self_test=result, build=proof.build, devices=proof.devices, options=proof.options
    )


def _job(environment: Environment, model: Path, options: protocol.EngineOptions) -> protocol.SelfTest:
    """All layers on the card where the environment is for one."""
    layers = -1 if environment.description.gpu else 0
    return protocol.SelfTest(environment.description.backend, str(model), layers, options)


def _named(devices: Iterable[str]) -> str:
    return ", ".join(devices) or "-"


async def _one(
    environment: Environment, model: Path, options: protocol.EngineOptions, command: Command
) -> protocol.Proof | protocol.Failed:
    python = environment.python
    engine = await EngineProcess.start(command(python), engine_environment(python=python))
    try:
        event = await engine.job(_job(environment, model, options))
        if not isinstance(event, protocol.Ready):
            assert isinstance(event, protocol.Failed)
            return event
        if environment.description.gpu and not event.proof.gpu_layers:
            return protocol.Failed(
                "not_proven", f"no layer is on a graphics card ({_named(event.proof.devices)})"
            )
        sampling = protocol.Sampling(temperature=0.0, max_tokens=TOKENS)
        request = protocol.Generate("self-test", (protocol.Message("user", PROMPT),), sampling)
        text = ""
        async for answer in engine.generate(request):
            if isinstance(answer, protocol.Failed):
                return answer
            if isinstance(answer, protocol.Delta):
                text += answer.text
        expected = gguf_words.expected_reply(TOKENS)
        if text != expected:
            return protocol.Failed("not_proven", f"the self-test answered {text!r} instead of {expected!r}")
        return event.proof
    finally:
        await engine.close()
