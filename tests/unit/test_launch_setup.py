"""Making and repairing environments, with a made pip that fetches nothing; locks; the checks; what Qt needs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autoglm_desktop.launcher import checks, child, gather, pip, venvs
from autoglm_desktop.launcher.facts import Request
from autoglm_desktop.launcher.install import Installer
from autoglm_desktop.launcher.lock import locked
from autoglm_desktop.launcher.outcome import Stop
from autoglm_desktop.launcher.plan import CreateEnvironment, Install
from autoglm_desktop.launcher.run import language_of, parse

PYPROJECT = '[project]\nname = "made"\ndependencies = ["numpy"]\n\n[tool.ruff]\nline-length = 110\n'

# Installs itself when run from its wheel; else does what the file "behaviour" in the current folder says.
MADE_PIP = """
import pathlib, subprocess, sys, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))
if sys.argv[-1].endswith(".whl"):
    for name in ("pip", "pip-99.0.dist-info"):
        (site / name).mkdir()
    (site / "pip" / "__main__.py").write_text(__loader__.get_data(__file__).decode())
    sys.exit(0)
print("Collecting numpy", flush=True)
behaviour = pathlib.Path("behaviour").read_text()
if behaviour == "hang":
    code = "import time; print('Collecting in-a-child', flush=True); time.sleep(600)"
    subprocess.run([sys.executable, "-c", code], close_fds=False)
if behaviour == "no network":
    print("WARNING: Retrying after connection broken by 'NewConnectionError()': /simple/numpy/")
    print("ERROR: No matching distribution found for numpy")
    sys.exit(1)
