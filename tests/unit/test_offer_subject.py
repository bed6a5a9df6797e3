"""Variants of any repository as subjects of planning: from a header, from its shapes, from a size, or unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.gguf_header import GgufHeader
from autoglm_desktop.core.offer_subject import of_repository, with_offers
from autoglm_desktop.core.repository import Offer, RemoteFile, make_listing, offers
from autoglm_desktop.core.subject import of_model
from autoglm_desktop.store import catalog, gguf
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4

REPO = "made/Tiny-GGUF"
KINDS = ("Q8_0", "Q4_K_M", "F16")


def header_of(path: Path, kind: str, layers: int = 6) -> GgufHeader:
    write_tiny_glm4(path, layers=layers, hidden=512, weight_type=kind)
    return gguf.read_header(path)


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GgufHeader]:
    folder = tmp_path_factory.mktemp("made")
    return {kind: header_of(folder / f"{kind}.gguf", kind) for kind in KINDS}


def offered(sizes: dict[str, int | None], name: str = "Tiny") -> tuple[Offer, ...]:
    files = [RemoteFile(f"{name}.{kind}.gguf", size) for kind, size in sizes.items()]
    return offers(make_listing("hub", REPO, "c" * 40, files))


def test_nothing_is_guessed_without_a_header() -> None:
    assert of_repository(REPO, offered({"Q8_0": 10_000_000}), {}) == ()


def test_one_header_tells_of_all_quantisations(headers: dict[str, GgufHeader]) -> None:
    sizes = {kind: headers[kind].file_size for kind in KINDS}
    (subject,) = of_repository(REPO, offered(sizes), {"Q4_K_M": headers["Q4_K_M"]})
    assert (subject.id, subject.phone, subject.default_wish) == (REPO, False, "text")
    found = {one.variant: one for one in subject.gguf}
    assert set(found) == set(KINDS)
    assert {kind: one.basis for kind, one in found.items()} == {
        "Q8_0": "table",
        "F16": "table",
        "Q4_K_M": "header",
    }
    assert not any(one.installed for one in subject.gguf) and all(one.fetchable for one in subject.gguf)
    for kind, one in found.items():
        (own,) = of_repository(REPO, offered({kind: sizes[kind]}), {kind: headers[kind]})
        told = own.gguf[0]
        assert one.file_bytes == sizes[kind]
        assert sum(one.table.layers) == pytest.approx(sum(told.table.layers), rel=0.01)
        assert one.table.output == pytest.approx(told.table.output, rel=0.01)


def test_a_size_tells_of_a_file_that_was_made_otherwise(headers: dict[str, GgufHeader]) -> None:
    base = headers["Q8_0"]
    half = base.file_size // 2
    sizes = {"Q8_0": base.file_size, "UD-Q4_K_XL": half, "Q4_K_M": half * 3 // 2}
    (subject,) = of_repository(REPO, offered(sizes), {"Q8_0": base})
    for kind in ("UD-Q4_K_XL", "Q4_K_M"):
        found = subject.weights(kind)
        assert found is not None and found.basis == "table" and found.file_bytes == sizes[kind]
        header_bytes = base.file_size - subject.weights("Q8_0").table.total  # type: ignore[union-attr]
        assert found.table.total == pytest.approx(sizes[kind] - header_bytes, rel=0.001)
        assert len(found.table.layers) == 6 and sum(found.matmul_bytes.values()) < found.table.total


def test_what_nothing_tells_stays_unknown(headers: dict[str, GgufHeader]) -> None:
    (subject,) = of_repository(REPO, offered({"Q8_0": None, "IQ2_XXS": None}), {"Q8_0": headers["Q8_0"]})
    assert subject.weights("Q8_0") is not None and subject.weights("IQ2_XXS") is None


def test_another_model_s_header_tells_nothing(headers: dict[str, GgufHeader], tmp_path: Path) -> None:
    other = header_of(tmp_path / "other.gguf", "Q4_K_M", layers=3)
    files = [
        RemoteFile("A-7B.Q8_0.gguf", headers["Q8_0"].file_size),
        RemoteFile("B-3B.Q4_K_M.gguf", other.file_size),
    ]
    found = offers(make_listing("hub", REPO, "c" * 40, files))
    (only,) = of_repository(REPO, found, {"Q8_0": headers["Q8_0"]})
    assert [one.variant for one in only.gguf] == ["Q8_0"]
    both = of_repository(REPO, found, {"Q8_0": headers["Q8_0"], "Q4_K_M": other})
    assert sorted((one.shape.layers, one.gguf[0].variant) for one in both) == [(3, "Q4_K_M"), (6, "Q8_0")]


def test_files_in_parts_are_left_out(headers: dict[str, GgufHeader]) -> None:
    parts = [RemoteFile(f"Tiny.F16-{n:05}-of-00002.gguf", 10_000_000) for n in (1, 2)]
    files = [RemoteFile("Tiny.Q8_0.gguf", headers["Q8_0"].file_size), *parts]
    found = offers(make_listing("hub", REPO, "c" * 40, files))
    assert len(found) == 2
    (subject,) = of_repository(REPO, found, {"Q8_0": headers["Q8_0"]})
    assert [one.variant for one in subject.gguf] == ["Q8_0"]


def test_a_vision_part_beside_them_is_counted(headers: dict[str, GgufHeader]) -> None:
    files = [
        RemoteFile("Tiny.Q8_0.gguf", headers["Q8_0"].file_size),
        RemoteFile("mmproj-Tiny-F16.gguf", 1_000_000),
    ]
    found = offers(make_listing("hub", REPO, "c" * 40, files))
    (subject,) = of_repository(REPO, found, {"Q8_0": headers["Q8_0"]})
    assert subject.projector is not None and subject.projector.file_bytes == 1_000_000


def test_a_repository_of_the_catalogue_needs_no_header() -> None:
    model = catalog.load().models[0]
    base = of_model(model)
    table = base.weights("Q4_K_M")
    assert table is not None
    sizes: dict[str, int | None] = {
        "Q4_K_M": table.file_bytes + 1000,
        "Q4_K_S": None,
        "IQ3_XXS": 4_000_000_000,
    }
    subject = with_offers(base, offered(sizes, "AutoGLM-Phone-9B"), {})
    assert subject.weights("Q4_K_M") == replace(table, file_bytes=table.file_bytes + 1000, fetchable=True)
    small = subject.weights("Q4_K_S")
    assert small is not None and small.file_bytes < table.file_bytes
    tiny = subject.weights("IQ3_XXS")
    assert tiny is not None and tiny.file_bytes == 4_000_000_000
    assert subject.safetensors is None, "this repository has none"
