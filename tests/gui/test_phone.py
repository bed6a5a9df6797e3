"""The phone step's view and the drawing of actions: over a scripted session, with real pictures."""

import asyncio
import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QRectF, Qt, QUrl
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtWidgets import QPushButton

from autoglm_desktop.core.errors import EngineError, TargetError
from autoglm_desktop.core.phone_actions import (
    Back,
    DoubleTap,
    Finish,
    LongPress,
    Place,
    Swipe,
    Tap,
    Type,
    read_step,
)
from autoglm_desktop.core.protocol import Progress, Proof
from autoglm_desktop.gui import theme
from autoglm_desktop.gui.phone import marks, sources, words
from autoglm_desktop.gui.phone.controller import PhoneController
from autoglm_desktop.gui.phone.dialog import PhoneDialog
from autoglm_desktop.gui.phone.picture import ActionPicture
from autoglm_desktop.gui.phone.view import PhoneView
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.host.supervisor import Step
from autoglm_desktop.usecases.phone_step import Written
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.session_state import SessionState
from tests.fakes.fake_services import made_services
from tests.fakes.made_phone import READY, REPLY, TARGET, LoadableSession

ON_SCREEN = [
    Tap(Place(500, 500)),
    DoubleTap(Place(0, 0)),
    LongPress(Place(999, 999)),
    Swipe(Place(500, 800), Place(500, 200)),
    Swipe(Place(3, 3), Place(3, 3)),
]
CONTROL = Qt.KeyboardModifier.ControlModifier
ELSEWHERE = [Type("hello\n" * 100), Back(), Finish("done <b>bold</b>")]


class WatchedSession(LoadableSession):
    """Also what a SessionModel asks of it."""

    def __init__(self, *pieces, **values):
        super().__init__(*pieces, state=READY, **values)

    def listen(self, listener):
        listener(self.state)
        return lambda: None

    def cancel_load(self):
        pass


@pytest.fixture
def open_view(qtbot, bridge, tmp_path):
    made = []

    def begin(*pieces, see=lambda target: target, **values):
        session = WatchedSession(*pieces, **values)
        model = SessionModel(bridge, session)
        own = Pictures(made_services(tmp_path / "数据 home"))
        controller = PhoneController(bridge, model, own, see, lambda: datetime.date(2026, 11, 21))
        view = PhoneView(bridge, model, controller)
        qtbot.addWidget(view)
        made.append((controller, own))
        view.resize(900, 600)
        view.show()
        qtbot.waitUntil(lambda: model.state.phase == "ready" and bool(view.parts.prompt.text.text()))
        return SimpleNamespace(
            view=view, parts=view.parts, controller=controller, session=session, model=model
        )

    yield begin
    for controller, own in made:
        controller.stop()
        qtbot.waitUntil(lambda controller=controller: not controller.running and not controller.reading)
        asyncio.run_coroutine_threadsafe(own.close(), bridge._loop).result(10)


@pytest.fixture
def shot(tmp_path):
    path = tmp_path / "截图.png"
    Image.new("RGB", (540, 1200), "#406080").save(path)
    return path


def offer(made, number):
    """A next step that the remark offers."""
    return made.parts.offers.itemAt(number).widget()


def chosen(qtbot, open_, shot):
    open_.controller.choose(shot)
    qtbot.waitUntil(lambda: open_.controller.preview is not None and not open_.controller.reading)
    open_.parts.task.setPlainText("打开设置")


def test_a_step_from_the_picture_to_the_drawn_action(qtbot, open_view, shot):
    made = open_view(*REPLY)
    parts = made.parts
    assert not parts.run.isEnabled() and parts.stack.currentIndex() == 0
    chosen(qtbot, made, shot)
    assert parts.stack.currentIndex() == 1 and "817" in parts.size.text()
    assert parts.run.isEnabled() and parts.task.hasFocus()
    qtbot.mouseClick(parts.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: made.controller.result is not None and not made.controller.running)
    assert parts.picture.action == Tap(Place(12, 34))
    assert parts.picture.accessibleDescription() == "Tap at 12, 34" == parts.result.action.text()
    assert parts.result.thinking.text.text() == "why so"
    assert "for this step" in parts.result.seconds.text()
    assert parts.run.isVisible() and not parts.stop.isVisible()
    (request,) = made.session.requests
    assert request[0][1].content[1]["text"] == "打开设置"


