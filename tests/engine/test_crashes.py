"""Crash memory: what is remembered, for whom it counts, and how it narrows to a file."""

import json

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.machine import Cpu, Gpu, Machine
from autoglm_desktop.host.crashes import Crash, CrashMemory, file_key, hardware_key

WHERE = ("made CPU", "0.3.36", "llama.cpp")


def crash(rung="gguf-cpu", kind="crashed", file="file-a", phase="warm_up", where=WHERE):
    hardware, build, backend = where
    return Crash(hardware, build, backend, rung, phase, kind, "SIGSEGV", seen_with=file)


@pytest.fixture
def memory(tmp_path):
    return CrashMemory(tmp_path / "状态 state" / "crashes.json")


def rungs(memory, file="file-a", where=WHERE):
    return [note.rung for note in memory.notes(*where, file)]


def test_nothing_is_remembered_at_first(memory):
    assert memory.all() == () and rungs(memory) == []


def test_a_crash_counts_for_every_file_until_one_works(memory):
    memory.add(crash())
    assert rungs(memory) == ["gguf-cpu"] == rungs(memory, "file-b")
    memory.worked(*WHERE, "gguf-cpu", "file-b")
    assert rungs(memory, "file-b") == [] == rungs(memory, "file-c")
    assert rungs(memory, "file-a") == ["gguf-cpu"], "the file that crashed stays out"


def test_a_rung_that_works_with_the_same_file_forgets_its_crash(memory):
    memory.add(crash())
    memory.worked(*WHERE, "gguf-cpu", "file-a")
    assert memory.all() == ()


def test_success_of_another_rung_or_engine_changes_nothing(memory):
    memory.add(crash())
    memory.worked(*WHERE, "gguf-cpu-safe", "file-b")
    memory.worked("made CPU", "0.3.37", "llama.cpp", "gguf-cpu", "file-b")
    assert rungs(memory, "file-c") == ["gguf-cpu"]


@pytest.mark.parametrize(
    "other", [("other CPU", *WHERE[1:]), (WHERE[0], "0.3.37", WHERE[2]), (*WHERE[:2], "transformers")]
)
def test_other_hardware_build_and_backend_are_not_concerned(memory, other):
    memory.add(crash())
    assert rungs(memory, where=other) == []


@pytest.mark.parametrize("kind", ["out_of_memory", "bad_file", "unsupported", "missing_dependency"])
def test_only_crashes_and_hangs_are_remembered(memory, kind):
    memory.add(crash(kind=kind))
    assert memory.all() == ()


def test_the_same_crash_is_kept_once_with_its_time(memory):
    memory.add(crash())
    memory.add(crash(kind="hung"))
    memory.add(crash(phase="generate"))
    assert [(found.phase, found.kind) for found in memory.all()] == [
        ("warm_up", "hung"),
        ("generate", "crashed"),
    ]
    assert all(found.at > 1e9 for found in memory.all())


def test_clearing_forgets_everything(memory):
    memory.add(crash())
    memory.clear()
    assert memory.all() == ()


def test_an_engine_tested_again_forgets_its_own_crashes(memory):
    memory.add(crash())
    memory.add(crash(where=(WHERE[0], "0.3.37", WHERE[2])))
    memory.forget(*WHERE[1:])
    assert [found.build for found in memory.all()] == ["0.3.37"]


def test_a_memory_that_cannot_be_cleared_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError) as caught:
        CrashMemory(tmp_path / "file" / "crashes.json").clear()
    assert caught.value.code == "state_unwritable"


def test_two_instances_see_each_other(memory, tmp_path):
    other = CrashMemory(tmp_path / "状态 state" / "crashes.json")
    memory.add(crash())
    other.add(crash(rung="gguf-gpu"))
    assert sorted(rungs(memory)) == ["gguf-cpu", "gguf-gpu"]


DAMAGED = ["", "{", "[]", "{}", '{"crashes": 3}', '{"crashes": [{}]}', '{"crashes": [1]}', "\x00"]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_counts_as_empty_and_is_replaced(memory, tmp_path, text):
    memory.clear()
    path = next(tmp_path.rglob("crashes.json"))
    path.write_text(text, encoding="utf-8")
    assert memory.all() == ()
    memory.add(crash())
    assert rungs(memory) == ["gguf-cpu"]
    assert json.loads(path.read_text(encoding="utf-8"))["schema"] == 1


def test_a_file_is_known_by_its_size_and_header(tmp_path):
    one, two, three = (tmp_path / name for name in "abc")
    one.write_bytes(b"a" * 2_000_000)
    two.write_bytes(b"a" * 2_000_001)
    three.write_bytes(b"b" + b"a" * 1_999_999)
    keys = {file_key(one), file_key(two), file_key(three)}
    assert len(keys) == 3 and None not in keys
    assert file_key(tmp_path / "none") is None


def test_hardware_names_cpu_cards_and_drivers():
    machine = Machine(
        cpu=Cpu(name="CPU"), gpus=(Gpu(0, "nvidia", "RTX 4060", driver_version="560.1"), Gpu(1, "amd"))
    )
    assert hardware_key(machine) == "CPU + RTX 4060 560.1"
    assert hardware_key(Machine()) == "unknown CPU"
