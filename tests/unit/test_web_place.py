"""Places at hubs: what every answer means, where the token goes, and that stopping is instant."""

import asyncio
import hashlib
import ssl
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest

from autoglm_desktop.core.repository import RemoteFile
from autoglm_desktop.store.transfer.answers import Asked, failure, retry_after
from autoglm_desktop.store.transfer.client import Limits, make_client
from autoglm_desktop.store.transfer.place import TransferError, TryAgain
from autoglm_desktop.store.transfer.web import WebPlace
from autoglm_desktop.texts import errors, reasons
from tests.fakes.fake_hub import FakeHub, Fault
from tests.fakes.fake_hub_faults import Drop, ExpiredLink, IgnoreRange, Portal, RedirectLoop, Stall

HUB, CDN = "https://hub.example", "https://cdn.example"
URL = f"{HUB}/made/model/resolve/{'c' * 40}/a.gguf"
SHA, OTHER_SHA = "a" * 64, "b" * 64
TOKEN = "hf_madeSECRET"
ASKED = Asked(
    "hub", "made/model", f"{HUB}/made/model", f"{HUB}/settings/tokens", "HF_TOKEN", "a.gguf", "c" * 40
)


class Wire(httpx.AsyncBaseTransport):
    """Answers each host by a function, and remembers what it was asked."""

    def __init__(self, **hosts):
        self.hosts, self.asked = hosts, []

    async def handle_async_request(self, request):
        self.asked.append(request)
        answer = self.hosts[request.url.host.partition(".")[0]]
        return answer(request) if callable(answer) else answer


