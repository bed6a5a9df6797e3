"""The states of the window that ``tests.gui.render`` draws: name → what builds it. Engines are fake, machines made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QWidget

from autoglm_desktop.core.errors import EngineError, Reason
from autoglm_desktop.core.measured_age import Outdated
from autoglm_desktop.core.protocol import Progress
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.chat.page import ChatPage
from autoglm_desktop.gui.contents import Contents
from autoglm_desktop.gui.downloads_model import DownloadsModel
from autoglm_desktop.gui.main_window import MainWindow
from autoglm_desktop.gui.models.page import ModelsPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.gui.system.page import SystemPage
from autoglm_desktop.host.environments import Record
from autoglm_desktop.host.install import InstallProgress
from autoglm_desktop.host.supervisor import Step, Try
from autoglm_desktop.store.conversations import Conversations, Facts
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.usecases.check import CheckResult
from autoglm_desktop.usecases.measure import Step as MeasureStep
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import Services
from autoglm_desktop.usecases.session import Session, SessionState
from autoglm_desktop.usecases.targets import Target, of_local
from tests.fakes.fake_downloads import FakeActions, FakeQueue
from tests.gui import download_states, running_states
from tests.gui.card_states import CHECKS
from tests.gui.chat_more_states import chat_more_states
from tests.gui.chat_states import chat_states
from tests.gui.composer_states import composer_states
from tests.gui.demo_states import demo_states
from tests.gui.engine_states import engine_states
from tests.gui.list_states import list_states
from tests.gui.made_checks import MACHINES, checker, made_check, made_services
from tests.gui.phone_states import phone_states
from tests.gui.remote_states import remote_states
from tests.gui.service_states import service_states
from tests.gui.transcript_states import transcript_states

PATIENCE_MS = 20_000
ANSWER = """made: **What a model file holds**

1. the *header*: names, sizes and the tokenizer,
2. the weights, as `Q4_K_M` in blocks of 256.

| type | bits per weight |
|---|---|
| Q8_0 | 8.5 |
| Q4_K_M | 4.9 |

```python
def size(parameters: int, bits: float) -> float:
    return parameters * bits / 8
```

中文与 English 混排，也要清楚。"""


@dataclass(frozen=True)
class Stage:
    """What a state is built with; ``last`` is done on the loop before it ends."""

    bridge: Bridge
    home: Path
    last: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)


State = Callable[[Stage], QWidget]


def until(done: Callable[[], bool]) -> None:
    """Run Qt's loop until something is so."""
    loop, poll = QEventLoop(), QTimer()
    late = QTimer(singleShot=True, interval=PATIENCE_MS)
    late.timeout.connect(loop.quit)
    late.start()
    poll.timeout.connect(lambda: done() and loop.quit())
    poll.start(10)
    if not done():
        loop.exec()
    if not done():
        raise TimeoutError("the state was not reached")


def system(machine: str, wish: str | None = None) -> State:
    def build(stage: Stage) -> QWidget:
        page = SystemPage(stage.bridge, made_services(stage.home), checker(MACHINES[machine]()))
        if wish is not None:
            page.verdict.wish_picked.emit(wish)
        else:
            page.start()
        until(lambda: page.result is not None)
        page.all_checks.toggle.click()
        return page

    return build


def system_found(found: Callable[[Services], CheckResult]) -> State:
    """A finished check, its details unfolded."""

    def build(stage: Stage) -> QWidget:
        services = made_services(stage.home)

        async def check(*_arguments: object) -> CheckResult:
            return found(services)

        page = SystemPage(stage.bridge, services, check)
        page.start()
        until(lambda: page.result is not None)
        for tile in page.tiles.values():
            if not tile.more_button.isHidden():
                tile.more_button.click()
        if not page.help_card.costs_button.isHidden():
            page.help_card.costs_button.click()
        return page

    return build


def system_rich(act: Callable[[SystemPage], None] = lambda _page: None) -> State:
    """All that probes and measurements tell, brought into a state by ``act``."""

    def build(stage: Stage) -> QWidget:
        check = checker(MACHINES["rich"](), measured=True)
        page = SystemPage(stage.bridge, made_services(stage.home), check, work=endless)
        page.start()
        until(lambda: page.result is not None and page.again_button.isEnabled())
        act(page)
        return page

    return build


