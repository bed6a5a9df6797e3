"""The composer: what Enter does, input methods, long texts, pictures that are pasted and dropped. Over real files."""

import asyncio
from types import SimpleNamespace

import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, Qt, QUrl
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QGuiApplication,
    QImage,
    QInputMethodEvent,
    QInputMethodQueryEvent,
    QKeyEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton, QToolButton, QWidget

from autoglm_desktop.core.context_use import text_tokens
from autoglm_desktop.core.pictures import shown_size
from autoglm_desktop.gui.composer import big_paste
from autoglm_desktop.gui.composer.attachments import Attachments
from autoglm_desktop.gui.composer.composer import Composer
from autoglm_desktop.gui.composer.prompt_edit import SMALL
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases.archive import Archive

CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier
ALT = Qt.KeyboardModifier.AltModifier
LINE = "made: a line of a long text, 一行文字\n"


@pytest.fixture
def composer(qtbot):
    made = Composer()
    qtbot.addWidget(made)
    made.resize(600, 200)
    made.show()
    made.set_state(ready=True, busy=False, stopping=False, hint="", placeholder="")
    made.edit.setFocus()
    return made


@pytest.fixture
def seeing(composer, qtbot, bridge, tmp_path):
    """The same, with pictures; ``sent`` is filled."""
    archive = Archive(Conversations(tmp_path / "数据" / "conversations.sqlite3"))
    asyncio.run_coroutine_threadsafe(archive.open(), bridge._loop).result(10)
    attachments = Attachments(bridge, archive)
    composer.set_attachments(attachments)
    sent = []
    composer.sent.connect(sent.append)
    yield SimpleNamespace(composer=composer, attachments=attachments, sent=sent, strip=composer.strip)
    attachments.clear()
    asyncio.run_coroutine_threadsafe(archive.close(), bridge._loop).result(10)


@pytest.fixture
def shot(tmp_path):
    path = tmp_path / "截图.png"
    Image.new("RGB", (540, 1200), "#406080").save(path)
    return path


def sent_by(composer):
    found = []
    composer.sent.connect(found.append)
    return found


def compose(composer, text):
    QApplication.sendEvent(composer.edit, QInputMethodEvent(text, []))


def commit(composer, text):
    end = QInputMethodEvent()
    end.setCommitString(text)
    QApplication.sendEvent(composer.edit, end)


def files(*paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def image_data(colour="#203040", text=""):
    image = QImage(60, 90, QImage.Format.Format_RGB32)
    image.fill(colour)
    data = QMimeData()
    data.setImageData(image)
    if text:
        data.setText(text)
    return data


def paste(composer, data, modifiers=CONTROL):
    QGuiApplication.clipboard().setMimeData(data)
    QApplication.sendEvent(composer.edit, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_V, modifiers, "v"))


def drop(widget, data):
    """Drag something over a widget and let it go there; whether it was taken."""
    action, left = Qt.DropAction.MoveAction | Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(QPoint(5, 5), action, data, left, NONE)
    enter.ignore()
    QApplication.sendEvent(widget, enter)
    if not enter.isAccepted():
        return False
    fall = QDropEvent(QPoint(5, 5).toPointF(), action, data, left, NONE)
    fall.ignore()
    QApplication.sendEvent(widget, fall)
    assert not fall.isAccepted() or fall.dropAction() == Qt.DropAction.CopyAction, (
        "a moved file may be deleted"
    )
    return fall.isAccepted()


# --- Enter and input methods


@pytest.mark.parametrize("modifiers", [SHIFT, ALT, SHIFT | CONTROL])
def test_a_new_line_by_shift_or_alt(composer, qtbot, modifiers):
    sent = sent_by(composer)
    qtbot.keyClicks(composer.edit, "one")
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return, modifiers)
    qtbot.keyClicks(composer.edit, "two")
    assert composer.text() == "one\ntwo" and sent == []


def test_control_and_enter_sends_as_well(composer, qtbot):
    sent = sent_by(composer)
    qtbot.keyClicks(composer.edit, "one")
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return, CONTROL)
    assert sent == ["one"]


def test_enter_while_composing_neither_sends_nor_makes_a_line(composer, qtbot):
    sent = sent_by(composer)
    composer.edit.insert("写")
    compose(composer, "ni hao")
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return)
    qtbot.keyClick(composer.edit, Qt.Key.Key_Enter)
    assert sent == [] and composer.text() == "写"
    commit(composer, "你好")
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return)
    assert sent == ["写你好"]


