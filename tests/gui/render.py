"""Pictures of every page in every state, for somebody to look at: ``python -m tests.gui.render OUT [NAME…]``.

One PNG per state × language × scheme × size, offscreen. NAME restricts to states whose name begins so.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication, QDialog, QMainWindow, QScrollArea, QWidget

from autoglm_desktop import i18n
from autoglm_desktop.gui import theme
from autoglm_desktop.gui.bridge import Bridge
from tests.gui.states import STATES, Stage

SIZES = ((1280, 800), (1000, 650))
NAVIGATION, BADGE = 176, 44


def picture(page: QWidget, size: tuple[int, int], whole: bool) -> QWidget:
    """A page at the size it has in the window; ``whole``: as high as all it holds. A window and a dialog as they
    are."""
    if isinstance(page, QDialog):
        page.show()
        settle()
        return page
    if isinstance(page, QMainWindow):
        page.resize(*size)
        page.show()
        settle()
        return page
    window = QMainWindow()
    window.setCentralWidget(page)
    width, height = size[0] - NAVIGATION, size[1] - BADGE
    window.resize(width, height)
    window.show()
    settle()
    if whole and isinstance(page, QScrollArea):
        window.resize(width, max(page.widget().heightForWidth(width), height))
        settle()
    return window


def settle() -> None:
    """Let layouts come to rest: nested ones need a round each."""
    for _round in range(5):
        QApplication.processEvents()


def draw(name: str, file: Path, size: tuple[int, int], whole: bool) -> None:
    """One picture of a state."""
    bridge = Bridge()
    with tempfile.TemporaryDirectory(prefix="made-") as folder:
        stage = Stage(bridge, Path(folder))
        window = picture(STATES[name](stage), size, whole)
        window.grab().save(str(file))

        async def finish() -> None:
            for end in stage.last:
                await end()

        bridge.close(finish)
    window.close()
    window.deleteLater()
    settle()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gui.render", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="one language, scheme and size per state")
    parser.add_argument("--whole", action="store_true", help="pages as high as what they hold")
    options = parser.parse_args(arguments)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    options.out.mkdir(parents=True, exist_ok=True)
    names = [n for n in STATES if not options.names or any(n.startswith(p) for p in options.names)]
    looks = list(itertools.product(("en", "zh_CN"), (theme.Scheme.LIGHT, theme.Scheme.DARK), SIZES))
    for name, (language, scheme, size) in itertools.product(names, looks[:1] if options.quick else looks):
        i18n.set_language(language)
        theme.apply(app, scheme)
        file = options.out / f"{name}-{language[:2]}-{scheme.value}-{size[0]}.png"
        draw(name, file, size, options.whole)
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
