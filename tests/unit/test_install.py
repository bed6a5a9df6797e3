"""Installing engine environments, with a pip that only plays one. Real venvs, no network."""

import asyncio
import dataclasses
import re
import sys
from pathlib import Path

import psutil
import pytest

from autoglm_desktop.core.environment_choice import Place
from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.machine import Gpu, Machine
from autoglm_desktop.host import command, install
from autoglm_desktop.host.environments import (
    Attempt,
    Description,
    Environments,
    read_descriptions,
    tomllib,
)
from autoglm_desktop.host.install import Installer, InstallProgress
from autoglm_desktop.host.install_run import outside_variables
from autoglm_desktop.host.pip_output import parse_line
from autoglm_desktop.store import paths
from autoglm_desktop.texts import errors

FAKE_PIP = Path(__file__).parents[1] / "fakes" / "fake_pip.py"
DESCRIPTION = Description(
    "llama-cpu", "llama.cpp", "llama-cpp-python", "module_that_is_nowhere", packages=("llama-cpp-python",),
    attempts=(Attempt("wheel", extra_index="https://example.invalid/whl"), Attempt("source")),
)  # fmt: skip


@pytest.fixture
def environments(tmp_path):
    return Environments(tmp_path / "引擎 engines", {"llama-cpu": DESCRIPTION}, own_python=None)


def installer(environments, tmp_path, mode):
    return Installer(
        environments, tmp_path / "logs", tmp_path / "cache", [sys.executable, str(FAKE_PIP), mode]
    )


def run(environments, tmp_path, mode):
    reports = []
    asyncio.run(installer(environments, tmp_path, mode).install("llama-cpu", reports.append))
    return reports


def test_an_environment_is_made_and_found(environments, tmp_path):
    assert environments.find("llama-cpu") is None
    reports = run(environments, tmp_path, "ok")
    found = environments.find("llama-cpu")
    assert found.record.version == "0.3.99" and found.record.self_test == "not_run"
    assert found.python.is_file() and not found.own
    assert reports[0].stage == "venv"
    assert InstallProgress("fetch", 0.5, "") in reports
    assert InstallProgress("build", 1.0, "") in reports
    assert "Successfully installed" in (tmp_path / "logs/install.log").read_text(encoding="utf-8")
    assert environments.remove("llama-cpu") and environments.find("llama-cpu") is None
    assert not environments.remove("llama-cpu")


def test_without_a_wheel_it_is_built_from_source(environments, tmp_path, monkeypatch):
    monkeypatch.setattr(install, "compiler_missing", lambda: False)
    run(environments, tmp_path, "no-wheel")
    assert environments.find("llama-cpu").record.version == "0.3.99"


def test_without_a_compiler_it_says_so(environments, tmp_path, monkeypatch):
    monkeypatch.setattr(install, "compiler_missing", lambda: True)
    with pytest.raises(EngineError) as caught:
        run(environments, tmp_path, "no-wheel")
    assert caught.value.code == "engine_no_compiler"
    assert not environments.path("llama-cpu").exists()


def test_without_network_and_compiler_it_names_the_network(environments, tmp_path, monkeypatch):
    monkeypatch.setattr(install, "compiler_missing", lambda: True)
    with pytest.raises(EngineError) as caught:
        run(environments, tmp_path, "offline")
    assert caught.value.code == "engine_no_network", "with it a wheel may come, and no compiler is needed"


def test_two_instances_install_one_after_the_other(environments, tmp_path):
    """The second one waits and finds it done; it must not clear away what the first is writing."""
    reports = ([], [])

    async def both():
        one, two = (installer(environments, tmp_path, "ok") for _ in reports)
        await asyncio.gather(
            one.install("llama-cpu", reports[0].append), two.install("llama-cpu", reports[1].append)
        )

    asyncio.run(both())
    assert environments.find("llama-cpu").record.version == "0.3.99"
    stages = [{report.stage for report in found} for found in reports]
    assert stages[1] == {"wait"} and "venv" in stages[0]


