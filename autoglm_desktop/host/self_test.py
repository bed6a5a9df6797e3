"""The self-test of an engine environment: one real decode in a child, with the kernels a real model uses.

A native crash is met here and answered with safer options, so that no later load has to crash.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

from ..core import protocol
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


def _write_model(path: Path) -> None:
    from ..store import gguf_tiny  # numpy: kept out of the window's start

    gguf_tiny.write_self_test_model(path)


def _passed(record: Record, proof: protocol.Proof, result: str) -> Record:
    return dataclasses.replace(
        record, self_test=result, build=proof.build, devices=proof.devices, options=proof.options
    )


async def _one(
    environment: Environment, model: Path, options: protocol.EngineOptions, command: Command
) -> protocol.Proof | protocol.Failed:
    engine = await EngineProcess.start(command(environment.python), engine_environment())
    try:
        event = await engine.job(
            protocol.SelfTest(environment.description.backend, str(model), options=options)
        )
        if not isinstance(event, protocol.Ready):
            assert isinstance(event, protocol.Failed)
            return event
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
