"""The shipped catalogue, and what its parser refuses."""

import copy
import re
import sys
from dataclasses import replace

import pytest

from autoglm_desktop.core.catalog import NOTES, Source, parse
from autoglm_desktop.core.subject import at_least_4_bits, of_model
from autoglm_desktop.core.units import GB
from autoglm_desktop.store import catalog as store
from autoglm_desktop.store import paths
from autoglm_desktop.texts import reasons

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PHONE, MULTILINGUAL = "autoglm-phone-9b", "autoglm-phone-9b-multilingual"
VISION, TEXT = "glm-4.1v-9b-thinking", "glm-4-9b-0414"
EDGE_SMALL, EDGE, TINY = "glm-edge-1.5b-chat", "glm-edge-4b-chat", "qwen3-0.6b"
GGUF_SIZES_GB = {
    "Q8_0": 9.99, "Q6_K": 8.26, "Q5_K_M": 7.04, "Q4_K_M": 6.17, "Q4_0": 5.45, "IQ4_XS": 5.31, "Q3_K_M": 4.97,
    "Q2_K": 4.00,
}  # fmt: skip


def raw() -> dict:
    return tomllib.loads((paths.resources() / "catalog.toml").read_text("utf-8"))


def test_the_autoglm_models_come_first_with_every_variant() -> None:
    catalog = store.load()
    assert [model.id for model in catalog.models if model.phone] == [PHONE, MULTILINGUAL]
    assert [model.id for model in catalog.models[:2]] == [PHONE, MULTILINGUAL]
    for model in catalog.models[:2]:
        assert {variant.id for variant in model.variants} == {"safetensors", *GGUF_SIZES_GB}


def test_the_other_models() -> None:
    models = {model.id: model for model in store.load().models if not model.phone}
    assert list(models) == [VISION, TEXT, EDGE_SMALL, EDGE, TINY]
    assert [model.id for model in models.values() if model.vision] == [VISION]
    assert [model.id for model in models.values() if model.small] == [EDGE_SMALL, EDGE, TINY]
    assert models[TINY].parameters <= 1_000_000_000
    for model in models.values():
        assert of_model(model).default_wish == "text"
        assert {"safetensors", "Q8_0", "Q4_K_M"} <= {variant.id for variant in model.variants}


def test_the_preferred_sources() -> None:
    """ggml-org first; weights on both hubs where that is public; the maker's own files before those of others."""
    first = {
        (model.id, variant.id): variant.sources[0].repo
        for model in store.load().models
        for variant in model.variants
        if variant.sources
    }
    assert first[PHONE, "Q4_K_M"] == "ggml-org/AutoGLM-Phone-9B-GGUF"
    assert first[EDGE, "Q4_K_M"] == "zai-org/glm-edge-4b-chat-gguf"
    assert first[TINY, "Q8_0"] == "Qwen/Qwen3-0.6B-GGUF"
    for model in store.load().models:
        folder = model.variant("safetensors")
        assert folder is not None and {source.hub for source in folder.sources} == {
            "huggingface",
            "modelscope",
        }


def test_projectors_are_looked_for_beside_the_weights_but_where_said_otherwise() -> None:
    source = Source("huggingface", "a/weights", "made")
    assert source.projector_place == "a/weights"
    assert replace(source, projector_repo="a/eyes").projector_place == "a/eyes"
    assert all(
        source.projector is None and source.projector_repo is None
        for model in store.load().models
        if not model.vision
        for variant in model.variants
        for source in variant.sources
    )


def test_what_is_not_known_is_none() -> None:
    models = {model.id: model for model in store.load().models}
    assert models[PHONE].license.value is None and models[PHONE].license.source
    projector = models[VISION].projector
    assert projector is not None and projector.file_bytes.value is None
    assert all(s.gated is None for m in models.values() for v in m.variants for s in v.sources)


def test_every_note_has_a_sentence() -> None:
    assert set(NOTES) == set(reasons.MODELS)
    assert "early_conversions" in next(m for m in store.load().models if m.id == PHONE).notes
    assert all(model.license.source for model in store.load().models)


def test_a_size_is_stated_only_of_the_file_whose_size_was_read() -> None:
    """Issue 230 is about AutoGLM-Phone-9B's own projector; hashes are never kept here."""
    catalog = store.load()
    stated = [model.id for model in catalog.models if model.projector and model.projector.file_bytes.value]
    assert stated == ["autoglm-phone-9b"]
    text = (paths.resources() / "catalog.toml").read_text(encoding="utf-8")
    assert re.findall(r"\b[0-9a-fA-F]{32,}\b", text) == []


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
        "projector", "notes", "license", "format", "sources", "hub", "repo", "evidence", "verified", "file",
        "type", "file_bytes", "value", "source", "sampling", "temperature", "top_p", "top_k", "min_p", "max_tokens",
        "frequency_penalty",
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


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        (PHONE, 20.586),
        (VISION, 20.586),
        (TEXT, 18.80),
        (EDGE_SMALL, 3.187),
        (EDGE, 8.656),
        (TINY, 1.503300328),
    ],
)
def test_the_16_bit_folders(name: str, gigabytes: float) -> None:
    """docs/numbers.md, sections 1 and 10. Text models have no vision part; Qwen3's file holds its tied head, too."""
    model = store.load().model(name)
    assert model is not None
    safetensors = of_model(model).safetensors
    assert safetensors is not None
    assert safetensors.file_bytes / GB == pytest.approx(gigabytes, abs=0.003)
    assert (safetensors.vision > 0) == model.vision
    assert (safetensors.head == 0) == (name == TINY)


@pytest.mark.parametrize(
    ("architecture", "layers", "names", "expected"),
    [
        ("glm4", 40, ("AutoGLM Phone 9B", "x"), PHONE),
        ("glm4", 40, ("GLM 4 9B 0414", "x"), TEXT),
        ("glm4", 40, ("", "THUDM_GLM-4-9B-0414-Q4_K_M"), TEXT),
        ("glm4", 40, ("", "GLM-4.1V-9B-Thinking.Q4_K_M"), VISION),
        ("glm4", 40, ("GLM 4.1V 9B Base", ""), None),
        ("glm4", 40, ("GLM 4.1V 9B Base", "AutoGLM-Phone-9B-Q4_K_M"), PHONE),
        ("glm4", 40, ("", "GLM-Z1-9B-0414-Q6_K"), None),
        ("glm4", 40, ("", "GLM-4.6V-Flash-Q4_K_M"), None),
        ("glm4", 61, ("GLM 4 32B 0414", "GLM-4-32B-0414-Q4_K_M"), None),
        ("chatglm", 40, ("glm-edge-4b-chat", "ggml-model-Q4_K_M"), EDGE),
        ("chatglm", 28, ("Glm Edge 1.5b Chat", "ggml-model-Q4_K_M"), EDGE_SMALL),
        ("chatglm", 28, ("glm-edge-v-2b", ""), None),
        ("chatglm", 28, ("glm-edge-4b-chat", ""), None),
        ("chatglm", 40, ("glm-4-9b-chat", ""), None),
        ("qwen3", 28, ("Qwen3 0.6B", "Qwen3-0.6B-Q8_0"), TINY),
        ("qwen3", 28, ("", "Qwen3-0.6B-Base.Q8_0"), None),
        ("qwen3", 28, ("", "Qwen3-Embedding-0.6B-Q8_0"), None),
        ("qwen3", 28, ("Qwen3 1.7B", ""), None),
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
        _changed(notes=["unheard-of"]),
        _changed(architecture="qwen3"),
        _changed(license={"value": "mit"}),
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
