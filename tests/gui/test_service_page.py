"""The Service page: the switch, who can reach the service, its key, examples, requests, and the agent's test."""

import asyncio
import dataclasses
import json
import subprocess
import sys
import threading

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit

from autoglm_desktop.core.errors import ServiceError
from autoglm_desktop.gui.main_window import NAVIGATION_WIDTH
from autoglm_desktop.gui.service import qr, snippets, words
from autoglm_desktop.gui.service.model import ServiceModel
from autoglm_desktop.gui.service.page import ServicePage
from autoglm_desktop.gui.service.trial import TrialController
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.store import settings
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.usecases.agent_trial import Asked, Greeted, Heard, Stepped
from autoglm_desktop.usecases.serve_gate import Asking
from autoglm_desktop.usecases.service_control import ServiceControl, ServiceState
from autoglm_desktop.usecases.service_settings import LanAddress
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import SessionState
from tests.fakes.fake_session import FakeSession
from tests.gui.service_states import LAN, PROOF, READY, REPLIES, TARGET, NoKeyring, screens, stepped, tried
from tests.gui.service_states import Stand as StatesStand

FOUND_PORT = 43_210


class MadeServe:
    """Listens nowhere. What it was started with is kept; ``taken``: ports of others."""

    def __init__(self, *taken):
        self.taken, self.started, self.ended, self.gates = taken, [], 0, []

    async def __call__(self, session, options, on_ready, **parts):
        if options.port in self.taken:
            raise ServiceError("port_in_use", port=str(options.port))
        self.started.append(options)
        self.gates.append(parts["gate"])
        on_ready(At(options.host, options.port or FOUND_PORT))
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


@dataclasses.dataclass(frozen=True)
class At:
    host: str
    port: int

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


class SlowKeyring:
    """A keyring that keeps a key once it is let."""

    priority = 5.0

    def __init__(self):
        self.let, self.kept, self.asked = threading.Event(), {}, 0

    def get_password(self, service, username):
        return self.kept.get(username)

    def set_password(self, service, username, password):
        self.asked += 1
        self.let.wait(20)
        self.kept[username] = password

    def delete_password(self, service, username):
        del self.kept[username]


class Stand:
    """The page over a service that listens nowhere and a session that is not run."""

    def __init__(self, qtbot, bridge, home, serve=None, run=None, keyring=None):
        services = create_services(home)
        services.web.keys = Keys({}, (lambda: keyring) if keyring is not None else NoKeyring)
        self.home, self.serve, self.qtbot = home, serve or MadeServe(), qtbot
        self.session = SessionModel(bridge, FakeSession())
        self.control = ServiceControl(FakeSession(), services, None, lambda: self.serve)
        self.service = ServiceModel(bridge, services, self.control, lambda: LAN)
        parts = {"run": run} if run is not None else {}
        self.controller = TrialController(bridge, **parts)
        self.page = ServicePage(
            bridge,
            services,
            self.session,
            None,
            control=self.control,
            service=self.service,
            controller=self.controller,
        )
        qtbot.addWidget(self.page)
        self.bridge = bridge
        self.session._show(READY)

    def begun(self):
        self.page.start()
        self.qtbot.waitUntil(lambda: self.service.is_read)
        return self

    def on(self):
        self.begun()
        self.page.status.switch.click()
        self.qtbot.waitUntil(lambda: self.service.is_on)
        return self

    def end(self):
        self.bridge.close(self.page.finish)

    def kept(self):
        return settings.load(self.home)


@pytest.fixture
def stand(qtbot, bridge, tmp_path):
    made = []

    def make(**parts):
        made.append(Stand(qtbot, bridge, tmp_path / "数据 home", **parts))
        return made[-1]

    yield make
    made[-1].end()


def texts(widget):
    return [one.text() for one in widget.findChildren(QLabel) if not one.isHidden()]


