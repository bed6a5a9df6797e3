"""Composer and notices by themselves."""

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtWidgets import QApplication, QPushButton

from autoglm_desktop.gui.chat.notice_card import NoticeCard
from autoglm_desktop.gui.chat.words import Action, Notice
from autoglm_desktop.gui.composer.composer import Composer
from autoglm_desktop.gui.composer.prompt_edit import MAX_LINES


@pytest.fixture
def composer(qtbot):
    made = Composer()
    qtbot.addWidget(made)
    made.resize(600, 200)
    made.show()
    made.set_state(ready=True, busy=False, stopping=False, hint="", placeholder="")
    made.sent_texts = []
    made.sent.connect(made.sent_texts.append)
    return made


def test_enter_sends_shift_enter_makes_a_line(composer, qtbot):
    qtbot.keyClicks(composer.edit, "one")
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(composer.edit, "two")
    assert composer.sent_texts == []
    qtbot.keyClick(composer.edit, Qt.Key.Key_Enter)
    assert composer.sent_texts == ["one\ntwo"]


def test_nothing_is_sent_while_an_input_method_composes(composer, qtbot):
    QApplication.sendEvent(composer.edit, QInputMethodEvent("ni hao", []))
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return)
    assert composer.sent_texts == []
    end = QInputMethodEvent()
    end.setCommitString("你好")
    QApplication.sendEvent(composer.edit, end)
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return)
    assert composer.sent_texts == ["你好"]


@pytest.mark.parametrize("text", ["", "  \n "])
def test_nothing_is_no_message(composer, qtbot, text):
    composer.set_text(text)
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return)
    assert composer.sent_texts == [] and not composer.send.isEnabled()


def test_what_is_typed_while_busy_stays(composer, qtbot):
    composer.set_state(ready=False, busy=True, stopping=False, hint="", placeholder="")
    qtbot.keyClicks(composer.edit, "next question")
    qtbot.keyClick(composer.edit, Qt.Key.Key_Return)
    assert composer.sent_texts == [] and composer.text() == "next question"
    assert composer.stop.isVisible() and not composer.send.isVisible()
    with qtbot.waitSignal(composer.stopped):
        composer.stop.click()
    composer.set_state(ready=False, busy=True, stopping=True, hint="", placeholder="")
    assert not composer.stop.isEnabled()


def test_it_grows_with_its_text_to_a_limit(composer):
    heights = []
    for lines in (1, 2, 4, MAX_LINES, MAX_LINES + 20):
        composer.set_text("\n".join(["line"] * lines))
        heights.append(composer.edit.height())
    assert heights == sorted(heights) and heights[0] < heights[1] < heights[2] < heights[3] == heights[4]
    composer.set_text("one\ntwo\nthree")
    assert composer.edit.verticalScrollBar().value() == 0, "all lines are seen"
    composer.set_text("long words that wrap " * 30)
    assert composer.edit.height() > heights[0]
    composer.set_text("")
    assert composer.edit.height() == heights[0]


def test_files_are_not_dropped_into_the_text(composer):
    files, words = QMimeData(), QMimeData()
    files.setUrls([QUrl("file:///made/model.gguf")])
    words.setText("words")
    assert not composer.edit.canInsertFromMimeData(files)
    assert composer.edit.canInsertFromMimeData(words)


def test_a_notice_with_steps(qtbot):
    card = NoticeCard()
    qtbot.addWidget(card)
    acted = []
    card.acted.connect(acted.append)
    card.show_notice(Notice("bad", "It failed.", ("why",), None, (Action("again", "Try again"),)))
    assert card.isVisible() and not card.bar.isVisible()
    card.press("again")
    assert acted == ["again"]
    card.show_notice(Notice("info", "Loading", (), 0.25, (Action("cancel", "Cancel"),)))
    qtbot.waitUntil(lambda: [button.text() for button in card.findChildren(QPushButton)] == ["Cancel"])
    assert card.bar.value() / card.bar.maximum() == 0.25
    card.show_notice(None)
    assert not card.isVisible()
