"""The offer of the engine for the graphics card: what it says, how it is installed, that no is remembered. Made
machines, an installer that only tells, or the real one on a made pip and a fake engine."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel

from autoglm_desktop.gui.system.page import SystemPage
from autoglm_desktop.host import install_options
from autoglm_desktop.host.environments import Attempt, Description, Environments
from autoglm_desktop.store import settings
from autoglm_desktop.usecases import engine_offer, engines
from autoglm_desktop.usecases.services import Services
from tests.fakes import made_machines as made
from tests.fakes.fake_engine import fake_command
from tests.gui.engine_states import MESSAGE, STEP, FakeInstall, have, no_network
from tests.gui.made_checks import MACHINES, checker, made_check, made_services

FAKE_PIP = Path(__file__).parents[1] / "fakes" / "fake_pip.py"


@pytest.fixture(autouse=True)
def a_plain_linux_pc(monkeypatch):
    monkeypatch.setattr(install_options, "platform_tag", lambda: "linux-x86_64")
    monkeypatch.setattr(install_options.shutil, "which", lambda _name: None)


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "数据 home")


@pytest.fixture
def page_with(qtbot, bridge, services):
    def make(install=None, machine="large", services=services):
        page = SystemPage(bridge, services, checker(MACHINES[machine]()), install=install or FakeInstall())
        page.checks = []
        page.checked.connect(page.checks.append)
        qtbot.addWidget(page)
        page.show()
        begin(qtbot, page)
        return page

    return make


def begin(qtbot, page):
    """A check, and what is offered after it."""
    page.engine_work.standing = None
    page.start()
    qtbot.waitUntil(lambda: page.engine_work.standing is not None and page.again_button.isEnabled())


def card(page):
    return page.engine_work.card


def said(page):
    """The texts that the card shows."""
    return [one.text() for one in card(page).findChildren(QLabel) if one.isVisible() and one.text()]


def test_the_offer_says_which_why_what_for_and_how_much(page_with):
    page = page_with()
    texts = said(page)
    assert card(page).isVisible() and "llama.cpp for NVIDIA cards (llama-cuda)" in texts
    assert any(
        "NVIDIA GeForce RTX 4090, driver 551.23: the fastest on an NVIDIA card." in one for one in texts
    )
    (gain,) = [one for one in texts if "then runs on the card" in one]
    assert gain.startswith("AutoGLM-Phone-9B then runs on the card (GGUF, GPU): ") and "tokens/s" in gain
    assert any("download" in one for one in texts)


@pytest.mark.parametrize("machine", ["laptop", "small", "unknown"])
def test_without_a_usable_card_nothing_is_offered(page_with, machine):
    page = page_with(machine=machine)
    assert card(page).isHidden() and page.engine_work.button.isHidden()


def test_what_is_installed_is_not_offered(page_with, services):
    have(services, "llama-cuda")
    assert card(page_with()).isHidden()


def test_it_is_installed_with_progress_and_the_check_runs_again(qtbot, page_with):
    install = FakeInstall()
    page = page_with(install)
    steps = []
    card(page).step.set_text = steps.append
    card(page).install_button.click()
    qtbot.waitUntil(lambda: len(page.checks) == 2 and page.engine_work.standing.offer is None)
    ((name, how),) = install.calls
    assert name == "llama-cuda" and how == {"kinds": ("wheel", "source")}
    assert any("42%" in text.replace(" ", "") and STEP.detail in text for text in steps)
    assert any("is installed. Its self-test has passed" in text for text in said(page))
    assert not card(page).install_button.isVisible()
    card(page).close_button.click()
    assert card(page).isHidden()


def test_installing_can_be_cancelled_and_begun_again(qtbot, page_with):
    install = FakeInstall(waits=True)
    page = page_with(install)
    card(page).install_button.click()
    qtbot.waitUntil(lambda: "42" in card(page).step.text())
    assert card(page).bar.fraction == STEP.fraction and not card(page).install_button.isVisible()
    card(page).cancel_button.click()
    qtbot.waitUntil(lambda: card(page).install_button.isVisible())
    assert install.cancelled and any("was cancelled" in text for text in said(page))
    card(page).install_button.click()
    qtbot.waitUntil(lambda: len(install.calls) == 2)
    assert not any("was cancelled" in text for text in said(page))
    card(page).cancel_button.click()
    qtbot.waitUntil(lambda: card(page).install_button.isVisible())


def test_a_failure_says_why_in_a_sentence_and_can_be_tried_again(qtbot, page_with):
    page = page_with(FakeInstall(error=no_network()))
    card(page).install_button.click()
    qtbot.waitUntil(lambda: any("could not be fetched" in text for text in said(page)))
    qtbot.waitUntil(lambda: card(page).install_button.isVisible())


def test_safe_mode_is_said(qtbot, page_with):
    page = page_with(FakeInstall("safe_mode"))
    card(page).install_button.click()
    qtbot.waitUntil(lambda: any("safe options are used" in text for text in said(page)))


def test_a_failed_self_test_is_told_and_the_next_engine_offered(qtbot, page_with):
    page = page_with(FakeInstall("failed"))
    card(page).install_button.click()
    qtbot.waitUntil(lambda: bool(page.engine_work.standing.failed))
    texts = said(page)
    assert any(MESSAGE in text and "llama-cuda" in text for text in texts)
    assert "llama.cpp for cards with a Vulkan driver (llama-vulkan)" in texts


def test_one_that_failed_is_tried_again_by_repair(qtbot, page_with, services):
    have(services, "llama-cuda", "failed", MESSAGE)
    have(services, "llama-vulkan", "failed", MESSAGE)
    install = FakeInstall()
    page = page_with(install)
    assert not card(page).install_button.isVisible() and len(card(page).retry_buttons) == 2
    qtbot.waitUntil(lambda: page.engine_work._job is None)
    card(page).retry_buttons["llama-cuda"].click()
    qtbot.waitUntil(lambda: len(page.checks) == 2 and len(card(page).retry_buttons) == 1)
    assert install.calls == [("llama-cuda", {"repair": True})]


def test_no_is_remembered_and_can_be_taken_back(qtbot, bridge, page_with, services):
    page = page_with()
    card(page).decline_button.click()
    assert card(page).isHidden() and page.engine_work.button.isVisible()
    qtbot.waitUntil(lambda: settings.load(services.home).declined_engines == "llama-cuda")
    again = page_with()
    assert card(again).isHidden() and again.engine_work.button.isVisible()
    again.engine_work.button.click()
    assert card(again).install_button.isVisible() and again.engine_work.button.isHidden()
    card(again).install_button.click()
    qtbot.waitUntil(lambda: again.engine_work.standing.offer is None)


def test_no_to_one_engine_is_none_to_another(page_with, services):
    engine_offer.decline(services, ["torch-cuda"])
    engine_offer.decline(services, ["llama-vulkan"])
    assert engine_offer.declined(services) == ("torch-cuda", "llama-vulkan")
    assert card(page_with()).isVisible()


def test_a_model_that_does_not_fit_brings_no_offer(services):
    """A card so full that nothing would run on it."""
    found = made_check(made.made_machine(made.made_gpu("made", 1024, 100, (8, 9), 100)), services)
    assert engine_offer.standing(services, found) == replace(engine_offer.NOTHING, gpu=found.machine.gpus[0])
    assert engine_offer.standing(services, replace(found, described=True)) == engine_offer.NOTHING


class OnMadeMachine(Services):
    async def machine(self):
        return MACHINES["large"]()


def test_the_real_installer_and_self_test_through_the_card(qtbot, page_with, services):
    """The fake engine puts no layer on a card, so its self-test must fail."""
    description = Description(
        "llama-vulkan", "llama.cpp", "llama-cpp-python", "llama_cpp", packages=("llama-cpp-python",),
        attempts=(Attempt("wheel"),), gpu=True, device="vulkan",
    )  # fmt: skip
    environments = Environments(services.home / "engines", {"llama-vulkan": description}, None)
    pip = (sys.executable, str(FAKE_PIP), "ok")
    real = OnMadeMachine(
        services.home, environments, services.crashes, services.library, fake_command("ok"), pip
    )
    page = page_with(engines.install, services=real)
    steps = []
    card(page).step.set_text = steps.append
    card(page).install_button.click()
    qtbot.waitUntil(lambda: len(page.checks) == 2 and bool(page.engine_work.standing.failed), timeout=60000)
    assert any("Testing the engine" in text for text in steps)
    assert environments.find("llama-vulkan").record.self_test == "failed"
    assert any("(llama-vulkan): its self-test failed: " in text for text in said(page))
    assert list(card(page).retry_buttons) == ["llama-vulkan"]
