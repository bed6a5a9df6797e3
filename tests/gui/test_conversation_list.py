"""The conversations at the left and the search over them. Made-up conversations."""

import time

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QKeyEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.gui.conversations import found_rows
from autoglm_desktop.gui.conversations.conversation_list import FOUND, ConversationList
from autoglm_desktop.gui.conversations.conversation_rows import AWAY
from autoglm_desktop.gui.conversations.found_rows import Message, More, Remark, Title
from autoglm_desktop.store.conversation_search import Found, Hit
from autoglm_desktop.store.conversations import Conversation

NOW = time.mktime((2026, 11, 21, 15, 30, 0, 0, 0, -1))
DAY = 86_400.0
HERE = Endpoint("here", "made: Ollama", "http://localhost:11434/v1")
AWAY_SERVER = Endpoint("away", "made: far", "https://llm.example.com/v1")


def talk(number, days=0.0, title=None, **values):
    return Conversation(number, title or f"talk {number}", NOW, NOW - days * DAY, **values)


@pytest.fixture
def listing(qtbot):
    made = ConversationList(clock=lambda: NOW)
    qtbot.addWidget(made)
    made.heard = []
    for name in (
        "chosen", "renamed", "pinned", "delete_wanted", "export_wanted", "export_all_wanted", "import_wanted",
        "searched", "hit_chosen", "left",
    ):  # fmt: skip
        getattr(made, name).connect(lambda *values, name=name: made.heard.append((name, *values)))
    made.resize(248, 500)
    made.show()
    made.show_conversations([talk(n, n) for n in range(3)], 1)
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    return made


def texts(listing):
    return [listing.rows.index(row).data() for row in range(listing.rows.rowCount())]


def index(listing, number):
    return listing.rows.index(listing.rows.row_of(number))


def editor(listing):
    return next(one for one in listing.list.viewport().findChildren(QLineEdit) if one.isVisible())


def test_the_list_by_date(listing):
    assert texts(listing) == ["Today", "talk 0", "Yesterday", "talk 1", "The last 7 days", "talk 2"]
    assert listing.list.currentIndex().data() == "talk 1"
    assert not listing.empty.isVisible()
    listing.show_conversations((), None)
    assert listing.empty.isVisible() and not listing.field.isEnabled()


def test_pinned_ones_stand_first_and_say_so(listing):
    listing.show_conversations([talk(7, 90, pinned=True), talk(1), talk(2, 1)], 1)
    assert texts(listing)[:3] == ["Pinned", "talk 7", "Today"]
    role = Qt.ItemDataRole.AccessibleTextRole
    assert index(listing, 7).data(role) == "talk 7, pinned"
    assert index(listing, 1).data(role) == "talk 1"


def test_what_leaves_this_machine_is_marked(listing):
    def set_to(number, endpoint):
        return talk(number, settings=ConversationSettings(endpoint=endpoint))

    listing.show_conversations([talk(1), set_to(2, "here"), set_to(3, "away"), set_to(4, "gone")], 1)
    assert all(index(listing, number).data(AWAY) for number in (2, 3, 4)), "not known yet where they lead"
    listing.show_servers([HERE, AWAY_SERVER])
    assert [index(listing, number).data(AWAY) for number in (1, 2, 3, 4)] == [
        "",
        "",
        "Leaves this machine: goes to made: far",
        "Answered by a remote server",
    ]
    assert "goes to made: far" in index(listing, 3).data(Qt.ItemDataRole.AccessibleTextRole)
    assert "goes to made: far" in index(listing, 3).data(Qt.ItemDataRole.ToolTipRole)


def test_a_title_that_would_turn_the_line_is_spelled_out(listing):
    listing.show_conversations([talk(1, title="a\u202eb")], 1)
    assert texts(listing)[1] == "a[U+202E]b"


def test_choosing_reports_and_filling_does_not(listing):
    listing.show_conversations([talk(5)], 5)
    listing.show_conversations([talk(5), talk(6)], 5)
    assert listing.heard == []
    listing.list.setCurrentIndex(index(listing, 6))
    assert listing.heard == [("chosen", 6)]


