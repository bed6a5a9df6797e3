"""The application and the engine killed at random moments while an answer streams: what of the answer is left.

The whole way of the window without the window: ``usecases.chat``, a session, an engine process (a fake one that holds
no model), SQLite. Figures are of this program alone: no model is asked.
"""

import asyncio
import contextlib
import json
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import Delta
from autoglm_desktop.store.conversations import Conversations

from .chatting import asking, engine, open_chat
from .timing import PYTHON, median_range

KILLS = 50
TOKENS_PER_S = 300
AIM_LOST_S = 1.0
FROM_S, TO_S = 0.05, 4.0
"""After the first piece, when it is killed."""
ORPHAN_S = 5.0
"""An engine that still runs after this long is left behind."""
ROOT = Path(__file__).resolve().parents[2]
WAYS = ("ask", "go-on")


@dataclass(frozen=True)
class Death:
    """``lost_s``: how long the oldest text that was lost had been shown; ``lost_tokens``: how many were; ``sound``: the
    rest is what was shown, and the file passes its check; ``orphan``: an engine is left behind; ``ended_s``: when it
    had ended; ``goes_on``: the next question is answered; ``tokens_per_s``: as they came."""

    lost_s: float
    lost_tokens: int
    sound: bool
    orphan: bool = False
    ended_s: float = 0.0
    goes_on: bool = True
    tokens_per_s: float | None = None


def measure() -> list[str]:
    chance = random.Random(6)
    with tempfile.TemporaryDirectory() as folder:
        applications = [
            application(Path(folder) / f"a{number}", WAYS[number % 2], _sleeping(chance))
            for number in range(KILLS)
        ]
        engines = [killed_engine(Path(folder) / f"e{number}", _later(chance)) for number in range(KILLS)]
    rate = statistics.median(one.tokens_per_s for one in applications if one.tokens_per_s)
    ended_s = max(one.ended_s for one in applications)
    return [
        f"A fake engine streams {TOKENS_PER_S} tokens/s ({rate:.0f} came); SIGKILL at a random moment from {FROM_S} to",
        f"{TO_S:.0f} s after the first. Every second answer of the first row is one that is written on.",
        "",
        f"- the application: {_lost(applications)}; engines left behind: {sum(one.orphan for one in applications)} "
        f"(ended within {ended_s:.2f} s); {_goes_on(applications)} by the next start",
        f"- the engine, while the application lives: {_lost(engines)}; {_goes_on(engines)} by the next engine",
    ]


def _lost(deaths: list[Death]) -> str:
    times = median_range([one.lost_s for one in deaths], "s", 2)
    return (
        f"killed {len(deaths)} times, the oldest text that was lost had been shown for {times} (aim: at most "
        f"{AIM_LOST_S:.0f}), at most {max(one.lost_tokens for one in deaths)} tokens; all before it there and sound by "
        f"`PRAGMA integrity_check`: {sum(one.sound for one in deaths)} of {len(deaths)}"
    )


def _goes_on(deaths: list[Death]) -> str:
    return f"next question answered: {sum(one.goes_on for one in deaths)} of {len(deaths)}"


