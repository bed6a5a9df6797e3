"""Options of the service, when it answers, and its queue."""

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest

from autoglm_desktop.core.errors import EngineError, ServiceError
from autoglm_desktop.store import catalog
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases.serve import (
    RETRY_FAILED_S,
    Readiness,
    ServeOptions,
    bind,
    check_options,
    gate_for,
    is_loopback,
    is_phone,
    is_up,
    read_allowed_hosts,
    read_api_key,
)
from autoglm_desktop.usecases.serve_gate import Asking, Busy, Gate
from autoglm_desktop.usecases.session import SessionState
from tests.fakes.fake_session import READY, TARGET, FakeSession

DIED = EngineError("engine_died", kind="crashed", detail="SIGSEGV", rung="gguf-cpu")
NOTHING_FITS = EngineError("nothing_fits", reason=None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "::1", "127.8.9.1"])
def test_loopback_needs_no_key(host):
    assert is_loopback(host)
    check_options(ServeOptions(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "pc.local", ""])
def test_other_addresses_need_a_key(host):
    with pytest.raises(ServiceError) as caught:
        check_options(ServeOptions(host=host))
    assert caught.value.code == "key_needed"
    check_options(ServeOptions(host=host, api_key="secret"))


def test_the_key_comes_from_the_file_else_the_environment(tmp_path):
    file = tmp_path / "钥匙 key"
    file.write_text("\ufeff from-file\r\n", encoding="utf-8")
    assert read_api_key(str(file), {"AUTOGLM_API_KEY": "from-env"}) == "from-file"
    assert read_api_key(None, {"AUTOGLM_API_KEY": "from-env"}) == "from-env"
    assert read_api_key(None, {}) is None
    assert read_api_key(None, {"AUTOGLM_API_KEY": ""}) is None


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", "密钥".encode(), b"two words", b"line\nline", b"\xff\xfe\xfa"]
)
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ServiceError) as caught:
        read_api_key(str(file), {})
    assert caught.value.code in ("key_unusable", "key_file_unreadable")
    assert "words" not in str(caught.value)


def test_a_missing_key_file_is_an_expected_error(tmp_path):
    with pytest.raises(ServiceError, match="key_file_unreadable"):
        read_api_key(str(tmp_path / "none"), {})


def test_allowed_hosts_are_a_list_of_names():
    assert read_allowed_hosts({"AUTOGLM_ALLOWED_HOSTS": " host.docker.internal, PC.local ,,"}) == (
        "host.docker.internal",
        "pc.local",
    )
    assert read_allowed_hosts({}) == ()
    both = read_allowed_hosts({"AUTOGLM_ALLOWED_HOSTS": "pc.local"}, "NAS.example., pc.local , .")
    assert both == ("nas.example", "pc.local")


CLOCK = [1000.0]


def ready_once(session, *states):
    readiness = Readiness(session, lambda: CLOCK[0])
    for state in states:
        session.show(state)
    return readiness.refusal()


LOADING = SessionState("loading", TARGET)
FAILED = SessionState("failed", TARGET, error=NOTHING_FITS)
IDLE = SessionState("idle", TARGET, unloaded="idle")
CRASHED = SessionState("failed", TARGET, error=DIED)


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([SessionState()], "no_model_loaded"),
        ([SessionState("idle", TARGET)], None),
        ([LOADING], "model_loading"),
        ([SessionState("installing", TARGET)], "model_loading"),
        ([READY], None),
        ([replace(READY, phase="generating")], None),
        ([READY, LOADING], None),  # another rung, or again after the idle unload: it waits
        ([READY, IDLE], None),
        ([READY, CRASHED], None),
        ([READY, CRASHED, SessionState("installing", TARGET)], None),
        ([CRASHED], None),
        ([SessionState("failed", TARGET, error=EngineError("nothing_smaller"))], None),
        ([LOADING, FAILED], "nothing_fits"),
        ([READY, LOADING, FAILED], "nothing_fits"),
        ([LOADING, SessionState("failed", TARGET)], "model_failed"),
        ([LOADING, FAILED, READY], None),
        ([READY, SessionState()], "no_model_loaded"),
    ],
)
def test_whether_a_request_is_taken(states, code):
    refused = ready_once(FakeSession(state=SessionState()), *states)
    assert (refused[0].code if refused is not None else None) == code
    assert refused is None or refused[1] > 0


