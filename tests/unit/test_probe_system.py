from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from autoglm_desktop.core.machine import Package
from autoglm_desktop.probe import runtime, system
from autoglm_desktop.probe.files import parse_cpu_list, parse_int, read_int, read_text, run_text
from tests.fakes import outputs


def made_root(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return tmp_path


def test_linux_is_named_with_distribution_and_kernel(tmp_path: Path) -> None:
    root = made_root(
        tmp_path,
        {
            "etc/os-release": outputs.text("made_os_release_ubuntu.txt"),
            "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
        },
    )
    info = system.linux(root, {})
    assert (info.name, info.version, info.wsl) == ("Linux", "Ubuntu 24.04.1 LTS (6.8.0-45-generic)", False)


def test_nothing_readable_is_unknown_not_empty(tmp_path: Path) -> None:
    assert system.linux(tmp_path, {}).version is None


def test_release_file_in_usr_lib_counts_too(tmp_path: Path) -> None:
    root = made_root(tmp_path, {"usr/lib/os-release": "NAME=Made\nVERSION='1 \"x'\n"})
    assert system.linux(root, {}).version == 'Made 1 "x'


@pytest.mark.parametrize(
    ("kernel", "environ", "expected"),
    [
        ("4.4.0-19041-Microsoft", {}, True),
        ("5.15.167.4-microsoft-standard-WSL2", {}, True),
        ("6.6.0-own-kernel", {"WSL_DISTRO_NAME": "Ubuntu"}, True),
        ("6.8.0-45-generic", {}, False),
        ("", {}, False),
    ],
)
def test_wsl_is_recognised(kernel: str, environ: dict[str, str], expected: bool) -> None:
    assert system.is_wsl(kernel, environ) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("PRETTY_NAME=", None),
        ("# PRETTY_NAME=no\nNAME=Arch", "Arch"),
        ('PRETTY_NAME="unclosed', None),
        ('PRETTY_NAME="unclosed\nNAME=Arch', "Arch"),
        ("garbage\0\n===\n", None),
    ],
)
def test_os_release_oddities(text: str, expected: str | None) -> None:
    assert system.parse_os_release(text) == expected


@pytest.mark.parametrize(
    ("build", "server", "expected"),
    [
        (19045, False, "10 (build 19045)"),
        (22000, False, "11 (build 22000)"),
        (26100, False, "11 (build 26100)"),
        (26100, True, "Server (build 26100)"),
    ],
)
def test_windows_is_told_by_its_build(build: int, server: bool, expected: str) -> None:
    assert system.windows_version(build, server) == expected


def test_packages_come_from_metadata_and_missing_ones_are_left_out() -> None:
    def version(name: str) -> str:
        if name not in ("torch", "llama-cpp-python"):
            raise metadata.PackageNotFoundError(name)
        return "2.13.0+cpu" if name == "torch" else "0.3.36"

    found = runtime.probe_runtime(version)
    assert found.packages == (Package("torch", "2.13.0+cpu"), Package("llama-cpp-python", "0.3.36"))
    assert found.python is not None and found.python.count(".") == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-3,8\n", {0, 1, 2, 3, 8}),
        ("0", {0}),
        ("", set()),
        (None, set()),
        ("3-1", set()),
        ("a-b,,5-,7", {7}),
        ("0-99999999999", set()),
        ("0-1\n\0", {0, 1}),
    ],
)
def test_cpu_lists(text: str | None, expected: set[int]) -> None:
    assert parse_cpu_list(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12\n", 12), ("0x1002", 0x1002), ("max", None), ("", None), (None, None), ("1.5", None)],
)
def test_whole_numbers(text: str | None, expected: int | None) -> None:
    assert parse_int(text) == expected


def test_unreadable_files_are_unknown(tmp_path: Path) -> None:
    assert read_text(tmp_path) is None
    assert read_int(tmp_path / "missing") is None
    (tmp_path / "bytes").write_bytes(b"\xff\xfe 12")
    assert read_int(tmp_path / "bytes") is None


def test_a_tool_that_is_missing_or_fails_has_no_output(tmp_path: Path) -> None:
    import sys

    assert run_text((str(tmp_path / "no-such-tool"),), 5) is None
    assert run_text((sys.executable, "-c", "raise SystemExit(3)"), 30) is None
    assert run_text((sys.executable, "-c", "print('yes')"), 30) == "yes" + (
        "\r\n" if sys.platform == "win32" else "\n"
    )


def test_a_tool_that_hangs_is_ended(tmp_path: Path) -> None:
    import sys

    assert run_text((sys.executable, "-c", "import threading; threading.Event().wait()"), 0.2) is None
