"""The Models page fetches: the queue, its buttons, what is asked before bytes are lost, tokens, any repository."""

import asyncio
from dataclasses import replace

import pytest
from PySide6.QtCore import QEvent, QObject, QUrl
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

from autoglm_desktop.core.downloads import DownloadsState, FileProgress, PullRequest
from autoglm_desktop.core.errors import AppError, Reason, TransferError
from autoglm_desktop.core.units import GIB
from autoglm_desktop.gui.download_hint import DownloadHint
from autoglm_desktop.gui.downloads_model import DownloadsModel
from autoglm_desktop.gui.widgets.live import LiveText
from tests.fakes.fake_downloads import (
    GATED,
    FakeQueue,
    made_item,
    made_plan,
    made_progress,
    made_update,
)
from tests.gui.made_checks import MACHINES, made_check
from tests.gui.render import settle
from tests.gui.test_models_page import make_page, opened  # noqa: F401

TARGET = "autoglm-phone-9b:Q4_K_M"


@pytest.fixture
def page(qtbot, make_page):  # noqa: F811
    """A page that knows its machine, with one file."""
    made = make_page()
    made.set_check(made_check(MACHINES["gaming"](), made._services))
    qtbot.waitUntil(lambda: made.cards[0].entry.recommended is not None)
    return made


def show(qtbot, page, *items):
    """What the queue holds, all the way from its loop."""
    page.queue.show(*items)
    qtbot.waitUntil(lambda: page.fetching.downloads.state.items == items)


def card_of(page, item_id="1"):
    return page.fetching.section.cards[item_id]


def asked(qtbot, page, *wanted):
    qtbot.waitUntil(
        lambda: [one[: len(wanted)] for one in page.queue.asked if one[: len(wanted)] == wanted] != []
    )


def shown(widget: QWidget) -> bool:
    return not widget.isHidden()


def test_one_click_gets_what_is_best_here(qtbot, page):
    first = page.cards[0]
    assert first.get_button.text() == "Get Q4_K_M · 7.4 GiB"
    first.get_button.click()
    asked(qtbot, page, "add", TARGET, "auto")


def test_every_variant_with_a_place_can_be_fetched(qtbot, page):
    first = page.cards[0]
    places = [variant.id for variant in first.entry.variants if variant.source is not None]
    assert [target.partition(":")[2] for target, _made in first.buttons[1:]] == places
    dict(first.buttons)["autoglm-phone-9b:Q8_0"].click()
    asked(qtbot, page, "add", "autoglm-phone-9b:Q8_0", "auto")


def test_a_button_says_how_far_it_is_and_leads_there(qtbot, page):
    show(qtbot, page, made_item(progress=made_progress()))
    first = page.cards[0]
    assert first.get_button.text() == "Downloading · 41 %"
    with qtbot.waitSignal(page.fetching.show_wanted):
        first.get_button.click()
    assert page.queue.asked == []
    show(qtbot, page)
    assert first.get_button.text() == "Get Q4_K_M · 7.4 GiB"


def test_what_a_download_says(qtbot, page):
    show(qtbot, page, made_item(progress=made_progress()))
    card = card_of(page)
    assert (
        card.facts.text() == "41 % · 3.1 of 7.4 GiB · 12 MB/s · 6 min left · from Hugging Face + ModelScope"
    )
    assert card.pill.text() == "Downloading"
    assert card.bar.fraction == pytest.approx(3.1 / 7.4)
    card.fold_button.click()
    assert [text.text() for _bar, text in card.files.rows] == ["complete", "1.4 of 5.7 GiB"]


