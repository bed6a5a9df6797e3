"""Tokens: where they are looked for, in which order, and that no unsafe place ever gets one."""

import logging
import threading

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store.keys import ENVIRONMENT, KEYRING, LOGIN, RUN, SERVICE, Keys, clean, system_backend
from autoglm_desktop.texts import errors

TOKEN = "hf_madeSECRETtoken"


class Ring:
    """A keyring in memory."""

    def __init__(self, priority=5.0, error=None, **entries):
        self.priority, self.error = priority, error
        self.entries = {(SERVICE, name.replace("_", "-")): token for name, token in entries.items()}
        self.calls = 0

    def _call(self):
        self.calls += 1
        if self.error:
            raise self.error

    def get_password(self, service, username):
        self._call()
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self._call()
        self.entries[service, username] = password

    def delete_password(self, service, username):
        self._call()
        del self.entries[service, username]


class Locked(Ring):
    """Waits for a person who never comes."""

    def __init__(self):
        super().__init__()
        self.release = threading.Event()

    def _call(self):
        self.release.wait(30)


def keys(ring=None, home=None, **environment):
    ring = Ring() if ring is None else ring
    if home is not None:
        environment["HF_HOME"] = str(home)
    environment.setdefault("HF_HOME", "/nowhere")
    return Keys(environment, lambda: ring, timeout_s=5)


def logged_in(tmp_path, token="hf_login"):
    (tmp_path / "token").write_text(f"{token}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "environment", "ring", "login", "expected"),
    [
        ("huggingface", {"HF_TOKEN": "e"}, {"huggingface": "k"}, True, ("e", ENVIRONMENT)),
        ("huggingface", {"HUGGING_FACE_HUB_TOKEN": "old"}, {}, True, ("old", ENVIRONMENT)),
        ("huggingface", {"HF_TOKEN": "e", "HUGGING_FACE_HUB_TOKEN": "old"}, {}, True, ("e", ENVIRONMENT)),
        ("huggingface", {"HF_TOKEN": " "}, {"huggingface": "k"}, True, ("k", KEYRING)),
        ("huggingface", {}, {"huggingface": "k"}, True, ("k", KEYRING)),
        ("huggingface", {}, {}, True, ("hf_login", LOGIN)),
        ("huggingface", {}, {}, False, (None, None)),
        ("huggingface", {"MODELSCOPE_API_TOKEN": "m"}, {}, False, (None, None)),
        ("hf-mirror", {"HF_TOKEN": "e"}, {"huggingface": "k"}, True, (None, None)),
        ("hf-mirror", {"HF_TOKEN": "e"}, {"hf_mirror": "mine"}, True, ("mine", KEYRING)),
        ("modelscope", {"MODELSCOPE_API_TOKEN": "m", "HF_TOKEN": "e"}, {}, True, ("m", ENVIRONMENT)),
        ("modelscope", {"HF_TOKEN": "e"}, {"modelscope": "k"}, True, ("k", KEYRING)),
        ("modelscope", {"HF_TOKEN": "e"}, {}, True, (None, None)),
        ("https://hub.example", {"HF_TOKEN": "e"}, {}, True, (None, None)),
        (
            "https://hub.example",
            {"HF_TOKEN": "e", "HF_ENDPOINT": "https://Hub.Example/"},
            {},
            True,
            ("e", ENVIRONMENT),
        ),
        (
            "https://hub.example",
            {"HF_TOKEN": "e", "HF_ENDPOINT": "https://else.example"},
            {},
            True,
            (None, None),
        ),
        (
            "https://hub.example",
            {"HF_TOKEN": "e", "HF_ENDPOINT": "http://hub.example"},
            {},
            True,
            (None, None),
        ),
        (
            "https://hub.example",
            {"HF_ENDPOINT": "https://hub.example"},
            {"huggingface": "k"},
            True,
            (None, None),
        ),
    ],
)
def test_where_a_token_is_found(tmp_path, name, environment, ring, login, expected):
    found = keys(Ring(**ring), logged_in(tmp_path) if login else tmp_path, **environment)
    assert (found.get(name), found.where(name)) == expected


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"HF_TOKEN_PATH": "{home}/elsewhere"}, "elsewhere"),
        ({"HF_HOME": "{home}/hf"}, "hf/token"),
        ({"XDG_CACHE_HOME": "{home}/cache"}, "cache/huggingface/token"),
    ],
)
def test_the_file_of_hf_auth_login_is_found_and_only_read(tmp_path, variables, path):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    environment = {name: text.format(home=tmp_path) for name, text in variables.items()}
    found = Keys(environment, Ring, timeout_s=5)
    assert found.where("huggingface") == LOGIN
    found.forget("huggingface")
    assert found.get("huggingface") == TOKEN and file.read_text(encoding="utf-8") == f"{TOKEN}\n"


