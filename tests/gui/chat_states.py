"""States of the chat tab for tests.gui.render. Conversations, models and numbers in them are made up."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import Progress
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.chat import words
from autoglm_desktop.gui.chat.answer_stream import Answering
from autoglm_desktop.gui.chat.page import ChatPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.gui.transcript.entries import entry
from autoglm_desktop.gui.transcript.entry import Part
from autoglm_desktop.host.install import InstallProgress
from autoglm_desktop.host.supervisor import Step, Try
from autoglm_desktop.store.conversation_file import Opening
from autoglm_desktop.store.conversations import Conversation, Conversations, Facts
from autoglm_desktop.usecases.chat import Asked
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session, SessionState
from autoglm_desktop.usecases.targets import Target

Until = Callable[[Callable[[], bool]], None]
NAME = "AutoGLM-Phone-9B Q4_K_M"
QUESTION = "What does quantising a model do?\n能用中文也说一遍吗？"
ANSWER = """## Fewer bits for each weight
Quantising stores weights with **fewer bits**, so that a model needs less memory. 量化用更少的位数保存权重，
占用的内存更少，精度会损失一点。See [the format](https://example.org/gguf) and `ggml_type`.

| Type | Bits per weight | Size |
|---|---|---|
| Q8_0 | 8.5 | 9.3 GiB |
| Q4_K_M | 4.8 | 5.7 GiB |

```python
def quantise(weights):
    scale = max(abs(w) for w in weights) / 7
    return [round(w / scale) for w in weights], scale
```

1. Take a block of 32 weights
2. Find its scale
   - one per block
3. Round

> Published guides speak of 3–8 % loss at 4 bits.
"""
CODE = """Two ways, in the order in which I would try them:
```python
class Model:
    \"\"\"made: weights that can be
    quantised.\"\"\"

    def bits(self, count: int = 4) -> str:
        return f"{count} bits"  # for each weight
```
- with `jq`:
  ```sh
  curl -s https://example.org/made.json | jq '.size / 1024'   # GiB
  ```
- or by hand

```diff
- bits = 8
+ bits = 4
```
"""
HOSTILE = """<script>alert("made")</script> and <b>bold</b> and <img src="http://example.org/1.png">

![a picture](https://example.org/pixel.png), [run this](javascript:alert(1)), [https://bank.example](https://example.org/x)

A file named \u202egnp.exe\u202c, \u2066isolated\u2069; עברית and العربية in between.

```html
<p class="made">text</p> <!-- \u202e -->
```

`"""
HOSTILE += "x" * 130 + "`\n\n| a wide | table |\n|---|---|\n| " + "words " * 30 + "| `code` |\n"
TITLES = (
    ("What does quantising a model do?", 0.0),
    ("给手机省电的三种办法", 0.1),
    ("A very long title that cannot be shown whole in a list as narrow as this one is", 1.2),
    ("Reply to the meeting", 4.0),
    ("Regular expressions for dates", 20.0),
    ("旅行计划", 75.0),
)
FACTS = Facts(NAME, "gguf-cpu-safe", 212, 5.31, 1.84)
CRASH = Try("gguf-cpu", "crashed", "SIGSEGV: made: in the first decode", 0.41)


class Stand:
    """A chat page over a file of made-up conversations."""

    def __init__(self, bridge: Bridge, home: Path, until: Until, *, filled: bool = True) -> None:
        self.until = until
        services = create_services(home)
        self.session = SessionModel(bridge, Session(services, prepare))
        path = home / "conversations.sqlite3"
        if filled:
            fill(path)
        self.page = ChatPage(bridge, services, self.session, Conversations(path))
        self.page.start()
        until(lambda: self.page.conversations.is_open)
        if filled:
            until(lambda: bool(self.page.conversations.all))

    def state(self, phase: str, **values: object) -> Stand:
        self.session._show(SessionState(phase, Target(NAME, Path("made.gguf")), **values))  # type: ignore[arg-type]
        return self

    def open(self) -> Stand:
        """Open the newest conversation."""
        rows = self.page.parts.list.list
        rows.setCurrentIndex(rows.model().index(1, 0))
        self.until(lambda: bool(self.page.controller.messages))
        return self


def fill(path: Path) -> None:
    now, offset = time.time(), [0.0]
    store = Conversations(path, lambda: now - offset[0] * 86_400)
    store.open()
    for title, days in reversed(TITLES):
        offset[0] = days
        talk = store.create(title)
        store.append(talk.id, "user", QUESTION if title.startswith("What") else title)
        answer = store.append(talk.id, "assistant", "")
        store.finish(answer.id, ANSWER, "stop", FACTS)
    store.close()


def ready(stand: Stand) -> None:
    stand.state("ready", plan=RungPlan("gguf-cpu-safe"))


def streaming(stand: Stand) -> None:
    ready(stand)
    stand.state("generating", plan=RungPlan("gguf-cpu-safe"))
    controller = stand.page.controller
    talk = controller.current
    assert isinstance(talk, Conversation)
    question, answer = controller.messages[-2:]
    controller.messages = controller.messages[:-2]
    controller._stream.answering = Answering(talk, "")
    controller._stream._event(Asked(talk, question, answer))
    controller.answering.parts.append(ANSWER[:560])
    controller.began.emit()
    controller.busy_changed.emit()


def showing(text: str, focused: bool = False) -> Callable[[Stand], None]:
    """The last answer is this text, with thinking before it."""

    def arrange(stand: Stand) -> None:
        ready(stand)
        controller, transcript = stand.page.controller, stand.page.parts.transcript
        last = controller.messages[-1]
        question = entry(controller.messages[-2], last=False, busy=False, can=frozenset(("edit", "delete")))
        shown = entry(dataclasses.replace(last, text=text), last=True, busy=False, can=frozenset(("delete",)))
        thought = Part("thinking", "Which of them is shorter?\nThe first.", 12.4)
        parts = (thought, Part("text", text))
        transcript.show_entries([question, dataclasses.replace(shown, parts=parts, version=2, versions=3)])
        if focused:
            transcript.act("think", shown.key)
            transcript.setFocus()
            transcript.focus_entry(shown.key)
        stand.until(lambda: not transcript.colouriser.busy)

    return arrange


def died(stand: Stand) -> None:
    ready(stand)
    store = stand.page.controller
    last = store.messages[-1]
    store.messages = (
        store.messages[0],
        type(last)(last.id, last.conversation, last.role, ANSWER[:230], last.created, FACTS, "failed"),
    )
    store.messages_changed.emit()
    store.failed.emit(EngineError("engine_died", kind="crashed", detail="SIGSEGV: made", rung="gguf-cpu"))


def dropped(stand: Stand) -> None:
    ready(stand)
    controller = stand.page.controller
    last = controller.messages[-1]
    facts = Facts(NAME, "gguf-cpu-safe", 1024, 5.31, 1.84, 3)
    controller.messages = (
        controller.messages[0],
        type(last)(last.id, last.conversation, last.role, ANSWER[:230], last.created, facts, "length"),
    )
    controller.messages_changed.emit()


def loading(stand: Stand) -> None:
    step = Step(RungPlan("gguf-cpu-safe"), Progress("load", 0.42))
    stand.state("loading", step=step, tries=(CRASH,))


def installing(stand: Stand) -> None:
    stand.state("installing", install=InstallProgress("build", None, "[137/412] ggml-cpu/repack.cpp"))


def failed(stand: Stand) -> None:
    error = EngineError("no_rung_worked", path="/made/folder/made.gguf", detail="made: out of memory")
    tries = (CRASH, Try("gguf-cpu-safe", "out_of_memory", "made: cannot allocate 5.7 GiB", 2.31))
    stand.state("failed", error=error, tries=tries)


def fell_back(stand: Stand) -> None:
    stand.state("ready", plan=RungPlan("gguf-cpu-safe"), tries=(CRASH,))


def damaged(stand: Stand) -> None:
    ready(stand)
    opening = Opening("set_aside", Path("/made/home/conversations.damaged-20261121-024000.sqlite3"))
    stand.page.parts.opening.show_notice(words.opening_notice(opening))
    stand.page.parts.composer.set_text("A message of\nseveral lines\nthat is being written")


def chat_states(until: Until) -> dict[str, Callable[[Bridge, Path], ChatPage]]:
    """Name → how to build the page."""

    def state(
        arrange: Callable[[Stand], object], *, filled: bool = True, opened: bool = True
    ) -> Callable[[Bridge, Path], ChatPage]:
        def build(bridge: Bridge, home: Path) -> ChatPage:
            stand = Stand(bridge, home, until, filled=filled)
            if opened and filled:
                stand.open()
            arrange(stand)
            return stand.page

        return build

    return {
        "chat-empty": state(lambda stand: None, filled=False),
        "chat-new": state(ready, opened=False),
        "chat-answer": state(ready),
        "chat-streaming": state(streaming),
        "chat-code": state(showing(CODE)),
        "chat-thought": state(showing(CODE, focused=True)),
        "chat-hostile": state(showing(HOSTILE)),
        "chat-died": state(died),
        "chat-dropped": state(dropped),
        "chat-loading": state(loading, opened=False),
        "chat-installing": state(installing, filled=False),
        "chat-failed": state(failed),
        "chat-fell-back": state(fell_back),
        "chat-damaged": state(damaged, opened=False),
    }
