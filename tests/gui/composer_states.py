"""States of the composer for tests.gui.render. Pictures, models and numbers in them are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.core.protocol import Proof
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.core.rungs import DeviceMemory, PhoneStep, RungPlan
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.chat import greetings, vision_notice
from autoglm_desktop.gui.chat.notice_card import NoticeCard
from autoglm_desktop.gui.composer.attachment_values import Item
from autoglm_desktop.gui.composer.attachments import Attachments
from autoglm_desktop.gui.composer.composer import Composer
from autoglm_desktop.gui.theme import GAP
from autoglm_desktop.gui.transcript.column import centred
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases.archive import Archive
from autoglm_desktop.usecases.session import SessionState
from autoglm_desktop.usecases.targets import Target
from tests.gui.phone_states import write_screen

Until = Callable[[Callable[[], bool]], None]
TARGET = Target("made: AutoGLM-Phone-9B Q4_K_M", Path("made.gguf"))
GIB = 2**30
PLAN = RungPlan(
    "gguf-gpu", "Q4_K_M", context=8_192, image_s=6.0, prompt_tokens_per_s=900.0,
    phone_step=PhoneStep(3_354, 2_000, 0, 150), memory={"gpu:0": DeviceMemory(5 * GIB, 320 * 2**20)},
)  # fmt: skip
QUESTION = "这两张截图有什么不同？ What has changed between these two?"
LINE = "made: a line of a protocol, 第一行，with 12 numbers and a word or two\n"


class Stand(QFrame):
    """A composer at the lower edge of a pane, with what it needs, and a card above it."""

    def __init__(self, bridge: Bridge, home: Path, until: Until) -> None:
        super().__init__()
        self.setObjectName("chatPane")
        self.until, self.home = until, home
        self.archive = Archive(Conversations(home / "conversations.sqlite3"))
        opened: list[object] = []
        bridge.submit(lambda _report: self.archive.open(), opened.append)
        until(lambda: bool(opened))
        self.attachments = Attachments(bridge, self.archive)
        self.attachments.set_plan(PLAN, 6_000)
        self.composer = Composer()
        self.composer.set_attachments(self.attachments)
        self.composer.set_room(8_192, 6_100)
        self.card = NoticeCard()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 2 * GAP)
        column.setSpacing(0)
        column.addStretch(1)
        column.addWidget(self.card)
        column.addLayout(centred(self.composer))
        self.state()

    def state(self, *, ready: bool = True, busy: bool = False) -> None:
        self.composer.set_state(
            ready=ready,
            busy=busy,
            stopping=False,
            hint=greetings.hint(busy, None),
            placeholder=greetings.placeholder(TARGET.name),
        )

    def give(self, *paths: Path) -> None:
        self.attachments.give(paths)
        self.until(lambda: self.attachments.ready)

    def screen(self, name: str, width: int = 1080, height: int = 2400) -> Path:
        return write_screen(self.home / name, width, height)

    def wide(self) -> Path:
        path = self.home / "一张名字很长的横向图片，窄的地方放不下 a wide picture with a long name.jpg"
        Image.linear_gradient("L").resize((1600, 900)).convert("RGB").save(path)
        return path


def one(stand: Stand) -> None:
    stand.give(stand.screen("Screenshot_2026-11-21.png", 540, 1200))
    stand.composer.set_text("Where do I turn on dark mode?")


def two(stand: Stand) -> None:
    stand.give(stand.screen("first.png"), stand.wide())
    stand.composer.set_text(QUESTION)


def many(stand: Stand) -> None:
    stand.give(*(stand.screen(f"step {number}.png", 540 + 20 * number, 1200) for number in range(6)))
    stand.attachments.set_scale(1, 300)


def shared(stand: Stand) -> None:
    stand.attachments.set_plan(PLAN, 4_100)
    stand.give(stand.screen("first.png"), stand.screen("second.png", 1080, 2200))
    stand.composer.set_text(QUESTION)


def no_room(stand: Stand) -> None:
    stand.attachments.set_plan(PLAN, 40)
    stand.give(stand.screen("first.png"))


def refused(stand: Stand) -> None:
    broken, text = stand.home / "broken.png", stand.home / "notes.txt"
    broken.write_bytes(stand.screen("whole.png").read_bytes()[:900])
    text.write_text("made")
    others = [stand.home / f"notes {number}.txt" for number in range(3)]
    for other in others:
        other.write_text("made")
    stand.give(stand.screen("first.png"), broken, text, *others)


def animation(stand: Stand) -> None:
    path = stand.home / "moving.gif"
    frames = [Image.new("RGB", (320, 240), shade) for shade in ("#3b5bdb", "#f08c00")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    stand.give(path)
    stand.give(path)


def reading(stand: Stand) -> None:
    stand.attachments.items = (Item(0, "large photo.jpg"),)
    stand.attachments.changed.emit()


def unknown_cost(stand: Stand) -> None:
    stand.attachments.set_plan(None, None)
    stand.give(stand.screen("first.png"))


def asked(stand: Stand) -> None:
    stand.composer.set_text("Sum this up:")
    stand.composer._paste(LINE * 70_000)


def folded(stand: Stand) -> None:
    stand.give(stand.screen("first.png"))
    stand.composer.set_room(131_072, 120_000)
    stand.composer.set_text("Sum this up, and say what the screenshot has to do with it:")
    stand.composer._paste(LINE * 600)
    stand.composer._paste(LINE * 3_000)


def focused(stand: Stand) -> None:
    two(stand)

    def focus() -> None:
        stand.window().activateWindow()
        stand.composer.strip.tiles()[0].setFocus()

    stand.showEvent = lambda _event: focus()  # type: ignore[method-assign,assignment]


def busy(stand: Stand) -> None:
    one(stand)
    stand.state(ready=False, busy=True)


def long_text(stand: Stand) -> None:
    stand.give(stand.screen("first.png"))
    stand.composer.set_text(LINE * 30)


def menu(stand: Stand) -> None:
    one(stand)

    def popup() -> None:
        made = stand.composer.strip.size_menu(stand.attachments.items[0].key)
        assert made is not None
        made.setParent(stand)  # drawn inside the picture
        made.adjustSize()
        link = stand.composer.strip.tiles()[0].link
        made.move(link.mapTo(stand, QPoint(0, link.height())) - QPoint(0, 200))
        made.show()

    stand.showEvent = lambda _event: popup()  # type: ignore[method-assign,assignment]


def notice(
    state: SessionState, seeing: Target | TargetError | None, remote: Endpoint | None = None
) -> Callable[[Stand], None]:
    def arrange(stand: Stand) -> None:
        one(stand)
        stand.card.show_notice(vision_notice.notice_for(state, seeing, remote, pictures=True))

    return arrange


BLIND = SessionState("ready", TARGET, plan=PLAN, proof=Proof("llama.cpp", "made", context=4_096))
ARRANGED: dict[str, Callable[[Stand], None]] = {
    "empty": lambda stand: None,
    "one": one,
    "two": two,
    "many": many,
    "shared": shared,
    "no-room": no_room,
    "refused": refused,
    "animation": animation,
    "reading": reading,
    "unknown-cost": unknown_cost,
    "asked": asked,
    "folded": folded,
    "focused": focused,
    "busy": busy,
    "long": long_text,
    "menu": menu,
    "blind": notice(BLIND, TARGET),
    "no-part": notice(
        BLIND,
        TargetError("vision_part_to_pull", name=TARGET.name, model="zai-org/AutoGLM-Phone-9B:Q4_K_M"),
    ),
    "text-model": notice(BLIND, TargetError("vision_none", name="made: GLM-4-9B")),
    "no-model": notice(SessionState(), None),
    "remote": notice(BLIND, None, Endpoint("1", "made: server", "https://example.org/v1", "made")),
}


def composer_states(until: Until) -> dict[str, Callable[[Bridge, Path], QWidget]]:
    """Name → how to build the pane."""

    def state(arrange: Callable[[Stand], None]) -> Callable[[Bridge, Path], QWidget]:
        def build(bridge: Bridge, home: Path) -> QWidget:
            stand = Stand(bridge, home, until)
            arrange(stand)
            return stand

        return build

    return {f"composer-{name}": state(arrange) for name, arrange in ARRANGED.items()}
