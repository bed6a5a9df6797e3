"""What the launcher decides, on a table of made machines."""

import json
from pathlib import Path

import pytest

from autoglm_desktop.launcher import packages, texts
from autoglm_desktop.launcher.facts import FactsError, Request, data_folder, from_machine, read_machine
from autoglm_desktop.launcher.plan import (
    CreateEnvironment,
    Install,
    Refuse,
    Start,
    SystemPackages,
    UseDataFolder,
    plan,
)

THIS_PYTHON = (3, 11, 7)
WINDOW = Request()
CHECK = Request(arguments=("check", "--json"))
TEST = Request("test")

WINDOWS_10 = {"name": "Windows", "version": "10 (build 19045)"}
WINDOWS_11 = {"name": "Windows", "version": "11 (build 22631)"}
MACOS_13 = {"name": "macOS", "version": "13.6.1"}
MACOS_14 = {"name": "macOS", "version": "14.5"}
DEBIAN_12 = {"name": "Linux", "version": "Debian GNU/Linux 12 (bookworm) (6.1.0-25-amd64)"}
UBUNTU_2204 = {"name": "Linux", "version": "Ubuntu 22.04.4 LTS (5.15.0-117-generic)"}
UBUNTU_2404 = {"name": "Linux", "version": "Ubuntu 24.04.1 LTS (6.8.0-45-generic)"}
FEDORA = {"name": "Linux", "version": "Fedora Linux 41 (Workstation Edition) (6.11.4)"}
ARCH = {"name": "Linux", "version": "Arch Linux (6.11.5-arch1-1)"}
SUSE = {"name": "Linux", "version": "openSUSE Tumbleweed (6.11.3-1-default)"}
WSL = {"name": "Linux", "version": "Ubuntu 22.04.4 LTS (5.15.153.1-microsoft-standard-WSL2)", "wsl": True}
UNKNOWN = {"name": "Linux", "version": "Somewhere 1"}

CURSOR = ["libxcb-cursor.so.0"]


def steps(os_info, request=WINDOW, **launch):
    return plan(from_machine({"os": os_info}, launch, request, THIS_PYTHON), request)


def kinds(made):
    return [type(step).__name__ for step in made]


FRESH = ["CreateEnvironment", "Install", "Start"]


@pytest.mark.parametrize(
    "os_info", [WINDOWS_10, WINDOWS_11, MACOS_13, MACOS_14, DEBIAN_12, FEDORA, ARCH, WSL]
)
@pytest.mark.parametrize("request_", [WINDOW, CHECK])
def test_a_fresh_machine_that_has_everything(os_info, request_):
    made = steps(os_info, request_)
    assert kinds(made) == FRESH
    assert made[0].methods == ("venv",)
    assert not made[0].replace
    assert made[1].extra == ""
    assert made[2] == Start("run", request_.arguments)


@pytest.mark.parametrize("os_info", [WINDOWS_11, MACOS_14, UBUNTU_2404, WSL])
def test_nothing_to_do_is_one_step(os_info):
    assert kinds(steps(os_info, venv="current")) == ["Start"]


@pytest.mark.parametrize(
    ("state", "expected", "replace"),
    [("stale", ["Install", "Start"], None), ("broken", FRESH, True), ("missing", FRESH, False)],
)
def test_the_state_of_the_environment(state, expected, replace):
    made = steps(UBUNTU_2404, venv=state)
    assert kinds(made) == expected
    assert replace is None or made[0].replace is replace


def test_what_is_no_environment_is_not_touched():
    assert steps(DEBIAN_12, venv="foreign") == (Refuse("folder", ".venv"),)


@pytest.mark.parametrize(
    ("os_info", "python", "command"),
    [
        (WINDOWS_10, "3.9.13", "winget install Python.Python.3.13"),
        (MACOS_13, "3.9.6", "brew install python@3.13"),
        (UBUNTU_2204, "3.8.10", None),
        (FEDORA, "3.9.19", "sudo dnf install python3.13"),
    ],
)
def test_an_old_python_is_refused(os_info, python, command):
    made = steps(os_info, python=python, root=True, missing_libraries=CURSOR)
    assert made == (Refuse("python", python, command),)
    assert python in texts.describe(made[0], sudo=True)


@pytest.mark.parametrize("python", ["3.10.0", "3.13.0rc1", "3.14"])
def test_newer_pythons_are_taken(python):
    assert kinds(steps(WINDOWS_11, python=python)) == FRESH


