"""The remote servers of the user as the chat tab sees them: read once, and again when the dialog has changed them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from ...core.conversation import ConversationSettings
from ...core.remote import Endpoint
from ...usecases.remote_servers import RemoteServers
from ..bridge import Bridge


class EndpointsModel(QObject):
    """``changed`` when the list was read; ``failed(AppError)`` when it can't be."""

    changed = Signal()
    failed = Signal(object)

    def __init__(self, bridge: Bridge, servers: RemoteServers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.servers = servers
        self.all: tuple[Endpoint, ...] = ()
        self._known = False

    def start(self) -> None:
        """Read the list; ``changed`` follows."""
        self._bridge.submit(lambda _report: self.servers.all(), self.show, self.failed.emit)

    def show(self, endpoints: Sequence[Endpoint]) -> None:
        """Take over a list that somebody else has read."""
        self.all, self._known = tuple(endpoints), True
        self.changed.emit()

    def of(self, settings: ConversationSettings) -> Endpoint | None:
        """The server that answers a conversation, with the model that is asked for there; None: this machine, or a
        server that is not in the list (any more)."""
        return next((one for one in self.all if one.id == settings.endpoint), None)

    def gone(self, settings: ConversationSettings) -> bool:
        """Whether a conversation wants a server that was removed."""
        return self._known and settings.endpoint is not None and self.of(settings) is None
