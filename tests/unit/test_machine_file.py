"""Machines that somebody wrote by hand: believed as far as they make sense, planned on without harm."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from autoglm_desktop.core import checks
from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.ladder import engines_of, plan_model
from autoglm_desktop.core.machine import Machine, to_json
from autoglm_desktop.core.machine_file import MOST_ITEMS, machine_from_json
from autoglm_desktop.core.subject import of_model
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.store import catalog
from autoglm_desktop.texts import check as texts
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases.check import CheckOptions, read_machine, run_check
from autoglm_desktop.usecases.services import create_services, gpu_table
from tests.fakes import made_machines as made

WHOLE = json.loads(json.dumps(to_json(made.with_engine(made.with_game(made.made_rtx_4060())))))
CARD = {"index": 0, "vendor": "nvidia", "memory_total_bytes": 8 * GIB, "memory_free_bytes": 7 * GIB}


def all_of(machine: Machine) -> None:
    """Everything that a check makes of a machine."""
    plan = plan_model(
        machine, of_model(catalog.load().models[0]).only("Q4_K_M"), cards=gpu_table(),
        engines=engines_of(machine.runtime.engines),
    )  # fmt: skip
    for check in checks.checks(machine, checks.deciding_plan(plan)):
        assert texts.sentence(check)
        json.dumps(to_json(check.value), allow_nan=False)
    json.dumps(to_json(plan.ladder), allow_nan=False)
    assert machine_from_json(json.loads(json.dumps(to_json(machine)))) == machine


def test_whole_or_in_part_alone_or_in_a_check() -> None:
    machine = machine_from_json(WHOLE)
    assert machine == machine_from_json({"schema": 1, "machine": WHOLE, "checks": "anything"})
    assert machine_from_json({}) == Machine() == machine_from_json({"unknown": 1, "os": {"also": 2}})


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"machine": None}, "expected an object"),
        ({"machine": []}, "expected an object"),
        ({"memory": {"total_bytes": "16 GB"}}, "Memory.total_bytes: expected int"),
        ({"memory": {"total_bytes": True}}, "Memory.total_bytes: expected int"),
        ({"memory": {"total_bytes": -1}}, "Memory.total_bytes: out of range"),
        ({"memory": {"total_bytes": 1.5}}, "Memory.total_bytes: expected int"),
        ({"gpus": [{**CARD, "power_limit_w": 10**400}]}, "Gpu.power_limit_w: out of range"),
        ({"gpus": [{**CARD, "power_limit_w": 1e300}]}, "Gpu.power_limit_w: out of range"),
        ({"gpus": [{**CARD, "index": -1}]}, "Gpu.index: out of range"),
        ({"gpus": [CARD, CARD]}, "Gpu.index: two cards"),
        ({"gpus": [{**CARD, "memory_free_bytes": 9 * GIB}]}, "Gpu.memory_free_bytes: more than memory_total_bytes"),
        ({"memory": {"total_bytes": 8 * GIB, "available_bytes": 9 * GIB}}, "Memory.available_bytes: more than total"),
        ({"gpus": [{**CARD, "index": n} for n in range(MOST_ITEMS + 1)]}, "Machine.gpus: more than"),
        ({"cpu": {"name": "x" * 20_000}}, "Cpu.name: longer than"),
        ({"gpus": [{"name": "x"}]}, "Gpu.index is missing"),
        ({"gpus": {}}, "Machine.gpus: expected a list"),
        ({"gpus": [None]}, "Gpu: expected an object"),
        ([], "expected an object"),
    ],
)  # fmt: skip
def test_what_no_machine_has_is_refused_by_its_name(part: object, said: str) -> None:
    with pytest.raises(ValueError) as error:
        machine_from_json(part)
    assert said in str(error.value)


def test_nothing_is_0_and_words_nobody_knows_are_unknown() -> None:
    machine = machine_from_json({
        "cpu": {"physical_cores": 0, "logical_cores": 0, "memory_bandwidth_bytes_per_s": 0},
        "memory": {"total_bytes": 0, "available_bytes": 0, "swap_total_bytes": 0, "channels": 0},
        "disks": [{"path": "x", "kind": "tape", "free_bytes": 0, "random_read_iops": 0}],
        "gpus": [{"index": 0, "vendor": " NVIDIA ", "memory_total_bytes": 0, "memory_free_bytes": 0,
                  "temperature_c": 0}],
        "runtime": {"engines": [{"name": "x", "self_test": "maybe"}]},
    })  # fmt: skip
    assert (machine.cpu.physical_cores, machine.cpu.memory_bandwidth_bytes_per_s) == (None, None)
    assert (machine.memory.total_bytes, machine.memory.available_bytes) == (None, 0)
    assert (machine.memory.swap_total_bytes, machine.memory.channels) == (0, None)
    card, disk = machine.gpus[0], machine.disks[0]
    assert (disk.kind, disk.free_bytes, disk.random_read_iops) == ("unknown", 0, None)
    assert (card.vendor, card.memory_total_bytes, card.temperature_c) == ("nvidia", None, 0)
    assert machine.runtime.engines[0].self_test == "not_run"
    all_of(machine)


def test_what_steers_a_terminal_becomes_blanks() -> None:
    machine = machine_from_json({"cpu": {"name": "a\x1b[31mred\r\n\0\u202eb\ud800 显卡"}})
    assert machine.cpu.name == "a [31mred    b  显卡"


@pytest.mark.parametrize(
    "text", ["9" * 5000, "9" * 400, "", "abc", "535.", ".", "0", "5٣5.1", "535.183.01-test"]
)
def test_versions_that_are_none(text: str) -> None:
    card = {**CARD, "driver_version": text, "cuda_version": text}
    packages = [{"name": "torch", "version": text}]
    all_of(machine_from_json({"gpus": [card], "runtime": {"python": text, "packages": packages}}))


def nonsense(chance: random.Random) -> object:
    """Some value of JSON."""
    return chance.choice((
        None, True, False, 0, -1, 1, 1 << 62, 1 << 64, 10**30, 0.0, -0.5, 1e300, float("nan"), float("inf"), "", "0",
        "x" * 30, "\x1b[2J", "显存", "\ud800", [], {}, [[]], [1, 2], [8, 9], ["a"], {"a": 1}, [None], "nvidia",
        "Windows", 7 * GIB,
    ))  # fmt: skip


def damaged(value: Any, chance: random.Random, often: float) -> Any:
    """The same with some of its parts replaced, left out or doubled."""
    if chance.random() < often / 4:
        return nonsense(chance)
    if isinstance(value, dict):
        kept = {
            key: damaged(part, chance, often) for key, part in value.items() if chance.random() > often / 4
        }
        return kept | ({"more": nonsense(chance)} if chance.random() < often else {})
    if isinstance(value, list):
        return [damaged(part, chance, often) for part in value for _ in range(chance.choice((1, 1, 1, 0, 2)))]
    return value


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_written_is_refused_or_planned_on(seed: int) -> None:
    chance = random.Random(seed)
    read = 0
    for _ in range(60):
        data = damaged(WHOLE, chance, chance.choice((0.02, 0.1, 0.3)))
        try:
            machine = machine_from_json(data)
        except ValueError as error:
            assert str(error) and "\n" not in str(error)
            continue
        read += 1
        all_of(machine)
    assert read, "some are still machines"


FILES = {
    "empty": b"", "blank": b" \n", "cut": b'{"memory": {', "list": b"[]", "word": b'"x"',
    "comment": b"// a machine\n{}", "twice": b"{} {}", "zeros": b"\0" * 99, "bytes": bytes(range(256)),
    "latin": '{"os": {"name": "ü"}}'.encode("latin-1"),
    "deep": b"[" * 100_000 + b"]" * 100_000, "digits": b'{"memory": {"total_bytes": ' + b"9" * 5000 + b"}}",
    "single": b"{'os': {}}", "nan": b'{"memory": {"total_bytes": NaN}}', "large": b" " * 10_000_001,
    "deep machine": b'{"machine": ' * 900 + b"[]" + b"}" * 900,
}  # fmt: skip


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_files_that_are_no_machine(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "made 机器.json"
    path.write_bytes(data)
    if data.startswith(b'{"machine'):
        assert read_machine(path) == Machine()  # what else stands in a check is not looked at
        return
    with pytest.raises(AppError) as error:
        read_machine(path)
    text = errors.text(error.value)
    assert str(path) in text and "\n" not in text and len(text) < 400
    assert "set_int_max_str_digits" not in text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_way_to_write_unicode(encoding: str, tmp_path: Path) -> None:
    """PowerShell's ``check --json > machine.json`` writes UTF-16."""
    path = tmp_path / "machine.json"
    path.write_bytes(json.dumps({"cpu": {"name": "处理器"}}, ensure_ascii=False).encode(encoding))
    assert read_machine(path).cpu.name == "处理器"


def test_folders_and_what_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.json", tmp_path / ("x" * 300)):
        with pytest.raises(AppError) as error:
            read_machine(path)
        assert error.value.code == "machine_file_unreadable" and errors.text(error.value)


def test_a_check_of_many_cards_ends(tmp_path: Path) -> None:
    """As many as the file may name, and sixteen that hold a layer or two each."""
    for count in (16, MOST_ITEMS):
        cards = [{**CARD, "index": n, "memory_free_bytes": 1200 * MIB} for n in range(count)]
        path = tmp_path / f"{count}.json"
        path.write_text(
            json.dumps({"gpus": cards, "memory": {"total_bytes": 16 * GIB, "available_bytes": 11 * GIB}})
        )
        found = asyncio.run(run_check(create_services(tmp_path / "home"), CheckOptions(machine_file=path)))
        assert len(found.machine.gpus) == count and all(len(model.ladder) == 8 for model in found.models)
