"""How a model samples when nobody says otherwise: what the catalogue knows, by whatever name."""

import copy

import pytest

from autoglm_desktop.core.catalog import StatedSampling, parse
from autoglm_desktop.core.protocol import Sampling
from autoglm_desktop.core.sampling_defaults import defaults, filled
from autoglm_desktop.store import catalog as store
from autoglm_desktop.usecases.phone_step import SAMPLING as AGENT
from tests.unit.test_catalog import raw


@pytest.mark.parametrize(
    "name",
    [
        "autoglm-phone-9b",
        "AutoGLM-Phone-9B",
        "zai-org/AutoGLM-Phone-9B",
        "ZhipuAI/AutoGLM-Phone-9B",
        "autoglm-phone-9b-multilingual",
        "zai-org/autoglm-phone-9b-multilingual",
        "/models/AutoGLM-Phone-9B-Q4_K_M.gguf",
    ],
)
def test_the_phone_models_sample_as_the_agent_does(name):
    assert defaults(name, store.load()) == AGENT


def test_others_as_their_makers_say():
    catalog = store.load()
    assert defaults("zai-org/GLM-4.1V-9B-Thinking", catalog) == Sampling(temperature=0.8, top_p=0.6, top_k=2)
    assert defaults("qwen3-0.6b", catalog) == Sampling(temperature=0.6, top_p=0.95, top_k=20)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "gpt-4o",
        "glm-4-9b-0414",
        "glm-edge-4b-chat",
        "Qwen/Qwen3-0.6B-Base",
        "made:AutoGLM-Phone-9B",
        "autoglm-phone",
    ],
)
def test_what_nobody_read_is_the_programs_own(name):
    assert defaults(name, store.load()) == Sampling()


def test_a_name_means_the_longest_one_that_it_holds():
    catalog = store.load()
    assert catalog.called("x/AutoGLM-Phone-9B-Multilingual-GGUF").id == "autoglm-phone-9b-multilingual"
    assert catalog.called("x/AutoGLM-Phone-9B-GGUF").id == "autoglm-phone-9b"
    assert catalog.called("x/AutoGLM-Phone-9B-abliterated") is None


def test_a_value_of_nothing_is_told_apart_from_none():
    stated = StatedSampling("made", temperature=0.0, top_k=0)
    assert filled(stated) == Sampling(temperature=0.0, top_k=0)


def test_every_value_says_where_it_was_read_and_none_is_called_verified():
    stated = [model.sampling for model in store.load().models if model.sampling is not None]
    assert len(stated) == 4 and all(one.source and not one.verified for one in stated)


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", -1), ("top_p", 2), ("max_tokens", 0), ("top_k", "many")]
)
def test_a_catalogue_with_impossible_sampling_is_refused(name, value):
    data = copy.deepcopy(raw())
    data["models"][0]["sampling"] = {"source": "made", name: value}
    with pytest.raises(ValueError, match=name):
        parse(data)
