"""JSON lines on the process's own stdin and stdout, kept apart from whatever native code prints.

``Channel.open`` duplicates fd 1 for events and points fd 1 at stderr. A reader thread takes commands: ``cancel`` acts
at once, the rest is queued; end-of-file ends the process whatever native code is doing.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable

from ..core import protocol


class Channel:
    def __init__(self, write_fd: int, read_fd: int) -> None:
        self._write_fd = write_fd
        self._read_fd = read_fd
        self._lock = threading.Lock()
        self._commands: queue.SimpleQueue[protocol.Command] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self.on_cancel: Callable[[str], None] | None = None
        """Hears of each request that is cancelled, in the reader's thread."""

    @classmethod
    def open(cls) -> Channel:
        """Take over fds 0 and 1 and start reading. Call before any native import."""
        sys.stdout.flush()
        events = os.dup(1)
        commands = os.dup(0)
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        if hasattr(signal, "SIGINT"):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the application's to answer
        _die_with_parent()
        channel = cls(events, commands)
        threading.Thread(target=channel._read, name="commands", daemon=True).start()
        return channel

    def emit(self, event: protocol.Event) -> None:
        """Write one event line. When nobody listens any more the process ends."""
        data = (protocol.encode(event) + "\n").encode("utf-8", "surrogatepass")
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._write_fd, data) :]
            except OSError:
                os._exit(0)

    def next_command(self) -> protocol.Command:
        """Wait for the next queued command."""
        return self._commands.get()

    def is_cancelled(self, request: str) -> bool:
        return request in self._cancelled

    def forget(self, request: str) -> None:
        self._cancelled.discard(request)

    def _read(self) -> None:
        try:
            with os.fdopen(self._read_fd, "rb") as lines:
                for line in lines:
                    if not self._take(line):
                        break
        finally:
            os._exit(0)  # whatever ended the reading: without commands nobody could end this process

    def _take(self, line: bytes) -> bool:
        """Act on a command or queue it; False when it asks to end."""
        try:
            command = protocol.decode_command(line)
        except protocol.ProtocolError as error:
            self.emit(protocol.Failed("unsupported", f"command not understood: {error}"))
            return True
        if isinstance(command, protocol.Cancel):
            self._cancelled.add(command.id)
            listener = self.on_cancel  # another thread may take it away meanwhile
            if listener is not None:
                listener(command.id)
        elif not isinstance(command, protocol.Shutdown):
            self._commands.put(command)
        return not isinstance(command, protocol.Shutdown)


def _die_with_parent() -> None:
    """Linux: SIGKILL when the thread that started us ends (PR_SET_PDEATHSIG, prctl(2)), besides end-of-file."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
