"""Before a download begins: how what comes will run here; and never in the way of the download."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.downloads import PullPlan
from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.outlook import Outlook
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.texts import downloads as download_texts
from autoglm_desktop.texts import outlook as texts
from autoglm_desktop.usecases import pull, pull_outlook
from autoglm_desktop.usecases.check import CheckOptions, planned, result
from autoglm_desktop.usecases.pull import SeveralVariants
from autoglm_desktop.usecases.services import Services
from tests.fakes import made_machines as made
from tests.fakes.fake_hub import FakeHub, Fault
from tests.fakes.fake_hub_faults import Silence, Status
from tests.unit.pull_checks import (
    GGML_ORG,
    PHONE,
    PHONE_FILE,
    PHONE_PROJECTOR,
    REPO,
    in_loop,
    phone_files,
    request_of,
)
from tests.unit.pull_checks import services as made_services

Q4, Q8 = "Some-Model-9B.Q4_K_M.gguf", "Some-Model-9B.Q8_0.gguf"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("made")
    found = {}
    for name, kind in ((Q4, "Q4_K_M"), (Q8, "Q8_0")):
        write_tiny_glm4(folder / name, layers=6, hidden=512, weight_type=kind)
        found[name] = (folder / name).read_bytes()
    return found


class On(Services):
    """Services on a made machine."""

    made_machine = Machine()

    async def machine(self) -> Machine:
        return self.made_machine


def services(tmp_path: Path, hub: FakeHub | None, machine: Machine) -> Services:
    found = made_services(tmp_path, hub)
    kept = {name: getattr(found, name) for name in found.__dataclass_fields__}
    on = On(**kept)
    object.__setattr__(on, "made_machine", machine)
    return on


def told(made_: Services, target: str, **more: float) -> tuple[PullPlan, Outlook | None]:
    async def work() -> tuple[PullPlan, Outlook | None]:
        plan = await pull.plan_pull(made_, request_of(target))
        found = await pull_outlook.outlook(made_, plan, **more)
        return replace(plan, outlook=found), found

    return in_loop(made_, work())


def sentences(plan: PullPlan) -> list[str]:
    found = texts.lines(plan)
    assert all(line and "{" not in line and "None" not in line for line in found)
    return found


def test_what_comes_is_judged_by_its_own_header(tmp_path, tiny):
    with FakeHub({REPO: {Q4: tiny[Q4]}}) as hub:
        plan, found = told(services(tmp_path, hub, made.made_rtx_4090()), REPO)
    assert found is not None and found.plan is not None
    assert (found.verdict, found.wish, found.plan.basis.memory) == ("runs_well", "text", "header")
    said = sentences(plan)
    assert said[0].startswith("On this machine: It runs well as Q4_K_M on the GPU")
    assert "of GPU memory" in said[1] and "free" in said[1]
    assert said[2] == "Sizes are from the file's own header."


def test_a_model_of_the_catalogue_with_its_vision_part(tmp_path):
    model, projector = phone_files(tmp_path)
    with FakeHub({GGML_ORG: {PHONE_FILE: model, PHONE_PROJECTOR: projector}}) as hub:
        made_ = services(tmp_path, hub, made.made_rtx_4090())
        plan, found = told(made_, PHONE)
    assert found is not None and found.plan is not None and found.problem is None
    assert (found.wish, found.plan.basis.memory) == ("phone", "header")
    assert {one.variant for one in made_.headers.all()} == {"Q4_K_M", "projector"}
    assert found.plan.download_bytes == len(model) + len(projector) == plan.total_bytes


def test_what_cannot_run_is_said_with_what_would(tmp_path, tiny):
    """The table of shapes tells, and the smallest machine of all lacks RAM for the largest variant."""
    machine = made.made_laptop(made.DDR4_DUAL)
    room = replace(machine.memory, available_bytes=12_000_000_000)
    with FakeHub(
        {"mradermacher/AutoGLM-Phone-9B-GGUF": {"AutoGLM-Phone-9B.Q8_0.gguf": b"no header at all" * 1000}}
    ) as hub:
        made_ = services(tmp_path, hub, replace(machine, memory=room))
        plan, found = told(made_, "autoglm-phone-9b:Q8_0")
    assert found is not None and found.plan is not None and found.verdict == "cannot"
    check = result(replace(machine, memory=room), planned("autoglm-phone-9b", made_), CheckOptions(), (), ())
    recommended = check.models[0].recommended
    assert recommended is not None and found.instead == recommended.variant != "Q8_0"
    said = sentences(plan)
    assert said[0].startswith("On this machine: It cannot run here: needs") and "even" not in said[0]
    assert f"pull autoglm-phone-9b:{found.instead}" in said[1] and len(said) == 4
    assert found.problem is not None and found.problem.code == "gguf_not_a_gguf"
    assert not any("autoglm-desktop" in line for line in texts.lines(plan, terminal=False))


@pytest.mark.parametrize(
    ("effect", "code"),
    [(Silence(), "header_slow"), (Status(503), "download_unreachable"), (Status(403), None)],
)
def test_a_header_that_cannot_be_had_is_one_sentence(tmp_path, tiny, effect, code):
    with FakeHub({REPO: {Q4: tiny[Q4]}}, [Fault(effect, path="*.gguf", times=None)]) as hub:
        made_ = services(tmp_path, hub, made.made_rtx_4090())
        plan, found = told(made_, REPO, limit_s=0.5)
        assert (
            found is not None
            and found.problem is not None
            and found.problem.code == (code or found.problem.code)
        )
        assert (found.verdict, found.headline, found.plan) == (None, None, None)
        said = sentences(plan)
        assert said[0].startswith("On this machine: How it would run here is not known") and len(said) == 2
        hub.faults.clear()
        pulled = in_loop(made_, pull.run_pull(made_, plan))
    assert pulled.plan.outlook == found and pulled.fetched_bytes == len(tiny[Q4])


def test_a_cache_that_cannot_be_written_is_not_in_the_way(tmp_path, tiny):
    with FakeHub({REPO: {Q4: tiny[Q4]}}) as hub:
        made_ = services(tmp_path, hub, made.made_rtx_4090())
        made_.home.mkdir(parents=True, exist_ok=True)
        made_.cache.write_text("a file where the folder would be")
        _plan, found = told(made_, REPO)
    assert found is not None and found.problem is not None and found.problem.code == "file_unwritable"


def test_nothing_is_asked_for_what_is_here_or_goes_on(tmp_path, tiny):
    with FakeHub({REPO: {Q4: tiny[Q4]}}) as hub:
        made_ = services(tmp_path, hub, made.made_rtx_4090())

        async def work() -> tuple[Outlook | None, Outlook | None]:
            plan = await pull.plan_pull(made_, request_of(REPO))
            begun = await pull_outlook.outlook(
                made_, replace(plan, remaining_bytes=(plan.total_bytes or 0) - 1)
            )
            await pull.run_pull(made_, plan)
            hub.forget()
            again = await pull.plan_pull(made_, request_of(REPO))
            return begun, await pull_outlook.outlook(made_, again)

        begun, here = in_loop(made_, work())
        assert begun is not None and begun.verdict is None and begun.problem is None
        assert here is None and not [one for one in hub.asked if one.path is not None]


def test_the_queue_plans_with_it(tmp_path, tiny):
    with FakeHub({REPO: {Q4: tiny[Q4]}}) as hub:
        made_ = services(tmp_path, hub, made.made_rtx_4090())
        plan = in_loop(made_, pull_outlook.plan_with_outlook(made_, request_of(REPO)))
    assert plan.outlook is not None and plan.outlook.verdict == "runs_well"


def test_of_several_variants_one_is_recommended(tmp_path, tiny):
    with FakeHub({REPO: tiny}) as hub:
        made_ = services(tmp_path, hub, made.made_rtx_4090())

        async def work():
            with pytest.raises(SeveralVariants) as several:
                await pull.plan_pull(made_, request_of(REPO))
            return several.value, await pull_outlook.recommend(made_, several.value)

        error, found = in_loop(made_, work())
    assert found.recommended == "Q8_0"
    lines = download_texts.several_lines(error.target, error.offers, found)
    assert any("Q8_0" in line and line.endswith("recommended on this machine") for line in lines)
    assert lines[-1].endswith(f"pull {REPO}:Q8_0")
    plain = download_texts.several_lines(error.target, error.offers)
    assert not any("recommended" in line or "runs" in line for line in plain)


def test_cancelling_ends_it(tmp_path, tiny):
    silent = [Fault(Silence(), path="*.gguf", times=None)]
    with FakeHub({REPO: {Q4: tiny[Q4]}}, silent) as hub:
        made_ = services(tmp_path, hub, made.made_rtx_4090())

        async def work() -> None:
            plan = await pull.plan_pull(made_, request_of(REPO))
            task = asyncio.create_task(pull_outlook.outlook(made_, plan, 60.0))
            await asyncio.to_thread(hub.stalled.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        in_loop(made_, work())
        assert not list(made_.models.rglob("*.part"))


def test_an_error_of_the_plan_is_told_too():
    plan = PullPlan(request_of(REPO), "x", REPO, "Q4_K_M", None, Path(), (), (), None, None)
    problem = AppError("header_slow", target=REPO, seconds=5.0)
    said = sentences(replace(plan, outlook=Outlook(problem=problem)))
    assert len(said) == 2 and "did not come within 5" in said[1]
    assert texts.lines(plan) == []
