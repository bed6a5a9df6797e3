"""Names from listings, and the variants that a repository offers. All listings here are made."""

import time

import pytest

from autoglm_desktop.core.gguf_names import parse
from autoglm_desktop.core.repository import (
    Listing,
    Offer,
    RemoteFile,
    check_path,
    check_type,
    find_offer,
    make_listing,
    offers,
)
from autoglm_desktop.texts import reasons


def listing(*paths, sizes=None):
    sizes = sizes or {}
    return make_listing(
        "hub", "made/model", "c" * 40, [RemoteFile(path, sizes.get(path, 1)) for path in paths]
    )


BAD_PATHS = {
    "/etc/passwd.json": "name_absolute",
    "\\\\server\\share.json": "name_absolute",
    "C:/x.json": "name_absolute",
    "c:x.json": "name_absolute",
    "../x.json": "name_outside",
    "a/../../x.json": "name_outside",
    "a\\..\\x.json": "name_outside",
    "..": "name_outside",
    "": "name_empty_part",
    ".": "name_empty_part",
    "a//x.json": "name_empty_part",
    "a/./x.json": "name_empty_part",
    "a/": "name_empty_part",
    "a\\x.json": "name_character",
    "a\0.json": "name_character",
    "a\n.json": "name_character",
    "a\x7f.json": "name_character",
    "a\x85.json": "name_character",
    "a\ud800.json": "name_character",
    "a\u202egnp.json": "name_character",
    "x.json:stream": "name_character",
    "wh?t.json": "name_character",
    "CON": "name_reserved",
    "con.json": "name_reserved",
    "Nul.tar.json": "name_reserved",
    "COM1.txt": "name_reserved",
    "lpt9.txt": "name_reserved",
    "COM¹.txt": "name_reserved",
    "aux/x.json": "name_reserved",
    "a/prn .json": "name_reserved",
    "CONIN$": "name_reserved",
    "x.json.": "name_ending",
    "x.json ": "name_ending",
    "folder./x.json": "name_ending",
    "a" * 241 + ".json": "name_too_long",
    "模" * 81 + ".json": "name_too_long",
    "/".join(["a" * 100] * 11) + ".json": "name_too_long",
    ".autoglm.json": "name_own",
    "sub/.AutoGLM.json": "name_own",
    "model.gguf.part.json": "name_own",
}


@pytest.mark.parametrize(("path", "code"), BAD_PATHS.items(), ids=ascii)
def test_unsafe_names_are_refused_with_a_reason(path, code):
    reason = check_path(path)
    assert reason is not None and reason.code == code
    assert reasons.text(reason) not in ("", code)


@pytest.mark.parametrize(
    "path",
    [
        "model.gguf",
        "Q4_K_M/Model-Q4_K_M-00001-of-00002.gguf",
        "模型 一.gguf",
        "a b/c.json",
        "console.json",
        "COM10.json",
        "nullable/x.txt",
        "..gguf",
        ".gitattributes",
        "a" * 235 + ".json",
        "naïve.json",
        "x.part",
    ],
)
def test_safe_names_are_taken(path):
    assert check_path(path) is None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("model.safetensors", None),
        ("a/B.GGUF", None),
        ("config.json", None),
        ("merges.txt", None),
        ("tokenizer.model", None),
        ("chat_template.jinja", None),
        ("README.md", None),
        ("pytorch_model.bin", "type_runs_code"),
        ("model.pt", "type_runs_code"),
        ("x.PKL", "type_runs_code"),
        ("x.ckpt", "type_runs_code"),
        ("modeling_made.py", "type_runs_code"),
        ("model.gguf.exe", "type_runs_code"),
        ("LICENSE", "type_not_needed"),
        ("folder.json/LICENSE", "type_not_needed"),
        (".gitattributes", "type_not_needed"),
        ("imatrix.dat", "type_not_needed"),
        ("model.onnx", "type_not_needed"),
    ],
)
def test_only_needed_types_that_run_no_code_are_fetched(path, code):
    reason = check_type(path)
    assert (reason.code if reason else None) == code


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ("Model.gguf", "model.GGUF", "name_collides"),
        ("a/x.json", "A/x.json", "name_collides"),
        ("caf\u00e9.json", "cafe\u0301.json", "name_collides"),
        ("CAF\u00c9.json", "cafe\u0301.json", "name_collides"),
        ("stra\u00dfe.json", "STRASSE.json", "name_collides"),
        ("x.json", "x.json", "name_collides"),
        ("x.json", "x.json/y.json", "name_file_and_folder"),
        ("x.json/y.json", "x.json", "name_file_and_folder"),
        ("X.json/y.json", "x.json", "name_file_and_folder"),
    ],
)
def test_of_two_names_that_could_be_one_file_the_first_stays(first, second, code):
    found = listing(first, second)
    assert [file.path for file in found.files] == [first]
    assert [(path, reason.code) for path, reason in found.refused] == [(second, code)]


