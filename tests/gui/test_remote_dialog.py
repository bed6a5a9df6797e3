"""The dialog of remote servers: adding, editing, testing, removing; nothing entered is lost unasked."""

import asyncio
import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.remote_check import KEY, MODEL, QUESTIONS, Finding
from autoglm_desktop.core.remote_models import RemoteModel
from autoglm_desktop.gui.remote.button import RemoteButton
from autoglm_desktop.gui.remote.dialog import RemoteDialog
from autoglm_desktop.usecases.remote_trial import Listed
from tests.gui.remote_states import AWAY, FINE, HERE, MODELS, NEAR, REFUSED, FakeServers


@pytest.fixture
def opened(qtbot, bridge):
    def open_(servers):
        dialog = RemoteDialog(bridge, servers)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        qtbot.addWidget(dialog)
        dialog.show()
        qtbot.waitUntil(lambda: dialog.is_read)
        return dialog

    return open_


def test_nothing_there_invites_to_add_one(qtbot, opened):
    servers = FakeServers()
    dialog = opened(servers)
    assert (
        dialog.side.none.isVisible()
        and not dialog.side.list.isVisible()
        and not dialog.remove_button.isVisible()
    )
    assert not dialog.save_button.isEnabled() and not dialog.test_button.isEnabled()
    ollama = next(one for one in dialog.form.usual_buttons if one.text() == "Ollama")
    ollama.click()
    assert dialog.form.name.text() == "Ollama" and "on this machine" in dialog.form.place.text().lower()
    dialog.form.key.setText("made-key")
    assert dialog.form.key.echoMode() == QLineEdit.EchoMode.Password
    dialog.save_button.click()
    qtbot.waitUntil(lambda: dialog.side.list.count() == 1)
    assert [one.url for one in servers.kept] == ["http://localhost:11434/v1"] and servers.kept[0].has_key
    assert dialog.form.key.text() == "" and "keyring" in dialog.notices.shown[0].text
    assert not dialog.save_button.isEnabled() and dialog.remove_button.isVisible()


def test_what_leaves_this_machine_is_marked_before_it_is_saved(opened):
    dialog = opened(FakeServers(HERE, NEAR, AWAY))
    assert "on this machine" in dialog.side.list.item(0).text()
    assert "leaves this machine" in dialog.side.list.item(1).text()
    dialog.form.address.setText("api.example.org")
    assert "over the internet" in dialog.form.place.text()
    dialog.form.address.setText("made up address")
    assert not dialog.form.place.isVisible()


def test_a_test_shows_each_finding_and_brings_the_models(qtbot, opened):
    dialog = opened(FakeServers(NEAR, found=(MODELS, *FINE)))
    dialog.test_button.click()
    assert dialog.findings.state == "testing" and dialog.test_button.text() == "Stop"
    qtbot.waitUntil(lambda: dialog.findings.state == "fine")
    assert [dialog.findings.marks[one].status for one in QUESTIONS] == ["ok", "ok", "ok", "ok", "warn"]
    assert dialog.form.model.currentText() == NEAR.model, "what was entered stays"
    assert [dialog.form.model.itemText(row) for row in range(2)] == [one.name for one in MODELS.models]
    assert not dialog.form.dirty and dialog.test_button.text() == "Test"


def test_a_key_that_is_refused_says_so(qtbot, opened):
    dialog = opened(FakeServers(NEAR, found=REFUSED))
    dialog.test()
    qtbot.waitUntil(lambda: dialog.findings.state == "key_refused")
    assert "refuses the key" in dialog.findings.texts[KEY].text()


def test_an_address_that_is_none_is_said_at_once(qtbot, opened):
    dialog = opened(FakeServers())
    dialog.form.address.setText("ftp://made")
    dialog.test_button.click()
    qtbot.waitUntil(lambda: dialog.findings.state == "trouble")
    assert "no address of a server" in dialog.findings.head.text()


def test_the_only_model_is_taken_and_tried(qtbot, opened):
    only = Listed((RemoteModel("made-only"),))
    servers = FakeServers(found=(only, FINE[0], Finding(MODEL, "warn", "model_not_chosen")))
    dialog = opened(servers)
    dialog.form.address.setText("localhost:8000")
    dialog.test()
    qtbot.waitUntil(lambda: len(servers.tested) == 2 and dialog.findings.state != "testing")
    assert [one.model for one in servers.tested] == ["", "made-only"]
    assert servers.kept == [], "a test keeps nothing"


def test_a_test_can_be_stopped(qtbot, opened):
    dialog = opened(FakeServers(NEAR, found=FINE[:2], endless=True))
    dialog.test()
    qtbot.waitUntil(lambda: len(dialog.findings.found) == 2)
    dialog.test_button.click()
    assert dialog.findings.state == "empty" and dialog.test_button.text() == "Test"


