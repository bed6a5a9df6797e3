"""When the demo answers without being asked for, and what is said of the best real model; made folders and machines."""

import dataclasses

import pytest

from autoglm_desktop.core import demo as values
from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.store import paths
from autoglm_desktop.store.demo import Demo
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.usecases import demo
from tests.fakes.fake_services import made_services
from tests.gui.made_checks import MACHINES, made_check


@pytest.fixture
def services(tmp_path):
    made = made_services(tmp_path / "数据 home")
    made.library.demo = Demo(paths.resources() / "demo_model", made.cache)
    return made


def files_made(services):
    return list(services.cache.glob("*.gguf"))


def test_it_is_wanted_where_nothing_else_can_run(services):
    assert demo.look(services) == demo.Look(there=True, alone=True)
    assert demo.target_if_wanted(services).is_demo and len(files_made(services)) == 1
    services.library.models.mkdir(parents=True)
    (services.library.models / "damaged.gguf").write_bytes(b"no GGUF at all")
    assert demo.wanted(services), "a file that is refused answers nobody"


def test_it_never_takes_the_place_of_an_installed_model(services):
    services.library.models.mkdir(parents=True)
    write_tiny_glm4(services.library.models / "made.gguf")
    assert demo.look(services) == demo.Look(there=True, alone=False)
    assert demo.target_if_wanted(services) is None
    assert not files_made(services), "its file is not made for nothing"


def test_models_on_a_disk_that_is_away_count_as_installed(services):
    services.library.models = services.home / "a disk that is away" / "models"
    assert not demo.wanted(services)


def test_an_installation_without_it(services):
    services.library.demo = Demo(services.home / "missing", services.home / "cache")
    assert demo.look(services) == demo.Look(there=False, alone=True)
    assert not demo.wanted(services) and demo.target_if_wanted(services) is None
    assert demo.size_bytes(services) is None
    services.library.demo = None
    assert not demo.wanted(services) and demo.size_bytes(services) is None


def test_a_damaged_installation_says_so(services):
    folder = services.home / "made demo"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"made: cut off")
    services.library.demo = Demo(folder, services.cache)
    assert demo.wanted(services) and demo.size_bytes(services) == 13
    with pytest.raises(TargetError) as caught:
        demo.target_if_wanted(services)
    assert caught.value.code in ("demo_missing", "demo_damaged")


@pytest.mark.parametrize(
    ("machine", "measured", "model", "verdict"),
    [
        ("large", False, "AutoGLM-Phone-9B", "runs_well"),
        ("gaming", True, "AutoGLM-Phone-9B", "runs"),
        ("gaming", False, "AutoGLM-Phone-9B", None),  # what a phone step takes is not known there
        ("laptop", False, "GLM-Edge-1.5B-Chat", "runs_well"),
        ("small", False, "GLM-Edge-1.5B-Chat", None),
        ("unknown", False, None, None),
    ],
)
def test_the_best_model_by_the_real_planner(services, machine, measured, model, verdict):
    check = made_check(MACHINES[machine](), services, measured=measured)
    best = demo.best_here(check)
    assert (best.title if best is not None else None) == model
    if best is not None:
        plan = next(plan for plan in check.models if plan.id == best.model)
        assert (best.verdict, best.variant) == (verdict, plan.recommended.variant)
        assert best.download_bytes == plan.recommended.download_bytes and not best.installed
    assert demo.best_here(dataclasses.replace(check, subjects=(), models=())) is None


def test_the_demo_is_never_what_it_points_to(services):
    check = made_check(MACHINES["large"](), services)
    own = dataclasses.replace(check.subjects[0], model=None)
    found = dataclasses.replace(check, subjects=(own,), models=(check.models[0],))
    assert demo.best_here(found) is None, "only models of the catalogue are advised"
    assert all(plan.id != values.ID for plan in check.models)
