"""``chat -p`` where the engine dies in the middle of the answer."""

import argparse
import asyncio

import pytest

from autoglm_desktop import cli_chat
from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.store import gguf_tiny
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
    with pytest.raises(EngineError, match="engine_died"):
        asyncio.run(cli_chat.run(options))
    said = capsys.readouterr().out
    assert said.strip() and said.endswith("\n")
