"""The real window over the real downloads and a hub on 127.0.0.1: get a model, quit in the middle, go on."""

import dataclasses

import pytest

from autoglm_desktop.app import Application
from autoglm_desktop.gui.main_window import CHAT, MODELS
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.store.web import Web
from tests.fakes.fake_hub import FakeHub
from tests.fakes.fake_hub_faults import gated
from tests.gui.frame import fake_engines
from tests.gui.made_checks import made_services

PATIENCE_MS = 30_000
REPO = "made/Tiny-Model-GGUF"


def no_keyring():
    raise RuntimeError("made: there is no keyring here")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "made-tiny.Q8_0.gguf"
    write_tiny_glm4(path)
    return path.read_bytes()


@pytest.fixture
def start(qapp, qtbot, tmp_path, monkeypatch):
    """Windows over one data folder whose hub is the one given."""
    home = tmp_path / "数据 home"
    monkeypatch.setenv("AUTOGLM_HOME", str(home))
    started = []

    def make(hub):
        services = made_services(home, "ok")
        environment = {"HF_ENDPOINT": hub.url, "MODELSCOPE_ENDPOINT": hub.url}
        keys = Keys(environment={}, backend=no_keyring)
        services = dataclasses.replace(services, web=Web(keys=keys, environment=environment))
        application = Application(qapp, lambda: services)
        started.append(application)
        application.show()
        qtbot.waitUntil(lambda: application.window.contents is not None, timeout=PATIENCE_MS)
        application.window.show_page(MODELS)
        return application

    yield make
    for application in started:
        application.close()
        application.window.deleteLater()


def page_of(application):
    return application.contents.models


def items(application):
    return page_of(application).fetching.downloads.state.items


def get(qtbot, application, source):
    """By what people use: the source, the field, List, Get."""
    fetching = page_of(application).fetching
    fetching.source._take(source)
    fetching.repository.field.setText(REPO)
    fetching.repository.list_button.click()
    qtbot.waitUntil(lambda: bool(fetching.repository.buttons), timeout=PATIENCE_MS)
    fetching.repository.buttons[0][1].click()
    qtbot.waitUntil(lambda: bool(items(application)), timeout=PATIENCE_MS)


def test_from_a_repository_to_load_and_chat(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model, "README.md": b"made"}}) as hub:
        application = start(hub)
        get(qtbot, application, "huggingface")
        qtbot.waitUntil(lambda: items(application)[0].state == "done", timeout=PATIENCE_MS)
        card = page_of(application).fetching.section.cards[items(application)[0].id]
        qtbot.waitUntil(lambda: not card.buttons["chat"].isHidden(), timeout=PATIENCE_MS)
        arrived = list(application.services.models.rglob("*.gguf"))
        assert [path.read_bytes() for path in arrived] == [model]
        card.buttons["chat"].click()
        assert application.window.pages.currentIndex() == CHAT


def test_what_was_fetched_is_checked_updated_and_deleted(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}) as hub:
        application = start(hub)
        page = page_of(application)
        get(qtbot, application, "huggingface")
        qtbot.waitUntil(lambda: len(page.rows) == 1, timeout=PATIENCE_MS)
        page.rows[0].verify_action.trigger()
        qtbot.waitUntil(lambda: "exactly what was published" in page.rows[0].said.text(), timeout=PATIENCE_MS)
        updates = page.fetching.updates
        page.updates_button.click()
        qtbot.waitUntil(lambda: bool(updates.shown), timeout=PATIENCE_MS)
        assert [update.available for update in updates.shown] == [False]
        other = write_tiny_glm4_of(page, "Q4_0")
        hub.publish(REPO, {"made-tiny.Q8_0.gguf": other})
        page.updates_button.click()
        qtbot.waitUntil(lambda: len(updates.get_buttons) == 1, timeout=PATIENCE_MS)
        updates.get_buttons[0].click()
        (path,) = application.services.models.rglob("*.gguf")
        qtbot.waitUntil(lambda: path.is_file() and path.read_bytes() == other, timeout=PATIENCE_MS)
        qtbot.waitUntil(lambda: [item.state for item in items(application)] == ["done"], timeout=PATIENCE_MS)
        qtbot.waitUntil(lambda: page.rows[0].entry.local.size_bytes == len(other), timeout=PATIENCE_MS)
        page.rows[0].delete_action.trigger()
        qtbot.waitUntil(lambda: page.disk.dialog is not None, timeout=PATIENCE_MS)
        page.disk.dialog.do_button.click()
        qtbot.waitUntil(lambda: page.rows == [], timeout=PATIENCE_MS)
        assert not path.exists()