def test_marking_the_one_that_is_open_says_nothing(listing):
    listing.set_current(2)
    assert listing.list.currentIndex().data() == "talk 2"
    listing.set_current(None)
    assert not listing.list.currentIndex().isValid() and listing.heard == []


def test_the_place_stays_and_another_one_that_is_opened_is_seen(listing):
    talks = [talk(n, n / 10) for n in range(200)]
    listing.show_conversations(talks, 0)
    bar = listing.list.verticalScrollBar()
    bar.setValue(700)
    listing.show_conversations(talks, 0)
    assert bar.value() == 700
    listing.show_conversations(talks, 199)
    assert listing.list.viewport().rect().contains(listing.list.visualRect(index(listing, 199)).center())


def test_the_arrow_keys_pass_over_headings(listing, qtbot):
    listing.list.setFocus()
    qtbot.keyClick(listing.list, Qt.Key.Key_Down)
    qtbot.keyClick(listing.list, Qt.Key.Key_Up)
    qtbot.keyClick(listing.list, Qt.Key.Key_Up)
    assert listing.heard == [("chosen", 2), ("chosen", 1), ("chosen", 0)]


def test_renaming_in_place(listing, qtbot):
    listing.rename(2)
    field = editor(listing)
    assert field.text() == "talk 2" and listing.heard == [], "it is not opened by that"
    field.setText("  a \n better   name ")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(listing.heard))
    assert listing.heard == [("renamed", 2, "a better name")]
    assert index(listing, 2).data() == "a better name"
    listing.heard.clear()
    assert not listing.rows.setData(index(listing, 0), "   "), "a name is needed"
    assert listing.heard == [] and index(listing, 0).data() == "talk 0"


def test_a_new_list_waits_until_the_name_is_entered(listing, qtbot):
    listing.list.setFocus()
    qtbot.keyClick(listing.list, Qt.Key.Key_F2)
    field = editor(listing)
    field.setText("half a na")
    listing.show_conversations([talk(n, n) for n in range(4)], 1)
    assert field.isVisible() and field.text() == "half a na"
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: listing.rows.row_of(3) >= 0)
    assert listing.heard == []


def test_deleting_asks_nothing(listing, qtbot):
    listing.list.setFocus()
    qtbot.keyClick(listing.list, Qt.Key.Key_Delete)
    listing.delete(2)
    assert listing.heard == [("delete_wanted", 1), ("delete_wanted", 2)]


def steps(menu):
    return {action.text(): action for action in menu.actions() if action.text()}


def test_the_menu_of_a_conversation(listing, qtbot):
    menu = listing.menu_of(talk(2))
    qtbot.addWidget(menu)
    for text in ("Pin", "Export as Markdown…", "Export as JSON…", "Delete"):
        steps(menu)[text].trigger()
    assert listing.heard == [
        ("pinned", 2, True),
        ("export_wanted", 2, "markdown"),
        ("export_wanted", 2, "json"),
        ("delete_wanted", 2),
    ]
    pinned = listing.menu_of(talk(2, pinned=True))
    qtbot.addWidget(pinned)
    listing.heard.clear()
    steps(pinned)["Unpin"].trigger()
    assert listing.heard == [("pinned", 2, False)]
    steps(pinned)["Rename"].trigger()
    assert editor(listing).text() == "talk 2"


def test_the_menu_key_opens_the_menu_of_the_current_one(listing, qtbot, monkeypatch):
    opened = []
    monkeypatch.setattr(
        QMenu, "popup", lambda menu, place: opened.append((menu, place))
    )  # nothing is grabbed here
    reason = QContextMenuEvent.Reason.Keyboard
    QApplication.sendEvent(listing.list.viewport(), QContextMenuEvent(reason, QPoint(0, 0), QPoint(0, 0)))
    ((menu, place),) = opened
    assert listing.list.visualRect(index(listing, 1)).contains(listing.list.viewport().mapFromGlobal(place))
    steps(menu)["Delete"].trigger()
    assert listing.heard == [("delete_wanted", 1)]


