"""The window's process: wiring only. The frame is painted before the rest of the program is imported."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSocketNotifier, Qt
from PySide6.QtWidgets import QApplication

from .gui import theme
from .gui.main_window import MainWindow
from .gui.single_instance import InstanceServer, raise_other
from .store import paths, settings

if TYPE_CHECKING:
    from .gui.contents import Contents
    from .usecases.services import Services

log = logging.getLogger(__name__)
INTERRUPTED = 130


def default_services() -> Services:
    """The services of this user."""
    from .usecases.services import create_services

    return create_services()


class Application:
    """One window with its loop, session and stores. ``show`` it, run Qt's loop, ``close`` it."""

    def __init__(self, app: QApplication, make_services: Callable[[], Services] = default_services) -> None:
        self._app = app
        self._make_services = make_services
        self.services: Services | None = None
        self._settings = settings.load(paths.home())
        theme.apply(app, theme.Scheme(self._settings.scheme))
        self.window = MainWindow()
        self.window.restore(self._settings.geometry)
        self.window.painted.connect(_log_painted)
        self.window.painted.connect(self.fill, Qt.ConnectionType.QueuedConnection)
        self.window.closed.connect(self.close)
        app.styleHints().colorSchemeChanged.connect(self._scheme_changed)
        self._end: Callable[[], None] | None = None
        self._closed = False
        self._crash_shown = False

    def show(self) -> None:
        self.window.show()

    def fill(self) -> None:
        """Build the loop, the session and the pages, and start what takes time."""
        if self.services is not None or self._closed:
            return
        from .gui.bridge import Bridge
        from .gui.contents import Contents
        from .gui.downloads_model import DownloadsModel
        from .gui.session_model import SessionModel
        from .store.conversations import Conversations
        from .usecases import engine_tuning, idle_setting
        from .usecases.downloads import Downloads
        from .usecases.plan import prepare
        from .usecases.session import Session

        services = self.services = self._make_services()
        bridge = Bridge()
        bridge.crashed.connect(self.crashed)
        idle = idle_setting.minutes(services)
        session = Session(services, prepare, idle_s=idle_setting.seconds(idle))
        conversations = Conversations(services.home / "conversations.sqlite3")
        downloads = Downloads(services)
        model = SessionModel(bridge, session, services, idle, engine_tuning.chosen(services))
        contents = Contents(bridge, services, model, conversations, DownloadsModel(bridge, downloads))

        async def finish() -> None:
            """Downloads pause, and the next start offers to go on. The service before the session that answers for it,
            the engine before the chat: an answer that is cut off is saved before its file closes."""
            async with contextlib.AsyncExitStack() as stack:  # the last one first, each in any case
                stack.push_async_callback(contents.after_session)
                stack.push_async_callback(session.close)
                stack.push_async_callback(contents.before_session)
                stack.push_async_callback(services.web.close)
                stack.push_async_callback(downloads.close)

        self._end = lambda: bridge.close(finish)
        self.window.fill(contents)
        contents.start()

    @property
    def contents(self) -> Contents:
        """The pages, once the window is filled."""
        assert self.window.contents is not None
        return self.window.contents

    def close(self) -> None:
        """End the engine and all background work; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._end is not None:
            if self.window.contents is not None:
                self.window.contents.chat.put_away()
            self._end()
        settings.update(paths.home(), geometry=self.window.geometry_text())

    def crashed(self, error: BaseException) -> None:
        """Show an unexpected error; the user goes on or quits."""
        if self._crash_shown or self._closed:
            return  # it is in the log; one dialog is enough
        from .gui.crash_dialog import CrashDialog

        self._crash_shown = True
        dialog = CrashDialog(error, paths.logs() / "autoglm-desktop.log", self.window)
        go_on = dialog.exec()
        self._crash_shown = False
        if not go_on:
            self.window.close()

    def _scheme_changed(self) -> None:
        theme.apply(self._app, theme.Scheme(self._settings.scheme))


def run(make_services: Callable[[], Services] = default_services) -> int | None:
    """Show the window until it is closed; returns the exit status, or None where no display answers."""
    spare = _with_spare_platform()
    app = QApplication(sys.argv[:1])
    if spare and app.platformName() == "offscreen":
        return None
    app.setApplicationName("autoglm-desktop")
    app.setApplicationDisplayName("AutoGLM Desktop")
    app.setDesktopFileName("autoglm-desktop")
    if raise_other(paths.home()):
        return 0
    application = Application(app, make_services)
    server = InstanceServer(paths.home())
    server.asked.connect(application.window.come_forward)
    interrupted = _on_signals(application.window.close)
    _on_surprises(application.crashed)
    application.show()
    status = app.exec()
    server.close()
    application.close()
    return INTERRUPTED if interrupted else status


def _log_painted() -> None:
    log.info("window painted at %.3f", time.time())  # tests/benchmarks/startup.py reads it


def _with_spare_platform() -> bool:
    """Linux: let Qt fall back to its invisible platform where the display does not answer; it would abort instead.

    False where the user has chosen the platform.
    """
    if not sys.platform.startswith("linux") or "QT_QPA_PLATFORM" in os.environ:
        return False
    names = [("WAYLAND_DISPLAY", "wayland"), ("DISPLAY", "xcb")]
    found = [platform for variable, platform in names if os.environ.get(variable)]
    os.environ["QT_QPA_PLATFORM"] = ";".join([*found, "offscreen"])
    return True


def _on_signals(close: Callable[[], object]) -> list[int]:
    """Ctrl-C and SIGTERM close the window. Python's handlers need to be woken while Qt's loop runs."""
    seen: list[int] = []
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: seen.append(received))
    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read, QApplication.instance())

    def woken() -> None:
        reader.recv(64)
        if seen:
            close()

    notifier.activated.connect(woken)
    _KEPT.extend((reader, writer, notifier))
    return seen


_KEPT: list[Any] = []  # the wake-up sockets live as long as the process


def _on_surprises(show: Callable[[BaseException], None]) -> None:
    """Unexpected exceptions, in slots and in threads, go to the log and the crash dialog."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("unexpected error", exc_info=(kind, error, trace))
        show(error)

    def thread_hook(found: threading.ExceptHookArgs) -> None:
        log.critical("unexpected error in thread %s", found.thread, exc_info=found.exc_value)

    sys.excepthook = hook
    threading.excepthook = thread_hook
