"""Sources: listings of both families, what their refusals mean, which address speaks what, and folders."""

import asyncio
import hashlib
import json
import os
import re
from pathlib import Path

import httpx
import pytest

from autoglm_desktop.core.repository import RemoteFile
from autoglm_desktop.store.sources.choose import ENDPOINTS, endpoint, is_near, make_source
from autoglm_desktop.store.sources.folder import FolderPlace, FolderSource
from autoglm_desktop.store.sources.huggingface import HuggingFace
from autoglm_desktop.store.sources.modelscope import ModelScope
from autoglm_desktop.store.transfer.client import Limits, make_client
from autoglm_desktop.store.transfer.fetch import fetch
from autoglm_desktop.store.transfer.place import TransferError
from autoglm_desktop.store.transfer.values import Wanted
from autoglm_desktop.texts import errors, reasons
from tests.fakes.fake_hub import FakeHub, Fault
from tests.fakes.fake_hub_faults import Drop, Portal, RedirectLoop, Silence, Status, gated

LIMITS = Limits(backoff_s=0.001, max_backoff_s=0.001, read_timeout_s=0.3, connect_timeout_s=2)
TOKEN = "hf_madeSECRET"
COMMIT, OLDER = "c" * 40, "d" * 40
BIG = bytes(range(256)) * 600
FILES = {"made-Q4_0.gguf": BIG, "config.json": b"{}", "模型 a/说明.txt": "好".encode(), "weights.bin": b"no"}


def listed(kind, hub, repo="made/model", revision=None, token=None):
    async def work():
        async with make_client(LIMITS) as client:
            return await kind(client, "hub", hub.url, token, LIMITS).listing(repo, revision)

    return asyncio.run(work())


def refused(kind, hub, **options):
    with pytest.raises(TransferError) as caught:
        listed(kind, hub, **options)
    sentence = errors.text(caught.value).replace(options.get("repo") or "made/model", "")
    assert "?" not in sentence.replace("sign-in?", "") and caught.value.code not in sentence
    assert TOKEN not in sentence + repr(caught.value)
    return caught.value.code


@pytest.fixture
def hub():
    with FakeHub({"made/model": FILES}, page_size=2) as running:
        yield running


BOTH = pytest.mark.parametrize("kind", [HuggingFace, ModelScope])


@BOTH
def test_a_listing_has_safe_files_with_sizes_hashes_and_the_commit(hub, kind):
    found = listed(kind, hub)
    assert {file.path for file in found.files} == {"made-Q4_0.gguf", "config.json", "模型 a/说明.txt"}
    assert found.file("made-Q4_0.gguf").size == len(BIG)
    assert found.file("made-Q4_0.gguf").sha256 == hashlib.sha256(BIG).hexdigest()
    assert [(path, reason.code) for path, reason in found.refused] == [("weights.bin", "type_runs_code")]
    assert (found.source, found.repo, found.commit) == ("hub", "made/model", hub.repos["made/model"].head)


def test_small_files_of_hugging_face_have_gits_hash(hub):
    file = listed(HuggingFace, hub).file("config.json")
    assert (file.sha256, file.git_sha1) == (None, hashlib.sha1(b"blob 2\0{}").hexdigest())


@BOTH
@pytest.mark.parametrize("path", FILES)
def test_every_file_of_a_listing_can_be_read_at_its_place(hub, kind, path):
    async def work():
        async with make_client(LIMITS) as client:
            source = kind(client, "hub", hub.url, None, LIMITS)
            found = await source.listing("made/model")
            place = source.place("made/model", found.commit, RemoteFile(path, len(FILES[path])))
            async with place.open(0, None) as reply:
                return b"".join([chunk async for chunk in reply.chunks])

    assert asyncio.run(work()) == FILES[path]