@pytest.mark.parametrize(("state", "code"), [(READY, None), (LOADING, "model_loading"), (FAILED, None)])
def test_a_service_that_is_switched_on_later_begins_with_what_is(state, code):
    refused = Readiness(FakeSession(state=state)).refusal()
    assert (refused[0].code if refused is not None else None) == code


def test_after_a_ladder_that_failed_a_request_tries_again_but_not_at_once():
    session = FakeSession(state=LOADING)
    readiness = Readiness(session, lambda: CLOCK[0])
    session.show(FAILED)
    assert readiness.refusal() == (NOTHING_FITS, RETRY_FAILED_S)
    session.show(replace(FAILED, warning=None))  # shown again: not failed again
    CLOCK[0] += RETRY_FAILED_S - 0.5
    assert readiness.refusal() == (NOTHING_FITS, 1)
    CLOCK[0] += 0.5
    assert readiness.refusal() is None
    session.show(LOADING)
    assert readiness.refusal()[0].code == "model_loading"
    session.show(FAILED)
    assert readiness.refusal() == (NOTHING_FITS, RETRY_FAILED_S)


def test_a_load_that_a_request_began_refuses_nobody_else():
    """Else /health would go down because somebody asks."""

    async def work():
        session = FakeSession(state=IDLE)
        gate = Gate()
        forget = bind(gate, session)
        async with gate.turn(gate.ticket(ASKING)):
            session.show(LOADING)
            assert gate.refusal() is None and is_up(session.state, gate.refusal())
            session.show(SessionState("installing", TARGET))
            assert gate.refusal() is None
        forget()

    asyncio.run(work())


def test_up_is_what_a_request_would_find_but_not_a_ladder_that_failed():
    assert is_up(READY, None) and is_up(IDLE, None) and is_up(CRASHED, None)
    assert not is_up(FAILED, None) and not is_up(LOADING, (NOTHING_FITS, 5))


CODES = [
    "key_needed", "key_file_unreadable", "key_unusable", "port_in_use", "port_not_allowed", "address_unusable",
    "model_loading", "service_busy", "service_ending", "image_needs_projector",
    "queue_timeout", "model_failed", "no_model_loaded",
]  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_service_has_a_sentence(code):
    assert code in errors.TABLE


def test_phone_models_are_those_of_the_catalogue():
    shipped = catalog.load()
    assert is_phone(TARGET, shipped)
    assert not is_phone(replace(TARGET, model=None), shipped)
    assert not is_phone(replace(TARGET, model="unknown"), shipped)
    assert not is_phone(None, shipped)


ASKING = Asking("/v1/chat/completions", "127.0.0.1")


class Visitors:
    """Tasks that take a turn and leave when they are let go."""

    def __init__(self, gate):
        self.gate = gate
        self.order = []
        self.leave = asyncio.Event()

    async def visit(self, name):
        async with self.gate.turn(self.gate.ticket(ASKING)):
            self.order.append(name)
            await self.leave.wait()

    def send(self, *names):
        return [asyncio.ensure_future(self.visit(name)) for name in names]


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def run(work):
    asyncio.run(asyncio.wait_for(work, 30))


def test_turns_are_taken_one_at_a_time_in_order_and_the_list_is_bounded():
    async def work():
        gate = Gate(waiting=2)
        visitors = Visitors(gate)
        tasks = visitors.send("a", "b", "c", "d")
        await settle()
        assert visitors.order == ["a"] and gate.waiting == 2 and gate.answering == 1
        assert isinstance(tasks[3].exception(), Busy) and tasks[3].exception().code == "service_busy"
        visitors.leave.set()
        await asyncio.gather(*tasks[:3])
        assert visitors.order == ["a", "b", "c"] and gate.waiting == gate.answering == 0
        await visitors.visit("e")

    run(work())


def test_64_wait_by_default_and_are_let_in_in_their_order():
    async def work():
        gate = Gate()
        visitors = Visitors(gate)
        tasks = visitors.send(*range(65))
        await settle()
        assert gate.waiting == 64
        with pytest.raises(Busy, match="service_busy"):
            gate.ticket(ASKING)
        visitors.leave.set()
        await asyncio.gather(*tasks)
        assert visitors.order == list(range(65))

    run(work())


