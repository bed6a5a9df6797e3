"""The service inside the window: on and off beside the session, whose model and chat it never touches."""

import asyncio
import contextlib
import socket

import httpx
import pytest

from autoglm_desktop.core.errors import ServiceError
from autoglm_desktop.core.protocol import Message, Sampling
from autoglm_desktop.service import run
from autoglm_desktop.usecases import service_control
from autoglm_desktop.usecases.own_answers import OwnAnswers
from autoglm_desktop.usecases.serve_gate import Asking, Gate
from autoglm_desktop.usecases.service_control import ServiceControl, ServiceState, Tally
from autoglm_desktop.usecases.service_settings import ServiceSettings
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session
from tests.fakes.fake_services import made_prepare, made_services
from tests.fakes.fake_session import TARGET, FakeSession

FREE = ServiceSettings(port=0)
LIMIT_S = 20


class Stand:
    """A control over a scripted session, and every state it has shown."""

    def __init__(self, home, session=None, serve=run.serve, **parts):
        self.session = session or FakeSession()
        self.control = ServiceControl(self.session, create_services(home), None, lambda: serve, **parts)
        self.states = []
        self.control.listen(self.states.append)

    @property
    def phases(self):
        return [state.phase for state in self.states]

    async def until(self, found):
        async with asyncio_timeout():
            while not found(self.control.state):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def asyncio_timeout():
    """As asyncio.timeout, which Python 3.10 has not."""
    task = asyncio.current_task()
    timer = asyncio.get_running_loop().call_later(LIMIT_S, task.cancel)
    try:
        yield
    finally:
        timer.cancel()


async def health(address):
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{address.url}/health")).status_code


def test_on_and_off_and_on_again(tmp_path):
    async def work():
        stand = Stand(tmp_path)
        address = await stand.control.start(FREE)
        assert stand.control.state == ServiceState("on", address)
        assert await health(address) == 200
        await stand.control.stop()
        assert stand.control.state == ServiceState()
        with pytest.raises(httpx.ConnectError):
            await health(address)
        again = await stand.control.start(FREE)
        assert await health(again) == 200
        await stand.control.stop()
        await stand.control.stop()
        assert stand.phases == [
            "starting",
            "on",
            "stopping",
            "off",
            "starting",
            "on",
            "stopping",
            "off",
            "off",
        ]

    asyncio.run(work())


def test_other_settings_switch_it_off_and_on_and_the_session_is_left_alone(tmp_path):
    async def work():
        stand = Stand(tmp_path)
        first = await stand.control.start(FREE)
        second = await stand.control.start(ServiceSettings(port=0, lan=True, key="made-key"))
        assert (first.host, second.host) == ("127.0.0.1", "0.0.0.0")
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{second.url}/v1/models")).status_code == 401
            given = {"Authorization": "Bearer made-key"}
            assert (await client.get(f"{second.url}/v1/models", headers=given)).status_code == 200
        await stand.control.stop()
        assert stand.session.requests == []

    asyncio.run(work())


def test_the_same_settings_again_leave_it_as_it_is(tmp_path):
    async def work():
        stand = Stand(tmp_path)
        first = await stand.control.apply(ServiceSettings(port=0, on=True))
        again = await stand.control.apply(ServiceSettings(port=first.port, on=True, key="made-key"))
        assert again is first
        assert stand.phases == ["starting", "on"]
        await stand.control.apply(ServiceSettings(port=first.port, on=True, key="made-key", ask_key=True))
        assert stand.phases == ["starting", "on", "stopping", "starting", "on"]
        assert await stand.control.apply(ServiceSettings()) is None
        assert stand.control.state == ServiceState()

    asyncio.run(work())


def test_a_port_in_use_is_told_and_nothing_is_left_running(tmp_path):
    async def work(port):
        stand = Stand(tmp_path)
        with pytest.raises(ServiceError) as caught:
            await stand.control.start(ServiceSettings(port=port))
        assert caught.value.code == "port_in_use"
        assert stand.control.state == ServiceState(error=caught.value)
        assert len(asyncio.all_tasks()) == 1

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(work(taken.getsockname()[1]))