@BOTH
def test_an_older_commit_is_listed_by_its_name_and_the_newest_is_found(kind):
    with FakeHub({"made/model": [{"a.gguf": b"1"}, {"a.gguf": b"22"}]}) as hub:
        old, new = (commit for commit, _ in hub.repos["made/model"].commits)
        assert (listed(kind, hub).commit, listed(kind, hub).files[0].size) == (new, 2)
        assert (listed(kind, hub, revision=old).commit, listed(kind, hub, revision=old).files[0].size) == (
            old,
            1,
        )

        async def now():
            async with make_client(LIMITS) as client:
                return await kind(client, "hub", hub.url, None, LIMITS).commit("made/model")

        assert asyncio.run(now()) == new


def test_ten_thousand_files_come_in_pages():
    files = {f"part-{number}.json": b"{}" for number in range(10_000)}
    with FakeHub({"made/model": files}) as hub:
        assert len(listed(HuggingFace, hub).files) == 10_000
        assert len([one for one in hub.asked if one.kind == "tree"]) == 10
        assert len(listed(ModelScope, hub).files) == 10_000


@BOTH
def test_no_hashes_are_none(kind):
    with FakeHub({"made/model": {"a.gguf": BIG}}, hashes=False) as hub:
        (file,) = listed(kind, hub).files
        assert (file.sha256, file.git_sha1, file.size) == (None, None, len(BIG))


@pytest.mark.parametrize(
    ("fault", "token", "code"),
    [
        (Status(404, error_code="RepoNotFound"), None, "download_not_found"),
        (Status(404), None, "download_not_found"),
        (Status(401, error_code="RepoNotFound"), None, "download_needs_token"),
        (Status(401), None, "download_needs_token"),
        (Status(401, error_code="RepoNotFound"), TOKEN, "download_not_found"),
        (Status(401), TOKEN, "download_bad_token"),
        (Status(403), None, "download_needs_token"),
        (Status(403), TOKEN, "download_token_weak"),
        (Status(403, error_code="GatedRepo"), None, "download_gated_no_token"),
        (Status(403, error_code="GatedRepo"), TOKEN, "download_gated"),
        (Status(400), None, "download_refused"),
        (Status(429, retry_after=9000), None, "listing_unreachable"),
        (Status(500), None, "listing_unreachable"),
        (RedirectLoop(), None, "download_redirects"),
        (Portal(), None, "listing_unreachable"),
        (Silence(), None, "listing_unreachable"),
        (Drop(0), None, "listing_unreachable"),
    ],
    ids=str,
)
@BOTH
def test_what_a_hub_answers_instead_of_a_listing(kind, fault, token, code):
    with FakeHub({"made/model": FILES}, [Fault(fault, times=None, at="listing")]) as hub:
        assert refused(kind, hub, token=token) == code


@BOTH
@pytest.mark.parametrize("fault", [Status(503), Status(429, retry_after=0), Drop(0), Portal()], ids=str)
def test_a_listing_is_asked_for_again(kind, fault):
    with FakeHub({"made/model": FILES}, [Fault(fault, times=2, at="listing")]) as hub:
        assert len(listed(kind, hub).files) == 3


@BOTH
def test_a_repository_or_version_that_is_not_there(hub, kind):
    assert refused(kind, hub, repo="made/nothing") == "download_not_found"
    assert refused(kind, hub, revision="nowhere") == "download_revision_gone"


@BOTH
def test_nobody_there(kind):
    with FakeHub({}) as hub:
        pass
    assert refused(kind, hub) == "download_no_network"


@BOTH
@pytest.mark.parametrize(
    "repo", ["model", "a/b/c", "../b", "a/..", "", "a/", "a b/c", "a/b?x=1", "a/b#c", "a\n/b"]
)
def test_what_is_no_name_of_a_repository(hub, kind, repo):
    assert refused(kind, hub, repo=repo) == "repo_name_wrong"
    assert not hub.asked


@BOTH
def test_a_gated_file_says_where_to_accept(kind):
    with FakeHub({"made/model": FILES}, [gated()]) as hub:

        async def work(token):
            async with make_client(LIMITS) as client:
                source = kind(client, "hub", hub.url, token, LIMITS)
                place = source.place("made/model", None, RemoteFile("made-Q4_0.gguf", len(BIG)))
                async with place.open(0, 10):
                    pass

        for token, code in ((None, "download_gated_no_token"), (TOKEN, "download_gated")):
            with pytest.raises(TransferError) as caught:
                asyncio.run(work(token))
            assert caught.value.code == code
            assert f"{hub.url}/" in errors.text(caught.value) and "made/model" in errors.text(caught.value)


