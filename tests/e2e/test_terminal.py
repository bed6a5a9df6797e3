"""The terminal as a person uses it: a process of its own, a data folder of its own, real engine, tiny model."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from autoglm_desktop.store import gguf_tiny

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One data folder for all tests here: the self-test then runs once."""
    return tmp_path_factory.mktemp("数据 home")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed in this environment (extra: llama)")
    path = tmp_path_factory.mktemp("models") / "小 tiny.gguf"
    gguf_tiny.write_tiny_glm4(path)
    return path


def environment(home, **more):
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    return {**kept, "AUTOGLM_HOME": str(home), "AUTOGLM_LANG": "en", "PYTHONPATH": str(ROOT), **more}


def start(home, *words, stdin=subprocess.DEVNULL, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "autoglm_desktop", *map(str, words)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(home, **more),
    )


def run(home, *words, text=None, **more):
    stdin = subprocess.PIPE if text is not None else subprocess.DEVNULL
    with start(home, *words, stdin=stdin, **more) as process:
        out, err = process.communicate(text, timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def test_one_question_writes_the_answer_alone(home, model):
    status, out, err = run(home, "chat", model, "-p", "hello", "--max-tokens", 8)
    assert status == 0
    assert out.strip() and "GGUF" not in out
    assert "GGUF on the CPU" in err


def example(name):
    """The example of a command in docs/json.md."""
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    return json.loads(text.split(f"<!-- example: {name} -->\n```json\n")[1].split("\n```")[0])


def same_shape(found, expected, where="$"):
    """Every key of the documented example is there with a value of its kind (null fits all), in lists of each item."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        if where.endswith(".memory") and "context" not in expected:
            return  # devices and causes differ by machine
        assert set(found) == set(expected), where
        for key, value in expected.items():
            same_shape(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list) and expected and found:
        for item in found:
            same_shape(item, expected[0], f"{where}[]")
    elif found is not None and expected is not None:
        numbers = (int, float)
        assert isinstance(found, numbers if type(expected) in numbers else type(expected)), (where, found)


def test_json_of_chat_is_one_document_of_the_contract(home, model):
    status, out, _ = run(home, "chat", model, "-p", "hello", "--max-tokens", 8, "--json")
    document = json.loads(out)
    assert status == 0
    same_shape(document, example("chat"))
    assert document["rung"] in ("gguf-cpu", "gguf-cpu-safe")
    assert document["usage"]["completion_tokens"] == 8 and document["finish_reason"] == "length"
    assert document["tries"][-1]["kind"] is None


@pytest.mark.parametrize("action", ["install", "test"])
def test_json_of_engines(home, model, action):
    status, out, _ = run(home, "engines", action, "llama-cpu", "--json")
    assert status == 0
    (engine,) = json.loads(out)["engines"]
    assert engine["installed"] and engine["self_test"] in ("passed", "safe_mode")
    same_shape(json.loads(out), example("engines"))


def test_json_of_the_list_of_engines(home, model):
    status, out, _ = run(home, "engines", "list", "--json")
    assert status == 0
    document = json.loads(out)
    engines = {engine["name"]: engine for engine in document["engines"]}
    assert engines["llama-cpu"]["self_test"] in ("passed", "safe_mode")
    assert {"llama-cuda", "llama-vulkan", "torch-cuda", "torch-cpu"} <= set(engines)
    for engine in engines.values():
        kind = "engines" if engine["installed"] else "engines-missing"
        same_shape({**document, "engines": [engine]}, example(kind))


def test_models_and_import(tmp_path, model):
    status, out, err = run(tmp_path, "import", model)
    assert status == 0, err
    status, out, _ = run(tmp_path, "models", "--json")
    document = json.loads(out)
    same_shape(document, example("models"))
    assert [Path(file["path"]).name for file in document["files"]] == [model.name]
    assert "autoglm-phone-9b" in run(tmp_path, "models")[1]


def test_a_conversation_by_pipe(home, model):
    status, out, _ = run(home, "chat", model, "--max-tokens", 4, text="hello\n\nand then?\n")
    assert status == 0
    assert out.count("\n") >= 2


def test_chinese_texts(home, model):
    status, _, err = run(home, "chat", "/不存在.gguf", "-p", "x", AUTOGLM_LANG="zh_CN")
    assert status == 1
    assert any("一" <= character <= "鿿" for character in err.replace("/不存在.gguf", ""))


@pytest.mark.parametrize(
    "words",
    [
        ["chat", "/nowhere/file.gguf", "-p", "hi"],
        ["chat", "pyproject.toml", "-p", "hi"],
        ["chat", "tests", "-p", "hi"],
        ["chat", "~no-such-user/file.gguf", "-p", "hi"],
        ["chat", "no-such-model", "-p", "hi"],
        ["chat", "autoglm-phone-9b", "-p", "hi"],
        ["chat", "autoglm-phone-9b:Q99", "-p", "hi"],
        ["chat", "demo:Q4_K_M", "-p", "hi"],
        ["chat", "MODEL", "-p", "  "],
        ["chat", "MODEL", "-p", "hi", "--rung", "gguf-gpu"],
        ["chat", "MODEL", "-p", "hi", "--rung", "nonsense"],
        ["chat", "MODEL", "-p", "hi", "--image", "picture.png"],
        ["import", "/nowhere/file.gguf"],
        ["import", "tests"],
        ["import", "pyproject.toml"],
        ["engines", "install"],
        ["engines", "install", "nonsense"],
        ["engines", "test", "nonsense"],
        ["check", "--machine", "/nowhere.json"],
        ["check", "--machine", "README.md"],
        ["serve", "/nowhere.gguf"],
        ["serve", "MODEL", "--host", "0.0.0.0"],
        ["serve", "MODEL", "--api-key-file", "/nowhere"],
    ],
)
def test_what_cannot_be_done_is_one_sentence(home, model, words):
    status, out, err = run(home, *[model if word == "MODEL" else word for word in words])
    assert status == 1, (out, err)
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert len(last) > 20 and "It did not work" not in last, err


@pytest.mark.parametrize(
    "words", [["nonsense"], ["chat"], ["serve", "x", "--port", "99999"], ["chat", "x", "--context", "0"]]
)
def test_usage_errors_are_2(home, words):
    assert run(home, *words)[0] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_while_answering_ends_everything(home, model, name):
    number, expected = getattr(signal, name), 130
    with start(home, "chat", model, "-p", "hello", "--max-tokens", 4000) as process:
        assert process.stdout.read(5)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children, "the engine is a process of its own"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == expected, err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sigkill_of_the_program_leaves_no_engine(home, model):
    with start(home, "chat", model, "-p", "hello", "--max-tokens", 4000) as process:
        assert process.stdout.read(5)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_an_engine_that_is_killed_is_an_error_sentence(home, model):
    with start(home, "chat", model, "-p", "hello", "--max-tokens", 4000) as process:
        assert process.stdout.read(5)
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in err and err.strip()


def test_without_display_and_terminal_it_checks_and_says_how_to_go_on(tmp_path, model):
    status, out, err = run(tmp_path / "empty")
    assert status == 0, err
    assert "AutoGLM-Phone-9B" in out
    assert "autoglm-desktop chat" in out


def test_a_data_folder_that_cannot_be_written(tmp_path, model):
    (tmp_path / "file").write_text("")
    status, _, err = run(tmp_path / "file" / "home", "chat", model, "-p", "hi")
    assert status == 1
    assert "file" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["models"], ["check", "--json"], ["chat", "MODEL", "-p", "hi"]])
def test_an_output_that_cannot_be_written_is_one_sentence(home, model, words):
    words = [model if word == "MODEL" else word for word in words]
    command = [sys.executable, "-m", "autoglm_desktop", *map(str, words)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=environment(home), timeout=120, check=False
        )
    err = done.stderr.decode()
    assert done.returncode == 1 and "Traceback" not in err and "Exception" not in err
    assert "No space left" in err.splitlines()[-1]


@pytest.mark.skipif(os.name != "posix", reason="closed file descriptors")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_no_harm(home, model, closed):
    command = f'"{sys.executable}" -m autoglm_desktop chat "{model}" -p hello --max-tokens 4 {closed}'
    done = subprocess.run(
        ["sh", "-c", command], env=environment(home), timeout=120, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
