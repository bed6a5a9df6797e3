"""Settings of a conversation: everything holds at once, wrong input is told, the library keeps prompts."""

import datetime
import json

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QPushButton

from autoglm_desktop.core.conversation import RANGES, ConversationSettings
from autoglm_desktop.core.protocol import Sampling
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.gui.chat_settings import sampling_values
from autoglm_desktop.gui.chat_settings.prompt_shelf import PromptShelf
from autoglm_desktop.gui.chat_settings.sampling_values import WrongNumber
from autoglm_desktop.gui.chat_settings.settings_dialog import SettingsDialog
from autoglm_desktop.gui.remote.button import RemoteButton
from autoglm_desktop.store.own_prompts import OwnPrompts
from autoglm_desktop.usecases import prompts

DAY = datetime.date(2026, 11, 21)
DEFAULTS = Sampling(temperature=0.0, top_p=0.85, max_tokens=3000)
HERE = Endpoint("here", "made: Ollama", "http://localhost:11434/v1", "qwen3:8b")
AWAY = Endpoint("away", "made: far", "https://llm.example.com/v1", "glm-4")
PLAIN = ConversationSettings()


@pytest.fixture
def make(qtbot, bridge, tmp_path):
    def build(settings=PLAIN, endpoints=(HERE, AWAY), own=True):
        shelf = PromptShelf(bridge, OwnPrompts(tmp_path / "state" / "prompts.json")) if own else None
        made = SettingsDialog(
            settings,
            DEFAULTS,
            endpoints,
            prompts.library("en", DAY),
            source="from the catalogue",
            model="9B",
            own=shelf,
            remote_button=RemoteButton(bridge, None),
        )
        qtbot.addWidget(made)
        made.heard = []
        made.changed.connect(made.heard.append)
        made.show()
        return made

    return build


@pytest.fixture
def dialog(make):
    return make()


def enter(dialog, name, text):
    """Type into a number's field, the old text replaced."""
    field = dialog.sampling.rows[name].field
    field.setText(text)
    field.textEdited.emit(text)
    dialog.flush()


def test_opening_changes_nothing(make):
    settings = ConversationSettings("Be brief.", endpoint="away", model="glm-4", temperature=0.7, seed=5)
    dialog = make(settings)
    dialog.flush()
    dialog.close()
    assert dialog.heard == [] and dialog.settings() == settings


def test_every_number_shows_its_default_and_whether_it_is_changed(dialog):
    assert set(dialog.sampling.rows) == set(RANGES)
    row = dialog.sampling.rows["top_p"]
    assert (row.field.text(), row.field.placeholderText(), row.state.text()) == ("", "0.85", "default: 0.85")
    assert dialog.sampling.rows["seed"].state.text() == "default: random"
    enter(dialog, "top_p", "0.5")
    assert row.state.text() == "changed; default: 0.85" and row.reset.isVisible()
    assert dialog.source.text() == "from the catalogue"
    row.reset.click()
    dialog.flush()
    assert dialog.heard == [ConversationSettings(top_p=0.5), PLAIN] and not row.reset.isVisible()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", " 0,7 ", 0.7),
        ("temperature", "０．７", 0.7),
        ("presence_penalty", "-2", -2.0),
        ("presence_penalty", "−1.5", -1.5),
        ("max_tokens", "512", 512),
        ("seed", "4294967295", 4294967295),
        ("top_k", "0", 0),
    ],
)
def test_numbers_as_people_type_them(dialog, name, text, value):
    enter(dialog, name, text)
    (settings,) = dialog.heard
    assert getattr(settings, name) == value and settings == ConversationSettings(**{name: value})
    assert not dialog.sampling.rows[name].wrong.isVisible()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("temperature", "2.1", "A number from 0 to 2 is expected; until then it is 0."),
        ("temperature", "nan", "A number from 0 to 2 is expected; until then it is 0."),
        ("temperature", "1e999", "A number from 0 to 2 is expected; until then it is 0."),
        ("max_tokens", "0", "A whole number from 1 to 1000000 is expected; until then it is 3000."),
        ("max_tokens", "1.5", "A whole number from 1 to 1000000 is expected; until then it is 3000."),
        ("seed", "-1", "A whole number from 0 to 4294967295 is expected; until then it is random."),
        ("frequency_penalty", "ten", "A number from -2 to 2 is expected; until then it is 0."),
        ("top_k", "9" * 5000, "A whole number from 0 to 1000000 is expected; until then it is 40."),
    ],
)
def test_wrong_input_is_told_where_it_stands_and_changes_nothing(dialog, name, text, said):
    enter(dialog, name, text)
    row = dialog.sampling.rows[name]
    assert row.wrong.isVisible() and row.wrong.text() == said
    assert said in row.field.accessibleDescription()
    assert dialog.heard == [] and row.field.text() == text, "what was typed stays to be put right"


