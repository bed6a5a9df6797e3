"""made_: the states of the dialog of remote servers, for pictures and tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QWidget

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.remote import Endpoint, RemoteError, base_url
from autoglm_desktop.core.remote_check import KEY, MODEL, PICTURES, QUESTIONS, REACHED, STREAMS, Finding
from autoglm_desktop.core.remote_models import RemoteModel
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.remote.dialog import RemoteDialog
from autoglm_desktop.usecases.remote_servers import Draft, Saved
from autoglm_desktop.usecases.remote_trial import Listed

HERE = Endpoint("a", "vLLM", "http://localhost:8000/v1", "zai-org/AutoGLM-Phone-9B")
NEAR = Endpoint("b", "made: the workstation", "http://192.168.1.20:8000/v1", "autoglm-phone-9b", has_key=True)
AWAY = Endpoint(
    "c", "一个名字很长的远程服务器，列表里放不下", "https://llm.example.org/v1", "made-9b", has_key=True
)
MODELS = Listed((RemoteModel("autoglm-phone-9b", 25480), RemoteModel("made-other")))
NOT_TRIED = tuple(Finding(question, "unknown", "not_tried") for question in QUESTIONS)

FINE = (
    Finding(REACHED, "ok", "reached", {"host": "192.168.1.20:8000", "count": 2}),
    Finding(KEY, "ok", "key_taken"),
    Finding(MODEL, "ok", "model_there", {"model": "autoglm-phone-9b"}),
    Finding(STREAMS, "ok", "streams", {"first_s": 0.42}),
    Finding(PICTURES, "warn", "pictures_left_out"),
)
REFUSED = (
    FINE[0],
    Finding(KEY, "fail", error=RemoteError("remote_key_refused", name=NEAR.name)),
    *NOT_TRIED[2:],
)
FAR = (
    Finding(REACHED, "fail", error=RemoteError("remote_unreachable", host=NEAR.host)),
    *NOT_TRIED[1:],
)
OTHER = (
    Finding(REACHED, "fail", error=RemoteError("remote_not_openai", address=NEAR.url)),
    *NOT_TRIED[1:],
)


class FakeServers:
    """Keeps servers in memory; a test finds ``found`` and then, where ``endless``, goes on for ever."""

    def __init__(self, *kept: Endpoint, found: tuple[Any, ...] = (), endless: bool = False) -> None:
        self.kept, self.found, self.endless = list(kept), found, endless
        self.tested: list[Draft] = []
        self.error: AppError | None = None
        self.where = "keyring"

    async def all(self) -> tuple[Endpoint, ...]:
        return tuple(self.kept)

    async def save(self, draft: Draft) -> Saved:
        if self.error is not None:
            raise self.error
        old = next((one for one in self.kept if one.id == draft.id), None)
        has_key = bool(draft.key) or (old is not None and old.has_key and not draft.forget_key)
        made = Endpoint(
            draft.id or "new", draft.name or "made", base_url(draft.address), draft.model, has_key
        )
        self.kept = [one for one in self.kept if one.id != made.id] + [made]
        return Saved(made, self.where if draft.key else None)

    async def remove(self, endpoint_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.kept = [one for one in self.kept if one.id != endpoint_id]

    async def test(self, draft: Draft) -> AsyncIterator[Any]:
        self.tested.append(draft)
        base_url(draft.address)
        for one in self.found:
            yield one
        if self.endless:
            await asyncio.Event().wait()


def remote_states(until) -> dict[str, Callable[[Bridge, Path], QWidget]]:
    """``until(done)`` runs Qt's loop until something is so."""

    def opened(bridge: Bridge, servers: FakeServers, row: int = 1) -> RemoteDialog:
        dialog = RemoteDialog(bridge, servers)
        until(lambda: dialog.is_read)
        if servers.kept:
            dialog.side.list.setCurrentRow(row)
        return dialog

    def tested(*found: Any, endless: bool = False) -> Callable[[Bridge, Path], QWidget]:
        def build(bridge: Bridge, _home: Path) -> QWidget:
            dialog = opened(bridge, FakeServers(HERE, NEAR, AWAY, found=found, endless=endless))
            dialog.test()
            count = len([one for one in found if isinstance(one, Finding)])
            until(lambda: len(dialog.findings.found) == count)
            until(lambda: endless or dialog.findings.state != "testing")
            return dialog

        return build

    def no_keyring(bridge: Bridge, _home: Path) -> QWidget:
        servers = FakeServers(HERE, NEAR)
        servers.where = "run"
        dialog = opened(bridge, servers)
        dialog.form.key.setText("made-key")
        dialog.save()
        until(lambda: bool(dialog.notices.shown))
        return dialog

    return {
        "remote-empty": lambda bridge, _home: opened(bridge, FakeServers()),
        "remote-testing": tested(MODELS, FINE[0], FINE[1], endless=True),
        "remote-fine": tested(MODELS, *FINE),
        "remote-key-refused": tested(*REFUSED),
        "remote-unreachable": tested(*FAR),
        "remote-not-openai": tested(*OTHER),
        "remote-away": lambda bridge, _home: opened(bridge, FakeServers(HERE, NEAR, AWAY), 2),
        "remote-no-keyring": no_keyring,
    }