def test_another_picture_takes_the_action_with_it(qtbot, open_view, shot):
    made = open_view('do(action="Back")')
    chosen(qtbot, made, shot)
    made.view.run()
    qtbot.waitUntil(lambda: made.parts.picture.action == Back() and not made.controller.running)
    made.controller.choose(shot)
    qtbot.waitUntil(lambda: made.controller.preview is not None)
    assert made.parts.picture.action is None and made.parts.result.isHidden()


def test_a_reply_that_cannot_be_read_is_shown_as_it_is(qtbot, open_view, shot):
    made = open_view("<b>no", " action\u202e</b>")
    chosen(qtbot, made, shot)
    made.view.run()
    qtbot.waitUntil(lambda: made.controller.result is not None)
    card = made.parts.result
    assert made.parts.picture.action is None and card.action.property("role") == "warn"
    assert card.reply.opener.opened and card.reply.text.text() == "<b>no action</b>"
    assert card.reply.text.textFormat() == Qt.TextFormat.PlainText


def test_a_step_is_stopped_and_another_one_runs(qtbot, open_view, shot):
    made = open_view('do(action="Back")', held=True)
    chosen(qtbot, made, shot)
    made.view.run()
    qtbot.waitUntil(made.session.started.is_set)
    assert made.parts.stop.isVisible() and made.parts.progress.isVisible()
    qtbot.mouseClick(made.parts.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not made.controller.running)
    assert (
        made.controller.stopped and made.session.running == 0 and "Stopped" in made.parts.result.action.text()
    )
    made.session.go.set()
    made.view.run()
    qtbot.waitUntil(lambda: made.parts.picture.action == Back())


def test_an_engine_that_dies_is_said_and_can_be_put_away(qtbot, open_view, shot):
    made = open_view("<think>", EngineError("engine_died", kind="crashed", detail="made", rung="gguf-cpu"))
    chosen(qtbot, made, shot)
    made.view.run()
    qtbot.waitUntil(lambda: made.controller.error is not None and not made.controller.running)
    assert made.parts.remark.isVisible() and made.parts.run.isEnabled()
    offer(made, 0).click()
    assert made.parts.remark.isHidden()


def test_what_is_no_picture_is_said(qtbot, open_view, tmp_path):
    made = open_view()
    for source in (b"no picture", tmp_path / "none.png"):
        made.controller.choose(source)
        qtbot.waitUntil(lambda: made.controller.error is not None and not made.controller.reading)
        assert made.parts.remark.isVisible() and made.controller.preview is None
        made.controller.dismiss()


def test_a_rung_without_vision_offers_to_load_with_it(qtbot, open_view, shot):
    made = open_view()
    chosen(qtbot, made, shot)
    made.model._show(SessionState("ready", TARGET, plan=READY.plan, proof=Proof("llama.cpp", "made")))
    assert made.parts.remark.isVisible() and not made.parts.run.isEnabled()
    offer(made, 0).click()
    qtbot.waitUntil(lambda: bool(made.session.loads))
    assert made.session.loads[0][0] == TARGET and made.session.loads[0][1].wish == "phone"


def test_a_text_model_says_that_it_has_no_vision(qtbot, open_view):
    def see(target):
        raise TargetError("vision_none", name=target.name)

    made = open_view(see=see)
    made.model._show(SessionState("ready", TARGET, plan=READY.plan, proof=Proof("llama.cpp", "made")))
    offer(made, 0).click()
    qtbot.waitUntil(lambda: made.controller.error is not None)
    assert "text model" in made.parts.remark_text.text() and not made.session.loads
    with qtbot.waitSignal(made.view.models_wanted):
        offer(made, 0).click()


def test_the_keyboard_runs_a_step_and_pastes(qtbot, open_view, shot):
    made = open_view('do(action="Back")')
    QGuiApplication.clipboard().setImage(QImage(str(shot)))
    qtbot.keyClick(made.parts.task, Qt.Key.Key_V, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: made.controller.preview is not None)
    made.parts.task.setPlainText("打开设置")
    qtbot.keyClick(made.parts.task, Qt.Key.Key_Return, CONTROL)
    qtbot.waitUntil(lambda: made.parts.picture.action == Back())
    assert made.parts.task.toPlainText() == "打开设置"


