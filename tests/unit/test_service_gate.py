"""Options of the service, when it answers, and one generation at a time."""

import asyncio
from dataclasses import replace

import pytest

from autoglm_desktop.core.errors import EngineError, ServiceError
from autoglm_desktop.store import catalog
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases.serve import (
    Busy,
    Gate,
    ServeOptions,
    check_options,
    is_loopback,
    is_phone,
    read_allowed_hosts,
    read_api_key,
    refusal,
    will_answer,
)
from autoglm_desktop.usecases.session import SessionState
from tests.fakes.fake_session import READY, TARGET

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


STATES = [
    (SessionState(), False),
    (SessionState("loading", TARGET), False),
    (SessionState("installing", TARGET), False),
    (READY, True),
    (replace(READY, phase="generating"), True),
    (SessionState("idle", TARGET), True),
    (SessionState("failed", TARGET, error=DIED), True),
    (SessionState("failed", TARGET, error=EngineError("nothing_smaller")), True),
    (SessionState("failed", TARGET, error=NOTHING_FITS), False),
]


@pytest.mark.parametrize(("state", "answers"), STATES)
def test_a_request_is_answered_when_a_model_is_there_or_comes_back(state, answers):
    assert will_answer(state) is answers
    assert (refusal(state) is None) is answers


def test_a_refusal_names_its_cause():
    assert refusal(SessionState("failed", TARGET, error=NOTHING_FITS))[0] is NOTHING_FITS
    assert refusal(SessionState("loading", TARGET))[0].code == "model_loading"


CODES = [
    "key_needed", "key_file_unreadable", "key_unusable", "port_in_use", "port_not_allowed", "address_unusable",
    "model_loading", "service_busy", "service_ending", "image_needs_projector",
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


class Visitors:
    """Tasks that take a turn and leave when they are let go."""

    def __init__(self, gate):
        self.gate = gate
        self.order = []
        self.leave = asyncio.Event()

    async def visit(self, name):
        async with self.gate.turn():
            self.order.append(name)
            await self.leave.wait()

    def send(self, *names):
        return [asyncio.ensure_future(self.visit(name)) for name in names]


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def test_turns_are_taken_one_at_a_time_in_order_and_the_list_is_bounded():
    async def work():
        gate = Gate(waiting=2)
        visitors = Visitors(gate)
        tasks = visitors.send("a", "b", "c", "d")
        await settle()
        assert visitors.order == ["a"] and gate.waiting == 2
        assert isinstance(tasks[3].exception(), Busy) and tasks[3].exception().code == "service_busy"
        visitors.leave.set()
        await asyncio.gather(*tasks[:3])
        assert visitors.order == ["a", "b", "c"] and gate.waiting == 0
        await visitors.visit("e")

    asyncio.run(work())


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

    asyncio.run(work())


def test_a_closed_gate_lets_nobody_in_also_not_those_who_wait():
    async def work():
        gate = Gate()
        visitors = Visitors(gate)
        first, second = visitors.send("a", "b")
        await settle()
        gate.close()
        visitors.leave.set()
        await first
        with pytest.raises(Busy, match="service_ending"):
            await second
        with pytest.raises(Busy, match="service_ending"):
            await visitors.visit("c")

    asyncio.run(work())
