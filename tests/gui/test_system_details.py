"""Details on demand of the System check page: a card by NVML, who holds memory, what would help and costs."""

import dataclasses

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.machine import Program
from autoglm_desktop.core.protocol import Proof
from autoglm_desktop.core.units import GIB
from autoglm_desktop.gui.system import tile_texts
from autoglm_desktop.gui.system.help_card import HelpCard
from autoglm_desktop.gui.system.page import SystemPage
from autoglm_desktop.gui.widgets.mark import Mark
from autoglm_desktop.usecases.advice import NO_ADVICE, own_prices
from autoglm_desktop.usecases.session import SessionState
from tests.fakes import made_machines as made
from tests.fakes import nvml
from tests.gui.card_states import CHECKS, checked
from tests.gui.made_checks import MACHINES, made_check, made_services

needs_library = pytest.mark.skipif(
    nvml.reason_not_buildable() is not None, reason=nvml.reason_not_buildable() or ""
)


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "home")


@pytest.fixture
def page_with(qtbot, bridge, services):
    def make(found, session=None, asked=None):
        async def check(_services, options, _on_part):
            if asked is not None:
                asked.append(options)
            return found

        page = SystemPage(bridge, services, check, session=session)
        qtbot.addWidget(page)
        page.start()
        qtbot.waitUntil(lambda: page.result is not None and page.again_button.isEnabled())
        return page

    return make


def tile_of(name, result):
    found = {check.id: check for check in result.checks}
    return tile_texts.content(name, result.machine, found, result.models[0])


def words(widget):
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if not one.isHidden())


@needs_library
def test_a_hot_laptop_card(services):
    tile = tile_of("gpu", CHECKS["gpu-laptop"](services))
    assert tile.status == "warn"
    assert "Held by firefox: 1.2 GiB" in tile.details
    told = "\n".join(tile.more)
    for line in (
        "Power: 59 W of 60 W",
        "Slowed down by: its power limit, heat",
        "PCIe: 4.0 ×8",
        "Held by blender",
    ):
        assert line in told
    assert [note.status for note in tile.notes] == ["warn", "warn", "ok"]
    assert "87 °C: heat slows the card down right now." in [note.text for note in tile.notes]


@needs_library
@pytest.mark.parametrize(
    ("state", "headline", "status", "noted"),
    [
        ("gpu-lost", "Memory not known", "warn", "NVIDIA; but: a card does not respond."),
        ("gpu-denied", "Memory not known", "unknown", ""),
        ("gpu-mig", "9.5 GiB of 9.5 GiB free", "ok", "a card is divided (MIG)"),
        ("gpu-sixteen", "79.1 GiB of 80.0 GiB free", "warn", "a card does not respond"),
        ("gpu-two", "11.0 GiB of 12.0 GiB free", "ok", "Resizable BAR: Off"),
    ],
)
def test_cards_in_other_states(services, state, headline, status, noted):
    tile = tile_of("gpu", CHECKS[state](services))
    assert (tile.headline, tile.status) == (headline, status)
    assert noted in "\n".join(note.text for note in tile.notes)
    assert len(tile.more) < 14, "sixteen cards are no list of sixteen"


@needs_library
def test_a_driver_without_an_answer_says_why(services):
    tile = tile_of("driver", CHECKS["gpu-denied"](services))
    assert (tile.headline, tile.status) == ("No answer", "warn")
    assert "no permission" in tile.details[0]


def test_more_unfolds_the_sentences_with_their_marks(page_with, services):
    page = page_with(CHECKS["ram-short"](services))
    tile = page.tiles["ram"]
    assert tile.more_button.text() == "More"
    assert tile._unfolded.isHidden()
    tile.more_button.click()
    assert "Close firefox (5.0 GiB)" in words(tile._unfolded)
    assert [mark.status for mark in tile._unfolded.findChildren(Mark)] == ["fail"]
    assert "Held by thunderbird: 600 MiB" in tile.more.text()


def test_a_tile_with_nothing_more_has_no_button(page_with, services):
    page = page_with(made_check(MACHINES["laptop"](), services))
    assert page.tiles["gpu"].more_button.isHidden()


def test_an_engine_of_this_program_is_told_apart(services):
    machine = made.made_laptop(made.DDR4_DUAL)
    memory = dataclasses.replace(
        machine.memory, available_bytes=4 * GIB, programs=(Program("autoglm-desktop", 6 * GIB),)
    )
    result = checked(services, dataclasses.replace(machine, memory=memory))
    tile = tile_of("ram", result)
    assert tile.headline == "4.0 GiB of 16.0 GiB free"
    assert "Held by this program's engine: 6.0 GiB" in tile.details
    assert not any("this program's engine" in line for line in tile.more)
    used = tile.bar.amounts[0]
    assert used.value == 6 * GIB, "what the engine gives back is not in use"


def test_what_would_help_stands_on_the_page(page_with, services):
    page = page_with(CHECKS["ram-short"](services))
    card = page.help_card
    assert not card.isHidden()
    assert "Close firefox (5.0 GiB) to free 5.0 GiB of RAM" in words(card)
    assert "price USD" in words(card)
    assert card.costs.isHidden()
    card.costs_button.click()
    assert not card.costs.isHidden()
    assert "A whole PC, as a guide has it" in words(card.costs)
    assert str(own_prices(services.home)) in words(card.costs)
    card.costs_button.click()
    assert card.costs.isHidden()


def test_where_nothing_would_help_there_is_no_card(page_with, services):
    page = page_with(made_check(MACHINES["large"](), services))
    assert page.help_card.isHidden()


def test_prices_of_the_user_that_are_wrong_are_said(qtbot, tmp_path):
    card = HelpCard(tmp_path / "prices.toml")
    qtbot.addWidget(card)
    problem = AppError("prices_wrong", path="/made/prices.toml", detail="line 3")
    card.show_advice(dataclasses.replace(NO_ADVICE, problem=problem))
    assert not card.isHidden()
    assert "/made/prices.toml" in card.problem.text()
    assert card.costs_button.isHidden()


def test_a_check_knows_what_the_loaded_model_holds(page_with, services):
    class FakeSession(QObject):
        changed = Signal(object)
        state = SessionState("ready", proof=Proof("llama.cpp", "made", memory={"gpu:0": {"a": 3, "b": 4}}))

    asked = []
    page_with(made_check(MACHINES["gaming"](), services), FakeSession(), asked)
    assert asked[0].held == {"gpu:0": 7}
    FakeSession.state = SessionState()
    page_with(made_check(MACHINES["gaming"](), services), FakeSession(), asked)
    assert asked[1].held == {}
