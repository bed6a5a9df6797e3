"""One engine process: commands in, routed events out, and an end that explains itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import psutil

from ..core import protocol
from ..core.errors import EngineError
from ..store.transfer.ending import to_the_end
from . import win_job
from .outcome import Exit, classify

log = logging.getLogger(__name__)
LINE_LIMIT = 64 * 1024 * 1024
HUNG_AFTER_S = 60.0
GRACE_S = 2.0
UNKILLABLE_S = 8.0
"""A process that is still there so long after SIGKILL hangs inside the system (a lost card's driver)."""
DRIVER_ANSWERS_S = 5.0
"""A driver that takes longer to say whether its card works is lost itself."""


JobAnswer: TypeAlias = (
    protocol.Ready | protocol.DeviceList | protocol.Sizes | protocol.Measured | protocol.Failed
)
JOB_ANSWERS = (protocol.Ready, protocol.DeviceList, protocol.Sizes, protocol.Measured, protocol.Failed)


Active: TypeAlias = Callable[[], bool]


def _never() -> bool:
    return False


class EngineProcess:
    """Started by ``start``. Events without an id go to the job that runs (``job``), others to their request
    (``generate``). When the process ends, everyone who waits gets its ``Exit`` as a Failed event."""

    def __init__(
        self, process: asyncio.subprocess.Process, hung_after_s: float, active: Active = _never
    ) -> None:
        self._process = process
        self._hung_after_s = hung_after_s
        self._active = active
        self._queues: dict[str | None, asyncio.Queue[protocol.Event]] = {None: asyncio.Queue()}
        self._stderr: deque[str] = deque(maxlen=60)
        self._ended_by_us = False
        self._hung = False
        self._killed_at: float | None = None
        self._jobs = 0
        self._kills_before = _cgroup_kills()
        self._last_message = 0.0
        self._job_object = win_job.contain(process.pid)
        self.memory: protocol.MemoryUse | None = None
        self.exit: Exit | None = None
        self.ended = asyncio.Event()
        self.on_end: Callable[[Exit], None] | None = None
        self._tasks = [
            asyncio.create_task(self._read_events()),
            asyncio.create_task(self._read_stderr()),
        ]
        self._watch_task = asyncio.create_task(self._watch())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        environment: dict[str, str],
        hung_after_s: float = HUNG_AFTER_S,
        active: Active = _never,
    ) -> EngineProcess:
        """Start an engine; cancelled meanwhile, it is gone before that is raised, however often one cancels.

        ``active``: whether its GPU works now, asked in a thread before an engine without any other sign of life counts
        as hung. Raises EngineError(engine_start_failed)."""
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                limit=LINE_LIMIT,
                start_new_session=os.name == "posix",
                creationflags=win_job.NO_WINDOW,
            )
        )
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await to_the_end(_gone(starting))
            raise
        except OSError as error:
            raise EngineError("engine_start_failed", command=command[0], detail=str(error)) from error
        return cls(process, hung_after_s, active)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def closed(self) -> bool:
        """Whether ``close`` or ``kill`` has ended it, or is about to."""
        return self._ended_by_us

    @property
    def stderr_tail(self) -> str:
        return "\n".join(self._stderr)

    async def job(
        self, command: protocol.Command, on_progress: Callable[[protocol.Progress], None] | None = None
    ) -> JobAnswer:
        """Run a job to its end: its answer, or ``failed`` (also when the process dies or hangs)."""
        self._jobs += 1
        try:
            await self._send(command)
            while True:
                event = await self._next(None)
                if isinstance(event, protocol.Progress):
                    if on_progress is not None:
                        on_progress(event)
                elif isinstance(event, JOB_ANSWERS):
                    return event
        finally:
            self._jobs -= 1

    async def generate(
        self, request: protocol.Generate
    ) -> AsyncGenerator[protocol.Delta | protocol.Done | protocol.Failed, None]:
        """Deltas, then exactly one ``done`` or ``failed``. Closing the iterator early cancels the request."""
        self._queues[request.id] = asyncio.Queue()
        finished = False
        try:
            await self._send(request)
            while True:
                event = await self._next(request.id)
                if isinstance(event, (protocol.Done, protocol.Failed)):
                    finished = True
                    yield event
                    return
                if isinstance(event, protocol.Delta):
                    yield event
        finally:
            self._queues.pop(request.id, None)
            if not finished:
                self.cancel(request.id)

    def cancel(self, request: str) -> None:
        """Ask the engine to stop a request; it answers with ``done``, finish reason ``cancelled``."""
        if self.exit is None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write((protocol.encode(protocol.Cancel(request)) + "\n").encode())

    async def close(self) -> None:
        """End the process: end-of-file, then the whole process group. Returns when it is gone."""
        self._ended_by_us = True
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        if self.ended.is_set():  # before Python 3.12 wait_for would lose a cancellation
            return
        try:
            await asyncio.wait_for(self.ended.wait(), GRACE_S)
        except asyncio.TimeoutError:
            self.kill()
            await self.ended.wait()
        except asyncio.CancelledError:
            self.kill()  # a second Ctrl-C: no time for manners
            await to_the_end(self.ended.wait())
            raise

    def kill(self) -> None:
        """Kill the process and everything it started, at once."""
        self._ended_by_us = True
        self._kill_tree()

    def _kill_tree(self) -> None:
        self._killed_at = time.monotonic() if self._killed_at is None else self._killed_at
        _kill_tree(self._process)

    async def _send(self, command: protocol.Command) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        self._last_message = asyncio.get_running_loop().time()
        with contextlib.suppress(OSError):  # a dead engine is reported by its exit
            stdin.write((protocol.encode(command) + "\n").encode("utf-8", "surrogatepass"))
            await stdin.drain()

    async def _next(self, request: str | None) -> protocol.Event:
        queue = self._queues[request]
        if self.exit is not None and queue.empty():
            return protocol.Failed(
                self.exit.kind or "crashed", self.exit.message or "the engine ended", request
            )
        return await queue.get()

    async def _read_events(self) -> None:
        assert self._process.stdout is not None
        loop = asyncio.get_running_loop()
        async for line in _lines(self._process.stdout):
            self._last_message = loop.time()
            try:
                event = protocol.decode_event(line)
            except protocol.ProtocolError as error:
                log.warning("engine line not understood: %s", error)
                continue
            if isinstance(event, protocol.MemoryUse):
                self.memory = event
                continue
            key = getattr(event, "id", None)
            queue = self._queues.get(key)
            if queue is not None:
                queue.put_nowait(event)

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        async for raw in _lines(self._process.stderr):
            line = raw.decode("utf-8", "replace").rstrip()
            self._stderr.append(line)
            log.debug("engine %d: %s", self._process.pid, line)

    async def _watch(self) -> None:
        """Wait for the end; meanwhile look for signs of life while somebody waits for an answer."""
        waiter = asyncio.create_task(self._process.wait())
        cpu, quiet_since = -1.0, asyncio.get_running_loop().time()
        while not (await asyncio.wait({waiter}, timeout=min(5.0, self._hung_after_s / 4)))[0]:
            if self._killed_at is not None and time.monotonic() - self._killed_at > UNKILLABLE_S:
                log.error("engine %d was killed and does not end: left to the system", self.pid)
                break
            now = asyncio.get_running_loop().time()
            used = _cpu_seconds(self._process.pid)
            if used != cpu or self._last_message > quiet_since or not self._busy():
                cpu, quiet_since = used, now
            elif now - quiet_since >= self._hung_after_s:
                if await self._works(waiter):
                    quiet_since = now
                    continue
                self._hung = True
                self._kill_tree()
        await asyncio.wait(self._tasks, timeout=GRACE_S)  # drain what was written before the end
        for task in self._tasks:
            task.cancel()
        if not waiter.done():
            waiter.cancel()
        self.exit = classify(
            self._process.returncode,
            self.stderr_tail,
            ended_by_us=self._ended_by_us,
            cgroup_kills=_cgroup_kills() - self._kills_before,
            hung=self._hung,
        )
        if self.exit.kind is not None:
            log.warning("engine %d: %s; its last lines:\n%s", self.pid, self.exit.message, self.stderr_tail)
        win_job.release(self._job_object)
        self.ended.set()
        for request, queue in self._queues.items():
            queue.put_nowait(
                protocol.Failed(self.exit.kind or "crashed", self.exit.message or "ended", request)
            )
        if self.on_end is not None:
            self.on_end(self.exit)

    async def _works(self, waiter: asyncio.Task[int]) -> bool:
        """Whether its card works now, or it has ended meanwhile. No answer, and an error, are no sign of life."""
        asked = asyncio.ensure_future(asyncio.to_thread(self._active))
        await asyncio.wait({asked, waiter}, timeout=DRIVER_ANSWERS_S, return_when=asyncio.FIRST_COMPLETED)
        if waiter.done() or not asked.done():
            asked.cancel()
            return waiter.done()
        error = asked.exception()
        if error is not None:
            log.warning("whether the card works is not known: %r", error)
            return False
        return asked.result()

    def _busy(self) -> bool:
        return self._jobs > 0 or len(self._queues) > 1


def _kill_tree(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


async def _gone(starting: asyncio.Future[asyncio.subprocess.Process]) -> None:
    """Nobody wants the process that is being started any more."""
    try:
        process = await starting
    except OSError:
        return
    _kill_tree(process)
    await process.communicate()  # closes its pipes, too


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines until the end; what exceeds LINE_LIMIT without a line break is dropped, the rest still read."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            log.warning("an engine wrote more than %d bytes without a line break", LINE_LIMIT)
            continue
        if not line:
            return
        yield line


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return -1.0
    return float(times.user + times.system)


def _cgroup_kills() -> int:
    """``oom_kill`` of this process's cgroup (v2); 0 where it can't be read."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="utf-8").strip().rpartition("::")[2].lstrip("/")
        text = (Path("/sys/fs/cgroup") / group / "memory.events").read_text(encoding="utf-8")
    except OSError:
        return 0
    counts = dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line)
    return int(counts.get("oom_kill", "0"))
