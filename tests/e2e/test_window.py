"""The real window over a real engine process: from a dropped model file to tokens, and how it ends."""

import asyncio
import dataclasses
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
import pytest
from PySide6.QtWidgets import QPushButton

from autoglm_desktop import i18n
from autoglm_desktop.app import Application
from autoglm_desktop.gui.engine_banner import EngineBanner
from autoglm_desktop.host.crashes import hardware_key
from autoglm_desktop.host.environments import Environments, Record
from autoglm_desktop.store import gguf_tiny, settings
from autoglm_desktop.usecases.services import Services, create_services
from autoglm_desktop.usecases.targets import resolve

from ..fakes.fake_services import made_services
from ..fakes.made_models import write_folder

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 30_000


@pytest.fixture
def home(tmp_path, monkeypatch):
    path = tmp_path / "数据 home"
    monkeypatch.setenv("AUTOGLM_HOME", str(path))
    i18n.set_language("en")
    return path


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "小 tiny.gguf"
    gguf_tiny.write_tiny_glm4(path)
    return path


@pytest.fixture
def start(qapp, qtbot, home):
    """Windows over services of the test's choice; all are closed with the test."""
    started = []

    def make(services=None):
        services = services or create_services(home)
        application = Application(qapp, lambda: services)
        started.append(application)
        application.show()
        qtbot.waitUntil(lambda: application.window.contents is not None, timeout=PATIENCE_MS)
        return application

    yield make
    for application in started:
        application.close()
        application.window.deleteLater()


def engines_of(pid: int) -> list[psutil.Process]:
    return [p for p in psutil.Process(pid).children(recursive=True) if "engine" in " ".join(p.cmdline())]


def ready(application):
    return application.contents.badge._session.state.phase == "ready"


def load(application, qtbot, model):
    target = resolve(application.services.library, str(model))
    application.contents.badge._session.load(target)
    qtbot.waitUntil(lambda: ready(application), timeout=PATIENCE_MS)


def send(application, text):
    composer = application.contents.chat.parts.composer
    composer.set_text(text)
    composer.sent.emit(text)


def messages(application):
    return application.contents.chat.controller.messages


def test_from_a_model_to_tokens(qtbot, start, model):
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed in this environment (extra: llama)")
    application = start()
    load(application, qtbot, model)
    assert "tokens/s" in application.contents.badge.detail.text()
    application.window.show_page(2)
    qtbot.waitUntil(lambda: application.contents.chat.conversations.is_open, timeout=PATIENCE_MS)
    send(application, "hello")
    controller = application.contents.chat.controller
    qtbot.waitUntil(
        lambda: len(messages(application)) == 2 and controller.answering is None, timeout=PATIENCE_MS
    )
    assert "table of words" in messages(application)[1].text
    assert messages(application)[1].facts.tokens_per_s > 0
    children = engines_of(os.getpid())
    assert len(children) == 1
    application.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def services_with(home, *mode):
    """This machine and the real planner, over a fake engine whose self-test counts as passed."""
    made = made_services(home, *mode)
    services = Services(**{field.name: getattr(made, field.name) for field in dataclasses.fields(Services)})
    hardware = hardware_key(asyncio.run(services.machine()))
    services.environments.write(Record("llama-cpu", "0.3.36", hardware, self_test="passed"), own=False)
    return services


def test_an_engine_that_dies_keeps_the_answer_and_the_next_message_works(qtbot, start, home, model):
    application = start(services_with(home, "crash-generate", 5))
    load(application, qtbot, model)
    application.window.show_page(2)
    qtbot.waitUntil(lambda: application.contents.chat.conversations.is_open, timeout=PATIENCE_MS)
    send(application, "hello")
    controller = application.contents.chat.controller
    qtbot.waitUntil(
        lambda: len(messages(application)) == 2 and controller.answering is None, timeout=PATIENCE_MS
    )
    assert messages(application)[1].text, "what was streamed before the crash is kept"
    assert application.contents.badge._session.state.phase == "failed"
    send(application, "again")
    qtbot.waitUntil(
        lambda: len(messages(application)) == 4 and controller.answering is None, timeout=PATIENCE_MS
    )
    assert messages(application)[3].text


