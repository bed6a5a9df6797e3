"""The banner that installs the engine: visible, cancellable, never a dead end. A made pip, fake engines."""

import dataclasses
import sys
from pathlib import Path

import pytest

from autoglm_desktop.gui.engine_banner import EngineBanner
from tests.fakes.fake_engine import fake_command

from .frame import MISSING, OWN, fake_engines, made_services

FAKE_PIP = Path(__file__).parents[1] / "fakes" / "fake_pip.py"


def pip(mode):
    return (sys.executable, str(FAKE_PIP), mode)


@pytest.fixture
def banner(qtbot, bridge, tmp_path):
    """A shown banner on a pip and an engine of some mode, with every text it ever showed."""

    def make(*, pip_mode="ok", engine="ok", description=MISSING):
        home = tmp_path / "data 数据"
        services = made_services(home, engine, description=description, pip=pip(pip_mode))
        made = EngineBanner(bridge, services)
        qtbot.addWidget(made)
        made.services = services
        return made

    return make


def text(banner):
    return banner._text.text()


def test_a_missing_engine_is_installed_and_tested_without_a_question(qtbot, banner):
    shown = banner()
    with qtbot.waitSignal(shown.ready, timeout=60000) as caught:
        shown.start()
    assert caught.args[0].record.self_test == "passed"
    assert shown.isHidden()


def test_nothing_is_said_where_all_is_well(qtbot, banner):
    first = banner(description=OWN)
    with qtbot.waitSignal(first.ready, timeout=30000):
        first.start()
    second = banner(description=OWN)
    with qtbot.waitSignal(second.ready, timeout=30000):
        second.start()
    assert second.isHidden() and text(second) == ""


def test_it_can_be_cancelled_and_begun_again(qtbot, banner):
    shown = banner(pip_mode="hang")
    shown.start()
    qtbot.waitUntil(lambda: "child=" in text(shown), timeout=30000)
    assert shown.button.text() == "Cancel"
    shown.button.click()
    qtbot.waitUntil(lambda: shown.button.text() == "Install now", timeout=15000)
    assert "not installed" in text(shown)
    assert not (shown.services.home / "engines" / "llama-cpu").exists()
    shown._services = dataclasses.replace(shown.services, pip=pip("ok"))
    with qtbot.waitSignal(shown.ready, timeout=60000):
        shown.button.click()
    assert shown.isHidden()


@pytest.mark.parametrize(
    ("mode", "words"),
    [("fail", "Failed building wheel"), ("offline", "no connection"), ("full", "not enough room")],
)
def test_a_failure_says_why_and_offers_another_try(qtbot, banner, mode, words):
    shown = banner(pip_mode=mode)
    shown.start()
    qtbot.waitUntil(lambda: shown.button.text() == "Try again", timeout=30000)
    assert words in text(shown)
    assert shown.isVisible()


def test_safe_mode_is_said_in_one_sentence(qtbot, banner):
    shown = banner(engine="crash-unless-safe", description=OWN)
    with qtbot.waitSignal(shown.ready, timeout=60000):
        shown.start()
    assert "safe options are used from now on" in text(shown)
    assert shown.isVisible() and shown.button.isHidden()
    shown._close.click()
    assert shown.isHidden()


def test_trying_again_repeats_a_self_test_that_failed(qtbot, banner):
    """And so does not answer with the result of the last time."""
    shown = banner(engine="crash-load", description=OWN)
    shown.start()
    qtbot.waitUntil(lambda: shown.button.text() == "Try again", timeout=60000)
    assert "self-test failed" in text(shown)
    shown._services = dataclasses.replace(shown.services, command=fake_command("ok"))
    with qtbot.waitSignal(shown.ready, timeout=60000) as caught:
        shown.button.click()
    assert caught.args[0].record.self_test == "passed"
    assert fake_engines() == []


def test_texts_from_outside_are_no_markup(qtbot, banner):
    shown = banner()
    shown._look("bad", "<b>bold</b>", None)
    shown.resize(600, 60)
    plain = shown._text.sizeHint().width()
    shown._text.setText("bold")
    assert plain > shown._text.sizeHint().width()


def test_an_engine_that_the_user_asked_for(qtbot, banner):
    shown = banner(description=dataclasses.replace(MISSING, name="torch-cpu"))
    with qtbot.waitSignals([shown.wanted_ready, shown.changed], timeout=60000):
        shown.install("torch-cpu")
    assert shown.isHidden() and (shown.services.home / "engines" / "torch-cpu").is_dir()


def test_one_that_was_not_installed_is_named(qtbot, banner):
    shown = banner(description=dataclasses.replace(MISSING, name="torch-cpu"), pip_mode="hang")
    shown.install("torch-cpu")
    qtbot.waitUntil(lambda: "child=" in text(shown), timeout=30000)
    shown.button.click()
    qtbot.waitUntil(lambda: shown.button.text() == "Install now", timeout=15000)
    assert text(shown) == "The engine torch-cpu was not installed."