print("Installing collected packages: numpy", flush=True)
(site / "numpy").mkdir(exist_ok=True)
(site / "arguments").write_text(" ".join(sys.argv[1:]))
sys.exit(behaviour == "fails late")
"""


class Place:
    """A checkout with an environment beside it."""

    def __init__(self, root: Path) -> None:
        self.checkout = root / "程序 folder"
        self.checkout.mkdir()
        self.folder = self.checkout / ".venv"
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        with zipfile.ZipFile(self.wheels / "pip-99.0-py3-none-any.whl", "w") as archive:
            archive.writestr("pip/__main__.py", MADE_PIP)
        (self.checkout / "pyproject.toml").write_text(PYPROJECT)
        self.behave("works")
        self.seen: list[pip.Progress] = []

    def behave(self, behaviour: str) -> None:
        (self.checkout / "behaviour").write_text(behaviour)

    def state(self) -> str:
        return venvs.state(self.folder, self.checkout, venvs.fingerprint(self.checkout, editable=True))

    def create(self, replace: bool = False) -> None:
        step = CreateEnvironment(str(self.folder), ("wheel",), replace)
        Installer(self.checkout, self.seen.append).create(step, str(self.wheels))

    def install(self, report=None, keep=()) -> None:
        step = Install(str(self.folder), "", 1, 1, str(self.wheels), editable=True)
        wanted = venvs.fingerprint(self.checkout, editable=True)
        Installer(self.checkout, report or self.seen.append, keep).install(step, wanted)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def ready(place: Place) -> Place:
    place.create()
    place.install()
    return place


def test_from_nothing_to_current(place: Place):
    assert place.state() == "missing"
    place.create()
    assert place.state() == "broken"  # until everything is installed
    place.install()
    assert place.state() == "current"
    assert place.seen == [pip.Progress("collect", "numpy"), pip.Progress("install", "numpy")]
    stamp = venvs.read_stamp(place.folder)
    assert stamp is not None
    assert stamp.python == sys.version_info[:3]
    assert "numpy" in stamp.packages
    assert f"--no-index --find-links {place.wheels} -e ." in (Path(stamp.site) / "arguments").read_text()


def test_other_requirements_make_it_stale_and_other_settings_do_not(ready: Place):
    file = ready.checkout / "pyproject.toml"
    file.write_text(PYPROJECT.replace("110", "88") + "# a word\n")
    assert ready.state() == "current"
    file.write_text(PYPROJECT.replace("numpy", "numpy>=2"))
    assert ready.state() == "stale"
    ready.install()
    assert ready.state() == "current"


def _delete_python(place: Place) -> None:
    venvs.interpreter(place.folder).unlink()


def _delete_package(place: Place) -> None:
    (Path(venvs.read_stamp(place.folder).site) / "numpy").rmdir()


def _garble_stamp(place: Place) -> None:
    (place.folder / venvs.STAMP).write_text('{"ready": tr')


def _unknown_stamp(place: Place) -> None:
    (place.folder / venvs.STAMP).write_text('{"ready": true, "packages": [], "python": [], "new": 1}')


@pytest.mark.parametrize("harm", [_delete_python, _delete_package, _garble_stamp, _unknown_stamp])
def test_a_broken_environment_is_seen_and_made_anew(ready: Place, harm):
    harm(ready)
    assert ready.state() == "broken"
    ready.create(replace=True)
    ready.install()
    assert ready.state() == "current"


def test_a_moved_folder_is_broken(ready: Place):
    moved = ready.checkout.parent / "moved"
    ready.checkout.rename(moved)
    assert venvs.state(moved / ".venv", moved, venvs.fingerprint(moved, editable=True)) == "broken"


def test_a_failure_before_anything_changed_keeps_the_environment(ready: Place):
    (ready.checkout / "pyproject.toml").write_text(PYPROJECT.replace("numpy", "numpy>=2"))
    ready.behave("no network")
    with pytest.raises(pip.InstallError) as caught:
        ready.install()
    assert (caught.value.failure.kind, caught.value.failure.name) == ("missing", "numpy")
    assert ready.state() == "stale"
    ready.behave("fails late")
    with pytest.raises(pip.InstallError):
        ready.install()
    assert ready.state() == "broken"


def test_ctrl_c_ends_pip_with_its_children_and_the_next_start_repairs(place: Place):
    place.create()
    place.behave("hang")
    log = place.folder / venvs.LOG
    read, write = os.pipe()

    def interrupt(step: pip.Progress) -> None:
        if step.name == "in-a-child":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.install(interrupt, keep=(write,) if os.name == "posix" else ())
    os.close(write)
    if os.name == "posix":
        # End of file: nobody that inherited the descriptor lives.
        assert os.read(read, 1) == b""
    os.close(read)
    assert "Collecting in-a-child" in log.read_text("utf-8")
    assert place.state() == "broken"
    place.behave("works")
    place.create(replace=True)
    place.install()
    assert place.state() == "current"


def test_what_somebody_else_made(tmp_path: Path):
    folder = tmp_path / ".venv"
    folder.mkdir()
    assert venvs.state(folder, tmp_path, "x") == "missing"
    (folder / "notes.txt").touch()
    assert venvs.state(folder, tmp_path, "x") == "foreign"
    (folder / "pyvenv.cfg").touch()
    assert venvs.state(folder, tmp_path, "x") == "broken"
    venvs.interpreter(folder).parent.mkdir()
    venvs.interpreter(folder).touch()
    assert venvs.state(folder, tmp_path, "x") == "stale"
    assert venvs.state(folder / "notes.txt", tmp_path, "x") == "foreign"


def test_an_environment_that_may_not_be_read_is_of_no_use(ready: Place, monkeypatch):
    def refuse(_self: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_file", refuse)
    assert ready.state() == "broken"


def test_a_copied_project_is_stale_when_a_file_changes(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "autoglm_desktop" / "__pycache__").mkdir(parents=True)
    before = venvs.fingerprint(tmp_path, editable=False)
    (tmp_path / "autoglm_desktop" / "__pycache__" / "x.pyc").touch()
    assert venvs.fingerprint(tmp_path, editable=False) == before
    linked = venvs.fingerprint(tmp_path, editable=True)
    (tmp_path / "autoglm_desktop" / "new.py").touch()
    assert venvs.fingerprint(tmp_path, editable=False) != before
    assert venvs.fingerprint(tmp_path, editable=True) == linked


def test_an_environment_that_cannot_be_in_the_checkout(tmp_path: Path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    data = tmp_path / "data"
    assert gather.locate(tmp_path, Request(), data) == (tmp_path / ".venv", "missing", True)
    monkeypatch.setattr(gather, "writable", lambda folder: False)
    assert gather.locate(tmp_path, Request(), data) == (data / "venv", "missing", False)
    assert gather.locate(tmp_path, Request("test"), data) == (data / "venv-test", "missing", False)


def test_writable_is_tried(tmp_path: Path):
    assert gather.writable(tmp_path)
    assert not gather.writable(tmp_path / "not there")


HOLD = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from autoglm_desktop.launcher.lock import locked
with locked(pathlib.Path(sys.argv[2]), lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_set_up_waits_for_the_first(tmp_path: Path):
    root = Path(__file__).resolve().parents[2]
    path = tmp_path / "data" / ".launch-venv.lock"
    path.parent.mkdir()
    command = [sys.executable, "-c", HOLD, str(root), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        waited = []

        def on_wait() -> None:
            waited.append(first.poll())
            first.stdin.close()

        with locked(path, on_wait):
            assert waited == [None]
        assert first.wait() == 0
    with locked(path, on_wait):
        assert waited == [None]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "none"),
        ({"DISPLAY": ":0"}, "x11"),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "wayland"),
        ({"QT_QPA_PLATFORM": "offscreen"}, "offscreen"),
        ({"QT_QPA_PLATFORM": "xcb"}, "x11"),
        ({"QT_QPA_PLATFORM": "wayland;xcb"}, "wayland"),
        ({"QT_QPA_PLATFORM": "vnc:size=800x600"}, "offscreen"),
    ],
)
def test_what_qt_will_draw_on(environ, expected):
    assert gather.display(environ, "Linux") == expected
    if "QT_QPA_PLATFORM" not in environ:
        assert gather.display(environ, "Windows") == "native"


def test_x11_serves_where_only_waylands_libraries_are_missing():
    both = {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}
    assert gather.best_display(both, lambda name: "wayland" not in name) == ("x11", ())
    display, missing = gather.best_display(both, lambda name: "wayland" not in name and "cursor" not in name)
    assert display == "wayland"
    assert "libwayland-client.so.0" in missing
    assert gather.best_display({}, lambda name: False) == ("none", ())


def test_chinese_fonts(tmp_path: Path):
    (tmp_path / "noto").mkdir()
    (tmp_path / "noto" / "NotoSans-Regular.ttf").touch()
    assert not gather.has_chinese_font((str(tmp_path),))
    (tmp_path / "noto" / "NotoSansCJK-Regular.ttc").touch()
    assert gather.has_chinese_font((str(tmp_path),))


def test_all_checks_run_even_if_one_fails():
    ran = []

    def run(check: checks.Check) -> int:
        ran.append(check.name)
        return 1 if check.name == "mypy" else 0

    ticks = iter(range(100))
    results = checks.run_checks(checks.checks((), writable=True), run, lambda: float(next(ticks)))
    assert ran == ["ruff check", "ruff format", "mypy", "pytest"]
    assert [result.passed for result in results] == [True, True, False, True]
    said = checks.summary(results).splitlines()
    assert len(said) == 4
    assert "mypy" in said[2]
    assert "(1.0 s)" in said[2]


def test_arguments_go_to_pytest_alone():
    only = checks.checks(("-k", "gguf"), writable=True)
    assert [(check.name, check.arguments) for check in only] == [("pytest", ("-k", "gguf"))]
    assert "no:cacheprovider" in checks.checks(("x",), writable=False)[0].arguments
    assert checks.environment({"A": "b"})["QT_QPA_PLATFORM"] == "offscreen"
    assert checks.environment({"QT_QPA_PLATFORM": "xcb"})["QT_QPA_PLATFORM"] == "xcb"


def test_the_command_line():
    assert parse([]).request == Request()
    assert parse(["check", "--machine", "f", "--offline", "d"]).request == Request(
        "run", ("check", "--machine", "f", "--offline", "d")
    )
    assert parse(["--offline", "d", "test", "-k", "x"]).request == Request("test", ("-k", "x"), "d")
    assert parse(["--offline=d", "--", "--help"]).request == Request("run", ("--help",), "d")
    assert parse(["benchmarks", "window"]).request == Request("benchmarks", ("window",))
    options = parse(["--dry-run", "--machine=m.json", "chat", "demo"])
    assert (options.dry_run, options.machine, options.request.arguments) == (True, "m.json", ("chat", "demo"))
    for wrong in (["--offline"], ["--machine", "m.json"], ["--dry-run", "--machine"]):
        with pytest.raises(Stop) as caught:
            parse(wrong)
        assert caught.value.status == 2
    assert language_of(("--lang", "zh_CN", "check")) == "zh_CN"
    assert language_of(("check", "--lang=en")) == "en"
    assert language_of(("check", "--lang")) is None


def test_the_output_of_a_child_is_kept_and_its_status_told(tmp_path: Path):
    lines: list[str] = []
    log = tmp_path / "日志.log"
    code = "import sys; print('说'); print('oh', file=sys.stderr); sys.exit(7)"
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    assert child.run_quietly([sys.executable, "-u", "-c", code], log, lines.append, environ=environ) == 7
    assert lines == ["说\n", "oh\n"]
    assert "oh" in log.read_text("utf-8")