def test_the_right_button_opens_no_conversation(listing, qtbot):
    place = listing.list.visualRect(index(listing, 2)).center()
    qtbot.mouseClick(listing.list.viewport(), Qt.MouseButton.RightButton, pos=place)
    assert listing.heard == []
    qtbot.mouseClick(listing.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert listing.heard == [("chosen", 2)]


def test_the_menu_of_all(listing):
    for text in ("Export all…", "Import…"):
        steps(listing.more.menu())[text].trigger()
    assert listing.heard == [("export_all_wanted",), ("import_wanted",)]
    assert listing.more.accessibleName()


def hit(conversation, message, text, word="word", role="user"):
    begin = text.find(word)
    return Hit(conversation, f"talk {conversation}", message, role, NOW, text, begin, begin + len(word))


def many(conversation, count):
    return tuple(hit(conversation, 100 * conversation + n, f"the word, {n}") for n in range(count))


def searched(listing, qtbot, *found):
    """Type and give an answer."""
    listing.search()
    qtbot.keyClicks(listing.field, "word")
    qtbot.waitUntil(lambda: ("searched", "word") in listing.heard)
    listing.show_found(Found(tuple(found)))
    listing.heard.clear()


def test_the_search_begins_after_the_last_letter_and_once(listing, qtbot):
    listing.search()
    qtbot.keyClicks(listing.field, "word")
    assert listing.heard == []
    qtbot.waitUntil(lambda: bool(listing.heard))
    assert listing.heard == [("searched", "word")]
    assert listing.stack.currentIndex() != FOUND, "the list stands until there is something to show"
    qtbot.keyClicks(listing.field, "  ")
    listing.leave_search()
    assert listing.heard[-1] == ("searched", "") and listing.heard.count(("searched", "")) == 1


def test_enter_opens_the_first_hit_of_what_stands_in_the_field(listing, qtbot):
    searched(listing, qtbot, hit(1, 11, "a word"))
    listing.field.setText("word2")
    qtbot.keyClick(listing.field, Qt.Key.Key_Return)
    assert listing.heard == [("searched", "word2")], "the hits that are shown are of another word"
    listing.show_found(Found((hit(2, 21, "a word2"),)))
    assert listing.heard[-1] == ("hit_chosen", 2, 21)
    qtbot.keyClick(listing.field, Qt.Key.Key_Return)
    assert listing.heard[-1] == ("hit_chosen", 2, 21) and len(listing.heard) == 3


def test_arrow_keys_and_enter_in_what_was_found(listing, qtbot):
    searched(listing, qtbot, hit(1, None, "the word", role=""), hit(1, 11, "a word"), hit(2, 21, "word"))
    qtbot.keyClick(listing.field, Qt.Key.Key_Down)
    assert listing.found.hasFocus()
    for _number in range(3):
        qtbot.keyClick(listing.found, Qt.Key.Key_Return)
        qtbot.keyClick(listing.found, Qt.Key.Key_Down)
    assert listing.heard == [("hit_chosen", 1, -1), ("hit_chosen", 1, 11), ("hit_chosen", 2, 21)]
    for _number in range(3):
        qtbot.keyClick(listing.found, Qt.Key.Key_Up)
    assert listing.field.hasFocus(), "the first row leads back to the field"


def test_letters_typed_in_what_was_found_go_to_the_field(listing, qtbot):
    searched(listing, qtbot, hit(1, 11, "a word"))
    qtbot.keyClick(listing.field, Qt.Key.Key_Down)
    qtbot.keyClicks(listing.found, "s")
    assert listing.field.text() == "words" and listing.field.hasFocus()


@pytest.mark.parametrize("place", ["field", "found"])
def test_escape_leaves_the_search_before_the_window_gets_the_key(listing, qtbot, place):
    searched(listing, qtbot, hit(1, 11, "a word"))
    widget = getattr(listing, place)
    event = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    event.ignore()
    QApplication.sendEvent(widget, event)
    assert event.isAccepted()
    qtbot.keyClick(widget, Qt.Key.Key_Escape)
    assert listing.heard == [("searched", ""), ("left",)]
    assert listing.stack.currentWidget() is listing.list and listing.field.text() == ""


def test_an_answer_that_comes_too_late_is_not_shown(listing, qtbot):
    searched(listing, qtbot, hit(1, 11, "a word"))
    listing.leave_search()
    listing.show_found(Found((hit(2, 21, "a word"),)))
    assert listing.stack.currentWidget() is listing.list
    listing.field.setText("other")
    listing.show_found(Found((hit(2, 21, "a word"),)), "word")
    assert listing.stack.currentWidget() is listing.list


def test_more_of_a_conversation_is_shown_where_one_asks_for_it(listing, qtbot):
    searched(listing, qtbot, *many(1, 8), *many(2, 1))
    kinds = [type(row) for row in listing.found.rows.rows]
    assert kinds == [Title, Message, Message, Message, More, Title, Message]
    more = listing.found.rows.index(4)
    assert more.data() == "5 more"
    listing.found.setCurrentIndex(more)
    qtbot.keyClick(listing.found, Qt.Key.Key_Return)
    assert [type(row) for row in listing.found.rows.rows] == [Title, *[Message] * 8, Title, Message]
    assert listing.found.currentIndex().row() == 4 and listing.heard == []


def test_a_single_further_one_is_shown_at_once():
    rows = found_rows.rows_of(Found(many(1, 4)), "word", NOW)
    assert [type(row) for row in rows] == [Title, *[Message] * 4]


def test_what_is_said_over_the_hits(listing, qtbot):
    searched(listing, qtbot)
    assert listing.status.text() == "Nothing found."
    listing.show_found(Found((hit(1, 11, "a word"),), complete=False))
    assert "not all" in listing.status.text().lower() and listing.status.isVisible()
    listing.show_found(None)
    assert listing.status.text() == "Searching…"
    listing.show_found(Found((hit(1, 11, "a word"),), more=True))
    assert not listing.status.isVisible()
    assert isinstance(listing.found.rows.rows[-1], Remark)


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("The word is a WORD", "word", ["word", "WORD"]),
        ("打开手机设置里的设置", "设置", ["设置", "设置"]),
        ("Café crème", "cafe creme", ["Café", "crème"]),
        ("ＡＢＣ abc", "abc", ["ＡＢＣ", "abc"]),
        ("aaaa", "aa", ["aaaa"]),
        ("nothing here", "word", []),
        ("İstanbul word", "word", ["word"]),
        ("", "word", []),
    ],
)
def test_all_words_are_marked(text, query, marked):
    assert [text[begin:end] for begin, end in found_rows.marks_of(text, query)] == marked


