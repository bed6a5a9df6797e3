"""``pull`` as a person uses it: a process of its own, against hubs on this machine."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop.store import manifest
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from tests.e2e.test_terminal import ROOT, example, same_shape
from tests.fakes.fake_hub import FakeHub, Fault
from tests.fakes.fake_hub_faults import Drop, Silence, Stall, Status, gated

REPO = "made/模型-GGUF"
PLAIN = "made/Some-Model-9B-GGUF"
MIB = 1024 * 1024


def made_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


BIG = made_bytes(6 * MIB)
OTHER = made_bytes(3 * MIB, 2)
README = b"# made\n"


def environment(home, hub, **more):
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_API_TOKEN"):
        kept.pop(name, None)
    return {
        **kept,
        "AUTOGLM_HOME": str(home),
        "AUTOGLM_LANG": "en",
        "AUTOGLM_ONLY_OWN": "1",
        "HF_ENDPOINT": hub.url if hub is not None else "http://127.0.0.1:9",
        "HF_HOME": str(home / "no-login"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def start(home, hub, *words, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "autoglm_desktop", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(home, hub, **more),
    )


def run(home, hub, *words, **more):
    with start(home, hub, *words, **more) as process:
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    log = home / "logs" / "autoglm-desktop.log"
    assert not log.exists() or "Traceback" not in log.read_text(encoding="utf-8")
    return process.returncode, out, err


def no_control_characters(text):
    return all(char == "\n" or char.isprintable() for char in text)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "数据 home"


def one_quantisation(**more):
    return FakeHub({PLAIN: {"Some-Model-9B.Q4_K_M.gguf": BIG, "README.md": README}}, **more)


def two_quantisations(**more):
    files = {"Some-Model-9B.Q4_K_M.gguf": BIG, "Some-Model-9B.Q2_K.gguf": OTHER, "README.md": README}
    return FakeHub({PLAIN: files}, **more)


def test_all_files_of_a_repository_with_one_quantisation(home):
    with one_quantisation() as hub:
        status, out, err = run(home, hub, "pull", PLAIN)
    folder = home / "models" / "made" / "Some-Model-9B-GGUF"
    assert status == 0, err
    assert (folder / "Some-Model-9B.Q4_K_M.gguf").read_bytes() == BIG
    assert (folder / "README.md").read_bytes() == README
    assert "2 files, 6 MiB" in err and str(folder) in err and "Hugging Face" in err
    assert out.count("\n") == 1 and "is complete" in out
    assert no_control_characters(err + out)
    assert not list(folder.glob("*.part*"))


def test_the_same_again_fetches_nothing(home):
    with one_quantisation() as hub:
        assert run(home, hub, "pull", PLAIN)[0] == 0
        hub.forget()
        status, out, _err = run(home, hub, "pull", PLAIN)
        assert status == 0 and "is complete" in out
        assert [one for one in hub.asked if one.path is not None] == []


def test_what_is_complete_needs_no_network(home):
    with two_quantisations() as hub:
        assert run(home, hub, "pull", f"{PLAIN}:Q4_K_M")[0] == 0
    status, out, err = run(home, None, "pull", f"{PLAIN}:Q4_K_M")
    assert status == 0, err
    assert "is complete" in out


def tiny(folder, *kinds):
    """name → bytes of real, tiny GGUF files."""
    found = {}
    for kind in kinds:
        write_tiny_glm4(folder / "made.gguf", layers=6, hidden=512, weight_type=kind)
        found[f"Some-Model-9B.{kind}.gguf"] = (folder / "made.gguf").read_bytes()
    return found


def test_json_is_one_document_as_documented(home, tmp_path):
    files = tiny(tmp_path, "Q4_K_M")
    (data,) = files.values()
    with FakeHub({PLAIN: {**files, "README.md": README}}) as hub:
        status, out, err = run(home, hub, "pull", PLAIN, "--json")
    found = json.loads(out)
    assert status == 0
    same_shape(found, example("pull"))
    big = next(file for file in found["files"] if file["path"].endswith(".gguf"))
    assert big["sha256"] == hashlib.sha256(data).hexdigest()
    assert big["verified"] == "sha256" and big["fetched_bytes"] >= len(data)
    outlook = found["outlook"]
    assert outlook["plan"]["basis"]["memory"] in ("header", "dry_run") and outlook["problem"] is None
    assert f"On this machine: {outlook['headline']}" in err
    assert found["commit"] == hub.repos[PLAIN].head and found["repo"] == PLAIN


def test_several_quantisations_are_listed_and_none_is_fetched(home):
    with two_quantisations() as hub:
        status, out, err = run(home, hub, "pull", PLAIN)
        assert status == 2
        assert "Q4_K_M  6 MiB" in err and "Q2_K  3 MiB" in err and out == ""
        assert f"pull {PLAIN}:Q2_K" in err
        status, out, _err = run(home, hub, "pull", PLAIN, "--json")
        assert status == 2
        same_shape(json.loads(out), example("pull-variants"))
        assert hub.of("Some-Model-9B.Q2_K.gguf") == [], "one header is to tell of all"
    assert not (home / "models").exists()


def test_of_several_quantisations_one_is_recommended(home, tmp_path):
    with FakeHub({PLAIN: tiny(tmp_path, "Q4_K_M", "Q8_0")}) as hub:
        status, out, _err = run(home, hub, "pull", PLAIN, "--json")
        found = json.loads(out)
        assert status == 2
        same_shape(found, example("pull-variants"))
        assert found["recommended"] in ("Q4_K_M", "Q8_0")
        status, out, err = run(home, hub, "pull", PLAIN)
        assert (status, out) == (2, "") and err.count("recommended on this machine") == 1
        assert f"pull {PLAIN}:{found['recommended']}" in err
    assert not (home / "models").exists()


def test_how_it_will_run_is_said_before_the_download_begins(home, tmp_path):
    name = "Some-Model-9B.Q4_K_M.gguf"
    with FakeHub({PLAIN: tiny(tmp_path, "Q4_K_M")}) as hub:
        status, out, err = run(home, hub, "pull", PLAIN)
        assert status == 0 and "is complete" in out
        said = err.index("On this machine: It ")
        assert (
            err.index("Some-Model-9B-GGUF Q4_K_M: 1 file") < said < err.index("It takes ") < err.index("% · ")
        )
        assert no_control_characters(err)
        hub.forget()
        (home / "models" / PLAIN / name).unlink()
        assert run(home, hub, "pull", PLAIN)[0] == 0
        assert hub.sent(name) == len(next(iter(tiny(tmp_path, "Q4_K_M").values()))), "the header is kept"


def test_a_header_that_cannot_be_read_does_not_keep_the_download(home):
    with one_quantisation() as hub:
        status, out, err = run(home, hub, "pull", PLAIN)
    assert status == 0 and "is complete" in out
    assert "How it would run here is not known" in err and "is no GGUF file" in err


def test_one_of_several_is_fetched_alone(home):
    with two_quantisations() as hub:
        assert run(home, hub, "pull", f"{PLAIN}:q2_k")[0] == 0
        assert hub.sent("Some-Model-9B.Q4_K_M.gguf") == 0
    folder = home / "models" / "made" / "Some-Model-9B-GGUF"
    assert (folder / "Some-Model-9B.Q2_K.gguf").read_bytes() == OTHER


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_ctrl_c_is_a_pause_and_the_same_command_goes_on(home, number):
    name = "Some-Model-9B.Q4_K_M.gguf"
    big = made_bytes(40 * MIB, 5)
    with FakeHub({PLAIN: {name: big}}, [Fault(Stall(2 * MIB), path=name, times=None, skip=2)]) as hub:
        with start(home, hub, "pull", PLAIN) as process:
            assert hub.stalled.wait(60)
            process.send_signal(getattr(signal, number))
            out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert err.splitlines()[-1].startswith("Paused at ") and "the same command goes on" in err
        assert "Traceback" not in err and out == "" and no_control_characters(err)
        part = home / "models" / "made" / "Some-Model-9B-GGUF" / f"{name}.part"
        assert part.exists()
        (unfinished,) = json.loads(run(home, hub, "models", "--json")[1])["unfinished"]
        assert unfinished["done_bytes"] > 0
        hub.faults.clear()
        hub.forget()
        status, _out, err = run(home, hub, "pull", PLAIN)
        assert status == 0, err
        assert "still to fetch" in err
        assert hub.sent(name) <= len(big) - unfinished["done_bytes"] + MIB
    assert (part.parent / name).read_bytes() == big and not part.exists()


def test_into_exactly_this_folder(home, tmp_path):
    folder = tmp_path / "下载 here"
    with one_quantisation() as hub:
        assert run(home, hub, "pull", PLAIN, "--dir", folder)[0] == 0
    assert (folder / "Some-Model-9B.Q4_K_M.gguf").read_bytes() == BIG
    known = manifest.read(folder)
    assert known is not None and known.repo == PLAIN and len(known.files) == 2


def test_from_an_address(home):
    with one_quantisation() as hub:
        status, _out, err = run(home, None, "pull", PLAIN, "--source", hub.url)
    assert status == 0, err
    assert hub.url in err


def test_from_a_folder_on_a_disk(home, tmp_path):
    usb = tmp_path / "USB 盘" / "made" / "Some-Model-9B-GGUF"
    usb.mkdir(parents=True)
    (usb / "Some-Model-9B.Q4_K_M.gguf").write_bytes(BIG)
    status, _out, err = run(home, None, "pull", PLAIN, "--source", usb.parents[1])
    assert status == 0, err
    assert "Only the size could be checked" in err
    assert (home / "models/made/Some-Model-9B-GGUF/Some-Model-9B.Q4_K_M.gguf").read_bytes() == BIG


def test_no_proxy_stands_before_this_machine(home):
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9")
    with one_quantisation() as hub:
        status, _out, err = run(home, hub, "pull", PLAIN, NO_PROXY="", no_proxy="", **proxies)
    assert status == 0, err


def test_a_connection_that_drops_is_survived(home):
    with one_quantisation(faults=[Fault(Drop(MIB), path="*.gguf", times=3)]) as hub:
        status, _out, err = run(home, hub, "pull", PLAIN)
    assert status == 0, err


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_ctrl_c_while_the_source_says_nothing(home, number):
    silence = Fault(Silence(), at="listing", times=None)
    with one_quantisation(faults=[silence]) as hub, start(home, hub, "pull", PLAIN, "--json") as process:
        assert hub.stalled.wait(60)
        process.send_signal(getattr(signal, number))
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "Paused; the same command goes on." and "Traceback" not in err
    assert not (home / "models").exists()


def test_what_changed_between_pause_and_resume_starts_anew_and_it_is_said(home):
    name = "Some-Model-9B.Q4_K_M.gguf"
    with one_quantisation(faults=[Fault(Status(503), path="*.gguf", times=None, skip=1)]) as hub:
        part = home / "models" / PLAIN / f"{name}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(BIG[:MIB].ljust(len(BIG), b"\0"))
        journal = {"schema": 1, "size": len(BIG), "sha256": hashlib.sha256(BIG).hexdigest(), "git_sha1": None}
        journal |= {"commit": None, "block_bytes": MIB, "done": [[0, 1]], "kept": {}}
        part.with_name(f"{name}.part.json").write_text(json.dumps(journal), encoding="utf-8")
        hub.faults.clear()
        hub.publish(PLAIN, {name: OTHER + b"new"})
        status, _out, err = run(home, hub, "pull", PLAIN)
    assert status == 0, err
    assert "has changed at its source" in err
    assert (part.parent / name).read_bytes() == OTHER + b"new" and not part.exists()


def test_the_address_of_a_page_is_understood(home):
    with two_quantisations() as hub:
        status, _out, err = run(home, None, "pull", f"{hub.url}/{PLAIN}/blob/main/Some-Model-9B.Q2_K.gguf")
        assert status == 0, err
        assert hub.sent("Some-Model-9B.Q4_K_M.gguf") == 0
        status, out, err = run(home, hub, "pull", f"https://huggingface.co/{PLAIN}/tree/main")
        assert (status, out) == (2, "") and f"pull {PLAIN}:Q2_K" in err
        assert run(home, hub, "pull", f" hf.co/{PLAIN}:Q2_K ", "--source", "HuggingFace")[0] == 0


def test_an_empty_folder_is_not_this_folder(home):
    """``--dir "$DIR"`` of a script that forgot to set it."""
    with one_quantisation() as hub:
        status, out, err = run(home, hub, "pull", PLAIN, "--dir", "")
        assert (status, out) == (2, "") and "--dir" in err and hub.asked == []


def test_a_file_of_somebody_else_is_left_alone(home, tmp_path):
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with one_quantisation() as hub:
        status, _out, err = run(home, hub, "pull", PLAIN, "--dir", tmp_path)
    assert status == 1 and str(tmp_path / "README.md") in err
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["pull", "nonsense"], "neither a file nor a known model"),
        (["pull", "autoglm-phone"], "autoglm-phone-9b-multilingual"),
        (["pull", "a/b/c"], "owner/name"),
        (["pull", "../x/y"], "owner/name"),
        (["pull", "owner/"], "owner/name"),
        (["pull", "模型/名字"], "模型/名字"),
        (["pull", "made/one GGUF"], "made/one GGUF"),
        (["pull", "a" * 5000], "a…"),
        (["pull", "made/" + "a" * 5000], "…"),
        (["pull", "https://huggingface.co/"], "neither a file nor a known model"),
        (["pull", ""], "neither a file nor a known model"),
        (["pull", "autoglm-phone-9b:NOPE"], "has no variant NOPE"),
        (["pull", f"{PLAIN}:NOPE"], "Q2_K"),
        (["pull", PLAIN, "--source", "nope"], "There is no source nope"),
        (["pull", PLAIN, "--source", "/no/such/folder"], "There is no folder"),
        (["pull", PLAIN, "--source", "ftp://x"], "ftp://x"),
        (["pull", PLAIN, "--source", "http://user:secret@127.0.0.1"], "password"),
        (["pull", "made/gone"], "made/gone"),
    ],
)
def test_bad_input_is_one_sentence(home, words, part):
    with two_quantisations() as hub:
        status, out, err = run(home, hub, *words)
    assert status == 1 and out == "" and no_control_characters(err)
    assert part in err and "secret" not in err and len(err) < 1000
    assert not (home / "models").exists()


def test_gated_says_what_to_do(home):
    with one_quantisation(faults=[gated(at="listing")]) as hub:
        hub.faults.clear()
        hub.faults.add(gated(at="listing"))
        status, _out, err = run(home, hub, "pull", PLAIN)
    assert status == 1
    assert "accept" in err and "HF_TOKEN" in err


def test_a_server_in_trouble_is_said(home):
    with one_quantisation(faults=[Fault(Status(503), at="listing", times=None)]) as hub:
        status, _out, err = run(home, hub, "pull", PLAIN)
    assert status == 1 and "503" in err


@pytest.mark.skipif(
    os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write all"
)
def test_a_folder_that_cannot_be_written(home, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    with one_quantisation() as hub:
        status, _out, err = run(home, hub, "pull", PLAIN, "--dir", folder)
    assert status == 1 and str(folder) in err


def test_a_file_where_the_folder_should_be(home, tmp_path):
    folder = tmp_path / "a file"
    folder.write_text("x", encoding="utf-8")
    with one_quantisation() as hub:
        status, _out, err = run(home, hub, "pull", PLAIN, "--dir", folder)
    assert status == 1 and str(folder) in err


def test_updates_are_asked_for_and_only_the_changed_file_is_fetched(home):
    with two_quantisations() as hub:
        target = f"{PLAIN}:Q2_K"
        assert run(home, hub, "pull", target)[0] == 0
        status, out, _err = run(home, hub, "models", "--check-updates")
        assert status == 0 and "Up to date" in out
        hub.publish(PLAIN, {"Some-Model-9B.Q4_K_M.gguf": BIG, "Some-Model-9B.Q2_K.gguf": BIG[: 2 * MIB]})
        status, out, _err = run(home, hub, "models", "--check-updates", "--json")
        update = json.loads(out)["updates"][0]
        same_shape(json.loads(out), example("models-check-updates"))
        assert update["have_commit"] != update["newest_commit"] == hub.repos[PLAIN].head
        assert run(home, hub, "pull", target)[0] == 0
    path = home / "models/made/Some-Model-9B-GGUF/Some-Model-9B.Q2_K.gguf"
    assert path.read_bytes() == BIG[: 2 * MIB]
    known = manifest.read(path.parent)
    assert known is not None and known.commit == update["newest_commit"]


def test_help_names_the_sources(home):
    status, out, _err = run(home, None, "pull", "--help")
    assert status == 0 and "modelscope" in out and Path(ROOT).exists()
