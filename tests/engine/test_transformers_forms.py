"""The saved 4-bit form from the use case to the engine's process: written once, read again, made anew of a changed
folder; and the largest picture, proved before ready. Tiny made folders on the processor."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.core.rungs import DeviceMemory, PhoneStep, RungPlan
from autoglm_desktop.host.environments import Description, Environment, Record
from autoglm_desktop.host.starts import Files, Start, load_job
from autoglm_desktop.usecases import on_disk, saved_forms
from tests.engine.transformers_support import InProcess
from tests.fakes.fake_services import made_services

HERE = Environment(Description("made", "transformers", "made", "made"), Path(), Record("made"), own=False)
PLAN = RungPlan("transformers-nf4", dtype="nf4", context=512, memory={"ram": DeviceMemory(weights=1 << 20)})


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "家 home")


@pytest.fixture
def folder(services, made_glm4):
    found = services.models / "owner" / "made-glm4"
    shutil.copytree(made_glm4, found)
    return found


@pytest.fixture
def load(services, folder, start_engine):
    """Loads in an engine of its own: (proof, phases)."""

    def loaded(plan=PLAN):
        files = asyncio.run(saved_forms.files(services, folder, plan))
        engine, phases = start_engine(), []
        job = replace(load_job(Start(plan, HERE, files, dtype="bfloat16"), threads=1), max_memory={})
        ready = engine.loop.run_until_complete(
            engine.process.job(job, lambda progress: phases.append(progress.phase))
        )
        assert isinstance(ready, protocol.Ready), ready
        engine.loop.run_until_complete(engine.process.close())
        return ready.proof, set(phases)

    return loaded


def test_it_is_written_once_listed_and_read_again(services, folder, load):
    proof, phases = load()
    assert "quantise" in phases and proof.quantised_modules == 12
    (form,) = asyncio.run(saved_forms.forms(services))
    assert form.source == "made-glm4" and form.size_bytes > 0
    again, phases = load()
    assert phases == {"open", "load", "warm_up"} and again.quantised_modules == 12
    assert again.footprint_bytes == proof.footprint_bytes


def test_of_a_damaged_form_or_a_changed_folder_it_is_made_anew(services, folder):
    def quantised():
        files = asyncio.run(saved_forms.files(services, folder, PLAN))
        job = load_job(Start(PLAN, HERE, files, dtype="bfloat16"))
        loaded = InProcess(
            folder, dtype=job.dtype, quantisation=job.quantisation, saved=job.saved, save=job.save
        )
        return bool(loaded.channel.progress("quantise"))

    assert quantised() and not quantised()
    (form,) = asyncio.run(saved_forms.forms(services))
    weights = next(form.path.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-8])
    assert quantised() and not quantised()

    for part in folder.glob("*.safetensors"):
        os.utime(part, (1, 1))
    assert quantised(), "a changed folder has no form yet"
    (fresh,) = asyncio.run(saved_forms.forms(services))
    assert fresh.path != form.path, "what can't be read any more is gone"

    going = asyncio.run(on_disk.removal(services, folder))
    asyncio.run(on_disk.remove(services, going))
    assert not folder.exists() and asyncio.run(saved_forms.forms(services)) == ()


def test_without_room_it_runs_and_nothing_is_written(services, load, monkeypatch):
    monkeypatch.setattr(saved_forms, "free_bytes", lambda _folder: 1)
    assert "quantise" in load()[1]
    assert asyncio.run(saved_forms.forms(services)) == () and not (services.models / "made").exists()


def test_the_largest_picture_is_proved_before_ready(made_glm4v, monkeypatch):
    """As the plan of a phone step on a card tells it; here the engine's load does it on the processor."""
    from autoglm_desktop.engine import transformers_warm

    shown = []

    def encode(model, device, reader, picture):
        shown.append(reader.tokens(picture))
        return real(model, device, reader, picture)

    real = transformers_warm.encode
    monkeypatch.setattr(transformers_warm, "encode", encode)
    plan = replace(PLAN, rung="transformers-16bit", phone_step=PhoneStep(300, 100, 0, 50),
                   memory={"gpu:0": DeviceMemory(available=1 << 30)})  # fmt: skip
    job = load_job(Start(plan, HERE, Files(made_glm4v)))
    assert job.projector == protocol.Projector("", True, 300)
    loaded = InProcess(made_glm4v, projector=job.projector)
    assert shown == [306] and loaded.proof.image_s > 0, "17 by 18 tokens hold 300"
    InProcess(made_glm4v)
    assert shown[1] == 16
