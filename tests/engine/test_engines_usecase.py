"""Engines as people use them: what is kept, tested again and made afresh. Fake engine, fake pip, real venvs."""

import asyncio
import dataclasses
import sys
from pathlib import Path

from autoglm_desktop.host import install as install_module
from autoglm_desktop.host.environments import Attempt
from autoglm_desktop.usecases import engines
from tests.fakes.fake_engine import fake_command
from tests.fakes.fake_services import made_services

FAKE_PIP = Path(__file__).parents[1] / "fakes" / "fake_pip.py"


def services_with(home, self_test):
    """Services whose one environment has been tested with that result; pip only plays one."""
    services = made_services(home)
    (home / "cache").mkdir()
    record = services.environments.find("llama-cpu").record
    services.environments.write(dataclasses.replace(record, self_test=self_test), own=False)
    description = dataclasses.replace(
        services.environments.describe("llama-cpu"), attempts=(Attempt("wheel"),)
    )
    services.environments.descriptions["llama-cpu"] = description
    return dataclasses.replace(services, pip=(sys.executable, str(FAKE_PIP), "ok"))


def install(services, **options):
    return asyncio.run(engines.install(services, "llama-cpu", **options))


def test_what_works_is_left_alone(tmp_path):
    services = services_with(tmp_path, "passed")
    assert install(services, repair=True).record.version == "0.3.36"


def test_a_broken_one_is_made_afresh_when_asked_for(tmp_path):
    services = services_with(tmp_path, "failed")
    assert install(services).record.self_test == "failed", "a load must not spend minutes on it each time"
    again = install(services, repair=True).record
    assert (again.version, again.self_test) == ("0.3.99", "passed")


def test_a_wheel_that_does_not_run_here_is_replaced_by_a_build(tmp_path, monkeypatch):
    """Its self-test dies whatever the options, as with instructions that the processor lacks."""
    monkeypatch.setattr(install_module, "compiler_missing", lambda: False)
    services = services_with(tmp_path, "passed")
    services.environments.remove("llama-cpu")
    description = services.environments.describe("llama-cpu")
    both = dataclasses.replace(description, attempts=(Attempt("wheel"), Attempt("source")))
    services.environments.descriptions["llama-cpu"] = both
    built = fake_command("ok")
    died = fake_command("crash-load")

    def command(python):
        record = services.environments.find("llama-cpu").record
        return (died if record.made_by == "wheel" else built)(python)

    stages = []
    mended = dataclasses.replace(services, command=command)
    found = asyncio.run(engines.install(mended, "llama-cpu", lambda progress: stages.append(progress.stage)))
    assert (found.record.made_by, found.record.self_test) == ("source", "passed")
    assert stages.count("self_test") == 2 and stages.count("venv") == 2
