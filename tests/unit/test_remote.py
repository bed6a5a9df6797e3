"""A remote server answers: events as a session's, one sentence for whatever it does wrong, and the key stays secret."""

import asyncio
import base64
import contextlib
import io
import json
import logging
import socket
import ssl
import threading
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from PIL import Image

from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling
from autoglm_desktop.core.remote import Endpoint, RemoteError
from autoglm_desktop.core.remote_stream import DETAIL_CHARACTERS
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.store.remote_http import RemoteHttp
from autoglm_desktop.store.web import Web
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases import remote_tally
from autoglm_desktop.usecases.answerer import Answerer
from autoglm_desktop.usecases.remote import Patience, Remote
from autoglm_desktop.usecases.session import Session
from tests.fakes.fake_openai import WORDS, Behaviour, FakeOpenAI
from tests.unit.test_keys import Ring

KEY = "sk-madeSECRETkey"
HI = [Message("user", "Hi")]


def endpoint(url, model="made-model", **values):
    return Endpoint("made", "made server", url, model, **values)


def run(does, work, *, key=None, url=None, patience=None, endpoint_=None):
    """``work(remote)`` against a fake that ``does`` so."""

    async def go(fake):
        web = Web(Keys({}, Ring))
        remote = Remote(web, endpoint_ or endpoint(url or fake.url), key=key, patience=patience)
        try:
            return await work(remote)
        finally:
            await web.close()

    with FakeOpenAI(does) as fake:
        return asyncio.run(asyncio.wait_for(go(fake), 60)), fake


async def ask(remote, messages=HI, sampling=None):
    """(text, done) of one answer."""
    text, done = "", None
    async with contextlib.aclosing(remote.generate(messages, sampling or Sampling())) as events:
        async for event in events:
            if isinstance(event, Delta):
                text += event.text
            else:
                assert done is None and isinstance(event, Done)
                done = event
    return text, done


async def refused(remote, messages=HI):
    """(what came before, the error)"""
    text = ""
    with pytest.raises(RemoteError) as raised:
        async with contextlib.aclosing(remote.generate(messages, Sampling())) as events:
            async for event in events:
                text += event.text
    return text, raised.value


def sentence(error):
    """Its text, which has a place for all its values."""
    text = errors.text(error)
    assert text.endswith((".", "!")) and "?" not in text and "(remote_" not in text, text
    return text


def test_a_session_and_a_remote_server_are_answerers():
    def answers(one: Answerer) -> Answerer:
        return one

    for kind in (Session, Remote):
        assert callable(kind.generate) and callable(kind.stop)
    remote = Remote(Web(Keys({}, Ring)), endpoint("http://localhost/v1"))
    assert answers(remote) is remote


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("done", [True, False], ids=["done", "no-done"])
def test_an_answer_streams_with_its_counts(newline, done):
    (text, last), fake = run(Behaviour(newline=newline, done=done), ask)
    assert text == "".join(WORDS)
    assert (last.finish_reason, last.counted) == ("stop", True)
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (9, len(WORDS))
    assert last.timings.first_token_s > 0
    (sent,) = fake.chats
    assert sent["messages"] == [{"role": "user", "content": "Hi"}] and sent["stream"] is True
    assert {"temperature", "top_p", "top_k", "max_tokens"} <= set(sent) and "seed" not in sent
    assert "authorization" not in fake.asked[0].headers


def test_what_the_server_does_not_count_is_not_made_up():
    (text, last), _fake = run(Behaviour(usage=False), ask)
    assert text == "".join(WORDS)
    assert last.counted is False and last.timings.tokens_per_s is None


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_thoughts_are_wrapped(key):
    (text, _last), _fake = run(Behaviour(thoughts=("I ", "think"), thought_key=key), ask)
    assert text == "<think>I think</think>" + "".join(WORDS)


def test_thoughts_that_nothing_follows_are_closed():
    (text, last), _fake = run(Behaviour(thoughts=("I ", "think"), words=(), finish="length"), ask)
    assert text == "<think>I think</think>"
    assert last.finish_reason == "length"


