"""Every state of the window, in both languages and at its smallest size: nothing is cut off."""

import pytest
from PySide6.QtCore import QRect
from PySide6.QtWidgets import QDialog, QLabel, QMainWindow, QPushButton, QScrollArea

from autoglm_desktop import i18n
from autoglm_desktop.gui.widgets.labels import ElidedLabel
from tests.gui.render import picture
from tests.gui.states import STATES, Stage

SMALLEST = (880, 560)


def cut_off(window: QMainWindow) -> list[str]:
    """The texts that do not have the room they need, or that reach over the side of what scrolls."""
    found = []
    for widget in [*window.findChildren(QLabel), *window.findChildren(QPushButton)]:
        if not widget.isVisible() or not widget.text() or isinstance(widget.parent(), ElidedLabel):
            continue
        ignored = widget.sizePolicy().horizontalPolicy() == widget.sizePolicy().Policy.Ignored
        wraps = isinstance(widget, QLabel) and widget.wordWrap()
        if wraps and widget.heightForWidth(widget.width()) > widget.height():
            found.append(f"height: {widget.text()}")
        elif not wraps and not ignored and widget.sizeHint().width() > widget.width():
            found.append(f"width: {widget.text()}")
        found += over_the_side(widget)
    return found


def over_the_side(widget) -> list[str]:
    area = widget.parent()
    while area is not None and not isinstance(area, (QScrollArea, QDialog)):
        area = area.parent()
    if not isinstance(area, QScrollArea) or area.widget() is None or area.property("sideways"):
        return []
    place = QRect(widget.mapTo(area.widget(), widget.rect().topLeft()), widget.size())
    return [] if place.right() < area.viewport().width() else [f"side: {widget.text()}"]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("name", STATES)
def test_nothing_is_cut_off(qtbot, bridge, tmp_path, name, language):
    i18n.set_language(language)
    stage = Stage(bridge, tmp_path / "数据 home")
    stage.home.mkdir()

    async def finish():
        for end in stage.last:
            await end()

    try:
        window = picture(STATES[name](stage), SMALLEST, whole=False)
        qtbot.addWidget(window)
        assert cut_off(window) == []
    finally:
        bridge.close(finish)
