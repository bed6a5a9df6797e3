"""Pictures of every page in every state, for somebody to look at: ``python -m tests.gui.render OUT [NAME…]``.

One PNG per state × language × scheme × size, offscreen. NAME restricts to states whose name begins so.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow, QScrollArea, QWidget

from autoglm_desktop import i18n
from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.gui import theme
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.models.page import ModelsPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.gui.system.page import SystemPage
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import Services
from autoglm_desktop.usecases.session import Session, SessionState
from autoglm_desktop.usecases.targets import of_local
from tests.gui.made_checks import MACHINES, checker, made_check, made_services

SIZES = ((1280, 800), (1000, 650))
NAVIGATION, BADGE = 176, 44
PATIENCE_MS = 20_000


@dataclass(frozen=True)
class Stage:
    """What a state is built with."""

    bridge: Bridge
    home: Path


State = Callable[[Stage], QWidget]


def until(done: Callable[[], bool]) -> None:
    """Run Qt's loop until something is so."""
    loop, poll = QEventLoop(), QTimer()
    late = QTimer(singleShot=True, interval=PATIENCE_MS)
    late.timeout.connect(loop.quit)
    late.start()
    poll.timeout.connect(lambda: done() and loop.quit())
    poll.start(10)
    if not done():
        loop.exec()
    if not done():
        raise TimeoutError("the state was not reached")


def system(machine: str, wish: str | None = None) -> State:
    def build(stage: Stage) -> QWidget:
        page = SystemPage(stage.bridge, made_services(stage.home), checker(MACHINES[machine]()))
        if wish is not None:
            page.verdict.wish_picked.emit(wish)
        else:
            page.start()
        until(lambda: page.result is not None)
        page.all_checks.toggle.click()
        return page

    return build


def system_checking(stage: Stage) -> QWidget:
    return SystemPage(stage.bridge, made_services(stage.home))


def models(machine: str | None, *, files: bool = False, state: str = "") -> State:
    def build(stage: Stage) -> QWidget:
        services = made_services(stage.home)
        if files:
            made_files(services)
        session = SessionModel(stage.bridge, Session(services, prepare))
        page = ModelsPage(stage.bridge, services, session)
        if machine is not None:
            page.set_check(made_check(MACHINES[machine](), services))
        else:
            page.refresh()
        until(lambda: page.listed is not None)
        if state == "refusals":
            page.add([stage.home / "no such file.gguf", stage.home / "broken.gguf"])
            until(lambda: len(page.notices.shown) == 2)
        elif state == "dragged":
            page.drop.set_active(True)
        elif state:
            first = next(row.entry.local for row in page.rows if row.entry.refusal is None)
            error = EngineError("no_rung_worked", path=str(first.path), detail="made: out of memory")
            session._show(SessionState(state, of_local(first), error=error if state == "failed" else None))
        return page

    return build


def made_files(services: Services) -> None:
    """A file in the folder, an added one with a long name, a damaged one."""
    services.library.models.mkdir(parents=True)
    write_tiny_glm4(services.library.models / "made-tiny.gguf")
    folder = services.home / "一个名字很长的文件夹 with a long name, as downloads folders sometimes have them"
    folder.mkdir()
    other = folder / "made-long-name-of-a-file-that-somebody-quantised-and-renamed-several-times-Q4_0.gguf"
    write_tiny_glm4(other, weight_type="Q4_0")
    services.library.add(other)
    whole = (services.library.models / "made-tiny.gguf").read_bytes()
    (services.library.models / "cut off.gguf").write_bytes(whole[:100_000])
    (services.home / "broken.gguf").write_bytes(b"no GGUF at all")


STATES: dict[str, State] = {
    "system-checking": system_checking,
    **{f"system-{name}": system(name) for name in MACHINES},
    "system-gaming-text": system("gaming", "text"),
    "models-unchecked": models(None),
    "models-empty": models("gaming"),
    "models-files": models("laptop", files=True),
    "models-small": models("small", files=True),
    "models-large": models("large"),
    "models-refusals": models("laptop", files=True, state="refusals"),
    "models-dragged": models("laptop", state="dragged"),
    "models-loading": models("laptop", files=True, state="loading"),
    "models-ready": models("laptop", files=True, state="ready"),
    "models-failed": models("laptop", files=True, state="failed"),
}


def picture(page: QWidget, size: tuple[int, int], whole: bool) -> QMainWindow:
    """A page at the size it has in the window; ``whole``: as high as all it holds."""
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
    for name in names:
        for language, scheme, size in looks[:1] if options.quick else looks:
            i18n.set_language(language)
            theme.apply(app, scheme)
            bridge = Bridge()
            with tempfile.TemporaryDirectory(prefix="autoglm-render-") as folder:
                file = options.out / f"{name}-{language[:2]}-{scheme.value}-{size[0]}.png"
                window = picture(STATES[name](Stage(bridge, Path(folder))), size, options.whole)
                window.grab().save(str(file))
                bridge.close()
            window.close()
            window.deleteLater()
            settle()
            print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
