"""The Models page: files are listed, added, refused, removed; one is loaded by a real (fake) engine process."""

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QLabel

from autoglm_desktop import i18n
from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.gui.downloads_model import DownloadsModel
from autoglm_desktop.gui.models.page import ModelsPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.gui.widgets.notice import Notices
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.session import Session, SessionState
from autoglm_desktop.usecases.targets import of_local
from tests.fakes.fake_downloads import FakeActions, FakeQueue
from tests.gui.made_checks import MACHINES, made_check, made_services

TIMEOUT_MS = 20_000


class Opened(list):
    """Takes the place of the desktop that opens links and folders."""

    answer = True

    def __call__(self, url: QUrl) -> bool:
        self.append(url.toString())
        return self.answer


@pytest.fixture
def opened():
    return Opened()


@pytest.fixture
def make_page(qtbot, bridge, tmp_path, opened):
    """A page over the fake engine in a mode; the session is closed with the test."""
    sessions = []

    def make(*engine, picked=(), folder="", files=("made-one.gguf",)) -> ModelsPage:
        services = made_services(tmp_path / "数据 home", *engine)
        services.library.models.mkdir(parents=True)
        for name in files:
            write_tiny_glm4(services.library.models / name)
        session = Session(services, prepare)
        sessions.append(session)
        model = SessionModel(bridge, session)
        made, queue = FakeActions(services.home), FakeQueue()
        downloads = DownloadsModel(bridge, queue)
        page = ModelsPage(
            bridge, services, model, downloads, actions=made.actions(), open_url=opened,
            pick=lambda _parent: [str(path) for path in picked],
            pick_folder=lambda _parent, _title: str(folder),
        )  # fmt: skip
        qtbot.addWidget(page)
        page.model, page.made, page.queue = model, made, queue
        downloads.start()
        page.show()
        qtbot.waitUntil(lambda: page.listed is not None)
        return page

    yield make
    for session in sessions:
        bridge.close(session.close)


def names(page):
    return [row.entry.local.path.name for row in page.rows]


def drop(page, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    page.dragEnterEvent(QDragEnterEvent(QPointF(5, 5).toPoint(), Qt.DropAction.CopyAction, data, left, none))
    page.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, left, none))


def test_files_are_judged_when_the_check_is_done(qtbot, make_page):
    page = make_page()
    assert "when the system check is done" in page.rows[0].verdict.text()
    page.set_check(made_check(MACHINES["laptop"](), page._services))
    qtbot.waitUntil(lambda: "runs well" in page.rows[0].verdict.text())
    assert len(page.cards) == len(page._services.library.catalog.models)
    assert page.cards[0].opened and not page.cards[1].opened


def test_a_dropped_file_is_listed_and_can_be_removed(qtbot, make_page, tmp_path):
    page = make_page(files=())
    assert "No model file" in page.drop.title.text()
    file = tmp_path / "下载 folder" / "dropped.gguf"
    file.parent.mkdir()
    write_tiny_glm4(file)
    drop(page, file)
    qtbot.waitUntil(lambda: names(page) == ["dropped.gguf"])
    assert "is in the list now" in page.notices.shown[0].text
    page.rows[0].remove_action.trigger()
    qtbot.waitUntil(lambda: names(page) == [])
    assert file.is_file()


def test_refusals_say_why_and_the_others_go_on(qtbot, make_page, tmp_path):
    good, bad = tmp_path / "good.gguf", tmp_path / "bad.gguf"
    write_tiny_glm4(good)
    bad.write_bytes(b"this is no model, whatever its name says")
    empty = tmp_path / "empty 空"
    empty.mkdir()
    page = make_page(files=(), picked=(bad, tmp_path / "gone.gguf", empty, good))
    page.drop.pick_button.click()
    qtbot.waitUntil(lambda: names(page) == ["good.gguf"])
    said = " ".join(notice.text for notice in page.notices.shown)
    assert "bad.gguf is no GGUF file" in said
    assert "There is no file" in said
    assert "holds no model" in said
    assert "is in the list now" in said