def test_a_password_in_an_index_stays_out_of_the_log(environments, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGLM_INDEX_LLAMA_CPU", "https://me:made-password@mirror.invalid/simple")
    run(environments, tmp_path, "ok")
    text = (tmp_path / "logs/install.log").read_text(encoding="utf-8")
    assert "https://mirror.invalid/simple" in text and "made-password" not in text and "me:" not in text


def test_a_pip_that_cannot_resolve_ahead_does_it_all(environments, tmp_path, caplog):
    run(environments, tmp_path, "no-report")
    assert environments.find("llama-cpu").record.version == "0.3.99"
    assert "pip does it all" in caplog.text and "no such option" in caplog.text


def test_what_lies_here_is_installed_from_there(environments, tmp_path):
    run(environments, tmp_path, "ok")
    text = (tmp_path / "logs/install.log").read_text(encoding="utf-8")
    last = [line for line in text.splitlines() if "fake_pip.py" in line][-1]
    assert "--no-index" in last and "--no-deps" in last
    assert last.endswith("llama_cpp_python-0.3.99-py3-none-any.whl") and "--dry-run" not in last
    assert not (tmp_path / "cache/llama-cpu").exists(), "nothing is kept once it is installed"


def test_room_is_asked_for_before_anything_is_done(environments, tmp_path):
    large = dataclasses.replace(DESCRIPTION, installed_mb=10**12)
    environments.descriptions["llama-cpu"] = large
    reports = []
    with pytest.raises(EngineError) as caught:
        asyncio.run(installer(environments, tmp_path, "ok").install("llama-cpu", reports.append))
    assert caught.value.code == "disk_full_install" and caught.value.values["needed"] == 10**12
    assert reports == [] and not environments.path("llama-cpu").exists()


def test_packages_from_elsewhere_do_not_count_as_installed(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/made")
    assert "PYTHONPATH" not in outside_variables() and "PATH" in outside_variables()


@pytest.mark.parametrize(
    ("mode", "code"),
    [("fail", "engine_install_failed"), ("offline", "engine_no_network"), ("full", "disk_full_install")],
)
def test_failures_are_told_apart_and_leave_nothing(environments, tmp_path, monkeypatch, mode, code):
    monkeypatch.setattr(install, "compiler_missing", lambda: False)
    with pytest.raises(EngineError) as caught:
        run(environments, tmp_path, mode)
    assert caught.value.code == code
    assert not environments.path("llama-cpu").exists()
    if mode == "fail":
        assert "Failed building wheel" in str(caught.value.values["detail"])


def test_cancelling_ends_pip_and_its_children_and_leaves_nothing(environments, tmp_path):
    async def cancelled():
        seen = asyncio.get_running_loop().create_future()

        def report(progress):
            child = re.search(r"child=(\d+)", progress.detail)
            if child and not seen.done():
                seen.set_result(int(child[1]))

        task = asyncio.ensure_future(installer(environments, tmp_path, "hang").install("llama-cpu", report))
        child = psutil.Process(await asyncio.wait_for(seen, 60))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return child

    child = asyncio.run(cancelled())
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not environments.path("llama-cpu").exists()


def test_an_interrupted_installation_is_replaced(environments, tmp_path):
    folder = environments.path("llama-cpu")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").write_text("")
    assert environments.find("llama-cpu") is None, "no engine.json: it was interrupted"
    run(environments, tmp_path, "ok")
    assert environments.find("llama-cpu") is not None


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    environments = Environments(tmp_path / "file" / "engines", {"llama-cpu": DESCRIPTION}, None)
    with pytest.raises(EngineError) as caught:
        run(environments, tmp_path, "ok")
    assert caught.value.code == "folder_not_writable"


def test_unknown_engines_are_refused(environments):
    with pytest.raises(EngineError) as caught:
        environments.describe("llama-gpu")
    assert caught.value.code == "engine_unknown"


def attempts_at(description, tag):
    return install.attempts_for(description, Place(Machine(), tag), install.KINDS)


def test_the_shipped_descriptions_are_complete():
    found = read_descriptions(paths.resources() / "environments.toml")
    llama = found["llama-cpu"]
    assert llama.packages and llama.module == "llama_cpp" and not llama.gpu
    for tag in ("linux-x86_64", "linux-aarch64", "windows-amd64", "macos-arm64", "freebsd-amd64"):
        attempts = attempts_at(llama, tag)
        assert attempts[-1].kind == "source", "every platform can at least build"
    assert attempts_at(llama, "linux-x86_64")[0].kind == "wheel"
    assert [a.kind for a in attempts_at(llama, "linux-aarch64")] == ["source"]


def test_an_index_can_be_overridden(tmp_path, monkeypatch):
    wheel = DESCRIPTION.attempts[0]
    assert install.index_for(DESCRIPTION, wheel) == "https://example.invalid/whl"
    monkeypatch.setenv("AUTOGLM_INDEX_LLAMA_CPU", "https://mirror.invalid/simple")
    assert install.index_for(DESCRIPTION, wheel) == "https://mirror.invalid/simple"
    mirror = install.pip_options(DESCRIPTION, wheel, "https://mirror.invalid/simple")
    assert mirror[mirror.index("--extra-index-url") + 1] == "https://mirror.invalid/simple"
    folder = install.pip_options(DESCRIPTION, wheel, str(tmp_path))
    assert folder[folder.index("--find-links") + 1] == str(tmp_path)
    assert "--extra-index-url" not in folder


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Progress 25 of 100", InstallProgress("fetch", 0.25, "")),
        ("Progress 5 of 0", None),
        ("  [ 23/210] Building CXX object x.o", InstallProgress("build", 23 / 210, "")),
        ("Collecting numpy", InstallProgress("fetch", None, "Collecting numpy")),
        ("Building wheel for x: started", InstallProgress("build", None, "Building wheel for x: started")),
        ("  changing mode of f2py to 755", None),
        ("", None),
    ],
)
def test_reads_pips_output(line, expected):
    assert parse_line(line) == expected


