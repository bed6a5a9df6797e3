"""Windows: a job object that ends the engine and all it started when the application ends (Win32 documentation,
JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE). Elsewhere both functions do nothing."""

from __future__ import annotations

import ctypes
import logging
import sys

log = logging.getLogger(__name__)
EXTENDED_LIMIT_INFORMATION = 9
KILL_ON_JOB_CLOSE = 0x2000
PROCESS_SET_QUOTA_AND_TERMINATE = 0x0101
# Process creation flag CREATE_NO_WINDOW: no console flashes up, and Ctrl-C in ours does not reach the child.
NO_WINDOW = 0x08000000 if sys.platform == "win32" else 0


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


def contain(pid: int) -> int | None:
    """Put a process into a new job that dies with us; the job's handle, or None (elsewhere, or refused)."""
    if sys.platform != "win32":
        return None
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    kernel.OpenProcess.restype = ctypes.c_void_p
    job = kernel.CreateJobObjectW(None, None)
    limits = _ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = KILL_ON_JOB_CLOSE
    process = ctypes.c_void_p(kernel.OpenProcess(PROCESS_SET_QUOTA_AND_TERMINATE, False, pid))
    handle = ctypes.c_void_p(job)
    done = kernel.SetInformationJobObject(
        handle, EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    ) and kernel.AssignProcessToJobObject(handle, process)
    kernel.CloseHandle(process)
    if not done:
        log.warning("no job object for engine %d: error %d", pid, ctypes.get_last_error())
    return int(job) if job else None


def release(job: int | None) -> None:
    """Close the job (which ends what is still in it)."""
    if sys.platform == "win32" and job is not None:
        ctypes.WinDLL("kernel32").CloseHandle(ctypes.c_void_p(job))