@BOTH
def test_the_token_goes_to_the_hub_for_every_question_and_never_to_the_cdn(hub, kind):
    async def work():
        async with make_client(LIMITS) as client:
            source = kind(client, "hub", hub.url, lambda: TOKEN, LIMITS)
            found = await source.listing("made/model")
            async with source.place("made/model", found.commit, found.file("made-Q4_0.gguf")).open(
                0, 5
            ) as reply:
                assert [chunk async for chunk in reply.chunks] == [BIG[:5]]
            return repr(source) + repr(source.place("made/model", None, found.files[0]))

    assert TOKEN not in asyncio.run(work())
    at = {origin: [one for one in hub.asked if one.origin == origin] for origin in ("hub", "cdn")}
    assert len(at["cdn"]) == 1 and TOKEN not in str(at["cdn"][0].headers) + at["cdn"][0].target
    assert at["hub"] and all(one.headers["authorization"] == f"Bearer {TOKEN}" for one in at["hub"])


# Answers that no good hub gives


def answered(kind, *bodies, headers=None, status=200):
    """The listing from answers that come one after the other (the last again and again)."""
    asked = []

    def answer(request):
        asked.append(request)
        body = bodies[min(len(asked), len(bodies)) - 1]
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, headers=headers, content=data)

    async def work():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await kind(client, "hub", "https://hub.example/base", TOKEN, LIMITS).listing("made/model")

    try:
        return asyncio.run(work()), asked
    except TransferError as error:
        return error.code, asked


INFO = {"sha": COMMIT}


@pytest.mark.parametrize(
    "bodies",
    [
        (b"", []),
        (b"\xff", []),
        (b"[" * 100_000, []),
        ([], []),
        ({}, []),
        ({"sha": "main"}, []),
        ({"sha": 7}, []),
        (INFO, {}),
        (INFO, None),
        (INFO, b"{"),
        (INFO, b"[" * 100_000),
        (INFO, b" " * (64 * 1024 * 1024 + 1)),
    ],
    ids=lambda bodies: ascii(bodies)[:40],
)
def test_what_is_no_listing_of_hugging_face(bodies):
    assert answered(HuggingFace, *bodies)[0] == "listing_unreadable"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "listing_unreadable"),
        ({}, "listing_unreadable"),
        ({"Data": []}, "listing_unreadable"),
        ({"Data": {}}, "listing_unreadable"),
        ({"Data": {"Files": {}}}, "listing_unreadable"),
        ({"Code": 200, "Success": True, "Data": {"Files": None}}, "download_revision_gone"),
        ({"Code": 404, "Success": False, "Message": "no"}, "download_not_found"),
        ({"Code": 403, "Success": False}, "download_token_weak"),
        ({"Code": 10010205001, "Success": False, "Data": None}, "download_refused"),
        ({"Success": False, "Data": {"Files": []}}, "download_refused"),
    ],
)
def test_what_is_no_listing_of_modelscope(body, code):
    assert answered(ModelScope, body)[0] == code


def test_entries_that_cannot_be_read_are_left_out_and_values_checked():
    def file(path, **values):
        return {"type": "file", "path": path, **values}

    tree = [
        7,
        None,
        {"type": "directory", "path": "x.json"},
        {"type": "file"},
        file(8),
        file("a.gguf", size=10, oid="1" * 40, lfs={"oid": "A" * 64, "size": 20}),
        file("b.gguf", size=10, lfs={"oid": "short", "size": "20"}),
        file("c.json", size=-1, oid="z" * 40),
        file("d.json", size=True, oid=None),
        file("e.json", size=1 << 60),
        file("../f.json", size=1),
        file("g\ud800.json", size=1),
    ]
    found, _ = answered(HuggingFace, INFO, tree)
    assert found.files == (
        RemoteFile("a.gguf", 20, "a" * 64),
        RemoteFile("b.gguf", 10),
        RemoteFile("c.json", None),
        RemoteFile("d.json", None),
        RemoteFile("e.json", None),
    )
    assert len(found.refused) == 2