FIRST = Attempt(
    "wheel", extra_index="https://beside.invalid/whl", first=("made-torch>=2,<3",),
    first_index="https://torch.invalid/whl", packages=("made-extra",),
)  # fmt: skip


def commands(tmp_path):
    text = (tmp_path / "logs/install.log").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if "fake_pip.py" in line]


def test_what_comes_from_one_index_alone_is_asked_for_first(environments, tmp_path):
    """So that no other index can give another build of it; what it needs comes with the rest."""
    environments.descriptions["llama-cpu"] = dataclasses.replace(DESCRIPTION, attempts=(FIRST,))
    run(environments, tmp_path, "ok")
    resolving = [line for line in commands(tmp_path) if "--dry-run" in line]
    assert len(resolving) == 2
    first, rest = resolving
    assert "--index-url https://torch.invalid/whl" in first and "--no-deps" in first
    assert "made-torch>=2,<3" in first and "llama-cpp-python" not in first and "made-extra" not in first
    assert "torch.invalid" not in rest and "--extra-index-url https://beside.invalid/whl" in rest
    assert "made-torch>=2,<3 llama-cpp-python made-extra" in rest and "--no-deps" not in rest


def test_the_first_index_can_be_a_mirror_or_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGLM_INDEX_LLAMA_CPU", "https://mirror.invalid/whl")
    assert install.index_for(DESCRIPTION, FIRST) == "https://mirror.invalid/whl"
    options, settings = install.first_options("https://mirror.invalid/whl")
    assert options[-2:] == ["--index-url", "https://mirror.invalid/whl"]
    assert settings == {"PIP_EXTRA_INDEX_URL": "https://mirror.invalid/whl"}, "not the one of pip.conf"
    options, settings = install.first_options(str(tmp_path))
    assert options[-3:] == ["--no-index", "--find-links", str(tmp_path)] and settings == {}


