"""Windows offscreen; data in a folder of the test's own; English texts unless a test says otherwise."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PySide6.QtCore import QEvent

from autoglm_desktop import i18n
from autoglm_desktop.gui import theme
from autoglm_desktop.gui.bridge import Bridge


@pytest.fixture(autouse=True)
def english(qapp):
    i18n.set_language("en")
    theme.apply(qapp, theme.Scheme.LIGHT)
    yield
    i18n.set_language("en")
    for left in qapp.topLevelWidgets():  # every change of the style sheet lays all living widgets out again
        left.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def bridge(qapp):
    made = Bridge()
    yield made
    made.close()