def test_the_switch_switches_on_and_off_and_it_is_kept(stand, qtbot):
    made = stand().begun()
    page, status = made.page, made.page.status
    assert status.title.text() == "The service is off"
    assert status.address.isHidden()
    qtbot.keyClick(status.switch, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: made.service.is_on)
    assert status.title.text() == "The service is on, for this computer"
    assert status.url.text() == "http://127.0.0.1:8000/v1"
    assert not status.address.isHidden()
    assert status.switch.isChecked()
    status.copy.click()
    assert QGuiApplication.clipboard().text() == "http://127.0.0.1:8000/v1"
    assert made.kept().service_on
    qtbot.keyClick(page.status.switch, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: made.service.state == ServiceState())
    assert made.serve.ended == 1
    qtbot.waitUntil(lambda: not made.kept().service_on)


def test_it_is_on_again_at_the_next_start(stand, qtbot, tmp_path):
    settings.update(tmp_path / "数据 home", service_on=True, service_port=8123)
    made = stand().begun()
    qtbot.waitUntil(lambda: made.service.is_on)
    assert made.serve.started[0].port == 8123
    assert made.page.options.port.text() == "8123"


def test_at_the_windows_end_it_is_ended_and_stays_wanted(stand, qtbot):
    made = stand().on()
    made.end()
    assert made.serve.ended == 1
    assert made.kept().service_on


def test_a_port_in_use_is_told_with_what_to_do(stand, qtbot):
    made = stand(serve=MadeServe(8000)).begun()
    made.page.status.switch.click()
    trouble = made.page.status.trouble
    qtbot.waitUntil(lambda: not trouble.isHidden())
    assert trouble.text.text().startswith("Another program uses port 8000.")
    assert "--port" not in trouble.text.text()
    assert not made.page.status.switch.isChecked()
    assert trouble.button.text() == "Use a free port"
    trouble.button.click()
    qtbot.waitUntil(lambda: made.service.is_on)
    assert trouble.isHidden()
    qtbot.waitUntil(lambda: made.kept().service_port == FOUND_PORT)
    assert f":{FOUND_PORT}/v1" in made.page.snippets.code.text()


def test_into_the_network_only_with_a_key_a_warning_and_addresses(stand, qtbot):
    made = stand().on()
    page = made.page
    page.reach.picked.emit(True)
    qtbot.waitUntil(
        lambda: len(made.serve.started) == 2 and made.service.is_on and bool(made.service.addresses)
    )
    qtbot.waitUntil(lambda: made.service.settings.key is not None)
    options = made.serve.started[1]
    key = made.service.settings.key
    assert (options.host, options.api_key) == ("0.0.0.0", key)
    assert len(key) >= 32
    assert made.serve.ended == 1
    assert "Nothing is encrypted" in page.reach.warning.text.text()
    assert "http://192.168.1.20:8000/v1" in texts(page.reach.network)
    assert page.reach.qr.text == "http://192.168.1.20:8000/v1"
    assert key not in page.reach.qr.text
    assert key not in " ".join(texts(page))
    assert words.HIDDEN in page.snippets.code.text()
    page.snippets.copy.click()
    assert f"--apikey {key}" in QGuiApplication.clipboard().text()
    page.key.show_button.click()
    assert page.key.value.text() == key
    assert key in page.snippets.code.text()
    assert "forgotten when the program ends" in page.key.said.text()


def test_a_new_key_is_asked_for_first_and_holds_at_once(stand, qtbot):
    made = stand().on()
    made.page.key.also_here.click()
    qtbot.waitUntil(lambda: len(made.serve.started) == 2 and made.service.is_on)
    qtbot.waitUntil(lambda: made.service.settings.key is not None)
    old = made.service.settings.key
    made.page.key.new_button.click()
    assert made.service.settings.key == old
    made.page.key.dialog.do_button.click()
    qtbot.waitUntil(lambda: len(made.serve.started) == 3 and made.service.is_on)
    assert made.serve.started[1].api_key == old
    assert made.serve.started[2].api_key not in (None, old)
    qtbot.waitUntil(lambda: made.service.settings.key == made.serve.started[2].api_key)