@pytest.mark.parametrize(
    ("os_info", "command"),
    [
        (DEBIAN_12, ("apt-get", "install", "-y", "--no-install-recommends", "libxcb-cursor0")),
        (UBUNTU_2404, ("apt-get", "install", "-y", "--no-install-recommends", "libxcb-cursor0")),
        (WSL, ("apt-get", "install", "-y", "--no-install-recommends", "libxcb-cursor0")),
        (FEDORA, ("dnf", "install", "-y", "xcb-util-cursor")),
        (ARCH, ("pacman", "-S", "--needed", "--noconfirm", "xcb-util-cursor")),
        (SUSE, ("zypper", "--non-interactive", "install", "libxcb-cursor.so.0()(64bit)")),
    ],
)
@pytest.mark.parametrize("rights", [{"root": True}, {"sudo": True}, {}])
def test_missing_libraries_are_installed_where_allowed(os_info, command, rights):
    made = steps(os_info, missing_libraries=CURSOR, **rights)
    assert made[0].commands[-1] == command
    assert made[0].may is bool(rights)
    # Told before 100 MB are fetched for a window that could not open.
    assert kinds(made) == (["SystemPackages", *FRESH] if rights else ["SystemPackages"])
    said = texts.describe(made[0], sudo=not rights.get("root"))
    assert command[-1] in said
    assert ("sudo" in said) is not bool(rights.get("root"))


def test_an_unknown_system_names_the_libraries():
    made = steps(UNKNOWN, missing_libraries=CURSOR, root=True)
    assert kinds(made) == ["SystemPackages"]
    assert "libxcb-cursor.so.0" in texts.describe(made[0], sudo=True)


@pytest.mark.parametrize(
    ("request_", "display"),
    [(CHECK, "x11"), (WINDOW, "none"), (Request(arguments=("serve", "demo")), "wayland")],
)
def test_libraries_matter_for_the_window_only(request_, display):
    assert kinds(steps(UBUNTU_2404, request_, missing_libraries=CURSOR, display=display)) == FRESH


def test_the_language_alone_still_means_the_window():
    for arguments in [(), ("--lang", "zh_CN"), ("--lang=en",)]:
        assert Request(arguments=arguments).window
    for arguments in [("check",), ("--lang", "en", "check"), ("--help",)]:
        assert not Request(arguments=arguments).window


def test_a_missing_font_never_stops_the_window():
    assert kinds(steps(DEBIAN_12, chinese_font=False)) == ["SystemPackages", *FRESH]
    made = steps(DEBIAN_12, chinese_font=False, root=True, venv="current")
    assert kinds(made) == ["SystemPackages", "Start"]
    assert made[0].commands[-1][-1] == "fonts-noto-cjk"
    assert kinds(steps(DEBIAN_12, CHECK, chinese_font=False)) == FRESH


@pytest.mark.parametrize(
    ("launch", "expected"),
    [
        ({"root": True}, [("SystemPackages", None), ("CreateEnvironment", ("venv", "wheel"))]),
        (
            {"sudo": True, "virtualenv": True},
            [("SystemPackages", None), ("CreateEnvironment", ("venv", "virtualenv", "wheel"))],
        ),
        ({"virtualenv": True}, [("CreateEnvironment", ("virtualenv", "wheel"))]),
        ({}, [("CreateEnvironment", ("wheel",))]),
    ],
)
def test_debian_without_its_venv_package(launch, expected):
    made = steps(DEBIAN_12, python="3.11.2", venv_module=False, **launch)
    assert [(type(step).__name__, getattr(step, "methods", None)) for step in made[:-2]] == expected
    environment = made[-3]
    assert environment.commands[-1][-1] == "python3.11-venv"
    assert kinds(made)[-2:] == ["Install", "Start"]


def test_no_venv_package_elsewhere():
    made = steps(ARCH, venv_module=False, root=True)
    assert made[0] == CreateEnvironment(".venv", ("wheel",), replace=False)


@pytest.mark.parametrize(
    ("os_info", "folder"),
    [
        (UBUNTU_2404, "~/.local/share/autoglm-desktop/venv"),
        (MACOS_14, "~/Library/Application Support/autoglm-desktop/venv"),
        (WINDOWS_11, r"%LOCALAPPDATA%\autoglm-desktop\venv"),
    ],
)
def test_a_read_only_checkout(os_info, folder):
    made = steps(os_info, checkout_writable=False)
    assert made[0] == UseDataFolder(folder)
    assert kinds(made[1:]) == FRESH
    assert made[2].folder == folder
    assert made[2].editable is False
    assert kinds(steps(os_info, checkout_writable=False, venv="current")) == ["Start"]


