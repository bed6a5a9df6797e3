"""``pull`` is told to stop while bytes come: a pause. The hub on this machine is slow, and counts what it serves."""

import contextlib
import json
import os
import random
import signal
import threading
import time

import pytest

from autoglm_desktop.store import manifest
from autoglm_desktop.store.transfer.client import Limits
from tests.e2e.test_pull_terminal import MIB, PLAIN, no_control_characters, run, start
from tests.fakes.fake_hub import FakeHub

NAME = "Some-Model-9B.Q4_K_M.gguf"
README = b"# made\n"
BIG = random.Random(21).randbytes(24 * MIB)
FILES = {NAME: BIG, "README.md": README}
RATE = 16 * MIB
PATIENCE_S = 60.0
IN_FLIGHT = 2 * MIB
"""Bytes that may be under way on all connections together when the program is told to stop."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
stops = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])


@pytest.fixture
def home(tmp_path):
    return tmp_path / "数据 home"


def slow_hub(**more):
    return FakeHub({PLAIN: FILES}, rate=RATE, send_buffer=16 * 1024, **more)


def until_sent(hub, count, process):
    """Wait until the hub has sent ``count`` bytes of the file."""
    tick, end = threading.Event(), time.monotonic() + PATIENCE_S
    while hub.sent(NAME) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        tick.wait(0.005)


def stopped(home, hub, number, count, *words):
    """Signal ``pull`` once the hub has sent ``count`` bytes; its status, stdout, stderr."""
    with start(home, hub, "pull", PLAIN, *words) as process:
        until_sent(hub, count, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    log = (home / "logs" / "autoglm-desktop.log").read_text(encoding="utf-8")
    assert "Traceback" not in err + log
    return process.returncode, out, err


def files_of(home):
    folder = home / "models" / PLAIN
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in FILES}


def missing(home, hub):
    """Bytes of the file that are not safely on disk, as the program itself says."""
    (one,) = json.loads(run(home, hub, "models", "--json")[1])["unfinished"]
    assert 0 < one["done_bytes"] < one["size_bytes"] == len(BIG)
    return len(BIG) - one["done_bytes"]


@stops
def test_a_pause_is_one_sentence_and_the_same_command_goes_on(home, number):
    with slow_hub() as hub:
        status, out, err = stopped(home, hub, number, 4 * MIB)
        assert (status, out) == (130, "")
        told = [line for line in err.splitlines() if "Paused" in line]
        assert told == err.splitlines()[-1:] and "the same command goes on" in told[0]
        assert no_control_characters(err) and NAME not in files_of(home)
        left, before = missing(home, hub), hub.sent(NAME)
        status, out, err = run(home, hub, "pull", PLAIN)
        assert status == 0 and "is complete" in out, err
        assert "still to fetch" in err and no_control_characters(out + err)
        assert hub.sent(NAME) - before == left, "only what was missing"
        assert hub.twice(NAME) <= IN_FLIGHT and hub.sent("README.md") == len(README)
    assert files_of(home) == FILES
    assert not list((home / "models").rglob("*.part*.json")) and not list((home / "models").rglob("*.part"))


def test_paused_three_times_it_still_becomes_the_exact_file(home):
    with slow_hub() as hub:
        lefts = [len(BIG)]
        for number, count in ((signal.SIGINT, 3), (signal.SIGTERM, 8), (signal.SIGINT, 13)):
            assert stopped(home, hub, number, count * MIB)[0] == 130
            lefts.append(missing(home, hub))
        assert lefts == sorted(lefts, reverse=True) and len(set(lefts)) == len(lefts)
        assert run(home, hub, "pull", PLAIN)[0] == 0
        assert hub.twice(NAME) <= 3 * IN_FLIGHT and hub.sent("README.md") == len(README)
    assert files_of(home) == FILES
    known = manifest.read(home / "models" / PLAIN)
    assert known is not None and known.file(NAME).verified == "sha256"


@stops
def test_with_json_a_pause_leaves_stdout_empty(home, number):
    with slow_hub() as hub:
        status, out, err = stopped(home, hub, number, 2 * IN_FLIGHT, "--json")
        assert (status, out) == (130, "") and no_control_characters(err)
        status, out, err = run(home, hub, "pull", PLAIN, "--json")
    assert status == 0, err
    big = next(file for file in json.loads(out)["files"] if file["path"] == NAME)
    assert 0 < big["fetched_bytes"] < len(BIG) and big["verified"] == "sha256"
    assert files_of(home) == FILES


@stops
def test_somebody_impatient(home, number):
    """Further signals while it is stopping change nothing."""
    with slow_hub() as hub:
        with start(home, hub, "pull", PLAIN) as process:
            until_sent(hub, 2 * MIB, process)
            for _ in range(5):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == (130, "")
        assert "Traceback" not in err and "Exception ignored" not in err
        assert err.count("Paused") == 1 and err.splitlines()[-1].startswith("Paused")
        assert run(home, hub, "pull", PLAIN)[0] == 0
        assert hub.twice(NAME) <= IN_FLIGHT
    assert files_of(home) == FILES


@stops
def test_as_soon_as_it_says_anything(home, number):
    """Before a byte of a file has come."""
    with slow_hub() as hub:
        with start(home, hub, "pull", PLAIN) as process:
            first = process.stderr.readline()
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == (130, "")
        assert first.strip() and err.splitlines()[-1].startswith("Paused") and "Traceback" not in err
        assert run(home, hub, "pull", PLAIN)[0] == 0
    assert files_of(home) == FILES


def test_killed_it_goes_on_too(home):
    """No time to say anything: at most one block of each connection comes twice."""
    usual, big = Limits(), random.Random(22).randbytes(96 * MIB)
    with FakeHub({PLAIN: {NAME: big}}, rate=48 * MIB, send_buffer=16 * 1024) as hub:
        with start(home, hub, "pull", PLAIN) as process:
            until_sent(hub, 80 * MIB, process)
            process.kill()
            process.communicate(timeout=PATIENCE_S)
        status, _out, err = run(home, hub, "pull", PLAIN)
        assert status == 0 and "still to fetch" in err, err
        assert hub.twice(NAME) <= usual.connections * usual.block_bytes < 80 * MIB
    assert (home / "models" / PLAIN / NAME).read_bytes() == big


def test_paused_here_and_finished_from_an_address(home):
    with slow_hub() as hub:
        assert stopped(home, hub, signal.SIGINT, 4 * MIB)[0] == 130
        left = missing(home, hub)
    with slow_hub() as other:
        status, _out, err = run(home, None, "pull", PLAIN, "--source", other.url)
        assert status == 0, err
        assert other.sent(NAME) == left and other.sent("README.md") == 0
    assert files_of(home) == FILES


def test_in_pipes_a_whole_slow_download_has_no_control_characters(home):
    with slow_hub() as hub:
        status, out, err = run(home, hub, "pull", PLAIN)
    assert status == 0 and no_control_characters(out) and no_control_characters(err)
    assert len(err.splitlines()) < 20 and all(line.strip() for line in err.splitlines())
    assert out.count("\n") == 1


def test_in_chinese_a_pause_is_said_in_chinese(home):
    with slow_hub() as hub, start(home, hub, "pull", PLAIN, AUTOGLM_LANG="zh_CN") as process:
        until_sent(hub, 2 * MIB, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, "") and no_control_characters(err)
    last = err.splitlines()[-1]
    assert "Paused" not in err and any("\u4e00" <= char <= "\u9fff" for char in last)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_has_gone(home, stream):
    """As with ``| head -1``: no traceback, and what came is kept."""
    with slow_hub() as hub:
        with start(home, hub, "pull", PLAIN) as process:
            until_sent(hub, MIB, process)
            getattr(process, stream).close()
            other = process.stderr if stream == "stdout" else process.stdout
            told = other.read()
            process.wait(timeout=PATIENCE_S)
        assert "Traceback" not in told and "Exception ignored" not in told, told
        log = (home / "logs" / "autoglm-desktop.log").read_text(encoding="utf-8")
        assert "Traceback" not in log, log
        assert run(home, hub, "pull", PLAIN)[0] == 0
        assert hub.twice(NAME) <= IN_FLIGHT
    assert files_of(home) == FILES