def blob(path, revision=None, **values):
    return {"Type": "blob", "Path": path, "Revision": revision, **values}


@pytest.mark.parametrize(
    ("latest", "revisions", "commit"),
    [
        ({"Id": COMMIT}, [OLDER], COMMIT),
        ({"Id": "", "ShortId": COMMIT[:8]}, [OLDER, COMMIT], COMMIT),
        ({"ShortId": COMMIT[:8]}, [OLDER], None),
        ({"ShortId": ""}, [COMMIT, COMMIT], COMMIT),
        (None, [COMMIT, OLDER], None),
        (None, [COMMIT], COMMIT),
        (None, ["master"], None),
        (None, [None], None),
    ],
)
def test_the_commit_of_modelscope(latest, revisions, commit):
    files = [blob(f"{number}.json", revision) for number, revision in enumerate(revisions)]
    found, _ = answered(ModelScope, {"Code": 200, "Data": {"Files": files, "LatestCommitter": latest}})
    assert found.commit == commit


def test_files_of_modelscope_size_zero_is_unknown_but_for_the_empty_file():
    empty = hashlib.sha256(b"").hexdigest()
    files = [
        blob("a.json", Size=0),
        blob("b.json", Size=0, Sha256=empty),
        blob("c.json", Size=5, Sha256="F" * 64),
    ]
    found, _ = answered(ModelScope, {"Data": {"Files": [*files, 7, {"Type": "tree", "Path": "d.json"}]}})
    assert found.files == (
        RemoteFile("a.json", None),
        RemoteFile("b.json", 0, empty),
        RemoteFile("c.json", 5, "f" * 64),
    )


@pytest.mark.parametrize(
    "link",
    [
        '<https://hub.example/base/api/models/made/model/tree/x?cursor=1>; rel="next"',
        '<https://evil.example/steal?cursor=1>; rel="next"',
        '</other/path?cursor=1>; rel="next"',
    ],
)
def test_the_next_page_is_asked_for_at_the_hub_whatever_the_link_says_and_a_loop_ends(link):
    found, asked = answered(HuggingFace, INFO, [], headers={"Link": link})
    assert found == "listing_unreadable"
    assert [str(request.url) for request in asked] == [
        "https://hub.example/base/api/models/made/model/revision/main",
        f"https://hub.example/base/api/models/made/model/tree/{COMMIT}?recursive=True&expand=False",
        f"https://hub.example/base/api/models/made/model/tree/{COMMIT}?cursor=1",
    ]


@pytest.mark.parametrize("link", ['<>; rel="next"', "nonsense", '<http://[>; rel="next"', '<?>; rel="next"'])
def test_a_link_that_leads_nowhere_is_the_end(link):
    found, _ = answered(HuggingFace, INFO, [], headers={"Link": link})
    assert found.files == ()


# Which source a name stands for


def made(name, tokens=None, **environment):
    return make_source(None, name, tokens or (lambda key: f"token of {key}"), environment=environment)


