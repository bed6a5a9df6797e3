"""``launch.py`` as a program, for made machines: nothing is installed here."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop import po
from autoglm_desktop.launcher import language
from autoglm_desktop.launcher.facts import data_folder
from autoglm_desktop.launcher.gather import system_name
from autoglm_desktop.launcher.pythons import too_old
from autoglm_desktop.store import paths

ROOT = Path(__file__).resolve().parents[2]
MACHINES = ROOT / "tests" / "fakes" / "machines"
FOR_OLD_PYTHONS = [
    ROOT / "launch.py",
    ROOT / "autoglm_desktop" / "__init__.py",
    ROOT / "autoglm_desktop" / "po.py",
    ROOT / "autoglm_desktop" / "launcher" / "__init__.py",
    ROOT / "autoglm_desktop" / "launcher" / "language.py",
    ROOT / "autoglm_desktop" / "launcher" / "pythons.py",
]


def launch(*arguments, cwd=None, **environ):
    # -I -S: without site-packages, so that only the standard library can be imported.
    return subprocess.run(
        [sys.executable, "-I", "-S", "-X", "utf8", str(ROOT / "launch.py"), *arguments],
        env={**os.environ, "AUTOGLM_LANG": "en", **environ},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )


def dry_run(machine, *arguments):
    made = launch("--dry-run", "--machine", str(MACHINES / machine), *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.splitlines()


def test_a_windows_machine():
    lines = dry_run("made_windows_11.json", "check", "--json")
    assert [line[:2] for line in lines] == ["1.", "2.", "3."]
    assert ".venv" in lines[0]
    assert "MB" in lines[1]
    assert lines[2].endswith("autoglm-desktop check --json")


def test_an_ubuntu_desktop_without_rights_is_told_the_command():
    lines = dry_run("made_ubuntu_2404_desktop.json")
    assert len(lines) == 1
    assert "sudo apt-get install -y --no-install-recommends libxcb-cursor0" in lines[0]
    lines = dry_run("made_ubuntu_2404_desktop.json", "check")
    assert len(lines) == 3


def test_a_mac_with_its_old_python():
    (line,) = dry_run("made_macos_14_arm.json")
    assert "3.9.6" in line
    assert "brew install python@3.13" in line


def test_a_dry_run_for_this_machine_changes_nothing(tmp_path):
    made = launch("--dry-run", "check", cwd=tmp_path, AUTOGLM_HOME=str(tmp_path / "home"))
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1].endswith("autoglm-desktop check")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (("--offline",), 2, "--offline"),
        (("--machine", "x.json"), 2, "--machine"),
        (("--dry-run", "--machine", "not there.json"), 1, "not there.json"),
        (("--dry-run", "--machine", str(ROOT / "launch.py")), 1, "launch.py"),
        (("--offline", "not there", "check"), 1, "not there"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, status, word):
    made = launch(*arguments)
    assert made.returncode == status
    assert made.stdout == ""
    assert len(made.stderr.splitlines()) == 1
    assert word in made.stderr


def test_a_checkout_without_its_project_file_is_one_sentence(tmp_path):
    for source in (*FOR_OLD_PYTHONS, *(ROOT / "autoglm_desktop" / "launcher").glob("*.py")):
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    made = subprocess.run(
        [sys.executable, str(tmp_path / "launch.py"), "check"], capture_output=True, encoding="utf-8"
    )
    assert (made.returncode, made.stdout) == (1, "")
    assert "pyproject.toml" in made.stderr
    assert len(made.stderr.splitlines()) == 1


def test_help_needs_nothing():
    made = launch("--help")
    assert made.returncode == 0
    assert "--offline DIR" in made.stdout


@pytest.mark.parametrize("path", FOR_OLD_PYTHONS, ids=lambda path: path.name)
def test_an_old_python_can_read_what_refuses_it(path: Path):
    version = (3, 6) if path.name == "launch.py" else (3, 7)
    tree = ast.parse(path.read_text("utf-8"), feature_version=version)
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert not (path.name == "launch.py" and futures)


def test_an_old_python_is_told_what_to_do():
    assert "3.8.10" in too_old("3.8.10", None)
    assert too_old("3.8.10", "python3.12 launch.py").endswith("python3.12 launch.py")


def test_the_translations_are_read_without_gettexts_compiled_files(tmp_path, monkeypatch):
    file = tmp_path / "zh_CN.po"
    file.write_text(
        'msgid ""\nmsgstr "nplurals=1;"\n\nmsgid "Installing …"\nmsgstr "正在安装…"\n', encoding="utf-8"
    )
    monkeypatch.setattr(language, "_catalogue", po.load(tmp_path, "zh_CN"))
    assert language._("Installing …") == "正在安装…"
    assert language._("Not translated") == "Not translated"


def test_the_data_folder_is_the_applications(monkeypatch, tmp_path):
    for home in (None, str(tmp_path)):
        if home:
            monkeypatch.setenv("AUTOGLM_HOME", home)
        else:
            monkeypatch.delenv("AUTOGLM_HOME", raising=False)
        assert Path(data_folder(system_name(), os.environ, str(Path.home()))) == paths.home()
