"""The list of remote servers, their keys, and what a test of one finds."""

import asyncio
import json
import re
import threading
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.remote import Endpoint, RemoteError
from autoglm_desktop.core.remote_check import (
    FINE,
    KEY_REFUSED,
    NOT_OPENAI,
    QUESTIONS,
    TROUBLE,
    UNREACHABLE,
    verdict,
)
from autoglm_desktop.store.endpoints import EndpointFile
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.store.web import Web
from autoglm_desktop.texts import errors
from autoglm_desktop.texts import remote as texts
from autoglm_desktop.usecases.remote_servers import Draft, RemoteServers, servers_of
from autoglm_desktop.usecases.remote_trial import Listed
from tests.fakes.fake_openai import Behaviour, FakeOpenAI
from tests.fakes.fake_services import made_services
from tests.unit.test_keys import Ring

KEY = "sk-madeSECRETkey"
ROOT = Path(__file__).resolve().parents[2] / "autoglm_desktop"


def servers(home, ring=None):
    ring = Ring() if ring is None else ring
    return RemoteServers(home / "state" / "endpoints.json", Web(Keys({}, lambda: ring)))


def save(store, **values):
    return asyncio.run(
        store.save(Draft(**{"name": "made", "address": "localhost:8000", "model": "m", **values}))
    )


# --- the list


def test_a_server_is_kept_without_its_key(tmp_path):
    ring = Ring()
    saved = save(servers(tmp_path, ring), key=KEY)
    assert saved.kept == "keyring" and saved.endpoint.has_key
    assert [one.name for one in asyncio.run(servers(tmp_path, ring).all())] == ["made"]
    assert list(ring.entries.values()) == [KEY]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY not in file.read_text(encoding="utf-8")
    assert KEY not in repr(Draft("a", "b", key=KEY)) + repr(saved)


def test_half_surrogate_pairs_do_not_stop_it(tmp_path):
    saved = save(servers(tmp_path), name="na\ud83dme", model="mo\udc00del").endpoint
    assert (saved.name, saved.model) == ("na?me", "mo?del")
    assert asyncio.run(servers(tmp_path).all()) == (saved,)


def test_without_a_keyring_the_key_is_kept_for_this_run(tmp_path):
    store = servers(tmp_path, Ring(priority=0.5))
    saved = save(store, key=KEY)
    assert saved.kept == "run"
    assert "until this program ends" in texts.key_text(saved.endpoint, saved.kept)


def test_editing_keeps_the_key_of_the_same_address_only(tmp_path):
    ring = Ring()
    store = servers(tmp_path, ring)
    first = save(store, key=KEY).endpoint
    same = save(store, id=first.id, name="other", address="http://localhost:8000/v1/models")
    assert same.endpoint.has_key and not same.dropped_key and ring.entries
    moved = save(store, id=first.id, address="https://example.org")
    assert not moved.endpoint.has_key and moved.dropped_key and not ring.entries
    assert "example.org" in texts.dropped_key_text(moved.endpoint)
    assert len(asyncio.run(store.all())) == 1


def test_forgetting_the_key_and_the_server(tmp_path):
    ring = Ring()
    store = servers(tmp_path, ring)
    first = save(store, key=KEY).endpoint
    gone = save(store, id=first.id, forget_key=True)
    assert not gone.endpoint.has_key and not gone.dropped_key and not ring.entries
    save(store, id=first.id, key=KEY)
    asyncio.run(store.remove(first.id))
    assert asyncio.run(store.all()) == () and not ring.entries
    with pytest.raises(RemoteError) as raised:
        asyncio.run(store.answerer(first.id))
    assert raised.value.code == "remote_gone"


@pytest.mark.parametrize("key", ["two words", "schlüssel", "a\nb"])
def test_what_is_no_key_is_refused_before_anything_is_kept(tmp_path, key):
    store = servers(tmp_path)
    with pytest.raises(RemoteError) as raised:
        save(store, key=key)
    assert raised.value.code == "remote_key_wrong" and key not in errors.text(raised.value)
    assert asyncio.run(store.all()) == ()


def test_a_key_that_the_keyring_holds_on_to_is_said(tmp_path):
    ring = Ring()
    store = servers(tmp_path, ring)
    first = save(store, key=KEY).endpoint
    ring.error = RuntimeError("made")
    with pytest.raises(RemoteError) as raised:
        asyncio.run(store.remove(first.id))
    assert raised.value.code == "remote_key_stays" and asyncio.run(store.all()) == ()


def test_a_server_without_a_name_is_called_by_its_host(tmp_path):
    assert save(servers(tmp_path), name="  ").endpoint.name == "localhost:8000"


def test_the_answerer_of_a_kept_server_uses_its_key(tmp_path):
    async def go(fake):
        store = servers(tmp_path)
        saved = await store.save(Draft("made", fake.url, "made-model", KEY))
        remote = await store.answerer(saved.endpoint.id, "made-other")
        assert remote.endpoint.model == "made-other"
        models = await remote.models()
        await remote._web.close()
        return models

    with FakeOpenAI(Behaviour(key=KEY)) as fake:
        assert len(asyncio.run(go(fake))) == 2


def test_several_write_at_once(tmp_path):
    file = EndpointFile(tmp_path / "endpoints.json")

    def add(number):
        for each in range(5):
            file.put(Endpoint(f"{number}-{each}", "made", "http://localhost:8000/v1"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.id for one in file.all()}) == 20


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"endpoints": 7}', '{"endpoints": [{"id": 1}]}', "[" * 100_000]
)
def test_a_damaged_list_counts_as_empty_and_is_not_overwritten(tmp_path, text):
    path = tmp_path / "state" / "endpoints.json"
    path.parent.mkdir()
    path.write_text(text)
    store = servers(tmp_path)
    assert asyncio.run(store.all()) == ()
    with pytest.raises(AppError) as raised:
        save(store)
    assert raised.value.code == "endpoints_damaged" and str(path) in errors.text(raised.value)
    assert path.read_text() == text


