"""The Models page: a variant is opened, its header is read once, and the plan is made anew; nothing before that."""

import asyncio
from dataclasses import replace

import pytest

from autoglm_desktop.core.downloads import DownloadsState
from autoglm_desktop.core.errors import AppError, Reason
from autoglm_desktop.core.outlook import Outlook
from autoglm_desktop.core.repository import RemoteFile, make_listing
from autoglm_desktop.gui.downloads_model import DownloadsModel
from autoglm_desktop.gui.models.page import ModelsPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.session import Session
from tests.fakes.fake_downloads import FakeActions, FakeQueue, made_item, made_plan
from tests.gui.made_checks import MACHINES, made_check, made_services

TARGET = "autoglm-phone-9b:Q4_K_M"
OTHER = "autoglm-phone-9b:Q8_0"
REPO = "made/Some-Model-9B-GGUF"


@pytest.fixture
def page(qtbot, bridge, tmp_path):
    services = made_services(tmp_path / "数据 home")
    session = Session(services, prepare)
    made, queue = FakeActions(services.home), FakeQueue()
    found = ModelsPage(
        bridge, services, SessionModel(bridge, session), DownloadsModel(bridge, queue), actions=made.actions()
    )
    qtbot.addWidget(found)
    found.made, found.queue = made, queue
    found.fetching.downloads.start()
    found.set_check(made_check(MACHINES["laptop"](), services))
    found.show()
    qtbot.waitUntil(lambda: bool(found.cards))
    yield found
    bridge.close(session.close)


@pytest.fixture
def header(tmp_path):
    path = tmp_path / "made-header.gguf"
    write_tiny_glm4(path, layers=6, hidden=512, weight_type="Q4_K_M")
    return path


def headers_asked(page):
    return [asked[1] for asked in page.made.asked if asked[0] == "header"]


def detail(page, target=TARGET):
    return page.cards[0].details[target]


def opener(page, target=TARGET):
    return page.cards[0].names[target].opener


def listed(qtbot, page, text=REPO):
    """List a repository, and wait until its variants are judged."""
    card = page.fetching.repository
    card.field.setText(text)
    with qtbot.waitSignal(page.fetching.listed):
        card.list_button.click()
    qtbot.waitUntil(lambda: page.opening.reading is None)
    return card


def test_showing_the_page_asks_for_nothing(qtbot, page):
    page.hide()
    page.show()
    page.cards[1].toggle.click()
    qtbot.waitUntil(lambda: page._job is None)
    assert headers_asked(page) == [] and not any(asked[0] == "judge" for asked in page.made.asked)
    assert all(one.isHidden() for one in page.cards[0].details.values())


def test_an_opened_variant_is_planned_from_its_header(qtbot, page, header):
    page.made.header_file = header
    opener(page).click()
    assert not detail(page).isHidden() and opener(page).opened
    before = detail(page).takes.text()
    qtbot.waitUntil(lambda: detail(page).entry.plan.basis.memory == "header")
    assert headers_asked(page) == [TARGET]
    assert not detail(page).isHidden(), "the new card shows it as well"
    assert detail(page).takes.text() not in ("", before) and "RAM" in detail(page).takes.text()
    assert detail(page).note.text() == "Sizes are from the file's own header."
    opener(page).click()
    assert detail(page).isHidden()
    opener(page).click()
    assert headers_asked(page) == [TARGET], "it is here"


def test_while_it_is_read_a_quiet_note_stands_there(qtbot, page):
    page.made.header_gate = asyncio.Event().wait
    opener(page).click()
    assert detail(page).note.text() == "Reading the file's header …"
    assert detail(page).headline.text().startswith("It fits as Q4_K_M on the CPU"), (
        "the plan from the table stays"
    )
    qtbot.waitUntil(lambda: headers_asked(page) == [TARGET])


def test_a_failure_is_one_sentence_and_the_plan_stays(qtbot, page):
    page.made.header_refusal = AppError("header_slow", target=TARGET, seconds=5.0)
    takes = detail(page).takes.text()
    opener(page).click()
    qtbot.waitUntil(lambda: "did not come within 5 s" in detail(page).note.text())
    assert detail(page).note.property("role") == "warn" and detail(page).takes.text() == takes != ""
    assert page.notices.shown == []
    page.made.header_refusal = None
    opener(page).click()
    opener(page).click()
    qtbot.waitUntil(lambda: headers_asked(page) == [TARGET, TARGET])
    qtbot.waitUntil(lambda: "computed from the model's shapes" in detail(page).note.text())


@pytest.mark.parametrize("how", ["another", "close", "fold", "hide"])
def test_moving_on_ends_it(qtbot, page, how):
    page.made.header_gate = asyncio.Event().wait
    opener(page).click()
    qtbot.waitUntil(lambda: headers_asked(page) == [TARGET])
    if how == "another":
        opener(page, OTHER).click()
        qtbot.waitUntil(lambda: headers_asked(page) == [TARGET, OTHER])
        assert page.opening.reading == OTHER and not detail(page).isHidden()
    elif how == "close":
        opener(page).click()
    elif how == "fold":
        page.cards[0].toggle.click()
    else:
        page.hide()
    qtbot.waitUntil(lambda: ("left", TARGET) in page.made.asked)
    if how != "another":
        assert page.opening.reading is None