def test_what_is_set_goes_to_the_keyring_and_is_forgotten():
    ring = Ring()
    found = keys(ring)
    assert found.set("modelscope", f"  {TOKEN}\n") == KEYRING
    assert ring.entries == {(SERVICE, "modelscope"): TOKEN}
    assert keys(ring).get("modelscope") == TOKEN
    assert found.where("modelscope") == KEYRING
    found.forget("modelscope")
    assert ring.entries == {} and found.get("modelscope") is None
    found.forget("modelscope")


class Chain(Ring):
    """Like keyring's chainer: its own priority is high, whatever it holds."""

    def __init__(self, *backends):
        super().__init__(priority=10)
        self.backends = list(backends)


@pytest.mark.parametrize(
    "ring",
    [
        Ring(priority=0.5),
        Ring(priority=0),
        Ring(priority=-1),
        Ring(error=RuntimeError(f"No recommended backend for {TOKEN}")),
        Chain(Ring(priority=0.5)),
    ],
    ids=["plain text", "fail", "null", "broken", "chain of plain text"],
)
def test_without_a_safe_keyring_it_is_kept_for_this_run_only(ring, caplog):
    caplog.set_level(logging.DEBUG)
    found = keys(ring)
    assert found.set("huggingface", TOKEN) == RUN
    assert (found.get("huggingface"), found.where("huggingface")) == (TOKEN, RUN)
    assert ring.entries == {}
    assert all(one.entries == {} for one in getattr(ring, "backends", []))
    assert keys(ring).get("huggingface") is None
    assert TOKEN not in caplog.text + repr(found) + str(vars(found).get("environment"))
    found.forget("huggingface")
    assert found.get("huggingface") is None


def test_of_a_chain_the_safe_one_is_taken():
    safe, plain = Ring(), Ring(priority=0.5)
    assert keys(Chain(plain, safe)).set("huggingface", TOKEN) == KEYRING
    assert safe.entries and not plain.entries


def test_a_locked_keyring_is_not_waited_for():
    ring = Locked()
    found = Keys({"HF_HOME": "/nowhere"}, lambda: ring, timeout_s=0.05)
    try:
        assert found.get("huggingface") is None
        assert found.set("huggingface", TOKEN) == RUN
        assert found.get("huggingface") == TOKEN
    finally:
        ring.release.set()


def test_a_keyring_is_asked_once_per_name():
    ring = Ring(huggingface="k")
    found = keys(ring)
    for _ in range(3):
        assert found.get("huggingface") == "k" and found.get("hf-mirror") is None
    assert ring.calls == 2


def test_a_keyring_that_keeps_what_should_go_says_so():
    ring = Ring(huggingface=TOKEN)
    found = keys(ring)
    assert found.get("huggingface") == TOKEN
    ring.error = OSError(TOKEN)
    with pytest.raises(AppError) as caught:
        found.forget("huggingface")
    assert caught.value.code == "token_not_forgotten"
    assert TOKEN not in errors.text(caught.value) + str(caught.value)


@pytest.mark.parametrize("token", ["", "  ", "two words", "zwei\nzeilen", "wört", "a\0b", "x" * 5000])
def test_what_cannot_be_a_token_is_refused_and_not_quoted(token):
    assert clean(token) is None
    with pytest.raises(AppError) as caught:
        keys().set("huggingface", token)
    assert caught.value.code == "token_wrong"
    if token.strip():
        assert token not in errors.text(caught.value) + str(caught.value)


def test_a_bad_login_file_is_no_token(tmp_path):
    (tmp_path / "token").write_bytes(b"\xff\xfe\x00")
    assert keys(home=tmp_path).get("huggingface") is None


def test_this_systems_keyring_is_there_to_be_asked():
    assert isinstance(float(system_backend().priority), float)
