"""The engine's main loop: one job, then requests, until shutdown or end-of-file."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Protocol, runtime_checkable

from ..core import protocol
from .channel import Channel


class JobFailed(Exception):
    """A job or request that failed for a known reason; ``kind`` is one of protocol.FAILURE_KINDS."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Backend(Protocol):
    """What a backend offers to the loop."""

    def load(self, job: protocol.Load) -> protocol.Proof: ...

    def generate(self, request: protocol.Generate) -> protocol.Done: ...

    def unload(self) -> None: ...

    def memory(self) -> protocol.MemoryUse: ...


@runtime_checkable
class Batching(Protocol):
    """A backend that may write several answers at once."""

    def take(self, request: protocol.Generate) -> bool:
        """Begin an answer whose events come by themselves; False: ``generate`` must write it, alone."""


def make_backend(name: str, channel: Channel) -> Backend:
    """Import and build a backend. Raises JobFailed(missing_dependency) where its package is not installed."""
    if name == "llama.cpp":
        try:
            from .llama_backend import LlamaBackend
        except (ImportError, OSError, RuntimeError) as error:
            raise JobFailed("missing_dependency", f"llama_cpp: {error}") from error
        return LlamaBackend(channel)
    if name == "transformers":
        _prepare_torch()
        try:
            from .transformers_backend import TransformersBackend
        except (ImportError, OSError, RuntimeError) as error:
            raise JobFailed("missing_dependency", f"transformers: {error}") from error
        return TransformersBackend(channel)
    raise JobFailed("unsupported", f"unknown backend: {name}")


def answer(job: protocol.Devices | protocol.DryRun | protocol.Measure, channel: Channel) -> protocol.Event:
    """Do a job that leaves no model behind. Raises JobFailed."""
    if job.backend == "transformers" and isinstance(job, protocol.Devices):
        return _torch_devices()
    if job.backend != "llama.cpp":
        raise JobFailed("unsupported", f"no such job for the backend {job.backend!r}")
    try:
        from . import devices, dry_run, llama_load, measure
    except (ImportError, OSError, RuntimeError) as error:
        raise JobFailed("missing_dependency", f"llama_cpp: {error}") from error
    if isinstance(job, protocol.DryRun):
        return dry_run.dry_run(job)
    if isinstance(job, protocol.Measure):
        return measure.measure(job, lambda phase, fraction: channel.emit(protocol.Progress(phase, fraction)))
    llama_load.initialise()
    return protocol.DeviceList(llama_load.build(), devices.names())


def _prepare_torch() -> None:
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # NVML's order, which plans count in
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _torch_devices() -> protocol.DeviceList:
    _prepare_torch()
    try:
        from . import transformers_failures, transformers_load, transformers_place
    except (ImportError, OSError, RuntimeError) as error:
        raise JobFailed("missing_dependency", f"transformers: {error}") from error
    with transformers_failures.translated("unsupported"):
        return protocol.DeviceList(transformers_load.build(), transformers_place.tried())


def main() -> int:
    """Run the loop; the process ends by end-of-file or ``shutdown`` on stdin."""
    return run(Channel.open())


def run(channel: Channel) -> int:
    """The loop over an open channel."""
    _quiet_native_surprises()
    loop = _Loop(channel)
    while True:
        loop.run_one(channel.next_command())


def _quiet_native_surprises() -> None:
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # otherwise ggml attaches gdb when it aborts
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ[name] = "1"


class _Loop:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._backend: Backend | None = None

    def run_one(self, command: protocol.Command) -> None:
        request = command.id if isinstance(command, protocol.Generate) else None
        try:
            self._dispatch(command)
        except JobFailed as failure:
            self._channel.emit(protocol.Failed(failure.kind, str(failure), request))
        except ImportError as error:
            self._channel.emit(protocol.Failed("missing_dependency", str(error), request))
        except MemoryError as error:
            self._channel.emit(protocol.Failed("out_of_memory", str(error) or "out of memory", request))
        except Exception as error:  # noqa: BLE001 - the parent must hear of it; the log keeps the traceback
            traceback.print_exc(file=sys.stderr)
            self._channel.emit(protocol.Failed("crashed", f"{type(error).__name__}: {error}", request))

    def _dispatch(self, command: protocol.Command) -> None:
        if isinstance(command, (protocol.Load, protocol.SelfTest)):
            self._load(command)
        elif isinstance(command, protocol.Devices):
            self._channel.emit(answer(command, self._channel))
        elif isinstance(command, (protocol.DryRun, protocol.Measure)):
            self._drop()  # its memory and threads would be in the way
            self._channel.emit(answer(command, self._channel))
        elif isinstance(command, protocol.Generate):
            self._generate(command)
        elif isinstance(command, protocol.Unload) and self._backend is not None:
            self._backend.unload()
            self._channel.emit(self._backend.memory())
            self._backend = None

    def _drop(self) -> None:
        if self._backend is not None:
            self._backend.unload()
            self._backend = None

    def _load(self, job: protocol.Load | protocol.SelfTest) -> None:
        self._drop()
        self._channel.emit(protocol.Progress("open", 0.0))
        self._backend = make_backend(job.backend, self._channel)
        if isinstance(job, protocol.SelfTest):
            job = protocol.Load(job.backend, job.model, 256, gpu_layers=job.gpu_layers, options=job.options)
        proof = self._backend.load(job)
        self._channel.emit(self._backend.memory())  # first: who shows that it is ready shows what it holds
        self._channel.emit(protocol.Ready(proof))

    def _generate(self, request: protocol.Generate) -> None:
        if self._backend is None:
            raise JobFailed("unsupported", "no model is loaded")
        try:
            if isinstance(self._backend, Batching) and self._backend.take(request):
                return
            done = self._backend.generate(request)
        finally:
            self._channel.forget(request.id)
        self._channel.emit(done)
        self._channel.emit(self._backend.memory())
