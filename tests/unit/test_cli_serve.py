"""What ``serve`` says when it is ready."""

import pytest

from autoglm_desktop.cli_serve import how_to_use
from autoglm_desktop.usecases import serve
from autoglm_desktop.usecases.serve import ServeOptions, urls

URL = "http://127.0.0.1:8000"
LAN = "http://192.168.1.5:8000"


def test_without_a_key_the_commands_need_none():
    text = how_to_use((URL,), "autoglm-phone-9b", ServeOptions(), windows=False)
    assert f'curl {URL}/v1/chat/completions -H "Content-Type: application/json" -d \'{{"messages": ' in text
    assert f'python main.py --base-url {URL}/v1 --model "autoglm-phone-9b"' in text
    assert f"base_url='{URL}/v1', api_key=\"EMPTY\"" in text
    assert "Authorization" not in text and "KEY" not in text
    assert "image" not in text and "screenshot" not in text  # they are answered, so nothing is said


def test_with_one_they_take_it_from_the_environment_and_it_is_not_shown():
    key = "a-long-and-secret-key"
    text = how_to_use(
        (URL, LAN), "autoglm-phone-9b", ServeOptions(host="0.0.0.0", api_key=key), windows=False
    )
    assert key not in text and "AUTOGLM_API_KEY" in text and "PHONE_AGENT_API_KEY" in text
    assert LAN in text.splitlines()[0] and f"--base-url {LAN}/v1" in text and f"curl {URL}/v1" in text
    assert "harder to guess" not in text


def test_a_short_key_is_told():
    assert "harder to guess" in how_to_use((URL,), "m", ServeOptions(api_key="short"), windows=False)


def test_windows_quotes_otherwise():
    text = how_to_use((URL,), "m", ServeOptions(api_key="k" * 32), windows=True)
    assert '-d "{\\"messages\\": [{\\"role\\"' in text


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.1.5", "::", "localhost"])
def test_only_a_service_on_all_addresses_has_several(host):
    assert urls(host, 8000, URL) == (URL,)


def test_addresses_of_this_machine_in_its_networks(monkeypatch):
    from autoglm_desktop.probe.network import LanAddress

    found = (LanAddress("wlan0", "192.168.1.5"), LanAddress("docker0", "172.17.0.1", virtual=True))
    monkeypatch.setattr(serve, "lan_addresses", lambda: found)
    assert urls("0.0.0.0", 8000, URL) == (URL, LAN)