def test_no_room_in_the_list_still_lets_in_who_need_not_wait():
    async def work():
        gate = Gate(waiting=0)
        async with gate.turn(gate.ticket(ASKING)):
            with pytest.raises(Busy, match="service_busy"):
                gate.ticket(ASKING)
        gate.ticket(ASKING).cancel()

    run(work())


def test_who_leaves_the_list_makes_room():
    async def work():
        gate = Gate(waiting=1)
        visitors = Visitors(gate)
        first, second = visitors.send("a", "b")
        await settle()
        second.cancel()
        await settle()
        (third,) = visitors.send("c")
        await settle()
        first.cancel()
        await settle()
        assert visitors.order == ["a", "c"]
        visitors.leave.set()
        await third

    run(work())


def test_a_place_is_kept_from_the_ticket_on_and_given_back_once():
    async def work():
        gate = Gate()
        first, second, third = (gate.ticket(ASKING) for _ in range(3))
        assert [first.position, second.position, third.position] == [0, 1, 2]
        third.cancel()
        third.cancel()
        first.cancel()
        assert second.position == 0 and gate.answering == 1 and gate.waiting == 0
        async with gate.turn(second):
            pass
        second.cancel()
        assert gate.answering == 0

    run(work())


def test_who_is_cancelled_in_the_moment_of_its_turn_gives_it_back():
    async def work():
        gate = Gate()
        visitors = Visitors(gate)
        first, second, third = visitors.send("a", "b", "c")
        await settle()
        first.cancel()
        await asyncio.sleep(0)  # the turn is b's now, but b has not run yet
        second.cancel()
        await settle()
        assert second.cancelled() and visitors.order == ["a", "c"]
        visitors.leave.set()
        await third

    run(work())


def test_a_place_that_is_given_back_is_waited_for_no_longer():
    async def work():
        gate = Gate()
        async with gate.turn(gate.ticket(ASKING)):
            behind = gate.ticket(ASKING)
            waiting = asyncio.ensure_future(hold(gate, behind))
            await asyncio.sleep(0)
            behind.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
            early = gate.ticket(ASKING)
            early.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hold(gate, early)
            assert gate.answering == 1 and gate.waiting == 0

    async def hold(gate, ticket):
        async with gate.turn(ticket):
            pass

    asyncio.run(asyncio.wait_for(work(), 30))


def test_nobody_waits_longer_than_the_limit():
    async def work():
        gate = Gate(wait_limit_s=0.01)
        async with gate.turn(gate.ticket(ASKING)):
            late = gate.ticket(ASKING)
            with pytest.raises(Busy, match="queue_timeout") as caught:
                async with gate.turn(late):
                    raise AssertionError
            assert caught.value.retry_s >= 1 and gate.waiting == 0
        async with gate.turn(gate.ticket(ASKING)):  # the limit is for waiting, not for answering
            pass

    run(work())


def test_as_many_are_inside_as_the_engine_answers_at_once():
    async def work():
        wide = [1]
        gate = Gate(width=lambda: wide[0])
        visitors = Visitors(gate)
        tasks = visitors.send(*"abcde")
        await settle()
        wide[0] = 3
        gate.refresh()
        await settle()
        assert visitors.order == ["a", "b", "c"] and gate.waiting == 2
        wide[0] = 0  # an engine that is gone tells none: still one after the other
        visitors.leave.set()
        await asyncio.gather(*tasks)
        assert visitors.order == list("abcde")

    run(work())


def test_a_closed_gate_lets_nobody_in_also_not_those_who_wait():
    async def work():
        gate = Gate()
        visitors = Visitors(gate)
        first, second = visitors.send("a", "b")
        await settle()
        early = gate.ticket(ASKING)
        gate.close()
        with pytest.raises(Busy, match="service_ending"):
            await second  # at once, not when the first has left
        with pytest.raises(Busy, match="service_ending"):
            async with gate.turn(early):
                raise AssertionError
        with pytest.raises(Busy, match="service_ending"):
            await visitors.visit("c")
        visitors.leave.set()
        await first

    run(work())


