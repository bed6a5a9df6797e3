"""The Service page: the switch, who can reach the service, examples, the requests of now, and the agent's test."""

from __future__ import annotations

import asyncio
import functools

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from ...core.errors import AppError
from ...i18n import _
from ...texts import errors
from ...usecases import phone_step, serve
from ...usecases.pictures import Pictures, seeing
from ...usecases.service_control import Serve, ServiceControl
from ...usecases.services import Services
from ...usecases.session import Wishes
from ...usecases.targets import Target
from ..bridge import Bridge
from ..session_model import SessionModel
from ..widgets.card import Page
from ..widgets.notice import Notices
from .key_card import KeyCard
from .model import ServiceModel
from .options_card import OptionsCard
from .reach_card import ReachCard
from .requests_card import RequestsCard
from .snippets_card import SnippetsCard
from .status_card import StatusCard
from .trial import Order, TrialController
from .trial_card import OWN, TrialCard

ADDRESSES_EVERY_MS = 15_000


def load_serve() -> Serve:
    """The HTTP service, which is imported when it is first switched on."""
    from ...service.run import serve

    return serve


class ServicePage(Page):
    """``start`` reads the settings and switches the service on where it was on; ``finish`` ends it before the session
    ends. ``models_wanted`` where a model has to be chosen first. ``pictures``: of the service's requests; who gives
    them closes them, after the session's end.

    ``control``, ``service`` and ``controller`` are made where they are not given."""

    models_wanted = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        session: SessionModel,
        pictures: Pictures | None,
        *,
        control: ServiceControl | None = None,
        service: ServiceModel | None = None,
        controller: TrialController | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(_("Service"), parent)
        self._bridge, self._services, self._session = bridge, services, session
        self._control = control or ServiceControl(session.session, services, pictures, load_serve)
        self.service = service or ServiceModel(bridge, services, self._control, parent=self)
        self.controller = controller or TrialController(bridge, parent=self)
        self.notices = Notices()
        self.status, self.reach, self.key = StatusCard(), ReachCard(), KeyCard()
        self.snippets, self.requests = SnippetsCard(), RequestsCard()
        self.trial, self.options = TrialCard(), OptionsCard()
        self.body.addWidget(self.notices)
        for card in (
            self.status, self.reach, self.key, self.snippets, self.requests, self.trial, self.options,
        ):  # fmt: skip
            self.body.addWidget(card)
        self.body.addStretch(1)
        self._timer = QTimer(self)
        self._timer.setInterval(ADDRESSES_EVERY_MS)
        self._timer.timeout.connect(self._look_up)
        self._connect()
        self.show_state()

    def start(self) -> None:
        self.service.begin()

    async def finish(self) -> None:
        """End the service for this run of the program: answers are ended and told, sockets closed. On the loop."""
        await self._control.stop()

    def show_state(self) -> None:
        """Everything anew."""
        service, state = self.service, self._session.state
        self.status.show_state(service, state)
        self.reach.show_state(service)
        self.key.show_state(service)
        self.snippets.show_state(service, shows_key=self.key.shows)
        self.requests.show_state(service.state)
        self.options.show_state(service)
        self.trial.show_state(service, state, self.controller)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._look_up()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    def _connect(self) -> None:
        service, controller = self.service, self.controller
        service.changed.connect(self.show_state)
        service.not_kept.connect(self._say_not_kept)
        service.asked.connect(lambda: self.requests.show_state(service.state))
        self._session.changed.connect(self._session_changed)
        self.status.switched.connect(service.switch)
        self.status.wanted.connect(self._act)
        self.reach.picked.connect(lambda lan: service.change(lan=lan))
        self.key.asked.connect(lambda asked: service.change(ask_key=asked))
        self.key.new_wanted.connect(service.make_key)
        self.key.shown_changed.connect(lambda: self.snippets.show_state(service, shows_key=self.key.shows))
        self.options.port_entered.connect(lambda port: service.change(port=port))
        self.options.hosts_entered.connect(lambda hosts: service.change(hosts=hosts))
        self.trial.wanted.connect(self._act)
        self.trial.run_wanted.connect(self.run_test)
        self.trial.stop_wanted.connect(controller.stop)
        self.trial.task.textChanged.connect(self._show_trial)
        self.trial.shots.picked.connect(self._show_trial)
        controller.changed.connect(self._show_trial)
        controller.ticked.connect(lambda: self.trial.show_progress(controller))

    def run_test(self) -> None:
        """Ask the service what the agent would ask."""
        target, url = self._session.state.target, self.service.url
        if target is None or url is None:
            return
        settings, card = self.service.settings, self.trial
        self.controller.run(
            Order(
                url,
                settings.needed_key,
                card.task.text().strip(),
                card.language.value() or "en",
                card.source if card.shots.value() == OWN else None,
                target.name,
                serve.is_phone(target, self._services.library.catalog),
            )
        )

    def _session_changed(self, _state: object) -> None:
        if (target := self._session.state.target) is not None:
            self.controller.answers(target.name)
        self.status.show_state(self.service, self._session.state)
        self._show_trial()

    def _show_trial(self, _what: object = None) -> None:
        self.trial.show_state(self.service, self._session.state, self.controller)

    def _say_not_kept(self) -> None:
        text = _("These settings hold now but could not be saved; the log says why.")
        self.notices.say("warn", text)

    def _look_up(self) -> None:
        if self.service.settings.lan:
            self.service.look_up_addresses()

    def _act(self, name: str) -> None:
        if name == "models":
            self.models_wanted.emit()
        elif name == "port":
            self.service.use_free_port()
        elif name in ("on", "again"):
            self.service.switch(True)
        elif name == "load":
            self._load_seeing()
        elif name == "show":
            self._show_trial()

    def _load_seeing(self) -> None:
        """Load the known model again with its vision part and room for a step, or say why that can't be."""
        target, library = self._session.state.target, self._services.library
        if target is None:
            return

        def load(found: Target) -> None:
            self._session.load(found, Wishes(wish=phone_step.WISH))

        def refused(error: AppError) -> None:
            self.notices.say("fail", errors.text(error))

        work = functools.partial(asyncio.to_thread, seeing, library, target)
        self._bridge.submit(lambda _report: work(), load, refused)
