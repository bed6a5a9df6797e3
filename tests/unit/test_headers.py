"""Headers before weights: one request for a range at a fake hub, kept by commit, used by plans."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError, TransferError
from autoglm_desktop.core.subject import of_model
from autoglm_desktop.store import gguf
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.web import Web
from autoglm_desktop.usecases import headers as usecase
from autoglm_desktop.usecases.headers import fetch_header, with_headers
from tests.fakes.fake_hub import FakeHub
from tests.fakes.fake_hub_faults import Fault, Silence, gated
from tests.fakes.fake_services import made_services

REPO = "made/Tiny-GGUF"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> bytes:
    """A file whose weights are far larger than its header."""
    path = tmp_path_factory.mktemp("made") / "tiny.gguf"
    write_tiny_glm4(path, layers=6, hidden=512, weight_type="Q8_0")
    return path.read_bytes()


def services_at(hub: FakeHub | None, home: Path):
    services = made_services(home)
    url = hub.url if hub is not None else "http://127.0.0.1:9"
    return replace(services, web=Web(environment={"HF_ENDPOINT": url}))


def fetch(services, target: str, **more):
    async def work():
        try:
            return await fetch_header(services, target, **more)
        finally:
            await services.web.close()

    return asyncio.run(work())


def test_one_request_brings_the_header(tmp_path, model, monkeypatch):
    monkeypatch.setattr(usecase, "FIRST_BYTES", 200_000)
    with FakeHub({REPO: {"tiny.Q8_0.gguf": model}}) as hub:
        services = services_at(hub, tmp_path / "家")
        (found,) = fetch(services, f"{REPO}:Q8_0")
        asked = hub.of("tiny.Q8_0.gguf")
        assert len({one.range for one in asked}) == 1 and hub.sent("tiny.Q8_0.gguf") < len(model) / 4
        header = services.headers.gguf(found)
        assert header is not None and header.file_size == len(model)
        assert header.tensors == gguf.read_header(_file(tmp_path, model)).tensors
        hub.forget()
        fetch(services, f"{REPO}:Q8_0")
        assert hub.of("tiny.Q8_0.gguf") == [], "kept by commit"


def test_a_longer_header_is_asked_for_again(tmp_path, model, monkeypatch):
    monkeypatch.setattr(usecase, "FIRST_BYTES", 3_000)
    with FakeHub({REPO: {"tiny.Q8_0.gguf": model}}) as hub:
        services = services_at(hub, tmp_path)
        (found,) = fetch(services, f"{REPO}:Q8_0")
        assert len({one.range for one in hub.of("tiny.Q8_0.gguf")}) > 1
        assert services.headers.gguf(found) is not None


def test_a_new_commit_is_fetched_anew(tmp_path, model):
    other = _other(tmp_path)
    with FakeHub({REPO: {"tiny.Q8_0.gguf": model}}) as hub:
        services = services_at(hub, tmp_path)
        (first,) = fetch(services, f"{REPO}:Q8_0")
        hub.publish(REPO, {"tiny.Q8_0.gguf": other})
        (second,) = fetch(services, f"{REPO}:Q8_0")
    assert first.commit != second.commit and second.size == len(other)
    assert [one.commit for one in services.headers.all()] == [second.commit]


def test_a_silent_hub_is_one_sentence_in_time(tmp_path, model):
    silent = [Fault(Silence())]
    with (
        FakeHub({REPO: {"tiny.Q8_0.gguf": model}}, silent) as hub,
        pytest.raises(AppError, match="header_slow"),
    ):
        fetch(services_at(hub, tmp_path), f"{REPO}:Q8_0", limit_s=0.5)


def test_what_cannot_be_had_is_one_sentence(tmp_path, model):
    closed = [gated()]
    with (
        FakeHub({REPO: {"tiny.Q8_0.gguf": model}}, closed) as hub,
        pytest.raises(TransferError, match="gated"),
    ):
        fetch(services_at(hub, tmp_path / "a"), f"{REPO}:Q8_0")
    with FakeHub({REPO: {"tiny.Q8_0.gguf": b"no gguf at all" * 9999}}) as hub:
        with pytest.raises(AppError, match="gguf_not_a_gguf"):
            fetch(services_at(hub, tmp_path / "b"), f"{REPO}:Q8_0")
        with pytest.raises(AppError):
            fetch(services_at(hub, tmp_path / "c"), "made/Nothing:Q8_0")
    with pytest.raises(TransferError, match=r"no_network|unreachable"):
        fetch(services_at(None, tmp_path / "d"), f"{REPO}:Q8_0")


def test_plans_use_what_is_kept(tmp_path, model):
    with FakeHub({REPO: {"tiny.Q8_0.gguf": model}}) as hub:
        services = services_at(hub, tmp_path)
        fetch(services, f"{REPO}:Q8_0")
    known = services.library.catalog.models[0]
    forms = tuple(
        replace(form, sources=(replace(form.sources[0], repo=REPO),)) if form.id == "Q8_0" else form
        for form in known.variants
    )
    changed = replace(known, variants=forms)
    subject = with_headers(services, of_model(changed), changed)
    told, table = subject.weights("Q8_0"), subject.weights("Q4_K_M")
    assert told is not None and table is not None
    assert (told.basis, told.file_bytes) == ("header", len(model))
    assert table.basis == "table"


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "whole.gguf"
    path.write_bytes(data)
    return path


def _other(folder: Path) -> bytes:
    path = folder / "other.gguf"
    write_tiny_glm4(path, layers=3, weight_type="Q8_0")
    return path.read_bytes()