def test_a_wrong_number_leaves_the_last_right_one(dialog):
    enter(dialog, "temperature", "0.7")
    enter(dialog, "temperature", "0.7x")
    assert dialog.sampling.rows["temperature"].wrong.text().endswith("until then it is 0.7.")
    assert dialog.heard == [ConversationSettings(temperature=0.7)]
    enter(dialog, "temperature", "0.75")
    assert not dialog.sampling.rows["temperature"].wrong.isVisible()
    enter(dialog, "temperature", "")
    assert dialog.heard[1:] == [ConversationSettings(temperature=0.75), PLAIN]


def test_the_ranges_are_those_of_the_core():
    for name, (least, most) in RANGES.items():
        assert (
            sampling_values.parse(name, str(least)) == least
            and sampling_values.parse(name, str(most)) == most
        )
        for outside in (least - 1, most + 1):
            with pytest.raises(WrongNumber):
                sampling_values.parse(name, str(outside))


def test_arrow_keys_step(dialog, qtbot):
    field = dialog.sampling.rows["temperature"].field
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Down):
        qtbot.keyClick(field, key)
    assert field.text() == "0", "never below its range"
    qtbot.keyClick(field, Qt.Key.Key_PageUp)
    qtbot.keyClick(dialog.sampling.rows["max_tokens"].field, Qt.Key.Key_Up)
    dialog.flush()
    assert dialog.heard[-1] == ConversationSettings(temperature=1.0, max_tokens=3256)


def test_letters_are_passed_on_after_a_pause_and_when_the_window_is_left(dialog, qtbot):
    qtbot.keyClicks(dialog.prompt.text, "Be brief.")
    assert dialog.heard == []
    with qtbot.waitSignal(dialog.changed):
        pass
    assert dialog.heard == [ConversationSettings("Be brief.")]
    qtbot.keyClicks(dialog.prompt.text, "!")
    QApplication.sendEvent(dialog, QEvent(QEvent.Type.WindowDeactivate))
    assert dialog.heard[1:] == [ConversationSettings("Be brief.!")]
    qtbot.keyClicks(dialog.prompt.text, "!")
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert dialog.heard[2:] == [ConversationSettings("Be brief.!!")] and not dialog.isVisible()


def test_reset_and_undo(make):
    mine = ConversationSettings("Be brief.", endpoint="away", temperature=0.7, seed=5)
    dialog = make(mine)
    dialog.reset.click()
    assert dialog.heard == [ConversationSettings("Be brief.", endpoint="away")]
    assert not dialog.reset.isEnabled() and dialog.undo.isVisible()
    dialog.undo.click()
    assert dialog.heard[1:] == [mine] and not dialog.undo.isVisible() and dialog.reset.isEnabled()


def test_reset_takes_wrong_input_away_too(dialog):
    enter(dialog, "seed", "lots")
    assert dialog.reset.isEnabled()
    dialog.reset.click()
    row = dialog.sampling.rows["seed"]
    assert row.field.text() == "" and not row.wrong.isVisible() and dialog.heard == []