def test_an_entry_that_could_not_be_entered_is_left_out(tmp_path):
    path = tmp_path / "endpoints.json"
    entries = [
        {"id": "a", "name": "made", "url": url}
        for url in (
            "http://example.org/v1",
            "http://u:p@localhost/v1",
            "http://localhost:8000",
            "http://localhost/v1",
        )
    ]
    path.write_text(json.dumps({"schema": 1, "endpoints": entries}))
    assert [one.url for one in EndpointFile(path).all()] == ["http://localhost/v1"]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "state").write_text("made: a file where the folder should be")
    with pytest.raises(AppError) as raised:
        save(servers(tmp_path))
    assert raised.value.code == "state_unwritable"


def test_the_list_of_this_user(tmp_path):
    store = servers_of(made_services(tmp_path))
    assert asyncio.run(store.all()) == ()


# --- testing one


def trial(does, *, model="made-model", key="", url=None):
    async def go(fake):
        web = Web(Keys({}, Ring))
        store = RemoteServers(Path("/nowhere"), web)
        try:
            return [one async for one in store.test(Draft("made", url or fake.url, model, key))]
        finally:
            await web.close()

    with FakeOpenAI(does) as fake:
        found = asyncio.run(asyncio.wait_for(go(fake), 60))
    return tuple(one for one in found if not isinstance(one, Listed)), fake


def statuses(found):
    assert tuple(one.question for one in found) == QUESTIONS
    for one in found:
        text = texts.finding_text(one)
        assert text.endswith((".", "。")) and "?" not in text and "{" not in text, text
    return " ".join(one.status for one in found)


@pytest.mark.parametrize(
    ("does", "expected", "means"),
    [
        (Behaviour(), "ok ok ok ok ok", FINE),
        (Behaviour(whole=True), "ok ok ok warn ok", FINE),
        (Behaviour(pictures="left_out"), "ok ok ok ok warn", FINE),
        (Behaviour(pictures="refused"), "ok ok ok ok warn", FINE),
        (Behaviour(usage=False), "ok ok ok ok unknown", FINE),
        (Behaviour(list_status=404), "warn ok ok ok ok", FINE),
        (Behaviour(list_status=500), "warn ok ok ok ok", FINE),
        (Behaviour(key=KEY), "ok fail unknown unknown unknown", KEY_REFUSED),
        (Behaviour(key=KEY, open_list=True), "ok fail unknown unknown unknown", KEY_REFUSED),
        (Behaviour(models=("made-other",)), "ok unknown fail unknown unknown", TROUBLE),
        (Behaviour(raw=()), "ok unknown unknown fail unknown", TROUBLE),
        (Behaviour(list_body=b"made"), "fail unknown unknown unknown unknown", NOT_OPENAI),
        (Behaviour(list_status=302, location="/made"), "fail unknown unknown unknown unknown", NOT_OPENAI),
    ],
)
def test_a_test_says_what_works(does, expected, means):
    found, _fake = trial(does)
    assert statuses(found) == expected
    assert verdict(found) == means
    assert texts.verdict_text(means)


def test_a_test_with_a_key():
    found, fake = trial(Behaviour(key=KEY), key=KEY)
    assert statuses(found) == "ok ok ok ok ok"
    assert found[1].code == "key_taken"
    assert len(fake.chats) == 2 and all(one["max_tokens"] <= 16 for one in fake.chats), "it may cost money"


def test_a_test_of_nobody():
    with FakeOpenAI() as gone:
        url = gone.url
    found, _fake = trial(Behaviour(), url=url)
    assert statuses(found) == "fail unknown unknown unknown unknown" and verdict(found) == UNREACHABLE


def test_a_test_without_a_model_asks_nothing_of_one():
    found, fake = trial(Behaviour(), model="")
    assert statuses(found) == "ok unknown warn unknown unknown"
    assert fake.chats == []


def test_a_model_that_the_list_lacks_is_told():
    does = Behaviour(list_body=b'{"data": [{"id": "made-other"}]}')
    found, _fake = trial(does)
    assert statuses(found) == "ok ok warn ok ok"


# --- texts


def test_every_code_has_a_sentence():
    sources = [*ROOT.rglob("remote*.py"), ROOT / "store" / "endpoints.py"]
    code = re.compile(r'"(remote_[a-z_]+|endpoints_[a-z]+)"')
    used = {found for path in sources for found in code.findall(path.read_text("utf-8"))}
    used -= {"remote_key"}
    assert len(used) > 30 and used <= set(errors.TABLE), used - set(errors.TABLE)
    kept = {key for key in errors.TABLE if key.startswith("remote_")}
    assert kept <= used, kept - used


def test_what_leaves_this_machine_says_so():
    def text(url):
        return texts.place_text(Endpoint("a", "made", url)), texts.short_place_text(
            Endpoint("a", "made", url)
        )

    here, short = text("http://localhost:8000/v1")
    assert "Leaves" not in here and short == "on this machine"
    near, short = text("http://192.168.1.20:8000/v1")
    assert (
        near.startswith("Leaves this machine") and "not encrypted" in near and short == "leaves this machine"
    )
    away, short = text("https://example.org/v1")
    assert "over the internet" in away and "example.org" in away and short == "leaves this machine"
