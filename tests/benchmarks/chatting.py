"""A program that streams one answer of a fake engine into a file of conversations until it is killed.

Usage: ``chatting.py FOLDER ask|go-on TOKENS_PER_S``. It goes the whole way of the window: ``usecases.chat``, a session,
an engine process, SQLite. Lines on stdout: ``engine PID``, then ``begun TEXT`` (what the answer has already) and for
each piece ``shown TIME TEXT``; TEXT is JSON, TIME of the monotonic clock, which all processes of a machine share.
"""

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

import psutil

from autoglm_desktop.core.protocol import Delta, Sampling
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases import chat
from autoglm_desktop.usecases.answering import Always
from autoglm_desktop.usecases.session import Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_prepare, made_services

QUESTION = "问题 question"
CONTEXT = 1_000_000
BEGINNING = 12
"""Tokens of an answer that is to be written on."""


@contextlib.asynccontextmanager
async def open_chat(folder: Path, tokens_per_s: float):
    """(archive, a session that is loaded) in a folder of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "model.gguf"
    file.write_bytes(b"made: the fake engine opens no file")
    services = made_services(folder, "ok", "--tokens", CONTEXT, "--delay", 1 / tokens_per_s)
    session, archive = Session(services, made_prepare), chat.Archive(Conversations(folder / "c.sqlite3"))
    await archive.open()
    try:
        await session.load(Target("made", file), Wishes(context=CONTEXT))
        yield archive, session
    finally:
        await session.close()
        await archive.close()


def engine() -> psutil.Process:
    """The engine of this process; there is one."""
    (found,) = psutil.Process().children()
    return found


def asking(archive, session, conversation=None, most: int = CONTEXT):
    return chat.ask(archive, Always(session, Sampling(max_tokens=most)), conversation, QUESTION)


async def stream(folder: Path, how: str, tokens_per_s: float) -> None:
    async with open_chat(folder, tokens_per_s) as (archive, session):
        say("engine", engine().pid)
        if how == "go-on":
            *_events, last = [event async for event in asking(archive, session, most=BEGINNING)]
            (talk,) = await archive.run(Conversations.all)
            always = Always(session, Sampling(max_tokens=CONTEXT))
            events = chat.go_on(archive, always, talk, last.answer)
        else:
            events = asking(archive, session)
        async for event in events:
            if isinstance(event, chat.Asked):
                say("begun", json.dumps(event.answer.text))
            elif isinstance(event, Delta):
                say("shown", time.monotonic(), json.dumps(event.text))


def say(*words: object) -> None:
    print(*words, flush=True)


if __name__ == "__main__":
    asyncio.run(stream(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
