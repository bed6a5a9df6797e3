"""Measuring a machine with the real engine: what is kept, what is said, nothing left behind."""

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError, EngineError
from autoglm_desktop.core.machine import Cpu, Machine, Memory
from autoglm_desktop.core.subject import of_header
from autoglm_desktop.host.command import engine_command
from autoglm_desktop.store import gguf
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.usecases import measure_model
from autoglm_desktop.usecases.measure import Step, forget, measure, wanted_variants
from tests.fakes.fake_services import made_services

MACHINE = Machine(cpu=Cpu("made CPU", logical_cores=1), memory=Memory(available_bytes=1 << 30))


@pytest.fixture
def services(tmp_path: Path):
    made = made_services(tmp_path / "数据 home")
    return replace(made, command=lambda _python: engine_command(Path(sys.executable)))


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "made.gguf"
    write_tiny_glm4(path, layers=4, vocab=2000, weight_type="Q4_K_M")
    return of_header(gguf.read_header(path), "made")


def run(work):
    return asyncio.run(asyncio.wait_for(work, 120))


def test_a_model_s_layers_are_measured_and_kept(needs_llama, services, subject, monkeypatch):
    monkeypatch.setattr(measure_model, "MODEL_LIMIT_S", 3.0)
    steps: list[Step] = []
    found = run(measure(services, MACHINE, subject, ("Q4_K_M",), steps.append, ("model",)))
    assert {step.device for step in steps} == {"cpu", "cpu-safe"}
    assert all(0 <= step.fraction <= 1 for step in steps)
    busy = {what for what, reason in found.failed if reason.code in ("machine_busy", "times_contradict")}
    assert {one.device for one in found.known.layers} | busy == {"cpu", "cpu-safe"}
    for one in found.known.layers:
        assert one.shape == subject.shape.key and one.engine == "llama-cpu" and one.decode_layer_s > 0
    kept = found.known if found.known.layers else None  # nothing is kept of a machine that was busy
    assert services.measured("made CPU") == kept
    assert not list(services.cache.glob("measure-*"))


def test_memory_and_disk_alone(services):
    found = run(measure(services, MACHINE, None, (), parts=("memory",)))
    assert found.known.ram_bytes_per_s and found.known.layers == () and found.failed == ()


def test_without_an_engine_the_model_is_left_out(services, subject):
    services.environments.remove("llama-cpu")
    found = run(measure(services, MACHINE, subject, ("Q4_K_M",), parts=("model",)))
    assert [(what, reason.code) for what, reason in found.failed] == [("model", "measure_needs_engine")]


def test_an_engine_that_dies_is_said_and_leaves_nothing(tmp_path, subject):
    dying = [sys.executable, "-c", "import os; os.abort()"]
    services = replace(made_services(tmp_path / "home"), command=lambda _python: list(dying))
    found = run(measure(services, MACHINE, subject, ("Q4_K_M",), parts=("model",)))
    assert {what for what, _reason in found.failed} == {"cpu", "cpu-safe"}
    assert [reason.code for _what, reason in found.failed] == ["measure_crashed", "measure_crashed_here"]
    assert not list(services.cache.glob("measure-*"))
    assert {crash.rung for crash in services.crashes.all()} == {"gguf-cpu", "gguf-cpu-safe"}


def test_an_engine_that_is_gone_is_said(tmp_path, subject):
    services = replace(
        made_services(tmp_path / "home"), command=lambda _python: [str(tmp_path / "no python")]
    )
    found = run(measure(services, MACHINE, subject, ("Q4_K_M",), parts=("model",)))
    assert [reason.code for _what, reason in found.failed] == ["measure_no_start"] * 2
    assert services.crashes.all() == (), "nothing crashed"


def test_a_cache_that_cannot_be_written_is_said_and_the_rest_is_kept(services, subject):
    services.home.mkdir(parents=True, exist_ok=True)
    (services.home / "cache").write_text("in the way", encoding="utf-8")
    found = run(measure(services, MACHINE, subject, ("Q4_K_M",), parts=("memory", "model")))
    assert [(what, reason.code) for what, reason in found.failed] == [("model", "measure_folder")]
    assert services.measured("made CPU").ram_bytes_per_s == found.known.ram_bytes_per_s


def test_nothing_begins_where_nothing_could_be_kept(services, subject):
    services.home.mkdir(parents=True, exist_ok=True)
    (services.home / "state").write_text("in the way", encoding="utf-8")
    steps: list[Step] = []
    with pytest.raises(AppError, match="file_unwritable"):
        run(measure(services, MACHINE, subject, ("Q4_K_M",), steps.append))
    assert steps == []


def test_two_at_once_would_disturb_each_other(services, subject):
    async def body() -> None:
        begun, end = asyncio.Event(), asyncio.Event()

        async def start(_environment):
            begun.set()
            await end.wait()
            raise EngineError("engine_start_failed", command="made", detail="made")

        first = asyncio.create_task(
            measure(services, MACHINE, subject, ("Q4_K_M",), parts=("model",), start=start)
        )
        await begun.wait()
        with pytest.raises(AppError, match="measuring_already"):
            await measure(services, MACHINE, None, (), parts=("memory",))
        end.set()
        await first
        await measure(services, MACHINE, None, (), parts=("memory",))

    run(body())


def test_what_was_measured_is_forgotten(services):
    run(measure(services, MACHINE, None, (), parts=("memory",)))
    assert services.measured("made CPU") is not None
    assert run(forget(services, MACHINE))
    assert services.measured("made CPU") is None
    assert not run(forget(services, MACHINE))


def test_every_part_has_its_time(services):
    before = time.time()
    found = run(measure(services, MACHINE, None, (), parts=("memory",)))
    assert before <= found.known.ram_taken <= found.known.taken <= time.time()


def test_cancelling_removes_what_was_written(needs_llama, services, subject):
    async def body() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(
            measure(services, MACHINE, subject, ("Q4_K_M",), lambda step: begun.set(), ("model",))
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(body())
    assert not list(services.cache.glob("measure-*"))
    assert services.measured("made CPU") is None


def test_what_a_killed_run_left_goes(needs_llama, services, subject, monkeypatch):
    left = services.cache / "measure-left"
    left.mkdir(parents=True)
    (left / "layers.gguf").write_bytes(b"x" * 100)
    monkeypatch.setattr(measure_model, "MODEL_LIMIT_S", 1.0)
    run(measure(services, MACHINE, subject, ("Q4_K_M",), parts=("model",)))
    assert not left.exists()


def test_variants_to_measure(subject):
    assert wanted_variants(subject, "Q4_K_M") == ("Q4_K_M",)
    assert wanted_variants(subject, None, "nonsense") == ("Q4_K_M",)


def test_an_unknown_variant_is_said(needs_llama, services, subject):
    found = run(measure(services, MACHINE, subject, ("Q9_Z",), parts=("model",)))
    assert [(what, reason.code) for what, reason in found.failed] == [("Q9_Z", "no_cuts")]