def test_a_composition_that_was_given_up_does_not_hold_the_message_back(composer, qtbot):
    sent = sent_by(composer)
    qtbot.keyClicks(composer.edit, "one")
    compose(composer, "ni")
    compose(composer, "")
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return)
    assert sent == ["one"]


def test_send_waits_for_an_input_method_that_does_not_let_go(composer, qtbot):
    """Offscreen there is no input method that could commit."""
    sent = sent_by(composer)
    composer.edit.insert("写")
    compose(composer, "ni hao")
    qtbot.mouseClick(composer.send, Qt.MouseButton.LeftButton)
    assert sent == [] and composer.edit.hasFocus() and composer.edit.composing
    commit(composer, "你好")
    qtbot.mouseClick(composer.send, Qt.MouseButton.LeftButton)
    assert sent == ["写你好"]


def test_send_takes_what_the_input_method_commits(composer, qtbot, monkeypatch):
    sent = sent_by(composer)
    monkeypatch.setattr(
        type(composer.edit), "end_composing", lambda edit: commit(composer, "你好") or not edit.composing
    )
    composer.edit.insert("写")
    compose(composer, "ni hao")
    composer.send.click()
    assert sent == ["写你好"]


def test_losing_the_focus_does_not_make_half_a_composition_text(composer, qtbot):
    sent = sent_by(composer)
    composer.edit.insert("写")
    compose(composer, "ni hao")
    composer.send.setFocus()
    composer.edit.setFocus()
    assert composer.text() == "写"
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return)
    assert sent == [] or sent == ["写"], "what is composed is never sent half"
    assert "ni" not in "".join(sent)


def test_an_input_method_learns_where_the_cursor_is(composer):
    query = QInputMethodQueryEvent(Qt.InputMethodQuery.ImCursorRectangle)
    QApplication.sendEvent(composer.edit, query)
    assert query.value(Qt.InputMethodQuery.ImCursorRectangle).height() > 0


# --- long texts


def test_a_text_that_fits_is_pasted_as_it_is(composer):
    text = LINE * 100
    assert SMALL < len(text) < big_paste.FOLD
    composer.set_room(10_000, 9_000)
    paste(composer, mime_text(text))
    assert composer.edit.toPlainText() == text and composer.question.isHidden()
    composer.edit.undo()
    assert composer.text() == "", "one step of undo"


def mime_text(text):
    data = QMimeData()
    data.setText(text)
    return data


def test_five_megabytes_are_counted_asked_about_and_folded(composer, qtbot):
    text = LINE * 140_000
    composer.set_room(8_192, 6_000)
    qtbot.keyClicks(composer.edit, "Sum up:")
    paste(composer, mime_text(text))
    assert composer.question.isVisible() and composer.text() == "Sum up:"
    assert "8,192" in composer.question.text.text() and not composer.send.isEnabled()
    composer.question.whole.click()
    assert composer.edit.toPlainText() == "Sum up:" and composer.text() == f"Sum up:\n\n{text}"
    assert composer.edit.hasFocus() and composer.send.isEnabled()
    (tile,) = composer.strip.texts
    assert "MiB" in tile.about.text() and tile.link.isHidden()
    assert composer.tokens() == text_tokens("Sum up:") + text_tokens(text)


def test_the_beginning_that_fits_ends_with_a_line(composer):
    composer.set_room(8_192, 2_000)
    composer.edit.insert("Sum up: ")
    paste(composer, mime_text(LINE * 3_000))
    composer.question.fitting.click()
    assert composer.tokens() <= 2_000
    assert composer.text().endswith("一行文字") and composer.text().count("\n") > 50


def test_leaving_it_out_leaves_what_was_written(composer, qtbot):
    composer.set_room(8_192, 0)
    qtbot.keyClicks(composer.edit, "Hello")
    paste(composer, mime_text(LINE * 3_000))
    assert composer.question.fitting.isHidden() and composer.question.nothing.hasFocus()
    qtbot.keyClick(composer.question.nothing, Qt.Key.Key_Escape)
    assert composer.text() == "Hello" and composer.question.isHidden() and composer.edit.hasFocus()
    assert composer.send.isEnabled()


def test_without_a_known_context_nothing_is_asked(composer):
    composer.set_room(None, None)
    paste(composer, mime_text(LINE * 3_000))
    assert composer.question.isHidden() and len(composer.strip.texts) == 1