def test_tests_have_an_environment_of_their_own():
    made = steps(UBUNTU_2204, TEST, missing_libraries=["libEGL.so.1"], compiler=False, root=True)
    assert kinds(made) == ["SystemPackages", "SystemPackages", *FRESH]
    assert [step.purpose for step in made[:2]] == ["window", "compiler"]
    assert made[1].commands[-1][-1] == "g++"
    assert made[2].folder == ".venv-test"
    assert made[3].extra == "test"
    assert made[3].editable
    assert made[3].at_most > made[3].megabytes


def test_tests_go_on_without_what_they_may_not_install():
    made = steps(FEDORA, TEST, missing_libraries=["libEGL.so.1"], compiler=False)
    assert kinds(made) == ["SystemPackages", "SystemPackages", *FRESH]
    assert "sudo dnf install -y gcc-c++" in texts.describe(made[1], sudo=True)


@pytest.mark.parametrize(
    ("os_info", "words"), [(WINDOWS_11, "BuildTools"), (MACOS_14, "xcode-select --install")]
)
def test_a_compiler_elsewhere_is_told(os_info, words):
    made = steps(os_info, TEST, compiler=False)
    assert kinds(made) == ["SystemPackages", *FRESH]
    assert words in texts.describe(made[0], sudo=True)
    assert kinds(steps(os_info, CHECK, compiler=False)) == FRESH


def test_running_fetches_less_than_150_megabytes_and_offline_nothing():
    install = steps(WINDOWS_11)[1]
    assert isinstance(install, Install)
    assert install.at_most <= 150
    offline = steps(WINDOWS_11, Request(offline="D:\\wheels"))[1]
    assert offline.offline == "D:\\wheels"
    assert "D:\\wheels" in texts.describe(offline, sudo=True)
    assert "MB" not in texts.describe(offline, sudo=True)


def test_every_library_has_a_package_in_each_column():
    every = tuple({*packages.CORE, *packages.X11, *packages.WAYLAND})
    for manager in ("apt", "dnf", "pacman", "zypper"):
        found, unknown = packages.packages_of(every, manager)
        assert not unknown
        assert found
    assert packages.packages_of(("libnew.so.1",), "apt") == ((), ("libnew.so.1",))
    assert packages.packages_of(every, None) == ((), every)


def test_the_commands_can_be_pasted_into_a_shell():
    step = SystemPackages(
        "window", (), packages.install_commands("zypper", ("libX.so.1()(64bit)",)), True, True
    )
    assert texts.command_line(step.commands) == "sudo zypper --non-interactive install 'libX.so.1()(64bit)'"


def test_data_folders():
    assert str(data_folder("Linux", {"XDG_DATA_HOME": "/data"}, "/home/me")) == "/data/autoglm-desktop"
    assert str(data_folder("Linux", {"AUTOGLM_HOME": "~/models"}, "/home/me")) == "/home/me/models"
    assert str(data_folder("Windows", {"LOCALAPPDATA": r"C:\L"}, "C:\\")) == r"C:\L\autoglm-desktop"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "Expecting"),
        ("[]", "object"),
        ('{"os": 3}', "os"),
        ('{"launch": {"venv": "odd"}}', "missing | current"),
        ('{"launch": {"python": "new"}}', "python"),
        ('{"launch": {"root": "yes"}}', "root"),
    ],
)
def test_a_file_that_describes_no_machine(tmp_path: Path, content, word):
    path = tmp_path / "机器.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FactsError, match=word.replace("|", r"\|")):
        read_machine(path, WINDOW, THIS_PYTHON)


def test_a_whole_check_is_read_and_python_taken_from_it(tmp_path: Path):
    path = tmp_path / "check.json"
    machine = {"os": {**UBUNTU_2404, "wsl": None}, "runtime": {"python": "3.12.3", "engines": []}}
    path.write_text(json.dumps({"schema": 1, "machine": machine, "checks": []}), encoding="utf-8")
    facts = read_machine(path, WINDOW, THIS_PYTHON)
    assert facts.python == (3, 12, 3)
    assert facts.package_manager == "apt"
    assert not facts.wsl
