"""Resident memory of the application (its engine is another process) with a 200-message conversation open."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from autoglm_desktop.store.conversations import Conversations, Facts

from .startup import environment
from .timing import PYTHON

MESSAGES = 200
ANSWER = (
    "Here is **an answer** with some structure, 以及一些中文文字:\n\n1. First, a point with `code`.\n2. Another.\n\n"
    "```python\nfor token in engine.generate(prompt):\n    print(token)\n```\n\n"
    "| rung | memory |\n|---|---|\n| gguf-cpu | 6 GiB |\n\n"
    + "And a paragraph that goes on for a while, as answers do. "
    * 8
)
CHILD = """
import gc, json, os, sys
from PySide6.QtWidgets import QApplication
from PySide6.QtCore import QEventLoop, QTimer
import psutil
from autoglm_desktop.app import Application

def pause(until, limit_ms=20000):
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() else None)
    timer.start(50)
    QTimer.singleShot(limit_ms, loop.quit)
    loop.exec()
    assert until()

app = QApplication([])
application = Application(app)
application.show()
pause(lambda: application.window.contents is not None)
contents = application.contents
pause(lambda: contents.system.result is not None)
before = psutil.Process().memory_info().rss
application.window.show_page(2)
controller = contents.chat.controller
conversations = contents.chat.conversations
pause(lambda: conversations.is_open and conversations.all)
contents.chat._open(conversations.all[0].id)
pause(lambda: len(controller.messages) == int(sys.argv[1]))
pause(lambda: app.processEvents() is None)
print(json.dumps([before, psutil.Process().memory_info().rss]))
application.close()
"""


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as home:
        _write(Path(home))
        done = subprocess.run(
            [PYTHON, "-c", CHILD, str(MESSAGES)],
            capture_output=True,
            text=True,
            env={**os.environ, **environment(home)},
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    before, after = json.loads(done.stdout.splitlines()[-1])
    return [
        f"- after the check, chat not opened: {before / 2**20:.0f} MiB",
        f"- with a conversation of {MESSAGES} messages open ({len(ANSWER)} characters an answer): "
        f"{after / 2**20:.0f} MiB (aim: at most 200 MB)",
    ]


def _write(home: Path) -> None:
    conversations = Conversations(home / "conversations.sqlite3")
    home.mkdir(exist_ok=True)
    conversations.open()
    conversation = conversations.create("made: 200 messages")
    for number in range(MESSAGES // 2):
        conversations.append(conversation.id, "user", f"Question {number}: what does the next rung cost?")
        facts = Facts("made", "gguf-cpu", 256, 7.5, 0.4)
        conversations.append(conversation.id, "assistant", ANSWER, facts)
    conversations.close()