def test_a_folded_text_can_be_put_into_the_field_or_removed(composer, qtbot):
    text = LINE * 1_000
    paste(composer, mime_text(text))
    changes = []
    composer.text_changed.connect(lambda: changes.append(composer.text()))
    (tile,) = composer.strip.texts
    tile.setFocus()
    qtbot.keyClick(tile, Qt.Key.Key_Return)
    assert composer.edit.toPlainText() == text and not composer.strip.texts
    assert composer.strip.isHidden() and composer.edit.hasFocus()
    composer.set_text(text)
    assert composer.edit.toPlainText() == "" and composer.text() == text
    (tile,) = composer.strip.texts
    tile.setFocus()
    qtbot.keyClick(tile, Qt.Key.Key_Delete)
    assert composer.text() == "" == changes[-1] and composer.edit.hasFocus()


def test_a_long_draft_comes_back_folded_and_a_short_one_in_the_field(composer):
    composer.set_text(LINE * 1_000)
    assert composer.strip.texts and not composer.is_empty()
    composer.set_text("short")
    assert not composer.strip.texts and composer.edit.toPlainText() == "short"
    composer.clear()
    assert composer.is_empty()


# --- pictures


def test_a_pasted_picture_is_shown_with_what_it_costs_and_sent_alone(seeing, qtbot):
    paste(seeing.composer, image_data())
    qtbot.waitUntil(lambda: seeing.attachments.ready and bool(seeing.attachments.pictures()))
    (tile,) = seeing.strip.tiles()
    size = shown_size(60, 90)
    assert tile.isVisible() and f"{size.width}×{size.height}" in tile.link.text()
    assert "60×90" in tile.about.text() and tile.thumb.image is not None
    assert seeing.composer.text() == "" and seeing.composer.send.isEnabled()
    qtbot.keyClick(seeing.composer.edit, Qt.Key.Key_Return)
    assert seeing.sent == [""]


def test_a_text_beside_a_picture_goes_first(seeing, qtbot):
    """Office programs copy both; Ctrl+Shift+V takes the picture."""
    paste(seeing.composer, image_data(text="from a table"))
    assert seeing.composer.text() == "from a table" and not seeing.attachments.items
    seeing.composer.paste_picture()
    qtbot.waitUntil(lambda: bool(seeing.attachments.pictures()))
    assert seeing.composer.text() == "from a table"


def test_files_are_dropped_on_any_part_of_it(seeing, qtbot, shot):
    assert drop(seeing.composer, files(shot))
    qtbot.waitUntil(lambda: bool(seeing.attachments.pictures()))
    assert seeing.attachments.items[0].name == "截图.png"
    assert drop(seeing.composer.edit.viewport(), files(shot))
    qtbot.waitUntil(lambda: seeing.attachments.ready)
    assert len(seeing.attachments.pictures()) == 1, "the same picture is there once"
    (tile,) = seeing.strip.tiles()
    assert "already" in tile.about.text()


def test_dragging_over_it_is_seen(seeing, shot):
    seeing.composer.add.setFocus()
    data, action = files(shot), Qt.DropAction.CopyAction
    for widget in (seeing.composer, seeing.composer.edit.viewport()):
        enter = QDragEnterEvent(QPoint(5, 5), action, data, Qt.MouseButton.LeftButton, NONE)
        QApplication.sendEvent(widget, enter)
        assert seeing.composer.property("active")
        QApplication.sendEvent(widget, QDragLeaveEvent())
        assert not seeing.composer.property("active")


def test_text_is_dropped_as_text(seeing):
    data, action = mime_text("words"), Qt.DropAction.CopyAction
    assert not drop(seeing.composer, data)
    for kind in (QDragEnterEvent, QDragMoveEvent):
        event = kind(QPoint(5, 5), action, data, Qt.MouseButton.LeftButton, NONE)
        QApplication.sendEvent(seeing.composer.edit.viewport(), event)
    fall = QDropEvent(QPoint(5, 5).toPointF(), action, data, Qt.MouseButton.LeftButton, NONE)
    QApplication.sendEvent(seeing.composer.edit.viewport(), fall)
    assert seeing.composer.text() == "words"


def test_leaving_a_conversation_while_something_is_asked_takes_nothing_with_it(composer, qtbot):
    elsewhere = QLineEdit()
    qtbot.addWidget(elsewhere)
    composer.set_room(8_192, 10)
    paste(composer, mime_text(LINE * 100))
    assert composer.question.isVisible()
    elsewhere.show()
    elsewhere.activateWindow()
    elsewhere.setFocus()
    qtbot.waitUntil(elsewhere.hasFocus)
    composer.load("another one", ())
    assert composer.question.isHidden() and composer.text() == "another one" and composer.send.isEnabled()
    assert elsewhere.hasFocus(), "who goes through the list with the arrow keys stays there"


