"""``chat --image``: a picture beside the first question. What can't be shown is said before anything loads."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from .core.protocol import Message
from .store.paths import expanded
from .texts import pictures as texts
from .usecases import pictures
from .usecases.services import Services
from .usecases.session import Session
from .usecases.targets import Target

WISH = "phone"
"""What a plan is made for where a picture is to be seen: with the vision part, and room for a screenshot."""


class FirstPicture:
    """The picture of one command; None of ``file`` is none. ``close`` after the session's end: engines read it."""

    def __init__(self, services: Services, file: str | None) -> None:
        self._services = services
        self._pictures = pictures.Pictures(services)
        self._file: Path | None = expanded(file) if file is not None else None
        self._given: Path | None = None

    @property
    def wish(self) -> str | None:
        """Of the load."""
        return WISH if self._file is not None else None

    async def check(self, target: Target) -> Target:
        """What of the target to load. Raises AppError where the picture can't be read, or the target can look at
        none."""
        if self._file is None:
            return target
        target = await asyncio.to_thread(pictures.seeing, self._services.library, target)
        await pictures.check(self._file)
        return target

    async def message(self, session: Session, text: str, reply_tokens: int) -> Message:
        """The user's message; the first has the picture before its text, as the phone agent sends it.

        Raises AppError where the loaded model has no room for it.
        """
        if self._file is None:
            return Message("user", text)
        room = pictures.room(session.state, text, reply_tokens)
        prepared = await self._pictures.prepare(self._file, room)
        print(texts.shown_text(prepared), file=sys.stderr)
        self._file, self._given = None, self._file
        content: list[dict[str, Any]] = [prepared.part, {"type": "text", "text": text}]
        return Message("user", content)

    def take_back(self, message: Message) -> None:
        """The message was not answered and is forgotten: its picture goes with the next one."""
        if not isinstance(message.content, str):
            self._file = self._given

    async def close(self) -> None:
        await self._pictures.close()
