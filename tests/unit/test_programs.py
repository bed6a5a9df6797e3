"""Programs that hold RAM or GPU memory: who they are, what closing them brings, what is this program's own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from autoglm_desktop.core.checks import checks
from autoglm_desktop.core.gpu_states import OWN_PROGRAM
from autoglm_desktop.core.ladder import plan_model
from autoglm_desktop.core.machine import GpuProcess, Machine, Program, to_json
from autoglm_desktop.core.machine_file import machine_from_json
from autoglm_desktop.core.memory import gpu_budget, ram_budget
from autoglm_desktop.core.programs import closing, with_own, without_own
from autoglm_desktop.core.redact import Identity, Redactor
from autoglm_desktop.core.rungs import DeviceMemory, RungPlan
from autoglm_desktop.core.subject import of_model
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.host.command import engine_command
from autoglm_desktop.probe import programs as probe
from autoglm_desktop.probe.programs import Process, merged, private_bytes, probe_programs
from autoglm_desktop.store import catalog
from autoglm_desktop.texts import check as check_texts
from autoglm_desktop.texts import reasons
from tests.fakes import made_machines as made

BROWSER, EDITOR = Program("made-browser", 3 * GIB), Program("made-editor", 700 * MIB)
ENGINE = Program(OWN_PROGRAM, 6 * GIB)
MODEL = of_model(catalog.load().models[0])


def with_programs(machine: Machine, free_gib: float, *programs: Program) -> Machine:
    memory = replace(machine.memory, available_bytes=int(free_gib * GIB), programs=programs)
    return replace(machine, memory=memory)


def plan_for(ram_gib: float) -> RungPlan:
    size = int(ram_gib * GIB)
    return RungPlan("gguf-cpu", memory={"ram": DeviceMemory(total=size, margin=0)})


def free_ram(machine: Machine, plan: RungPlan):
    return next(one for one in checks(machine, plan) if one.id == "ram.available")


def test_processes_of_a_program_count_together_and_engines_are_its_own() -> None:
    found = merged(
        [
            Process(7, "browser", 200 * MIB), Process(8, "browser", 300 * MIB), Process(9, "small", 20 * MIB),
            Process(10, "python3", 900 * MIB, engine=True), Process(os.getpid(), "python3", 9 * GIB),
        ]
    )  # fmt: skip
    assert found == (Program(OWN_PROGRAM, 900 * MIB), Program("browser", 500 * MIB))


def test_only_the_largest_are_told() -> None:
    found = merged([Process(n + 10**8, f"made-{n}", (200 + n) * MIB) for n in range(20)])
    assert len(found) == probe.MOST_PROGRAMS and found[0] == Program("made-19", 219 * MIB)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"rss": 100, "shared": 30}, 70), ({"rss": 10, "shared": 30}, 0), ({"rss": 100, "private": 60}, 60),
        ({"rss": 100, "private": 900}, 100), ({"rss": 100}, 100),
    ],
)  # fmt: skip
def test_what_becomes_free(told: dict[str, int], expected: int) -> None:
    assert private_bytes(SimpleNamespace(**told)) == expected


def test_an_engine_is_known_among_the_processes_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "LEAST_BYTES", 1)
    command = engine_command(Path(sys.executable))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as engine:
        assert engine.stdin is not None
        wait_for_memory(engine.pid)
        found = probe_programs()
        engine.stdin.close()
    assert any(one.name == OWN_PROGRAM for one in found)
    assert not any("/" in (one.name or "") for one in found)


def wait_for_memory(pid: int) -> None:
    """Until the new process is a Python that has begun: before that it has no memory of its own."""
    import psutil

    while private_bytes(psutil.Process(pid).memory_info()) < 2 * MIB:
        pass


def test_the_fewest_programs_that_are_enough() -> None:
    found = closing((EDITOR, BROWSER, ENGINE, Program("gnome-shell", 9 * GIB)), 2 * GIB)
    assert found is not None and found.enough and found.names == "made-browser (3.0 GiB)"
    found = closing((EDITOR, BROWSER), 9 * GIB)
    assert found is not None and not found.enough and found.freed_bytes == 3 * GIB + 700 * MIB
    assert closing((Program("made", None), ENGINE), 1) is None


@pytest.mark.parametrize(
    ("programs", "code", "words"),
    [
        ((BROWSER, EDITOR), "ram_short_close", "Close made-browser (3.0 GiB) to free 3.0 GiB."),
        ((EDITOR,), "ram_short_held", "Closing made-editor (700 MiB) frees 700 MiB, which is not enough."),
        ((), "ram_short", "2.0 GiB too little."),
    ],
)
def test_who_holds_the_ram_that_is_missing(programs: tuple[Program, ...], code: str, words: str) -> None:
    check = free_ram(with_programs(made.made_laptop(), 4, *programs), plan_for(6))
    assert (check.status, check.code, check.advice) == ("fail", code, "close_programs")
    assert check_texts.sentence(check).endswith(words)


def test_in_a_container_closing_programs_does_not_help() -> None:
    machine = with_programs(made.made_laptop(), 4, BROWSER)
    machine = replace(machine, memory=replace(machine.memory, limit_bytes=8 * GIB))
    check = free_ram(machine, plan_for(6))
    assert (check.code, check.advice) == ("ram_short", "raise_ram_limit")


def test_what_the_own_engine_holds_is_free_for_a_plan() -> None:
    machine = with_programs(made.made_laptop(), 4, ENGINE, BROWSER)
    budget = ram_budget(machine)
    assert (budget.available, budget.limit, budget.own) == (4 * GIB, 10 * GIB, 6 * GIB)
    check = free_ram(machine, plan_for(6))
    assert (check.status, check.code) == ("ok", "ram_own_enough")
    assert "gives back 6.0 GiB when it ends" in check_texts.sentence(check)
    assert free_ram(machine, plan_for(1)).code == "ram_own"
    assert free_ram(machine, plan_for(11)).code == "ram_short_close"


def test_a_loaded_model_still_fits() -> None:
    before = plan_model(made.made_rtx_4060(), MODEL)
    gpu = made.made_rtx_4060().gpus[0]
    held = (gpu.memory_free_bytes or 0) - 300 * MIB
    loaded = made.with_gpu(
        made.made_rtx_4060(), memory_free_bytes=300 * MIB, processes=(GpuProcess(OWN_PROGRAM, held),)
    )
    after = plan_model(loaded, MODEL)
    assert [(row.rung, row.variant, row.status, row.gpu_layers) for row in after.ladder] == [
        (row.rung, row.variant, row.status, row.gpu_layers) for row in before.ladder
    ]
    for row in after.ladder:
        if "gpu:0" in row.memory:
            assert row.memory["gpu:0"].available == 300 * MIB
    other = plan_model(without_own(loaded), MODEL)
    assert all(row.status == "too_big" for row in other.ladder if row.rung == "gguf-gpu")


def test_what_the_engine_tells_counts_where_the_driver_does_not() -> None:
    """As on Windows: the driver names processes, but not what they hold."""
    silent = (GpuProcess(OWN_PROGRAM, None), GpuProcess("made.exe", None))
    machine = made.with_gpu(made.made_rtx_4060(), memory_free_bytes=GIB, processes=silent)
    found = with_own(machine, {"gpu:0": 5 * GIB, "ram": GIB})
    assert gpu_budget(found.gpus[0], found).limit == 6 * GIB
    assert GpuProcess("made.exe", None) in found.gpus[0].processes
    assert with_own(machine, {"gpu:1": GIB}) == machine == with_own(machine, {})
    told = made.with_gpu(machine, processes=(GpuProcess(OWN_PROGRAM, 2 * GIB),))
    assert with_own(told, {"gpu:0": 5 * GIB}) == told


def test_no_more_than_there_is_comes_back() -> None:
    machine = made.with_gpu(made.made_rtx_4060(), processes=(GpuProcess(OWN_PROGRAM, 90 * GIB),))
    gpu = machine.gpus[0]
    assert gpu_budget(gpu, machine).limit == gpu.memory_total_bytes
    reserved = replace(gpu, memory_reserved_bytes=300 * MIB)
    assert gpu_budget(reserved, machine).limit == (gpu.memory_total_bytes or 0) - 300 * MIB
    assert ram_budget(with_programs(machine, 4, Program(OWN_PROGRAM, 90 * GIB))).limit == 16 * GIB
    silent = replace(gpu, memory_free_bytes=None)
    assert gpu_budget(silent, machine).limit == gpu_budget(replace(silent, processes=()), machine).limit


def test_what_is_too_big_all_the_same_says_what_it_counted() -> None:
    machine = with_programs(made.made_small(), 1, Program(OWN_PROGRAM, GIB))
    row = next(row for row in plan_model(machine, MODEL).ladder if row.rung == "gguf-cpu")
    assert row.status == "too_big"
    assert "2.0 GiB are free once this program's own engine ends" in reasons.text(row.reason)


def test_programs_go_through_json_and_reports_without_the_user_s_name() -> None:
    machine = with_programs(made.made_laptop(), 4, Program("alice-studio", GIB))
    assert machine_from_json(to_json(machine)).memory.programs == (Program("alice-studio", GIB),)
    text = Redactor(Identity(users=("alice",))).redact(str(to_json(machine)))
    assert "alice" not in text and "studio" in text