def test_names_and_port_are_taken_when_the_field_is_left(stand, qtbot):
    made = stand().on()
    options = made.page.options
    options.hosts.setText("my pc!")
    options.hosts.editingFinished.emit()
    assert options.wrong.text() == "This is no name of a computer: pc!"
    assert not options.wrong.isHidden()
    options.hosts.clear()
    options.add_buttons[0].click()
    qtbot.waitUntil(lambda: len(made.serve.started) == 2 and made.service.is_on)
    assert "host.docker.internal" in made.serve.started[1].allowed_hosts
    assert options.wrong.isHidden()
    assert not options.add_buttons[0].isEnabled()
    for wrong in ("0", "65536", "80a", ""):
        options.port.setText(wrong)
        options.port.editingFinished.emit()
        assert not options.port_wrong.isHidden()
    options.port.setText("8124")
    options.port.editingFinished.emit()
    qtbot.waitUntil(lambda: len(made.serve.started) == 3 and made.service.is_on)
    assert made.serve.started[2].port == 8124
    options.port.editingFinished.emit()  # the same again
    assert options.port_wrong.isHidden()
    assert len(made.serve.started) == 3


def test_settings_changed_while_it_is_off_do_not_switch_it_on(stand, qtbot):
    made = stand().begun()
    made.page.options.port.setText("8125")
    made.page.options.port.editingFinished.emit()
    qtbot.waitUntil(lambda: made.kept().service_port == 8125)
    assert made.serve.started == []


def test_the_last_wish_holds_however_slow_the_keyring_is(stand, qtbot):
    """Into the network and back before the key is made: the service must not stay open to the network."""
    keyring = SlowKeyring()
    made = stand(keyring=keyring).on()
    made.page.reach.picked.emit(True)
    qtbot.waitUntil(lambda: keyring.asked == 1)
    made.page.reach.picked.emit(False)
    made.page.options.hosts_entered.emit(("my-pc",))
    keyring.let.set()
    qtbot.waitUntil(lambda: not made.service.settings.lan and made.service.settings.key is not None)
    qtbot.waitUntil(lambda: made.service.is_on and made.serve.started[-1].allowed_hosts == ("my-pc",))
    last = made.serve.started[-1]
    assert (last.host, last.api_key) == ("127.0.0.1", None)
    assert not made.kept().service_lan
    assert made.service.settings.key == keyring.kept["service"]
    assert keyring.asked == 1


def test_what_was_switched_is_shown_at_once_and_quick_changes_end_as_the_last_one(stand, qtbot):
    keyring = SlowKeyring()
    made = stand(keyring=keyring).begun()
    status = made.page.status
    made.page.key.also_here.click()
    qtbot.waitUntil(lambda: keyring.asked == 1)
    status.switch.click()
    assert status.switch.isChecked()
    assert status.title.text() == "The service is being switched on"
    assert made.page.trial.obstacle.text.text() == "The service is being switched on"
    status.switch.click()
    assert not status.switch.isChecked()
    assert status.title.text() == "The service is off"
    status.switch.click()
    keyring.let.set()
    qtbot.waitUntil(lambda: made.service.is_on)
    assert [one.api_key for one in made.serve.started] == [keyring.kept["service"]]
    for _ in range(5):
        status.switch.click()
    assert not status.switch.isChecked()
    qtbot.waitUntil(
        lambda: made.service.state == ServiceState() and made.serve.ended == len(made.serve.started)
    )
    qtbot.waitUntil(lambda: not made.kept().service_on)


def test_a_key_that_was_made_stays_when_the_port_is_taken(stand, qtbot):
    made = stand(serve=MadeServe(8000)).begun()
    made.page.status.switch.click()
    qtbot.waitUntil(lambda: made.service.state.error is not None)
    made.page.reach.picked.emit(True)
    qtbot.waitUntil(lambda: made.service.settings.key is not None)
    key = made.service.settings.key
    assert "being fetched" not in made.page.key.said.text()
    assert made.page.status.trouble.button.text() == "Use a free port"
    made.page.status.trouble.button.click()
    assert made.service.port == 8000
    assert ":0" not in made.page.snippets.code.text()
    qtbot.waitUntil(lambda: made.service.is_on)
    assert made.serve.started[-1].api_key == key


