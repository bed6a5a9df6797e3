"""The walk down the ladder in words, in the window and in the terminal. Values are made up."""

import pytest

from autoglm_desktop.cli_walk import WalkTeller, told
from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.protocol import Progress, Proof
from autoglm_desktop.core.rungs import DeviceMemory, RungPlan
from autoglm_desktop.core.units import GIB
from autoglm_desktop.host.supervisor import Step, Try
from autoglm_desktop.texts import proof, walk
from autoglm_desktop.usecases.session import SessionState
from autoglm_desktop.usecases.session_state import Board

FAILED = Try(
    "gguf-split", "out_of_memory", "cudaMalloc\n failed", 2.34, variant="Q4_K_M", context=8192, kv_type="q8_0",
    gpu_layers=30, projector="cpu", planned={"gpu:0": 5 * GIB, "ram": GIB}, phase="load",
)  # fmt: skip
CPU = RungPlan(
    "gguf-cpu",
    variant="Q4_K_M",
    context=4096,
    kv_type="f16",
    gpu_layers=0,
    memory={"ram": DeviceMemory(total=6 * GIB)},
)
READY = SessionState("ready", plan=CPU, proof=Proof("llama.cpp", "made", context=4096))


def test_a_failed_try_has_its_numbers_and_its_reason():
    line = walk.of_try(FAILED)
    assert line.title == "GGUF, GPU and CPU together · Q4_K_M"
    assert line.numbers == (
        "context 8,192 · KV cache q8_0 · 30 layers on the GPU · pictures on the CPU · "
        "planned: GPU 0 5.0 GiB, RAM 1.0 GiB"
    )
    assert line.said == "not enough memory: cudaMalloc failed · Loading the weights · after 2.3 s"


def test_what_is_not_known_is_left_out():
    line = walk.of_try(Try("gguf-cpu", "hung", "", 61.0))
    assert (line.title, line.numbers) == ("GGUF on the CPU", "")
    assert line.said == "the engine stopped answering · after 61 s"


def test_the_walk_in_order():
    state = SessionState("loading", step=Step(CPU, Progress("load", 0.25)), tries=(FAILED,), ahead=(CPU,))
    assert [line.state for line in walk.lines(state)] == ["failed", "trying", "ahead"]
    assert walk.lines(state)[1].said == "Loading the weights · 25%"
    between = SessionState("loading", step=Step(CPU, failed=FAILED), tries=(FAILED,), ahead=(CPU,))
    assert [line.state for line in walk.lines(between)] == ["failed", "ahead"]


def test_bytes_that_the_engine_did_not_tell_are_unknown_beside_the_plan():
    plan = RungPlan("gguf-gpu", memory={"gpu:0": DeviceMemory(weights=4 * GIB, overhead=GIB, total=5 * GIB)})
    told_by_engine = Proof("llama.cpp", "made", memory={"gpu:0": {"weights": 3 * GIB, "made cause": 7}})
    rows = [proof.memory_line(row) for row in proof.memory_rows(told_by_engine, plan)]
    assert rows == [
        ("GPU 0", "Weights", "3.0 GiB", "4.0 GiB"),
        ("GPU 0", "Overhead", "unknown", "1.0 GiB"),
        ("GPU 0", "made cause", "7 B", "unknown"),
    ]


def test_a_report_of_nothing_holds_nothing():
    assert proof.report(SessionState()) == "" and proof.facts(SessionState("loading")) == ()


@pytest.fixture
def board():
    return Board()


def test_the_terminal_says_each_try_once_with_its_numbers_and_what_runs_then(board, capsys):
    with told(board, reloads=True):
        for fraction in (0.0, 0.5):
            board.set(SessionState("loading", step=Step(CPU, Progress("load", fraction)), tries=(FAILED,)))
        board.set(READY)
        board.set(READY)
    text = capsys.readouterr().err
    assert text.count("cudaMalloc") == 1 and "Q4_K_M · context 8,192" in text
    assert text.count("GGUF on the CPU · ") == 1 and "context 4096" in text.splitlines()[-1]


def test_a_warning_is_said_once_and_not_into_an_answer(board, capsys):
    teller = WalkTeller(board, reloads=True)
    warned = SessionState("generating", plan=CPU, warning=Reason.of("speed_fell", times=9))
    teller.show(warned)
    assert capsys.readouterr().err == ""
    for _time in range(2):
        teller.show(SessionState("ready", plan=CPU, warning=warned.warning))
    assert capsys.readouterr().err.count("9 times slower") == 1