@pytest.mark.parametrize(
    ("name", "environment", "kind", "address", "key"),
    [
        ("huggingface", {}, HuggingFace, "https://huggingface.co", "huggingface"),
        ("huggingface", {"HF_ENDPOINT": ""}, HuggingFace, "https://huggingface.co", "huggingface"),
        (
            "huggingface",
            {"HF_ENDPOINT": "https://huggingface.co/"},
            HuggingFace,
            "https://huggingface.co",
            "huggingface",
        ),
        (
            "huggingface",
            {"HF_ENDPOINT": "https://hf-mirror.com"},
            HuggingFace,
            "https://hf-mirror.com",
            "https://hf-mirror.com",
        ),
        (
            "huggingface",
            {"HF_ENDPOINT": "http://10.0.0.5:8080/hf/"},
            HuggingFace,
            "http://10.0.0.5:8080/hf",
            None,
        ),
        (
            "hf-mirror",
            {"HF_ENDPOINT": "https://x.example"},
            HuggingFace,
            "https://hf-mirror.com",
            "hf-mirror",
        ),
        ("modelscope", {}, ModelScope, "https://modelscope.cn", "modelscope"),
        (
            "modelscope",
            {"MODELSCOPE_ENDPOINT": "https://www.modelscope.cn"},
            ModelScope,
            "https://www.modelscope.cn",
            "modelscope",
        ),
        (
            "modelscope",
            {"MODELSCOPE_ENDPOINT": "https://www.modelscope.ai"},
            ModelScope,
            "https://www.modelscope.ai",
            "https://www.modelscope.ai",
        ),
    ],
)
def test_named_sources_their_addresses_and_whose_token_they_get(name, environment, kind, address, key):
    source = made(name, **environment)
    assert isinstance(source, kind)
    assert (source.id, source.endpoint) == (name, address)
    assert source.token() == (f"token of {key}" if key else None)


def test_conditions_are_accepted_at_the_hub_and_not_at_its_mirror():
    asked = made("hf-mirror").place("made/model", None, RemoteFile("a.gguf", 1)).asked
    assert asked.address == f"{ENDPOINTS['huggingface']}/made/model"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ftp://host", "source_address_wrong"),
        ("https://", "source_address_wrong"),
        ("https://host:99999", "source_address_wrong"),
        ("https://[bad", "source_address_wrong"),
        ("https://host?token=SECRET", "source_address_wrong"),
        ("https://user:SECRET@host", "source_address_password"),
        ("http://hub.example", "source_needs_https"),
        ("http://8.8.8.8", "source_needs_https"),
        ("folder:/no/such/folder", "source_no_folder"),
        ("/no/such/folder", "source_no_folder"),
        ("nonsense", "source_unknown"),
    ],
)
def test_what_is_no_source(name, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TransferError) as caught:
        made(name)
    assert caught.value.code == code
    assert "SECRET" not in errors.text(caught.value) + str(caught.value)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("192.168.1.2", True),
        ("10.1.2.3", True),
        ("169.254.1.1", True),
        ("fe80::1", True),
        ("nas", True),
        ("nas.local", True),
        ("hub.corp.internal", True),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("hub.example.com", False),
        ("local.example.com", False),
    ],
)
def test_plain_http_is_for_near_hosts(host, near):
    assert is_near(host) is near


def test_one_form_of_an_address():
    assert endpoint(" HTTPS://Hub.Example:8443/hf/ ") == "https://hub.example:8443/hf"
    assert endpoint("http://[::1]:80/") == "http://[::1]:80"


def only(hub, family):
    """The fake hub without the routes of the other family."""
    missing = {"huggingface": ("files",), "modelscope": ("revision", "tree")}[family]
    for kind in missing:
        hub.faults.add(Fault(Status(404, message="no such page"), path=kind, times=None, at="listing"))


@pytest.mark.parametrize("family", ["huggingface", "modelscope"])
@pytest.mark.parametrize("listing_first", [True, False])
def test_an_address_is_asked_which_family_it_speaks(hub, family, listing_first):
    only(hub, family)

    async def work():
        async with make_client(LIMITS) as client:
            source = make_source(client, f"{hub.url}/", environment={}, limits=LIMITS)
            commit = hub.repos["made/model"].head
            if listing_first:
                commit = (await source.listing("made/model")).commit
            place = source.place("made/model", commit, RemoteFile("made-Q4_0.gguf", len(BIG)))
            async with place.open(0, 7) as reply:
                data = b"".join([chunk async for chunk in reply.chunks])
            return source.id, place.name, commit, await source.commit("made/model"), data

    head = hub.repos["made/model"].head
    assert asyncio.run(work()) == (hub.url, hub.url, head, head, BIG[:7])
    routes = {one.kind for one in hub.asked if one.path == "made-Q4_0.gguf" and one.origin == "hub"}
    assert routes == {"resolve" if family == "huggingface" else "repo"}