def test_nothing_of_a_stopped_test_arrives_later(qtbot, bridge, opened):
    dialog = opened(FakeServers(NEAR, found=(MODELS, *FINE)))
    dialog.test()
    ended = []
    dialog._test.ended.connect(lambda: ended.append(True))
    told = threading.Event()
    bridge.call(lambda: asyncio.get_running_loop().call_later(0, told.set))
    assert told.wait(30), "its findings wait for this thread"
    dialog.test_button.click()
    qtbot.waitUntil(lambda: bool(ended))
    assert dialog.findings.state == "empty" and dialog.form.model.count() == 0


def test_closing_in_the_middle_of_everything(qtbot, bridge):
    """What arrives for a dialog that is gone meets nobody."""
    servers = FakeServers(NEAR, found=(MODELS, *FINE))
    dialog = RemoteDialog(bridge, servers)
    qtbot.waitUntil(lambda: dialog.is_read)
    dialog.show()
    dialog.test()
    dialog._remove(NEAR.id)
    dialog.save()
    with qtbot.waitSignal(dialog.destroyed):
        dialog._close()
    with qtbot.waitSignal(bridge.submit(lambda _report: servers.all()).ended):
        pass


def test_nothing_entered_is_lost_unasked(qtbot, opened):
    dialog = opened(FakeServers(HERE, NEAR))
    dialog.form.name.setText("made: another name")
    dialog.side.list.setCurrentRow(1)
    dialog.asking.cancel_button.click()
    assert dialog.form.name.text() == "made: another name" and dialog.side.list.currentRow() == 0
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert dialog.isVisible(), "it asks first"
    dialog.asking.do_button.click()
    assert not dialog.isVisible()


def test_another_server_shows_its_own_fields(opened):
    dialog = opened(FakeServers(HERE, NEAR))
    dialog.side.list.setCurrentRow(1)
    assert dialog.form.address.text() == NEAR.url and dialog.form.forget_button.isVisible()
    assert dialog.form.key.text() == "", "a key is never shown"
    dialog.side.add_button.click()
    assert dialog.form.address.text() == "" and dialog.side.list.currentRow() == -1


def test_editing_one_keeps_its_identity(qtbot, opened):
    servers = FakeServers(HERE, NEAR)
    dialog = opened(servers)
    dialog.side.list.setCurrentRow(1)
    dialog.form.forget_button.click()
    assert dialog.save_button.isEnabled()
    dialog.save_button.click()
    qtbot.waitUntil(lambda: not servers.kept[-1].has_key and not dialog.save_button.isEnabled())
    assert [one.id for one in servers.kept] == [HERE.id, NEAR.id]


def test_removing_asks_first(qtbot, opened):
    servers = FakeServers(HERE, NEAR)
    dialog = opened(servers)
    dialog.remove_button.click()
    assert HERE.name in dialog.asking.windowTitle()
    dialog.asking.do_button.click()
    qtbot.waitUntil(lambda: dialog.side.list.count() == 1)
    assert servers.kept == [NEAR] and dialog.form.address.text() == NEAR.url


def test_what_cannot_be_saved_says_why_and_keeps_the_fields(qtbot, opened):
    servers = FakeServers()
    servers.error = AppError("state_unwritable", path="/made", detail="made")
    dialog = opened(servers)
    dialog.form.address.setText("localhost:8000")
    dialog.save_button.click()
    qtbot.waitUntil(lambda: bool(dialog.notices.shown))
    assert "/made" in dialog.notices.shown[0].text and dialog.form.address.text() == "localhost:8000"


def test_the_button_opens_the_dialog_and_tells_the_list(qtbot, bridge):
    button = RemoteButton(bridge, FakeServers(HERE))
    qtbot.addWidget(button)
    button.show()
    with qtbot.waitSignal(button.changed) as told:
        button.click()
    assert told.args == [(HERE,)]
    button.dialog.reject()
    assert button.dialog is None


def test_a_second_click_does_not_keep_a_server_twice(qtbot, opened):
    saved = []

    class Counting(FakeServers):
        async def save(self, draft):
            saved.append(draft)
            return await super().save(draft)

    servers = Counting()
    dialog = opened(servers)
    dialog.form.address.setText("http://localhost:8000/v1")
    dialog.save_button.click()
    dialog.save_button.click()
    qtbot.waitUntil(lambda: dialog.side.list.count() > 0 and not dialog.save_button.isEnabled())
    assert len(saved) == 1
    dialog.form.name.setText("made: another name")
    dialog.save_button.click()
    qtbot.waitUntil(lambda: servers.kept[0].name == "made: another name")
