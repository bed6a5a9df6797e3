"""What is being written: the question with its pictures, kept as a draft, and what it takes of the context."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

from PySide6.QtCore import QObject, QTimer, Signal

from ...core.context_use import ContextUse
from ...core.errors import AppError
from ...store.conversations import Conversations, Draft, Picture
from ...usecases import pictures as picture_usecases
from ...usecases.archive import Archive
from ...usecases.services import Services
from ...usecases.session import Wishes
from ...usecases.targets import Target
from ..bridge import Bridge
from ..composer import big_paste
from ..composer.attachments import Attachments
from ..composer.composer import Composer
from ..composer.drafts import Drafts
from ..session_model import SessionModel
from . import context, vision_notice
from .controller import ChatController
from .endpoints_model import EndpointsModel
from .words import Notice

METER_MS = 150
Unsent: TypeAlias = "tuple[int | None, str, tuple[Picture, ...]]"
"""A conversation (None: one that is not begun), a question and its pictures."""


class Writing(QObject):
    """``changed``: what ``notice`` says; ``measured(ContextUse | None)``: what the context holds with this question."""

    changed = Signal()
    measured = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        archive: Archive,
        session: SessionModel,
        controller: ChatController,
        endpoints: EndpointsModel,
        composer: Composer,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._archive = bridge, archive
        self._library, self._session = services.library, session
        self._controller, self._endpoints = controller, endpoints
        self.composer = composer
        self.attachments = Attachments(bridge, archive, self)
        self.drafts = Drafts(bridge, archive, self)
        self.shown: int | None = None
        self.editing = False
        self.unsent: list[Unsent] = []
        self._late: list[Draft] = []  # until the pictures that are written here are read
        self._meanwhile = Draft()  # what is written while it waits
        self._waiting = True  # for the draft of the conversation that is shown: nothing overwrites it before
        self._seeing: Target | AppError | None = None
        self._looked_at: Target | None = None
        self._base: ContextUse | None = None
        self._meter = QTimer(self)
        self._meter.setSingleShot(True)
        self._meter.setInterval(METER_MS)
        self._meter.timeout.connect(self._measure)
        composer.set_attachments(self.attachments)
        composer.text_changed.connect(self._edited)
        self.attachments.changed.connect(self._edited)
        self.drafts.failed.connect(self.failed)
        controller.messages_changed.connect(self._count)
        controller.settings_changed.connect(self._count)
        session.changed.connect(self._count)
        endpoints.changed.connect(self._count)

    @property
    def notice(self) -> Notice | None:
        """What is to be done before the question's pictures can be looked at."""
        remote = self._endpoints.of(self._controller.settings)
        has = bool(self.attachments.pictures())
        return vision_notice.notice_for(self._session.state, self._seeing, remote, has)

    def load_seeing(self) -> None:
        """Load the model so that it can look at pictures; ``failed`` says why it can't."""
        target = self._session.state.target
        if target is not None:
            see, library = picture_usecases.seeing, self._library
            self._bridge.submit(
                lambda _report: asyncio.to_thread(see, library, target),
                self._load_seeing,
                self.failed.emit,
            )

    def _load_seeing(self, target: Target) -> None:
        self._session.load(target, Wishes(wish="phone"))

    def switch(self, conversation: int | None) -> None:
        """Keep what is written here, and bring what was written there."""
        self._keep()
        before, late = self.shown, self._put_down()
        self.shown = conversation
        self.read()
        for draft in late:
            self.take_back(before, draft.text, draft.pictures)

    def start(self) -> None:
        """Bring what was being written when the program ended; what is written already stays behind it."""
        wanted = self.shown
        self.drafts.read(wanted, lambda draft: self._bring(wanted, draft))

    async def finish(self) -> None:
        """Write what is not written, and what was not sent (``unsent``) before what was written since; on the loop,
        after all jobs have ended."""
        late = [(self.shown, draft.text, draft.pictures) for draft in (*self._late, self._meanwhile)]
        await self.drafts.finish()
        for conversation, text, pictures in (*self.unsent, *late):
            await self.drafts.put_before(conversation, text, pictures)

    def read(self) -> None:
        """Bring the draft of the conversation that is shown into the empty composer."""
        wanted, self._waiting = self.shown, True
        self.composer.clear()
        self.drafts.read(wanted, lambda draft: self._bring(wanted, draft))

    def named(self, conversation: int) -> None:
        """The new conversation is kept; what is being written stays where it is written."""
        if not self._waiting:
            self.drafts.keep(None, "", ())
        self.shown, self._waiting = conversation, False
        self._keep()

    def edit(self, text: str, pictures: Sequence[Picture]) -> None:
        """Write on a question that was asked; the draft is kept meanwhile."""
        self._keep()
        late = self._put_down() if not self.editing else []
        self.editing = True
        for draft in late:
            self.take_back(self.shown, draft.text, draft.pictures)
        self.composer.load(text, tuple(pictures))
        self.composer.edit.setFocus()

    def leave(self) -> None:
        """Write no more on a question; the draft comes back."""
        self.read()
        self.editing = False

    def sent(self) -> tuple[Picture, ...]:
        """The pictures of the question, which is a draft no longer."""
        pictures = self.attachments.pictures()
        self.composer.clear()
        return pictures

    def take_back(self, conversation: int | None, text: str, pictures: Sequence[Picture]) -> None:
        """A question that could not be kept goes before what has been written since."""
        if conversation == self.shown and not self.editing:
            self._put_before(Draft(text, tuple(pictures)))
            return
        unsent: Unsent = (conversation, text, tuple(pictures))
        self.unsent.append(unsent)

        def bring(stored: Draft) -> None:
            self.unsent.remove(unsent)
            if conversation == self.shown and not self.editing:  # it was opened meanwhile
                self.take_back(conversation, text, pictures)
                return
            draft = self.drafts.newest(conversation, stored)
            self.drafts.keep(conversation, _joined(text, draft.text), (*pictures, *draft.pictures))

        self.drafts.flush()
        self._bridge.submit(
            lambda _report: self._archive.run(Conversations.draft, conversation), bring, self.failed.emit
        )

    def _bring(self, conversation: int | None, draft: Draft) -> None:
        if conversation != self.shown or self.editing:
            return
        self._waiting = False
        if draft != Draft():
            self._put_before(draft)
        elif not self.composer.is_empty():
            self._keep()

    def _put_before(self, draft: Draft) -> None:
        """Before what is written here meanwhile."""
        if self.attachments.ready:
            shown = self.attachments.pictures()
            self.composer.load(_joined(draft.text, self.composer.text()), (*draft.pictures, *shown))
        else:
            self._late.append(draft)

    def _put_down(self) -> list[Draft]:
        """What is not kept here, as it waits for something else."""
        late = [draft for draft in (*self._late, self._meanwhile) if draft != Draft()]
        self._late, self._meanwhile = [], Draft()
        return late

    def _keep(self) -> None:
        if self.editing:
            return
        text, pictures = self.composer.text(), self.attachments.pictures()
        self._meanwhile = Draft(text, pictures) if self._waiting else Draft()
        if not self._waiting:
            self.drafts.keep(self.shown, text, pictures)

    def _edited(self) -> None:
        self._keep()
        self._look()
        self._meter.start()
        self.changed.emit()
        if self._late and self.attachments.ready and not self.editing:
            self._put_before(self._late.pop())

    def _look(self) -> None:
        """Find out, once for each model, whether its files can look at pictures."""
        target = self._session.state.target
        if not self.attachments.pictures() or target is None or target == self._looked_at:
            return
        self._looked_at, self._seeing = target, None
        see, library = picture_usecases.seeing, self._library
        self._bridge.submit(
            lambda _report: asyncio.to_thread(see, library, target),
            lambda found: self._looked(target, found),
            lambda error: self._looked(target, error),
        )

    def _looked(self, target: Target, found: Target | AppError) -> None:
        if target == self._looked_at:
            self._seeing = found
            self.changed.emit()

    def _count(self, *_changed: object) -> None:
        """Count again what stands before the question."""
        self._base = None
        self._look()
        self._meter.start()

    def _measure(self) -> None:
        state, controller = self._session.state, self._controller
        settings, remote = controller.settings, self._endpoints.of(controller.settings)
        sampling = settings.sampling(context.defaults(settings, remote, state, self._library.catalog))
        if self._base is None:
            self._base = context.before(state, settings, remote, controller.messages, sampling)
        plan = state.plan if remote is None else None
        measured = state.proof.image_s if state.proof is not None and remote is None else None
        room = context.room(state, remote, settings.system + self.composer.text(), sampling)
        self.attachments.set_plan(plan, room, measured)
        pictures = self._base.pictures + self.attachments.tokens
        use = dataclasses.replace(self._base, draft=self.composer.tokens(), pictures=pictures)
        self.composer.set_room(use.context, big_paste.room_for_text(use))
        self.measured.emit(use)


def _joined(first: str, second: str) -> str:
    return "\n".join(filter(None, (first, second)))