def test_a_listing_keeps_what_is_good_and_says_why_not_the_rest():
    found = listing("model.gguf", "../evil.gguf", "weights.bin", "config.json")
    assert [file.path for file in found.files] == ["model.gguf", "config.json"]
    assert [(path, reason.code) for path, reason in found.refused] == [
        ("../evil.gguf", "name_outside"),
        ("weights.bin", "type_runs_code"),
    ]
    assert found.file("model.gguf") == RemoteFile("model.gguf", 1)


def test_ten_thousand_entries_take_no_time():
    paths = [f"folder-{number % 100}/model-{number}-Q4_K_M.gguf" for number in range(10_000)]
    begin = time.process_time()
    found = listing(*paths)
    variants = offers(found)
    assert time.process_time() - begin < 5
    assert len(found.files) == 10_000
    assert len({offer.id for offer in variants}) == 10_000


NAMES = {
    "Model-9B-Q4_K_M.gguf": ("Q4_K_M", 1, 1, False),
    "model-9b-q8_0.gguf": ("Q8_0", 1, 1, False),
    "Model-9B.i1-IQ2_XXS.gguf": ("IQ2_XXS", 1, 1, False),
    "Model.IQ4_XS.gguf": ("IQ4_XS", 1, 1, False),
    "Model-IQ4_NL.gguf": ("IQ4_NL", 1, 1, False),
    "Model.Q4_0_4_8.gguf": ("Q4_0_4_8", 1, 1, False),
    "Model-UD-Q4_K_XL.gguf": ("UD-Q4_K_XL", 1, 1, False),
    "Model-TQ1_0.gguf": ("TQ1_0", 1, 1, False),
    "Model.Q2_K.gguf": ("Q2_K", 1, 1, False),
    "Model.Q6_K_L.gguf": ("Q6_K_L", 1, 1, False),
    "Model-BF16.gguf": ("BF16", 1, 1, False),
    "Model.fp16.gguf": ("F16", 1, 1, False),
    "Model-f32.gguf": ("F32", 1, 1, False),
    "Model-MXFP4.gguf": ("MXFP4", 1, 1, False),
    "Model-MXFP4_MOE.gguf": ("MXFP4_MOE", 1, 1, False),
    "Model-F16-Q4_K_S.gguf": ("Q4_K_S", 1, 1, False),
    "Model_Q5_K_M_v2.gguf": ("Q5_K_M", 1, 1, False),
    "Model-Q4_K_M-00002-of-00003.gguf": ("Q4_K_M", 2, 3, False),
    "Q8_0/Model-00001-of-00002.gguf": ("Q8_0", 1, 2, False),
    "BF16/Model-Q3_K_L.gguf": ("Q3_K_L", 1, 1, False),
    "model.gguf": (None, 1, 1, False),
    "Qwen2-made.gguf": (None, 1, 1, False),
    "mmproj-Model-F16.gguf": ("F16", 1, 1, True),
    "Model.mmproj-Q8_0.gguf": ("Q8_0", 1, 1, True),
    "Model-9B-mmproj.gguf": (None, 1, 1, True),
    "mmproj.gguf": (None, 1, 1, True),
}


@pytest.mark.parametrize(("path", "expected"), NAMES.items())
def test_a_gguf_name_says_type_part_and_whether_it_is_a_projector(path, expected):
    name = parse(path)
    assert (name.type, name.part, name.parts, name.projector) == expected


def ids(found: Listing) -> list[str]:
    return [offer.id for offer in offers(found)]


def paths(offer: Offer) -> tuple[list[str], list[str]]:
    return [file.path for file in offer.files], [file.path for file in offer.beside]


def test_made_in_the_style_of_ggml_org():
    found = listing(
        ".gitattributes",
        "README.md",
        "Made-9B-F16.gguf",
        "Made-9B-Q4_K_M.gguf",
        "Made-9B-Q8_0.gguf",
        "mmproj-Made-9B-F16.gguf",
        "mmproj-Made-9B-Q8_0.gguf",
        sizes={"Made-9B-F16.gguf": 18, "Made-9B-Q4_K_M.gguf": 6, "Made-9B-Q8_0.gguf": 10},
    )
    variants = offers(found)
    assert [offer.id for offer in variants] == ["Q4_K_M", "Q8_0", "F16"]
    assert paths(variants[0]) == (["Made-9B-Q4_K_M.gguf"], ["mmproj-Made-9B-F16.gguf"])
    assert variants[0].size == 7


def test_made_in_the_style_of_mradermacher():
    found = listing(
        "Made-9B.Q2_K.gguf",
        "Made-9B.IQ4_XS.gguf",
        "Made-9B.mmproj-f16.gguf",
        "Made-9B.mmproj-Q8_0.gguf",
        "Made-9B.imatrix.gguf",
        "imatrix.dat",
    )
    variants = offers(found)
    assert {offer.id for offer in variants} == {"Q2_K", "IQ4_XS"}
    assert {offer.beside[0].path for offer in variants} == {"Made-9B.mmproj-f16.gguf"}