async def endless(services, machine, subject, variants, tell, *_parts):  # type: ignore[no-untyped-def]
    """Measuring that is under way."""
    tell(MeasureStep("model", 0.55, "gpu:0", "Q4_K_M"))
    await asyncio.Event().wait()


def unfolded(page: SystemPage) -> None:
    """Every fold is open."""
    for tile in page.tiles.values():
        if tile.content.more:
            tile.more_button.click()
    for card in (page.all_checks, page.tuning):
        card.toggle.click()
    for shown in list(page.ladder.detail_buttons.values())[:2]:
        shown.click()


def measuring(page: SystemPage) -> None:
    page.measuring.ask()
    page.measuring.dialog.do_button.click()
    until(lambda: "GPU" in page.measure_card.step.text())


def not_measured(page: SystemPage) -> None:
    page.measure_card.show_failures(
        (("memory", Reason.of("memory_too_short")), ("cpu", Reason.of("machine_busy")))
    )


def outdated(page: SystemPage) -> None:
    """The driver was updated since, and the engine is another build."""
    gpu = "NVIDIA GeForce RTX 4060"
    changed = Reason.of("measured_with_another_driver", gpu=gpu, before="551.23", now="560.35.03")
    page.measure_card.show_known(None, (Outdated(changed, 1_763_700_000.0),))
    page.ensureWidgetVisible(page.measure_card)


def system_consent(stage: Stage) -> QWidget:
    page = system_rich()(stage)
    page.measuring.ask()
    dialog = page.measuring.dialog
    dialog.page = page  # it lives as long as its dialog
    return dialog


def system_checking(stage: Stage) -> QWidget:
    return SystemPage(stage.bridge, made_services(stage.home))


def models(
    machine: str | None,
    *,
    files: bool = False,
    state: str = "",
    act: Callable[[ModelsPage], None] = lambda _page: None,
    asks: bool = False,
) -> State:
    """The page for a machine; ``act`` brings it into a state. ``asks``: the picture is the dialog that follows."""

    def build(stage: Stage) -> QWidget:
        services = made_services(stage.home)
        if files:
            made_files(services)
        session = SessionModel(stage.bridge, Session(services, prepare))
        downloads = DownloadsModel(stage.bridge, FakeQueue())
        made = FakeActions(stage.home)
        page = ModelsPage(stage.bridge, services, session, downloads, actions=made.actions())
        if machine is not None:
            page.set_check(made_check(MACHINES[machine](), services))
        else:
            page.refresh()
        until(lambda: page.listed is not None)
        if state == "refusals":
            page.add([stage.home / "no such file.gguf", stage.home / "broken.gguf"])
            until(lambda: len(page.notices.shown) == 2)
        elif state == "dragged":
            page.drop.set_active(True)
        elif state:
            first = next(row.entry.local for row in page.rows if row.entry.refusal is None)
            error = EngineError("no_rung_worked", path=str(first.path), detail="made: out of memory")
            session._show(SessionState(state, of_local(first), error=error if state == "failed" else None))
        act(page)
        if asks:
            until(lambda: (page.fetching.dialog or page.disk.dialog) is not None)
            dialog = page.fetching.dialog or page.disk.dialog
            dialog.page = page  # it lives as long as its dialog
            return dialog
        return page

    return build


def made_files(services: Services) -> None:
    """A file in the folder, an added one with a long name, a damaged one."""
    services.library.models.mkdir(parents=True)
    write_tiny_glm4(services.library.models / "made-tiny.gguf")
    folder = services.home / "一个名字很长的文件夹 with a long name, as downloads folders sometimes have them"
    folder.mkdir()
    other = folder / "made-long-name-of-a-file-that-somebody-quantised-and-renamed-several-times-Q4_0.gguf"
    write_tiny_glm4(other, weight_type="Q4_0")
    services.library.add(other)
    whole = (services.library.models / "made-tiny.gguf").read_bytes()
    (services.library.models / "cut off.gguf").write_bytes(whole[:100_000])
    (services.home / "broken.gguf").write_bytes(b"no GGUF at all")


