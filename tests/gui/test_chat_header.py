"""Title, who answers, the context meter, and the buttons over a conversation."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMainWindow

from autoglm_desktop.core.context_use import ContextUse
from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.gui.chat import meter
from autoglm_desktop.gui.chat.header import SETTINGS_KEYS, ChatHeader
from autoglm_desktop.store.conversations import Conversation

NOW = 1_700_000_000.0
PLAIN = ConversationSettings()
TALK = Conversation(1, "A rather long title of a conversation that does not fit everywhere", NOW, NOW)
HERE = Endpoint("here", "made: Ollama", "http://localhost:11434/v1", "qwen3:8b")
AWAY = Endpoint("away", "made: far", "https://llm.example.com/v1", "glm-4")
FITS = ContextUse(16_384, 2_000, 1_000, 817, 100, 3_000, exact=True)


@pytest.fixture
def header(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    made = ChatHeader()
    window.setCentralWidget(made)
    window.resize(900, 100)
    window.show()
    made.window_ = window
    made.heard = []
    made.settings_wanted.connect(lambda: made.heard.append("settings"))
    made.phone_wanted.connect(lambda: made.heard.append("phone"))
    made.act.connect(made.heard.append)
    return made


def said(header):
    """What the line about who answers shows."""
    parts = (header.who.name.text(), header.who.place.text() if header.who.place.isVisible() else "")
    return " ".join(filter(None, parts))


def test_this_machine_is_plain(header):
    header.show_chat(TALK, PLAIN, None, "made: 9B")
    assert said(header) == "This machine · made: 9B"
    assert not header.who.mark.isVisible()
    header.show_chat(TALK, PLAIN, None, None)
    assert said(header) == "This machine"


def test_a_server_that_leaves_this_machine_is_marked(header):
    header.show_chat(TALK, ConversationSettings(endpoint="away"), AWAY, "glm-4")
    assert said(header) == "made: far · glm-4 · leaves this machine"
    assert header.who.place.property("role") == "warn" and header.who.mark.isVisible()
    assert "llm.example.com" in header.who.toolTip() and "llm.example.com" in header.who.place.toolTip()
    assert "leaves this machine" in header.who.accessibleName()
    header.show_chat(TALK, ConversationSettings(endpoint="here"), HERE, "qwen3:8b")
    assert said(header) == "made: Ollama · qwen3:8b · on this machine"
    assert header.who.place.property("role") == "muted" and not header.who.mark.isVisible()


def test_a_server_that_was_removed_is_said(header):
    header.show_chat(TALK, ConversationSettings(endpoint="away"), None, None)
    assert said(header) == "The remote server was removed"
    assert "choose who answers" in header.who.toolTip()


def test_a_new_conversation_has_settings_and_nothing_to_delete(header, qtbot):
    header.show_chat(None, PLAIN, None, None)
    assert header.title.text() == "New conversation"
    header.menu.aboutToShow.emit()
    enabled = {action.text(): action.isEnabled() for action in header.menu.actions() if action.text()}
    assert enabled.pop("Keyboard shortcuts") and not any(enabled.values())
    qtbot.mouseClick(header.settings, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(header.phone, Qt.MouseButton.LeftButton)
    assert header.heard == ["settings", "phone"]


def test_the_menu(header):
    header.show_chat(TALK, PLAIN, None, None)
    header.menu.aboutToShow.emit()
    header.menu.aboutToShow.emit()
    actions = [action for action in header.menu.actions() if action.text()]
    for action in actions:
        action.trigger()
    assert header.heard == ["rename", "pin", "export_markdown", "export_json", "delete", "shortcuts"]
    assert all(action.shortcut().isEmpty() for action in actions), "the list's keys do nothing here"


def test_the_key_for_the_settings(header, qtbot):
    header.window_.activateWindow()
    qtbot.waitUntil(header.window_.isActiveWindow)
    qtbot.keyClick(header.window_, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    assert header.heard == ["settings"] and SETTINGS_KEYS == "Ctrl+,"


@pytest.mark.parametrize("width", [1000, 576, 456])
def test_it_fits_and_the_title_gives_way_first(header, qtbot, width):
    """576 is what is left of a window 1000 wide with the list open; 456 of the smallest one."""
    header.show_chat(TALK, ConversationSettings(endpoint="away"), AWAY, "glm-4")
    header.set_meter(FITS)
    header.window_.resize(width, 100)
    qtbot.waitUntil(lambda: header.width() == width)
    QApplication.processEvents()  # the layout follows the words
    right = [part for part in (header.meter, header.settings, header.phone, header.more) if part.isVisible()]
    assert len(right) == 4
    for before, after in zip((header.who, *right), (*right, None), strict=True):
        end = header.width() if after is None else after.mapTo(header, after.rect().topLeft()).x()
        assert before.mapTo(header, before.rect().topRight()).x() < end
    place = header.who.place
    assert place.width() >= place.sizeHint().width(), "where it goes is never cut off"
    assert bool(header.settings.text()) == (width == 1000)
    assert header.settings.accessibleName() and header.phone.accessibleName()


def test_it_grows_back(header, qtbot):
    header.set_meter(FITS)
    for width in (576, 1000):
        header.window_.resize(width, 100)
        qtbot.waitUntil(lambda width=width: header.width() == width)
    assert header.settings.text().strip() == "Settings"


@pytest.mark.parametrize(
    ("use", "line", "tone"),
    [
        (FITS, "3.9k of 16k", "muted"),
        (ContextUse(None, 100, 200, 0, 17, 1_000, exact=False), "~317 tokens", "muted"),
        (ContextUse(4_096, 400, 2_900, 0, 1_300, 0, exact=False), "~4.6k of 4.1k", "warn"),
        (ContextUse(4_096, 400, 2_000, 0, 100, 1_596, exact=True), "2.5k of 4.1k", "warn"),
        (ContextUse(4_096, 400, 0, 0, 6_200, 0, exact=False), "~6.6k of 4.1k", "bad"),
    ],
)
def test_the_meter_in_words(use, line, tone):
    assert (meter.line_of(use), meter.tone_of(use)) == (line, tone)


def test_the_meter_says_its_parts_and_what_does_not_fit(header):
    header.set_meter(FITS)
    assert header.meter.isVisible() and header.meter.accessibleName() == "Context: 3.9k of 16k"
    description = header.meter.accessibleDescription()
    for part in ("System prompt: 2000", "Conversation: 1000", "Pictures: 817", "Room for the answer: 3000"):
        assert part in description
    assert "9467" in header.meter.toolTip(), "what is free"
    header.set_meter(ContextUse(4_096, 400, 0, 0, 6_200, 0, exact=False))
    assert "2504 tokens too long. Shorten it." in header.meter.accessibleDescription()
    header.set_meter(ContextUse(4_096, 400, 3_900, 0, 100, 0, exact=False))
    assert "304 tokens too long: the oldest messages will be left out" in header.meter.accessibleDescription()
    header.set_meter(None)
    assert not header.meter.isVisible()


def test_the_bar_has_the_parts_in_proportion(header, qtbot):
    header.set_meter(ContextUse(1_000, 250, 250, 0, 0, 250, exact=True))
    bar = header.meter
    image = bar.grab().toImage()
    y = image.height() - 6
    seen = [image.pixelColor(round(image.width() * share), y).name() for share in (0.12, 0.37, 0.62, 0.87)]
    names = ("muted", "accent", "selection", "bar")
    assert seen == [meter.theme.colour(name).name() for name in names]
