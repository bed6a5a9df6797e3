"""``chat --image`` as a person uses it: a process of its own, a real engine, a made glm4v model with its projector."""

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from tests.e2e.test_terminal import example, run, same_shape
from tests.fakes import made_glm4v


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("数据 home")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a model and its projector."""
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed in this environment (extra: llama)")
    folder = tmp_path_factory.mktemp("看图 models")
    made_glm4v.write_text(folder / "tiny.gguf")
    made_glm4v.write_projector(folder / "mmproj-tiny-F16.gguf")
    return folder


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """A folder with a screenshot of a phone, ``0.png``."""
    folder = tmp_path_factory.mktemp("截图 shots")
    noise = np.random.default_rng(0).integers(0, 256, (40, 18, 3), np.uint8)
    Image.fromarray(noise).resize((540, 1200), Image.Resampling.NEAREST).save(folder / "0.png")
    return folder


def left_over(home):
    return list((home / "cache" / "pictures").glob("pictures-*"))


def test_a_question_about_a_picture(home, models, shots):
    words = ("chat", models / "tiny.gguf", "-p", "what is this?", "--max-tokens", 12)
    status, out, err = run(home, *words, "--image", shots / "0.png")
    assert status == 0 and out.strip(), err
    assert "Picture: 532×1204, 817 tokens, scaled from 540×1200" in err
    assert "Picture" not in out
    assert left_over(home) == []


def test_the_picture_counts_in_the_document(home, models, shots):
    status, out, _ = run(
        home, "chat", models / "tiny.gguf", "-p", "?", "--image", shots / "0.png", "--max-tokens", 4, "--json"
    )
    assert status == 0
    document = json.loads(out)
    same_shape(document, example("chat-image"))
    assert document["usage"]["image_tokens"] == 817
    assert document["usage"]["prompt_tokens"] > 817
    assert document["proof"]["projector"] == "cpu glm4v F16" and document["proof"]["image_s"] is None


def test_a_small_context_shrinks_the_picture(home, models, shots):
    words = ("--max-tokens", 4, "--context", 512, "--json")
    status, out, err = run(home, "chat", models / "tiny.gguf", "-p", "?", "--image", shots / "0.png", *words)
    assert status == 0, err
    tokens = json.loads(out)["usage"]["image_tokens"]
    assert 300 < tokens < 512 and f"{tokens} tokens, scaled from 540×1200" in err


def test_a_conversation_begins_with_the_picture(home, models, shots):
    status, out, err = run(
        home,
        "chat",
        models / "tiny.gguf",
        "--image",
        shots / "0.png",
        "--max-tokens",
        4,
        text="look\nand then?\n",
    )
    assert status == 0 and err.count("Picture: ") == 1 and out.count("\n") >= 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.png", "There is no file"),
        (".", "name a picture"),
        ("text.png", "is no picture that can be read here"),
        ("half.png", "damaged or not complete"),
    ],
)
def test_what_is_no_picture_is_said_before_anything_loads(home, models, shots, tmp_path, name, said):
    (tmp_path / "text.png").write_text("<svg/>", encoding="utf-8")
    whole = (shots / "0.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    status, out, err = run(home, "chat", models / "tiny.gguf", "-p", "?", "--image", tmp_path / name)
    assert (status, out) == (1, "")
    assert said in err and len(err.strip().splitlines()) == 1, err


@pytest.mark.parametrize("lacks", ["part", "sections", "kind"])
def test_a_model_that_cannot_look_says_what_is_missing(home, models, shots, tmp_path, lacks):
    path = made_glm4v.write_text(tmp_path / "blind.gguf", sections=lacks != "sections")
    if lacks == "kind":
        made_glm4v.write_projector(tmp_path / "mmproj-blind-F16.gguf", without="clip.use_silu")
    status, out, err = run(home, "chat", path, "-p", "?", "--image", shots / "0.png")
    assert (status, out) == (1, "") and len(err.strip().splitlines()) == 1, err
    said = {"part": "put its mmproj file", "sections": "is a text model", "kind": "clip.use_silu"}
    assert said[lacks] in err and "Loading" not in err


def test_a_folder_sees_by_transformers(home, shots, tmp_path):
    pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")
    from tests.fakes import made_transformers

    folder = made_transformers.make_glm4v(tmp_path / "模型 folder")
    words = ("--max-tokens", 4, "--json", "--image", shots / "0.png")
    status, out, err = run(home, "chat", folder, "-p", "what is this?", *words)
    assert status == 0, err
    document = json.loads(out)
    assert document["rung"] == "transformers-16bit" and document["proof"]["projector"].startswith("cpu")
    assert document["usage"]["image_tokens"] == 817 and "817 tokens, scaled from 540×1200" in err


def test_what_a_crash_left_is_removed_by_the_next_command(tmp_path):
    left = tmp_path / "cache" / "pictures" / "pictures-made"
    left.mkdir(parents=True)
    (left / "secret.rgb").write_bytes(b"\0" * 100)
    assert run(tmp_path, "models")[0] == 0
    assert left_over(tmp_path) == []


def test_in_chinese(home, models, tmp_path):
    status, _, err = run(
        home, "chat", models / "tiny.gguf", "-p", "?", "--image", tmp_path, AUTOGLM_LANG="zh_CN"
    )
    assert status == 1
    assert any("一" <= character <= "鿿" for character in err.replace(str(tmp_path), ""))
