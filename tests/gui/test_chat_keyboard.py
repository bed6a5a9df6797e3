"""The chat tab without a mouse: where Tab leads, and where the keyboard is after something was pressed."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from autoglm_desktop.gui.chat.words import Action, Notice
from tests.gui.test_chat_joined import attach, picture
from tests.gui.test_chat_page import SLOW, desk

__all__ = ["desk"]


@pytest.fixture
def here(desk):
    def make(*mode):
        made = desk(*mode)
        made.page.activateWindow()
        made.until(made.page.isActiveWindow)
        made.parts.composer.edit.setFocus()
        return made

    return make


def walk(here, key=Qt.Key.Key_Tab, modifier=Qt.KeyboardModifier.NoModifier):
    """All that Tab reaches from the text on, once around."""
    found = []
    while QApplication.focusWidget() not in found:
        found.append(QApplication.focusWidget())
        QTest.keyClick(found[-1], key, modifier)
    return found


def name_of(widget):
    return QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)


def test_tab_goes_down_the_page_also_to_what_came_later(here, tmp_path):
    desk = here("ok", "--reply", "fine")
    desk.load()
    attach(desk, picture(tmp_path))
    desk.until(lambda: desk.page.writing._seeing is not None)  # the card changes with that
    desk.until(lambda: desk.parts.notice.reached()[-1].isVisible())
    close = (Action("close", "Close"),)
    desk.parts.opening.show_notice(Notice("warn", "made", actions=close))
    desk.until(lambda: desk.parts.opening.reached()[-1].isVisible())
    parts = desk.parts
    wanted = [
        parts.list.new,
        parts.header.more,
        parts.opening.reached()[-1],
        *parts.empty.examples,
        *parts.notice.reached()[1:],
        *parts.composer.strip.reached(),
        parts.composer.edit,
        parts.composer.send,
    ]
    found = walk(desk)
    start = found.index(parts.list.new)
    found = found[start:] + found[:start]
    assert [one for one in found if one in wanted] == wanted
    assert all(name_of(one) for one in found)


@pytest.mark.parametrize("name", ["stop", "send"])
def test_a_button_that_goes_leaves_the_keyboard_to_the_text(here, name):
    desk = here(*SLOW)
    desk.load()
    desk.parts.composer.set_text("one")
    desk.parts.composer.send.setFocus()
    QTest.keyClick(desk.parts.composer.send, Qt.Key.Key_Space)
    assert QApplication.focusWidget() is desk.parts.composer.edit
    desk.until(desk.begun)
    if name == "stop":
        desk.parts.composer.stop.setFocus()
        QTest.keyClick(desk.parts.composer.stop, Qt.Key.Key_Space)
    else:
        desk.controller.stop()
    desk.until(lambda: desk.controller.answering is None)
    assert QApplication.focusWidget() is desk.parts.composer.edit


def test_a_card_that_goes_leaves_the_keyboard_to_the_text(here):
    desk = here("ok")
    desk.page.notices.say(Notice("info", "made", actions=(Action("close", "Close"),)))
    close = desk.parts.notice.reached()[-1]
    close.setFocus()
    QTest.keyClick(close, Qt.Key.Key_Space)
    assert not desk.parts.notice.isVisible() and QApplication.focusWidget() is desk.parts.composer.edit


def test_the_editor_of_a_title_has_a_name(here):
    desk = here("ok", "--reply", "fine")
    desk.load()
    desk.ask("one")
    desk.until(lambda: desk.page.conversations.all != ())
    desk.parts.list.rename(desk.page.conversations.all[0].id)
    assert QApplication.focusWidget().accessibleName()
