"""Who answers a conversation: the session of this machine (``session.Session``) or a server (``remote.Remote``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from ..core.protocol import Delta, Done, Message, Sampling


class Answerer(Protocol):
    """Closing the iterator of ``generate`` ends the answer, and so does ``stop``, with ``done`` and the finish reason
    ``cancelled``. ``generate`` raises AppError; what was streamed until then stays valid."""

    def generate(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Done, None]: ...

    def stop(self) -> None: ...
