"""The remote servers of the user: the list, their keys, and who answers for one."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import AppError
from ..core.remote import Endpoint, RemoteError, base_url
from ..core.remote_check import Finding
from ..store.conversation_rows import clean as clean_text
from ..store.endpoints import EndpointFile
from ..store.keys import Keys, clean
from ..store.web import Web
from . import remote_trial
from .remote import Remote, key_of
from .remote_trial import Listed
from .services import Services

log = logging.getLogger(__name__)

MOST_NAME = 80


@dataclass(frozen=True)
class Draft:
    """What was entered. ``id`` None: a new one. ``key`` "": as it was; ``forget_key``: none from now on."""

    name: str
    address: str
    model: str = ""
    key: str = field(default="", repr=False)
    forget_key: bool = False
    id: str | None = None


@dataclass(frozen=True)
class Saved:
    """``kept``: where the key that was entered is kept (``store.keys``), None where none was. ``dropped_key``: the one
    that was kept belonged to another address and is gone."""

    endpoint: Endpoint
    kept: str | None = None
    dropped_key: bool = False


class RemoteServers:
    """All of it; for the loop. Nothing here ever chooses a server: who wants one names its id."""

    def __init__(self, file: Path, web: Web) -> None:
        self._file, self._web = EndpointFile(file), web
        self._known: dict[Endpoint, Remote] = {}  # with what each server was found to refuse

    async def all(self) -> tuple[Endpoint, ...]:
        return await asyncio.to_thread(self._file.all)

    async def answerer(self, endpoint_id: str, model: str | None = None) -> Remote:
        """Who answers for a conversation with that server; ``model``: another one than is entered for it. Raises
        RemoteError(remote_gone)."""
        endpoint = await asyncio.to_thread(self._file.get, endpoint_id)
        if endpoint is None:
            raise RemoteError("remote_gone")
        wanted = dataclasses.replace(endpoint, model=model or endpoint.model)
        return self._known.setdefault(wanted, Remote(self._web, wanted))

    async def save(self, draft: Draft) -> Saved:
        """Keep what was entered, its key in the keyring. Raises AppError (see ``base_url``; remote_key_wrong,
        state_unwritable, endpoints_damaged)."""
        return await asyncio.to_thread(self._save, draft)

    async def remove(self, endpoint_id: str) -> None:
        """Forget a server and its key. Raises AppError(state_unwritable, endpoints_damaged, remote_key_stays)."""
        await asyncio.to_thread(self._remove, endpoint_id)

    async def test(self, draft: Draft) -> AsyncGenerator[Finding | Listed, None]:
        """Try what was entered, without keeping it. Raises AppError (see ``base_url``; remote_key_wrong)."""
        old = await asyncio.to_thread(self._old, draft)
        endpoint, key = _endpoint(draft, old), _key(draft)
        kept = key is None and endpoint.has_key
        remote = Remote(self._web, endpoint, key=key)
        if kept:
            await key_of(self._web.keys, endpoint)
        async for found in remote_trial.try_out(remote, with_key=key is not None or kept):
            yield found

    def _old(self, draft: Draft) -> Endpoint | None:
        return self._file.get(draft.id) if draft.id is not None else None

    def _save(self, draft: Draft) -> Saved:
        old, key = self._old(draft), _key(draft)
        endpoint = _endpoint(draft, old)
        where = self._web.keys.set(endpoint.key_name, key) if key is not None else None
        self._file.put(endpoint)
        stale = (
            old is not None and old.has_key and (old.key_name != endpoint.key_name or not endpoint.has_key)
        )
        if old is not None and stale:
            _forget(self._web.keys, old)
        return Saved(endpoint, where, dropped_key=stale and key is None and not draft.forget_key)

    def _remove(self, endpoint_id: str) -> None:
        old = self._file.get(endpoint_id)
        self._file.remove(endpoint_id)
        if old is not None and old.has_key:
            _forget(self._web.keys, old)


def servers_of(services: Services) -> RemoteServers:
    """Those of this user."""
    return RemoteServers(services.home / "state" / "endpoints.json", services.web)


def _endpoint(draft: Draft, old: Endpoint | None) -> Endpoint:
    """What the draft means. Raises RemoteError."""
    url = base_url(draft.address)
    name = " ".join(clean_text(draft.name).split())[:MOST_NAME]
    made = Endpoint(draft.id or uuid.uuid4().hex[:12], name, url, clean_text(draft.model).strip())
    had = old is not None and old.has_key and old.key_name == made.key_name and not draft.forget_key
    return Endpoint(made.id, name or made.host, url, made.model, has_key=bool(draft.key.strip()) or had)


def _key(draft: Draft) -> str | None:
    """Raises RemoteError(remote_key_wrong)."""
    if not draft.key.strip():
        return None
    key = clean(draft.key)
    if key is None:
        raise RemoteError("remote_key_wrong")
    return key


def _forget(keys: Keys, endpoint: Endpoint) -> None:
    try:
        keys.forget(endpoint.key_name)
    except AppError as error:
        raise RemoteError(
            "remote_key_stays", name=endpoint.name, detail=error.values.get("detail")
        ) from error