def test_an_address_where_nobody_has_it_says_so_once(hub):
    async def work():
        async with make_client(LIMITS) as client:
            await make_source(client, hub.url, environment={}, limits=LIMITS).listing("made/nothing")

    with pytest.raises(TransferError) as caught:
        asyncio.run(work())
    assert caught.value.code == "download_not_found"


# Folders


def a_folder(root, manifest=None):
    root.mkdir(parents=True, exist_ok=True)
    (root / "made-Q4_0.gguf").write_bytes(BIG)
    (root / "config.json").write_bytes(b"{}")
    if manifest is not None:
        (root / ".autoglm.json").write_text(json.dumps(manifest), encoding="utf-8")
    return root


@pytest.mark.parametrize("below", ["made/model", "model", "."])
@pytest.mark.parametrize("prefix", ["", "folder:"])
def test_a_folder_with_one_repository_or_several(tmp_path, below, prefix):
    disk = tmp_path / "U 盘"
    a_folder(disk / below)
    source = make_source(None, f"{prefix}{disk}", environment={})
    found = asyncio.run(source.listing("made/model"))
    assert source.id == str(disk) and found.commit is None
    assert found.files == (RemoteFile("config.json", 2), RemoteFile("made-Q4_0.gguf", len(BIG)))

    async def work():
        async with source.place("made/model", None, found.files[1]).open(100, 5000) as reply:
            return reply.start, reply.total, b"".join([chunk async for chunk in reply.chunks])

    assert asyncio.run(work()) == (100, len(BIG), BIG[100:5000])


def test_a_manifest_says_the_hashes(tmp_path):
    sha = hashlib.sha256(BIG).hexdigest()
    entries = [
        {"path": "made-Q4_0.gguf", "size": len(BIG), "sha256": sha, "git_sha1": None, "verified": "sha256"},
        {"path": "config.json", "size": 2, "sha256": None, "git_sha1": "E" * 40},
    ]
    a_folder(tmp_path, {"schema": 1, "repo": "made/model", "commit": COMMIT, "files": entries})
    found = asyncio.run(FolderSource(tmp_path).listing("made/model"))
    assert found.commit == COMMIT and asyncio.run(FolderSource(tmp_path).commit("made/model")) == COMMIT
    assert found.files == (
        RemoteFile("config.json", 2, None, "e" * 40),
        RemoteFile("made-Q4_0.gguf", len(BIG), sha),
    )


@pytest.mark.parametrize(
    "manifest",
    [
        7,
        {},
        {"schema": 2, "files": []},
        {"schema": 1, "files": 7},
        {"schema": 1, "commit": 7, "files": [7, {"path": 7}]},
    ],
)
def test_a_manifest_that_cannot_be_read_says_nothing(tmp_path, manifest):
    a_folder(tmp_path, manifest)
    found = asyncio.run(FolderSource(tmp_path).listing("made/model"))
    assert found.commit is None and found.file("config.json") == RemoteFile("config.json", 2)


def test_files_that_the_manifest_says_are_of_another_repository_are_not_taken(tmp_path):
    entries = [{"path": "made-Q4_0.gguf"}, {"path": "config.json", "repo": "Made/Model"}]
    a_folder(tmp_path, {"schema": 1, "repo": "made/other", "files": entries})
    source = FolderSource(tmp_path)
    assert [file.path for file in asyncio.run(source.listing("made/model")).files] == ["config.json"]
    assert [file.path for file in asyncio.run(source.listing("made/other")).files] == ["made-Q4_0.gguf"]
    with pytest.raises(TransferError) as caught:
        asyncio.run(source.listing("made/third"))
    assert caught.value.code == "folder_without_model"