def test_a_free_port_stays_one_while_other_settings_change(stand, qtbot):
    made = stand(serve=MadeServe(8000)).begun()
    made.service.use_free_port()
    made.page.options.hosts_entered.emit(("my-pc",))
    qtbot.waitUntil(lambda: made.service.is_on and "my-pc" in made.serve.started[-1].allowed_hosts)
    assert made.serve.started[-1].port == FOUND_PORT
    assert made.page.options.port.text() == str(FOUND_PORT)


def test_where_a_key_is_needed_and_none_is_known_one_is_made_at_the_start(stand, qtbot, tmp_path):
    """As where no keyring keeps it: it would be "being fetched" for ever while the service is off."""
    settings.update(tmp_path / "数据 home", service_lan=True)
    made = stand().begun()
    qtbot.waitUntil(lambda: made.service.settings.key is not None)
    assert "forgotten when the program ends" in made.page.key.said.text()
    assert made.serve.started == []
    assert not made.page.status.switch.isChecked()


@pytest.mark.parametrize("port", [0, -1, 70_000, 2**70, "abc", None, True, 1.5, [8000]])
def test_a_file_that_was_edited_to_nonsense_starts_as_usual(stand, qtbot, tmp_path, port):
    file = tmp_path / "数据 home" / "state" / "settings.json"
    file.parent.mkdir(parents=True)
    hosts = "*, a b\n, http://my-pc:1/x, [::1], \u0000, ,;"
    file.write_text(json.dumps({"service_port": port, "service_hosts": hosts, "service_on": True}))
    made = stand().begun()
    qtbot.waitUntil(lambda: made.service.is_on or not made.service.settings.on)
    assert made.service.settings.port == 8000
    assert set(made.service.settings.hosts) <= {"a", "b", "my-pc"}


def test_a_wrong_port_goes_when_another_one_is_taken(stand, qtbot):
    made = stand(serve=MadeServe(8000)).begun()
    options = made.page.options
    options.port.setText("99999")
    options.port.editingFinished.emit()
    made.page.show_state()
    assert options.port.text() == "99999"
    assert not options.port_wrong.isHidden()
    made.service.use_free_port()
    qtbot.waitUntil(lambda: made.service.is_on)
    qtbot.waitUntil(lambda: options.port.text() == str(FOUND_PORT))
    assert options.port_wrong.isHidden()


def test_a_keyring_is_not_asked_where_no_key_is_needed(stand, qtbot):
    """It may ask the user for a password, or take seconds in which the page can't be used."""
    keyring = SlowKeyring()
    keyring.get_password = None  # being called would be an error
    made = stand(keyring=keyring).on()
    assert made.service.settings.key is None
    assert keyring.asked == 0


def test_a_key_that_is_kept_stays_the_key(stand, qtbot, tmp_path):
    keyring = SlowKeyring()
    keyring.kept["service"] = "made-kept-key"
    settings.update(tmp_path / "数据 home", service_on=True, service_lan=True)
    made = stand(keyring=keyring).begun()
    qtbot.waitUntil(lambda: made.service.is_on and made.service.settings.key is not None)
    assert made.serve.started[0].api_key == "made-kept-key"
    assert "kept in the system's keyring" in made.page.key.said.text()


def test_requests_are_shown_while_they_wait_and_are_answered(stand, qtbot):
    made = stand().on()
    card = made.page.requests
    assert "Nobody has asked yet" in card.empty.text()
    tickets = []

    def ask():
        asking = Asking("/v1/chat/completions", "10.0.0.7", stream=True, pictures=1)
        tickets.extend(made.serve.gates[0].ticket(asking) for _ in range(10))

    made.bridge.call(ask)
    qtbot.waitUntil(lambda: not card.table.isHidden())
    first, second = (tuple(cell.text() for cell in row)[:4] for row in card.rows[:2])
    assert first == ("chat/completions · 1 picture", "10.0.0.7", "Its prompt is read", "–")
    assert second[2] == "Waits, number 1"
    assert card.more.text() == "and 2 more"
    made.bridge.call(lambda: [ticket.cancel() for ticket in tickets])
    qtbot.waitUntil(lambda: not card.empty.isHidden())
    assert card.empty.text() == "Nobody asks at the moment."
    assert card.totals.text() == "10 requests and 0 tokens since it was switched on"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (SessionState(), "No model is chosen yet"),
        (SessionState("idle", TARGET), "the first request loads it"),
        (SessionState("loading", TARGET), "is being loaded"),
        (READY, "7.0 GiB in RAM"),
        (SessionState("failed", TARGET, error=ServiceError("model_loading")), "still being loaded"),
    ],
)
def test_the_card_says_which_model_answers_and_how_it_runs(stand, state, said):
    made = stand().begun()
    made.session._show(state)
    assert said in made.page.status.model.text.text()


