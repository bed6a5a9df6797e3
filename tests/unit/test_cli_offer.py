"""The terminal names the engine that is missing for the card: after a check, and where the processor runs a model."""

import argparse
import asyncio
import dataclasses

import pytest

from autoglm_desktop import cli_check, cli_measure, cli_offer
from autoglm_desktop.host import install_options
from autoglm_desktop.host.environments import Environments, read_descriptions
from autoglm_desktop.store import paths
from autoglm_desktop.texts import engines as texts
from autoglm_desktop.usecases import engine_offer
from autoglm_desktop.usecases.engine_offer import Offer
from tests.fakes import made_machines as made
from tests.fakes.fake_services import FakeServices, made_services, plan
from tests.fakes.made_check import made_result
from tests.gui.engine_states import have

LINE = "The engine for NVIDIA GeForce RTX 4090 is not installed: autoglm-desktop engines install llama-cuda"


class OnA4090(FakeServices):
    async def machine(self):
        return made.made_rtx_4090()


@pytest.fixture(autouse=True)
def a_plain_linux_pc(monkeypatch):
    monkeypatch.setattr(install_options, "platform_tag", lambda: "linux-x86_64")
    monkeypatch.setattr(install_options.shutil, "which", lambda _name: None)


@pytest.fixture
def services(tmp_path):
    found = made_services(tmp_path)
    descriptions = read_descriptions(paths.resources() / "environments.toml")
    environments = Environments(tmp_path / "engines", descriptions, None)
    return OnA4090(found.home, environments, found.crashes, found.library, found.command)


def checked(services, monkeypatch, capsys, result, **more):
    async def prepared(*_arguments):
        return result

    monkeypatch.setattr(cli_measure, "prepared", prepared)
    monkeypatch.setattr(cli_check, "create_services", lambda: services)
    values = {"target": None, "machine": None, "wish": None, "context": None, "variant": None, "order": None,
              "measure": False, "fetch_headers": False, "forget_measurements": False, "json": False}  # fmt: skip
    assert asyncio.run(cli_check.run(argparse.Namespace(**{**values, **more}))) == 0
    return capsys.readouterr().out.splitlines()


def test_the_check_ends_with_the_command(services, monkeypatch, capsys):
    lines = checked(services, monkeypatch, capsys, made_result(made.made_rtx_4090()))
    assert lines[-1].startswith(LINE) and lines[-2] == ""


@pytest.mark.parametrize("case", ["installed", "no card", "described"])
def test_without_an_offer_the_check_ends_as_ever(services, monkeypatch, capsys, case):
    result = made_result(made.made_laptop() if case == "no card" else made.made_rtx_4090())
    if case == "installed":
        have(services, "llama-cuda")
    if case == "described":
        result = dataclasses.replace(result, described=True)
    assert not any(
        "engines install llama-cuda" in line for line in checked(services, monkeypatch, capsys, result)
    )


def test_the_size_stands_with_the_command():
    gpu = made.made_rtx_4090().gpus[0]
    known = Offer("torch-cuda", "transformers-nf4", engine_offer.Reason.of("torch_on_gpu"), download_mb=3070)
    assert texts.command_line(known, gpu).endswith("install torch-cuda (a download of 2.9 GiB)")
    assert "download" not in texts.command_line(dataclasses.replace(known, download_mb=None), gpu)
    assert "the graphics card" in texts.command_line(known, None)


def test_the_command_is_told_as_the_user_types_it(monkeypatch):
    monkeypatch.setenv("AUTOGLM_COMMAND", "python launch.py")
    known = Offer("llama-cuda", "gguf-gpu", engine_offer.Reason.of("cuda_fastest"))
    assert texts.command_line(known, None).endswith(": python launch.py engines install llama-cuda")


def said(services, capsys, rung="gguf-cpu", wanted=None):
    asyncio.run(cli_offer.say_after_load(services, plan(rung), wanted))
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_a_model_on_the_processor_beside_a_card_is_told_once(services, capsys):
    assert said(services, capsys).count(LINE) == 1
    assert LINE in said(services, capsys, "gguf-cpu-safe")


@pytest.mark.parametrize("case", ["on the card", "asked for", "installed", "declined", "no card"])
def test_nothing_is_said_where_there_is_nothing_to_gain(services, capsys, case):
    if case == "installed":
        have(services, "llama-cuda")
    if case == "declined":
        engine_offer.decline(services, ["llama-cuda"])
    if case == "no card":
        services = FakeServices(
            services.home, services.environments, services.crashes, services.library, services.command
        )
    rung = "gguf-gpu" if case == "on the card" else "gguf-cpu"
    assert said(services, capsys, rung, "gguf-cpu" if case == "asked for" else None) == ""
