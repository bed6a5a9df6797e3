"""The viewer of a picture: inside the window, by keyboard and mouse, with the action drawn."""

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from autoglm_desktop.core.phone_actions import Place, Tap, Type
from autoglm_desktop.gui import theme
from autoglm_desktop.gui.transcript import picture_viewer
from autoglm_desktop.gui.transcript.entry import Shown
from autoglm_desktop.gui.transcript.picture_viewer import PictureViewer


@pytest.fixture
def window(qtbot):
    made = QWidget()
    made.button = QPushButton("behind", made)
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    made.button.setFocus()
    return made


def save(path, size=(1080, 2400), colour="white"):
    Image.new("RGB", size, colour).save(path)
    return Shown(path, *size, path.name, 817)


@pytest.fixture
def show(window, bridge, qtbot):
    def show(*pictures, place=0):
        made = PictureViewer(
            window,
            bridge,
            [found if isinstance(found, tuple) else (found, None) for found in pictures],
            place,
        )
        made.open(window.button)
        qtbot.waitUntil(lambda: made.area.image is not None or made.message.property("role") == "error")
        return made

    return show


def test_it_fits_into_the_window_and_grows_with_it(window, show, tmp_path, qtbot):
    view = show(save(tmp_path / "a.png"))
    assert view.geometry() == window.rect()
    assert view.area.sheet.height() <= view.area.viewport().height()
    small = view.area.sheet.size()
    window.resize(1000, 900)
    qtbot.waitUntil(lambda: view.area.sheet.height() > small.height())
    assert view.geometry() == window.rect()


def test_space_and_a_double_click_show_each_pixel(show, tmp_path, qtbot):
    view = show(save(tmp_path / "a.png"))
    qtbot.keyClick(view.area, Qt.Key.Key_Space)
    assert view.area.sheet.size().width() == 1080 + 2
    assert view.zoom.value() == "full"
    middle = view.area.sheet.rect().center()
    qtbot.mouseDClick(view.area.sheet, Qt.MouseButton.LeftButton, pos=middle)  # that opened it
    assert view.zoom.value() == "full"
    view._opened = 0.0
    qtbot.mouseDClick(view.area.sheet, Qt.MouseButton.LeftButton, pos=middle)
    assert view.area.sheet.height() <= view.area.viewport().height()
    view.zoom.findChildren(QPushButton)[1].click()
    assert view.area.sheet.size().width() == 1080 + 2


def test_at_full_size_the_action_is_in_the_middle(show, tmp_path, qtbot):
    view = show((save(tmp_path / "a.png"), Tap(Place(500, 700))))
    qtbot.keyClick(view.area, Qt.Key.Key_Space)
    across, down = view.area.horizontalScrollBar(), view.area.verticalScrollBar()
    qtbot.waitUntil(lambda: down.maximum() > 0)
    place = QPointF(1082 * 0.5 - across.value(), 2402 * 0.7 - down.value())
    assert abs(place.y() - view.area.viewport().height() / 2) < 20
    assert abs(place.x() - view.area.viewport().width() / 2) < 20


