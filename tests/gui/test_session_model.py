"""The session as the window sees it: loading, loading something else, cancelling, freeing, dying. Fake engines."""

import asyncio
import dataclasses

import pytest

from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.usecases import engines, idle_setting
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.session import Session

from .frame import fake_engines, made_services, tiny_target

HELLO = (Message("user", "你好 hello"),)


@pytest.fixture
def start(tmp_path, qapp):
    """A session model on a fake engine in a mode; ended with the test, leaving no process."""
    made = []

    def begin(mode="ok", *arguments):
        home = tmp_path / "data 数据"
        asyncio.run(
            engines.install(made_services(home), "llama-cpu")
        )  # the self-test passes before it goes wrong
        services = made_services(home, mode, *arguments)
        bridge = Bridge()
        session = Session(services, prepare)
        made.append((bridge, session))
        model = SessionModel(bridge, session)
        model.target = tiny_target(services, tmp_path)
        model.phases = []
        model.changed.connect(lambda state: model.phases.append(state.phase))
        return model

    yield begin
    for bridge, session in made:
        bridge.close(session.close)
    assert fake_engines() == []


def load(qtbot, model):
    with qtbot.waitSignal(model.load(model.target).finished, timeout=30000):
        pass
    qtbot.waitUntil(lambda: model.state.phase == "ready", timeout=5000)


def test_a_model_is_loaded_and_answers(qtbot, start):
    model = start("ok", "--tokens", 20)
    load(qtbot, model)
    assert model.state.proof.build == "fake engine"
    items = []
    with qtbot.waitSignal(model.stream(HELLO, Sampling(), items.append).ended, timeout=30000):
        pass
    assert len([item for item in items if isinstance(item, Delta)]) == 20
    assert isinstance(items[-1], Done)
    qtbot.waitUntil(lambda: model.state.phase == "ready", timeout=5000)
    assert model.state.tokens_per_s == items[-1].timings.tokens_per_s


def test_an_answer_can_be_stopped(qtbot, start):
    model = start("ok", "--tokens", 100000, "--delay", 0.01)
    load(qtbot, model)
    items = []

    def stop_once(item):
        items.append(item)
        if len(items) == 3:
            model.stop()

    with qtbot.waitSignal(model.stream(HELLO, Sampling(max_tokens=4000), stop_once).ended, timeout=30000):
        pass
    assert items[-1].finish_reason == "cancelled"
    assert model.state.phase in ("ready", "generating")
    qtbot.waitUntil(lambda: model.state.phase == "ready", timeout=5000)


def test_loading_can_be_cancelled(qtbot, start):
    model = start("hang")
    job = model.load(model.target)
    qtbot.waitUntil(lambda: fake_engines() != [], timeout=30000)
    with qtbot.waitSignal(job.cancelled, timeout=15000):
        model.cancel_load()
    assert fake_engines() == []
    qtbot.waitUntil(lambda: model.state.phase == "idle", timeout=5000)


def test_cancelling_twice_leaves_no_engine(qtbot, start):
    model = start("hang")
    job = model.load(model.target)
    qtbot.waitUntil(lambda: fake_engines() != [], timeout=30000)
    with qtbot.waitSignal(job.cancelled, timeout=15000):
        model.cancel_load()
        model.cancel_load()
    qtbot.waitUntil(
        lambda: fake_engines() == [], timeout=15000
    )  # killed, and gone as soon as the system gets to it


def test_the_load_that_follows_another_can_be_cancelled_as_well(qtbot, start):
    """The end of the first load must not be taken for the end of the second."""
    model = start("hang")
    first = model.load(model.target)
    qtbot.waitUntil(lambda: fake_engines() != [], timeout=30000)
    before = fake_engines()
    with qtbot.waitSignal(first.ended, timeout=15000):
        second = model.load(model.target)
    qtbot.waitUntil(lambda: fake_engines() not in ([], before), timeout=30000)
    with qtbot.waitSignal(second.cancelled, timeout=15000):
        model.cancel_load()
    qtbot.waitUntil(lambda: fake_engines() == [], timeout=15000)


def test_loading_stops_an_answer_that_is_being_written(qtbot, start):
    model = start("ok", "--tokens", 100000, "--delay", 0.01)
    load(qtbot, model)
    items = []
    answer = model.stream(HELLO, Sampling(max_tokens=4000), items.append)
    qtbot.waitUntil(lambda: len(items) > 2, timeout=30000)
    engine = fake_engines()
    with qtbot.waitSignals([answer.ended, model.load(model.target).finished], timeout=15000):
        pass
    qtbot.waitUntil(lambda: model.state.phase == "ready", timeout=5000)
    assert fake_engines() not in ([], engine)


def test_memory_is_freed_and_the_next_message_loads_again(qtbot, start):
    model = start("ok")
    load(qtbot, model)
    with qtbot.waitSignal(model.unload().finished, timeout=15000):
        pass
    qtbot.waitUntil(lambda: model.state.phase == "idle", timeout=5000)
    assert fake_engines() == [] and model.state.proof is None and model.state.target == model.target
    items = []
    with qtbot.waitSignal(model.stream(HELLO, Sampling(), items.append).ended, timeout=30000):
        pass
    assert isinstance(items[-1], Done)
    qtbot.waitUntil(lambda: model.state.phase == "ready", timeout=5000)
    assert model.phases.count("loading") >= 2