def place(wire, size=100, sha256=SHA, git_sha1=None, path="a.gguf", token=None, url=URL):
    async def headers():
        return {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {}

    client = httpx.AsyncClient(transport=wire, follow_redirects=True, max_redirects=8)
    file = RemoteFile(path, size, sha256, git_sha1)
    return WebPlace(client, "hub", url, file, headers, ASKED, "c" * 40)


async def read(where, start=0, end=10):
    async with where.open(start, end) as reply:
        return reply, b"".join([chunk async for chunk in reply.chunks])


def outcome(where, start=0, end=10):
    """The reply and its bytes, or what was raised."""
    try:
        return asyncio.run(read(where, start, end))
    except (TransferError, TryAgain) as error:
        return error


def sends(status, body=b"", **headers):
    """Answers with a body that comes as a stream, as on a real line."""

    def answer(request):
        async def stream():
            yield body

        told = {"Content-Length": str(len(body))} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        return httpx.Response(status, headers=told, content=stream())

    return answer


def part(start=0, length=10, total=100, **headers):
    told = {"Content_Range": f"bytes {start}-{start + length - 1}/{total}", **headers}
    return sends(206, b"x" * length, **told)


def to_cdn(request):
    return httpx.Response(302, headers={"Location": f"{CDN}/blob?Signature=madeSIGNATURE"})


def through(answer):
    return Wire(hub=to_cdn, cdn=answer)


def test_a_range_is_asked_for_without_encoding_and_read():
    wire = Wire(hub=part(20))
    reply, data = outcome(place(wire), 20, 30)
    assert (reply.start, reply.total, reply.whole, data) == (20, 100, False, b"x" * 10)
    assert wire.asked[0].headers["range"] == "bytes=20-29"
    assert wire.asked[0].headers["accept-encoding"] == "identity"


def test_without_an_end_all_that_follows_is_asked_for():
    wire = Wire(hub=part(20, 80))
    _, data = outcome(place(wire), 20, None)
    assert wire.asked[0].headers["range"] == "bytes=20-"
    assert len(data) == 80


@pytest.mark.parametrize(("length", "total"), [("100", 100), (None, None)])
def test_a_whole_file_in_answer_to_a_range_is_said(length, total):
    def answer(request):
        async def body():
            yield b"x" * 100

        headers = {"Content-Length": length} if length else {"Transfer-Encoding": "chunked"}
        return httpx.Response(200, headers=headers, content=body())

    reply, data = outcome(place(Wire(hub=answer)), 50, 60)
    assert (reply.start, reply.total, reply.whole, len(data)) == (0, total, True, 100)


def test_an_empty_file_is_no_error():
    wire = Wire(hub=sends(416, b"<Error/>", Content_Range="bytes */0"))
    reply, data = outcome(place(wire, size=None, sha256=None), 0, 1)
    assert (reply.total, data) == (0, b"")


FINAL = "final"
HTML = {"Content-Type": "text/html; charset=utf-8"}
REFUSALS = [
    # status, headers, with a token, expected code
    (401, {"X-Error-Code": "RepoNotFound"}, False, "download_needs_token"),
    (401, {}, False, "download_needs_token"),
    (401, {"X-Error-Code": "GatedRepo"}, False, "download_gated_no_token"),
    (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, True, "download_bad_token"),
    (401, {"X-Error-Code": "RepoNotFound"}, True, "download_not_found"),
    (401, {}, True, "download_bad_token"),
    (403, {"X-Error-Code": "GatedRepo"}, True, "download_gated"),
    (403, {"X-Error-Code": "GatedRepo"}, False, "download_gated_no_token"),
    (403, {}, True, "download_token_weak"),
    (403, {}, False, "download_needs_token"),
    (404, {"X-Error-Code": "RepoNotFound"}, True, "download_not_found"),
    (404, {"X-Error-Code": "RevisionNotFound"}, False, "download_revision_gone"),
    (404, {"X-Error-Code": "EntryNotFound"}, False, "download_file_gone"),
    (404, {}, False, "download_file_gone"),
    (410, {}, False, "download_file_gone"),
    (400, {}, False, "download_refused"),
    (407, {}, False, "proxy_needs_password"),
    (451, {}, False, "download_refused"),
    (416, {"Content-Range": "bytes */100"}, False, "download_changed"),
    (416, {}, False, "download_changed"),
    (204, {}, False, "download_refused"),
    (304, {}, False, "download_refused"),
]


@pytest.mark.parametrize(("status", "headers", "token", "code"), REFUSALS)
def test_what_the_hub_itself_refuses_is_final_and_says_what_to_do(status, headers, token, code):
    wire = Wire(hub=httpx.Response(status, headers=headers))
    error = outcome(place(wire, token=TOKEN if token else None), 5, 10)
    assert isinstance(error, TransferError) and error.code == code
    sentence = errors.text(error)
    assert "?" not in sentence and code not in sentence
    assert TOKEN not in sentence + repr(error)
    assert len(wire.asked) == 1


PASSING = [
    (408, {}, "server_trouble", None),
    (425, {}, "server_trouble", None),
    (429, {"Retry-After": "7"}, "too_many_requests", 7.0),
    (429, {"RateLimit": '"resolvers";r=0;t=42'}, "too_many_requests", 42.0),
    (429, {}, "too_many_requests", None),
    (500, {}, "server_trouble", None),
    (502, {}, "server_trouble", None),
    (503, {"Retry-After": "3"}, "server_trouble", 3.0),
    (504, {"Retry-After": "soon"}, "server_trouble", None),
    (511, HTML, "answer_is_a_page", None),
    (520, {}, "server_trouble", None),
]


@pytest.mark.parametrize("behind", [False, True], ids=["hub", "cdn"])
@pytest.mark.parametrize(("status", "headers", "code", "after"), PASSING)
def test_what_may_pass_is_tried_again(behind, status, headers, code, after):
    answer = httpx.Response(status, headers=headers)
    error = outcome(place(through(answer) if behind else Wire(hub=answer)))
    assert isinstance(error, TryAgain)
    assert (error.reason.code, error.after, error.offline) == (code, after, False)
    assert reasons.text(error.reason) != code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "link_expired"),
        (403, "link_expired"),
        (404, "link_expired"),
        (410, "link_expired"),
        (400, FINAL),
        (451, FINAL),
        (416, FINAL),
    ],
)
def test_a_cdn_that_refuses_means_an_old_link(status, code):
    error = outcome(place(through(httpx.Response(status)), token=TOKEN))
    if code == FINAL:
        assert isinstance(error, TransferError)
    else:
        assert isinstance(error, TryAgain) and error.reason.code == code
    assert "SIGNATURE" not in str(error) + repr(error)


