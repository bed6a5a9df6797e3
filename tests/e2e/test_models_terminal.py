"""Models on disk from the terminal: a process of its own, a data folder of its own, tiny models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop.store import gguf_tiny
from tests.e2e.test_terminal import example, run, same_shape
from tests.fakes.made_models import remember, write_folder, write_unfinished


@pytest.fixture
def home(tmp_path):
    return tmp_path / "数据 home"


def made_download(home, name="made-tiny-F16.gguf", repo="made/repo"):
    folder = home / "models" / repo
    folder.mkdir(parents=True, exist_ok=True)
    gguf_tiny.write_tiny_glm4(folder / name)
    remember(folder, folder / name, repo=repo)
    return folder / name


def test_models_verify_and_remove_in_json(home):
    path = made_download(home)
    write_unfinished(home / "models" / "made" / "repo" / "x-Q4_K_M.gguf")
    status, out, err = run(home, "models", "--json")
    document = json.loads(out)
    assert status == 0, err
    same_shape(document, example("models"))
    assert [Path(file["path"]) for file in document["files"]] == [path]
    assert (document["files"][0]["repo"], document["unfinished"][0]["done_bytes"]) == ("made/repo", 100)
    status, out, err = run(home, "verify", "made/repo:F16", "--json")
    assert (status, err) == (0, "")
    same_shape(json.loads(out), example("verify"))
    assert json.loads(out)["files"][0]["status"] == "ok"
    status, out, err = run(home, "remove", "made/repo:F16", "--json")
    assert (status, err) == (0, "")
    same_shape(json.loads(out), example("remove"))
    assert json.loads(out)["deleted"] == [str(path)] and not path.exists()


def test_a_damaged_file_is_exit_status_1(home):
    path = made_download(home)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    status, out, _ = run(home, "verify", "made/repo")
    assert status == 1 and "damaged" in out
    status, out, _ = run(home, "verify", path, "--json")
    assert status == 1 and not json.loads(out)["ok"]


def test_words_for_people(home, tmp_path):
    made_download(home)
    write_unfinished(home / "models" / "made" / "repo" / "x-Q4_K_M.gguf")
    out = run(home, "models")[1]
    assert "Downloads that are not complete" in out and "x-Q4_K_M.gguf" in out and "free" in out
    assert "Everything is there." in run(home, "verify", "made/repo:F16")[1]
    assert "deleted" in run(home, "remove", "made/repo")[1]
    assert "No model file" in run(home, "models")[1]


def test_import_where_it_lies_and_as_a_copy(home, tmp_path):
    path = tmp_path / "usb 盘" / "made tiny.gguf"
    path.parent.mkdir()
    gguf_tiny.write_tiny_glm4(path)
    assert run(home, "import", path)[0] == 0
    assert run(home, "import", path, "--copy")[0] == 0
    assert (home / "models" / "made tiny" / "made tiny.gguf").read_bytes() == path.read_bytes()
    status, out, _ = run(home, "remove", path)
    assert status == 0 and "stays" in out and path.exists()
    folder = write_folder(tmp_path / "usb 盘" / "folder")
    status, out, _ = run(home, "import", folder)
    assert status == 0 and "in the list" in out
    folder = write_folder(tmp_path / "usb 盘" / "gptq", quantization_config={"quant_method": "gptq"})
    status, out, _ = run(home, "import", folder)
    assert status == 0 and "gptq" in out and "16-bit" in out


def test_models_of_other_programs_are_found_used_and_kept(home, tmp_path):
    person = tmp_path / "person"
    path = person / ".lmstudio" / "models" / "made" / "repo" / "made-tiny-F16.gguf"
    path.parent.mkdir(parents=True)
    gguf_tiny.write_tiny_glm4(path)
    more = {"HOME": str(person), "USERPROFILE": str(person), "AUTOGLM_ONLY_OWN": ""}
    more |= dict.fromkeys(
        ("HF_HOME", "HF_HUB_CACHE", "MODELSCOPE_CACHE", "OLLAMA_MODELS", "XDG_CACHE_HOME"), ""
    )
    status, out, err = run(home, "models", "--json", **more)
    assert status == 0, err
    found = [file for file in json.loads(out)["files"] if file["path"] == str(path)]
    assert [(file["place"], file["repo"]) for file in found] == [("lmstudio", "made/repo")]
    assert "from LM Studio" in run(home, "models", **more)[1]
    status, _, err = run(home, "remove", "made/repo", **more)
    assert status == 1 and "LM Studio" in err and path.exists()
    assert json.loads(run(home, "models", "--json")[1])["files"] == []


def test_a_models_folder_on_a_disk_that_is_gone_is_said(home, tmp_path):
    (home / "state").mkdir(parents=True)
    (home / "state" / "settings.json").write_text(json.dumps({"models_folder": str(tmp_path / "gone")}))
    status, out, _ = run(home, "models")
    assert status == 0 and "is its disk connected" in out
    assert json.loads(run(home, "models", "--json")[1])["folder"] == str(tmp_path / "gone")


@pytest.mark.parametrize(
    "words",
    [["verify", "made/none"], ["remove", "made/none"], ["verify", "nonsense"], ["remove", "autoglm-phone-9b"],
     ["chat", "made/none", "-p", "hi"], ["import", "tests"]],
)  # fmt: skip
def test_what_is_not_there_is_one_sentence(home, words):
    status, out, err = run(home, *words)
    assert (status, out) == (1, "") and len(err.strip().splitlines()) == 1


def test_starting_imports_no_http_library():
    code = "import sys, autoglm_desktop.cli_models; print('httpx' in sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert out.stdout.strip() == "False"
