"""Tokens and passwords go where they must and nowhere else: no file, log, process list, error, or other host."""

import asyncio
import json
import logging
import os
import stat
import sys
import threading
import time

import httpx
import pytest

from autoglm_desktop.core.addresses import has_secret, public
from autoglm_desktop.core.downloads import PullRequest
from autoglm_desktop.core.errors import AppError, EngineError
from autoglm_desktop.host import index_login
from autoglm_desktop.host.install import Installer
from autoglm_desktop.host.wheels import Wheels
from autoglm_desktop.store import settings
from autoglm_desktop.store.keys import RUN, Keys, clean
from autoglm_desktop.store.sources.choose import endpoint, is_near, make_source
from autoglm_desktop.store.sources.hub import keeps_secrets
from autoglm_desktop.store.sources.huggingface import HuggingFace
from autoglm_desktop.store.sources.modelscope import ModelScope
from autoglm_desktop.store.transfer.client import Limits
from autoglm_desktop.store.transfer.place import TransferError
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases.downloads import Downloads
from tests.fakes.fake_services import made_services
from tests.unit.test_keys import Ring
from tests.unit.test_wheels import WHEEL, index, made_environments, pip_log

__all__ = ["index"]

TOKEN = "hf_madeSECRETtoken"
COMMIT = "c" * 40
LIMITS = Limits(backoff_s=0.001, max_backoff_s=0.001)


# --- keyring


class Panic(BaseException):
    """As the panics of native code arrive in Python."""