def test_parts_are_one_offer_and_must_be_complete():
    found = listing(
        "Q8_0/Made-Q8_0-00002-of-00002.gguf",
        "Q8_0/Made-Q8_0-00001-of-00002.gguf",
        "BF16/Made-BF16-00001-of-00003.gguf",
        "BF16/Made-BF16-00003-of-00003.gguf",
        "Q4_K_M/Made-00001-of-00002.gguf",
        "Q4_K_M/Made-00002-of-00002.gguf",
        "F16/Made-F16-00000-of-00001.gguf",
    )
    assert ids(found) == ["Q8_0", "Q4_K_M"]
    assert paths(offers(found)[0])[0] == [
        "Q8_0/Made-Q8_0-00001-of-00002.gguf",
        "Q8_0/Made-Q8_0-00002-of-00002.gguf",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["A-Q4_0.gguf", "B-Q4_0.gguf", "A-Q8_0.gguf"], {"A-Q4_0", "B-Q4_0", "Q8_0"}),
        (["x/A-Q4_0.gguf", "y/A-Q4_0.gguf"], {"x/A-Q4_0", "y/A-Q4_0"}),
        (["model.gguf"], {"model"}),
        (["model.gguf", "Q8_0.gguf"], {"model", "Q8_0"}),
        (
            ["A-Q4_0.gguf", "A-Q4_0-00001-of-00002.gguf", "A-Q4_0-00002-of-00002.gguf"],
            {"A-Q4_0", "A-Q4_0 (2)"},
        ),
        (["mmproj-A-F16.gguf"], set()),
        (["imatrix_made.gguf", "A.imatrix.gguf"], set()),
    ],
)
def test_ids_stay_distinct(files, expected):
    assert set(ids(listing(*files))) == expected
    assert len(ids(listing(*files))) == len(expected)


@pytest.mark.parametrize(
    ("projectors", "chosen"),
    [
        (
            ["mmproj-A-Q8_0.gguf", "mmproj-A-F32.gguf", "mmproj-A-BF16.gguf", "mmproj-A-F16.gguf"],
            "mmproj-A-F16.gguf",
        ),
        (["mmproj-A-Q8_0.gguf", "mmproj-A-F32.gguf", "mmproj-A-BF16.gguf"], "mmproj-A-BF16.gguf"),
        (["mmproj-A-Q8_0.gguf", "mmproj-A-F32.gguf"], "mmproj-A-F32.gguf"),
        (["mmproj-A-Q4_0.gguf", "mmproj-A-Q8_0.gguf"], "mmproj-A-Q8_0.gguf"),
        (["A-mmproj.gguf"], "A-mmproj.gguf"),
        (["mmproj-B-F16.gguf", "mmproj-A-Q8_0.gguf"], "mmproj-A-Q8_0.gguf"),
    ],
)
def test_of_several_projectors_the_models_own_and_best_goes_along(projectors, chosen):
    (offer,) = offers(listing("A-Q4_K_M.gguf", *projectors))
    assert paths(offer)[1] == [chosen]


SMALL = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


def test_made_safetensors_in_parts_with_what_belongs_to_them():
    weights = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    found = listing(
        *SMALL,
        *weights,
        "model.safetensors.index.json",
        "merges.txt",
        "tokenizer.model",
        "README.md",
        "consolidated.safetensors",
        "consolidated.safetensors.index.json",
        "pytorch_model.bin.index.json",
        "original/params.json",
        "onnx/model.safetensors",
    )
    (offer,) = offers(found)
    files, beside = paths(offer)
    assert offer.id == "safetensors"
    assert files == weights
    assert set(beside) == {*SMALL, "model.safetensors.index.json", "merges.txt", "tokenizer.model"}


@pytest.mark.parametrize(
    ("files", "weights"),
    [
        (["model.safetensors"], ["model.safetensors"]),
        (["model.safetensors", "model-00001-of-00001.safetensors"], ["model.safetensors"]),
        (["model.safetensors", "consolidated.safetensors"], ["model.safetensors"]),
        (["other.safetensors"], ["other.safetensors"]),
        (["model-00001-of-00002.safetensors"], []),
        (["model-00001-of-00002.safetensors", "model-00003-of-00002.safetensors"], []),
        (["adapter_model.safetensors"], []),
        (["onnx/model.safetensors"], []),
    ],
)
def test_which_safetensors_are_the_weights(files, weights):
    found = offers(listing("config.json", *files))
    assert [file.path for offer in found for file in offer.files] == weights


def test_gguf_beside_safetensors_and_an_unknown_size_comes_last():
    found = make_listing(
        "hub",
        "made/model",
        None,
        [RemoteFile("A-Q8_0.gguf", None), RemoteFile("model.safetensors", 20), RemoteFile("A-Q4_0.gguf", 30)],
    )
    assert ids(found) == ["safetensors", "Q4_0", "Q8_0"]
    assert offers(found)[2].size is None


def test_an_offer_is_found_whatever_its_case():
    variants = offers(listing("A-Q4_K_M.gguf", "A-Q8_0.gguf"))
    assert find_offer(variants, "q4_k_m").id == "Q4_K_M"
    assert find_offer(variants, "Q4_K_S") is None
