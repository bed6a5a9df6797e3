"""What was made of models on this machine, in the window's list: shown, deleted after a question, gone. Made forms."""

import pytest
from PySide6.QtWidgets import QLabel

from autoglm_desktop.gui.downloads_model import DownloadsModel
from autoglm_desktop.gui.models.page import ModelsPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.usecases import saved_forms
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.session import Session
from tests.fakes.fake_downloads import FakeQueue
from tests.gui.made_checks import made_services
from tests.unit.test_saved_forms import made_folder, written


@pytest.fixture
def page(qtbot, bridge, tmp_path):
    services = made_services(tmp_path / "数据 home")
    session = Session(services, prepare)
    made = ModelsPage(bridge, services, SessionModel(bridge, session), DownloadsModel(bridge, FakeQueue()))
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.listed is not None)
    yield made
    bridge.close(session.close)


def test_a_saved_form_is_listed_and_deleted(qtbot, page):
    made = page.here.made
    assert made.isHidden()
    folder = made_folder(page._services.models / "owner" / "made-9B")
    form = written(saved_forms.where(page._services.library, folder, "nf4"))
    page.refresh()
    qtbot.waitUntil(lambda: made.isVisible())
    texts = [one.text() for one in made.findChildren(QLabel) if one.isVisible()]
    assert "made-9B" in texts and any(text.startswith("4-bit form (nf4) · ") for text in texts)
    assert len(page.rows) == 1, "the form is no model of its own"
    made.buttons[0].click()
    qtbot.waitUntil(lambda: page.disk.dialog is not None)
    page.disk.dialog.do_button.click()
    qtbot.waitUntil(lambda: made.isHidden())
    assert not form.exists() and folder.exists()


def test_it_goes_with_its_model(qtbot, page):
    folder = made_folder(page._services.models / "owner" / "made-9B")
    form = written(saved_forms.where(page._services.library, folder, "nf4-lean"))
    page.refresh()
    qtbot.waitUntil(lambda: len(page.rows) == 1 and page.here.made.isVisible())
    page.rows[0].delete_wanted.emit()
    qtbot.waitUntil(lambda: page.disk.dialog is not None)
    page.disk.dialog.do_button.click()
    qtbot.waitUntil(lambda: page.here.made.isHidden() and page.rows == [])
    assert not form.exists() and not folder.exists()