def test_who_answers_is_marked_and_holds_at_once(dialog):
    combo = dialog.answerer.combo
    texts = [combo.itemText(row) for row in range(combo.count())]
    assert texts == ["This machine", "made: Ollama · on this machine", "made: far · leaves this machine"]
    assert dialog.answerer.place.text() == "9B answers, and nothing that you write leaves this machine."
    combo.setCurrentIndex(2)
    combo.activated.emit(2)
    assert dialog.heard == [ConversationSettings(endpoint="away")]
    assert "llm.example.com" in dialog.answerer.place.text()
    assert dialog.answerer.place.property("role") == "warn"
    assert dialog.answerer.model.placeholderText() == "glm-4"
    dialog.answerer.model.setText("glm-5")
    dialog.answerer.model.textEdited.emit("glm-5")
    dialog.flush()
    combo.setCurrentIndex(0)
    combo.activated.emit(0)
    assert dialog.heard[1:] == [ConversationSettings(endpoint="away", model="glm-5"), PLAIN]


def test_the_wheel_chooses_nobody(dialog):
    combo = dialog.answerer.combo
    combo.setFocus()
    pos = QPointF(combo.rect().center())
    wheel = QWheelEvent(
        pos, combo.mapToGlobal(pos), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(combo, wheel)
    assert combo.currentIndex() == 0 and dialog.heard == []


def test_a_server_that_was_removed_is_said(make):
    dialog = make(ConversationSettings(endpoint="gone"))
    assert dialog.answerer.combo.currentText() == "The remote server was removed"
    assert "choose who answers" in dialog.answerer.place.text()
    dialog.set_endpoints((HERE, Endpoint("gone", "made: back", "http://localhost:1/v1")))
    assert dialog.answerer.combo.currentText() == "made: back · on this machine"
    assert dialog.heard == []


def test_another_conversation(dialog, qtbot):
    enter(dialog, "temperature", "hot")
    qtbot.keyClicks(dialog.prompt.text, "half")
    dialog.set_settings(PLAIN)
    assert dialog.prompt.words() == "half", "what is being typed stays while the settings are the same"
    other = ConversationSettings("Other.", seed=1)
    dialog.set_settings(other)
    dialog.flush()
    assert dialog.settings() == other and dialog.heard == []
    row = dialog.sampling.rows["temperature"]
    assert row.field.text() == "" and not row.wrong.isVisible()


def test_other_defaults(dialog):
    enter(dialog, "top_p", "0.5")
    dialog.set_defaults(Sampling(temperature=1.0), "of the server", None)
    assert dialog.sampling.rows["temperature"].field.placeholderText() == "1"
    assert dialog.sampling.rows["top_p"].field.text() == "0.5"
    assert dialog.source.text() == "of the server"
    assert dialog.answerer.place.text() == "Nothing that you write leaves this machine."


def test_the_phone_agent_by_one_click(dialog):
    zh, en = dialog.prompt.agents
    zh.click()
    dialog.flush()
    en.click()
    dialog.flush()
    assert [one.system for one in dialog.heard] == [prompts.phone_agent(one, DAY) for one in ("zh", "en")]
    dialog.prompt.text.undo()
    assert dialog.prompt.words() == prompts.phone_agent("zh", DAY), "Ctrl+Z brings it back"


def test_the_date_of_another_day(dialog):
    tomorrow = DAY + datetime.timedelta(days=1)
    dialog.prompt.choose("code.zh")
    dialog.set_prompts(prompts.library("en", tomorrow))
    assert dialog.prompt.chosen().id == "code.zh" and dialog.heard == []
    dialog.prompt.agents[1].click()
    assert dialog.prompt.words() == prompts.phone_agent("en", tomorrow)


def test_using_and_inserting(dialog, qtbot):
    dialog.prompt.choose("short.en")
    short = dialog.prompt.chosen().text
    qtbot.keyClicks(dialog.prompt.text, "Before ")
    dialog.prompt.insert.click()
    assert dialog.prompt.words() == f"Before {short}"
    dialog.prompt.use.click()
    assert dialog.prompt.words() == short


def test_own_prompts_are_kept_renamed_deleted_and_brought_back(dialog, qtbot):
    own = dialog.prompt
    assert not own.keep.isVisible(), "there is nothing to keep"
    qtbot.keyClicks(own.text, "Teach.")
    own.keep.click()
    assert own.naming.field.text() == "Teach." and own.naming.field.hasFocus()
    own.naming.field.setText("teacher")
    qtbot.keyClick(own.naming.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: own.chosen() is not None and own.chosen().name == "teacher")
    assert own.words() == "Teach.", "Enter pressed no other button"
    own.rename.click()
    own.naming.field.setText("poet")
    own.naming.keep.click()
    qtbot.waitUntil(lambda: own.chosen().name == "poet")
    own.remove.click()
    qtbot.waitUntil(lambda: own.combo.findText("poet") < 0)
    assert own.status.text() == "“poet” was deleted." and not own.remove.isVisible()
    own.undo.click()
    qtbot.waitUntil(lambda: own.chosen().name == "poet")
    assert own.chosen().text == "Teach." and not own.undo.isVisible()


def test_escape_in_the_name_closes_only_that(dialog, qtbot):
    qtbot.keyClicks(dialog.prompt.text, "Teach.")
    dialog.prompt.keep.click()
    qtbot.keyClick(dialog.prompt.naming.field, Qt.Key.Key_Escape)
    assert dialog.isVisible() and not dialog.prompt.naming.isVisible()
    dialog.prompt.keep.click()
    dialog.prompt.naming.field.clear()
    assert not dialog.prompt.naming.keep.isEnabled()


def test_a_damaged_file_of_own_prompts_is_told(make, tmp_path, qtbot):
    file = tmp_path / "state" / "prompts.json"
    file.parent.mkdir()
    file.write_text("{", encoding="utf-8")
    dialog = make()
    qtbot.waitUntil(lambda: "damaged" in dialog.prompt.status.text())
    assert dialog.prompt.status.isVisible()


def test_a_disk_that_refuses_is_told(make, tmp_path, qtbot):
    (tmp_path / "state").write_text("no folder", encoding="utf-8")
    dialog = make()
    qtbot.keyClicks(dialog.prompt.text, "Teach.")
    dialog.prompt.keep.click()
    dialog.prompt.naming.keep.click()
    qtbot.waitUntil(lambda: "cannot be written" in dialog.prompt.status.text())


def test_without_a_shelf_nothing_can_be_kept(make, qtbot):
    dialog = make(own=False)
    qtbot.keyClicks(dialog.prompt.text, "Teach.")
    assert not dialog.prompt.keep.isVisible() and dialog.prompt.chosen().id == "phone_agent.en"


def test_enter_in_a_field_presses_no_button(dialog, qtbot):
    pressed = []
    assert dialog.findChildren(RemoteButton)
    for one in dialog.findChildren(QPushButton):
        one.clicked.connect(lambda _checked=False, one=one: pressed.append(one.text()))
    for field in (dialog.sampling.rows["top_p"].field, dialog.answerer.model):
        qtbot.keyClick(field, Qt.Key.Key_Return)
    assert pressed == [] and dialog.isVisible()


def test_everything_has_a_name_and_is_reached_by_the_keyboard(dialog):
    nameless = [
        one for one in (*dialog.findChildren(QPushButton), *(row.field for row in dialog.sampling.rows.values()))
        if one.isVisible() and not (one.accessibleName() or one.text())
    ]  # fmt: skip
    assert nameless == []
    order, one = [], dialog.nextInFocusChain()
    while one is not dialog:
        order.append(one)
        one = one.nextInFocusChain()
    wanted = [
        dialog.answerer.combo,
        dialog.prompt.text,
        dialog.prompt.combo,
        dialog.sampling.rows["temperature"].field,
        dialog.sampling.rows["seed"].field,
        dialog.reset,
        dialog.close_button,
    ]
    assert [one for one in order if one in wanted] == wanted


def test_what_is_kept_is_plain_json(dialog, qtbot, tmp_path):
    qtbot.keyClicks(dialog.prompt.text, "Teach.")
    dialog.prompt.keep.click()
    dialog.prompt.naming.keep.click()
    file = tmp_path / "state" / "prompts.json"
    qtbot.waitUntil(file.exists)
    assert json.loads(file.read_text(encoding="utf-8"))["prompts"][0]["text"] == "Teach."
