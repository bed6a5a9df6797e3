"""Installing engine environments, with a pip that only plays one. Real venvs, no network."""

import asyncio
import dataclasses
import re
import sys
from pathlib import Path

import psutil
import pytest

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.host import install
from autoglm_desktop.host.environments import Attempt, Description, Environments, read_descriptions
from autoglm_desktop.host.install import Installer, InstallProgress
from autoglm_desktop.host.install_run import outside_variables
from autoglm_desktop.host.pip_output import parse_line
from autoglm_desktop.store import paths

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


def test_the_shipped_descriptions_are_complete():
    found = read_descriptions(paths.resources() / "environments.toml")
    llama = found["llama-cpu"]
    assert llama.packages and llama.module == "llama_cpp" and not llama.gpu
    for tag in ("linux-x86_64", "linux-aarch64", "windows-amd64", "macos-arm64", "freebsd-amd64"):
        attempts = install.attempts_for(llama, tag)
        assert attempts[-1].kind == "source", "every platform can at least build"
    assert install.attempts_for(llama, "linux-x86_64")[0].kind == "wheel"
    assert [a.kind for a in install.attempts_for(llama, "linux-aarch64")] == ["source"]


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