def test_a_large_one_is_moved_with_the_mouse_and_with_arrows(show, tmp_path, qtbot):
    view = show(save(tmp_path / "a.png"))
    qtbot.keyClick(view.area, Qt.Key.Key_Space)
    bar = view.area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    bar.setValue(100)
    view.area.sheet.mapToGlobal(QPoint(0, 0))
    qtbot.mousePress(view.area.sheet, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
    qtbot.mouseMove(view.area.sheet, QPoint(200, 160))
    qtbot.mouseRelease(view.area.sheet, Qt.MouseButton.LeftButton, pos=QPoint(200, 160))
    moved = bar.value()
    assert moved > 100
    qtbot.keyClick(view.area, Qt.Key.Key_Down)
    assert bar.value() > moved


def test_escape_closes_it_and_gives_the_keyboard_back(window, show, tmp_path, qtbot):
    view = show(save(tmp_path / "a.png"))
    assert window.focusWidget() is view.area
    with qtbot.waitSignal(view.destroyed):
        qtbot.keyClick(view.area, Qt.Key.Key_Escape)
    assert window.focusWidget() is window.button


def test_shortcuts_of_the_window_do_nothing_meanwhile(window, show, tmp_path, qtbot):
    used = []
    for keys in ("Esc", "Ctrl+N"):
        QShortcut(QKeySequence(keys), window).activated.connect(lambda keys=keys: used.append(keys))
    view = show(save(tmp_path / "a.png"))
    qtbot.keyClick(view.area, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(view.close_button, Qt.Key.Key_Escape)
    assert used == []
    assert not view.isVisible()


def test_tab_stays_within_it(window, show, tmp_path, qtbot):
    view = show(save(tmp_path / "a.png"), save(tmp_path / "b.png"))
    seen = []
    for _step in range(7):
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        seen.append(window.focusWidget())
    fit, full = view.zoom.findChildren(QPushButton)
    assert seen == [view.after, fit, full, view.copy_button, view.close_button, view.area, view.after]
    qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Backtab)
    assert window.focusWidget() is view.area
    edge = view.stack.geometry().left() - 4
    seen = view.grab().toImage()
    assert seen.pixelColor(edge, view.height() // 2).name() == theme.colour("accent").name()
    view.close_button.setFocus()
    assert view.grab().toImage().pixelColor(edge, view.height() // 2).name() != theme.colour("accent").name()


def test_arrows_go_to_the_other_pictures(show, tmp_path, qtbot):
    view = show(save(tmp_path / "a.png", colour="red"), save(tmp_path / "b.png", colour="blue"))
    assert not view.before.isEnabled()
    qtbot.keyClick(view.area, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: view.area.image is not None)
    assert view.area.image.pixelColor(1, 1) == QColor("blue")
    assert "b.png" in view.caption.text()
    assert not view.after.isEnabled()
    qtbot.keyClick(view.area, Qt.Key.Key_Right)
    view.before.click()
    qtbot.waitUntil(lambda: view.area.image is not None)
    assert view.area.image.pixelColor(1, 1) == QColor("red")


def test_the_picture_is_copied(show, tmp_path, qtbot):
    view = show(save(tmp_path / "a.png", (30, 20), "green"))
    qtbot.keyClick(view.area, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().image().pixelColor(3, 3) == QColor("green")


def test_an_action_is_drawn_and_said(show, tmp_path):
    view = show((save(tmp_path / "a.png"), Tap(Place(500, 500))))
    assert view.action.text() == "Tap at 500, 500"
    assert view.area.accessibleDescription() == "Tap at 500, 500"
    image = view.area.sheet.grab().toImage()
    assert any(image.pixelColor(x, image.height() // 2) == QColor("#e0006c") for x in range(image.width()))
    other = show((save(tmp_path / "b.png"), Type("a <b>b</b>\u202e")))
    assert other.action.textFormat() == Qt.TextFormat.PlainText
    assert "\u202e" not in other.action.text()


def test_the_keyboard_is_inside_while_it_is_read(window, bridge, qtbot, tmp_path):
    view = PictureViewer(window, bridge, [(save(tmp_path / "a.png"), None)])
    view.open(window.button)
    assert window.focusWidget() is view
    qtbot.waitUntil(lambda: view.area.image is not None)
    assert window.focusWidget() is view.area


def test_what_is_missing_is_said(window, show, tmp_path, qtbot):
    view = show(Shown(tmp_path / "gone.png", 10, 10, "gone.png"), save(tmp_path / "a.png"))
    assert "missing" in view.message.text()
    assert not view.copy_button.isEnabled()
    assert view.after.isEnabled()
    assert view.close_button.isEnabled()
    assert window.focusWidget() is view
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: view.area.image is not None)
    assert window.focusWidget() is view.area


def test_a_huge_one_is_shown_smaller_and_says_so(show, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_viewer, "MOST_PIXELS", 100 * 100)
    view = show(save(tmp_path / "a.png", (400, 400)))
    assert view.area.image.width() == 100
    assert "25 %" in view.caption.text()


def test_everything_has_a_name(show, tmp_path):
    view = show(save(tmp_path / "a.png"), save(tmp_path / "b.png"))
    assert view.accessibleName() == "Picture"
    assert view.area.accessibleName().startswith("a.png · 1080 × 2400")
    for made in view.findChildren(QPushButton):
        assert made.accessibleName() or made.text()
    assert view.before.accessibleName()


def test_closing_while_it_is_read_harms_nothing(window, bridge, qtbot, tmp_path):
    view = PictureViewer(window, bridge, [(save(tmp_path / "a.png"), None)])
    view.open(window.button)
    with qtbot.waitSignal(view.destroyed):
        view.close()
    QApplication.processEvents()