def test_an_answer_in_one_piece_is_taken():
    (text, last), _fake = run(Behaviour(whole=True), ask)
    assert text == "".join(WORDS)
    assert last.counted and last.timings.first_token_s is None, "nothing was seen before the end"


def test_pictures_go_as_data_in_their_order(tmp_path):
    file = tmp_path / "made.rgb"
    file.write_bytes(bytes(range(256)) * (28 * 28 * 3 // 256) + bytes(28 * 28 * 3 % 256))
    picture = {"type": "image", "file": str(file), "width": 28, "height": 28}
    content = [picture, {"type": "text", "text": "What is this?"}]
    _answer, fake = run(Behaviour(), lambda remote: ask(remote, [Message("user", content)]))
    first, second = fake.chats[0]["messages"][0]["content"]
    assert second == content[1]
    head, _comma, data = first["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.tobytes() == file.read_bytes()


def test_text_in_parts_goes_as_text():
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    _answer, fake = run(Behaviour(), lambda remote: ask(remote, [Message("user", parts)]))
    assert fake.chats[0]["messages"][0]["content"] == "one two"


def test_what_a_server_does_not_know_is_left_out_from_then_on():
    async def twice(remote):
        await ask(remote)
        await ask(remote)
        return remote.left_out

    left_out, fake = run(Behaviour(unknown=("top_k", "min_p")), twice)
    assert left_out == ("top_k", "min_p")
    assert ["top_k" in one for one in fake.chats] == [True, False, False]


def test_a_server_that_refuses_everything_is_not_asked_for_ever():
    does = Behaviour(status=400, error={"error": "top_k min_p stream_options seed max_completion_tokens"})
    (_text, error), fake = run(does, refused)
    assert error.code == "remote_refused" and len(fake.chats) <= 4


# --- stopping


def test_stop_before_the_first_word_closes_the_connection_at_once():
    async def go():
        web = Web(Keys({}, Ring))
        remote = Remote(web, endpoint(fake.url))
        task = asyncio.ensure_future(ask(remote))
        await asyncio.to_thread(fake.holding.wait, 30)
        remote.stop()
        answer = await task
        hung_up = await asyncio.to_thread(fake.hung_up.wait, 30)  # before the client is closed
        await web.close()
        return answer, hung_up

    with FakeOpenAI(Behaviour(hold=0)) as fake:
        (text, done), hung_up = asyncio.run(asyncio.wait_for(go(), 60))
    assert (text, done.finish_reason, hung_up) == ("", "cancelled", True)


def test_stop_in_the_middle_keeps_what_came():
    async def go():
        web = Web(Keys({}, Ring))
        remote = Remote(web, endpoint(fake.url))
        events = []
        async for event in remote.generate(HI, Sampling()):
            events.append(event)
            if len(events) == 2:
                remote.stop()
        hung_up = await asyncio.to_thread(fake.hung_up.wait, 30)
        await web.close()
        return events, hung_up

    with FakeOpenAI(Behaviour(hold=3)) as fake:
        events, hung_up = asyncio.run(asyncio.wait_for(go(), 60))
    assert [event.text for event in events[:-1]] == list(WORDS[:2])
    assert events[-1].finish_reason == "cancelled" and not events[-1].counted and hung_up


@pytest.mark.parametrize("how", ["aclose", "cancel"])
def test_leaving_the_answer_closes_the_connection(how):
    async def go():
        web = Web(Keys({}, Ring))
        remote = Remote(web, endpoint(fake.url))
        if how == "aclose":
            events = remote.generate(HI, Sampling())
            await events.__anext__()
            await events.aclose()
        else:
            task = asyncio.ensure_future(ask(remote))
            await asyncio.to_thread(fake.holding.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        try:
            return await asyncio.to_thread(fake.hung_up.wait, 30)
        finally:
            await web.close()

    with FakeOpenAI(Behaviour(hold=3)) as fake:
        assert asyncio.run(asyncio.wait_for(go(), 60))


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_ending_it_at_any_step_leaves_no_connection(how):
    """Also one that was just made."""

    async def go():
        remote = Remote(Web(Keys({}, Ring)), endpoint(fake.url))
        for steps in range(120):
            task = asyncio.ensure_future(ask(remote))
            for _ in range(steps):
                await asyncio.sleep(0)
            remote.stop() if how == "stop" else task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                if how == "stop":
                    await asyncio.sleep(0)
                    remote.stop()  # it may not have begun
                await task
        return await asyncio.to_thread(fake.all_closed, 30)

    with FakeOpenAI() as fake:
        assert asyncio.run(asyncio.wait_for(go(), 120))


# --- what goes wrong


@pytest.mark.parametrize(
    ("does", "code", "words"),
    [
        (Behaviour(status=401), "remote_key_needed", "wants a key"),
        (Behaviour(status=403), "remote_forbidden", "refuses this key"),
        (Behaviour(status=404), "remote_no_route", "/v1"),
        (Behaviour(models=()), "remote_model_gone", "“made-model”"),
        (Behaviour(status=429, retry_after="7"), "remote_busy", "7 s"),
        (Behaviour(status=429), "remote_busy_unknown", "later"),
        (Behaviour(status=413), "remote_too_large", "too large"),
        (Behaviour(status=500, error={"error": {"message": "made: boom"}}), "remote_trouble", "made: boom"),
        (Behaviour(status=502, error=b"<html>made</html>"), "remote_trouble", "HTTP 502"),
        (
            Behaviour(status=503, error={"error": {"message": "Loading model"}}),
            "remote_not_ready",
            "Loading model",
        ),
        (Behaviour(status=400, error={"detail": [{"msg": "made"}]}), "remote_refused", "made"),
        (
            Behaviour(status=400, error={"message": "This model's maximum context length is 8192 tokens."}),
            "remote_context_full",
            "8192",
        ),
        (Behaviour(status=307, location="https://example.org/v1?token=x"), "remote_redirects", "example.org"),
        (Behaviour(kind="text/html"), "remote_not_openai", "/v1"),
        (Behaviour(kind="text/plain", raw=(b"It works!\n",)), "remote_not_openai", "/v1"),
        (Behaviour(raw=()), "remote_empty", "first word"),
        (Behaviour(raw=(b": keep-alive\n\n",)), "remote_cut", "Ask again"),
        (Behaviour(raw=(b'data: {"choi\n\n',)), "remote_garbled", '{"choi'),
        (Behaviour(raw=(b'data: {"choi',)), "remote_cut", "Ask again"),
        (Behaviour(raw=(b"data: []\n\n",)), "remote_garbled", "[]"),
        (Behaviour(raw=(b'data: {"made": 1}\n\n',)), "remote_garbled", "made"),
        (Behaviour(raw=(b'data: {"choices": [7]}\n\n',)), "remote_garbled", "7"),
        (Behaviour(raw=(b'data: {"error": {"message": "made: boom"}}\n\n',)), "remote_said", "made: boom"),
        (Behaviour(raw=(b"data: " + b"[" * 100_000 + b"\n\n",)), "remote_garbled", "[["),
        (Behaviour(raw=(b"data: " + b"x" * 2**20,) * 6), "remote_too_long", "closed"),
        (Behaviour(finish=None, done=False), "remote_cut", "kept"),
        (Behaviour(die=3), "remote_cut", "kept"),
        (Behaviour(finish="content_filter"), "remote_filtered", "filter"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("remote") else None,
)
def test_each_failure_is_one_sentence(does, code, words):
    (_text, error), _fake = run(does, refused)
    assert error.code == code
    assert words in sentence(error)


def test_what_came_before_a_failure_is_kept():
    (text, error), _fake = run(Behaviour(die=4), refused)
    assert error.code == "remote_cut" and text == "".join(WORDS)[: len(text)] and text


def test_a_line_of_a_megabyte_is_no_problem():
    word = "字" * 300_000
    (text, _last), _fake = run(Behaviour(words=(word,)), ask)
    assert text == word


def test_an_answer_without_end_is_ended(monkeypatch):
    monkeypatch.setattr(remote_tally, "MOST_CHARACTERS", 1000)
    (_text, error), _fake = run(Behaviour(words=("made " * 50,) * 10), refused)
    assert error.code == "remote_too_long"


def test_silence_has_an_end():
    patience = Patience(first_s=30, silence_s=0.05)
    (text, error), fake = run(Behaviour(hold=3), refused, patience=patience)
    assert error.code == "remote_slow" and text
    sentence(error)
    assert fake.holding.is_set()


def test_what_does_not_follow_the_end_is_not_missed():
    """The answer has ended; the server keeps the connection open."""
    does = Behaviour(hold=len(WORDS) + 2, usage=False)
    (text, last), _fake = run(does, ask, patience=Patience(after_end_s=0.05))
    assert text == "".join(WORDS) and last.finish_reason == "stop"


def test_a_picture_that_is_refused_says_so():
    content = [{"type": "image", "url": "data:image/png;base64,AAAA"}, {"type": "text", "text": "Hi"}]
    messages = [Message("user", content)]
    (_text, error), _fake = run(Behaviour(pictures="refused"), lambda remote: refused(remote, messages))
    assert error.code == "remote_no_pictures" and "multimodal" in sentence(error)


def test_nobody_there_says_where():
    with FakeOpenAI() as gone:
        url = gone.url
    (_text, error), _fake = run(Behaviour(), refused, url=url)
    assert error.code == "remote_unreachable" and url.split("/")[2] in sentence(error)


def test_https_to_a_server_without_it_says_so():
    async def go(remote):
        return await refused(Remote(remote._web, endpoint(remote.endpoint.url.replace("http:", "https:"))))

    (_text, error), _fake = run(Behaviour(), go)
    assert error.code in ("remote_not_tls", "remote_tls"), error
    sentence(error)


@pytest.fixture
def encrypted(tmp_path):
    """A port that speaks TLS with a certificate that nobody trusts."""
    pytest.importorskip("cryptography", reason="cryptography is not installed (keyring brings it on Linux)")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = tmp_path / "made.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        + made.sign(key, hashes.SHA256()).public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            with contextlib.suppress(OSError), server.accept()[0] as plain_connection:
                context.wrap_socket(plain_connection, server_side=True).close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"https://localhost:{server.getsockname()[1]}/v1"


def test_a_certificate_that_nobody_trusts_says_so(encrypted):
    (_text, error), _fake = run(Behaviour(), refused, url=encrypted, key=KEY)
    assert error.code == "remote_certificate" and "not trusted" in sentence(error)


def test_the_proxy_of_the_system_is_asked_but_not_for_this_machine(monkeypatch):
    with FakeOpenAI() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        models, _fake = run(Behaviour(), lambda remote: remote.models(), url="http://made-host.local:8000/v1")
        assert [one.path for one in proxy.asked] == ["http://made-host.local:8000/v1/models"] and models
        _answer, fake = run(Behaviour(), ask)
        assert len(fake.asked) == 1 and len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (httpx.ConnectTimeout("x"), "remote_no_answer"),
        (httpx.ProxyError("407 Proxy Authentication Required"), "proxy_needs_password"),
        (httpx.ProxyError("x"), "remote_proxy"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] x"), "remote_certificate"),
        (httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] x"), "remote_not_tls"),
        (ssl.SSLError("x"), "remote_tls"),
        (httpx.ReadTimeout("x"), "remote_slow"),
        (httpx.RemoteProtocolError("x"), "remote_hung_up"),
        (httpx.LocalProtocolError("x"), "remote_address_wrong"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_trouble_on_the_way_is_one_sentence(error, code):
    failure = RemoteHttp(endpoint("https://example.org/v1")).failure(error)
    assert failure.code == code
    sentence(failure)


# --- the key


@pytest.mark.parametrize("status", [401, 400, 500])
def test_a_key_that_the_server_repeats_is_nowhere(status, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    (_text, error), fake = run(Behaviour(status=status), refused, key=KEY)
    assert fake.asked[0].headers["authorization"] == f"Bearer {KEY}", "the fake's error quotes it"
    assert error.code == {401: "remote_key_refused", 400: "remote_refused", 500: "remote_trouble"}[status]
    told = capfd.readouterr()
    assert KEY not in caplog.text + told.out + told.err + repr(error) + sentence(error)
    assert error.__cause__ is None and error.__suppress_context__


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"bad key {KEY}"}},
        {"error": {"message": "x" * (DETAIL_CHARACTERS - 10) + KEY}},
        {"choices": f"no chunk {KEY}"},
    ],
)
def test_nor_in_the_middle_of_an_answer(body, caplog):
    caplog.set_level(logging.DEBUG)
    raw = (f"data: {json.dumps(body)}\n\n".encode(),)
    (_text, error), _fake = run(Behaviour(raw=raw), refused, key=KEY)
    assert error.code in ("remote_said", "remote_garbled")
    assert KEY[:4] not in caplog.text + repr(error) + sentence(error)


def test_a_redirect_is_not_followed_with_the_key():
    with FakeOpenAI() as other:
        does = Behaviour(status=308, location=other.url + "/chat/completions")
        (_text, error), _fake = run(does, refused, key=KEY)
        assert error.code == "remote_redirects" and other.url.split("/")[2] in sentence(error)
        assert other.asked == []


def test_the_key_is_the_one_of_this_address():
    ring = Ring()
    one = endpoint("http://127.0.0.1:1/v1", has_key=True)
    other = endpoint("http://127.0.0.1:2/v1", has_key=True)

    async def go():
        web = Web(Keys({}, lambda: ring))
        web.keys.set(one.key_name, KEY)
        with pytest.raises(RemoteError) as raised:
            await ask(Remote(web, other))
        await web.close()
        return raised.value

    error = asyncio.run(go())
    assert error.code == "remote_key_gone"
    sentence(error)


def test_what_is_kept_of_a_conversation_is_not_logged(caplog):
    caplog.set_level(logging.DEBUG)
    question = "madePRIVATEquestion"
    run(Behaviour(), lambda remote: ask(remote, [Message("user", question)]), key=KEY)
    assert question not in caplog.text and KEY not in caplog.text and WORDS[1] not in caplog.text


# --- the list of models


def test_the_list_of_models():
    models, fake = run(Behaviour(), lambda remote: remote.models())
    assert [(one.name, one.context) for one in models] == [("made-model", 8192), ("made-other", 8192)]
    assert fake.asked[0].path == "/v1/models"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"object": "list", "data": None}, []),  # Ollama without a model
        ({"data": [{"id": "a"}, {"id": "a"}, {"id": 3}, None, {"id": " "}, {"id": "b\nc"}]}, ["a"]),
        ({"data": [{"id": "a", "meta": {"n_ctx": 4096}}]}, ["a"]),
    ],
)
def test_odd_lists_are_read(body, names):
    models, _fake = run(Behaviour(list_body=json.dumps(body).encode()), lambda remote: remote.models())
    assert [one.name for one in models] == names


@pytest.mark.parametrize(
    "does",
    [
        Behaviour(list_body=b"<html>made</html>", list_kind="text/html"),
        Behaviour(list_body=b"made"),
        Behaviour(list_body=b"[]"),
        Behaviour(list_body=b'{"status": "ok"}'),
        Behaviour(list_body=b'{"data": "x"}'),
    ],
)
def test_what_is_no_list_is_no_such_server(does):
    async def go(remote):
        with pytest.raises(RemoteError) as raised:
            await remote.models()
        return raised.value

    error, _fake = run(does, go)
    assert error.code == "remote_not_openai"
    sentence(error)