def test_without_a_model_the_models_page_is_asked_for(qtbot, open_view):
    made = open_view()
    made.model._show(SessionState())
    with qtbot.waitSignal(made.view.models_wanted):
        offer(made, 0).click()


def test_the_prompt_by_one_click(qtbot, open_view):
    made = open_view()
    assert "Date: " in made.parts.prompt.text.text()
    made.parts.language.findChildren(QPushButton)[0].click()
    qtbot.waitUntil(lambda: "现在的日期" in made.parts.prompt.text.text())
    made.parts.copy.click()
    assert "现在的日期" in QGuiApplication.clipboard().text()


def test_a_picture_is_pasted_into_the_task_as_a_picture(qtbot, open_view, shot):
    made = open_view()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(shot))])
    made.parts.task.insertFromMimeData(data)
    qtbot.waitUntil(lambda: made.controller.preview is not None)
    assert made.parts.task.toPlainText() == ""
    text = QMimeData()
    text.setText("打开设置")
    made.parts.task.insertFromMimeData(text)
    assert made.parts.task.toPlainText() == "打开设置"


def test_where_pictures_come_from(shot):
    data = QMimeData()
    assert sources.of_mime(data) is None and not sources.has_picture(data)
    data.setUrls([QUrl("https://example.org/a.png"), QUrl.fromLocalFile(str(shot))])
    assert sources.has_picture(data)
    assert sources.of_mime(data) == Path(QUrl.fromLocalFile(str(shot)).toLocalFile())
    image = QMimeData()
    image.setImageData(QImage(str(shot)))
    found = sources.of_mime(image)
    assert isinstance(found, bytes) and found.startswith(b"\x89PNG")
    far = QMimeData()
    far.setUrls([QUrl("https://example.org/a.png")])
    assert sources.of_mime(far) is None and not sources.has_picture(far)


def test_closing_the_dialog_stops_its_step(qtbot, bridge, tmp_path, shot):
    session = WatchedSession('do(action="Back")', held=True)
    model = SessionModel(bridge, session)
    own = Pictures(made_services(tmp_path / "home"))
    services = made_services(tmp_path / "home")
    dialog = PhoneDialog(bridge, model, own, services.library)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.controller.choose(shot)
    qtbot.waitUntil(lambda: dialog.controller.preview is not None and model.state.phase == "ready")
    dialog.view.parts.task.setPlainText("x")
    dialog.view.run()
    qtbot.waitUntil(session.started.is_set)
    dialog.close()
    qtbot.waitUntil(lambda: not dialog.controller.running and session.running == 0)
    asyncio.run_coroutine_threadsafe(own.close(), bridge._loop).result(10)


# -- the drawing


def picture_of(colour="#808080", width=540, height=1200):
    image = QImage(width, height, QImage.Format.Format_RGB888)
    image.fill(QColor(colour))
    return image


def drawn(qtbot, action, colour="#808080", size=(270, 600), strong=False):
    widget = ActionPicture(strong=lambda: strong)
    qtbot.addWidget(widget)
    widget.resize(*size)
    widget.show_picture(picture_of(colour))
    before = widget.grab().toImage()
    widget.show_action(action)
    return widget, before, widget.grab().toImage()


def changed(before, after):
    """The rectangle of what differs, in pixels."""
    places = [
        (x, y)
        for x in range(before.width())
        for y in range(before.height())
        if before.pixel(x, y) != after.pixel(x, y)
    ]
    assert places
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    right, bottom = (max(place[axis] for place in places) for axis in (0, 1))
    return QRectF(left, top, right - left, bottom - top)


@pytest.mark.parametrize("action", [*ON_SCREEN, *ELSEWHERE], ids=lambda action: type(action).__name__)
def test_every_action_is_drawn_where_it_is_done(qtbot, action):
    widget, before, after = drawn(qtbot, action)
    area = widget.area()
    place = changed(before, after)
    if action in ELSEWHERE:
        assert place.top() > area.center().y() and place.bottom() <= area.bottom()
    else:
        ends = [action.start, action.end] if isinstance(action, Swipe) else [action.place]
        for end in ends:
            assert place.adjusted(-2, -2, 2, 2).contains(marks.point(end, area))
    assert widget.accessibleDescription()