def test_an_environment_that_cannot_work_here_is_not_begun(environments, tmp_path):
    cuda = dataclasses.replace(DESCRIPTION, device="cuda", gpu=True)
    environments.descriptions["llama-cpu"] = cuda
    with pytest.raises(EngineError) as caught:
        run(environments, tmp_path, "ok")
    assert caught.value.code == "engine_not_here"
    assert errors.text(caught.value) == "The engine llama-cpu cannot work on this machine: no GPU was found."
    assert not environments.folder.exists()


def test_the_card_decides_which_build_is_tried(environments, tmp_path):
    new = Attempt("wheel", cuda="13.0", capability=(7, 5), extra_index="https://new.invalid/whl")
    old = Attempt("wheel", cuda="12.4", capability=(6, 0), extra_index="https://old.invalid/whl")
    cuda = dataclasses.replace(DESCRIPTION, device="cuda", gpu=True, attempts=(new, old))
    environments.descriptions["llama-cpu"] = cuda
    pascal = Machine(gpus=(Gpu(0, "nvidia", compute_capability=(6, 1), driver_version="581.15"),))
    work = installer(environments, tmp_path, "ok").install("llama-cpu", lambda _p: None, machine=pascal)
    asyncio.run(work)
    assert "old.invalid" in commands(tmp_path)[0]
    assert not any("new.invalid" in line for line in commands(tmp_path))


def test_the_preferred_kind_is_tried_first():
    place = Place(Machine(), "linux-x86_64")
    kinds = [a.kind for a in install.attempts_for(DESCRIPTION, place, ("source", "wheel"))]
    assert kinds == ["source", "wheel"]


def test_the_applications_own_package_counts_as_the_environment_for_the_cpu_alone(tmp_path):
    cpu = Description("made-cpu", "llama.cpp", "pip", "json")
    cuda = dataclasses.replace(cpu, name="made-cuda", device="cuda", gpu=True)
    found = Environments(tmp_path, {"made-cpu": cpu, "made-cuda": cuda}, Path(sys.executable)).installed()
    assert [environment.description.name for environment in found] == ["made-cpu"]
    assert not found[0].state().gpu
    seen = dataclasses.replace(found[0].record, devices=("CPU (made)", "CUDA0 (made card)"))
    assert dataclasses.replace(found[0], record=seen).state().gpu, "what its self-test saw counts"


def test_every_shipped_environment_says_where_its_facts_come_from():
    data = tomllib.loads((paths.resources() / "environments.toml").read_text(encoding="utf-8"))
    assert {"llama-cpu", "llama-cuda", "llama-vulkan", "torch-cuda", "torch-cpu"} <= set(data)
    for name, table in data.items():
        assert table["device"] in ("cpu", "cuda", "vulkan", "metal"), name
        assert table["gpu"] == (table["device"] != "cpu"), name
        for attempt in table["attempts"]:
            assert attempt["source"] and isinstance(attempt["verified"], bool), name
            assert ("first" in attempt) == ("first_index" in attempt), name
            fields = {field.name for field in dataclasses.fields(Attempt)}
            assert set(attempt) <= fields | {"source", "verified"}, f"{name}: a key that nothing reads"


def test_nvidias_packages_are_found_by_the_engine(tmp_path):
    python = tmp_path / "env/bin/python"
    libraries = tmp_path / "env/lib/python3.11/site-packages/nvidia/cu13/lib"
    assert command.cuda_folders(python) == []
    libraries.mkdir(parents=True)
    assert command.cuda_folders(python) == [libraries]
    found = command.engine_environment({"LD_LIBRARY_PATH": "/made"}, python)
    wanted = f"{libraries}:/made" if sys.platform.startswith("linux") else "/made"
    assert found["LD_LIBRARY_PATH"] == wanted


def test_without_a_compiler_the_wheel_is_taken_though_a_build_was_preferred(
    environments, tmp_path, monkeypatch
):
    monkeypatch.setattr(install, "compiler_missing", lambda: True)
    work = installer(environments, tmp_path, "ok").install("llama-cpu", lambda _p: None, ("source", "wheel"))
    asyncio.run(work)
    assert environments.find("llama-cpu").record.made_by == "wheel"