def application(folder: Path, how: str, wait: Callable[[TextIO], list[str]]) -> Death:
    """Kill the application when ``wait`` (for its lines) returns those that it has read."""
    command = [PYTHON, "-m", "tests.benchmarks.chatting", str(folder), how, str(TOKENS_PER_S)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8") as child:
        pid, begun = child.stdout.readline().split()[1], child.stdout.readline()
        left = _process(int(pid))
        said = wait(child.stdout)
        child.kill()
        dead = time.monotonic()
        said += child.stdout.read().split("\n")[:-1]  # the last line may be cut
    shown = [line.split(" ", 2)[1:] for line in said if line.startswith("shown")]
    times = [float(seconds) for seconds, _text in shown]
    pieces = [json.loads(text) for _seconds, text in shown]
    orphan, ended_s = _ended(left, dead)
    kept, sound = _kept(folder / "c.sqlite3")
    found = _pieces_of(kept, json.loads(begun.split(" ", 1)[1]), pieces)
    lost = times[found:] if found is not None else times
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else None
    return Death(
        dead - lost[0] if lost else 0.0,
        len(lost),
        sound and found is not None,
        orphan,
        ended_s,
        asyncio.run(_answered(folder)),
        rate,
    )


def killed_engine(folder: Path, wait: Callable[[], Awaitable[None]]) -> Death:
    """Kill the engine when ``wait``, which begins with the first piece, has ended; the application lives on."""
    return asyncio.run(asyncio.wait_for(_killed_engine(folder, wait), 60))


async def _killed_engine(folder: Path, wait: Callable[[], Awaitable[None]]) -> Death:
    shown, times, failed, killing = [], [], False, None
    async with open_chat(folder, TOKENS_PER_S) as (archive, session):
        try:
            async for event in asking(archive, session):
                if isinstance(event, Delta):
                    killing = killing or asyncio.ensure_future(_kill(wait))
                    shown.append(event.text)
                    times.append(time.monotonic())
        except EngineError:
            failed = True
        dead = await killing
        (talk,) = await archive.run(Conversations.all)
        kept = (await archive.run(Conversations.messages, talk.id))[-1]
        again = [event async for event in asking(archive, session, talk, 3)]
        checked = await archive.run(lambda store: store.rows("PRAGMA integrity_check"))
    found = _pieces_of(kept.text, "", shown)
    lost = times[found:] if found is not None else times
    return Death(
        max(0.0, dead - lost[0]) if lost else 0.0,
        len(lost),
        failed and found is not None and kept.finish_reason == "failed" and checked == [("ok",)],
        goes_on=again[-1].answer.text != "",
    )


async def _kill(wait: Callable[[], Awaitable[None]]) -> float:
    await wait()
    engine().kill()
    return time.monotonic()


async def _answered(folder: Path) -> bool:
    """Whether the next start answers in the same conversation, and with what was kept before it."""
    async with open_chat(folder, TOKENS_PER_S) as (archive, session):
        (talk,) = await archive.run(Conversations.all)
        before = await archive.run(Conversations.messages, talk.id)
        events = [event async for event in asking(archive, session, talk, 3)]
        after = await archive.run(Conversations.messages, talk.id)
    return after[: len(before)] == before and after[-1] == events[-1].answer and after[-1].text != ""


def _kept(path: Path) -> tuple[str, bool]:
    """(the text of the answer, whether the file is sound and says that it was never finished)"""
    store = Conversations(path)
    opening = store.open()
    answer = store.messages(store.all()[0].id)[-1]
    sound = opening.kind == "fine" and store.rows("PRAGMA integrity_check") == [("ok",)]
    sound = sound and store.rows("PRAGMA foreign_key_check") == [] and answer.finish_reason is None
    store.close()
    return answer.text, sound


def _pieces_of(kept: str, begun: str, pieces: list[str]) -> int | None:
    """How many pieces the text holds behind its beginning; None: it is something else."""
    text = begun
    for count, piece in enumerate(pieces):
        if text == kept:
            return count
        text += piece
    return len(pieces) if kept.startswith(text) else None  # the last one may be kept, and have gone unsaid


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _ended(left: psutil.Process | None, dead: float) -> tuple[bool, float]:
    """(whether it still runs after ORPHAN_S, when it had ended). One that only waits for the system to bury it has."""
    while left is not None and time.monotonic() - dead < ORPHAN_S:
        with contextlib.suppress(psutil.NoSuchProcess):
            if left.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.002)
                continue
        return False, time.monotonic() - dead
    if left is not None:
        left.kill()
    return left is not None, time.monotonic() - dead


def _sleeping(chance: random.Random) -> Callable[[TextIO], list[str]]:
    def wait(lines: TextIO) -> list[str]:
        first = lines.readline()
        time.sleep(chance.uniform(FROM_S, TO_S))
        return [first]

    return wait


def _later(chance: random.Random) -> Callable[[], Awaitable[None]]:
    seconds = chance.uniform(FROM_S, TO_S)
    return lambda: asyncio.sleep(seconds)