def test_a_redirect_within_the_hub_is_still_the_hub():
    def answer(request):
        return (
            httpx.Response(307, headers={"Location": "/new/name"})
            if request.url.path != "/new/name"
            else gone
        )

    gone = httpx.Response(403, headers={"X-Error-Code": "GatedRepo"})
    error = outcome(place(Wire(hub=answer)))
    assert isinstance(error, TransferError) and error.code == "download_gated_no_token"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (part(0), TryAgain, "wrong_range"),
        (part(19), TryAgain, "wrong_range"),
        (sends(206, b"x"), TryAgain, "wrong_range"),
        (sends(206, Content_Range="bytes x"), TryAgain, "wrong_range"),
        (sends(206, Content_Type="multipart/byteranges"), TryAgain, "wrong_range"),
        (part(20, total=101), TransferError, "download_changed"),
        (sends(200, b"x" * 99), TransferError, "download_changed"),
        (sends(200, b"<html>", Content_Type="text/html"), TryAgain, "answer_is_a_page"),
        (sends(200, b"{}", Content_Type="application/json"), TryAgain, "answer_is_a_page"),
        (part(20, Content_Encoding="gzip"), TransferError, "download_encoded"),
        (part(20, X_Linked_Etag=f'"{OTHER_SHA}"'), TransferError, "download_changed"),
        (part(20, X_Repo_Commit="c" * 40, ETag=f'W/"{OTHER_SHA}"'), TransferError, "download_changed"),
    ],
)
def test_an_answer_that_does_not_fit_is_not_taken(answer, kind, code):
    error = outcome(place(Wire(hub=answer)), 20, 30)
    assert isinstance(error, kind)
    assert (error.code if isinstance(error, TransferError) else error.reason.code) == code


@pytest.mark.parametrize(
    "answer",
    [
        part(20, X_Linked_Etag=f'"{SHA.upper()}"', X_Repo_Commit="d" * 40),
        part(20, ETag=f'"{OTHER_SHA}"'),
        part(20, X_Linked_Etag='"0123456789abcdef"'),
        part(20, Content_Type="text/html"),
        part(20, Content_Encoding="identity"),
        sends(206, b"x" * 10, Content_Range="bytes 20-29/*"),
    ],
)
def test_an_answer_that_fits_is_taken_whatever_else_it_says(answer):
    _, data = outcome(place(Wire(hub=answer)), 20, 30)
    assert data == b"x" * 10


def test_a_small_file_without_sha256_is_compared_by_git_hash_and_commit():
    def asked(**headers):
        wire = Wire(hub=part(0, 10, **headers))
        return outcome(place(wire, sha256=None, git_sha1="1" * 40, path="config.json"))

    assert asked(X_Repo_Commit="c" * 40, ETag=f'"{"1" * 40}"')[1] == b"x" * 10
    assert asked(X_Repo_Commit="c" * 40, ETag=f'"{"2" * 40}"').code == "download_changed"
    wire = Wire(hub=part(0, 10, X_Repo_Commit="d" * 40))
    assert outcome(place(wire, sha256=None)).code == "download_changed"


def test_a_json_file_may_be_json():
    wire = Wire(hub=sends(200, b"{}", Content_Type="application/json"))
    _, data = outcome(place(wire, size=None, sha256=None, path="config.json"))
    assert data == b"{}"


def certificate_error():
    error = httpx.ConnectError("failed")
    error.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    return error


