"""The System check page: it fills in part by part, concludes, and copies its report."""

import asyncio
import json

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

from autoglm_desktop import i18n
from autoglm_desktop.core.errors import AppError
from autoglm_desktop.gui.system import tile_texts
from autoglm_desktop.gui.system.page import SystemPage
from autoglm_desktop.gui.widgets.labels import label
from tests.fakes import made_machines as made
from tests.gui.made_checks import MACHINES, checker, made_check, made_services


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "数据 home")


@pytest.fixture
def checked_page(qtbot, bridge, services):
    """A page that has checked the made machine of a name."""

    def make(machine: str) -> SystemPage:
        page = SystemPage(bridge, services, checker(MACHINES[machine]()))
        qtbot.addWidget(page)
        with qtbot.waitSignal(page.checked):
            page.start()
        return page

    return make


def shown_texts(page):
    return [found.text() for found in page.findChildren(QLabel) if not found.isHidden()]


def test_every_part_shows_when_it_answers(qtbot, bridge, services):
    go_on = asyncio.Event()
    machine = MACHINES["gaming"]()

    async def check(services, options, on_part):
        on_part("memory", machine.memory)
        await go_on.wait()
        on_part("gpus", machine.gpus)
        return made_check(machine, services)

    page = SystemPage(bridge, services, check)
    qtbot.addWidget(page)
    page.start()
    qtbot.waitUntil(lambda: page.tiles["ram"].headline.text() == "11.0 GiB of 16.0 GiB free")
    assert page.tiles["gpu"].headline.text() == "Looking …"
    assert page.result is None
    assert not page.again_button.isEnabled()
    with qtbot.waitSignal(page.checked):
        bridge.call(go_on.set)
    assert page.tiles["gpu"].headline.text() == "6.8 GiB of 8.0 GiB free"
    qtbot.waitUntil(page.again_button.isEnabled)


def test_the_verdict_is_the_planners(checked_page):
    page = checked_page("large")
    assert page.verdict.title.text() == "AutoGLM-Phone-9B: runs well"
    assert "Q8_0 on the GPU" in page.verdict.headline.text()
    assert "Q6_K" in page.verdict.others.text()
    assert page.verdict.next.text().startswith("To get: Q8_0")
    assert page.verdict.wish.value() == "phone"


def test_what_cannot_run_names_what_is_missing_and_a_way_on(checked_page):
    page = checked_page("small")
    assert page.verdict.title.text() == "AutoGLM-Phone-9B: cannot run here"
    assert "too little" in page.verdict.headline.text()
    assert "Chatting in text needs less" in page.verdict.next.text()
    assert not page.problems.isHidden()
    assert page.tiles["ram"].content.status == "fail"
    lacking = page.tiles["ram"].content.bar.amounts[-1]
    assert lacking.name == "Lacking"


def test_the_other_use_is_checked_anew(qtbot, checked_page):
    page = checked_page("gaming")
    with qtbot.waitSignal(page.checked):
        page.verdict.wish.picked.emit("text")
    assert page.result.models[0].wish == "text"
    assert page.verdict.wish.value() == "text"


def test_a_check_asked_for_while_one_runs_follows_it(qtbot, bridge, services):
    seen = []

    async def check(services, options, on_part):
        return made_check(made.made_laptop(), services)

    page = SystemPage(bridge, services, check)
    qtbot.addWidget(page)
    page.checked.connect(seen.append)
    page.start()
    page.start()
    qtbot.waitUntil(lambda: len(seen) == 2)


def test_a_failed_check_says_why_and_can_be_repeated(qtbot, bridge, services):
    answers = [AppError("folder_not_writable", path="/nowhere", detail="read-only"), None]

    async def check(services, options, on_part):
        error = answers.pop(0)
        if error is not None:
            raise error
        return made_check(made.made_laptop(), services)

    page = SystemPage(bridge, services, check)
    qtbot.addWidget(page)
    page.start()
    qtbot.waitUntil(lambda: page.verdict.title.text() == "The check could not be done")
    assert "/nowhere" in page.verdict.headline.text()
    qtbot.waitUntil(page.again_button.isEnabled)
    with qtbot.waitSignal(page.checked):
        page.again_button.click()
    assert "AutoGLM-Phone-9B" in page.verdict.title.text()


def test_the_report_is_text_and_the_json_of_the_contract(checked_page):
    page = checked_page("gaming")
    page.copy_json()
    data = json.loads(QGuiApplication.clipboard().text())
    assert {"schema", "machine", "checks", "models"} <= set(data)
    page.copy_text()
    text = QGuiApplication.clipboard().text()
    assert text.startswith("AutoGLM-Phone-9B: fits (to drive a phone (screenshots))\n")
    assert "NVIDIA GeForce RTX 4060" in text
    assert "\u200b" not in text
    assert page.copy_button.text() == "Copied"


def test_the_ladder_holds_every_way_once(checked_page):
    page = checked_page("laptop")
    texts = [text.replace("\u00a0", " ") for text in shown_texts(page.ladder)]
    ways = (
        "GPU, 16 bit",
        "GPU, 8 bit",
        "GPU, 4 bit (nf4)",
        "GPU, 4 bit, lean",
        "GGUF, GPU",
        "GGUF, GPU + CPU",
    )
    assert " · ".join(ways) in texts
    assert "no GPU was found" in texts
    assert texts.count("GGUF, CPU") == texts.count("GGUF, CPU, safe") == 1
    assert "Recommended" in texts


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_has_a_word_for_every_tile(checked_page, name):
    page = checked_page(name)
    for tile in page.tiles.values():
        assert tile.headline.text() not in ("", "Looking …")
        assert tile.content.status != "busy"


def test_a_bar_never_shows_more_than_there_is(services):
    for make in MACHINES.values():
        result = made_check(make(), services)
        found = {check.id: check for check in result.checks}
        for tile in ("gpu", "ram", "disk"):
            bar = tile_texts.content(tile, result.machine, found, result.models[0]).bar
            if bar is not None:
                beyond = sum(amount.value for amount in bar.amounts) > bar.limit
                assert beyond == any(amount.colour == "bad" for amount in bar.amounts)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("name", ["gaming", "laptop", "unknown"])
def test_the_page_fits_the_smallest_window(qtbot, checked_page, name, language):
    i18n.set_language(language)
    page = checked_page(name)
    page.resize(880 - 176, 500)
    page.show()
    qtbot.waitUntil(lambda: page.widget().width() == page.viewport().width())
    for found in page.widget().findChildren(QLabel):
        if found.isVisible():
            place = found.mapTo(page.widget(), found.rect().topRight())
            assert place.x() <= page.widget().width(), found.text()


def test_names_from_outside_are_shown_as_they_are(qtbot):
    shown = label("<b>made</b> & co")
    qtbot.addWidget(shown)
    assert shown.textFormat().name == "PlainText"
