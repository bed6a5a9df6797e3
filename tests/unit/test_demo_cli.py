"""The demo in the terminal: what is said of it, where it steps in, and where it is missing."""

import argparse
import asyncio
import dataclasses
import json
import sys
from types import SimpleNamespace

import pytest

from autoglm_desktop import cli_chat, cli_models, cli_parser, cli_welcome, i18n
from autoglm_desktop.core import demo
from autoglm_desktop.core.errors import AppError, EngineError
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.texts import demo as texts
from autoglm_desktop.usecases.demo import BestHere
from tests.fakes.fake_services import made_prepare, made_services
from tests.fakes.made_demo import made_demo
from tests.gui.made_checks import MACHINES, made_check

BEST = BestHere("autoglm-phone-9b", "AutoGLM-Phone-9B", "Q4_K_M", "runs", 7_900_000_000, False)


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.delenv("AUTOGLM_COMMAND", raising=False)
    before = i18n.language()
    i18n.set_language("en")
    yield
    i18n.set_language(before)


@pytest.fixture
def began(tmp_path, monkeypatch):
    """Makes services with a fake engine in a mode, a demo (or none) and perhaps a model, and starts commands there."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))

    def begin(mode="ok", *args, there=True, model=False, refuse=()):
        services = made_services(tmp_path / "家 home", mode, *args)
        services.library.demo = made_demo(tmp_path) if there else None
        if model:
            (services.library.models / "made").mkdir(parents=True)
            write_tiny_glm4(services.library.models / "made" / "tiny.gguf")

        async def prepare(services, target, wishes):
            if target.is_demo in refuse or target.file.stem in refuse:
                raise EngineError("nothing_fits", reason=None)
            return dataclasses.replace(await made_prepare(services, target, wishes), apart=target.is_demo)

        for module in (cli_chat, cli_welcome, cli_models):
            monkeypatch.setattr(module, "create_services", lambda: services)
        monkeypatch.setattr(cli_chat, "prepare", prepare)
        return services

    return begin


def chat(*words):
    options = cli_parser.build_parser().parse_args(["chat", *words])
    return asyncio.run(cli_chat.run(options))


def test_one_question(began, capsys):
    services = began("ok", "--tokens", 5)
    assert chat("demo", "-p", "hi") == 0
    said = capsys.readouterr()
    assert said.out.strip() and "demo" not in said.out and said.err.startswith(texts.told())
    assert "for example" not in said.err
    assert not (services.home / "state" / "measurements.json").exists() and services.crashes.all() == ()


def test_one_document(began, capsys):
    began("ok", "--tokens", 5)
    assert chat("DEMO", "-p", "hi", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["target"] == "demo"


def test_a_conversation_begins_with_what_to_ask(began, capsys, monkeypatch):
    began("ok", "--tokens", 5)

    async def lines(*, interactive):
        yield "hi"

    monkeypatch.setattr(cli_chat, "_lines", lines)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert chat("demo") == 0
    assert "Ask it for example: Can my PC run AutoGLM-Phone-9B? · What is VRAM?" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["crash-load", "crash-generate"])
def test_its_crash_is_kept_apart(began, mode):
    services = began(mode)
    with pytest.raises(EngineError):
        chat("demo", "-p", "hi")
    crashes = services.crashes.all()
    assert crashes and all(crash.file == crash.seen_with for crash in crashes)


# Without display


def welcome():
    return asyncio.run(cli_welcome.run(argparse.Namespace()))


def test_with_no_model_the_demo_answers_the_sample_question(began, capsys):
    began("ok", "--tokens", 5)
    assert welcome() == 0
    said = capsys.readouterr()
    question = said.out.index("A question to the demo")
    assert cli_welcome.SAMPLE_QUESTION in said.out[question:]
    assert said.out.index("AutoGLM-Phone-9B") < question < said.out.index("Go on with:")
    assert "autoglm-desktop chat demo " in said.out and "autoglm-desktop import FILE" in said.out
    assert said.err.count(texts.told()) == 1


def test_an_installed_model_goes_first(began, capsys):
    began("ok", "--tokens", 500, model=True)
    assert welcome() == 0
    said = capsys.readouterr()
    assert "A question to made" in said.out and "demo" not in said.out and texts.told() not in said.err
    assert "autoglm-desktop chat FILE" in said.out


def test_the_demo_steps_in_where_the_installed_model_cannot(began, capsys):
    began("ok", "--tokens", 5, model=True, refuse=(False,))
    assert welcome() == 0
    said = capsys.readouterr()
    assert said.out.index("A question to made") < said.out.index("A question to the demo")
    assert "autoglm-desktop chat FILE" in said.out


def test_a_smaller_model_goes_before_the_demo_where_the_largest_cannot(began, capsys):
    services = began("ok", "--tokens", 5, model=True, refuse=("tiny",))
    write_tiny_glm4(services.library.models / "made" / "smaller.gguf", layers=1)
    assert welcome() == 0
    said = capsys.readouterr()
    assert said.out.count("A question to") == 2 and "the demo" not in said.out


@pytest.mark.parametrize("interactive", [False, True])
@pytest.mark.parametrize("model", [False, True])
def test_where_nothing_can_run_it_is_said_and_how_to_go_on(began, capsys, monkeypatch, interactive, model):
    began(model=model, refuse=(False, True))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: interactive))
    assert welcome() == 1
    said = capsys.readouterr()
    assert "Go on with:" in said.out and ("autoglm-desktop chat FILE" in said.out) == model
    lines = said.err.strip().splitlines()
    assert len(lines) == 3 + interactive, (
        "no display; what the demo is, and what to ask it; why neither can, once"
    )


def test_with_neither_model_nor_demo_it_says_how_to_go_on(began, capsys):
    began(there=False)
    assert welcome() == 0
    out = capsys.readouterr().out
    assert "A question" not in out and "chat demo" not in out and "autoglm-desktop models" in out


def test_in_a_terminal_the_demo_chats_and_then_it_says_how_to_go_on(began, capsys, monkeypatch):
    began("ok", "--tokens", 5)

    async def lines(*, interactive):
        yield "hi"

    monkeypatch.setattr(cli_chat, "_lines", lines)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert welcome() == 0
    said = capsys.readouterr()
    assert "A question" not in said.out and "Ask it for example" in said.err
    assert (
        said.out.splitlines()[-1].lstrip().startswith("autoglm-desktop models ") and "Go on with:" in said.out
    )


def test_a_models_folder_that_is_gone_is_told(began, capsys, tmp_path):
    services = began("ok", "--tokens", 5)
    services.library.models = tmp_path / "unplugged"
    assert welcome() == 0
    assert "is its disk connected?" in capsys.readouterr().err


def test_in_a_terminal_an_installed_model_chats_and_nothing_follows(began, capsys, monkeypatch):
    began("ok", "--tokens", 5, model=True)

    async def lines(*, interactive):
        yield "hi"

    monkeypatch.setattr(cli_chat, "_lines", lines)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert welcome() == 0
    assert "Go on with:" not in capsys.readouterr().out


def test_how_to_go_on_names_the_model_for_this_machine_as_one_types_it(monkeypatch):
    text = cli_welcome.how_to_go_on(False, demo=True, best=BEST)
    (line,) = [line for line in text.splitlines() if "pull" in line]
    assert line.split("  ")[1] == "autoglm-desktop pull autoglm-phone-9b:Q4_K_M"
    assert "AutoGLM-Phone-9B Q4_K_M (7.4 GiB)" in line
    monkeypatch.setenv("AUTOGLM_COMMAND", "python3 launch.py")
    for have_model in (False, True):
        text = cli_welcome.how_to_go_on(have_model, demo=True, best=BEST)
        assert "python3 launch.py " in text and "autoglm-desktop" not in text
        places = {line.index("  ", 2) for line in text.splitlines() if line.startswith("  ")}
        assert places, "commands are told from what they do"


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_what_it_advises_is_what_the_window_advises_and_can_be_had(machine, tmp_path):
    services = made_services(tmp_path / "home")
    found = made_check(MACHINES[machine](), services)
    best = cli_welcome._to_pull(found)
    if best is not None:
        subject = next(one for one in found.subjects if one.subject.id == best.model)
        assert subject.source(best.variant) is not None and not best.installed
    text = cli_welcome.how_to_go_on(False, demo=True, best=best)
    assert ("autoglm-desktop pull" in text) == (best is not None)


# Lists and helps


def test_models_has_a_line_of_it_that_is_no_file(began, capsys):
    services = began()
    run = cli_parser.build_parser().parse_args
    assert asyncio.run(cli_models.models(run(["models"]))) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "autoglm-desktop chat demo" in line]
    assert "MiB" in line or "KiB" in line
    assert "No model file is on this machine yet." in lines
    assert asyncio.run(cli_models.models(run(["models", "--json"]))) == 0
    document = json.loads(capsys.readouterr().out)
    folder = services.library.demo.folder
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert document["demo"] == {"name": demo.NAME, "path": str(folder), "size_bytes": size}
    assert document["files"] == []


def test_models_without_it_says_nothing_of_it(began, capsys):
    began(there=False)
    run = cli_parser.build_parser().parse_args
    asyncio.run(cli_models.models(run(["models"])))
    assert "chat demo" not in capsys.readouterr().out
    asyncio.run(cli_models.models(run(["models", "--json"])))
    assert json.loads(capsys.readouterr().out)["demo"] is None


@pytest.mark.parametrize("command", ["chat", "serve"])
def test_the_help_of_what_runs_models_names_it(command, capsys):
    with pytest.raises(SystemExit):
        cli_parser.build_parser().parse_args([command, "--help"])
    assert "or demo" in " ".join(capsys.readouterr().out.split())


def test_a_picture_is_refused_before_anything_loads(began, tmp_path):
    began("crash-load")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(AppError) as told:
        chat("demo", "-p", "hi", "--image", str(tmp_path / "a.png"))
    assert not isinstance(told.value, EngineError)
