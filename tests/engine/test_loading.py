"""From a ladder to what is tried: environments by rung, what follows out of memory, files that are refused."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError, EngineError, Reason
from autoglm_desktop.core.machine import Gpu, Machine
from autoglm_desktop.core.rungs import DeviceMemory, ModelPlan, RungPlan
from autoglm_desktop.host.crashes import CrashMemory, hardware_key
from autoglm_desktop.host.environments import (
    Description,
    Environment,
    Environments,
    Record,
    environment_python,
    read_descriptions,
)
from autoglm_desktop.host.starts import Files, Start
from autoglm_desktop.host.supervisor import LadderFailed, Supervisor, Try, follow
from autoglm_desktop.store import paths
from autoglm_desktop.usecases.loading import (
    Prepared,
    Wishes,
    after_out_of_memory,
    choose_plans,
    is_smaller,
    starts_for,
)
from autoglm_desktop.usecases.services import Services
from autoglm_desktop.usecases.targets import Target
from autoglm_desktop.usecases.walk import Telling, Walker
from tests.fakes.fake_engine import fake_command
from tests.fakes.fake_services import FakeServices, made_services, plan

LLAMA = Environment(
    Description("llama-cpu", "llama.cpp", "x", "x"), Path(), Record("llama-cpu", "1"), own=True
)
TORCH = Environment(Description("torch", "transformers", "x", "x"), Path(), Record("torch", "1"), own=True)


def on_card(rung, context, total, variant="Q4_K_M", layers=41):
    memory = {"gpu:0": DeviceMemory(total=total), "ram": DeviceMemory(total=9 * total)}
    return RungPlan(
        rung, variant, status="fits", installed=True, engine_installed=True, context=context, kv_type="f16",
        gpu_layers=layers, memory=memory,
    )  # fmt: skip


def start(one, file="a.gguf", environment=LLAMA):
    return Start(one, environment, Files(Path(file)))


BIG = on_card("gguf-gpu", 16384, 8_000)
CPU = plan("gguf-cpu")


def halves(current):
    context = current.context // 2
    while context >= 1024:
        yield on_card(current.rung, context, 4_000 + context // 8, current.variant)
        context //= 2


def test_after_out_of_memory_in_an_answer_the_same_plan_is_not_tried_again():
    found = after_out_of_memory([start(BIG), start(CPU)], BIG, halves)
    assert [(one.plan.rung, one.plan.context) for one in found] == [("gguf-gpu", 8192), ("gguf-cpu", 4096)]


def test_a_plan_that_became_smaller_by_itself_is_kept():
    less = on_card("gguf-gpu", 12288, 7_000)
    found = after_out_of_memory([start(less), start(CPU)], BIG, halves)
    assert found[0].plan == less


def test_rungs_that_ask_for_more_are_left_out_and_without_a_smaller_plan_the_next_rung_follows():
    torch = start(RungPlan("transformers-16bit", "safetensors"), "folder", TORCH)
    found = after_out_of_memory([torch, start(BIG), start(CPU)], BIG, lambda _plan: iter(()))
    assert [one.plan.rung for one in found] == ["gguf-cpu"]


def test_a_ladder_without_that_rung_is_taken_as_it_is():
    starts = (start(CPU),)
    assert after_out_of_memory(starts, BIG, halves) == starts


def test_what_counts_is_the_card_then_ram_then_the_context():
    assert is_smaller(on_card("gguf-gpu", 16384, 7_999), BIG) and not is_smaller(BIG, BIG)
    ram = dataclasses.replace(CPU, memory={"ram": DeviceMemory(total=5)})
    assert is_smaller(ram, dataclasses.replace(CPU, memory={"ram": DeviceMemory(total=6)}))
    assert is_smaller(plan("gguf-cpu", 2048), CPU) and not is_smaller(CPU, CPU)


def test_a_bad_file_leaves_the_rungs_of_other_files():
    torch = start(RungPlan("transformers-nf4", "safetensors"), "folder", TORCH)
    queue = [start(CPU), torch, start(plan("gguf-cpu-safe"))]
    failed = Try("gguf-gpu", "bad_file", "made", 0.1)
    assert follow(failed, start(BIG), queue, halves, [failed]) == [torch]


@pytest.mark.parametrize("kind", ["not_proven", "missing_dependency", "unsupported"])
def test_other_failures_leave_the_rung_and_nothing_else(kind):
    queue = [start(CPU), start(plan("gguf-cpu-safe"))]
    failed = Try("gguf-gpu", kind, "made", 0.1)
    assert follow(failed, start(BIG), queue, halves, [failed]) == queue


def services_with(home, *described):
    made = made_services(home)
    descriptions = {**made.environments.descriptions, **{one.name: one for one in described}}
    environments = Environments(home / "engines", descriptions, None)
    for one in described:
        python = environment_python(environments.path(one.name))
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()
        record = Record(one.name, "1", hardware_key(Machine()), "made", self_test="passed")
        environments.write(record, own=False)
    return FakeServices(made.home, environments, made.crashes, made.library, fake_command("ok"))


TORCH_CPU = Description("torch-cpu", "transformers", "torch", "torch")


def starts(services: Services, ladder, machine=None, **wishes):
    found = ModelPlan("x", "text", "runs", Reason("made"), ladder[0].rung, None, tuple(ladder))

    async def prepare():
        return Prepared(Path("a.gguf"), found, machine or Machine(), halves)

    _, made = asyncio.run(starts_for(services, prepare, Wishes(**wishes), lambda _progress: None))
    return made


def test_each_rung_takes_its_own_environment(tmp_path):
    services = services_with(tmp_path, TORCH_CPU)
    torch = RungPlan(
        "transformers-16bit", "safetensors", "bfloat16", installed=True, engine_installed=True, status="fits"
    )
    made = starts(
        services, (torch, CPU), Machine(gpus=(Gpu(0, "nvidia", "made", compute_capability=(7, 5)),))
    )
    assert [(one.plan.rung, one.environment.description.name) for one in made] == [
        ("transformers-16bit", "torch-cpu"),
        ("gguf-cpu", "llama-cpu"),
    ]
    assert made[0].dtype == "float16" and made[0].cards == (("gpu:0", "made"),)


def test_a_locked_rung_without_its_engine_names_it(tmp_path):
    locked = dataclasses.replace(BIG, engine_installed=False)
    with pytest.raises(EngineError) as caught:
        starts(services_with(tmp_path), (locked, CPU), rung="gguf-gpu")
    assert caught.value.code == "engine_not_installed"


def test_tries_keep_their_numbers(tmp_path):
    model = tmp_path / "a.gguf"
    model.write_bytes(b"made")
    supervisor = Supervisor(CrashMemory(tmp_path / "crashes.json"), "made", fake_command("oom"))

    async def work():
        with pytest.raises(LadderFailed) as caught:
            await supervisor.load([start(BIG, str(model))], halves)
        return caught.value.tries

    tries = asyncio.run(work())
    assert len(tries) == 5 and [one.context for one in tries] == [16384, 8192, 4096, 2048, 1024]
    first = tries[0]
    assert (first.rung, first.variant, first.engine, first.gpu_layers) == (
        "gguf-gpu",
        "Q4_K_M",
        "llama-cpu",
        41,
    )
    assert first.planned == {"gpu:0": 8_000, "ram": 72_000} and first.phase == "load" and first.at
    assert "failed to allocate" in first.message and hash(first) is not None


def test_a_rung_whose_files_cannot_be_made_is_a_try_and_the_next_follows(tmp_path):
    model = tmp_path / "a.gguf"
    model.write_bytes(b"made")
    asked = []

    async def make(one):
        asked.append(one.rung)
        if one is BIG:
            raise AppError("disk_full", path="made")
        return Files(model)

    starts = [
        dataclasses.replace(start(one, str(model)), make=make) for one in (BIG, CPU, plan("gguf-cpu-safe"))
    ]
    supervisor = Supervisor(CrashMemory(tmp_path / "crashes.json"), "made", fake_command("ok"))

    async def work():
        running = await supervisor.load(starts, halves)
        await running.process.close()
        return running.tries

    tries = asyncio.run(work())
    assert [(tried.rung, tried.kind) for tried in tries] == [("gguf-gpu", "unsupported"), ("gguf-cpu", None)]
    assert tries[0].message == "not_made: disk_full made"
    assert asked == ["gguf-gpu", "gguf-cpu"], "nothing is made for rungs that are not tried"


def test_an_engine_that_does_not_start_is_a_try_like_any_other(tmp_path):
    model = tmp_path / "a.gguf"
    model.write_bytes(b"made")
    gone = dataclasses.replace(LLAMA, python=tmp_path / "gone")
    working = fake_command("ok")

    def command(python):
        return [str(python)] if python == gone.python else working(python)

    supervisor = Supervisor(CrashMemory(tmp_path / "crashes.json"), "made", command)

    async def work():
        running = await supervisor.load([start(BIG, str(model), gone), start(CPU, str(model))], halves)
        await running.process.close()
        return running.tries

    tries = asyncio.run(work())
    assert [(one.rung, one.kind) for one in tries] == [("gguf-gpu", "missing_dependency"), ("gguf-cpu", None)]


def test_where_nothing_needs_less_memory_it_is_said_so(tmp_path):
    services = services_with(tmp_path)
    found = ModelPlan("x", "text", "runs", Reason("made"), CPU.rung, None, (CPU,))

    async def prepare(_services, _target, _wishes):
        return Prepared(Path("a.gguf"), found, Machine(), lambda _plan: iter(()))

    telling = Telling(lambda _ladder: None, lambda _progress: None, lambda _step: None)
    walker = Walker(services, prepare, 60.0, telling)
    with pytest.raises(EngineError, match="nothing_smaller"):
        asyncio.run(walker.walk(Target("x", Path("a.gguf")), Wishes(), CPU))


def test_a_locked_rung_without_weights_says_that_and_not_that_there_is_no_card():
    torch = RungPlan("transformers-nf4", status="unavailable", reason=Reason("no_gpu"))
    found = ModelPlan("x", "text", "runs", Reason("made"), CPU.rung, None, (torch, CPU))
    with pytest.raises(EngineError) as caught:
        choose_plans(found, "transformers-nf4")
    assert caught.value.values["reason"].code == "no_such_weights"
    with pytest.raises(EngineError) as caught:
        split = RungPlan("gguf-split", status="unavailable", reason=Reason("no_gpu"))
        choose_plans(dataclasses.replace(found, ladder=(split, CPU)), "gguf-split")
    assert caught.value.values["reason"].code == "no_gpu"


def test_a_folder_without_its_engine_names_the_engine_and_not_the_machine(tmp_path):
    services = services_with(tmp_path)
    known = read_descriptions(paths.resources() / "environments.toml")
    services.environments.descriptions.update(known)
    torch = RungPlan("transformers-16bit", "safetensors", "bfloat16", installed=True, status="fits")
    lean = RungPlan(
        "transformers-nf4", "safetensors", installed=True, status="unavailable", reason=Reason("no_gpu")
    )
    with pytest.raises(EngineError) as caught:
        starts(services, (torch, lean))
    assert (caught.value.code, caught.value.values["name"]) == ("engine_not_installed", "torch-cpu")