def test_something_that_is_no_file_is_not_taken(make_page):
    page = make_page()
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/model.gguf")])
    event = QDragEnterEvent(
        QPointF(5, 5).toPoint(), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    event.ignore()
    page.dragEnterEvent(event)
    assert not event.isAccepted()


def test_load_and_chat(qtbot, make_page):
    page = make_page("ok")
    row = page.rows[0]
    with qtbot.waitSignal(page.chat_wanted):
        row.act_button.click()
    qtbot.waitUntil(lambda: row.phase == "ready", timeout=TIMEOUT_MS)
    assert row.pill.text() == "Loaded"
    assert row.act_button.text() == "Chat"
    with qtbot.waitSignal(page.chat_wanted):
        row.act_button.click()
    assert page.model.state.phase == "ready"


def test_a_load_can_be_cancelled(qtbot, make_page):
    page = make_page("hang")
    row = page.rows[0]
    row.act_button.click()
    qtbot.waitUntil(lambda: row.act_button.text() == "Cancel", timeout=TIMEOUT_MS)
    row.act_button.click()
    qtbot.waitUntil(lambda: row.act_button.text() == "Load and chat", timeout=TIMEOUT_MS)
    assert row.pill.isHidden()


def test_a_failed_load_says_why_and_can_be_repeated(qtbot, make_page):
    page = make_page()
    row = page.rows[0]
    error = EngineError("engine_no_network", name="llama-cpu")
    page.model.changed.emit(SessionState("failed", of_local(row.entry.local), error=error))
    assert "no connection" in row.error.text()
    assert not row.error.isHidden()
    assert row.act_button.text() == "Try again"


def test_what_happens_to_another_file_is_not_shown(make_page):
    page = make_page(files=("made-one.gguf", "made-two.gguf"))
    page.model.changed.emit(SessionState("ready", of_local(page.rows[1].entry.local)))
    assert page.rows[0].pill.isHidden()
    assert not page.rows[1].pill.isHidden()


def test_places_and_folders_open_outside(qtbot, make_page, opened):
    page = make_page()
    page.cards[0].link_wanted.emit("https://huggingface.co/zai-org/AutoGLM-Phone-9B")
    page.rows[0].folder_action.trigger()
    assert opened[0] == "https://huggingface.co/zai-org/AutoGLM-Phone-9B"
    assert opened[1] == QUrl.fromLocalFile(str(page._services.library.models)).toString()
    opened.answer = False
    page.disk.card.open_button.click()
    qtbot.waitUntil(lambda: bool(page.notices.shown))
    assert str(page._services.library.models) in page.notices.shown[0].text


def test_a_file_put_into_the_folder_is_seen_when_the_page_is_shown_again(qtbot, make_page):
    page = make_page()
    page.hide()
    write_tiny_glm4(page._services.library.models / "made-later.gguf")
    page.show()
    qtbot.waitUntil(lambda: names(page) == ["made-later.gguf", "made-one.gguf"])


def test_folded_cards_stay_as_they_were(qtbot, make_page):
    page = make_page()
    page.cards[0].toggle.click()
    page.cards[1].toggle.click()
    old = page.cards
    page.set_check(made_check(MACHINES["gaming"](), page._services))
    qtbot.waitUntil(lambda: page.cards is not old)
    assert [card.opened for card in page.cards][:3] == [False, True, False]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_page_fits_the_smallest_window(qtbot, make_page, language):
    i18n.set_language(language)
    page = make_page()
    page.set_check(made_check(MACHINES["gaming"](), page._services))
    page.resize(880 - 176, 500)
    qtbot.waitUntil(lambda: page.cards[0].entry.recommended is not None)
    qtbot.waitUntil(lambda: page.widget().width() == page.viewport().width())
    for found in page.widget().findChildren(QLabel):
        if found.isVisible():
            assert found.mapTo(page.widget(), found.rect().topRight()).x() <= page.widget().width(), (
                found.text()
            )


def test_notices_are_few_and_not_repeated(qtbot):
    notices = Notices(most=2)
    qtbot.addWidget(notices)
    for text in ("one", "two", "one", "three"):
        notices.say("fail", text)
    assert [notice.text for notice in notices.shown] == ["one", "three"]
    for notice in list(notices.shown):
        notice.close_button.click()
    assert notices.isHidden()


def test_the_tab_key_goes_down_the_page(make_page):
    page = make_page(files=("made-one.gguf", "made-two.gguf"))
    wanted = [page.updates_button, page.add_button]
    for row in page.rows:
        wanted += [row.more_button, row.act_button]
    wanted += [page.drop.pick_button, page.disk.card.open_button, page.disk.card.move_button]
    wanted += [page.fetching.source.choice, page.cards[0].toggle, page.cards[1].toggle]
    wanted += [page.fetching.repository.field]
    found, widget = [], page.updates_button
    for _step in range(2000):
        if widget in wanted:
            found.append(widget)
        widget = widget.nextInFocusChain()
        if widget is page.updates_button:
            break
    assert found == wanted
