"""The shipped catalogue, and what its parser refuses."""

import copy
import sys

import pytest

from autoglm_desktop.core.catalog import parse
from autoglm_desktop.core.subject import at_least_4_bits, of_model
from autoglm_desktop.core.units import GB
from autoglm_desktop.store import catalog as store
from autoglm_desktop.store import paths

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PHONE = "autoglm-phone-9b"
GGUF_SIZES_GB = {
    "Q8_0": 9.99, "Q6_K": 8.26, "Q5_K_M": 7.04, "Q4_K_M": 6.17, "Q4_0": 5.45, "IQ4_XS": 5.31, "Q3_K_M": 4.97,
    "Q2_K": 4.00,
}  # fmt: skip


def raw() -> dict:
    return tomllib.loads((paths.resources() / "catalog.toml").read_text("utf-8"))


def test_both_models_have_every_variant() -> None:
    catalog = store.load()
    assert [model.id for model in catalog.models] == [PHONE, "autoglm-phone-9b-multilingual"]
    for model in catalog.models:
        assert {variant.id for variant in model.variants} == {"safetensors", *GGUF_SIZES_GB}
        assert model.phone


def test_every_source_says_where_it_was_read_and_none_is_called_verified() -> None:
    sources = [s for m in store.load().models for v in m.variants for s in v.sources]
    assert len(sources) > 10
    assert all(source.evidence and not source.verified for source in sources)


def test_the_file_has_no_key_that_is_ignored() -> None:
    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for item in value.values() for key in keys(item)}
        return {key for item in value for key in keys(item)} if isinstance(value, list) else set()

    known = {
        "schema", "models", "id", "title", "phone", "architecture", "shapes", "context", "names", "variants",
        "projector", "warning", "format", "sources", "hub", "repo", "evidence", "verified", "file", "type",
        "file_bytes", "value", "source",
    }  # fmt: skip
    assert keys(raw()) == known


@pytest.mark.parametrize(("variant", "gigabytes"), GGUF_SIZES_GB.items())
def test_sizes_from_shapes_agree_with_the_quantiser(variant: str, gigabytes: float) -> None:
    """docs/numbers.md, section 1: sizes of llama.cpp's own dry run."""
    model = store.load().model(PHONE)
    assert model is not None
    weights = of_model(model).weights(variant)
    assert weights is not None
    assert weights.file_bytes / GB == pytest.approx(gigabytes, abs=0.015)


def test_the_16_bit_folder_is_the_published_size() -> None:
    model = store.load().model(PHONE)
    assert model is not None
    safetensors = of_model(model).safetensors
    assert safetensors is not None
    assert safetensors.file_bytes / GB == pytest.approx(20.586, abs=0.003)


@pytest.mark.parametrize(
    ("architecture", "layers", "names", "expected"),
    [
        ("glm4", 40, ("AutoGLM Phone 9B", "x"), PHONE),
        ("glm4", 40, ("", "AutoGLM-Phone-9B-Q4_K_M"), PHONE),
        ("glm4", 40, ("", "AutoGLM-Phone-9B-Multilingual.i1-Q6_K"), "autoglm-phone-9b-multilingual"),
        ("glm4", 2, ("AutoGLM Phone 9B", "x"), None),
        ("llama", 40, ("AutoGLM Phone 9B", "x"), None),
        ("glm4", 40, ("GLM-4 9B", "x"), None),
        ("glm4", 40, ("made: AutoGLM-Phone-9B shapes", "AutoGLM-Phone-9B-Q4_K_M"), None),
    ],
)
def test_files_are_recognised(
    architecture: str, layers: int, names: tuple[str, ...], expected: str | None
) -> None:
    found = store.load().recognise(architecture, layers, names)
    assert (found.id if found else None) == expected


def test_ids_and_variants_are_found_in_any_case() -> None:
    model = store.load().model("AutoGLM-Phone-9B")
    assert model is not None and model.id == PHONE
    variant = model.variant("q4_k_m")
    assert variant is not None and variant.id == "Q4_K_M"


def _changed(**changes: object) -> dict:
    data = copy.deepcopy(raw())
    data["models"][0].update(changes)
    return data


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"schema": 2, "models": []},
        _changed(id="AutoGLM"),
        _changed(shapes="unheard-of"),
        _changed(variants=[]),
        _changed(variants=[{"id": "Q4_0", "format": "pickle"}]),
        _changed(variants=[{"id": "Q4_0", "format": "gguf"}] * 2),
        _changed(id="autoglm-phone-9b-multilingual"),
        _changed(title=3),
    ],
)
def test_a_wrong_catalogue_is_refused(data: dict) -> None:
    with pytest.raises(ValueError):
        parse(data)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Q8_0", True), ("IQ4_XS", True), ("Q3_K_M", False), ("Q2_K", False), ("16-bit", True), ("nf4", True),
     ("GGUF", True)],
)  # fmt: skip
def test_bits_by_name(name: str, expected: bool) -> None:
    assert at_least_4_bits(name) is expected
