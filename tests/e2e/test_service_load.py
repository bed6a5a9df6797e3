"""Many clients at once, over real sockets, with a fake engine: every answer right and whole, and in order."""

import asyncio
import json
import socket

import pytest

from autoglm_desktop.service.connection import Connection
from tests.e2e.service_running import CHAT, HELLO, client_of, connect, hang_up, phase, run, service, waiting


def question(number, tokens=40):
    return {"messages": [{"role": "user", "content": f"<{number}>"}], "max_tokens": tokens}


async def whole(client, number, tokens=40):
    answer = await client.post(CHAT, json=question(number, tokens))
    return answer.json()["choices"][0]["message"]["content"]


async def streamed(client, number):
    text, ended = "", False
    async with client.stream("POST", CHAT, json={**question(number), "stream": True}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                assert "error" not in event
                text += "".join(choice["delta"].get("content", "") for choice in event["choices"])
            ended = ended or line == "data: [DONE]"
    assert ended
    return text


@pytest.mark.parametrize("clients", [1, 4, 16, 64])
def test_every_client_gets_its_own_answer(tmp_path, clients):
    """Half of them streamed, half of them whole, three questions each one after the other."""

    async def one(address, number):
        async with client_of(address) as client:
            ask = streamed if number % 2 else whole
            return [await ask(client, number * 10 + more) for more in range(3)]

    async def work():
        async with service(tmp_path, "ok", "--tokens", 40) as (address, _, _):
            found = await asyncio.gather(*(one(address, number) for number in range(clients)))
            async with client_of(address) as client:
                page = (await client.get("/metrics")).text
            return found, page

    found, page = run(work())
    for number, answers in enumerate(found):
        for more, text in enumerate(answers):
            assert text.startswith(f"你问的是「<{number * 10 + more}>」"), text
    tokens = sum(
        line.startswith("autoglm_completion_tokens_total") and float(line.split()[1])
        for line in page.split("\n")
    )
    assert tokens == clients * 3 * 40


def test_64_clients_that_wait_are_served_in_the_order_in_which_they_came(tmp_path):
    order = []

    async def ask(client, number):
        assert (await whole(client, number, 12)).startswith(f"你问的是「<{number}>」")
        order.append(number)

    async def work():
        async with (
            service(tmp_path, "ok", "--tokens", 4000, "--delay", 0.005) as (address, session, _),
            client_of(address) as client,
        ):
            _, first = await connect(address, HELLO)
            await phase(session, "generating")
            asking = []
            for number in range(64):
                asking.append(asyncio.ensure_future(ask(client, number)))
                await waiting(client, number + 1)
            assert (await client.post(CHAT, json=HELLO)).status_code == 429
            await hang_up(first)
            await asyncio.gather(*asking)

    run(work())
    assert order == list(range(64))


def test_pieces_do_not_wait_for_acknowledgements(tmp_path, monkeypatch):
    """asyncio leaves this to us for sockets of create_server; without it an answer took 40 ms more."""
    found = []
    real = Connection.data_received

    def received(self, data):
        found.append(
            self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        )
        real(self, data)

    monkeypatch.setattr(Connection, "data_received", received)

    async def work():
        async with service(tmp_path, load=False) as (address, _, _), client_of(address) as client:
            await client.get("/health")

    run(work())
    assert found and all(found)
