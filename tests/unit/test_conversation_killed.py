"""The program dies in the middle of an answer: what was saved is there, whole, and the file is sound."""

import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop.store.conversations import Conversations

from .conversation_writer import QUESTION, text_of

ROOT = Path(__file__).resolve().parents[2]
WRITER = [sys.executable, "-m", "tests.unit.conversation_writer"]


def killed(path, lines, tokens_per_s=300.0, save_every_s=0.02):
    """Let the writer go until it has said ``lines`` lines, kill it, and return all it said until it was dead."""
    command = [*WRITER, str(path), str(tokens_per_s), str(save_every_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8") as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _number in range(lines)]
        writer.kill()
        said += writer.stdout.read().split("\n")[:-1]  # the last line may be cut
    return [line.split() for line in said]


@pytest.mark.parametrize("lines", [1, 7, 40, 93, 210])
def test_what_was_saved_survives_a_kill(tmp_path, lines):
    path = tmp_path / "conversations.sqlite3"
    said = killed(path, lines)
    shown = max(int(line[1]) for line in said if line[0] == "shown")
    saved = max((int(line[1]) for line in said if line[0] == "saved"), default=0)
    store = Conversations(path)
    assert store.open().kind == "fine"
    assert store.rows("PRAGMA integrity_check") == [("ok",)] and store.rows("PRAGMA foreign_key_check") == []
    question, answer = store.messages(store.all()[0].id)
    assert question.text == QUESTION and answer.finish_reason is None
    kept = answer.text.count(" ")
    assert answer.text == text_of(kept), "a whole number of tokens"
    assert saved <= kept <= shown + 1
    store.close()
