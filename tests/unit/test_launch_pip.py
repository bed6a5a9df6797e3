"""Reading pip's output, and fetching pip itself."""

import hashlib
from pathlib import Path

import pytest

from autoglm_desktop.launcher import pip, texts, wheel

# The lines are pip 23.2's and 24.2's own, from runs without a network, with addresses replaced.
NO_NETWORK = """
  WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken \
by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f2>: Failed to establish a new \
connection: [Errno 111] Connection refused')': /simple/hatchling/
  ERROR: Could not find a version that satisfies the requirement hatchling<2,>=1.27 (from versions: none)
  ERROR: No matching distribution found for hatchling<2,>=1.27
  error: subprocess-exited-with-error
note: This error originates from a subprocess, and is likely not a problem with pip.
"""
TIMED_OUT = """
WARNING: Retrying (Retry(total=4)) after connection broken by 'ReadTimeoutError("HTTPSConnectionPool(host='pypi.org', \
port=443): Read timed out. (read timeout=15)")': /simple/numpy/
ERROR: Could not find a version that satisfies the requirement numpy (from versions: none)
ERROR: No matching distribution found for numpy
"""
NO_WHEEL = """
ERROR: Could not find a version that satisfies the requirement PySide6-Essentials (from versions: none)
ERROR: No matching distribution found for PySide6-Essentials
"""
DISK = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
BUILD = """
  CMake Error: CMAKE_CXX_COMPILER not set, after EnableLanguage
  ERROR: Failed building wheel for llama-cpp-python
ERROR: Could not build wheels for llama-cpp-python, which is required to install pyproject.toml-based projects
"""


@pytest.mark.parametrize(
    ("log", "offline", "kind", "name", "host"),
    [
        (NO_NETWORK, False, "network", "hatchling", ""),
        (TIMED_OUT, False, "network", "numpy", "pypi.org"),
        (NO_WHEEL, False, "missing", "PySide6-Essentials", ""),
        (NO_WHEEL, True, "missing", "PySide6-Essentials", ""),
        (DISK, False, "disk", "", ""),
        (BUILD, False, "build", "llama-cpp-python", ""),
        ("ERROR: Something new\n", False, "other", "", ""),
        ("", False, "other", "", ""),
    ],
)
def test_why_pip_failed(log, offline, kind, name, host):
    found = pip.explain(log, offline)
    assert (found.kind, found.name, found.host) == (kind, name, host)


def test_the_last_word_is_pips_own_error():
    assert pip.explain("ERROR: Something new\nnote: this comes after\n", False).line == "Something new"
    assert pip.explain("Killed\n", False).line == "Killed"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (NO_NETWORK, ["hatchling", "--offline DIR"]),
        (TIMED_OUT, ["numpy", "pypi.org", "--offline DIR"]),
        (NO_WHEEL, ["PySide6-Essentials", "--offline DIR"]),
        (BUILD, ["llama-cpp-python"]),
    ],
)
def test_a_failure_is_told_in_one_line_with_its_log(log, words, tmp_path: Path):
    said = texts.failed(pip.InstallError(pip.explain(log, False), tmp_path / "install.log"))
    assert "\n" not in said
    assert all(word in said for word in [*words, "install.log"])


def test_progress_adds_up_over_files():
    reader = pip.Reader()
    read = [
        reader.read(line)
        for line in (
            "Collecting numpy<3,>=1.26 (from autoglm-desktop==0.1.0)\n",
            "  Downloading numpy-2.5.5-cp313-cp313-manylinux_2_28_x86_64.whl.metadata (6.6 kB)\n",
            "Progress 100 of 6600\n",
            "Downloading numpy-2.5.5-cp313-cp313-manylinux_2_28_x86_64.whl (15.7 MB)\n",
            "Progress 262144 of 15713899\n",
            "Downloading pyside6_essentials-6.12.0-cp310-abi3-manylinux_2_34_x86_64.whl (84.3 MB)\n",
            "Progress 1000000 of 84300000\n",
            "  Building editable for autoglm-desktop (pyproject.toml): started\n",
            "Installing collected packages: numpy, pyside6-essentials\n",
            "Requirement already satisfied: pip\n",
        )
    ]
    assert read == [
        pip.Progress("collect", "numpy"),
        None,
        None,
        pip.Progress("download", "numpy", 15_700_000, 0),
        pip.Progress("download", "numpy", 15_700_000, 262_144),
        pip.Progress("download", "pyside6-essentials", 84_300_000, 15_700_000),
        pip.Progress("download", "pyside6-essentials", 84_300_000, 16_700_000),
        pip.Progress("build", "autoglm-desktop"),
        pip.Progress("install", "numpy, pyside6-essentials"),
        None,
    ]
    assert "17 MB" in texts.progress(read[6])


def test_a_lost_connection_is_shown():
    found = pip.Reader().read(TIMED_OUT.splitlines()[1])
    assert found == pip.Progress("retry", "pypi.org")
    assert "pypi.org" in texts.progress(found)


CONTENT = b"made wheel"
SUM = hashlib.sha256(CONTENT).hexdigest()
PAGE = f"""<!DOCTYPE html><html><body>
<a href="../../packages/pip-9.0.1-py2.py3-none-any.whl#sha256={SUM}">old</a>
<a href="../../packages/pip-25.2-py3-none-any.whl#sha256={SUM}" data-requires-python="&gt;=3.9">pip-25.2</a>
<a href="../../packages/pip-24.3.1-py3-none-any.whl#sha256={SUM}" data-requires-python="&gt;=3.8">pip-24.3.1</a>
<a href="../../packages/pip-30.0-py3-none-any.whl#sha256={SUM}" data-requires-python="&gt;=3.12">pip-30.0</a>
<a href="../../packages/pip-31.0-py3-none-any.whl#sha256={SUM}" data-yanked="broken">pip-31.0</a>
<a href="../../packages/pip-32.0-py3-none-any.whl">no checksum</a>
</body></html>"""
INDEX = "https://mirror.example/simple"


def test_pip_is_fetched_from_the_index_that_pip_would_use(tmp_path: Path):
    asked = []

    def read(url):
        asked.append(url)
        return PAGE.encode() if url.endswith("/pip/") else CONTENT

    path = wheel.fetch(tmp_path, (3, 11, 7), {"PIP_INDEX_URL": INDEX + "/"}, read)
    assert path == tmp_path / "pip-25.2-py3-none-any.whl"
    assert path.read_bytes() == CONTENT
    assert asked == [f"{INDEX}/pip/", "https://mirror.example/packages/pip-25.2-py3-none-any.whl"]


@pytest.mark.parametrize(("page", "content"), [("<html></html>", CONTENT), (PAGE, b"changed on the way")])
def test_no_pip_or_a_wrong_one(tmp_path: Path, page, content):
    with pytest.raises(OSError, match=r"no pip|wrong checksum"):
        wheel.fetch(tmp_path, (3, 11), {}, lambda url: page.encode() if url.endswith("/pip/") else content)
    assert not list(tmp_path.iterdir())


def test_pip_among_files_that_were_brought_along(tmp_path: Path):
    assert wheel.in_folder(tmp_path) is None
    for version in ("9.9", "24.3.1", "25.2"):
        (tmp_path / f"pip-{version}-py3-none-any.whl").touch()
    assert wheel.in_folder(tmp_path) == tmp_path / "pip-25.2-py3-none-any.whl"
