"""The program as an installed wheel: resources, translations and the engine's entry come along."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autoglm_desktop.store import gguf_tiny

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel's files in a folder of their own, as site-packages would hold them."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed, home, *words, language="en"):
    environment = {
        **os.environ,
        "AUTOGLM_HOME": str(home),
        "AUTOGLM_LANG": language,
        "PYTHONPATH": str(installed),
    }
    command = [sys.executable, "-P" if sys.version_info >= (3, 11) else "-s", "-m", "autoglm_desktop"]
    done = subprocess.run(
        [*command, *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=home,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_wheel_holds_resources_and_no_tests(installed):
    resources = installed / "autoglm_desktop" / "_resources"
    for name in ("catalog.toml", "environments.toml", "gpus.toml", "i18n/zh_CN.po", "icons/chat.svg"):
        assert (resources / name).is_file(), name
    assert (installed / "autoglm_desktop" / "gui" / "theme" / "style.qss").is_file()
    assert not list(installed.glob("tests*"))


def test_the_demo_comes_with_the_wheel_and_is_found(installed, tmp_path):
    done = run(installed, tmp_path, "models", "--json")
    assert done.returncode == 0, done.stderr
    folder = installed / "autoglm_desktop" / "_resources" / "demo_model"
    demo = json.loads(done.stdout)["demo"]
    assert Path(demo["path"]) == folder
    beside = ROOT / "resources" / "demo_model"
    assert {path.name for path in folder.iterdir()} == {path.name for path in beside.iterdir()}
    assert demo["size_bytes"] == sum(path.stat().st_size for path in beside.iterdir())


def test_the_demo_answers_from_the_wheel(installed, tmp_path):
    pytest.importorskip(
        "llama_cpp", reason="llama-cpp-python is not installed in this environment (extra: llama)"
    )
    done = run(installed, tmp_path, "chat", "demo", "-p", "What is VRAM?")
    assert done.returncode == 0, done.stderr
    assert "graphics card" in done.stdout and "demo" in done.stderr


def test_check_and_texts_come_from_the_wheel(installed, tmp_path):
    done = run(installed, tmp_path, "check", "--json")
    assert done.returncode == 0, done.stderr
    assert {model["id"] for model in json.loads(done.stdout)["models"]} >= {"autoglm-phone-9b"}
    chinese = run(installed, tmp_path, "models", language="zh_CN").stdout
    assert any("一" <= character <= "鿿" for character in chinese)


def test_an_engine_is_started_from_the_wheel(installed, tmp_path):
    pytest.importorskip(
        "llama_cpp", reason="llama-cpp-python is not installed in this environment (extra: llama)"
    )
    model = tmp_path / "tiny.gguf"
    gguf_tiny.write_tiny_glm4(model)
    done = run(installed, tmp_path, "chat", model, "-p", "hello", "--max-tokens", 4, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["usage"]["completion_tokens"] == 4