@pytest.mark.parametrize("error", [Panic(TOKEN), SystemExit(TOKEN), RecursionError(TOKEN)], ids=repr)
def test_a_keyring_that_dies_oddly_is_no_keyring_at_once(error, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    found = Keys({"HF_HOME": "/nowhere"}, lambda: Ring(error=error), timeout_s=30)
    start = time.monotonic()
    assert found.get("huggingface") is None
    assert found.set("huggingface", TOKEN) == RUN
    assert time.monotonic() - start < 10, "it was not waited for"
    told = capfd.readouterr()
    assert TOKEN not in caplog.text + told.out + told.err


def test_a_keyring_that_hangs_is_waited_for_once():
    release, asked = threading.Event(), []

    class Hangs(Ring):
        def _call(self):
            asked.append(1)
            release.wait(30)

    found = Keys({"HF_HOME": "/nowhere"}, Hangs, timeout_s=0.05)
    try:
        assert [found.get(name) for name in ("huggingface", "modelscope", "hf-mirror")] == [None] * 3
        assert len(asked) == 1
    finally:
        release.set()


@pytest.mark.parametrize(
    ("text", "token"),
    [
        (f"{TOKEN}\r\n", TOKEN),
        (f'"{TOKEN}"', TOKEN),
        (f" '{TOKEN}' \n", TOKEN),
        (f"`{TOKEN}`", TOKEN),
        (f'"{TOKEN}', f'"{TOKEN}'),
        ('""', None),
        (f"{TOKEN}\nX-Other: 1", None),
        (f"Bearer {TOKEN}", None),
        (f"{TOKEN}\u200b", None),
    ],
)
def test_what_is_pasted(text, token):
    assert clean(text) == token


# --- sources


class Wire(httpx.AsyncBaseTransport):
    """Answers by host; keeps what it was asked."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    async def handle_async_request(self, request):
        self.asked.append(request)
        return self.answers[request.url.host.partition(".")[0]](request)

    def secrets_of(self, host):
        found = [one.headers for one in self.asked if one.url.host == host]
        return [headers.get("authorization") or headers.get("cookie") for headers in found]


def listed(wire, kind=HuggingFace, address="https://hub.example", token=TOKEN):
    async def work():
        async with httpx.AsyncClient(transport=wire, follow_redirects=True) as client:
            return await kind(client, "hub", address, token, LIMITS).listing("made/model")

    return asyncio.run(work())


def pages(*answers):
    """Hugging Face: the commit, then pages of the tree, each (entries, link)."""
    left = list(answers)

    def answer(request):
        if "/revision/" in request.url.path:
            return httpx.Response(200, json={"sha": COMMIT})
        entries, link = left.pop(0) if len(left) > 1 else left[0]
        headers = {"Link": f'<{link}>; rel="next"'} if link else {}
        return httpx.Response(200, content=json.dumps(entries).encode(), headers=headers)

    return answer


def entry(name, **values):
    return {"type": "file", "path": name, "size": 1, "oid": "0" * 40, **values}


def test_the_next_page_is_asked_for_at_the_hub_whatever_the_link_says():
    wire = Wire(
        hub=pages(([entry("a.json")], "https://evil.example/api?cursor=2"), ([entry("b.json")], None)),
        evil=lambda request: httpx.Response(200, json=[]),
    )
    assert [file.path for file in listed(wire).files] == ["a.json", "b.json"]
    assert {request.url.host for request in wire.asked} == {"hub.example"}


def test_pages_that_go_round_end():
    wire = Wire(hub=pages(([entry("a.json")], "?cursor=2"), ([], "?cursor=3"), ([], "?cursor=2")))
    with pytest.raises(TransferError, match="listing_unreadable"):
        listed(wire)


@pytest.mark.parametrize("kind", [HuggingFace, ModelScope])
def test_a_listing_that_is_led_elsewhere_takes_no_token_along(kind):
    wire = Wire(
        hub=lambda request: httpx.Response(302, headers={"Location": "https://evil.example/x"}),
        evil=lambda request: httpx.Response(404),
    )
    with pytest.raises(TransferError) as caught:
        listed(wire, kind)
    assert wire.secrets_of("hub.example")[0] and wire.secrets_of("evil.example") == [None]
    assert TOKEN not in errors.text(caught.value) + repr(caught.value)


def test_a_listing_that_is_led_to_plain_http_is_not_believed():
    """Whoever listens could write the hashes that the files are held against."""
    wire = Wire(
        hub=lambda request: httpx.Response(302, headers={"Location": "http://plain.example/x"}),
        plain=lambda request: httpx.Response(200, json={"sha": COMMIT}),
    )
    with pytest.raises(TransferError, match="download_bad_address"):
        listed(wire)
    assert wire.secrets_of("plain.example") == [None]


HOSTILE = [
    entry("a.json", size=-1),
    entry("b.json", size=1 << 80),
    entry("c.json", size=float("nan")),
    entry("d.json", size=float("inf")),
    entry("e.json", size="12"),
    entry("f.json", size=True),
    entry("g.gguf", lfs={"oid": "A" * 64, "size": 5}),
    entry("h.gguf", lfs={"oid": "a" * 63, "size": 5}),
    entry("i.gguf", lfs={"oid": ["a"], "size": []}),
    entry("j.json", oid=7),
    entry("模型 a/说 明.txt"),
    entry("\ud800.json"),
    entry(["x"]),
    {"type": "file"},
    {"type": {}, "path": "x"},
    None,
    7,
    "text",
    [],
]


def test_hostile_entries_are_unknown_values_or_left_out():
    found = {file.path: file for file in listed(Wire(hub=pages((HOSTILE, None)))).files}
    assert {path: file.size for path, file in found.items() if path[1:] == ".json"} == dict.fromkeys(
        [f"{name}.json" for name in "abcdef"]
    ) | {"j.json": 1}
    assert (found["g.gguf"].sha256, found["h.gguf"].sha256, found["i.gguf"].sha256) == ("a" * 64, None, None)
    assert found["j.json"].git_sha1 is None and "模型 a/说 明.txt" in found
    assert "\ud800.json" not in found


@pytest.mark.parametrize(
    "data",
    [None, [], 7, "x", {"Code": "x"}, {"Code": {"a": "b" * 9999}}, {"Code": True}, {"Code": -5},
     {"Success": False}, {"Code": 200, "Data": {"Files": 7}}, {"Code": 200, "Data": []}],
    ids=str,
)  # fmt: skip
def test_hostile_answers_of_the_other_family_are_one_sentence(data):
    wire = Wire(hub=lambda request: httpx.Response(200, json=data))
    with pytest.raises(TransferError) as caught:
        listed(wire, ModelScope)
    assert len(errors.text(caught.value)) < 400


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://hub.example", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://192.168.1.5", False),
        ("http://hub.lan", False),
        ("http://localhost.evil.example", False),
    ],
)
def test_a_token_goes_over_https_or_to_this_machine(address, safe):
    assert keeps_secrets(address) == safe


@pytest.mark.parametrize(
    "variables", [{"HF_ENDPOINT": "http://hub.lan"}, {"MODELSCOPE_ENDPOINT": "http://hub.lan"}]
)
def test_a_hub_in_the_private_network_gets_no_token_in_the_clear(variables):
    wire = Wire(hub=lambda request: httpx.Response(401))
    name = "huggingface" if "HF_ENDPOINT" in variables else "modelscope"
    keys = Keys({"HF_TOKEN": TOKEN, "MODELSCOPE_API_TOKEN": TOKEN, "HF_HOME": "/nowhere", **variables}, Ring)

    async def work(name, **options):
        async with httpx.AsyncClient(transport=wire) as client:
            await make_source(client, name, keys.get, limits=LIMITS, **options).listing("made/model")

    for source in (name, "http://hub.lan/"):
        with pytest.raises(TransferError, match="token_needs_https") as caught:
            asyncio.run(work(source, environment=variables))
        assert errors.text(caught.value)
    assert set(wire.secrets_of("hub.lan")) == {None}


@pytest.mark.parametrize("host", ["134744072", "0x08080808", "::ffff:8.8.8.8", "8.8.8.8", "hub.example."])
def test_names_of_hosts_that_only_look_near(host):
    assert not is_near(host)
    with pytest.raises(TransferError, match="source_needs_https"):
        endpoint(f"http://[{host}]" if ":" in host else f"http://{host}")


@pytest.mark.parametrize(
    "address",
    [f"https://me:{TOKEN}@hub.example", f"https://{TOKEN}@hub.example/x", f"https://hub.example?token={TOKEN}",
     f"https://me:{TOKEN}@hub.example:x", f"https://hub.example/#{TOKEN}", f"ftp://me:{TOKEN}@hub.example"],
)  # fmt: skip
def test_an_address_with_a_secret_is_refused_without_quoting_it(address):
    with pytest.raises(TransferError) as caught:
        make_source(None, address, environment={})
    assert TOKEN not in errors.text(caught.value) + repr(caught.value) + str(caught.value)


@pytest.mark.parametrize("end", ["", "/", "//", " "])
@pytest.mark.parametrize("address", ["https://hub.example", "https://Hub.Example:8443/some/path"])
def test_endpoints_in_one_form(address, end):
    assert endpoint(address + end) == address.lower()


def test_nothing_that_holds_a_token_shows_it():
    keys = Keys({"HF_TOKEN": TOKEN}, Ring)
    keys._run["x"] = keys._read["y"] = TOKEN
    client = httpx.AsyncClient(headers={"Authorization": TOKEN})
    sources = [
        HuggingFace(client, "hub", "https://hub.example", TOKEN),
        ModelScope(client, "m", "https://m.example", TOKEN),
    ]
    wheels = Wheels("made", ["pip"], None, None, None, None, None, (f"https://me:{TOKEN}@i.example/simple",))
    login = index_login.Index("https://i.example", {}, (f"https://me:{TOKEN}@i.example",))
    logins = index_login.Logins([f"https://me:{TOKEN}@i.example"])
    assert TOKEN not in repr((keys, sources, wheels, login, logins))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"https://me:{TOKEN}@hub.example:8443/a", "https://hub.example:8443/a"),
        (f"https://me:{TOKEN}/x@hub.example/a", "https://hub.example/a"),
        (f"https://hub.example/a?token={TOKEN}", "https://hub.example/a"),
        ("https://hub.example/@scope/a", "https://hub.example/@scope/a"),
        ("huggingface", "huggingface"),
        ("/mnt/usb?/a@b", "/mnt/usb?/a@b"),
    ],
)
def test_what_of_an_address_may_be_shown(address, shown):
    assert public(address) == shown and has_secret(address) == (address != shown)


def test_a_password_in_an_address_is_in_no_file_of_ours(tmp_path):
    """Neither in the settings nor in the queue, where every started program could read it."""
    services = made_services(tmp_path)
    address = f"https://me:{TOKEN}@hub.example"

    async def work():
        downloads = Downloads(services)
        try:
            with pytest.raises(TransferError, match="source_address_password") as caught:
                await downloads.add(PullRequest("made/model", address))
        finally:
            await downloads.close()
        return caught.value

    assert settings.update(tmp_path, source=address)
    assert settings.load(tmp_path).source == "https://hub.example"
    assert TOKEN not in errors.text(asyncio.run(work()))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not [path for path in files if TOKEN.encode() in path.read_bytes()]


# --- package indexes

RECORDS = """
import json, os, pathlib, runpy, sys
netrc = pathlib.Path(os.environ.get("NETRC", "/nowhere"))
told = {"argv": sys.orig_argv, "pip": {k: v for k, v in os.environ.items() if k.startswith("PIP_")},
        "mode": netrc.stat().st_mode if netrc.exists() else None, "netrc": str(netrc)}
with open(%r, "a") as out:
    out.write(json.dumps(told) + "\\n")
runpy.run_module("pip", run_name="__main__")
"""


@pytest.fixture
def pip(tmp_path):
    """The real pip, which writes down how it was called."""
    script, record = tmp_path / "recorded_pip.py", tmp_path / "calls"
    script.write_text(RECORDS % str(record))
    return [sys.executable, str(script)], record


SPACED = pytest.param(
    "made-p\"\\a'#s s", marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="netrc without quotes")
)


@pytest.mark.parametrize("password", ["made-p@ss/word", SPACED])
def test_the_password_of_an_index_is_in_no_process_list_and_no_file_afterwards(
    index, tmp_path, monkeypatch, pip, password
):
    command, record = pip
    index.login = f"me:{password}"
    own = tmp_path / "own netrc"
    own.write_text("machine other.invalid login you password made-other\n")
    monkeypatch.setenv("NETRC", str(own))
    secret = index.address.replace(
        "://", f"://me:{httpx.QueryParams({'p': password})!s}@".replace("p=", "").replace("+", "%20")
    )
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.address}/simple/nothing-here")
    monkeypatch.setenv("AUTOGLM_INDEX_MADE_ENV", f"{secret}/simple")
    environments = made_environments(tmp_path)
    installer = Installer(environments, tmp_path / "logs", tmp_path / "缓存 cache", command)
    asyncio.run(installer.install("made-env", lambda _progress: None))
    assert environments.find("made-env").record.version == "1.5" and index.by_transfers(WHEEL)
    calls = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(calls) >= 2
    for call in calls:
        assert "made-p" not in json.dumps([call["argv"], call["pip"]])
    asked = [call for call in calls if "install" in call["argv"]]
    assert all(call["mode"] is not None for call in asked)
    if os.name == "posix":
        assert {stat.S_IMODE(call["mode"]) for call in asked} == {0o600}
    assert not list((tmp_path / "缓存 cache").rglob("*.netrc"))
    assert "made-p" not in pip_log(tmp_path) and "made-other" in own.read_text()


def test_the_users_own_netrc_still_counts(tmp_path, monkeypatch):
    own = tmp_path / "netrc"
    own.write_text("machine other.invalid login you password theirs\n")
    monkeypatch.setenv("NETRC", str(own))
    file = tmp_path / "cache" / "x.netrc"
    with index_login.for_pip("https://me:mine@i.example:8443/simple?a=b", file) as found:
        told = index_login.netrc.netrc(file)
        assert found.address == "https://i.example:8443/simple?a=b" and found.settings == {"NETRC": str(file)}
        assert (
            told.authenticators("i.example")[2] == "mine"
            and told.authenticators("other.invalid")[2] == "theirs"
        )
    assert not file.exists()
    own.write_text("machine machine nonsense ☃")
    with index_login.for_pip("https://me:mine@i.example/simple", file):
        assert index_login.netrc.netrc(file).authenticators("i.example")[0] == "me"


def test_the_file_goes_however_it_ends_and_a_link_is_not_written_through(tmp_path, monkeypatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    keep, file = tmp_path / "keep", tmp_path / "x.netrc"
    keep.write_text("mine")
    file.symlink_to(keep)
    with pytest.raises(KeyboardInterrupt), index_login.for_pip("https://me:mine@i.example", file):
        assert not file.is_symlink()
        raise KeyboardInterrupt
    assert not file.exists() and keep.read_text() == "mine"
    file.write_text("of a run that was killed")
    with index_login.for_pip("https://i.example/@scope/x", file) as found:
        assert found.address == "https://i.example/@scope/x" and found.settings == {}
    assert not file.exists()


@pytest.mark.parametrize("address", [f"https://me:{TOKEN}/x@i.example/simple", f"https://me:{TOKEN}@/simple"])
def test_an_index_that_cannot_be_read_is_refused_without_quoting_it(tmp_path, address):
    with (
        pytest.raises(EngineError, match="index_login_unusable") as caught,
        index_login.for_pip(address, tmp_path / "n"),
    ):
        pass
    assert TOKEN not in errors.text(caught.value) + repr(caught.value)
    assert isinstance(caught.value, AppError)
