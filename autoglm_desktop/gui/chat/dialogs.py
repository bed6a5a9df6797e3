"""The windows that the chat tab opens beside itself: settings of a conversation, one step on the phone."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ...core.protocol import Sampling
from ...core.remote import Endpoint
from ...i18n import _, language
from ...store.own_prompts import OwnPrompts, Prompt
from ...usecases import prompts
from ...usecases.pictures import Pictures
from ...usecases.services import Services
from ..bridge import Bridge
from ..chat_settings.prompt_shelf import PromptShelf
from ..remote.button import RemoteButton
from ..session_model import SessionModel
from . import context
from .controller import ChatController
from .endpoints_model import EndpointsModel

if TYPE_CHECKING:
    from ..chat_settings.settings_dialog import SettingsDialog
    from ..phone.dialog import PhoneDialog


class Dialogs(QObject):
    """Opens each once and brings it forward after that. ``models_wanted`` as ``PhoneView`` has it."""

    models_wanted = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        session: SessionModel,
        controller: ChatController,
        endpoints: EndpointsModel,
        pictures: Pictures,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._services, self._session = bridge, services, session
        self._controller, self._endpoints, self._pictures = controller, endpoints, pictures
        self._widget = parent
        self._told: tuple[Sampling, str, str | None] | None = None
        self.settings: SettingsDialog | None = None
        self.phone: PhoneDialog | None = None
        controller.settings_changed.connect(self._follow)
        session.changed.connect(self._follow)
        endpoints.changed.connect(self._follow)

    def open_settings(self) -> None:
        """Those of the open conversation; the window follows when another one is opened."""
        from ..chat_settings.settings_dialog import SettingsDialog

        if self.settings is None:
            servers = RemoteButton(self._bridge, self._endpoints.servers)
            servers.changed.connect(self._endpoints.show)
            self.settings = SettingsDialog(
                self._controller.settings,
                self.defaults(),
                self._endpoints.all,
                _prompts(),
                self._widget.window(),
                source=self._source(),
                model=self._model(),
                own=PromptShelf(self._bridge, OwnPrompts(self._services.home / "state" / "prompts.json")),
                remote_button=servers,
            )
            self.settings.changed.connect(self._controller.change_settings)
            self._endpoints.start()
            self._follow()
        else:
            self.settings.set_prompts(_prompts())  # with the date of today
        _come_forward(self.settings)

    def open_phone(self) -> None:
        """One step on the phone, by who answers the open conversation."""
        from ..phone.dialog import PhoneDialog

        if self.phone is None:
            self.phone = PhoneDialog(
                self._bridge,
                self._session,
                self._pictures,
                self._services.library,
                self._widget.window(),
                self._endpoints.servers,
            )
            self.phone.view.models_wanted.connect(self.models_wanted)
        self._follow()
        _come_forward(self.phone)

    def flush(self) -> None:
        """What is being typed belongs to the conversation that is open now."""
        if self.settings is not None:
            self.settings.flush()

    def defaults(self) -> Sampling:
        """The sampling of the model that answers the open conversation, where nothing else is set."""
        settings = self._controller.settings
        endpoint = self._endpoints.of(settings)
        return context.defaults(settings, endpoint, self._session.state, self._services.library.catalog)

    def _endpoint(self) -> Endpoint | None:
        """The server of the open conversation, with the model that is asked for there."""
        settings = self._controller.settings
        endpoint = self._endpoints.of(settings)
        if endpoint is None or not settings.model:
            return endpoint
        return dataclasses.replace(endpoint, model=settings.model)

    def _model(self) -> str | None:
        target = self._session.state.target
        return target.name if target is not None else None

    def _source(self) -> str:
        target = self._session.state.target
        if target is not None and target.is_demo and self._controller.settings.endpoint is None:
            return _("These are the demo's own values: it always takes the likeliest word.")
        if self.defaults() == Sampling():
            return _("No values are known for this model; these are the program's own.")
        return _("The values that the catalogue has for this model.")

    def _follow(self, *_changed: object) -> None:
        if self.phone is not None:
            self.phone.controller.answer_by(self._endpoint())
        if self.settings is not None:
            current = self._controller.current
            self.settings.set_title(current.title if current is not None else "")
            self.settings.set_settings(self._controller.settings)
            told = (self.defaults(), self._source(), self._model())
            if told != self._told:
                self._told = told
                self.settings.set_defaults(*told)
            self.settings.set_endpoints(self._endpoints.all)


def _prompts() -> tuple[Prompt, ...]:
    return prompts.library(prompts.language_of(language()), datetime.date.today())


def _come_forward(window: QWidget) -> None:
    if window.isVisible():
        window.raise_()
    window.show()
    window.activateWindow()