def test_without_a_model_one_can_be_chosen(stand, qtbot):
    made = stand().begun()
    made.session._show(SessionState())
    with qtbot.waitSignal(made.page.models_wanted):
        made.page.status.model.button.click()


def test_a_test_that_goes_well(stand, qtbot):
    go_on = asyncio.Event()
    trials = []

    async def run(trial):
        trials.append(trial)
        yield Greeted(1.0, late=False)
        for number, screen in enumerate(trial.screens, 1):
            yield Asked(number, screen, 128_000)
            yield Heard(number, "", 0, None, 3)
            if number == 2:
                await go_on.wait()
            yield stepped(number, REPLIES[number - 1])

    made = stand(run=run).on()
    card = made.page.trial
    card.run_button.click()
    qtbot.waitUntil(lambda: made.controller.asked is not None and made.controller.asked.number == 2)
    qtbot.waitUntil(lambda: "3 signs of life" in card.progress.text())
    assert card.progress.text().startswith("Step 2: prompt and screenshot (125 KiB) are sent and read")
    assert card.run_button.isHidden()
    assert not card.task.isEnabled()
    assert len(card.tiles) == 2
    assert card.tiles[0].action.text() == "Tap at 847, 661"
    made.bridge.call(go_on.set)
    qtbot.waitUntil(lambda: not made.controller.running)
    assert card.outcome.text.text() == (
        "AutoGLM-Phone-9B Q4_K_M answered 3 steps, and the agent can read all of them: 26 s for each."
    )
    assert [tile.mark.status for tile in card.tiles] == ["ok", "ok", "ok"]
    assert trials[0].url == "http://127.0.0.1:8000/v1"
    assert trials[0].task == "Turn on dark mode in the settings"
    assert trials[0].language == "en"


@pytest.mark.parametrize(("times", "folded"), [(1, False), (200, True)])
def test_a_long_reply_is_folded_so_that_the_rest_stays_in_sight(stand, qtbot, times, folded):
    async def run(trial):
        yield Greeted(1.0, late=False)
        yield Asked(1, trial.screens[0], 1)
        yield stepped(1, "no action " * times)

    made = stand(run=run).on()
    made.page.trial.run_button.click()
    qtbot.waitUntil(lambda: bool(made.controller.steps) and not made.controller.running)
    assert made.page.trial.tiles[0].reply.text.isHidden() == folded


def test_what_the_reader_unfolds_stays_and_a_change_of_the_model_is_told(stand, qtbot):
    go_on = asyncio.Event()

    async def run(trial):
        yield Greeted(1.0, late=False)
        yield Asked(1, trial.screens[0], 1)
        yield stepped(1, REPLIES[0])
        await go_on.wait()

    made = stand(run=run).on()
    card = made.page.trial
    card.run_button.click()
    qtbot.waitUntil(lambda: bool(made.controller.steps))
    reply = card.tiles[0].reply
    assert reply.text.isHidden()
    reply.opener.click()
    made.session._show(dataclasses.replace(READY, target=dataclasses.replace(TARGET, name="other")))
    assert not reply.text.isHidden()
    made.bridge.call(go_on.set)
    qtbot.waitUntil(lambda: not made.controller.running)
    assert card.outcome.text.text() == "Another model was loaded during the test; run it again."
    assert not reply.text.isHidden()