def write_tiny_glm4_of(page, weight_type):
    """A model file of another type, as bytes."""
    path = page._services.home / "made-other.gguf"
    write_tiny_glm4(path, weight_type=weight_type)
    return path.read_bytes()


def test_a_gated_repository_goes_on_with_a_token(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}, faults=[gated()]) as hub:
        application = start(hub)
        get(qtbot, application, "huggingface")
        qtbot.waitUntil(lambda: items(application)[0].state == "failed", timeout=PATIENCE_MS)
        card = page_of(application).fetching.section.cards[items(application)[0].id]
        assert "accepted its conditions" in card.error.text()
        card.buttons["token"].click()
        hub.faults.clear()
        hub.forget()
        dialog = page_of(application).fetching.dialog
        dialog.field.setText("hf_made")
        dialog.do_button.click()
        qtbot.waitUntil(lambda: items(application)[0].state == "done", timeout=PATIENCE_MS)
        assert {asked.authorized for asked in hub.asked if asked.origin == "hub"} == {True}
        assert {asked.authorized for asked in hub.asked if asked.origin == "cdn"} <= {False}
        said = [notice.text for notice in page_of(application).notices.shown]
        assert any("kept until this program ends" in text for text in said)


def test_quitting_pauses_and_the_next_start_offers_to_go_on(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}, rate=400_000, send_buffer=16_384) as hub:
        application = start(hub)
        get(qtbot, application, "huggingface")
        qtbot.waitUntil(lambda: items(application)[0].done_bytes > 300_000, timeout=PATIENCE_MS)
        assert not application.contents.download_hint.isHidden()
        application.window.close()
        assert list(application.services.models.rglob("*.gguf")) == []
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}) as hub:
        application = start(hub)
        offer = page_of(application).fetching.section.interrupted
        qtbot.waitUntil(lambda: not offer.isHidden(), timeout=PATIENCE_MS)
        assert "goes on where it stopped" in offer.text.text()
        assert hub.sent("made-tiny.Q8_0.gguf") == 0
        offer.go_on_button.click()
        qtbot.waitUntil(lambda: items(application)[0].state == "done", timeout=PATIENCE_MS)
        assert [path.read_bytes() for path in application.services.models.rglob("*.gguf")] == [model]


def test_pause_keeps_what_arrived_and_cancel_asks(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}, rate=400_000, send_buffer=16_384) as hub:
        application = start(hub)
        get(qtbot, application, "huggingface")
        qtbot.waitUntil(lambda: items(application)[0].done_bytes > 300_000, timeout=PATIENCE_MS)
        section = page_of(application).fetching.section
        section.cards[items(application)[0].id].buttons["pause"].click()
        qtbot.waitUntil(lambda: items(application)[0].state == "paused", timeout=PATIENCE_MS)
        assert list(application.services.models.rglob("*.part"))
        section.cards[items(application)[0].id].buttons["cancel"].click()
        page_of(application).fetching.dialog.do_button.click()
        qtbot.waitUntil(lambda: items(application) == (), timeout=PATIENCE_MS)
        assert list(application.services.models.rglob("*.part")) == []


def begun(qtbot, application):
    """Until some of a slow download has arrived."""
    get(qtbot, application, "huggingface")
    qtbot.waitUntil(lambda: items(application)[0].done_bytes > 300_000, timeout=PATIENCE_MS)
    return page_of(application).fetching.section.cards[items(application)[0].id]


def loaded(qtbot, page):
    qtbot.waitUntil(lambda: bool(page.rows) and not page.rows[0].act_button.isHidden(), timeout=PATIENCE_MS)
    page.rows[0].act_button.click()
    qtbot.waitUntil(lambda: page._session.state.phase == "ready", timeout=PATIENCE_MS)