def test_what_was_found_stands_near_the_beginning_of_its_line():
    text = "a rather long beginning of a message, and then at last the word that was looked for"
    title, message = found_rows.rows_of(Found((hit(1, 11, text),)), "word", NOW)
    assert title == Title(1, "talk 1") and message.text == "…last the word that was looked for"
    assert [message.text[begin:end] for begin, end in message.marks] == ["word"]
    _title, message = found_rows.rows_of(
        Found((hit(1, 11, "一" * 50 + "设置" + "二" * 30, "设置"),)), "设置", NOW
    )
    assert 0 < message.marks[0][0] <= found_rows.BEFORE + 1


def test_dates_of_hits():
    assert found_rows.when_text(NOW - 3_600, NOW) == "14:30"
    assert found_rows.when_text(NOW - 2 * DAY, NOW) == "2026-11-19"


def test_thousands_of_conversations_are_asked_for_only_where_they_are_seen(listing, qtbot):
    seen = []
    data = listing.rows.data
    listing.rows.data = lambda index, role=0: seen.append(index.row()) or data(index, role)
    listing.show_conversations([talk(n, n / 24) for n in range(5000)], 3)
    listing.grab()
    assert listing.rows.rowCount() > 5000
    assert 0 < len(set(seen)) < 60, "rows that nobody sees cost nothing"