@pytest.mark.parametrize(
    ("error", "code", "offline"),
    [
        (httpx.ConnectError("Name or service not known"), "no_connection", True),
        (httpx.ConnectTimeout("slow"), "no_connection", True),
        (httpx.ReadTimeout("slow"), "stalled", False),
        (httpx.RemoteProtocolError("closed"), "connection_lost", False),
        (httpx.ReadError("reset"), "connection_lost", False),
        (httpx.WriteError("reset"), "connection_lost", False),
        (ConnectionResetError("reset"), "connection_lost", False),
        (httpx.ProxyError("503 Service Unavailable"), "proxy_trouble", True),
        (httpx.ProxyError("407 Proxy Authentication Required"), "proxy_needs_password", None),
        (httpx.TooManyRedirects("Exceeded"), "download_redirects", None),
        (httpx.UnsupportedProtocol("ftp"), "download_bad_address", None),
        (certificate_error(), "download_certificate", None),
    ],
)
@pytest.mark.parametrize("when", ["before", "while"])
def test_what_a_failure_means(error, code, offline, when):
    def answer(request):
        async def body():
            yield b"x"
            raise error

        if when == "before":
            raise error
        return httpx.Response(200, headers={"Content-Length": "100"}, content=body())

    found = outcome(place(Wire(hub=answer)))
    if offline is None:
        assert isinstance(found, TransferError) and found.code == code
    else:
        assert isinstance(found, TryAgain) and (found.reason.code, found.offline) == (code, offline)


def test_retry_after_in_seconds_as_a_date_and_bounded():
    now = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)

    def after(text):
        return retry_after({"retry-after": text}, now)

    assert after("0") == 0
    assert after("12") == 12
    assert after("1.5") == 1.5
    assert after("999999") == 600
    assert after(format_datetime(now + timedelta(seconds=90), usegmt=True)) == 90
    assert after(format_datetime(now - timedelta(seconds=90), usegmt=True)) == 0
    assert after(format_datetime(now + timedelta(days=900), usegmt=True)) == 600
    for nonsense in ("", "-1", "soon", "1e9", "١٢", "Mon, 99 Foo", "nan"):
        assert after(nonsense) is None, nonsense


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(days=400)])
def test_a_date_to_wait_for_is_read_by_the_clock_of_the_server(off):
    """This machine's may be wrong by years."""
    now = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
    told = {
        "retry-after": format_datetime(now + timedelta(seconds=9), usegmt=True),
        "date": format_datetime(now, usegmt=True),
    }
    assert retry_after(told, now + off) == 9
    assert retry_after(told | {"date": "soon"}, now) == 9


def test_the_token_goes_to_the_hub_and_never_to_its_cdn():
    wire = through(part())
    where = place(wire, token=TOKEN)
    assert outcome(where)[1] == b"x" * 10
    hub, cdn = wire.asked
    assert hub.headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in cdn.headers and "cookie" not in cdn.headers
    assert TOKEN not in str(cdn.headers) + str(cdn.url)
    assert cdn.headers["range"] == "bytes=0-9"
    assert TOKEN not in repr(where)


@pytest.mark.parametrize(("sha256", "fine"), [(SHA, True), (None, False)])
def test_what_has_no_hash_must_not_come_unencrypted(sha256, fine):
    plain = httpx.Response(302, headers={"Location": "http://cdn.example/blob"})
    found = outcome(place(Wire(hub=plain, cdn=part()), sha256=sha256, token=TOKEN))
    assert (found[1] == b"x" * 10) if fine else found.code == "download_bad_address"


def test_every_request_begins_at_the_hub():
    wire = through(part())
    where = place(wire)

    async def twice():
        await read(where)
        await read(where)

    asyncio.run(twice())
    assert [request.url.host for request in wire.asked] == ["hub.example", "cdn.example"] * 2


# Against a server on this machine, by the real client


DATA = bytes(range(256)) * 4096
LIMITS = Limits(read_timeout_s=0.5, connect_timeout_s=2)


def with_hub(work, *faults, **options):
    """``work(place, hub)`` on a loop of its own, with a file of 1 MiB."""

    async def run(hub):
        commit = hub.repos["made/model"].head
        file = RemoteFile("a.gguf", len(DATA), hashlib.sha256(DATA).hexdigest())
        async with make_client(LIMITS) as client:
            url = f"{hub.url}/made/model/resolve/{commit}/a.gguf"
            return await work(WebPlace(client, "hub", url, file, asked=ASKED, commit=commit), hub)

    with FakeHub({"made/model": {"a.gguf": DATA}}, faults, **options) as hub:
        return asyncio.run(run(hub))


