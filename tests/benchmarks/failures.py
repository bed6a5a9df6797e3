"""Every injected failure of tests/engine/test_faults.py: how soon it ends in a working chat or in one sentence, whether
an engine is left behind and a message lost. Real engines on a tiny model; Linux and macOS."""

import asyncio
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.protocol import Delta
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases import chat
from autoglm_desktop.usecases.answering import Always
from autoglm_desktop.usecases.targets import Target

AIM_CASES, AIM_S = 25, 10.0


@dataclass(frozen=True)
class Result:
    """``seconds``: from the failing engine's last sign of life; ``next_s``: until the next message was answered, where
    the failure ended in a sentence; ``clear``: that sentence has no braces and is one line."""

    fault: str
    stage: str
    end: str
    seconds: float | None
    next_s: float | None = None
    orphans: int = 0
    lost: int = 0
    clear: bool = True


def cases():
    """(stage, the faults of the starts one after another, whether one rung is all there is)"""
    from tests.engine import test_faults as known

    for stage, table in (
        ("loading", known.WHILE_LOADING), ("before a word", known.BEFORE_A_WORD), ("in an answer", known.IN_AN_ANSWER),
    ):  # fmt: skip
        for fault, *_expected in table:
            yield stage, [fault], False
    yield "no other file", ["bad-file@warm_up"], False
    for kind in ("abort", "oom", "kill", "hang", "missing", "unsupported"):
        yield "every rung", known.cannot_run_at_all(kind), True


def measure() -> list[str]:
    if os.name != "posix":
        return ["Not measured: these failures are made by POSIX signals."]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.gguf"
        gguf_tiny.write_tiny_glm4(model)
        found = [
            asyncio.run(asyncio.wait_for(_case(Path(folder) / str(number), model, *case), 120))
            for number, case in enumerate(cases())
        ]
    return [*_summary(found), "", *_table(found)]


def _summary(found: list[Result]) -> list[str]:
    failed = [one for one in found if one.seconds is not None]
    worst = max(failed, key=lambda one: one.seconds)
    later = max((one for one in found if one.next_s is not None), key=lambda one: one.next_s)
    in_time = sum(one.seconds <= AIM_S and one.clear for one in failed)
    ends = Counter(one.end for one in failed)
    return [
        "From the last sign of life of the engine that fails (so that noticing it is counted; an engine counts as hung",
        "after 1 s here, 60 s in use) until the chat has answered or the sentence is there.",
        "",
        f"- {in_time} of {len(failed)} failures within {AIM_S:.0f} s (aim: at least {AIM_CASES}); "
        + ", ".join(f"{count} ended in {end}" for end, count in ends.most_common())
        + f"; {len(found) - len(failed)} faults did no harm",
        f"- the longest: {worst.seconds:.2f} s ({worst.fault}, {worst.stage})",
        f"- after a sentence, the next message was answered within {later.next_s:.2f} s ({later.fault})",
        f"- engines left behind: {sum(one.orphans for one in found)}; messages lost: {sum(one.lost for one in found)}",
    ]


def _table(found: list[Result]) -> list[str]:
    lines = ["| fault | where | ends in | after s | next message s |", "|---|---|---|---|---|"]
    for one in found:
        after = "–" if one.seconds is None else f"{one.seconds:.2f}"
        later = "–" if one.next_s is None else f"{one.next_s:.2f}"
        lines.append(f"| {one.fault} | {one.stage} | {one.end} | {after} | {later} |")
    return lines


async def _case(home: Path, model: Path, stage: str, faults: list[str], alone: bool) -> Result:
    from tests.engine.faulty import LADDER, session_with

    home.mkdir()
    own = home / "tiny.gguf"
    own.write_bytes(model.read_bytes())
    archive = chat.Archive(Conversations(home / "chat.sqlite"))
    await archive.open()
    before = _children()
    ladder = LADDER[:1] if alone else LADDER
    try:
        async with session_with(home, own, *faults, load=False, ladder=ladder) as (
            session,
            services,
            command,
        ):
            talk = _Talk(archive, session)
            found = await _meet(talk, session, services, command, own, stage)
    except AssertionError:  # session_with's own count of engines: told below
        if _children() <= before:
            raise
    lost = await talk.lost()
    await archive.close()
    end, seconds, next_s, clear = found
    return Result(faults[0], stage, end, seconds, next_s, len(_children() - before), lost, clear)


async def _meet(talk, session, services, command, model: Path, stage: str):
    """(what it ended in, seconds, seconds of the next message, whether the sentence is clear)"""
    signs = _Signs(session)
    try:
        await session.load(Target("tiny", model))
    except AppError as error:
        seconds = time.monotonic() - signs.last
        services.crashes.clear()
        command.starts = 99  # the cause is gone
        began = time.monotonic()
        assert await talk.ask() is None
        return "a sentence", seconds, time.monotonic() - began, _clear(error)
    began = signs.last if stage == "loading" else time.monotonic()
    error = await talk.ask()
    if error is None:
        harmless = stage == "loading" and not signs.failed
        return ("nothing: it works", None, None, True) if harmless else (
            "a working chat", time.monotonic() - began, None, True
        )  # fmt: skip
    seconds, began = time.monotonic() - talk.last, time.monotonic()
    assert await talk.ask() is None
    return "a sentence", seconds, time.monotonic() - began, _clear(error)


class _Signs:
    """``last``: when the first engine that failed to load was last heard of."""

    def __init__(self, session) -> None:
        self.last, self.failed = time.monotonic(), False
        session.listen(self._heard)

    def _heard(self, state) -> None:
        self.failed = self.failed or any(one.kind is not None for one in state.tries)
        if not self.failed:
            self.last = time.monotonic()


class _Talk:
    """A conversation that is kept, and what has to stand in it. ``last``: when the last words came."""

    def __init__(self, archive, session) -> None:
        self._archive, self._session = archive, session
        self._conversation, self._wanted = None, []
        self.last = 0.0

    async def ask(self) -> AppError | None:
        from tests.engine.faulty import GREEDY

        question, shown, failure = f"你好 {len(self._wanted)}", "", None
        self.last = time.monotonic()
        try:
            chooser = Always(self._session, GREEDY)
            async for event in chat.ask(self._archive, chooser, self._conversation, question):
                if isinstance(event, chat.Asked):
                    self._conversation = event.conversation
                elif isinstance(event, Delta):
                    shown += event.text
                    self.last = time.monotonic()
        except AppError as error:
            failure = error
        self._wanted += [("user", question), ("assistant", shown)]
        return failure

    async def lost(self) -> int:
        kept = await self._archive.run(Conversations.messages, self._conversation.id)
        found = Counter((one.role, one.text) for one in kept)
        return sum((Counter(self._wanted) - found).values())


def _clear(error: AppError) -> bool:
    sentence = errors.text(error)
    return bool(sentence) and "{" not in sentence and "\n" not in sentence and error.code not in sentence


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}
