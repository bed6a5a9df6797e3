"""A program that streams one answer into a file of conversations until it is killed.

Usage: ``conversation_writer.py FILE TOKENS_PER_S SAVE_EVERY_S``. Every line on stdout is ``shown COUNT TIME`` (so many
tokens have been shown; TIME of the monotonic clock, the same in all processes of a machine) or ``saved COUNT``.
"""

import asyncio
import sys
import time
from pathlib import Path

from autoglm_desktop.core.protocol import Delta
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases import answer_writer, chat
from autoglm_desktop.usecases.answering import Always
from autoglm_desktop.usecases.session_state import SessionState

QUESTION = "问题 question"


def token(number: int) -> str:
    return f"词{number} "


def text_of(count: int) -> str:
    """The answer after so many tokens."""
    return "".join(map(token, range(count)))


class Told(Conversations):
    """Says when a text is on disk."""

    def update_text(self, message: int, text: str) -> None:
        super().update_text(message, text)
        print("saved", text.count(" "), flush=True)


class Endless:
    """An engine that never ends its answer."""

    state = SessionState("ready")

    def __init__(self, tokens_per_s: float) -> None:
        self._pause_s = 1 / tokens_per_s

    async def generate(self, _messages, _sampling):
        begun = time.monotonic()
        for number in range(10_000_000):
            yield Delta("r", token(number), number + 1)
            await asyncio.sleep(max(0.0, begun + number * self._pause_s - time.monotonic()))

    def stop(self) -> None:
        raise NotImplementedError


async def write(path: Path, tokens_per_s: float) -> None:
    archive = chat.Archive(Told(path))
    await archive.open()
    count = 0
    async for event in chat.ask(archive, Always(Endless(tokens_per_s)), None, QUESTION):
        if isinstance(event, Delta):
            count += 1
            print("shown", count, time.monotonic(), flush=True)


if __name__ == "__main__":
    answer_writer.SAVE_EVERY_S = float(sys.argv[3])
    asyncio.run(write(Path(sys.argv[1]), float(sys.argv[2])))
