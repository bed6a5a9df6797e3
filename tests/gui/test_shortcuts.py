"""The list of keys is complete: it is compared with the shortcuts that the widgets have."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton, QLabel, QMainWindow

from autoglm_desktop.gui import shortcuts
from autoglm_desktop.gui.contents import Contents
from autoglm_desktop.gui.conversations import conversation_menu
from autoglm_desktop.gui.downloads_model import DownloadsModel
from autoglm_desktop.gui.main_window import MainWindow
from autoglm_desktop.gui.phone.dialog import PhoneDialog
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.gui.transcript import keys, message_menu
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.session import Session
from tests.fakes.fake_downloads import FakeQueue
from tests.gui.made_checks import made_services

PORTABLE = QKeySequence.SequenceFormat.PortableText


def listed():
    return {one for place in shortcuts.TABLE for keys in place.keys for one in keys.keys}


def of_place(name):
    (place,) = (one for one in shortcuts.TABLE if one.name == name)
    return {one for keys in place.keys for one in keys.keys}


def found_in(widget):
    """Every key sequence that something in a window reacts to."""
    sequences = [one.key() for one in widget.findChildren(QShortcut)]
    sequences += [one.shortcut() for one in widget.findChildren(QAbstractButton)]
    sequences += [keys for one in widget.findChildren(QAction) for keys in one.shortcuts()]
    return {one.toString(PORTABLE) for one in sequences if not one.isEmpty()}


@pytest.fixture
def window(qtbot, bridge, tmp_path):
    services = made_services(tmp_path)
    session = SessionModel(bridge, Session(services, prepare))
    made = MainWindow()
    qtbot.addWidget(made)
    store = Conversations(services.home / "conversations.sqlite3")
    made.fill(Contents(bridge, services, session, store, DownloadsModel(bridge, FakeQueue())))
    made.parts_ = (bridge, services, session)
    return made


def test_every_shortcut_of_the_window_is_listed(window):
    found = found_in(window)
    assert len(found) >= 8, "the test saw too few to mean anything"
    assert found - listed() == set(), "add it to gui/shortcuts.TABLE"


def test_every_shortcut_of_the_phone_step_is_listed(window, qtbot):
    bridge, services, session = window.parts_
    dialog = PhoneDialog(bridge, session, Pictures(services), services.library, window)
    assert found_in(dialog) and found_in(dialog) <= of_place("Phone step")


def test_what_is_listed_for_the_whole_window_exists(window):
    assert of_place("Everywhere") <= found_in(window)
    assert {"Ctrl+N", "Ctrl+F", "Ctrl+,", "Esc"} <= found_in(window)


def test_no_key_of_the_window_means_two_things(window):
    window_wide = [
        one.key().toString(PORTABLE)
        for one in window.findChildren(QShortcut)
        if one.context() == Qt.ShortcutContext.WindowShortcut
    ]
    buttons = [one.shortcut().toString(PORTABLE) for one in window.findChildren(QAbstractButton)]
    both = window_wide + [one for one in buttons if one]
    assert sorted(both) == sorted(set(both)), "Qt would run neither of the two"


def test_the_keys_of_a_message_are_listed():
    assert set(message_menu.SHORTCUTS.values()) <= of_place("A message")


def test_the_keys_that_the_transcript_reads_are_listed():
    known = {"Home", "End", "Alt+Up", "Alt+Down", "Return", "Menu"}
    assert known <= of_place("A message")
    source = keys.press.__code__.co_consts
    read = {one for found in source for one in (found if isinstance(found, (tuple, frozenset)) else (found,))}
    named = {one for one in read if isinstance(one, str) and "\n" not in one and " " not in one}
    assert known <= named, "the transcript reads them"
    assert named - of_place("A message") <= {"Ctrl+Home", "Ctrl+End", "Enter"}, (
        "add it to gui/shortcuts.TABLE"
    )


def test_the_keys_of_the_list_are_listed():
    assert set(conversation_menu.KEYS.values()) <= of_place("List of conversations")


def test_every_entry_can_be_read_as_keys():
    for one in listed():
        assert QKeySequence(one).toString(PORTABLE) == one and QKeySequence(one).count() == 1, one


@pytest.mark.parametrize("press", [Qt.Key.Key_F1, Qt.Key.Key_Slash])
def test_the_list_opens_by_its_keys_once(qtbot, press):
    window = QMainWindow()
    qtbot.addWidget(window)
    shortcuts.install(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    modifier = Qt.KeyboardModifier
    for _twice in range(2):
        with_ = modifier.ControlModifier if press == Qt.Key.Key_Slash else modifier.NoModifier
        qtbot.keyClick(window, press, with_)
    (dialog,) = window.findChildren(shortcuts.ShortcutsDialog)
    assert dialog.isVisible() and not dialog.isModal()
    shown = {one.text() for one in dialog.findChildren(QLabel)}
    for place in shortcuts.TABLE:
        assert {place.name, *(keys.text for keys in place.keys)} <= shown
        assert {shortcuts.native(one) for keys in place.keys for one in keys.keys} <= shown
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