def test_a_reply_that_cannot_be_read_names_the_model_that_gave_it(stand, qtbot):
    reply = "I would tap <b>there</b>."

    async def run(trial):
        yield Greeted(1.0, late=False)
        yield Asked(1, trial.screens[0], 1)
        yield stepped(1, reply)

    made = stand(run=run).on()
    made.session._show(
        dataclasses.replace(READY, target=dataclasses.replace(TARGET, name="other", model=None))
    )
    made.page.trial.run_button.click()
    qtbot.waitUntil(lambda: bool(made.controller.steps) and not made.controller.running)
    said = made.page.trial.outcome.text.text()
    assert said.startswith("other answered, but not as the agent needs it")
    assert "other is not made for the phone agent; AutoGLM-Phone-9B is." in said
    tile = made.page.trial.tiles[0]
    assert tile.mark.status == "warn"
    assert tile.reply.text.text() == reply
    assert not tile.reply.text.isHidden()


def test_it_is_stopped_and_a_failure_is_told(stand, qtbot):
    closed = []

    async def run(trial):
        try:
            yield Greeted(1.0, late=False)
            yield Asked(1, trial.screens[0], 1)
            if len(closed) == 1:
                raise ServiceError("trial_cut")
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    made = stand(run=run).on()
    card = made.page.trial
    card.run_button.click()
    qtbot.waitUntil(lambda: made.controller.asked is not None)
    card.stop_button.click()
    qtbot.waitUntil(lambda: not made.controller.running)
    assert closed == [True]
    assert card.outcome.text.text() == "Stopped."
    assert card.tiles[0].action.text() == "No whole answer came."
    card.run_button.click()
    qtbot.waitUntil(lambda: made.controller.error is not None and not made.controller.running)
    assert card.outcome.text.text().startswith("The reply broke off before its end")


def test_what_stands_in_the_way_of_the_test_is_said_before(stand, qtbot):
    made = stand().begun()
    card = made.page.trial
    assert card.obstacle.text.text() == "The service is off; it has to be on for this test."
    assert not card.run_button.isEnabled()
    card.obstacle.button.click()
    qtbot.waitUntil(lambda: made.service.is_on)
    assert card.obstacle.isHidden()
    assert card.run_button.isEnabled()
    card.task.clear()
    assert not card.run_button.isEnabled()
    card.task.setText("x")
    made.session._show(dataclasses.replace(READY, proof=dataclasses.replace(PROOF, projector=None)))
    assert "without its vision part" in card.obstacle.text.text()
    assert not card.run_button.isEnabled()
    card.obstacle.button.click()  # its file is not there: said, not swallowed
    qtbot.waitUntil(lambda: bool(made.page.notices.shown))
    made.session._show(dataclasses.replace(READY, proof=dataclasses.replace(PROOF, context=4_096)))
    assert "room for 4,096 tokens" in card.obstacle.text.text()
    assert card.run_button.isEnabled()


def test_an_own_screenshot_is_one_step(stand, qtbot, tmp_path):
    trials = []

    async def run(trial):
        trials.append(trial)
        yield Stepped(1, trial.screens[0], stepped(1, REPLIES[0]).step, "", 1.0, None, 0)

    file = tmp_path / "own.png"
    file.write_bytes(screens()[0].png)
    made = stand(run=run).on()
    made.page.trial.choose(file)
    assert made.page.trial.file.text() == str(file)
    made.page.trial.run_button.click()
    assert made.page.trial.progress.text().startswith("The screenshot is read")
    qtbot.waitUntil(lambda: bool(trials) and not made.controller.running)
    assert len(trials[0].screens) == 1
    file.write_bytes(b"no picture")
    made.page.trial.run_button.click()
    qtbot.waitUntil(lambda: made.controller.error is not None)
    made.page.trial.choose(None)
    assert made.page.trial.shots.value() == "drawn"


def test_a_dropped_picture_is_taken(stand, tmp_path):
    file = tmp_path / "own.png"
    file.write_bytes(screens()[0].png)
    card = stand().begun().page.trial
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file))])
    button, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    card.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, button, keys))
    assert (card.source, card.shots.value()) == (file, "own")
    card.choose(b"made")
    assert card.file.text() == "A picture from elsewhere"


