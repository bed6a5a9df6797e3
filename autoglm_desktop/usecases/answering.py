"""Who answers a conversation, and how: the session of this machine, or the remote server that was set for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..core import sampling_defaults
from ..core.conversation import ConversationSettings
from ..core.protocol import Sampling
from ..core.remote import Endpoint
from ..store.library import Library
from .answerer import Answerer
from .chat_messages import Show
from .chat_pictures import RemoteShow, SessionShow
from .pictures import Pictures
from .remote_servers import RemoteServers
from .session import Session

MADE_FOR_ANY = Sampling()
"""Of a model that nobody knows."""


@dataclass(frozen=True)
class Chosen:
    """``sampling``: the model's own; a conversation's settings go before it. ``show`` makes its pictures ready; None:
    they are left out. ``remote``: the server, None: this machine."""

    answerer: Answerer
    sampling: Sampling
    show: Show | None = None
    remote: Endpoint | None = None


class Chooser(Protocol):
    async def choose(self, settings: ConversationSettings) -> Chosen:
        """Who answers with these settings. Raises AppError where nobody can be asked."""
        ...


@dataclass(frozen=True)
class Always:
    """The same one, whatever is set."""

    answerer: Answerer
    sampling: Sampling = MADE_FOR_ANY
    show: Show | None = None

    async def choose(self, settings: ConversationSettings) -> Chosen:
        return Chosen(self.answerer, self.sampling, self.show, getattr(self.answerer, "endpoint", None))


class Answerers:
    """``own``: where pictures for engines are made; ``kept``: the folder of those that messages have."""

    def __init__(
        self, session: Session, servers: RemoteServers, library: Library, own: Pictures, kept: Path
    ) -> None:
        self._session, self._servers, self._catalog = session, servers, library.catalog
        self._here = SessionShow(session, library, own, kept)
        self._there = RemoteShow(own, kept)

    async def choose(self, settings: ConversationSettings) -> Chosen:
        """Raises RemoteError(remote_gone) where the server that was set is no longer there: nothing else is asked
        instead."""
        if settings.endpoint is None:
            target = self._session.state.target
            own = sampling_defaults.defaults(target.model if target is not None else None, self._catalog)
            return Chosen(self._session, own, self._here)
        remote = await self._servers.answerer(settings.endpoint, settings.model)
        own = sampling_defaults.defaults(remote.endpoint.model, self._catalog)
        return Chosen(remote, own, self._there, remote.endpoint)
