"""The report of an unexpected error: whole, without the home folder's name, even where the log is missing."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QDialogButtonBox

from autoglm_desktop import __version__
from autoglm_desktop.gui.crash_dialog import CrashDialog, report


@pytest.fixture
def error():
    try:
        raise RuntimeError(f"boom in {Path.home()}/x")
    except RuntimeError as found:
        return found


def test_the_report_stands_without_a_log(error, tmp_path, caplog):
    text = report(error, tmp_path / "missing.log")
    assert "RuntimeError: boom in ~/x" in text and "test_crash_dialog.py" in text and __version__ in text
    assert "== log ==\nnot available" in text
    assert str(Path.home()) + "/x" not in text


def test_the_end_of_the_log_is_in_it(error, tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes("\n".join(f"line {n}" for n in range(100)).encode() + b"\n\xff last")
    text = report(error, log)
    assert "line 99" in text and "last" in text and "line 3\n" not in text


def test_it_can_be_copied_and_offers_both_ways_on(qtbot, error, tmp_path):
    dialog = CrashDialog(error, tmp_path / "missing.log")
    qtbot.addWidget(dialog)
    box = dialog.findChild(QDialogButtonBox)
    labels = {button.text(): button for button in box.buttons()}
    labels["Copy the report"].click()
    assert "boom" in QApplication.clipboard().text()
    with qtbot.waitSignal(dialog.accepted):
        labels["Go on"].click()
    with qtbot.waitSignal(dialog.rejected):
        labels["Quit"].click()