def test_a_copy_that_is_cut_off_is_told_by_its_manifest(tmp_path):
    entry = {"path": "made-Q4_0.gguf", "size": len(BIG) + 1, "sha256": "a" * 64}
    a_folder(tmp_path, {"schema": 1, "files": [entry]})
    source = FolderSource(tmp_path)
    file = asyncio.run(source.listing("made/model")).file("made-Q4_0.gguf")
    assert raised(source.place("made/model", None, file)) == "folder_file_wrong"


def raised(place):
    async def work():
        async with place.open(0, None) as reply:
            async for _ in reply.chunks:
                pass

    with pytest.raises(TransferError) as caught:
        asyncio.run(work())
    assert "?" not in errors.text(caught.value).replace("connected?", "")
    return caught.value.code


def test_what_is_missing_in_a_folder_is_said(tmp_path):
    a_folder(tmp_path / "disk")
    source = FolderSource(tmp_path / "disk")
    assert raised(source.place("made/model", None, RemoteFile("gone.json", 1))) == "download_file_gone"
    (tmp_path / "empty").mkdir()
    for folder, code in (("empty", "folder_without_model"), ("nowhere", "folder_unreadable")):
        with pytest.raises(TransferError) as caught:
            asyncio.run(FolderSource(tmp_path / folder).listing("made/model"))
        assert caught.value.code == code
    with pytest.raises(TransferError):
        source.place("made/model", None, RemoteFile("../secret.json", 1))
    with pytest.raises(TransferError):
        source.place("../..", None, RemoteFile("a.json", 1))


def test_a_disk_that_is_pulled_out_ends_in_a_sentence(tmp_path):
    disk = a_folder(tmp_path / "disk")
    place = FolderSource(disk).place("made/model", None, RemoteFile("config.json", 2))
    (disk / "config.json").unlink()
    (disk / "made-Q4_0.gguf").unlink()
    disk.rmdir()
    assert raised(place) == "folder_unreadable"


def test_a_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"x" * 3_000_000)
    place = FolderPlace("disk", path, RemoteFile("a.gguf", 3_000_000))

    async def work():
        async with place.open(0, None) as reply:
            async for _ in reply.chunks:
                os.truncate(path, 1)

    with pytest.raises(TransferError) as caught:
        asyncio.run(work())
    assert caught.value.code == "download_changed"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_not_listed(tmp_path):
    a_folder(tmp_path)
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.json").symlink_to(tmp_path / "gone")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.json").write_text("{}")
    found = asyncio.run(FolderSource(tmp_path).listing("made/model"))
    assert [file.path for file in found.files] == ["config.json", "made-Q4_0.gguf"]


def test_a_folder_is_fetched_from_like_any_source(tmp_path):
    sha = hashlib.sha256(BIG).hexdigest()
    disk = a_folder(tmp_path / "disk", {"schema": 1, "files": [{"path": "made-Q4_0.gguf", "sha256": sha}]})
    source = FolderSource(disk)

    async def work(target):
        file = (await source.listing("made/model")).file("made-Q4_0.gguf")
        wanted = Wanted(target, file.size, file.sha256)
        return await fetch(wanted, [source.place("made/model", None, file)], limits=LIMITS)

    found = asyncio.run(work(tmp_path / "here" / "made-Q4_0.gguf"))
    assert (found.verified, found.sources) == ("sha256", (str(disk),))
    assert (tmp_path / "here" / "made-Q4_0.gguf").read_bytes() == BIG
    (disk / "made-Q4_0.gguf").write_bytes(BIG[:-1] + b"!")
    with pytest.raises(TransferError) as caught:
        asyncio.run(work(tmp_path / "there" / "made-Q4_0.gguf"))
    assert caught.value.code == "download_corrupt"


def test_every_code_that_answers_give_has_a_sentence():
    package = Path(errors.__file__).parents[1]
    code = re.compile(r'(?:\.error|Reason\.of)\(\s*"(\w+)"')
    files = [*package.glob("store/sources/*.py"), *package.glob("store/transfer/*.py")]
    found = {name for path in files for name in code.findall(path.read_text(encoding="utf-8"))}
    assert len(found) > 20
    assert not found - errors.TABLE.keys() - reasons.TABLE.keys()