def test_when_to_come_back_follows_from_what_the_last_answers_took():
    now = [0.0]
    wide = [1]

    async def work():
        gate = Gate(waiting=2, width=lambda: wide[0], clock=lambda: now[0])
        for seconds in (9.0, 11.0):
            async with gate.turn(gate.ticket(ASKING)):
                now[0] += seconds
        gate.ticket(ASKING)
        assert [gate.retry_s(position) for position in (1, 3, 50)] == [10, 30, 120]
        now[0] += 25  # the one that runs takes longer
        assert gate.retry_s(1) == 25
        gate.ticket(ASKING)
        gate.ticket(ASKING)
        with pytest.raises(Busy) as caught:
            gate.ticket(ASKING)
        assert caught.value.retry_s == 75
        wide[0] = 5
        assert gate.retry_s(2) == 10

    run(work())
    assert Gate().retry_s(1) == 1


def test_what_is_under_way_is_shown_and_told():
    async def work():
        now, loading = [100.0], [True]
        gate = Gate(clock=lambda: now[0])
        gate.loading = lambda: loading[0]
        told = []
        forget = gate.listen(told.append)
        first = gate.ticket(ASKING)
        gate.ticket(Asking("/predict", "192.168.1.7", stream=True, pictures=1))
        now[0] += 2
        one, two = gate.live()
        assert (one.state, one.position, one.since_s) == ("loading", 0, 2.0)
        assert (two.state, two.position, two.asking.pictures) == ("waiting", 1, 1)
        loading[0] = False
        first.tokens(7)
        assert told[-1] == gate.live() and told[-1][0].state == "answering" and told[-1][0].tokens == 7
        first.tokens(8)  # so soon it is not told again …
        assert told[-1][0].tokens == 7
        first.cancel()  # … but before it leaves
        assert told[-3][0].tokens == 8 and [live.position for live in told[-1]] == [0]
        count = len(told)
        forget()
        gate.ticket(ASKING)
        assert len(told) == count

    run(work())


def test_a_session_that_answers_several_at_once_lets_as_many_in():
    async def work():
        session = FakeSession(state=LOADING)
        session.width = 1
        gate = gate_for(session, ServeOptions(waiting=5))
        assert gate.bound == 5 and gate.refusal()[0].code == "model_loading"
        tickets = [gate.ticket(ASKING) for _ in range(4)]
        assert gate.live()[0].state == "loading"
        session.width = 3
        session.show(READY)
        assert [ticket.position for ticket in tickets] == [0, 0, 0, 1] and gate.refusal() is None

    run(work())


def test_a_service_that_ended_no_longer_listens():
    session = FakeSession()
    bind(Gate(), session)()
    assert session.listeners == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_order_holds_and_no_place_is_lost(seed):
    """Tickets come, are awaited, cancelled, answered and given up in any order, while the width changes."""
    chance, wide = random.Random(seed), [1]

    async def work():
        gate = Gate(waiting=6, width=lambda: wide[0])
        let_in, tasks, idle = [], {}, []

        async def visit(leave):
            ticket = gate.ticket(ASKING)
            async with gate.turn(ticket):
                let_in.append(ticket.id)
                assert gate.answering <= 3
                await leave.wait()

        for _ in range(300):
            what = chance.randrange(6)
            if what <= 1 and chance.random() < 0.8:
                leave = asyncio.Event()
                tasks[asyncio.ensure_future(visit(leave))] = leave
            elif what <= 1:
                with contextlib.suppress(Busy):
                    idle.append(gate.ticket(ASKING))
            elif what == 2 and tasks:
                chance.choice(list(tasks.values())).set()
            elif what == 3 and tasks:
                chance.choice(list(tasks)).cancel()
            elif what == 4 and idle:
                idle.pop(chance.randrange(len(idle))).cancel()
            else:
                wide[0] = chance.randint(0, 3)
                gate.refresh()
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            for task in [task for task in tasks if task.done()]:
                del tasks[task]
                assert task.cancelled() or task.exception() is None or isinstance(task.exception(), Busy)
            places = [one.position for one in gate.live()]
            assert places == sorted(places) and places.count(0) == gate.answering
            assert gate.waiting == 0 or gate.answering >= max(1, wide[0])
        for ticket in idle:
            ticket.cancel()
        for leave in tasks.values():
            leave.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert gate.waiting == gate.answering == 0 and let_in == sorted(let_in) and len(let_in) > 10

    run(work())