def test_the_network_needs_a_key(tmp_path):
    async def work():
        stand = Stand(tmp_path)
        with pytest.raises(ServiceError) as caught:
            await stand.control.start(ServiceSettings(port=0, lan=True))
        assert caught.value.code == "key_needed"

    asyncio.run(work())


class At:
    host, port, url = "127.0.0.1", 1, "http://127.0.0.1:1"


def test_one_that_ends_by_itself_says_so_and_can_be_switched_on_again(tmp_path):
    async def work():
        ends = asyncio.Event()

        async def serve(session, options, on_ready, **parts):
            on_ready(At())
            await ends.wait()
            raise RuntimeError("made")

        stand = Stand(tmp_path, serve=serve)
        await stand.control.start(FREE)
        ends.set()
        await stand.until(lambda state: state.phase == "off")
        assert stand.control.state.error.code == "service_ended"
        ends.clear()
        await stand.control.start(FREE)
        assert stand.control.state.error is None
        await stand.control.stop()

    asyncio.run(work())


def test_starting_that_is_cancelled_leaves_nothing(tmp_path):
    async def work():
        asked, ended = asyncio.Event(), asyncio.Event()

        async def serve(session, options, on_ready, **parts):
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        stand = Stand(tmp_path, serve=serve)
        starting = asyncio.create_task(stand.control.start(FREE))
        await asked.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert ended.is_set()
        assert stand.control.state == ServiceState()

    asyncio.run(work())


def test_requests_under_way_are_shown_and_counted(tmp_path):
    async def work():
        gate = Gate()

        async def serve(session, options, on_ready, **parts):
            assert parts["gate"] is gate
            on_ready(At())
            await asyncio.Event().wait()

        stand = Stand(tmp_path, serve=serve, make_gate=lambda _options: gate)
        await stand.control.start(FREE)
        first, second = (gate.ticket(Asking("/v1/chat/completions", client)) for client in ("a", "b"))
        await stand.until(lambda state: len(state.requests) == 2)
        assert [(one.state, one.position) for one in stand.control.state.requests] == [
            ("answering", 0), ("waiting", 1),
        ]  # fmt: skip
        first.tokens(7)
        first.cancel()
        second.cancel()
        await stand.until(lambda state: not state.requests)
        assert (stand.control.state.begun, stand.control.state.tokens) == (2, 7)
        await stand.control.stop()
        assert stand.control.state == ServiceState()

    asyncio.run(work())


def test_an_answer_that_is_sent_when_it_is_switched_off_is_ended_and_told(tmp_path):
    async def work():
        stand = Stand(tmp_path, FakeSession(held=True))
        address = await stand.control.start(FREE)
        body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
        async with httpx.AsyncClient(trust_env=False, timeout=LIMIT_S) as client:
            request = client.build_request("POST", f"{address.url}/v1/chat/completions", json=body)
            asking = asyncio.create_task(client.send(request))
            await stand.session.started.wait()
            await stand.control.stop()
            answer = await asking
        assert '"service_ending"' in answer.text
        assert stand.session.closed == 1

    asyncio.run(work())


def test_stopping_the_service_does_not_stop_the_chat():
    async def work():
        session = FakeSession(held=True)
        service = OwnAnswers(session)

        async def all_of(asked):
            return [event async for event in asked.generate([], None)]

        chat = asyncio.create_task(all_of(session))
        ours = asyncio.create_task(all_of(service))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert session.running == 2
        service.stop()
        with pytest.raises(ServiceError) as caught:
            await ours
        assert caught.value.code == "service_ending"
        session.go.set()
        assert len(await chat) == 4
        assert len(await all_of(service)) == 4  # and asks again

    asyncio.run(work())