def test_the_mark_follows_the_picture_at_any_width(qtbot):
    for size in ((270, 600), (700, 400), (90, 900)):
        widget, before, after = drawn(qtbot, Tap(Place(250, 250)), size=size)
        area = widget.area()
        assert QRectF(widget.rect()).contains(area)
        assert abs(area.width() / area.height() - 540 / 1200) < 0.02
        point = marks.point(Place(250, 250), area).toPoint()
        assert before.pixel(point) != after.pixel(point)


def test_as_high_as_its_width_asks_for():
    widget = ActionPicture(most_height=500)
    widget.show_picture(picture_of())
    assert abs(widget.heightForWidth(100) - 220) <= 3
    assert widget.heightForWidth(1000) == 500


@pytest.mark.parametrize("colour", ["#ffffff", "#000000", "#e0006c", "#ffe100", "#2257d6"])
@pytest.mark.parametrize("strong", [False, True])
def test_a_mark_stands_out_on_any_picture(qtbot, colour, strong):
    """A line of three colours: at least one is far from what lies below."""
    _widget, before, after = drawn(qtbot, LongPress(Place(500, 500)), colour, strong=strong)
    ground = QColor(colour)
    place = changed(before, after)
    most = 0
    for x in range(int(place.left()), int(place.right())):
        found = QColor(after.pixel(x, int(place.top() + place.width() / 2)))
        most = max(most, abs(found.lightness() - ground.lightness()))
    assert most > 60


def test_high_contrast_is_drawn_stronger(qtbot):
    _widget, _before, usual = drawn(qtbot, Tap(Place(500, 500)))
    _widget, before, strong = drawn(qtbot, Tap(Place(500, 500)), strong=True)
    assert usual != strong
    assert changed(before, strong).width() > 0


def test_labels_stay_inside_the_picture():
    area, size = QRectF(0, 0, 300, 600), QRectF(0, 0, 80, 20)
    for x in (0, 500, 999):
        for y in (0, 500, 999):
            mark = marks.outline(Tap(Place(x, y)), area).boundingRect()
            assert area.contains(marks.label_place(mark, size, area)), (x, y)


def test_a_scheme_that_changes_is_drawn_anew(qtbot, qapp):
    widget, _before, light = drawn(qtbot, Type("hello"))
    theme.apply(qapp, theme.Scheme.DARK)
    assert widget.grab().toImage() != light


def test_without_a_picture_the_action_is_shown_all_the_same(qtbot):
    widget = ActionPicture()
    qtbot.addWidget(widget)
    widget.resize(200, 400)
    before = widget.grab().toImage()
    widget.show_action(Tap(Place(1, 1)))
    assert widget.grab().toImage() != before and widget.accessibleName() == "No screenshot"


# -- the words


def test_what_a_step_is_doing():
    loading = SessionState("loading", TARGET, step=Step(READY.plan, Progress("load", 0.5)))
    assert words.progress_text(loading, None, None, 2.0) == "Loading made · 2.0 s"
    assert words.progress_text(READY, None, None, 2.0).startswith("Preparing")
    assert (
        words.progress_text(READY, None, Written("x", 1, thinking=True), 12.0) == "Thinking · 1 token · 12 s"
    )
    assert "action" in words.progress_text(READY, None, Written("x", 2, thinking=False), 12.0)


def test_what_stands_in_the_way():
    assert words.remark(READY, None) is None
    assert words.remark(SessionState(), None).offers[0].name == "models"
    blind = words.remark(READY, EngineError("no_vision_loaded", rung="gguf-cpu"))
    assert [offer.name for offer in blind.offers] == ["load", "models"]
    assert words.remark(READY, TargetError("picture_unknown", path="x")).tone == "error"
    assert not words.can_run(SessionState()) and words.can_run(SessionState("idle", TARGET))


def test_a_reply_is_drawn_as_read():
    assert read_step("".join(REPLY)).action == Tap(Place(12, 34))