def test_a_file_that_is_no_picture_is_left_to_others_when_dropped_and_named_when_pasted(
    seeing, qtbot, tmp_path
):
    notes = tmp_path / "notes.txt"
    notes.write_text("made")
    assert not drop(seeing.composer, files(notes))
    assert not seeing.composer.take(files(notes))
    paste(seeing.composer, files(notes))
    qtbot.waitUntil(lambda: bool(seeing.attachments.refused))
    (row,) = seeing.strip.rows.values()
    assert row.text.text().startswith("notes.txt") and str(tmp_path) not in row.text.text()
    assert seeing.composer.text() == "" and not seeing.composer.send.isEnabled()
    row.cross.click()
    assert seeing.strip.isHidden() and seeing.composer.edit.hasFocus()


def test_several_at_once_with_a_broken_one_between_them(seeing, qtbot, shot, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(shot.read_bytes()[:200])
    other = tmp_path / "other.jpg"
    Image.new("RGB", (300, 200), "red").save(other)
    assert seeing.composer.take(files(shot, broken, other))
    qtbot.waitUntil(lambda: len(seeing.attachments.pictures()) == 2 and seeing.attachments.ready)
    assert [tile.name.text() for tile in seeing.strip.tiles()] == ["截图.png", "other.jpg"]
    (row,) = seeing.strip.rows.values()
    assert "broken.png" in row.text.text()
    assert seeing.strip.sum.isVisible() and "2 pictures" in seeing.strip.sum.text()


def test_many_refused_files_do_not_grow_over_the_page(seeing, qtbot, shot, tmp_path):
    others = [tmp_path / f"{number}.txt" for number in range(9)]
    for other in others:
        other.write_text("made")
    seeing.composer.take(files(shot, *others))
    qtbot.waitUntil(lambda: len(seeing.attachments.refused) == 9 and seeing.attachments.ready)
    assert len(seeing.strip.rows) == 3 and seeing.strip.more.text().startswith("6 more")
    next(iter(seeing.strip.rows.values())).cross.click()
    assert len(seeing.strip.rows) == 3 and seeing.strip.more.text().startswith("5 more")


def test_enter_right_after_pasting_waits_for_the_picture(seeing, qtbot, shot):
    qtbot.keyClicks(seeing.composer.edit, "What is this?")
    seeing.composer.take(files(shot))
    qtbot.keyClick(seeing.composer.edit, Qt.Key.Key_Return)
    assert seeing.sent == [], "the picture is still being read"
    qtbot.waitUntil(lambda: bool(seeing.sent))
    assert seeing.sent == ["What is this?"] and len(seeing.attachments.pictures()) == 1


def test_what_waits_is_not_sent_when_the_picture_is_refused_or_more_is_written(seeing, qtbot, shot, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"made: no picture")
    qtbot.keyClicks(seeing.composer.edit, "What is this?")
    seeing.composer.take(files(broken))
    qtbot.keyClick(seeing.composer.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(seeing.attachments.refused))
    assert seeing.sent == []
    seeing.composer.take(files(shot))
    qtbot.keyClick(seeing.composer.edit, Qt.Key.Key_Return)
    qtbot.keyClicks(seeing.composer.edit, "x")
    qtbot.waitUntil(lambda: seeing.attachments.ready)
    assert seeing.sent == []


def test_the_keyboard_reaches_removes_and_scales_each_picture(seeing, qtbot, shot, tmp_path):
    other = tmp_path / "other.png"
    Image.new("RGB", (1080, 2400), "green").save(other)
    seeing.composer.take(files(shot, other))
    qtbot.waitUntil(lambda: len(seeing.attachments.pictures()) == 2 and seeing.attachments.ready)
    first, second = seeing.strip.tiles()
    seeing.composer.edit.setFocus()
    qtbot.keyClick(seeing.composer.edit, Qt.Key.Key_Backtab)
    assert second.hasFocus()
    qtbot.keyClick(second, Qt.Key.Key_Left)
    assert first.hasFocus()
    qtbot.keyClick(first, Qt.Key.Key_Tab)
    assert second.hasFocus()
    menu = seeing.strip.size_menu(seeing.attachments.items[1].key)
    labels = [action.text() for action in menu.actions()]
    assert len(labels) >= 4 and menu.actions()[0].isChecked() and all("tokens" in label for label in labels)
    menu.actions()[2].trigger()
    assert second.link.text() == labels[2].partition(", about")[0]
    assert seeing.attachments.pictures()[1].most_tokens is not None
    second.setFocus()
    qtbot.keyClick(second, Qt.Key.Key_Delete)
    assert first.hasFocus() and len(seeing.attachments.items) == 1
    qtbot.keyClick(first, Qt.Key.Key_Backspace)
    assert seeing.composer.edit.hasFocus() and not seeing.attachments.items and seeing.strip.isHidden()


def test_a_long_row_follows_the_keyboard_and_the_wheel(seeing, qtbot, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        Image.new("RGB", (60, 90), (number, 0, 0)).save(path)
    seeing.composer.take(files(*paths))
    bar = seeing.strip.area.horizontalScrollBar()
    qtbot.waitUntil(lambda: len(seeing.attachments.pictures()) == 6 and bar.maximum() > 0)
    height = seeing.strip.area.height()
    assert height >= seeing.strip.tiles()[0].height() + bar.height(), "the bar covers no tile"
    seeing.composer.edit.setFocus()
    qtbot.keyClick(seeing.composer.edit, Qt.Key.Key_Backtab)
    assert seeing.strip.tiles()[-1].hasFocus() and bar.value() == bar.maximum()
    place = QPoint(5, 5).toPointF()
    up = QWheelEvent(
        place,
        place,
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(seeing.strip.area.viewport(), up)
    assert 0 < bar.value() < bar.maximum()


def test_the_cross_removes_with_the_mouse(seeing, qtbot, shot):
    seeing.composer.take(files(shot))
    qtbot.waitUntil(lambda: bool(seeing.attachments.pictures()))
    qtbot.mouseClick(seeing.strip.tiles()[0].cross, Qt.MouseButton.LeftButton)
    assert not seeing.attachments.items


def test_files_are_picked_by_button_and_key(seeing, qtbot, shot):
    seeing.composer.add.click()
    dialog = seeing.composer.findChild(QFileDialog)
    assert "png" in dialog.nameFilters()[0]
    dialog.filesSelected.emit([str(shot)])
    qtbot.waitUntil(lambda: bool(seeing.attachments.pictures()))
    dialog.close()


def test_a_page_never_sees_the_text_of_one_question_with_the_pictures_of_another(seeing, qtbot, shot):
    seeing.composer.take(files(shot))
    qtbot.waitUntil(lambda: bool(seeing.attachments.pictures()))
    seeing.composer.set_text("first")
    (picture,) = seeing.attachments.pictures()
    seen = set()

    def look():
        seen.add((seeing.composer.text(), len(seeing.attachments.pictures())))

    seeing.composer.text_changed.connect(look)
    seeing.attachments.changed.connect(look)
    seeing.composer.load("second", ())
    seeing.composer.load("third", (picture,))
    assert seen == {("second", 0), ("third", 1)}


def test_without_pictures_no_button_offers_them(composer):
    assert composer.add.isHidden()
    assert not composer.take(image_data())


def test_everything_that_takes_the_keyboard_has_a_name(seeing, qtbot, shot):
    seeing.composer.take(files(shot))
    seeing.composer.set_room(8_192, 10)
    qtbot.waitUntil(lambda: bool(seeing.attachments.pictures()))
    seeing.composer.set_text(LINE * 1_000)
    paste(seeing.composer, mime_text(LINE * 1_000))
    qtbot.waitUntil(lambda: seeing.strip.texts[0].isVisible())
    parts = [
        part
        for part in seeing.composer.findChildren(QWidget)
        if part.isVisible() and part.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    nameless = [
        part
        for part in parts
        if not part.accessibleName() and not (isinstance(part, (QPushButton, QToolButton)) and part.text())
    ]
    assert len(parts) >= 7 and nameless == []


def test_another_placeholder_is_drawn_at_once(composer, qtbot):
    """Qt only draws one anew that appears or goes."""
    viewport = composer.edit.viewport()

    class Painted(QObject):
        whole = 0

        def eventFilter(self, _watched, event):
            if event.type() == QEvent.Type.Paint:  # the cursor's place alone is no sign
                self.whole += event.region().boundingRect() == viewport.rect()
            return False

    painted = Painted()
    viewport.installEventFilter(painted)
    composer.set_state(ready=False, busy=False, stopping=False, hint="", placeholder="Choose a model")
    qtbot.waitUntil(lambda: painted.whole > 0)
    QApplication.processEvents()
    before = painted.whole
    composer.set_state(ready=False, busy=False, stopping=False, hint="", placeholder="Ask the demo")
    qtbot.waitUntil(lambda: painted.whole > before)
