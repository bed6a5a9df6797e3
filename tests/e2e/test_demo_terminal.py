"""The demo as a person uses it: the model in the box, the real engine, a process and a data folder of its own."""

import json
import os
import re
import signal
import sys

import httpx
import pytest

from autoglm_desktop.store.paths import resources
from tests.e2e.test_terminal import ROOT, example, run, same_shape, start

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GRAPHICS = {"en": "graphics card", "zh_CN": "显卡"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One data folder for all tests here: the self-test then runs once."""
    pytest.importorskip(
        "llama_cpp", reason="llama-cpp-python is not installed in this environment (extra: llama)"
    )
    return tmp_path_factory.mktemp("演示 home")


def learned(name):
    """What the demo was taught to answer, by language."""
    for path in sorted((ROOT / "packaging" / "demo_model" / "corpus").glob("topics_*.toml")):
        for answer in tomllib.loads(path.read_text(encoding="utf-8"))["answer"]:
            if answer["id"] == name:
                return {"en": answer["en"], "zh_CN": answer["zh"]}
    raise KeyError(name)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_without_display_and_terminal_it_answers_the_sample_question(home, language):
    status, out, err = run(home, AUTOGLM_LANG=language)
    assert status == 0, err
    before, answer, after = out.partition(learned("local-model-use")[language])
    assert answer, out
    assert (
        "AutoGLM-Phone-9B" in before and ("demo" if language == "en" else "演示") in before.splitlines()[-1]
    )
    assert "chat demo " in after and "import FILE" in after


@pytest.mark.parametrize(("language", "question"), [("en", "What is VRAM?"), ("zh_CN", "什么是显存？")])
def test_one_question(home, language, question):
    status, out, err = run(home, "chat", "demo", "-p", question, AUTOGLM_LANG=language)
    assert status == 0, err
    assert GRAPHICS[language] in out and len(out.splitlines()) == 1
    assert run(home, "chat", "Demo", "-p", question, AUTOGLM_LANG=language)[1] == out, "it says the likeliest"


def test_one_document(home):
    status, out, _err = run(home, "chat", "demo", "-p", "What is VRAM?", "--rung", "gguf-cpu-safe", "--json")
    document = json.loads(out)
    assert status == 0
    same_shape(document, example("chat"))
    assert (document["target"], document["rung"], document["finish_reason"]) == (
        "demo",
        "gguf-cpu-safe",
        "stop",
    )
    assert len(list((home / "cache").glob("AutoGLM-Desktop-Demo-*.gguf"))) == 1


def test_a_conversation_by_pipe_in_less_context_than_was_asked_for(home):
    status, out, err = run(home, "chat", "demo", "--context", 9999, text="What is VRAM?\n\nhello\n")
    assert status == 0, err
    assert "The context is 512 tokens" in err and len(out.splitlines()) == 2


def test_that_the_oldest_messages_are_left_out_is_said_once(home):
    status, out, err = run(home, "chat", "demo", text="What is VRAM?\nWhat is a KV cache?\n" * 8)
    assert status == 0, err
    assert len(out.splitlines()) == 16 and all(GRAPHICS["en"] in line for line in out.splitlines()[::2])
    assert err.count("the oldest messages are left out") == 1


def test_models_lists_it_beside_the_files(home):
    status, out, _err = run(home, "models", "--json")
    document = json.loads(out)
    assert status == 0
    same_shape(document, example("models"))
    assert document["demo"]["path"] == str(resources() / "demo_model") and document["files"] == []
    assert "autoglm-desktop chat demo" in run(home, "models")[1]


@pytest.mark.parametrize(
    "words",
    [
        ["check", "demo"],
        ["verify", "demo"],
        ["remove", "demo"],
        ["pull", "demo"],
        ["pull", "demo:Q4"],
        ["import", "FOLDER"],
        ["chat", "demo:Q4_K_M", "-p", "hi"],
        ["serve", "demo:F16", "--port", "0"],
        ["chat", "demo", "-p", "hi", "--image", "picture.png"],
        ["chat", "demo", "-p", "hi", "--rung", "nonsense"],
    ],
)
def test_what_cannot_be_done_is_one_sentence(home, words):
    folder = resources() / "demo_model"
    status, out, err = run(home, *[folder if word == "FOLDER" else word for word in words])
    assert (status, out) == (1, ""), err
    assert len(err.strip().splitlines()[-1]) > 20
    assert (folder / "model.safetensors").is_file()


def test_a_data_folder_that_cannot_be_written(home, tmp_path):
    (tmp_path / "file").write_text("")
    status, out, err = run(tmp_path / "file" / "home", "chat", "demo", "-p", "hi")
    assert (status, out) == (1, "") and "file" in err.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_served(home):
    with start(home, "serve", "demo", "--port", 0) as process:
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if "Ctrl-C" in line:
                    break
            url = re.search(r"http://127\.0\.0\.1:\d+", "".join(said))[0]
            with httpx.Client(base_url=url, trust_env=False, timeout=120) as client:
                models, health = client.get("/v1/models").json(), client.get("/health").json()
                body = {"messages": [{"role": "user", "content": "What is VRAM?"}]}
                answers = [client.post("/v1/chat/completions", json=body).json() for _ in range(2)]
                picture = {
                    "type": "image_url",
                    "image_url": {"url": "data:image/gif;base64,R0lGODlhAQABAAAAACw="},
                }
                seen = {"messages": [{"role": "user", "content": [picture, {"type": "text", "text": "?"}]}]}
                refused = client.post("/v1/chat/completions", json=seen)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    assert process.returncode == 0 and "--model" not in "".join(said)
    assert [model["id"] for model in models["data"]] == ["demo"] and health["model"]["name"] == "demo"
    texts = {answer["choices"][0]["message"]["content"] for answer in answers}
    assert len(texts) == 1 and "graphics card" in texts.pop() and answers[0]["model"] == "demo"
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "no_vision"


@pytest.mark.skipif(os.name == "nt", reason="a terminal of Windows is another")
def test_in_a_terminal_it_chats(home):
    """A pseudo terminal: the check, then a conversation with the demo until Ctrl-D."""
    import pty

    ours, its = pty.openpty()
    try:
        with start(home, stdin=its) as process:
            os.close(its)
            os.write(ours, b"What is VRAM?\n\x04")
            out, err = process.communicate(timeout=120)
    finally:
        os.close(ours)
    assert process.returncode == 0, err
    assert "graphics card" in out and "Go on with:" in out and "Ask it for example" in err
