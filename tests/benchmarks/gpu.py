"""Every rung that fits on this machine's NVIDIA card: its memory against the plan, its tokens/s against the table;
then the same with 8 GiB of the card left, the rest held by another process. Needs GPU engines (`engines install`)."""

import asyncio
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.probe.nvidia import probe_nvml
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases.card_watch import free_of_cards
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session, Wishes
from autoglm_desktop.usecases.targets import Target

from .load import full_size_file
from .timing import PYTHON

CARD, SMALL = "gpu:0", 8 * GIB
CONTEXT, REPLY_TOKENS = 4096, 64
QUESTION = (Message("user", "Tap the button, wait for the page, then read it aloud and go on. " * 30),)
HEAD = [
    "| card | model | rung | layers | on the card MiB: plan | engine | driver | engine to plan | decode/s: plan | is | "
    "prefill/s: plan | is |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
]


def measure() -> list[str]:
    cards = probe_nvml().gpus
    if not cards:
        return ["No NVIDIA card is here that its driver tells of, so nothing was measured."]
    from tests.fakes.made_large import make_large

    with tempfile.TemporaryDirectory() as made_here:
        folder = Path(os.environ.get("AUTOGLM_BENCHMARK_FOLDER") or made_here)
        models = {"9 B, Q4_K_M": full_size_file(folder), "1 B": make_large(Path(made_here) / "large")}
        lines = [
            f"{cards[0].name}, driver {cards[0].driver_version}; made models, context {CONTEXT}.",
            "",
            *HEAD,
        ]
        for name, path in models.items():
            lines += asyncio.run(rows("all of it", name, path))
        with reserved(SMALL) as left:
            for name, path in models.items():
                lines += asyncio.run(rows(f"{left / MIB:.0f} MiB free", name, path))
    return lines


async def rows(card: str, name: str, path: Path, key: str = CARD) -> list[str]:
    """One row for each rung that has bytes on ``key`` and fits."""
    services = create_services()
    target, found = Target(name, path), []
    prepared = await prepare(services, target, Wishes(context=CONTEXT))
    for plan in prepared.plan.ladder:
        if key in plan.memory and plan.status == "fits" and plan.engine_installed:
            session = Session(services, prepare)
            try:
                found.append(await _row(session, target, card, plan.rung, key))
            except AppError as error:
                found.append(f"| {card} | {name} | {plan.rung} | {errors.text(error)} |" + " |" * 8)
            finally:
                await session.close()
            print(found[-1], flush=True)
    return found or [f"| {card} | {name} | no rung with an installed engine fits |" + " |" * 9]


async def _row(session: Session, target: Target, card: str, rung: str, key: str) -> str:
    before = free_of_cards().get(key)
    state = await session.load(target, Wishes(rung=rung, context=CONTEXT))
    async for event in session.generate(QUESTION, Sampling(temperature=0.0, max_tokens=REPLY_TOKENS)):
        if not isinstance(event, Delta):
            assert isinstance(event, Done), event
            timings = event.timings
    after = free_of_cards().get(key)
    planned, proof = state.plan.memory[key], state.proof
    causes = proof.memory.get(key, {})
    # The driver's context is no part of what an engine tells of its own buffers.
    wanted = planned.total - planned.overhead
    told = sum(causes.values())
    cells = [
        card,
        target.name,
        rung,
        f"{proof.gpu_layers} of {proof.total_layers}",
        f"{wanted / MIB:.0f} + {planned.overhead / MIB:.0f}",
        f"{told / MIB:.0f} ({', '.join(f'{cause} {size / MIB:.0f}' for cause, size in causes.items())})",
        "–" if before is None or after is None else f"{(before - after) / MIB:.0f}",
        f"{told / wanted - 1:+.1%}" if wanted else "–",
        _speed(state.plan.tokens_per_s),
        _speed(timings.tokens_per_s),
        _speed(state.plan.prompt_tokens_per_s),
        _speed(timings.prompt_tokens_per_s),
    ]
    return "| " + " | ".join(cells) + " |"


def _speed(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


@contextmanager
def reserved(keep_free: int, card: int = 0):
    """Leaves ``keep_free`` bytes of a card to others; gives what is really free then."""
    command = [PYTHON, "-m", "tests.benchmarks.gpu_reserve", str(card), str(keep_free)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            words = process.stdout.readline().split()
            if len(words) != 2:
                raise RuntimeError("the card's memory could not be reserved")
            yield int(words[1])
        finally:
            process.stdin.close()
