"""``chat``: what is said where a question or its answer fails."""

import argparse
import asyncio
import sys
from types import SimpleNamespace

import pytest

from autoglm_desktop import cli, cli_chat, cli_parser
from autoglm_desktop.core.errors import AppError, EngineError
from autoglm_desktop.core.protocol import Message, Sampling
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.texts import errors
from tests.fakes.fake_services import made_prepare, made_services


def test_what_was_said_ends_its_line_before_the_sentence_on_stderr(tmp_path, monkeypatch, capsys):
    model = tmp_path / "made.gguf"
    gguf_tiny.write_tiny_glm4(model)
    services = made_services(tmp_path / "home", "crash-generate", 2)
    monkeypatch.setattr(cli_chat, "create_services", lambda: services)
    monkeypatch.setattr(cli_chat, "prepare", made_prepare)
    options = argparse.Namespace(
        prompt="hi", target=str(model), image=None, rung=None, context=None, max_tokens=8, json=False
    )
    with pytest.raises(EngineError, match="engine_died") as told:
        asyncio.run(cli_chat.run(options))
    assert "ask again" in errors.text(told.value) and "next message" not in errors.text(told.value)
    said = capsys.readouterr().out
    assert said.strip() and said.endswith("\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chat", "x", "--json"], "--json needs -p"),
        (["chat", "x", "--context", "255"], "256 tokens"),
        (["serve", "x", "--context", "255"], "256 tokens"),
        (["serve", "x", "--batch-size", "0"], "1 to 64 answers"),
        (["serve", "x", "--batch-size", "65"], "1 to 64 answers"),
        (["serve", "x", "--batch-size", "x"], "1 to 64 answers"),
        (["serve", "x", "--port", "-1"], "0 to 65535"),
        (["serve", "x", "--port", "65536"], "0 to 65535"),
        (["serve", "x", "--port", "http"], "0 to 65535"),
    ],
)
def test_what_cannot_work_is_a_usage_error(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.setenv("AUTOGLM_HOME", str(tmp_path / "home"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["--lang", "en", *words])
    assert ended.value.code == 2 and said in capsys.readouterr().err
    cli_parser.build_parser().parse_args(["chat", "x", "--context", "256"])


def test_a_picture_without_room_is_said_and_the_conversation_goes_on(monkeypatch, capsys):
    class Picture:
        async def message(self, session, text, reply_tokens):
            if text == "too long":
                raise AppError("picture_no_room", tokens=512)
            return Message("user", text)

    async def ask(session, messages, sampling, **_):
        asked.append([message.content for message in messages])
        return cli_chat.Answer("fine")

    async def lines(*, interactive):
        for line in ("too long", "hi"):
            yield line

    asked = []
    monkeypatch.setattr(cli_chat, "ask", ask)
    monkeypatch.setattr(cli_chat, "_lines", lines)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert asyncio.run(cli_chat._conversation(None, Sampling(), Picture())) == 0
    assert asked == [["hi"]] and "no room for a picture" in capsys.readouterr().err
