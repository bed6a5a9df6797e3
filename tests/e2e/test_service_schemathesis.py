"""The service against its own description: schemathesis makes requests of it, right and wrong ones, and holds every
answer against the document with all its checks. In-process, with a fixed seed."""

# ruff: noqa: E402 - schemathesis and hypothesis come only where Python is new enough

import base64
import collections
import io
import json
import re

import pytest

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis reads OpenAPI 3.2 since 4.32, which needs Python 3.11"
)

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis.config import SchemathesisConfig

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.service.app import create_app
from autoglm_desktop.service.openapi import document
from autoglm_desktop.service.openapi_bodies import IMAGE_FORMAT
from autoglm_desktop.service.parts import parts_for
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.serve import ServeOptions
from autoglm_desktop.usecases.session_state import SessionState
from tests.fakes.fake_seeing import Loadable
from tests.fakes.fake_services import made_services
from tests.fakes.fake_session import TARGET

HOST = "testserver"  # what schemathesis calls a service in its own process
KEY = "made-key"
EXAMPLES = 40


def uri(kind):
    file = io.BytesIO()
    Image.new("RGB", (40, 60), "#336699").save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


schemathesis.openapi.format(
    IMAGE_FORMAT, st.sampled_from([uri(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")])
)


class Late:
    """An ASGI application that is made by a fixture: the tests are collected from the document alone. Counts what it
    answers."""

    def __init__(self):
        self.app, self.seen = None, collections.Counter()

    async def __call__(self, scope, receive, send):
        async def counted(message):
            if message["type"] == "http.response.start":
                kind = dict(message["headers"]).get(b"content-type", b"").decode().partition(";")[0]
                self.seen[scope["path"], message["status"], kind] += 1
            await send(message)

        await self.app(scope, receive, counted)


def api(*, keyed=False):
    """The document with the service behind it."""
    config = SchemathesisConfig.from_dict(
        {"seed": 7, "generation": {"deterministic": True, "max-examples": EXAMPLES, "database": "none"}}
    )
    made = schemathesis.openapi.from_dict(document(keyed=keyed), config=config)
    made.app = Late()
    return made


bounded = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
)
open_api, keyed_api, loading_api, broken_api = api(), api(keyed=True), api(), api()
SERVED = [
    (open_api, Loadable("你", "好")),
    (keyed_api, Loadable("ok")),
    (loading_api, Loadable(state=SessionState("loading", TARGET))),
    (
        broken_api,
        Loadable("half", EngineError("engine_died", kind="crashed", detail="/made/x", rung="gguf-cpu")),
    ),
]


def service(home, session, key=None):
    options = ServeOptions(allowed_hosts=(HOST,), api_key=key, wrong_key_s=(0.0, 0.0))
    own = Pictures(made_services(home))
    return create_app(parts_for(session, options, pictures=own, see=lambda target: target))


@pytest.fixture(scope="module", autouse=True)
def services(tmp_path_factory):
    """Every request runs in a loop of its own."""
    for made, session in SERVED:
        made.app.app = service(tmp_path_factory.mktemp("home"), session, KEY if made is keyed_api else None)


@open_api.parametrize()
@bounded
def test_a_service_that_answers_keeps_to_its_description(case):
    case.call_and_validate()


def test_what_is_made_of_the_description_is_answered_and_images_are_among_it(tmp_path):
    """The tests here meet more than refusals."""
    mine, session = api(), Loadable("你", "好")
    mine.app.app = service(tmp_path, session)

    @given(mine["/v1/chat/completions"]["POST"].as_strategy())
    @settings(bounded, max_examples=100)
    def ask(case):
        case.body["stream"] = len(session.requests) % 2 == 0
        assert case.call().status_code == 200

    ask()
    for kind in ("application/json", "text/event-stream"):
        assert mine.app.seen["/v1/chat/completions", 200, kind] > 5
    parts = [part for messages, _ in session.requests for one in messages for part in one.content]
    assert any(isinstance(part, dict) and part["type"] == "image" for part in parts)


@keyed_api.parametrize()
@bounded
def test_a_service_with_a_key_does(case):
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"})


DOWN = [schemathesis.checks.not_a_server_error]  # 503 is what is described


@loading_api.include(path_regex="completions|predict|health").parametrize()
@bounded
def test_a_service_that_loads_does(case):
    assert case.call_and_validate(excluded_checks=DOWN).status_code >= 400


@broken_api.include(path_regex="completions|predict").parametrize()
@bounded
def test_a_service_whose_engine_dies_does(case):
    assert "made" not in case.call_and_validate(excluded_checks=DOWN).text


def test_the_document_is_one():
    """By the JSON Schema of OpenAPI 3.2 itself; and nothing refers to what isn't there."""
    for made in (open_api, keyed_api):
        made.validate()
    text = json.dumps(document(keyed=True))
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names == set(document(keyed=True)["components"]["schemas"]), (
        "every schema is used, every name is there"
    )
