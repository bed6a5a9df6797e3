"""Faults that tests put into a real engine: ``--fault KIND@PLACE``. The application never passes that argument.

PLACE: ``open`` (a load begins), ``load`` (inside llama.cpp's own callback while weights are read: what raises is lost
there), ``warm_up``, ``ready`` (instead of it), ``generate`` (a request is taken), ``token:N`` (instead of the piece
that ends with the N-th token of an answer). KIND: one of KINDS.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core import protocol
from .channel import Channel
from .server import JobFailed

ARGUMENT = "--fault"
PLACES = ("open", "load", "warm_up", "ready", "generate", "token")
SLOW_S = 0.05
NOISE = (
    b"ggml_cuda_init: made noise of a driver\n",
    b"\xff\xfe\x00 no text\n",
    b'{"event": "no such event"}\n',
    b'{"event": "ready", "proof": 7}\n',
    b"[1, 2, 3]\n",
    b"\n",
)


@dataclass(frozen=True)
class Fault:
    """``place``: one of PLACES; ``number``: of the token."""

    kind: str
    place: str
    number: int = 1


def parse(text: str) -> Fault:
    """``abort@token:3``. Raises ValueError."""
    kind, _, where = text.partition("@")
    place, _, number = where.partition(":")
    if kind not in KINDS or place not in PLACES:
        raise ValueError(f"no fault {text!r}")
    return Fault(kind, place, int(number or 1))


def wanted(arguments: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of a command line. Raises ValueError."""
    pairs = itertools.pairwise(arguments)
    return tuple(parse(value) for name, value in pairs if name == ARGUMENT)


class FaultyChannel(Channel):
    """A channel at whose lines the faults happen, on the thread and at the depth where a real one would."""

    faults: tuple[Fault, ...] = ()

    def emit(self, event: protocol.Event) -> None:
        if isinstance(event, protocol.Progress):
            self._meet(event.phase)
        elif isinstance(event, protocol.Delta):
            self._meet("token", event.tokens)
        elif isinstance(event, protocol.Ready):
            self._meet("ready")
            event = self._changed(event)
        super().emit(event)

    def next_command(self) -> protocol.Command:
        command = super().next_command()
        while isinstance(command, protocol.Generate) and self._failed_at_once(command.id):
            command = super().next_command()
        return command

    def raw(self, data: bytes) -> None:
        """Bytes on the very pipe of the events."""
        with self._lock:
            os.write(self._write_fd, data)

    def _read(self) -> None:
        if any(fault.kind == "ignore-eof" for fault in self.faults):
            for line in os.fdopen(self._read_fd, "rb"):
                self._take(line)
            threading.Event().wait()
        super()._read()

    def _meet(self, place: str, number: int = 1) -> None:
        for fault in self.faults:
            late = number > fault.number and fault.kind == "slow"  # from there on
            if fault.place == place and (place != "token" or fault.number == number or late):
                KINDS[fault.kind](self)

    def _failed_at_once(self, request: str) -> bool:
        """Whether a request met its fault before the loop had it: what raises is answered as the loop would."""
        try:
            self._meet("generate")
        except (JobFailed, MemoryError, RuntimeError) as error:
            known = getattr(error, "kind", "crashed")
            kind = "out_of_memory" if isinstance(error, MemoryError) else known
            super().emit(protocol.Failed(kind, str(error), request))
            return True
        return False

    def _changed(self, ready: protocol.Ready) -> protocol.Ready:
        kinds = {fault.kind for fault in self.faults}
        proof = ready.proof
        if "no-gpu" in kinds:
            proof = dataclasses.replace(proof, gpu_layers=0, memory={"ram": {"weights": 1}})
        if "claim-gpu" in kinds:
            proof = dataclasses.replace(proof, gpu_layers=proof.total_layers)
        if "no-4-bit" in kinds:
            proof = dataclasses.replace(proof, quantised_modules=0)
        return protocol.Ready(proof)


def _out_of_memory(_channel: FaultyChannel) -> None:
    raise MemoryError("fault: failed to allocate buffer of size 671088640")


def _out_of_memory_abort(_channel: FaultyChannel) -> None:
    _say("alloc_buffer: allocating 640.00 MiB on device 0: cudaMalloc failed: out of memory")
    _abort(_channel)


def _abort(_channel: FaultyChannel) -> None:
    _no_core()
    os.abort()


def _segfault(_channel: FaultyChannel) -> None:
    _no_core()
    ctypes.string_at(0)


def _kill(_channel: FaultyChannel) -> None:
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    threading.Event().wait()


def _terminate(_channel: FaultyChannel) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()


def _gpu_lost(_channel: FaultyChannel) -> None:
    _say("vk::Queue::submit: ErrorDeviceLost")
    _abort(_channel)


def _hang(_channel: FaultyChannel) -> None:
    """Native code that never comes back, having released the interpreter's lock."""
    threading.Event().wait()


def _hang_locked(_channel: FaultyChannel) -> None:
    """Native code that never comes back and keeps the lock: no other thread of the engine runs, also not the reader."""
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(0xFFFFFFFF)
    else:
        ctypes.PyDLL(None).pause()


def _noise(channel: FaultyChannel) -> None:
    """As native code prints on fd 1, and as only a broken engine could, on the pipe of the events itself."""
    for line in NOISE:
        os.write(1, line)
        channel.raw(line)


def _half_line(channel: FaultyChannel) -> None:
    channel.raw(b'{"event": "delta", "id": "made", "te')
    os._exit(3)


def _half_line_on(channel: FaultyChannel) -> None:
    """Half a line that is never ended; the next event begins behind it."""
    channel.raw(b'{"event": "progress", "pha\n')


def _exit(_channel: FaultyChannel) -> None:
    os._exit(0)


def _exit_3(_channel: FaultyChannel) -> None:
    os._exit(3)


def _bad_file(_channel: FaultyChannel) -> None:
    raise JobFailed("bad_file", "fault: tensor data is not within the file")


def _missing(_channel: FaultyChannel) -> None:
    raise JobFailed("missing_dependency", "fault: No module named 'bitsandbytes'")


def _unsupported(_channel: FaultyChannel) -> None:
    raise JobFailed("unsupported", "fault: this build has no such kernel")


def _bug(_channel: FaultyChannel) -> None:
    raise RuntimeError("fault: a bug of ours")


def _slow(_channel: FaultyChannel) -> None:
    time.sleep(SLOW_S)


def _nothing(_channel: FaultyChannel) -> None:
    """The fault lies elsewhere: in the proof, or in the reader."""


KINDS: dict[str, Callable[[FaultyChannel], None]] = {
    "oom": _out_of_memory, "oom-abort": _out_of_memory_abort, "abort": _abort, "segfault": _segfault, "kill": _kill,
    "terminate": _terminate, "gpu-lost": _gpu_lost, "hang": _hang, "hang-locked": _hang_locked, "noise": _noise,
    "half-line": _half_line, "half-line-on": _half_line_on, "exit": _exit, "exit-3": _exit_3, "bad-file": _bad_file,
    "missing": _missing, "unsupported": _unsupported, "bug": _bug, "slow": _slow, "ignore-eof": _nothing,
    "no-gpu": _nothing, "claim-gpu": _nothing, "no-4-bit": _nothing,
}  # fmt: skip


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _no_core() -> None:
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def open_channel(arguments: Sequence[str]) -> Channel:
    """The channel of an engine that was started with these arguments. Raises ValueError."""
    FaultyChannel.faults = wanted(arguments)
    return FaultyChannel.open()
