"""Why an engine process ended, as one value that explains itself."""

from __future__ import annotations

import signal
from dataclasses import dataclass

ALLOCATION_MARKS = (
    "out of memory", "cudamalloc failed", "failed to allocate", "unable to allocate", "cannot allocate memory",
    "std::bad_alloc", "erroroutofdevicememory", "errorout_of_device_memory", "memoryerror",
)  # fmt: skip
ASKED_TO_END = ("SIGTERM", "SIGINT", "SIGHUP")
NATIVE_FAULTS = (
    "SIGSEGV",
    "SIGILL",
    "SIGFPE",
    "ACCESS_VIOLATION",
    "ILLEGAL_INSTRUCTION",
    "STACK_BUFFER_OVERRUN",
)


@dataclass(frozen=True)
class Exit:
    """How a process ended. ``kind`` is one of protocol.FAILURE_KINDS, or None for a normal end."""

    returncode: int | None
    kind: str | None
    message: str

    @property
    def is_crash(self) -> bool:
        """It died or hung by itself: not closed by us, nor asked to end by somebody else (a logout, ``kill``)."""
        asked = self.returncode is not None and signal_name(self.returncode) in ASKED_TO_END
        return self.kind in ("crashed", "hung") and not asked


def signal_name(returncode: int) -> str | None:
    """``SIGSEGV`` for -11 (POSIX); Windows status codes by name where they matter."""
    windows = {
        0xC0000005: "ACCESS_VIOLATION",
        0xC000001D: "ILLEGAL_INSTRUCTION",
        0xC0000409: "STACK_BUFFER_OVERRUN",
    }
    if returncode & 0xFFFFFFFF in windows:
        return windows[returncode & 0xFFFFFFFF]
    if returncode < 0:
        try:
            return signal.Signals(-returncode).name
        except ValueError:
            return f"signal {-returncode}"
    return None


def classify(
    returncode: int | None, stderr_tail: str, *, ended_by_us: bool, cgroup_kills: int, hung: bool
) -> Exit:
    """The outcome from the exit status, the end of stderr and new ``oom_kill`` events of the cgroup.

    A SIGKILL that nobody here sent, and an allocation message before an abort, are ``out_of_memory``.
    """
    name = signal_name(returncode) if returncode is not None else None
    last = _last_line(stderr_tail, telling_only=name == "SIGKILL")
    if hung:
        return Exit(returncode, "hung", last or "no sign of life")
    if ended_by_us or returncode == 0:
        return Exit(returncode, None, "")
    lowered = stderr_tail.lower()
    killed = cgroup_kills > 0 and name not in NATIVE_FAULTS  # else the cgroup's victim was another process
    if killed or name == "SIGKILL" or any(mark in lowered for mark in ALLOCATION_MARKS):
        kind = "out_of_memory"
    elif "no module named" in lowered:
        kind = "missing_dependency"
    else:
        kind = "crashed"
    head = name or f"exit status {returncode}"
    return Exit(returncode, kind, f"{head}: {last}" if last else head)


def _last_line(text: str, *, telling_only: bool) -> str:
    """The line that says most; after a SIGKILL, which comes from outside, only one that speaks of a failure."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marks = (*ALLOCATION_MARKS, "aborted", "ggml_abort", "assert")
    marked = [line for line in lines if any(mark in line.lower() for mark in marks)]
    chosen = marked if marked or telling_only else lines
    return chosen[-1][:300] if chosen else ""