@pytest.mark.parametrize("mode", [("ok", "--tokens", 5000, "--delay", 0.01), ("hang-generate",)])
def test_closing_while_it_answers_leaves_no_process(qtbot, start, home, model, mode):
    application = start(services_with(home, *mode))
    load(application, qtbot, model)
    application.window.show_page(2)
    qtbot.waitUntil(lambda: application.contents.chat.conversations.is_open, timeout=PATIENCE_MS)
    send(application, "hello")
    qtbot.waitUntil(
        lambda: application.contents.badge._session.state.phase == "generating", timeout=PATIENCE_MS
    )
    children = [
        p for p in psutil.Process().children(recursive=True) if "fake_engine" in " ".join(p.cmdline())
    ]
    assert children
    application.window.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_closing_while_it_loads_leaves_no_process(qtbot, start, home, model):
    application = start(services_with(home, "hang"))
    target = resolve(application.services.library, str(model))
    application.contents.badge._session.load(target)
    qtbot.waitUntil(
        lambda: any("fake_engine" in " ".join(p.cmdline()) for p in psutil.Process().children()),
        timeout=PATIENCE_MS,
    )
    children = psutil.Process().children(recursive=True)
    application.window.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not [p for p in alive if "fake_engine" in " ".join(p.cmdline())]


class Program:
    """The program as a process of its own, offscreen; waits for lines of its log."""

    def __init__(self, home, *words, **more):
        kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
        environment = {**kept, "AUTOGLM_HOME": str(home), "PYTHONPATH": str(ROOT), **more}
        environment["QT_QPA_PLATFORM"] = "offscreen"
        self.log = Path(home) / "logs" / "autoglm-desktop.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autoglm_desktop", *words],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_painted(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.log.is_file() and re.search("window painted", self.log.read_text(encoding="utf-8")):
                return
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        raise AssertionError("no window was painted")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_signals_close_the_window_cleanly(tmp_path, number, status):
    program = Program(tmp_path)
    program.wait_painted()
    children = psutil.Process(program.process.pid).children(recursive=True)
    program.process.send_signal(number)
    _, err = program.process.communicate(timeout=30)
    assert program.process.returncode == status
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_second_start_raises_the_first_window_and_ends(tmp_path):
    first = Program(tmp_path)
    try:
        first.wait_painted()
        second = Program(tmp_path)
        assert second.process.wait(30) == 0
        assert first.process.poll() is None
    finally:
        first.process.terminate()
        first.process.communicate(timeout=30)
        second.process.communicate(timeout=30)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 is Linux's")
def test_a_display_that_does_not_answer_becomes_the_terminal(tmp_path):
    kept = {
        key: value for key, value in os.environ.items() if key not in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    environment = {**kept, "AUTOGLM_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "DISPLAY": ":4242"}
    done = subprocess.run(
        [sys.executable, "-m", "autoglm_desktop", "--lang", "en"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "AutoGLM-Phone-9B" in done.stdout and "autoglm-desktop chat" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_memory_is_freed_from_the_details_where_the_idle_unload_is_chosen(qtbot, start, home, model):
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed in this environment (extra: llama)")
    settings.update(home, idle_minutes=15)
    application = start()
    load(application, qtbot, model)
    badge = application.contents.badge
    badge.open_details()
    assert badge.dialog.idle.currentData() == 15
    badge.dialog.free.click()
    qtbot.waitUntil(lambda: badge.pill.text() == "Not loaded", timeout=PATIENCE_MS)
    assert engines_of(os.getpid()) == []
    badge.action.click()
    qtbot.waitUntil(lambda: ready(application), timeout=PATIENCE_MS)
    badge.dialog.idle.activated.emit(0)
    qtbot.waitUntil(lambda: settings.load(home).idle_minutes == 0, timeout=PATIENCE_MS)


def test_a_folder_without_its_engine_offers_to_install_it(qtbot, start, home, tmp_path, monkeypatch):
    services = create_services(home)
    described = {
        name: dataclasses.replace(one, module="module_that_is_nowhere") if name.startswith("torch") else one
        for name, one in services.environments.descriptions.items()
    }
    environments = Environments(home / "engines", described, Path(sys.executable))
    asked = []
    monkeypatch.setattr(EngineBanner, "install", lambda _self, name: asked.append(name))
    application = start(dataclasses.replace(services, environments=environments))
    folder = write_folder(tmp_path / "made folder")
    session = application.contents.badge._session
    session.load(resolve(application.services.library, str(folder)))
    qtbot.waitUntil(lambda: session.state.phase == "failed", timeout=PATIENCE_MS)
    notice = application.contents.chat.parts.notice
    button = next(one for one in notice.findChildren(QPushButton) if one.text() == "Install torch-cpu")
    button.click()
    assert asked == ["torch-cpu"]


@pytest.mark.parametrize("page", [0, 2])
def test_closing_leaves_nothing_undone_in_the_log(qtbot, start, home, caplog, page):
    application = start(services_with(home, "ok"))
    application.window.show_page(page)
    if page == 2:
        qtbot.waitUntil(lambda: application.contents.chat.conversations.is_open, timeout=PATIENCE_MS)
    application.window.close()
    assert [
        record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")
    ] == []
