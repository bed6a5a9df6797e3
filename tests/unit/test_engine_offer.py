"""Which engine a machine is offered, and what ``engines list`` says. made_ machines and records."""

import json
from dataclasses import replace

import pytest

from autoglm_desktop import cli_engines
from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.machine import Gpu, Machine, OsInfo
from autoglm_desktop.core.rungs import ModelPlan, Recommendation
from autoglm_desktop.host import install_options
from autoglm_desktop.host.environments import Environments, Record, environment_python, read_descriptions
from autoglm_desktop.store import paths
from autoglm_desktop.texts import engines as engine_texts
from autoglm_desktop.usecases import engine_offer
from tests.fakes.fake_services import made_services

ADA = Gpu(0, "nvidia", "made Ada", 8 << 30, 7 << 30, (8, 9), "581.15")
AMD = Gpu(0, "amd", "made AMD", 8 << 30, 7 << 30)
LINUX = OsInfo("Linux")


@pytest.fixture
def services(tmp_path, monkeypatch):
    monkeypatch.setattr(install_options, "platform_tag", lambda: "linux-x86_64")
    monkeypatch.setattr(install_options.shutil, "which", lambda _name: None)
    descriptions = read_descriptions(paths.resources() / "environments.toml")
    return replace(
        made_services(tmp_path), environments=Environments(tmp_path / "engines", descriptions, None)
    )


def machine(*gpus):
    return Machine(os=LINUX, gpus=gpus)


def have(services, name, self_test):
    python = environment_python(services.environments.path(name))
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    services.environments.write(Record(name, "1", self_test=self_test), own=False)


@pytest.mark.parametrize(
    ("gpus", "rung", "expected"),
    [
        ((ADA,), "gguf-gpu", "llama-cuda"),
        ((ADA,), "gguf-split", "llama-vulkan"),
        ((ADA,), "transformers-16bit", "torch-cuda"),
        ((AMD,), "gguf-gpu", "llama-vulkan"),
        ((AMD,), "transformers-16bit", None),
        ((replace(AMD, integrated=True),), "gguf-gpu", None),
        ((), "gguf-gpu", None),
    ],
)
def test_the_right_engine_is_offered(services, gpus, rung, expected):
    found = engine_offer.offer(services, machine(*gpus), rung)
    assert (found.name if found is not None else None) == expected


def test_what_is_there_is_not_offered_again(services):
    have(services, "llama-cuda", "passed")
    assert engine_offer.offer(services, machine(ADA)) is None
    assert engine_offer.offer(services, machine(ADA), "gguf-split").name == "llama-vulkan"


def test_one_that_failed_here_is_passed_over(services):
    have(services, "llama-cuda", "failed")
    assert engine_offer.offer(services, machine(ADA)).name == "llama-vulkan"
    have(services, "llama-vulkan", "failed")
    assert engine_offer.offer(services, machine(ADA)) is None


def test_an_offer_says_why_and_how_much(services):
    found = engine_offer.offer(services, machine(ADA), "transformers-nf4")
    assert found.download_mb and found.installed_mb
    text = engine_texts.offer_text(found)
    assert text.startswith("For the graphics card of this machine: torch-cuda (runs the 16-bit files")
    assert engine_texts.size_text(found.download_mb) in text
    unknown = engine_texts.offer_text(replace(found, download_mb=None))
    assert "download" not in unknown and "?" not in unknown


def plan(rung):
    recommended = None if rung is None else Recommendation(rung, "Q4_K_M", None)
    return ModelPlan("made", "phone", "runs", Reason("made"), None, recommended, ())


@pytest.mark.parametrize(
    ("rungs", "expected"),
    [
        (("gguf-split",), "gguf-split"),
        ((None, "gguf-cpu", "gguf-split"), "gguf-split"),
        (("gguf-cpu",), "gguf-gpu"),
        ((), "gguf-gpu"),
        (("transformers-16bit", "gguf-gpu"), "transformers-16bit"),
    ],
)
def test_the_recommended_rung_decides(rungs, expected):
    assert engine_offer.rung_for(map(plan, rungs)) == expected


def listing(services, found, capsys, *, as_json=False):
    assert cli_engines._list(services, found, as_json=as_json) == 0
    return capsys.readouterr().out


def test_the_list_says_what_can_work_here_and_what_is_offered(services, capsys):
    have(services, "llama-cpu", "passed")
    lines = listing(services, machine(AMD), capsys).splitlines()
    assert lines[0] == "llama-cpu 1: self-test passed"
    assert "llama-cuda: cannot work here: needs an NVIDIA card; here is made AMD" in lines
    assert "llama-vulkan: not installed (autoglm-desktop engines install llama-vulkan)" in lines
    assert any(line.startswith("torch-cpu: not installed, a download of ") for line in lines)
    assert lines[-1].startswith("For the graphics card of this machine: llama-vulkan (")


def test_the_list_as_json(services, capsys):
    have(services, "llama-cpu", "passed")
    engines = json.loads(listing(services, machine(ADA), capsys, as_json=True))["engines"]
    found = {entry["name"]: entry for entry in engines}
    assert found["llama-cpu"]["installed"] and "offered" not in found["llama-cpu"]
    assert [name for name, entry in found.items() if entry.get("offered")] == ["llama-cuda"]
    assert found["llama-metal"]["obstacle"]["code"] == "no_build_for_system"
    assert found["torch-cuda"]["obstacle"] is None and found["torch-cuda"]["download_mb"] > 1000
    assert found["torch-cuda"]["device"] == "cuda" and found["torch-cuda"]["backend"] == "transformers"
