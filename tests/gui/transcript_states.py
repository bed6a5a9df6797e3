"""States of the transcript with pictures and actions for tests.gui.render. All in them is made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw
from PySide6.QtWidgets import QVBoxLayout, QWidget

from autoglm_desktop.core.phone_actions import read_action
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.transcript.answer_steps import step_of
from autoglm_desktop.gui.transcript.entry import Entry, Part, Shown
from autoglm_desktop.gui.transcript.transcript import Transcript
from autoglm_desktop.i18n import _
from tests.gui.phone_states import ACTIONS, THOUGHT, write_screen

Until = Callable[[Callable[[], bool]], None]
FOOTER = "96 tokens · 8.3 tokens/s · first token 9.1 s"


def act() -> tuple[tuple[str, str], ...]:
    return (("copy", _("Copy")), ("again", _("Try again")))


class Stand:
    """A transcript in a window of its own."""

    def __init__(self, bridge: Bridge, home: Path, until: Until) -> None:
        self.bridge, self.home, self.until = bridge, home, until
        self.window = QWidget()
        self.transcript = Transcript(bridge=bridge)
        column = QVBoxLayout(self.window)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.transcript)
        self.window.resize(1104, 756)

    def screen(self, name: str = "screen.png", width: int = 1080, height: int = 2400) -> Shown:
        path = write_screen(self.home / f"{width}x{height}.png", width, height)
        return Shown(path, width, height, name, 3_354)

    def photo(self, name: str = "garden.jpg", width: int = 1600, height: int = 1200) -> Shown:
        image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
        pen = ImageDraw.Draw(image)
        pen.ellipse((width // 3, height // 4, width * 2 // 3, height * 3 // 4), fill="#2f9e44")
        image.save(self.home / f"{width}x{height}.jpg")
        return Shown(self.home / f"{width}x{height}.jpg", width, height, name, 2_508)

    def show(self, *entries: Entry) -> Stand:
        self.transcript.show_entries(entries)
        for _round in range(3):
            self.window.grab()
            self.until(lambda: not self.transcript.thumbnails.busy)
        return self

    def step(self, key: int, written: str, picture: Shown | None, said: str = "") -> Entry:
        reply = f"{said}<answer>{written}"
        step = step_of(reply, f"{said}\n{written}".strip(), picture)
        assert step is not None, written
        parts = (Part("thinking", THOUGHT, 3.2), Part("text", f"{said}\n{written}".strip()))
        return Entry(key, "assistant", parts[-1].text, FOOTER, actions=act(), parts=parts, step=step)

    def asked(self, key: int, text: str, *pictures: Shown) -> Entry:
        return Entry(key, "user", text, actions=(("edit", _("Edit")),), pictures=pictures)


def tap(stand: Stand) -> None:
    screen = stand.screen()
    stand.show(stand.asked(1, "打开设置里的深色模式", screen), stand.step(2, ACTIONS["tap"], screen))


def actions(stand: Stand, *names: str) -> None:
    screen, entries = stand.screen("screen.png", 540, 1200), []
    for number, name in enumerate(names):
        entries.append(stand.asked(2 * number + 1, "", screen))
        entries.append(stand.step(2 * number + 2, ACTIONS[name], screen))
    stand.show(*entries)


def written(stand: Stand) -> None:
    tap(stand)
    stand.transcript.act("written", 2)
    stand.transcript.act("think", 2)
    stand.transcript.focus_entry(2)


def without_picture(stand: Stand) -> None:
    """The question before has none; one that says something before its action."""
    stand.show(
        stand.asked(1, "And now, from memory?"),
        stand.step(2, ACTIONS["swipe"], None),
        stand.asked(3, "Say why, too."),
        stand.step(
            4,
            ACTIONS["finish"],
            None,
            "made: The dark mode is **on** already, so there is nothing left to do.",
        ),
        stand.asked(5, 'What does do(action="Tap", element=[1, 2]) mean?'),
        Entry(
            6,
            "assistant",
            'made: `do(action="Tap", element=[1, 2])` asks for a tap near the upper left corner.',
            FOOTER,
        ),
    )


def pictures(stand: Stand) -> None:
    stand.show(
        stand.asked(
            1, "Which of these is the newest, and what has changed since?\n哪一张是最新的？",
            stand.screen(), stand.photo(),
            stand.screen("a very long name of a file that nobody would type.png", 540, 1200),
            stand.photo("wide.jpg", 2400, 300), stand.photo("small.png", 48, 30),
        ),
        Entry(2, "assistant", "made: The **first** one. It shows the settings of 2026.", FOOTER, actions=act()),
        stand.asked(3, "", stand.photo()),
        Entry(4, "assistant", "made: A green circle on a grey ground.", FOOTER, actions=act()),
    )  # fmt: skip


def missing(stand: Stand) -> None:
    gone = Shown(stand.home / "gone.png", 1080, 2400, "gone.png", 3_354)
    damaged = stand.home / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n made, and no picture")
    hostile = Shown(damaged, 1600, 1200, "damaged\u202egnp.exe")
    stand.show(
        stand.asked(1, "What is on these?", gone, hostile, stand.photo("good.jpg")),
        stand.step(2, ACTIONS["tap"], gone),
    )  # fmt: skip


def reading(stand: Stand) -> None:
    """Before any picture is decoded: nothing will move."""
    stand.transcript.thumbnails._bridge = None
    stand.transcript.show_entries([stand.asked(1, "Which of these?", stand.screen(), stand.photo())])


def viewer(stand: Stand, zoom: str = "fit") -> None:
    tap(stand)
    stand.transcript.show_picture(2)
    view = found(stand)
    stand.until(lambda: view.area.image is not None)
    if zoom == "full":
        stand.window.show()
        view._change_zoom(None)


def viewer_of_many(stand: Stand) -> None:
    stand.show(stand.asked(1, "Which?", stand.photo(), stand.screen(), stand.photo("wide.jpg", 2400, 300)))
    stand.transcript.show_picture(1, 0)
    stand.until(lambda: found(stand).area.image is not None)


def viewer_of_nothing(stand: Stand) -> None:
    stand.show(stand.asked(1, "Which?", Shown(stand.home / "gone.png", 1080, 2400, "gone.png")))
    stand.transcript.show_picture(1, 0)
    stand.until(lambda: "gone" in found(stand).message.text())


def found(stand: Stand):  # type: ignore[no-untyped-def]
    from autoglm_desktop.gui.transcript.picture_viewer import PictureViewer

    return stand.window.findChild(PictureViewer)


def transcript_states(until: Until) -> dict[str, Callable[[Bridge, Path], QWidget]]:
    """Name → how to build the transcript."""

    def state(arrange: Callable[[Stand], object]) -> Callable[[Bridge, Path], QWidget]:
        def build(bridge: Bridge, home: Path) -> QWidget:
            stand = Stand(bridge, home, until)
            arrange(stand)
            return stand.window

        return build

    assert all(read_action(text) for text in ACTIONS.values())
    return {
        "transcript-tap": state(tap),
        "transcript-swipe": state(lambda stand: actions(stand, "tap", "swipe")),
        "transcript-type": state(lambda stand: actions(stand, "long-press", "type")),
        "transcript-written": state(written),
        "transcript-no-picture": state(without_picture),
        "transcript-pictures": state(pictures),
        "transcript-missing": state(missing),
        "transcript-reading": state(reading),
        "transcript-viewer": state(viewer),
        "transcript-viewer-full": state(lambda stand: viewer(stand, "full")),
        "transcript-viewer-many": state(viewer_of_many),
        "transcript-viewer-missing": state(viewer_of_nothing),
    }
