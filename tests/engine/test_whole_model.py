"""A model as all its files that are here: which one is loaded, and what follows where one can't be. Real engines.

``gguf-cpu-safe`` is asked for where llama.cpp is to answer: its fast kernels end some machines' engines.
"""

import asyncio
import shutil

import pytest

from autoglm_desktop.core.errors import EngineError, TargetError
from autoglm_desktop.core.protocol import Done, Message, Sampling
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.usecases import targets
from autoglm_desktop.usecases.check import CheckOptions, run_check
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session, Wishes
from tests.fakes.made_models import remember

REPO = "made/tiny-model"
HELLO = (Message("user", "hello"),)

pytestmark = pytest.mark.usefixtures("needs_llama")


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """One home: each engine is self-tested once."""
    return create_services(tmp_path_factory.mktemp("home 家"))


def put(services, folder=None, *kinds):
    """A repository as downloads leave it: the folder's files and GGUF files beside them."""
    place = services.library.models.joinpath(*REPO.split("/"))
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if folder is not None:
        shutil.copytree(folder, place, dirs_exist_ok=True)
    for kind in kinds:
        gguf_tiny.write_tiny_glm4(place / f"tiny-{kind}.gguf", weight_type=kind)
    remember(place, *(path for path in place.iterdir() if path.suffix != ".json"), repo=REPO)
    return place


def load(services, text, rung=None):
    """Load and answer → state, number of the answer's tokens."""

    async def work():
        session = Session(services, prepare)
        try:
            state = await session.load(targets.resolve(services.library, text), Wishes(rung))
            events = [
                event async for event in session.generate(HELLO, Sampling(max_tokens=4, temperature=0.0))
            ]
            assert isinstance(events[-1], Done)
            return state, events[-1].usage.completion_tokens
        finally:
            await session.close()

    return asyncio.run(asyncio.wait_for(work(), 120))


def test_a_folder_is_a_target_and_runs_on_the_processor(services, made_glm4v):
    state, tokens = load(services, str(made_glm4v))
    assert (state.plan.rung, state.engine, state.proof.backend) == (
        "transformers-16bit",
        "torch-cpu",
        "transformers",
    )
    assert tokens > 0 and state.proof.dtype == "bf16"
    planned = state.plan.memory["ram"]
    assert state.proof.footprint_bytes == pytest.approx(planned.weights + planned.projector, rel=0.02)


def test_check_says_of_a_folder_what_loading_does(services, made_glm4):
    found = asyncio.run(run_check(services, CheckOptions(str(made_glm4))))
    assert found.models[0].chosen == "transformers-16bit"
    assert load(services, str(made_glm4))[0].plan.rung == "transformers-16bit"


@pytest.mark.parametrize("rung", ["transformers-nf4", "transformers-nf4-lean", "transformers-int8"])
def test_a_rung_that_the_planner_does_not_offer_here_can_be_asked_for(services, made_glm4v, rung):
    state, tokens = load(services, str(made_glm4v), rung)
    assert state.plan.rung == rung and tokens > 0 and state.proof.quantised_modules > 0


def test_a_model_with_a_gguf_uses_that_where_there_is_no_card(services, made_glm4):
    put(services, made_glm4, "F16")
    state, _tokens = load(services, REPO)
    assert state.plan.variant == "F16" and state.plan.rung.startswith("gguf-cpu")


def test_a_damaged_gguf_is_followed_by_the_next_file_and_told(services, made_glm4):
    place = put(services, made_glm4, "F16")
    path = place / "tiny-F16.gguf"
    data = bytearray(path.read_bytes())
    at = data.index(b"blk.0.attn_q.weight")
    data[at : at + 19] = b"blk.0.attn_X.weight"  # whole by its header, but llama.cpp misses a tensor
    path.write_bytes(data)
    state, tokens = load(services, REPO)
    assert [tried.kind for tried in state.tries] == ["bad_file", None]
    assert (state.plan.rung, state.plan.variant) == ("transformers-16bit", "safetensors") and tokens > 0


def test_a_named_variant_is_the_only_one(services, made_glm4):
    place = put(services, made_glm4, "F16", "Q8_0")
    assert targets.resolve(services.library, f"{REPO}:Q8_0").files == (place / "tiny-Q8_0.gguf",)
    state, _tokens = load(services, f"{REPO}:Q8_0")
    assert state.plan.variant == "Q8_0"
    state, _tokens = load(services, f"{REPO}:safetensors")
    assert state.plan.variant == "safetensors"


def test_one_unreadable_file_does_not_stop_the_others(services, made_glm4):
    place = put(services, made_glm4, "F16")
    target = targets.resolve(services.library, REPO)
    (place / "tiny-F16.gguf").write_bytes(b"no GGUF any more")
    plan = asyncio.run(prepare(services, target, Wishes())).plan
    assert {row.variant for row in plan.ladder if row.installed} == {"safetensors"}
    shutil.rmtree(place)
    with pytest.raises(TargetError):
        asyncio.run(prepare(services, target, Wishes()))


def test_a_folder_with_a_damaged_shard_is_one_sentence(services, made_glm4, tmp_path):
    folder = shutil.copytree(made_glm4, tmp_path / "damaged")
    shard = next(folder.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises((TargetError, EngineError)) as told:
        load(services, str(folder))
    assert told.value.code in ("file_refused", "safetensors_damaged", "shard_missing")
