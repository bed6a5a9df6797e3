"""Shared by tests of the window's frame: services on fake engines, an environment, a tiny model, processes."""

import dataclasses
import sys
from pathlib import Path

import psutil

from autoglm_desktop.host.environments import Attempt, Description, Environments
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.targets import of_local
from tests.fakes.fake_engine import fake_command

OWN = Description("llama-cpu", "llama.cpp", "pip", "json")
"""An environment that is always there: its module is Python's own."""

MISSING = Description(
    "llama-cpu", "llama.cpp", "llama-cpp-python", "module_that_is_nowhere", packages=("llama-cpp-python",),
    attempts=(Attempt("wheel"),),
)  # fmt: skip


def made_services(home, mode="ok", *arguments, description=OWN, pip=None):
    """Services whose engine is tests.fakes.fake_engine in a mode."""
    environments = Environments(home / "engines", {description.name: description}, Path(sys.executable))
    return dataclasses.replace(
        create_services(home), environments=environments, command=fake_command(mode, *arguments), pip=pip
    )


def tiny_target(services, folder):
    """A tiny real model file, as a target."""
    path = folder / "小 model.gguf"
    gguf_tiny.write_tiny_glm4(path)
    return of_local(services.library.at(path))


def fake_engines():
    """The fake engines that this process started and that still run."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "fake_engine.py" in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found
