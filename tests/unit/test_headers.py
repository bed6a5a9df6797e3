"""Headers before weights: one request for a range at a fake hub, kept by commit, used by plans."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core import safetensors_header
from autoglm_desktop.core.errors import AppError, TargetError, TransferError
from autoglm_desktop.core.subject import of_model
from autoglm_desktop.store import gguf
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.web import Web
from autoglm_desktop.usecases import header_read
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
    monkeypatch.setattr(header_read, "FIRST_BYTES", 200_000)
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
    monkeypatch.setattr(header_read, "FIRST_BYTES", 3_000)
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


def made_safetensors(shapes: dict[str, list[int]], weights: int = 4000) -> bytes:
    header, end = {}, 0
    for name, shape in shapes.items():
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + 2]}
        end += 2
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(weights)


PARTS = {
    "config.json": b"{}",
    "model.safetensors.index.json": b"{}",
    "model-00001-of-00002.safetensors": made_safetensors(
        {"model.language_model.embed_tokens.weight": [100, 8], "model.visual.blocks.0.attn.qkv.weight": [24, 8]}
    ),
    "model-00002-of-00002.safetensors": made_safetensors(
        {"lm_head.weight": [100, 8], "model.language_model.layers.0.mlp.down_proj.weight": [8, 16],
         "model.visual.embeddings.position_embedding.weight": [9, 8], "model.language_model.norm.weight": [8]}
    ),
}  # fmt: skip


def test_the_tensors_of_all_parts_are_counted(tmp_path):
    with FakeHub({"made/Tensors": PARTS}) as hub:
        services = services_at(hub, tmp_path)
        (entry,) = fetch(services, "made/Tensors")
        assert sum(hub.sent(name) for name in PARTS if name.endswith("safetensors")) < 2 * 10_000
    table = safetensors_header.tensors(services.headers.head(entry))
    found = safetensors_header.weights(table)
    assert (found.embedding, found.head, found.layers) == (800, 800, 8 * 16 + 8)
    assert (found.vision, found.vision_linear) == (24 * 8 + 9 * 8, 24 * 8)
    tied = safetensors_header.weights(table, tied=True)
    assert (tied.head, tied.head_copy) == (0, 800)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 8, struct.pack("<Q", 1 << 60) + b"{}", struct.pack("<Q", 4) + b"nope",
     struct.pack("<Q", 20) + b'{"a": {"shape": -1}}', struct.pack("<Q", 23) + b'{"a": {"shape": [true]}'],
)  # fmt: skip
def test_damaged_tensor_tables_are_refused(data: bytes):
    with pytest.raises(TargetError, match="safetensors_damaged"):
        safetensors_header.tensors(data[8 : 8 + safetensors_header.header_bytes(data)])