def test_a_load_that_a_message_began_can_be_cancelled_and_stopped(qtbot, start):
    model = start("hang")
    with qtbot.waitSignal(model.load(model.target).ended, timeout=30000):
        qtbot.waitUntil(lambda: fake_engines() != [], timeout=30000)
        model.cancel_load()
    answer = model.stream(HELLO, Sampling(), lambda _item: None)  # the model is known, so it is loaded again
    qtbot.waitUntil(lambda: fake_engines() != [], timeout=30000)
    with qtbot.waitSignal(answer.cancelled, timeout=15000):
        model.cancel_load()
    assert fake_engines() == []


def test_an_engine_that_dies_is_said_and_comes_back(qtbot, start):
    model = start("crash-generate", 3)
    load(qtbot, model)
    items, errors = [], []
    with qtbot.waitSignal(
        model.stream(HELLO, Sampling(), items.append, None, errors.append).ended, timeout=30000
    ):
        pass
    assert [error.code for error in errors] == ["engine_died"]
    assert len(items) == 3
    qtbot.waitUntil(lambda: model.state.phase == "failed", timeout=5000)
    assert fake_engines() == []


def test_a_load_that_cannot_be_done_is_said_with_its_tries(qtbot, start):
    model = start("bad-file")
    with qtbot.waitSignal(model.failed, timeout=30000) as caught:
        model.load(model.target)
    assert caught.args[0].code == "file_refused"
    qtbot.waitUntil(lambda: model.state.phase == "failed", timeout=5000)
    assert model.state.tries[-1].kind == "bad_file"


def test_a_cancelled_load_is_not_begun_again_by_the_message_that_waits_for_it(qtbot, start):
    model = start("hang")
    loading = model.load(model.target)
    qtbot.waitUntil(lambda: fake_engines() != [], timeout=30000)
    answer = model.stream(HELLO, Sampling(), lambda _item: None)
    with qtbot.waitSignals([loading.cancelled, answer.cancelled], timeout=15000):
        model.cancel_load()
    assert model.state.phase == "idle" and fake_engines() == []


def test_a_load_that_fails_is_not_tried_again_by_the_message_that_waits_for_it(qtbot, start):
    model = start("bad-file")
    errors = []
    loading = model.load(model.target)
    answer = model.stream(HELLO, Sampling(), lambda _item: None, None, errors.append)
    with qtbot.waitSignals([loading.failed, answer.failed], timeout=30000):
        pass
    assert [error.code for error in errors] == ["file_refused"]
    assert model.phases.count("failed") == 1


def test_a_lock_holds_for_the_same_model_and_ends_with_another(qtbot, start, tmp_path):
    model = start("ok")
    load(qtbot, model)
    model.lock("gguf-cpu")
    qtbot.waitUntil(lambda: model.state.locked == "gguf-cpu", timeout=5000)
    load(qtbot, model)
    assert model.state.locked == "gguf-cpu"
    with qtbot.waitSignal(model.load_with(None).finished, timeout=30000):
        pass
    qtbot.waitUntil(lambda: model.state.phase == "ready" and model.state.locked is None, timeout=5000)
    model.lock("gguf-cpu")
    other = tmp_path / "other.gguf"
    other.write_bytes(model.target.file.read_bytes())
    model.target = dataclasses.replace(model.target, name="other", file=other)
    load(qtbot, model)
    assert model.state.target.name == "other" and model.state.locked is None


def test_freeing_while_it_answers_ends_the_answer_at_once(qtbot, start):
    model = start("ok", "--tokens", 100000, "--delay", 0.01)
    load(qtbot, model)
    items, errors = [], []
    answer = model.stream(HELLO, Sampling(max_tokens=4000), items.append, None, errors.append)
    qtbot.waitUntil(lambda: len(items) > 2, timeout=30000)
    with qtbot.waitSignals([answer.ended, model.free().finished], timeout=15000):
        pass
    assert [error.code for error in errors] == ["engine_freed"] and fake_engines() == []
    qtbot.waitUntil(lambda: model.state.phase == "idle" and model.state.unloaded == "freed", timeout=5000)


def test_the_idle_unload_holds_from_now_on_and_is_kept(qtbot, start, tmp_path):
    model = start("ok")
    load(qtbot, model)
    model._services = made_services(tmp_path / "data 数据")
    model.set_idle_minutes(15)
    qtbot.waitUntil(lambda: idle_setting.minutes(model._services) == 15, timeout=5000)
    assert model.idle_minutes == 15 and model.state.phase == "ready"
    model._bridge.call(lambda: model.session.set_idle(0.0))
    qtbot.waitUntil(lambda: model.state.phase == "idle", timeout=15000)
    assert model.state.unloaded == "idle" and fake_engines() == []
