"""What is kept of the window's service, its key, the names it is called by, and the addresses of this machine."""

import asyncio
import socket
from types import SimpleNamespace

import pytest

from autoglm_desktop.probe.network import LanAddress, lan_addresses
from autoglm_desktop.store import settings
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.usecases import service_settings
from autoglm_desktop.usecases.service_settings import ServiceSettings, names_of
from autoglm_desktop.usecases.services import create_services


class MadeKeyring:
    """A keyring in memory, shared by those who are given the same one."""

    priority = 5

    def __init__(self):
        self.kept = {}

    def get_password(self, service, name):
        return self.kept.get((service, name))

    def set_password(self, service, name, password):
        self.kept[(service, name)] = password

    def delete_password(self, service, name):
        del self.kept[(service, name)]


def made_services(home, keyring):
    services = create_services(home)
    services.web.keys = Keys({}, lambda: keyring)
    return services


@pytest.mark.parametrize(
    ("text", "hosts", "wrong"),
    [
        ("", (), ()),
        (" host.docker.internal , My-PC.lan.", ("host.docker.internal", "my-pc.lan"), ()),
        ("a b;c，d、a", ("a", "b", "c", "d"), ()),
        ("http://pc.local:8000/v1", ("pc.local",), ()),
        ("172.17.0.1:80", ("172.17.0.1",), ()),
        ("* ok", ("ok",), ("*",)),
        ("http://[::1", (), ("http://[::1",)),
        ("-x y- ä.de", (), ("-x", "y-", "ä.de")),
    ],
)
def test_names_are_read_from_a_line(text, hosts, wrong):
    assert names_of(text) == service_settings.Names(hosts, wrong)


def test_only_where_others_reach_it_or_it_is_wished_the_key_is_needed():
    here = ServiceSettings(key="secret")
    assert here.options({}).api_key is None
    assert here.options({}).host == "127.0.0.1"
    asked = ServiceSettings(key="secret", ask_key=True)
    assert (asked.options({}).api_key, asked.options({}).host) == ("secret", "127.0.0.1")
    network = ServiceSettings(key="secret", lan=True, port=81)
    assert (network.options({}).api_key, network.options({}).host, network.options({}).port) == (
        "secret", "0.0.0.0", 81,
    )  # fmt: skip
    assert "secret" not in repr(network)


def test_names_of_the_environment_are_let_in_too():
    options = ServiceSettings(hosts=("a",)).options({"AUTOGLM_ALLOWED_HOSTS": "B, c"})
    assert options.allowed_hosts == ("a", "b", "c")


def test_settings_and_key_are_found_again_and_the_key_is_in_no_file(tmp_path):
    keyring = MadeKeyring()

    async def first():
        services = made_services(tmp_path, keyring)
        assert await service_settings.read(services) == ServiceSettings()
        wanted = ServiceSettings(8123, lan=True, ask_key=True, hosts=("a", "b.c"), on=True)
        wanted = await service_settings.with_new_key(services, wanted)
        assert await service_settings.keep(services, wanted)
        return wanted

    async def second():
        services = made_services(tmp_path, keyring)
        found = await service_settings.read(services)
        assert found.key is None  # a keyring is asked only where a key is needed
        return await service_settings.with_key(services, found)

    wanted = asyncio.run(first())
    found = asyncio.run(second())
    assert found == wanted
    assert found.key_where == "keyring"
    assert len(found.key) >= 32
    assert found.key not in (tmp_path / "state" / "settings.json").read_text()


def test_each_new_key_is_another_one(tmp_path):
    services = made_services(tmp_path, MadeKeyring())

    async def two():
        return [(await service_settings.with_new_key(services, ServiceSettings())).key for _ in range(2)]

    assert len(set(asyncio.run(two()))) == 2


def test_a_free_port_is_not_kept_as_none_and_a_wrong_one_is_not_taken(tmp_path):
    services = made_services(tmp_path, MadeKeyring())

    async def keep():
        await service_settings.keep(services, ServiceSettings(port=8123))
        await service_settings.keep(services, ServiceSettings(port=0))
        return await service_settings.read(services)

    assert asyncio.run(keep()).port == 8123
    settings.update(tmp_path, service_port=99_999)
    assert asyncio.run(service_settings.read(services)).port == 8000


def made_address(address, family=socket.AF_INET):
    return SimpleNamespace(family=family, address=address)


def test_addresses_of_the_network_come_first_and_others_not_at_all():
    interfaces = {
        "lo": [made_address("127.0.0.1")],
        "docker0": [made_address("172.17.0.1")],
        "eth0": [made_address("8.8.4.4"), made_address("fe80::1", socket.AF_INET6)],
        "wlan0": [made_address("192.168.1.20")],
        "down0": [made_address("10.0.0.1")],
        "usb0": [made_address("169.254.3.4"), made_address("no address")],
    }
    states = {name: SimpleNamespace(isup=name != "down0") for name in interfaces}
    assert lan_addresses(lambda: interfaces, lambda: states) == (
        LanAddress("wlan0", "192.168.1.20"),
        LanAddress("eth0", "8.8.4.4"),
        LanAddress("docker0", "172.17.0.1", virtual=True),
    )


def test_a_system_that_does_not_tell_its_addresses_has_none():
    def refused():
        raise PermissionError

    assert lan_addresses(refused, dict) == ()
    assert all(not one.address.startswith("127.") for one in lan_addresses())