def test_the_example_task_follows_the_language_and_an_own_one_stays(stand):
    card = stand().begun().page.trial
    card.language.picked.emit("zh")
    assert card.task.text() == "打开系统设置里的深色模式"
    card.task.setText("own")
    card.language.picked.emit("en")
    assert card.task.text() == "own"


def test_everything_that_takes_the_focus_has_a_name(stand):
    page = stand().on().page
    for one in (*page.findChildren(QAbstractButton), *page.findChildren(QLineEdit)):
        if not one.isVisibleTo(page):
            continue
        assert one.accessibleName() or (isinstance(one, QAbstractButton) and one.text()), one


def test_the_longest_address_fits_into_the_smallest_window(qtbot, bridge, tmp_path):
    made = StatesStand(bridge, tmp_path).on_lan()
    made.service.addresses = (LanAddress("made-long-name-of-an-interface", "192.168.123.210"),)
    made.service.state = ServiceState("on", At("0.0.0.0", 43_210))
    page = made.page
    page.show_state()
    qtbot.addWidget(page)
    page.resize(880 - NAVIGATION_WIDTH, 560)
    assert page.reach.minimumSizeHint().width() <= page.width() - 60


def test_the_tab_key_goes_from_top_to_bottom(qtbot, bridge, tmp_path):
    made = tried(StatesStand(bridge, tmp_path).on_lan(), *REPLIES)
    page = made.page
    qtbot.addWidget(page)
    page.resize(1000, 700)
    page.show()
    chain, one = [], page.status.switch
    while one not in chain:
        chain.append(one)
        one = one.nextInFocusChain()
    stops = [
        one for one in chain
        if page.widget().isAncestorOf(one) and one.isVisible() and one.isEnabled()
        and one.focusPolicy() & Qt.FocusPolicy.TabFocus and not isinstance(one, QLabel)
    ]  # fmt: skip
    cards = (page.status, page.reach, page.key, page.snippets, page.requests, page.trial, page.options)
    places = [next(number for number, card in enumerate(cards) if card.isAncestorOf(one)) for one in stops]
    assert places == sorted(places)
    assert set(places) == {0, 1, 2, 3, 5, 6}
    heights = [
        one.mapTo(page.widget(), one.rect().center()).y() for one in stops if page.reach.isAncestorOf(one)
    ]
    assert heights == sorted(heights)
    tiles = [one for one in stops if any(tile.isAncestorOf(one) for tile in page.trial.tiles)]
    assert len(tiles) == 6


@pytest.mark.parametrize("windows", [False, True])
def test_examples_hold_address_and_key(windows):
    url, key = "http://192.168.1.20:8000/v1", "made-key"
    agent = snippets.text("agent", url, key, "zh", windows)
    for part in (f"--base-url {url}", "--model autoglm-phone-9b", "--apikey made-key", '"打开设置"'):
        assert part in agent
    assert "--lang" not in agent
    assert "--apikey" not in snippets.text("agent", url, None, "en", windows)
    curl = snippets.text("curl", url, key, "en", windows)
    assert f"{url}/chat/completions" in curl
    assert "Authorization: Bearer made-key" in curl
    assert ("^\n" in curl) is windows
    python = snippets.text("python", url, None, "en", windows)
    compile(python, "snippet", "exec")
    assert 'api_key="EMPTY"' in python


@pytest.mark.skipif(sys.platform == "win32", reason="a shell")
def test_the_shell_takes_the_example_apart_as_it_is_meant():
    import json
    import shlex

    words_ = shlex.split(snippets.text("curl", "http://a/v1", "k", "zh", windows=False))
    assert json.loads(words_[-1])["messages"][0]["content"] == "你好"


def test_a_qr_code_has_its_quiet_zone(qapp):
    image = qr.image_of("http://192.168.1.20:8000/v1")
    side = image.width()
    light = {image.pixel(x, y) & 0xFF for x in range(side) for y in (0, 1, 2, 3, side - 1)}
    assert light == {255}
    assert image.pixel(4, 4) & 0xFF == 0  # the corner of a finder


def test_the_page_imports_neither_the_server_nor_the_qr_code():
    code = (
        "import sys, autoglm_desktop.gui.service.page\n"
        "print([name for name in ('fastapi', 'uvicorn', 'segno') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