STATES: dict[str, State] = {
    "system-checking": system_checking,
    **{f"system-{name}": system(name) for name in MACHINES},
    "system-gaming-text": system("gaming", "text"),
    "system-unfolded": system_rich(unfolded),
    "system-measuring": system_rich(measuring),
    "system-not-measured": system_rich(not_measured),
    "system-outdated": system_rich(outdated),
    "system-consent": system_consent,
    **{f"system-{name}": system_found(found) for name, found in CHECKS.items()},
    "models-unchecked": models(None),
    "models-empty": models("gaming"),
    "models-files": models("laptop", files=True),
    "models-small": models("small", files=True),
    "models-large": models("large"),
    "models-refusals": models("laptop", files=True, state="refusals"),
    "models-dragged": models("laptop", state="dragged"),
    "models-loading": models("laptop", files=True, state="loading"),
    "models-ready": models("laptop", files=True, state="ready"),
    "models-failed": models("laptop", files=True, state="failed"),
}


STATES.update({name: models("gaming", act=act) for name, act in download_states.ON_EMPTY.items()})
STATES.update({name: models("laptop", files=True, act=act) for name, act in download_states.ON_FILES.items()})
STATES.update(
    {name: models("laptop", files=True, act=act, asks=True) for name, act in download_states.DIALOGS.items()}
)


def window(
    page: int, *engine: object, act: Callable[[Contents], None] = lambda _contents: None, files: bool = True
) -> State:
    """The whole window on a page, over the fake engine in a mode; ``act`` brings it into the state. ``files``: a model
    is installed."""

    def build(stage: Stage) -> QWidget:
        services = made_services(stage.home, *engine)
        services.library.models.mkdir(parents=True)
        if files:
            write_tiny_glm4(services.library.models / "made-tiny.gguf")
        made_history(services)
        session = Session(services, prepare)
        stage.last.append(session.close)
        conversations = Conversations(services.home / "conversations.sqlite3")
        frame = MainWindow()
        downloads = DownloadsModel(stage.bridge, FakeQueue())
        made = Contents(stage.bridge, services, SessionModel(stage.bridge, session), conversations, downloads)
        frame.fill(made)
        stage.last.append(made.chat.finish)
        made.system._done(made_check(MACHINES["gaming"](), services))
        until(lambda: made.models.listed is not None)
        frame.show_page(page)
        frame.show()
        act(made)
        return frame

    return build


def made_history(services: Services) -> None:
    conversations = Conversations(services.home / "conversations.sqlite3")
    conversations.open()
    for title, question, answer in (
        ("made: an older conversation", "Hello?", "made: Hello."),
        ("made: 一个标题很长的对话，在列表里放不下，所以要被截短", "你好？", "made: 你好。"),
        ("made: What a model file holds", "What does a model file hold?", ANSWER),
    ):
        conversation = conversations.create(title)
        conversations.append(conversation.id, "user", question)
        facts = Facts("made-tiny", "gguf-cpu", 128, 12.5, 0.41)
        message = conversations.append(conversation.id, "assistant", "", facts)
        conversations.finish(message.id, answer, "stop", facts)
    conversations.close()


def install(progress: InstallProgress) -> Callable[[Contents], None]:
    return lambda made: made.banner._progress(progress)


def safe_mode(made: Contents) -> None:
    made.banner._progress(InstallProgress("self_test", None, "llama-cpu"))
    services = made.models._services
    services.environments.write(Record("llama-cpu", "0.3.36", self_test="safe_mode"), own=False)
    made.banner._done(services.environments.find("llama-cpu"))


def history(made: Contents) -> None:
    until(lambda: made.chat.conversations.is_open and bool(made.chat.conversations.all))
    made.chat._open(made.chat.conversations.all[0].id)
    until(lambda: bool(made.chat.controller.messages))


def tiny(made: Contents) -> Target:
    return of_local(made.models.rows[0].entry.local)


def trying(made: Contents) -> None:
    """Half-way through loading, after a try that failed."""
    tried = Try("gguf-gpu", "out_of_memory", "made: cudaMalloc failed", 1.2)
    step = Step(RungPlan("gguf-split", "Q4_K_M"), Progress("load", 0.42))
    state = SessionState("loading", tiny(made), step=step, tries=(tried,))
    made.chat._session._show(state)