def test_a_loaded_model_is_freed_before_it_is_deleted(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}) as hub:
        application = start(hub)
        page = page_of(application)
        get(qtbot, application, "huggingface")
        loaded(qtbot, page)
        assert len(fake_engines()) == 1
        page.rows[0].delete_action.trigger()
        qtbot.waitUntil(lambda: page.disk.dialog is not None, timeout=PATIENCE_MS)
        assert "loaded now; its memory is freed first" in page.disk.dialog.text.text()
        page.disk.dialog.do_button.click()
        qtbot.waitUntil(lambda: page.rows == [], timeout=PATIENCE_MS)
        assert fake_engines() == []
        assert (page._session.state.phase, page._session.state.target) == ("idle", None)


def test_moving_pauses_frees_and_goes_on_in_the_new_folder(qtbot, start, model, tmp_path):
    new = tmp_path / "大 disk" / "models"
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}, rate=400_000, send_buffer=16_384) as hub:
        application = start(hub)
        page, old = page_of(application), application.services.models
        old.mkdir(parents=True, exist_ok=True)
        (old / "made-other.gguf").write_bytes(model)
        page.refresh()
        loaded(qtbot, page)
        application.window.show_page(MODELS)
        begun(qtbot, application)
        page.disk._move(new)
        qtbot.waitUntil(lambda: not page.disk.moving, timeout=PATIENCE_MS)
        assert [notice.text for notice in page.notices.shown] == [f"The models lie in {new} now."]
        assert page._session.state.target.file == new / "made-other.gguf"
        assert fake_engines() == []
        qtbot.waitUntil(lambda: [one.state for one in items(application)] == ["done"], timeout=PATIENCE_MS)
        assert sorted(path.read_bytes() for path in new.rglob("*.gguf")) == [model, model]
        assert not list(old.rglob("*.gguf*"))
        qtbot.waitUntil(lambda: all(row.entry.local.path.is_relative_to(new) for row in page.rows))
        card = page.fetching.section.cards[items(application)[0].id]
        qtbot.waitUntil(lambda: not card.buttons["chat"].isHidden(), timeout=PATIENCE_MS)


def test_what_no_entry_is_about_can_be_continued(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}, rate=400_000, send_buffer=16_384) as hub:
        application = start(hub)
        page = page_of(application)
        begun(qtbot, application).buttons["pause"].click()
        qtbot.waitUntil(lambda: items(application)[0].state == "paused", timeout=PATIENCE_MS)
        assert page.unfinished.isHidden()
        page.fetching.downloads.dismiss(items(application)[0].id)
        qtbot.waitUntil(lambda: not page.unfinished.isHidden(), timeout=PATIENCE_MS)
        assert [one.target for one in page.unfinished.shown] == [f"{REPO}:Q8_0"]
        sent = hub.sent("made-tiny.Q8_0.gguf")
        page.unfinished.buttons[1].click()
        qtbot.waitUntil(lambda: page.unfinished.isHidden(), timeout=PATIENCE_MS)
        qtbot.waitUntil(lambda: [one.state for one in items(application)] == ["done"], timeout=PATIENCE_MS)
        assert hub.sent("made-tiny.Q8_0.gguf") - sent < len(model)


def test_what_is_unfinished_can_be_deleted(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}, rate=400_000, send_buffer=16_384) as hub:
        application = start(hub)
        page = page_of(application)
        begun(qtbot, application).buttons["pause"].click()
        qtbot.waitUntil(lambda: items(application)[0].state == "paused", timeout=PATIENCE_MS)
        page.fetching.downloads.dismiss(items(application)[0].id)
        qtbot.waitUntil(lambda: not page.unfinished.isHidden(), timeout=PATIENCE_MS)
        page.unfinished.buttons[0].click()
        qtbot.waitUntil(lambda: page.disk.dialog is not None, timeout=PATIENCE_MS)
        page.disk.dialog.do_button.click()
        qtbot.waitUntil(lambda: page.unfinished.isHidden(), timeout=PATIENCE_MS)
        assert list(application.services.models.rglob("*.part*")) == []


def test_what_is_here_is_marked_in_a_repository(qtbot, start, model):
    with FakeHub({REPO: {"made-tiny.Q8_0.gguf": model}}) as hub:
        application = start(hub)
        get(qtbot, application, "huggingface")
        repository = page_of(application).fetching.repository
        assert not repository.buttons[0][1].isHidden()
        qtbot.waitUntil(lambda: not repository.table.installed[0][1].isHidden(), timeout=PATIENCE_MS)
        assert repository.buttons[0][1].isHidden()
