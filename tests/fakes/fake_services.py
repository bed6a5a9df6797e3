"""made_: services with one tested engine environment and a machine that is not probed; a plan of one rung.

``python -m tests.fakes.fake_services HOME MODE -- ARGS…`` runs the terminal with them and a fake engine.
"""

import sys
from pathlib import Path

from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.rungs import ModelPlan, RungPlan
from autoglm_desktop.host.crashes import CrashMemory, hardware_key
from autoglm_desktop.host.environments import Description, Environments, Record, environment_python
from autoglm_desktop.store import catalog
from autoglm_desktop.store.library import Library
from autoglm_desktop.usecases.services import Services
from autoglm_desktop.usecases.session import Prepared
from tests.fakes.fake_engine import fake_command


class FakeServices(Services):
    async def machine(self):
        return Machine()


def made_services(home, mode="ok", *args):
    """Services under ``home`` whose engine is a fake one in ``mode``."""
    description = Description("llama-cpu", "llama.cpp", "llama-cpp-python", "llama_cpp")
    environments = Environments(home / "engines", {"llama-cpu": description}, None)
    python = environment_python(environments.path("llama-cpu"))
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    record = Record("llama-cpu", "0.3.36", hardware_key(Machine()), "fake engine", self_test="passed")
    environments.write(record, own=False)
    return FakeServices(
        home=home,
        environments=environments,
        crashes=CrashMemory(home / "state" / "crashes.json"),
        library=Library(home / "models", home / "state", catalog.load()),
        command=fake_command(mode, *args),
    )


def plan(rung, context=4096):
    return RungPlan(
        rung, status="fits", installed=True, engine_installed=True, context=context, kv_type="f16"
    )


async def made_prepare(services, target, wishes):
    """Both CPU rungs fit; nothing smaller."""
    context = wishes.context or 4096
    ladder = (plan("gguf-cpu", context), plan("gguf-cpu-safe", context))
    found = ModelPlan(target.name, "text", "runs", Reason("made"), "gguf-cpu", None, ladder)
    return Prepared(target.file, found, Machine(), lambda _plan: iter(()))


def main():
    from autoglm_desktop import cli, cli_serve

    divide = sys.argv.index("--")
    home, *mode = sys.argv[1:divide]
    cli_serve.create_services = lambda: made_services(Path(home), *mode)
    cli_serve.prepare = made_prepare
    sys.exit(cli.main(sys.argv[divide + 1 :]))


if __name__ == "__main__":
    main()
