"""Keeping the engine and the downloads off files that are to be moved or deleted."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from ...usecases.services import Services
from ..downloads_model import DownloadsModel
from ..session_model import SessionModel

IN_MEMORY = ("installing", "loading", "ready", "generating")


class Holds:
    """``folder`` and ``files`` run on the bridge's loop."""

    def __init__(self, session: SessionModel, downloads: DownloadsModel, services: Services) -> None:
        self._session, self._downloads, self._services = session, downloads, services

    def is_loaded(self, files: Collection[Path]) -> bool:
        """Whether the model that is loaded, or is being loaded, may be one of these files."""
        state = self._session.state
        if state.target is None or state.phase not in IN_MEMORY:
            return False
        return not set(files).isdisjoint(state.target.files)

    @contextlib.asynccontextmanager
    async def folder(self) -> AsyncIterator[None]:
        """Nobody uses the models folder: no model is loaded and nothing is fetched. Where it has moved, the model
        that was loaded is known at its new place."""
        session, old = self._session.session, self._services.models
        async with session.held(), self._downloads.resting():
            try:
                yield
            finally:
                target, new = session.state.target, self._services.models
                if target is not None and new != old:
                    moved = [
                        new / file.relative_to(old) if file.is_relative_to(old) else file
                        for file in target.files
                    ]
                    session.retarget(dataclasses.replace(target, file=moved[0], others=tuple(moved[1:])))

    @contextlib.asynccontextmanager
    async def files(self, files: Collection[Path]) -> AsyncIterator[None]:
        """No model is loaded from these files, which are to be deleted."""
        session = self._session.session
        target = session.state.target
        if target is None or set(files).isdisjoint(target.files):
            yield
            return
        async with session.held():
            yield
            others = tuple(file for file in target.others if file not in files)
            session.retarget(None if target.file in files else dataclasses.replace(target, others=others))
