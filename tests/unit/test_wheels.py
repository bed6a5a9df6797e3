"""What an engine needs comes through transfers, with the real pip and a made index on 127.0.0.1."""

import asyncio
import importlib.metadata
import os
import re
import sys

import pytest

from autoglm_desktop.core.errors import EngineError, TransferError
from autoglm_desktop.host import wheels as wheels_module
from autoglm_desktop.host.environments import Attempt, Description, Environments
from autoglm_desktop.host.index_login import Logins, settings_addresses
from autoglm_desktop.host.install import Installer
from autoglm_desktop.host.install_run import without_secrets
from autoglm_desktop.host.pip_output import Artifact, LeaveToPip, artifacts, found_link, loads
from autoglm_desktop.host.wheels import Unresolved, Wheels, chosen_link, same_elsewhere
from autoglm_desktop.store.transfer.client import Limits
from tests.fakes.fake_index import FakeIndex, made_source, made_wheel, serving

MIB = 1024 * 1024
SIZE = 6 * MIB
LIMITS = Limits(connections=2, block_bytes=MIB, tries=3, backoff_s=0.01, max_backoff_s=0.02)
PIP = [sys.executable, "-m", "pip"]


@pytest.fixture
def index(monkeypatch, tmp_path):
    """An index with a large wheel that needs a small one; this machine's own settings of pip don't count."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "AUTOGLM_INDEX_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    index = FakeIndex()
    index.add(made_wheel("made-engine", "1.5", SIZE, ("made-small",)), ("made-small",))
    index.add(made_wheel("made-small", "0.2", 1000))
    with serving(index) as address:
        index.address = address
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        yield index


WHEEL = "made_engine-1.5-py3-none-any.whl"
SOURCE = "made_engine-1.5.tar.gz"


def made_environments(tmp_path, kind="wheel"):
    attempts = (Attempt(kind),)
    description = Description("made-env", "made", "made-engine", "module_nowhere", packages=("made-engine",),
                              attempts=attempts)  # fmt: skip
    return Environments(tmp_path / "引擎 engines", {"made-env": description}, own_python=None)


def install(environments, tmp_path):
    reports = []
    installer = Installer(environments, tmp_path / "logs", tmp_path / "缓存 cache", PIP)
    asyncio.run(installer.install("made-env", reports.append))
    return reports


def pip_log(tmp_path):
    return (tmp_path / "logs/install.log").read_text(encoding="utf-8")


def gather(tmp_path, report=lambda _progress: None, room=lambda _bytes: None, addresses=()):
    wheels = Wheels("made-env", PIP, sys.executable, tmp_path / "cache", tmp_path / "logs/install.log", report,
                    room, addresses, LIMITS)  # fmt: skip
    options = [
        "install",
        "--disable-pip-version-check",
        "--progress-bar=raw",
        "-v",
        "--only-binary",
        "made-engine",
    ]
    return asyncio.run(wheels.gather(options, ["made-engine"], {}))


def test_an_engine_comes_through_transfers(index, tmp_path):
    environments = made_environments(tmp_path)
    reports = install(environments, tmp_path)
    assert environments.find("made-env").record.version == "1.5"
    assert index.by_transfers(WHEEL) and index.by_transfers("made_small-0.2-py3-none-any.whl")
    log = pip_log(tmp_path)
    assert "--no-index" in log and "made_small" in log
    fractions = [r.fraction for r in reports if r.stage == "fetch" and r.detail.endswith(" / 6.3 MB")]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert any(r.detail == "6.3 / 6.3 MB" for r in reports)
    if tuple(map(int, importlib.metadata.version("pip").split(".")[:2])) >= (25, 3):
        assert index.by_pip(WHEEL) == 0, "the page's metadata is all that pip needs"
    assert not (tmp_path / "缓存 cache/made-env").exists(), "what is installed is kept only once"


def test_pip_is_stopped_where_it_would_load_the_wheel_for_its_metadata(index, tmp_path):
    index.separate = False
    arguments = gather(tmp_path)
    assert index.by_pip(WHEEL) == 1, "it began once, and then found the file at hand"
    assert (tmp_path / "cache" / WHEEL).read_bytes() == index.files[WHEEL]
    assert str(tmp_path / "cache" / WHEEL) in arguments and "--no-index" in arguments
    assert not (tmp_path / "cache/tmp").exists()


@pytest.mark.parametrize("fault", ["drop_every", "ranges"])
def test_a_bad_line_and_a_plain_server_end_in_the_exact_file(index, tmp_path, fault):
    setattr(index, fault, {"drop_every": MIB // 2, "ranges": False}[fault])
    gather(tmp_path)
    assert (tmp_path / "cache" / WHEEL).read_bytes() == index.files[WHEEL]


def test_an_interrupted_installation_goes_on_where_it_was(index, tmp_path):
    index.gone_after = 4 * MIB
    with pytest.raises(EngineError) as caught:
        gather(tmp_path)
    assert caught.value.code == "engine_no_network"
    assert (tmp_path / "cache" / f"{WHEEL}.part").exists()
    index.gone_after, index.sent = None, 0
    gather(tmp_path)
    assert (tmp_path / "cache" / WHEEL).read_bytes() == index.files[WHEEL]
    assert index.sent <= len(index.files[WHEEL]) - 2 * MIB, "what had arrived did not come again"


def test_cancelling_keeps_what_has_come(index, tmp_path):
    environments = made_environments(tmp_path)
    installer = Installer(environments, tmp_path / "logs", tmp_path / "cache", PIP)
    index.drop_every = MIB // 2  # so that it cannot be over before it is cancelled

    async def cancelled():
        def report(progress):
            if progress.stage == "fetch" and progress.fraction:
                task.cancel()

        task = asyncio.ensure_future(installer.install("made-env", report))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not environments.path("made-env").exists()
    part = tmp_path / "cache/made-env" / f"{WHEEL}.part"
    assert part.exists() and part.with_name(f"{WHEEL}.part.json").exists()


def test_a_wrong_hash_is_an_error(index, tmp_path):
    index.hashes[WHEEL] = "0" * 64
    environments = made_environments(tmp_path)
    with pytest.raises(TransferError) as caught:
        install(environments, tmp_path)
    assert caught.value.code == "download_corrupt" and caught.value.values["name"] == WHEEL
    assert not environments.path("made-env").exists()
    assert not (tmp_path / "缓存 cache/made-env" / WHEEL).exists()


def test_without_a_hash_the_size_has_to_do(index, tmp_path):
    index.hashes[WHEEL] = None
    gather(tmp_path)
    assert (tmp_path / "cache" / WHEEL).read_bytes() == index.files[WHEEL]


@pytest.mark.parametrize("where", ["pip", "own"])
def test_an_index_with_a_password(index, tmp_path, monkeypatch, where):
    index.login = "me:made-p@ss/word"
    secret = index.address.replace("://", "://me:made-p%40ss%2Fword@") + "/simple"
    if where == "pip":
        monkeypatch.setenv("PIP_INDEX_URL", secret)
    else:
        monkeypatch.setenv("PIP_INDEX_URL", secret.replace("/simple", "/simple/nothing-here"))
        monkeypatch.setenv("AUTOGLM_INDEX_MADE_ENV", secret)
    environments = made_environments(tmp_path)
    install(environments, tmp_path)
    assert environments.find("made-env").record.version == "1.5"
    assert index.by_transfers(WHEEL)
    assert "made-p" not in pip_log(tmp_path)


def test_where_transfers_are_refused_pip_does_it(index, tmp_path, caplog):
    index.refuse = 403
    environments = made_environments(tmp_path)
    install(environments, tmp_path)
    assert environments.find("made-env").record.version == "1.5"
    assert "pip does it all" in caplog.text


def test_a_folder_needs_no_network(index, tmp_path, monkeypatch):
    folder = tmp_path / "轮子 wheels"
    folder.mkdir()
    for name, content in index.files.items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("AUTOGLM_INDEX_MADE_ENV", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    environments = made_environments(tmp_path)
    install(environments, tmp_path)
    assert environments.find("made-env").record.version == "1.5"
    assert index.asked == []


def test_a_source_archive_comes_the_same_way_and_is_built_once(index, tmp_path, monkeypatch):
    monkeypatch.setattr("autoglm_desktop.host.install.compiler_missing", lambda: False)
    index.files.clear()
    index.add(made_source("made-engine", "1.5", SIZE))
    environments = made_environments(tmp_path, "source")
    install(environments, tmp_path)
    assert environments.find("made-env").record.made_by == "source"
    assert index.by_transfers(SOURCE) and index.by_pip(SOURCE) == 1
    kept = tmp_path / "缓存 cache/made-env"
    assert [path.name for path in kept.iterdir()] == [SOURCE]
    environments.remove("made-env")
    index.asked.clear()
    (tmp_path / "logs/install.log").write_text("")
    install(environments, tmp_path)
    assert index.by_transfers(SOURCE) == [] and index.by_pip(SOURCE) == 0
    assert "Building wheel" not in pip_log(tmp_path), "pip's cache has it"


def test_room_is_asked_for_with_the_sizes(index, tmp_path):
    told = []

    def room(count):
        told.append(count)
        raise EngineError("disk_full_install", name="made-env", needed=1)

    with pytest.raises(EngineError):
        gather(tmp_path, room=room)
    assert told in ([len(index.files[WHEEL])], [sum(map(len, index.files.values()))])
    assert not (tmp_path / "cache" / f"{WHEEL}.part").exists()


def test_what_no_index_has_is_unresolved(index, tmp_path):
    index.files.clear()
    with pytest.raises(Unresolved) as caught:
        gather(tmp_path)
    assert any("No matching distribution" in line for line in caught.value.lines)


def test_files_that_pip_does_not_take_are_left_to_it(index, tmp_path, monkeypatch):
    """pip that begins to load what lies at hand already must not be stopped for ever."""
    index.separate = False
    monkeypatch.setattr(wheels_module, "LARGE_BYTES", 0)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / WHEEL).write_bytes(index.files[WHEEL])
    monkeypatch.setattr(Wheels, "_resolve", lambda *_: asyncio.sleep(0, f"{index.address}/files/{WHEEL}"))
    with pytest.raises(LeaveToPip):
        gather(tmp_path)


# What pip says


def test_links_of_index_pages():
    digest = "ab" * 32
    line = f"  Found link https://host.invalid/a/x-1.0%2Bcpu-py3-none-any.whl#sha256={digest} (from https://host.invalid/simple/x/) (requires-python:>=3.9), version: 1.0+cpu"  # noqa: E501
    link = found_link(line)
    assert link == Artifact("https://host.invalid/a/x-1.0%2Bcpu-py3-none-any.whl", digest)
    assert link.file_name == "x-1.0+cpu-py3-none-any.whl" and link.wheel and link.path is None
    assert (
        found_link("  Found link https://host.invalid/x-1.tar.gz (from https://h/), version: 1").sha256
        is None
    )
    assert found_link("Collecting x") is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  Downloading llama_cpp_python-0.3.36.tar.gz (76.6 MB)", "llama_cpp_python-0.3.36.tar.gz"),
        ("    Downloading https://host.invalid/x-1.whl (1.2 GB)", "https://host.invalid/x-1.whl"),
        ("  Downloading x-1.whl", "x-1.whl"),
        ("  Downloading markupsafe-3.0.4.whl (22 kB)", None),
        ("  Downloading x-1.whl (640 bytes)", None),
        ("  Downloading numpy-2.4.6.whl.metadata (6.1 MB)", None),
        ("  Using cached x-1.whl (76.6 MB)", None),
    ],
)
def test_what_pip_begins_to_load(line, expected):
    assert loads(line, 5_000_000) == expected


def test_reports():
    url = "https://host.invalid/x-1-py3-none-any.whl"
    item = {"download_info": {"url": url, "archive_info": {"hashes": {"sha256": "cd" * 32}}},
            "metadata": {"name": "x", "version": "1"}}  # fmt: skip
    (found,) = artifacts({"install": [item]})
    assert found == Artifact(url, "cd" * 32, "x", "1") and found.requirement == "x==1"
    with pytest.raises(KeyError):
        artifacts({"made": []})


def test_the_link_that_pip_means():
    mirror = Artifact("https://mirror.invalid/x-1.whl", "ab" * 32)
    pypi = Artifact("https://files.pythonhosted.org/x-1.whl", "ab" * 32)
    known = {"x-1.whl": [mirror, pypi]}
    assert chosen_link("x-1.whl", known) == mirror, "the same file"
    assert chosen_link("https://mirror.invalid/x-1.whl", known) == mirror
    assert chosen_link("y-1.whl", known) is None
    plain, other = (
        Artifact("https://plain.invalid/x-1.whl", None),
        Artifact("https://other.invalid/x-1.whl", "cd" * 32),
    )
    assert chosen_link("x-1.whl", {"x-1.whl": [plain, pypi]}) == pypi, "the one that can be checked"
    assert chosen_link("x-1.whl", {"x-1.whl": [other, pypi]}) is None, "who knows which of them"
    assert same_elsewhere(pypi, known) == [mirror]
    assert same_elsewhere(Artifact(pypi.url, None), known) == []


# Logins


def test_addresses_of_pips_settings():
    lines = ["global.index-url='https://me:pw@a.invalid/simple'", "user.extra-index-url='https://b.invalid/s /made'",
             ":env:.find-links='https://c.invalid'", "global.timeout='60'", "WARNING: made"]  # fmt: skip
    assert settings_addresses(lines) == (
        "https://me:pw@a.invalid/simple", "https://b.invalid/s", "/made", "https://c.invalid",
    )  # fmt: skip


def test_a_password_goes_to_its_own_host_only():
    logins = Logins(["https://me:p%40ss@a.invalid/simple", "https://you:other@a.invalid/team/simple", "made"])
    assert logins.headers("https://a.invalid/files/x.whl") == {"Authorization": "Basic bWU6cEBzcw=="}
    assert logins.headers("https://a.invalid:443/team/x.whl") == {"Authorization": "Basic eW91Om90aGVy"}
    for elsewhere in ("https://b.invalid/x.whl", "http://a.invalid/x.whl", "https://a.invalid:8443/x.whl"):
        assert logins.headers(elsewhere) == {}


def test_netrc_counts_where_no_address_has_a_login(tmp_path, monkeypatch):
    path = tmp_path / "netrc"
    path.write_text("machine a.invalid login me password made\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    assert Logins([]).headers("https://a.invalid/x.whl") == {"Authorization": "Basic bWU6bWFkZQ=="}
    assert Logins([]).headers("https://b.invalid/x.whl") == {}


def test_nothing_secret_is_logged():
    text = without_secrets("get https://me:p@ss@h.invalid/x.whl?sig=made&e=1 (5 MB), file:///a?b")
    assert text == "get https://***@h.invalid/x.whl?*** (5 MB), file:///a?b"
    assert re.search("made|p@ss", text) is None
