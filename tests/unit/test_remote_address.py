"""Addresses of remote servers: one form for what people paste, no secrets, and where they lead."""

import pytest

from autoglm_desktop.core.remote import AWAY, HERE, NEAR, Endpoint, RemoteError, base_url, place_of
from autoglm_desktop.texts import errors


@pytest.mark.parametrize(
    ("entered", "url", "place"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1", HERE),
        ("localhost:8000", "http://localhost:8000/v1", HERE),
        (" LOCALHOST:8000/v1/ ", "http://localhost:8000/v1", HERE),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000/v1", HERE),
        ("http://[::]:8000/v1", "http://[::1]:8000/v1", HERE),
        ("http://[::1]:80/", "http://[::1]/v1", HERE),
        ("http://127.0.0.2:8000", "http://127.0.0.2:8000/v1", NEAR),  # a proxy may be asked for it
        ("http://[::ffff:127.0.0.1]:8000", "http://[::ffff:127.0.0.1]:8000/v1", NEAR),
        ("192.168.1.20:8080/v1/chat/completions", "http://192.168.1.20:8080/v1", NEAR),
        ("gpu-box:11434/v1/models", "http://gpu-box:11434/v1", NEAR),
        ("http://studio.local:1234//v1", "http://studio.local:1234/v1", NEAR),
        ("api.example.org", "https://api.example.org/v1", AWAY),
        ("https://api.example.org:443/v1", "https://api.example.org/v1", AWAY),
        ("HTTPS://api.example.org/proxy/llm/", "https://api.example.org/proxy/llm/v1", AWAY),
        ("https://open.example.cn/api/paas/v4", "https://open.example.cn/api/paas/v4", AWAY),
        ("https://example.org/v1beta/openai/chat/completions", "https://example.org/v1beta/openai", AWAY),
        ("https://localhost.example.org/v1", "https://localhost.example.org/v1", AWAY),
        ("https://2130706433/v1", "https://2130706433/v1", AWAY),
        ("https://模型.example.cn/v1", "https://模型.example.cn/v1", AWAY),
        ("api。example．cn", "https://api.example.cn/v1", AWAY),  # typed on a Chinese keyboard
        ("ｌocalhost：8000".replace("：", ":"), "http://localhost:8000/v1", HERE),
        ("https://gpu－box。lan/v1", "https://gpu-box.lan/v1", NEAR),
    ],
)
def test_what_people_paste_becomes_one_form(entered, url, place):
    assert base_url(entered) == url
    assert base_url(url) == url, "the form is stable"
    assert place_of(url) == place
    assert Endpoint("a", "made", url).leaves == (place != HERE)


@pytest.mark.parametrize(
    ("entered", "code"),
    [
        ("", "remote_address_wrong"),
        ("ftp://example.org/v1", "remote_address_wrong"),
        ("file:///etc/passwd", "remote_address_wrong"),
        ("http://", "remote_address_wrong"),
        ("http://:8000/v1", "remote_address_wrong"),
        ("http://localhost:99999/v1", "remote_address_wrong"),
        ("http://local host:8000", "remote_address_wrong"),
        ("http://localhost\n:8000", "remote_address_wrong"),
        ("http://localhost\\@example.org/", "remote_address_wrong"),
        ("http://[::1", "remote_address_wrong"),
        ("http://[fe80::1%eth0]:8000", "remote_address_wrong"),
        ("http://" + "a" * 3000, "remote_address_wrong"),
        ("http://user:madeSECRET@localhost:8000/v1", "remote_address_secret"),
        ("http://127.0.0.1@example.org/v1", "remote_address_secret"),
        ("https://example.org/v1?key=madeSECRET", "remote_address_secret"),
        ("https://example.org/v1#madeSECRET", "remote_address_secret"),
        ("http://example.org/v1", "remote_needs_https"),
        ("http://8.8.8.8:8000/v1", "remote_needs_https"),
        ("http://api。example。com/v1", "remote_needs_https"),
        ("http://８。８。８。８/v1", "remote_needs_https"),
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence_without_secrets(entered, code):
    with pytest.raises(RemoteError) as raised:
        base_url(entered)
    assert raised.value.code == code
    text = errors.text(raised.value)
    assert "madeSECRET" not in text + str(raised.value)
    assert "?" not in text and text.endswith(".")


def test_a_key_belongs_to_an_address():
    one = Endpoint("a", "made", "http://localhost:8000/v1")
    assert one.key_name == Endpoint("a", "other", "http://localhost:8000/v2", "m", has_key=True).key_name
    others = ("http://localhost:8001/v1", "https://localhost:8000/v1", "http://other:8000/v1")
    assert one.key_name not in {Endpoint("a", "made", url).key_name for url in others}
    assert "://" not in one.key_name, "store.keys takes such names for a hub's origin"