def test_offline_and_without_a_check_nothing_is_asked(qtbot, page, bridge):
    page.made.is_offline = True
    opener(page).click()
    assert not detail(page).isHidden() and "computed from the model's shapes" in detail(page).note.text()
    listed(qtbot, page)
    assert ("judge", REPO, False) in page.made.asked and headers_asked(page) == []


def test_the_focus_stays_where_it_was(qtbot, page, header):
    page.made.header_file = header
    page.activateWindow()
    opener(page).setFocus()
    old = opener(page)
    opener(page).click()
    qtbot.waitUntil(lambda: opener(page) is not old)
    assert page.window().focusWidget() is opener(page)


def test_a_listed_repository_is_unknown_until_a_header_tells(qtbot, page, header):
    card = listed(qtbot, page)
    assert card.summary.isHidden()
    assert {mark.status for mark in card.table.marks.values()} == {"unknown"}
    assert not any(name.pill.isVisibleTo(card) for name in card.table.names.values())
    target = f"{REPO}:Q4_K_M"
    page.made.header_file = header
    page.made.listing = made_small_listing(header)
    card = listed(qtbot, page)
    assert "Recommended on this machine" in card.summary.text() and not card.summary.isHidden()
    assert card.table.marks[target].status == "ok"
    assert "tokens/s" in card.table.verdicts[target].text()
    shown = [target for target, name in card.table.names.items() if name.pill.isVisibleTo(card)]
    assert len(shown) == 1


def made_small_listing(header):
    size = header.stat().st_size
    files = [RemoteFile(f"Some-Model-9B.{kind}.gguf", size) for kind in ("Q4_K_M", "IQ4_XS")]
    return make_listing("huggingface", REPO, "c" * 40, [*files, RemoteFile("mmproj-F16.gguf", 1000)])


def test_a_variant_of_a_repository_is_opened(qtbot, page, header):
    page.made.header_file = header
    page.made.listing = made_small_listing(header)
    card = listed(qtbot, page)
    target = f"{REPO}:IQ4_XS"
    name, row = card.table.names[target], card.table.details[target]
    name.opener.click()
    qtbot.waitUntil(lambda: headers_asked(page) == [target])
    qtbot.waitUntil(lambda: row.entry.plan.basis.memory == "header")
    assert not row.isHidden() and "mmproj-F16.gguf" in row.more.text()
    assert row.headline.text().startswith("It runs well as IQ4_XS on the CPU")


def test_the_address_of_a_file_opens_that_variant_at_its_hub(qtbot, page, header):
    page.made.header_file = header
    page.made.listing = made_small_listing(header)
    listed(qtbot, page, f"http://hub.lan:8080/{REPO}/blob/main/Some-Model-9B.IQ4_XS.gguf")
    assert ("offers", REPO, "http://hub.lan:8080") in page.made.asked
    assert headers_asked(page) == [f"{REPO}:IQ4_XS"]
    page.fetching.repository.buttons[0][1].click()
    qtbot.waitUntil(lambda: any(asked[0] == "add" for asked in page.queue.asked))
    assert page.queue.asked[-1][2] == "http://hub.lan:8080"
    listed(qtbot, page)
    page.fetching.repository.buttons[1][1].click()
    qtbot.waitUntil(lambda: page.queue.asked[-1][2] == "auto")


def test_what_is_no_repository_is_said_at_once(page):
    card = page.fetching.repository
    for text in ("made", "a/b/c", "https://huggingface.co/made"):
        card.field.setText(text)
        card.list_button.click()
        assert "owner/name" in card.said.text() or "owner/repo" in card.said.text(), card.said.text()
    assert not any(asked[0] == "offers" for asked in page.made.asked)


def test_a_download_says_before_how_it_will_run(qtbot, page):
    why = Reason.of("ram_short", needed_bytes=9 << 30, free_bytes=5 << 30, short_bytes=4 << 30)
    headline = Reason.of("cannot_here", why=why)
    outlook = Outlook("cannot", headline, None, "phone", "Q4_K_M")
    plan = replace(made_plan(page._services.home, "a.gguf"), outlook=outlook)
    page.queue.show(made_item(plan=plan))
    qtbot.waitUntil(lambda: bool(page.fetching.section.cards))
    (card,) = page.fetching.section.cards.values()
    assert "It cannot run here: needs 9.0 GiB of RAM" in card.outlook.text()
    assert "Q4_K_M would run here." in card.outlook.text() and card.outlook.property("role") == "warn"
    page.fetching.section.show_state(DownloadsState((made_item("done", plan=plan),)))
    assert card.outlook.isHidden()
