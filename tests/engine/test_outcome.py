"""Ends of engine processes as values. Messages of made_ cases follow llama.cpp's and CUDA's wording."""

import signal

import pytest

from autoglm_desktop.core.protocol import FAILURE_KINDS
from autoglm_desktop.host.outcome import classify, signal_name

CASES = [
    # returncode, stderr, ended_by_us, oom kills, hung -> kind, part of the message
    (0, "", False, 0, False, None, ""),
    (0, "CUDA error: out of memory", False, 0, False, None, ""),
    (-9, "", True, 0, False, None, ""),
    (-9, "", False, 0, False, "out_of_memory", "SIGKILL"),
    (1, "", False, 1, False, "out_of_memory", "exit status 1"),
    (-6, "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 7", False, 0, False,
     "out_of_memory", "SIGABRT: ggml_backend"),
    (-6, "CUDA error: out of memory\n  current device: 0\n", False, 0, False, "out_of_memory", "CUDA error"),
    (-6, "terminate called: instance of 'std::bad_alloc'", False, 0, False, "out_of_memory", "bad_alloc"),
    (1, "Traceback …\nMemoryError", False, 0, False, "out_of_memory", "MemoryError"),
    (1, "vk::Device::allocateMemory: ErrorOutOfDeviceMemory", False, 0, False, "out_of_memory", "allocateMemory"),
    (-11, "", False, 0, False, "crashed", "SIGSEGV"),
    (-11, "", False, 1, False, "crashed", "SIGSEGV"),  # the cgroup's victim was another process
    (-11, "last words\n\n", False, 0, False, "crashed", "SIGSEGV: last words"),
    (-6, "GGML_ASSERT(n > 0) failed\nsome more output", False, 0, False, "crashed", "GGML_ASSERT(n > 0) failed"),
    (1, "ModuleNotFoundError: No module named 'llama_cpp'", False, 0, False, "missing_dependency", "llama_cpp"),
    (3221225477, "", False, 0, False, "crashed", "ACCESS_VIOLATION"),
    (-1073741795, "", False, 0, False, "crashed", "ILLEGAL_INSTRUCTION"),
    (None, "", False, 0, False, "crashed", ""),
    (-9, "", True, 0, True, "hung", "no sign of life"),
    (-9, "CUDA error: out of memory", False, 0, True, "hung", "out of memory"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_an_end_is_classified(case):
    returncode, stderr, ended_by_us, kills, hung, kind, part = case
    end = classify(returncode, stderr, ended_by_us=ended_by_us, cgroup_kills=kills, hung=hung)
    assert end.kind == kind
    assert end.kind is None or end.kind in FAILURE_KINDS
    assert part in end.message
    assert end.returncode == returncode


def test_messages_stay_short():
    end = classify(-6, "abort " + "x" * 5000, ended_by_us=False, cgroup_kills=0, hung=False)
    assert len(end.message) < 350


def test_unknown_signals_have_a_name():
    assert signal_name(-signal.SIGSEGV) == "SIGSEGV"
    assert signal_name(-250) == "signal 250"
    assert signal_name(1) is None


@pytest.mark.parametrize(
    ("returncode", "ended_by_us", "hung", "crash"),
    [(-11, False, False, True), (-9, True, True, True), (-9, True, False, False), (-15, False, False, False),
     (-1, False, False, False), (-9, False, False, False), (0, False, False, False)],
)  # fmt: skip
def test_only_what_died_by_itself_is_a_crash_to_remember(returncode, ended_by_us, hung, crash):
    """SIGTERM and SIGHUP come with a logout: they say nothing about the engine."""
    end = classify(returncode, "", ended_by_us=ended_by_us, cgroup_kills=0, hung=hung)
    assert end.is_crash == crash


def test_a_kill_from_outside_blames_no_unrelated_line():
    tail = "sched_reserve: reserve took 2 ms\nset_abort_callback: call"
    end = classify(-9, tail, ended_by_us=False, cgroup_kills=0, hung=False)
    assert (end.kind, end.message) == ("out_of_memory", "SIGKILL")
    told = classify(-9, "ggml: failed to allocate 5 GiB\nmore", ended_by_us=False, cgroup_kills=1, hung=False)
    assert told.message == "SIGKILL: ggml: failed to allocate 5 GiB"