def ask(made: Contents, done: Callable[[Contents], bool]) -> None:
    """Load the tiny model and ask it something; both by the buttons that people use."""
    made.models.rows[0].act_button.click()
    until(lambda: made.chat._session.state.phase == "ready" and made.chat.conversations.is_open)
    made.chat.parts.composer.set_text("What does a model file hold?")
    made.chat.parts.composer.sent.emit(made.chat.parts.composer.text())
    until(lambda: done(made))


def answered(made: Contents) -> None:
    ask(made, lambda made: len(made.chat.controller.messages) == 2 and made.chat.controller.answering is None)


def streaming(made: Contents) -> None:
    ask(
        made,
        lambda made: made.chat.controller.live() is not None and len(made.chat.controller.live().text()) > 40,
    )


def load_failed(made: Contents) -> None:
    made.models.rows[0].act_button.click()
    until(lambda: made.chat._session.state.phase == "failed")


STATES.update(
    {
        "window-system": window(0),
        "window-downloading": window(0, act=download_states.in_window("running")),
        "window-download-failed": window(2, "ok", act=download_states.in_window("running", "full")),
        "window-installing": window(0, act=install(InstallProgress("build", 0.42, "made: ggml-cpu/ops.cpp"))),
        "window-fetching": window(0, act=install(InstallProgress("fetch", None, "made: llama_cpp_python"))),
        "window-no-compiler": window(
            0, act=lambda made: made.banner._failed(EngineError("engine_no_compiler", name="llama-cpu"))
        ),
        "window-no-engine": window(0, act=lambda made: made.banner._cancelled()),
        "window-safe-mode": window(1, "ok", act=safe_mode),
        "chat-no-model": window(2, "ok"),
        "chat-history": window(2, "ok", act=history),
        "chat-loading": window(2, "ok", act=trying),
        "chat-load-failed": window(2, "crash-load", act=load_failed),
        "chat-streaming": window(2, "ok", "--tokens", 2000, "--delay", 0.01, act=streaming),
        "chat-answered": window(2, "ok", "--reply", ANSWER, act=answered),
        "chat-died": window(2, "crash-generate", 40, act=answered),
    }
)


def chat(build_page: Callable[[Bridge, Path], ChatPage]) -> State:
    """A chat page on its own."""

    def build(stage: Stage) -> QWidget:
        page = build_page(stage.bridge, stage.home)
        stage.last.append(page.finish)
        return page

    return build


STATES.update({f"page-{name}": chat(build_page) for name, build_page in chat_states(until).items()})
STATES.update({f"page-{name}": chat(build_page) for name, build_page in chat_more_states(until).items()})


def engine_page(build_page: Callable[[Bridge, Path], QWidget]) -> State:
    return lambda stage: build_page(stage.bridge, stage.home)


STATES.update({name: engine_page(build_page) for name, build_page in engine_states(until).items()})


def details(state: SessionState) -> State:
    """The dialog behind the badge."""

    def build(stage: Stage) -> QWidget:
        frame = window(2)(stage)
        dialog = running_states.open_details(frame.contents, state)
        dialog.page = frame  # it lives as long as its dialog
        return dialog

    return build


STATES.update({name: window(page, act=act) for name, (page, act) in running_states.window_states().items()})
STATES.update(
    {
        name: window(page, "ok", "--reply", ANSWER, act=act, files="files" in name)
        for name, (page, act) in demo_states(until).items()
    }
)
STATES.update({name: details(state) for name, state in running_states.dialog_states().items()})
STATES.update({name: engine_page(build_page) for name, build_page in phone_states(until).items()})
STATES.update({name: engine_page(build_page) for name, build_page in remote_states(until).items()})
STATES.update({name: engine_page(build_page) for name, build_page in transcript_states(until).items()})
STATES.update({name: engine_page(build_page) for name, build_page in composer_states(until).items()})
STATES.update({name: engine_page(build_page) for name, build_page in list_states(until).items()})
STATES.update({name: engine_page(build_page) for name, build_page in service_states(until).items()})