class Layouts(QObject):
    """Counts what makes a page be laid out anew."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def eventFilter(self, _watched, event):
        self.count += event.type() == QEvent.Type.LayoutRequest
        return False


def test_progress_makes_no_widget_and_no_layout(qtbot, page):
    files = tuple(FileProgress(f"made-{n}.safetensors", "fetch", 0, GIB) for n in range(30))
    item = made_item(progress=made_progress(files=files, done_bytes=0))
    show(qtbot, page, item)
    card_of(page).fold_button.click()
    settle()
    before, watch = set(map(id, page.findChildren(QWidget))), Layouts()
    QApplication.instance().installEventFilter(watch)
    for step in range(1, 9):  # within one percent: the button on the catalogue's card may change its width
        moved = tuple(replace(file, done_bytes=step * 1_000_000) for file in files)
        progress = made_progress(
            files=moved, done_bytes=step * 8_000_000, rate=1e6 * step, time_left_s=90.0 * step
        )
        page.fetching.downloads._show(DownloadsState((replace(item, progress=progress),)))
        QApplication.processEvents()
    QApplication.instance().removeEventFilter(watch)
    assert watch.count == 0
    assert set(map(id, page.findChildren(QWidget))) == before
    assert card_of(page).facts.text().startswith("0 % · 0.1 of 7.4 GiB · 8.0 MB/s")


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (made_item(progress=made_progress()), "pause"),
        (made_item("paused"), "resume"),
        (made_item("failed", error=TransferError("download_no_network", name="made.gguf")), "retry"),
        (made_item("done"), "dismiss"),
    ],
)
def test_buttons_of_a_download(qtbot, page, item, name):
    show(qtbot, page, item)
    button = card_of(page).buttons[name]
    assert shown(button)
    assert "AutoGLM-Phone-9B Q4_K_M" in button.accessibleName()
    button.click()
    asked(qtbot, page, name, "1")


def test_nothing_that_arrived_is_lost_without_a_question(qtbot, page):
    show(qtbot, page, made_item(progress=made_progress()))
    card_of(page).buttons["cancel"].click()
    dialog = page.fetching.dialog
    assert "3.1 GiB have arrived" in dialog.text.text()
    assert dialog.cancel_button.isDefault()
    dialog.cancel_button.click()
    assert page.fetching.dialog is None
    card_of(page).buttons["cancel"].click()
    page.fetching.dialog.do_button.click()
    asked(qtbot, page, "cancel", "1")
    assert [one[0] for one in page.queue.asked] == ["cancel"]


def test_what_has_not_begun_is_cancelled_at_once(qtbot, page):
    show(qtbot, page, made_item("queued", done_bytes=0))
    card_of(page).buttons["cancel"].click()
    asked(qtbot, page, "cancel", "1")


def test_an_interrupted_download_is_offered(qtbot, page):
    items = (
        made_item("paused", interrupted=True),
        made_item("paused", "2", title="GLM-Edge", interrupted=True),
    )
    show(qtbot, page, *items)
    offer = page.fetching.section.interrupted
    assert shown(offer)
    assert "2 downloads were interrupted" in offer.text.text()
    assert "6.2 GiB are kept; they go on where they stopped" in offer.text.text()
    offer.go_on_button.click()
    asked(qtbot, page, "resume", "1")
    asked(qtbot, page, "resume", "2")
    offer.discard_button.click()
    assert "are deleted" in page.fetching.dialog.text.text()
    page.fetching.dialog.do_button.click()
    asked(qtbot, page, "cancel", "2")


def test_no_network_and_notices_are_said(qtbot, page):
    show(qtbot, page, made_item("waiting", progress=made_progress()))
    assert "goes on by itself" in card_of(page).notice.text()
    notice = Reason.of("too_many_requests")
    show(qtbot, page, made_item(progress=made_progress(notice=notice)))
    assert card_of(page).notice.text() == "The source wants fewer requests."
    show(qtbot, page, made_item(progress=made_progress()))
    assert not shown(card_of(page).notice)


def test_a_gated_repository_leads_to_a_token(qtbot, page, opened):  # noqa: F811
    show(qtbot, page, made_item("failed", error=GATED))
    card = card_of(page)
    assert "accepted its conditions" in card.error.text()
    card.licence_button.click()
    assert list(opened) == ["https://huggingface.co/made/gated-model"]
    card.buttons["token"].click()
    dialog = page.fetching.dialog
    assert dialog.field.echoMode() == QLineEdit.EchoMode.Password
    assert not dialog.do_button.isEnabled()
    dialog.field.setText("  hf_made  ")
    left = []
    dialog.finished.connect(lambda _code: left.append(dialog.field.text()))
    dialog.do_button.click()
    asked(qtbot, page, "retry", "1")
    assert ("token", "huggingface", "hf_made") in page.made.asked
    assert "kept until this program ends" in page.notices.shown[0].text
    assert "hf_made" not in page.notices.shown[0].text
    assert left == [""]


def test_a_token_of_the_keyring_can_be_forgotten(qtbot, page):
    page.made.tokens["modelscope"] = "keyring"
    page.fetching.source.set_source("modelscope")
    page.fetching.source.token_button.click()
    dialog = page.fetching.dialog
    qtbot.waitUntil(lambda: "keyring" in dialog.kept.text())
    dialog.forget_button.click()
    qtbot.waitUntil(lambda: "no token" in dialog.kept.text())
    assert page.made.tokens == {}


def test_a_full_disk_leads_to_another_folder(qtbot, make_page, tmp_path):  # noqa: F811
    page = make_page(folder=tmp_path / "大 disk")
    full = AppError("disk_full", path="/made/models", needed=5 * GIB, free=GIB)
    show(qtbot, page, made_item("failed", error=full), made_item("queued", "2"))
    card_of(page).buttons["room"].click()
    assert str(tmp_path / "大 disk") in page.disk.dialog.text.text()
    page.disk.dialog.do_button.click()
    qtbot.waitUntil(lambda: ("move", tmp_path / "大 disk") in page.made.asked)
    qtbot.waitUntil(lambda: any("lie in" in notice.text for notice in page.notices.shown))
    assert page.queue.asked == [("pause_all",), ("resume", "2")]


def test_a_full_disk_pauses_and_says_how_much_is_needed(qtbot, page):
    full = AppError("disk_full", path="/made/models", needed=5 * GIB, free=GIB)
    show(qtbot, page, made_item("paused", error=full))
    card = card_of(page)
    assert "5.0 GiB needed, 1.0 GiB free" in card.error.text()
    assert shown(card.buttons["room"])
    assert shown(card.buttons["resume"])


def test_one_that_failed_goes_on_from_another_source(qtbot, page):
    corrupt = TransferError("download_corrupt", name="made.gguf", source="hf-mirror")
    request = PullRequest(TARGET, "hf-mirror")
    show(qtbot, page, made_item("failed", request=request, error=corrupt))
    menu = card_of(page).buttons["source"].menu()
    assert [action.isEnabled() for action in menu.actions()] == [True, True, False, True]
    menu.actions()[3].trigger()
    asked(qtbot, page, "dismiss", "1")
    assert page.queue.asked == [("add", TARGET, "modelscope"), ("dismiss", "1")]


def test_what_arrived_can_be_chatted_with(qtbot, page):
    plan = made_plan(page._services.library.models, "made-one.gguf")
    show(qtbot, page, made_item("done", plan=plan))
    chat = card_of(page).buttons["chat"]
    assert shown(chat)
    with qtbot.waitSignal(page.chat_wanted):
        chat.click()
    show(qtbot, page, made_item("done", plan=made_plan(page._services.library.models, "made-none.gguf")))
    assert not shown(chat)


def test_any_repository(qtbot, page):
    card = page.fetching.repository
    assert not card.list_button.isEnabled()
    card.field.setText("https://huggingface.co/made/Some-Model-9B-GGUF/tree/main")
    card.list_button.click()
    qtbot.waitUntil(lambda: bool(card.buttons))
    assert ("offers", "made/Some-Model-9B-GGUF", "auto") in page.made.asked
    assert [target.rpartition(":")[2] for target, _made in card.buttons] == [
        "Q2_K",
        "Q4_K_M",
        "Q5_K_M",
        "Q8_0",
    ]
    assert card.refused_button.text() == "3 files are left out"
    card.refused_button.click()
    assert "pytorch_model.bin: files of this type can run code" in card.refused.text()
    card.buttons[1][1].click()
    asked(qtbot, page, "add", "made/Some-Model-9B-GGUF:Q4_K_M", "auto")


def test_a_repository_that_needs_a_token(qtbot, page):
    page.made.refusal = GATED
    card = page.fetching.repository
    card.field.setText("made/gated-model")
    card.list_button.click()
    qtbot.waitUntil(lambda: shown(card.token_button))
    assert "accepted its conditions" in card.said.text()
    card.token_button.click()
    assert page.fetching.dialog.name == "huggingface"


def test_the_source_is_remembered_and_used(qtbot, make_page, tmp_path):  # noqa: F811
    page = make_page(folder=tmp_path / "usb 盘")
    source = page.fetching.source
    for name in ("hf-mirror", "folder"):
        source._activated(source.choice.findData(name))
        wanted = str(tmp_path / "usb 盘") if name == "folder" else name
        assert source.source == wanted
        qtbot.waitUntil(lambda wanted=wanted: ("source", wanted) in page.made.asked)
    assert not shown(source.token_button)
    source._activated(source.choice.findData("address"))
    source.address.setText("hub.example.com")
    source.use_button.click()
    assert source.source == "https://hub.example.com"
    page.fetching.get(TARGET)
    asked(qtbot, page, "add", TARGET, "https://hub.example.com")


def test_a_request_that_cannot_be_done_says_so(qtbot, page):
    page.queue.refuse = TransferError("source_no_folder", path="/made/usb")
    page.cards[0].get_button.click()
    qtbot.waitUntil(lambda: any("is the disk connected" in notice.text for notice in page.notices.shown))


def test_a_file_is_checked_and_deleted(qtbot, page):
    row, path = page.rows[0], page.rows[0].entry.local.path
    row.verify_action.trigger()
    qtbot.waitUntil(lambda: shown(page.rows[0].said))
    assert ("verify", path) in page.made.asked
    row.delete_action.trigger()
    qtbot.waitUntil(lambda: page.disk.dialog is not None)
    assert "are freed" in page.disk.dialog.text.text()
    assert path.is_file()
    page.disk.dialog.do_button.click()
    qtbot.waitUntil(lambda: page.rows == [])
    assert not path.exists()


def test_updates_are_looked_for_when_asked(qtbot, page):
    page.made.update_list = (
        made_update("made/one", "a"),
        made_update("made/two", "b"),
    )
    assert not shown(page.fetching.updates)
    page.updates_button.click()
    qtbot.waitUntil(lambda: len(page.fetching.updates.get_buttons) == 1)
    page.fetching.updates.get_buttons[0].click()
    asked(qtbot, page, "add", "made/two:Q4_K_M", "auto")


def test_at_the_first_start_the_models_stand_first(qtbot, make_page):  # noqa: F811
    empty = make_page(files=())
    assert empty.body.indexOf(empty.known) < empty.body.indexOf(empty.here)
    assert empty.cards[0].property("card") == "accent"


def test_files_stand_first_where_there_are_some(page):
    assert page.body.indexOf(page.here) < page.body.indexOf(page.known)
    assert page.cards[0].property("card") is True


def test_nothing_moves_under_the_mouse_when_a_download_is_added(qtbot, page):
    page.resize(700, 400)
    settle()
    button = page.cards[3].get_button
    page.ensureWidgetVisible(button)
    settle()
    before = button.mapTo(page, button.rect().topLeft()).y()
    show(qtbot, page, made_item("queued", done_bytes=0), made_item("queued", "2", done_bytes=0))
    settle()
    assert shown(page.fetching.section)
    assert button.mapTo(page, button.rect().topLeft()).y() == before


def test_the_tab_key_finds_downloads_above_the_files(qtbot, page):
    show(qtbot, page, made_item(progress=made_progress()), made_item("paused", "2"))
    wanted = [page.add_button]
    wanted += [card_of(page).buttons[name] for name in ("cancel", "pause")] + [card_of(page).fold_button]
    wanted += [card_of(page, "2").buttons[name] for name in ("cancel", "resume")]
    wanted += [page.rows[0].more_button]
    found, widget = [], page.add_button
    for _step in range(2000):
        if widget in wanted:
            found.append(widget)
        widget = widget.nextInFocusChain()
        if widget is page.add_button:
            break
    assert found == wanted


def test_a_copy_can_be_stopped(qtbot, page, tmp_path):
    begun, stopped = [], []

    async def bring(_services, _path, _copy, _report):
        begun.append(True)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(True)
            raise

    page.disk._actions = replace(page.disk._actions, import_path=bring)
    page.disk.bring([tmp_path / "usb"], copy=True)
    assert shown(page.disk.card.work)
    qtbot.waitUntil(lambda: bool(begun))
    page.disk.card.stop_button.click()
    qtbot.waitUntil(lambda: not shown(page.disk.card.work))
    assert stopped == [True]


def test_the_hint_is_seen_from_other_pages(qtbot, bridge):
    model = DownloadsModel(bridge, FakeQueue())
    hint = DownloadHint(model)
    qtbot.addWidget(hint)
    assert hint.isHidden()
    model._show(DownloadsState((made_item(progress=made_progress()), made_item("queued", "2"))))
    assert hint.words() == ("Downloading 41 %", "6 min left")
    assert "AutoGLM-Phone-9B Q4_K_M · 1 more waits" in hint.toolTip()
    model._show(DownloadsState((made_item("done"), made_item("failed", "2"))))
    assert hint.words() == ("Download stopped", "It needs your attention.")
    assert shown(hint)
    hint.seen()
    assert hint.isHidden()
    model._show(DownloadsState((made_item("done"), made_item("failed", "2"))))
    assert hint.isHidden()


def test_the_hint_says_nothing_new_to_who_looks_at_the_list(qtbot, bridge):
    model = DownloadsModel(bridge, FakeQueue())
    hint = DownloadHint(model, lambda: True)
    qtbot.addWidget(hint)
    for state in ("running", "done"):
        model._show(DownloadsState((made_item(state),)))
    assert hint.isHidden()


def test_what_arrives_is_told_once(qtbot, bridge):
    model = DownloadsModel(bridge, FakeQueue())
    told = []
    model.arrived.connect(told.append)
    for state in ("done", "running", "done", "done"):
        model._show(DownloadsState((made_item(state),)))
    assert [item.state for item in told] == ["done"]


def test_a_paused_one_goes_on_from_another_source(qtbot, page):
    show(qtbot, page, made_item("paused"))
    link = card_of(page).source_link
    assert shown(link)
    link.menu().actions()[2].trigger()
    asked(qtbot, page, "dismiss", "1")
    assert page.queue.asked == [("add", TARGET, "hf-mirror"), ("dismiss", "1")]
    show(qtbot, page, made_item(progress=made_progress()))
    assert not shown(link)


def test_the_keyboard_keeps_its_place(qtbot, page):
    show(qtbot, page, made_item(progress=made_progress()))
    card_of(page).buttons["pause"].setFocus()
    show(qtbot, page, made_item("paused"))
    assert page.window().focusWidget() is card_of(page).buttons["resume"]
    show(qtbot, page, made_item(progress=made_progress()))
    assert page.window().focusWidget() is card_of(page).buttons["pause"]


def test_a_name_without_owner_is_explained(qtbot, page):
    card = page.fetching.repository
    card.field.setText("llama")
    card.list_button.click()
    assert "looks like owner/name" in card.said.text()
    assert not any(one[0] == "offers" for one in page.made.asked)


def test_nothing_begins_while_the_folder_moves(qtbot, page, tmp_path):
    begun, over = [], asyncio.Event()

    async def move(_services, _folder, _report):
        begun.append(True)
        await over.wait()

    page.disk._actions = replace(page.disk._actions, move_models=move)
    page.disk._move(tmp_path / "new")
    qtbot.waitUntil(lambda: bool(begun))
    page.cards[0].get_button.click()
    page.rows[0].act_button.click()
    page.disk.ask_delete(page.rows[0].entry.local.path)
    page.disk.bring([tmp_path], copy=True)
    said = [notice.text for notice in page.notices.shown]
    assert said[0] == "The models folder is being moved; this begins afterwards."
    assert said[1] == "The models folder is being moved. Load a model when that is done."
    assert said[2].startswith("Models are being moved or copied.")
    assert len(said) == 3
    assert page.model.state.phase == "idle"
    assert page.queue.asked == [("pause_all",)]
    page._bridge.call(over.set)
    asked(qtbot, page, "add", TARGET, "auto")


def test_words_keep_their_places_while_numbers_change(qtbot):
    text = LiveText()
    qtbot.addWidget(text)
    metrics = QFontMetricsF(text.font())
    text.set_text("41 % · 3.1 of 7.4 GiB · 11 MB/s · 6 min left")
    wide = list(text.places(metrics))
    text.set_text("41 % · 3.1 of 7.4 GiB · 9 MB/s · 6 min left")
    assert text.places(metrics) == wide
    text.set_text("41 % · 3.1 of 7.4 GiB")
    assert len(text.places(metrics)) == 2


def test_the_folder_of_one_that_another_instance_fetched(qtbot, page, opened):  # noqa: F811
    folder = page._services.models / "made" / "one"
    folder.mkdir(parents=True)
    known = made_item("done", folder=page._services.home / "old" / "made" / "one", files=("made-one.gguf",))
    show(qtbot, page, known)
    card_of(page).buttons["folder"].click()
    qtbot.waitUntil(lambda: opened == [QUrl.fromLocalFile(str(folder)).toString()])
    folder.rmdir()
    card_of(page).buttons["folder"].click()
    qtbot.waitUntil(lambda: opened[1:] == [QUrl.fromLocalFile(str(page._services.models)).toString()])
