"""States of the phone step for tests.gui.render. Screens, replies and numbers in them are made up."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw
from PySide6.QtWidgets import QDialog, QWidget

from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.core.phone_actions import read_step
from autoglm_desktop.core.protocol import Proof, Usage
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.core.rungs import PhoneStep, RungPlan
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.phone.controller import PhoneController
from autoglm_desktop.gui.phone.dialog import PhoneDialog
from autoglm_desktop.gui.phone.view import PhoneView
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.usecases.phone_step import Result, Written
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session, SessionState
from autoglm_desktop.usecases.targets import Target

Until = Callable[[Callable[[], bool]], None]
TARGET = Target("made: AutoGLM-Phone-9B Q4_K_M", Path("made.gguf"))
SEEING = Proof("llama.cpp", "made", projector="gpu glm4v F16", context=10_240)
PLAN = RungPlan("gguf-gpu", phone_step=PhoneStep(3_354, 2_000, 0, 150), phone_step_s=14.0)
READY = SessionState("ready", TARGET, plan=PLAN, proof=SEEING)
BLIND = SessionState("ready", TARGET, plan=PLAN, proof=Proof("llama.cpp", "made", context=4_096))
FAR = Endpoint("made", "made: lab server", "https://models.example.org/v1", "autoglm-phone-9b")
TASK = "打开设置里的深色模式"
THOUGHT = "made: 现在在设置的首页，要找到“显示”这一项，它在列表的第四行。"


def write_screen(path: Path, width: int = 540, height: int = 1200) -> Path:
    """A made-up screenshot: a list of settings."""
    image = Image.new("RGB", (width, height), "#eef1f6")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width, height // 12), fill="#3b5bdb")
    for row in range(8):
        top = height // 9 + row * height // 10
        pen.rounded_rectangle((20, top, width - 20, top + height // 12), 16, fill="white")
        pen.ellipse((40, top + 20, 100, top + 80), fill=("#f08c00", "#2f9e44", "#e03131", "#1971c2")[row % 4])
        pen.rectangle((130, top + 36, 130 + (row * 67) % 200 + 120, top + 60), fill="#adb5bd")
    image.save(path)
    return path


class Stand:
    """The view over a session that is not run."""

    def __init__(self, bridge: Bridge, home: Path, until: Until) -> None:
        services = create_services(home)
        self.bridge, self.until, self.home, self.library = bridge, until, home, services.library
        self.session = SessionModel(bridge, Session(services, prepare))
        self.pictures = Pictures(services)
        self.session._show(READY)
        day = datetime.date(2026, 11, 21)
        self.controller = PhoneController(
            bridge, self.session, self.pictures, lambda target: target, lambda: day, lambda: 0.0
        )
        self.view = PhoneView(bridge, self.session, self.controller)
        until(lambda: bool(self.view.parts.prompt.text.text()))

    def chosen(self) -> Stand:
        self.controller.choose(write_screen(self.home / "screen.png"))
        self.until(lambda: self.controller.preview is not None)
        self.view.parts.task.setPlainText(TASK)
        return self

    def answered(self, reply: str, finish: str = "stop") -> Stand:
        self.chosen()
        step = read_step(reply)
        self.controller.result = Result(step, reply, 13.4, 9.1, 3.2, Usage(2_900, 96, 0, 0, 817), finish)
        self.controller.changed.emit()
        return self


def reply(action: str) -> str:
    return f"<think>{THOUGHT}</think>\n<answer>{action}"


def running(stand: Stand, written: Written | None) -> None:
    stand.chosen()
    stand.controller._begun = -7.0
    stand.controller._job = object()  # type: ignore[assignment]
    assert stand.controller.preview is not None
    stand.controller.shown, stand.controller.written = stand.controller.preview.prepared, written
    stand.controller.changed.emit()


def blind(stand: Stand) -> None:
    stand.chosen()
    stand.session._show(BLIND)


def no_model(stand: Stand) -> None:
    stand.session._show(SessionState())


def refused(stand: Stand) -> None:
    stand.controller.error = TargetError("picture_unknown", path="/made/some file.txt")
    stand.controller.changed.emit()


def stopped(stand: Stand) -> None:
    stand.chosen()
    stand.controller.stopped = True
    stand.controller.written = Written(f"<think>{THOUGHT}", 31, thinking=True)
    stand.controller.changed.emit()


ACTIONS = {
    "tap": 'do(action="Tap", element=[420,466])',
    "sensitive": 'do(action="Tap", element=[930,985], message="made: 将要支付 25 元")',
    "double-tap": 'do(action="Double Tap", element=[60,40])',
    "long-press": 'do(action="Long Press", element=[700,300])',
    "swipe": 'do(action="Swipe", start=[500,800], end=[520,250])',
    "type": 'do(action="Type", text="made: a longer text, 很长的一段文字，\nwith a second line and “quotes”")',
    "finish": 'finish(message="made: 深色模式已经打开。")',
    "unknown": 'do(action="Shake", times=3)',
}
CUT = '<think>made: I look for it.</think>\n<answer>do(action="Tap", element=[420,1466])\nand then I would look again'


def phone_states(until: Until) -> dict[str, Callable[[Bridge, Path], QWidget]]:
    """Name → how to build the view."""

    def state(arrange: Callable[[Stand], object]) -> Callable[[Bridge, Path], QWidget]:
        def build(bridge: Bridge, home: Path) -> QWidget:
            stand = Stand(bridge, home, until)
            arrange(stand)
            return stand.view

        return build

    def dialog(bridge: Bridge, home: Path) -> QDialog:
        stand = Stand(bridge, home, until)
        made = PhoneDialog(bridge, stand.session, stand.pictures, stand.library)
        made.controller.choose(write_screen(home / "screen.png", 1080, 2400))
        until(lambda: made.controller.preview is not None and bool(made.view.parts.prompt.text.text()))
        made.view.parts.prompt.set_opened(True)
        return made

    return {
        "phone-empty": state(lambda stand: None),
        "phone-no-model": state(no_model),
        "phone-chosen": state(Stand.chosen),
        "phone-looking": state(lambda stand: running(stand, None)),
        "phone-thinking": state(lambda stand: running(stand, Written("made", 31, thinking=True))),
        **{
            f"phone-{name}": state(lambda stand, text=text: stand.answered(reply(text)))  # type: ignore[misc]
            for name, text in ACTIONS.items()
        },
        "phone-unreadable": state(lambda stand: stand.answered(CUT)),
        "phone-stopped": state(stopped),
        "phone-blind": state(blind),
        "phone-refused": state(refused),
        "phone-remote": state(lambda stand: stand.controller.answer_by(FAR)),
        "phone-dialog": dialog,
    }
