"""What the user set for engines: kept in the settings, sent with every load."""

import asyncio
import dataclasses
import json

import pytest

from autoglm_desktop.core.engine_tuning import USUAL, Tuning
from autoglm_desktop.core.protocol import EngineOptions
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.host.environments import Description, Environment, Record
from autoglm_desktop.host.starts import Files, Start, load_job
from autoglm_desktop.usecases import engine_tuning
from tests.fakes.fake_services import made_services

SET = Tuning(threads=6, memory_lock=True, huge_pages=True, numa="isolate")


def start(tmp_path, tuning, *, safe=False):
    record = Record("llama-cpu", "1", options=EngineOptions(use_extra_bufts=False), self_test="safe_mode") if safe \
        else Record("llama-cpu", "1")  # fmt: skip
    environment = Environment(Description("llama-cpu", "llama.cpp", "x", "x"), tmp_path, record, own=True)
    return Start(RungPlan("gguf-cpu", context=4096), environment, Files(tmp_path / "a.gguf"), tuning=tuning)


def test_it_is_kept_and_read_again(tmp_path):
    services = made_services(tmp_path)
    assert engine_tuning.chosen(services) == USUAL
    assert asyncio.run(engine_tuning.choose(services, SET))
    assert engine_tuning.chosen(services) == SET
    assert asyncio.run(engine_tuning.choose(services, USUAL)) and engine_tuning.chosen(services) == USUAL


@pytest.mark.parametrize(
    "wrong", [{"engine_threads": -3}, {"engine_numa": "everywhere"}, {"engine_threads": "six"}]
)
def test_what_makes_no_sense_counts_as_not_set(tmp_path, wrong):
    services = made_services(tmp_path)
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "settings.json").write_text(json.dumps(wrong))
    assert engine_tuning.chosen(services) == USUAL


def test_the_load_carries_it_beside_the_rungs_own_options(tmp_path):
    usual = load_job(start(tmp_path, USUAL), threads=8)
    assert (usual.threads, usual.options) == (8, EngineOptions())
    job = load_job(start(tmp_path, SET), threads=8)
    assert job.threads == 6
    assert job.options == EngineOptions(memory_lock=True, huge_pages=True, numa="isolate")
    safe = load_job(start(tmp_path, SET, safe=True)).options
    assert safe == dataclasses.replace(job.options, use_extra_bufts=False)