def test_a_range_from_the_fake_hub():
    async def work(where, hub):
        return await read(where, 1000, 70_000)

    reply, data = with_hub(work)
    assert data == DATA[1000:70_000]
    assert (reply.start, reply.total, reply.whole) == (1000, len(DATA), False)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(ExpiredLink()), "link_expired"),
        (Fault(Portal()), "answer_is_a_page"),
        (Fault(Portal(), at="resolve"), "answer_is_a_page"),
        (Fault(Drop(1000)), "connection_lost"),
        (Fault(Drop(1000, reset=True)), "connection_lost"),
        (Fault(Drop(0), at="resolve"), "connection_lost"),
        (Fault(Stall(1000)), "stalled"),
        (Fault(RedirectLoop(), at="resolve", times=None), "download_redirects"),
    ],
)
def test_faults_of_the_fake_hub(fault, code):
    async def work(where, hub):
        try:
            await read(where, 0, len(DATA))
        except TryAgain as error:
            return error.reason.code
        except TransferError as error:
            return error.code
        return None

    assert with_hub(work, fault) == code


def test_what_arrived_before_the_connection_broke_is_not_lost():
    async def work(where, hub):
        got = b""
        with pytest.raises(TryAgain):
            async with where.open(0, None) as reply:
                async for chunk in reply.chunks:
                    got += chunk
        return got

    assert with_hub(work, Fault(Drop(300_000))) == DATA[:300_000]


def test_an_ignored_range_is_a_whole_file():
    async def work(where, hub):
        return await read(where, 5000, 6000)

    reply, data = with_hub(work, Fault(IgnoreRange()))
    assert (reply.start, reply.total, reply.whole) == (0, len(DATA), True)
    assert data == DATA


def test_leaving_in_the_middle_is_instant_and_reads_no_further():
    async def work(where, hub):
        async with where.open(0, None) as reply:
            await anext(reply.chunks)
            begin = time.monotonic()
        return time.monotonic() - begin

    assert with_hub(work, rate_per_connection=200_000) < 0.1


def test_cancelling_during_a_stall_is_instant():
    async def work(where, hub):
        task = asyncio.create_task(read(where, 0, None))
        await asyncio.to_thread(hub.stalled.wait, 10)
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begin

    assert with_hub(work, Fault(Stall(1000))) < 0.1


def test_nobody_there_is_offline():
    async def work():
        with FakeHub({}) as hub:
            url = hub.url
        async with make_client(LIMITS) as client:
            with pytest.raises(TryAgain) as caught:
                await read(WebPlace(client, "hub", url, RemoteFile("a.gguf", 1), asked=ASKED))
        return caught.value

    assert asyncio.run(work()).offline


def test_a_failure_keeps_its_cause():
    error = httpx.ReadError("reset")
    assert failure(error, ASKED).reason.code == "connection_lost"
    assert failure(httpx.InvalidURL("no"), ASKED).code == "download_bad_address"
    with pytest.raises(TryAgain) as caught:
        asyncio.run(read(place(Wire(hub=raising(error)))))
    assert caught.value.__cause__ is error


def raising(error):
    def answer(request):
        raise error

    return answer


@pytest.mark.parametrize("turns", [1, 2, 3, 5], ids=lambda turns: f"after_{turns}_turns")
def test_a_client_whose_closing_is_cancelled_leaves_no_socket(turns):
    """A window that closes while the client does."""

    async def work(hub):
        client = make_client(LIMITS)
        url = f"{hub.url}/api/models/made/model"
        answers = await asyncio.gather(*(client.get(url) for _ in range(3)))
        streams = [answer.extensions["network_stream"] for answer in answers]
        sockets = [stream.get_extra_info("socket") for stream in streams]
        assert len({one.fileno() for one in sockets}) == 3 and all(one.fileno() >= 0 for one in sockets)
        closing = asyncio.create_task(client.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await asyncio.sleep(0)
        return sockets, closing

    with FakeHub({"made/model": {"a.gguf": DATA}}) as hub:
        sockets, closing = asyncio.run(work(hub))
    assert closing.cancelled() or turns > 1
    assert [one.fileno() for one in sockets] == [-1] * 3