def test_with_a_real_session_an_answer_of_the_chat_goes_on_and_the_model_stays(tmp_path):
    async def work():
        services = made_services(tmp_path, "ok", "--tokens", 60, "--delay", 0.01)
        session = Session(services, made_prepare)
        control = ServiceControl(session, services, None, lambda: run.serve)
        try:
            await session.load(TARGET)
            engine = session.state.engine, session.state.proof
            address = await control.start(FREE)
            first = asyncio.Event()

            async def chat():
                events = []
                async for event in session.generate([Message("user", "x")], Sampling(max_tokens=100)):
                    events.append(event)
                    first.set()
                return events[-1]

            chatting = asyncio.create_task(chat())
            await first.wait()
            body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
            async with httpx.AsyncClient(trust_env=False, timeout=LIMIT_S) as client:
                asking = asyncio.create_task(client.post(f"{address.url}/v1/chat/completions", json=body))
                async with asyncio_timeout():
                    while not control.state.requests:
                        await asyncio.sleep(0.01)
                await control.stop()
                assert not chatting.done()
                answer = await asking
            done = await chatting
            return engine, (session.state.engine, session.state.proof), done, answer.text
        finally:
            await control.stop()
            await session.close()
            await services.web.close()

    before, after, done, text = asyncio.run(work())
    assert before == after
    assert done.finish_reason != "cancelled"
    assert '"service_ending"' in text


def test_a_cancellation_of_somebody_else_stays_one():
    async def work():
        service = OwnAnswers(FakeSession(held=True))

        async def first():
            return await service.generate([], None).__anext__()

        asking = asyncio.create_task(first())
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        service.stop()
        assert service.state is not None

    asyncio.run(work())


def test_the_tally_counts_each_request_once():
    gate, tally = Gate(width=lambda: 2), Tally()

    async def work():
        first = gate.ticket(Asking("a", "b"))
        tally.look(gate.live())
        first.tokens(3)
        tally.look(gate.live())
        first.cancel()
        tally.look(gate.live())
        gate.ticket(Asking("a", "b")).tokens(2)
        tally.look(gate.live())

    asyncio.run(work())
    assert (tally.begun, tally.tokens) == (2, 5)


def test_an_answer_that_is_stopped_in_the_window_is_no_whole_one():
    """The agent would read half an action as its reply."""

    async def work():
        service = OwnAnswers(FakeSession('do(action="Tap", element=[84', finish="cancelled"))
        with pytest.raises(ServiceError) as caught:
            async for _event in service.generate([], None):
                pass
        assert caught.value.code == "answer_stopped"

    asyncio.run(work())


def test_one_that_is_being_stopped_when_the_window_closes_is_waited_for(tmp_path):
    """The page's own task is cancelled then; the service is cancelled once and ends in order."""

    async def work():
        ending, end, cancelled = asyncio.Event(), asyncio.Event(), []

        async def serve(session, options, on_ready, **parts):
            on_ready(At())
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ending.set()
                try:
                    await end.wait()
                except asyncio.CancelledError:
                    cancelled.append("twice")
                raise

        stand = Stand(tmp_path, serve=serve)
        await stand.control.start(FREE)
        stopping = asyncio.create_task(stand.control.stop())
        await ending.wait()
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        closing = asyncio.create_task(stand.control.stop())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not closing.done()
        end.set()
        await closing
        assert cancelled == []
        assert stand.control.state == ServiceState()

    asyncio.run(work())


def test_the_ages_of_requests_go_on_while_nothing_else_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(service_control, "AGES_EVERY_S", 0.01)

    async def work():
        gate = Gate()

        async def serve(session, options, on_ready, **parts):
            on_ready(At())
            await asyncio.Event().wait()

        stand = Stand(tmp_path, serve=serve, make_gate=lambda _options: gate)
        await stand.control.start(FREE)
        ticket = gate.ticket(Asking("/v1/chat/completions", "a"))
        await stand.until(lambda state: bool(state.requests))
        first = stand.control.state.requests[0].since_s
        await stand.until(lambda state: state.requests[0].since_s > first)
        ticket.cancel()
        await stand.control.stop()

    asyncio.run(work())
