"""The window's frame: icons in the scheme's colours, one crash dialog at a time, gone at once when closed."""

import pytest
from PySide6.QtCore import QSize
from PySide6.QtWidgets import QDialog

from autoglm_desktop import app, i18n
from autoglm_desktop.gui import theme
from autoglm_desktop.gui.main_window import CHAT, MODELS, SYSTEM, MainWindow


@pytest.fixture
def window(qtbot):
    made = MainWindow()
    qtbot.addWidget(made)
    return made


def darkest(window):
    image = window._buttons.button(SYSTEM).icon().pixmap(QSize(32, 32)).toImage()
    colours = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return min(colour.lightness() for colour in colours if colour.alpha() == 255)


def test_icons_follow_the_colour_scheme(window, qapp):
    light = darkest(window)
    theme.apply(qapp, theme.Scheme.DARK)
    qapp.processEvents()
    assert light < 100 < darkest(window)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_title_names_the_product_on_every_page(qtbot, language):
    i18n.set_language(language)
    made = MainWindow()
    qtbot.addWidget(made)
    for page in (SYSTEM, MODELS, CHAT):
        made.show_page(page)
        assert "AutoGLM" in made.windowTitle()


def test_it_is_hidden_before_the_engine_is_ended(window):
    window.show()
    seen = []
    window.closed.connect(lambda: seen.append(window.isVisible()))
    window.close()
    assert seen == [False]


def test_only_one_crash_dialog_at_a_time(qapp, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGLM_HOME", str(tmp_path))
    application = app.Application(qapp)
    opened = []

    def again(dialog):
        opened.append(dialog)
        application.crashed(RuntimeError("another one"))
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(QDialog, "exec", again)
    application.crashed(RuntimeError("boom"))
    assert len(opened) == 1
    application.crashed(RuntimeError("later"))
    assert len(opened) == 2
    application.close()
    application.crashed(RuntimeError("after the end"))
    assert len(opened) == 2
    application.window.deleteLater()
