"""What a repository offers, judged for a machine: unknown until a header tells, then by the catalogue's own rule."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.downloads import PullRequest
from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.outlook import RepositoryPlans
from autoglm_desktop.core.repository import RemoteFile, make_listing, offers
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.web import Web
from autoglm_desktop.texts import reasons
from autoglm_desktop.usecases import model_list, opening, pull
from autoglm_desktop.usecases.check import CheckOptions, CheckResult, planned, result
from autoglm_desktop.usecases.headers import fetch_header
from autoglm_desktop.usecases.judging import Judge, judge_for
from autoglm_desktop.usecases.knowledge import Knowledge
from autoglm_desktop.usecases.repository_plans import (
    describe,
    judge_offers,
    plans_of_listing,
    telling_offer,
)
from tests.fakes import made_machines as made
from tests.fakes.fake_hub import FakeHub, Fault
from tests.fakes.fake_hub_faults import Silence, gated
from tests.fakes.fake_services import made_services
from tests.unit.pull_checks import GGML_ORG, PHONE_FILE

REPO = "made/Tiny-GGUF"
KINDS = ("Q8_0", "Q4_K_M")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("made")
    found = {}
    for kind in KINDS:
        path = folder / f"{kind}.gguf"
        write_tiny_glm4(path, layers=6, hidden=512, weight_type=kind)
        found[f"tiny.{kind}.gguf"] = path.read_bytes()
    return found


def services_at(hub: FakeHub, home: Path, **environment: str):
    web = Web(environment={"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "none"), **environment})
    return replace(made_services(home), web=web)


def judge_of(services, machine: Machine) -> Judge:
    return judge_for(services, machine, Knowledge())


def in_loop(services, work):
    async def body():
        try:
            return await work
        finally:
            await services.web.close()

    return asyncio.run(body())


def listed(services, repo: str = REPO, **more) -> RepositoryPlans:
    async def work() -> RepositoryPlans:
        listing, found = await pull.repository_offers(services, repo)
        judge = judge_of(services, made.made_rtx_4090())
        return await plans_of_listing(services, judge, listing, found, **more)

    return in_loop(services, work())


def test_one_header_judges_every_variant(tmp_path: Path, files: dict[str, bytes]) -> None:
    with FakeHub({REPO: files}) as hub:
        services = services_at(hub, tmp_path)
        found = listed(services)
        assert hub.of("tiny.Q8_0.gguf") == [] and hub.of("tiny.Q4_K_M.gguf")
        assert (found.recommended, found.wish, found.problem) == ("Q8_0", "text", None)
        assert {kind: found.of(kind).word for kind in KINDS} == dict.fromkeys(KINDS, "runs_well")
        bases = {kind: plan.basis.memory for kind in KINDS if (plan := found.of(kind).plan) is not None}
        assert bases == {"Q8_0": "table", "Q4_K_M": "header"}
        hub.forget()
        assert listed(services).recommended == "Q8_0"
        assert not [one for one in hub.asked if one.path is not None], "kept by commit"


def test_the_rule_is_the_catalogue_s(tmp_path: Path, files: dict[str, bytes]) -> None:
    """Q8_0 is recommended only where it runs: here the machine has room for the smaller one alone."""
    with FakeHub({REPO: files}) as hub:
        services = services_at(hub, tmp_path)
        listed(services)
        listing, found = in_loop(services, pull.repository_offers(services, REPO))
    known = describe(services, listing, found)
    judge = judge_of(services, made.made_small())

    def with_room(room: int) -> RepositoryPlans:
        machine = replace(judge.machine, memory=replace(judge.machine.memory, available_bytes=room))
        return judge_offers(replace(judge, machine=machine), found, known)

    rooms = (with_room(room) for room in range(800_000_000, 400_000_000, -1_000_000))
    plans = next(one for one in rooms if one.of("Q8_0").word == "cannot")
    assert plans.recommended == "Q4_K_M" and plans.of("Q4_K_M").word != "cannot"
    headline = plans.of("Q8_0").headline
    assert headline is not None and "RAM" in reasons.text(headline) and "even" not in reasons.text(headline)


def test_without_a_header_nothing_is_said(tmp_path: Path, files: dict[str, bytes]) -> None:
    with FakeHub({REPO: files}, [Fault(Silence(), path="*.gguf", times=None)]) as hub:
        found = listed(services_at(hub, tmp_path), limit_s=0.3)
    assert (found.recommended, dict(found.judged)) == (None, {})
    assert found.problem is not None and found.problem.code == "header_slow"
    with FakeHub({REPO: files}) as hub:
        found = listed(services_at(hub, tmp_path), fetch=False)
        assert (found.recommended, dict(found.judged), found.problem) == (None, {}, None)
        assert not [one for one in hub.asked if one.path is not None]


def test_a_repository_of_the_catalogue_needs_none(tmp_path: Path) -> None:
    services = made_services(tmp_path)
    form = next(one for one in services.library.catalog.models[0].variants if one.id == "Q4_K_M")
    names = [RemoteFile("AutoGLM-Phone-9B-Q4_K_M.gguf", None), RemoteFile("AutoGLM-Phone-9B-Q8_0.gguf", None)]
    listing = make_listing("huggingface", form.sources[0].repo.upper(), "c" * 40, names)
    judge = judge_of(services, made.made_rtx_4090())
    found = asyncio.run(plans_of_listing(services, judge, listing, offers(listing)))
    assert (found.wish, found.recommended) == ("phone", "Q8_0")


def test_a_file_that_writes_no_text_is_said(tmp_path: Path, files: dict[str, bytes]) -> None:
    wrong = files["tiny.Q8_0.gguf"].replace(b"glm4", b"bert")
    with FakeHub({REPO: {"tiny.Q8_0.gguf": wrong}}) as hub:
        found = listed(services_at(hub, tmp_path))
    told = found.of("Q8_0")
    assert (told.word, told.plan, found.recommended) == ("cannot", None, None)
    assert told.headline is not None and "writes no text" in reasons.text(told.headline)


def test_the_header_that_tells_of_all() -> None:
    def of(*names: str):
        return offers(
            make_listing("hub", REPO, None, [RemoteFile(name, 10 + n) for n, name in enumerate(names)])
        )

    assert telling_offer(()) is None and telling_offer(of("model.safetensors")) is None
    assert telling_offer(of("a.Q8_0.gguf", "a.Q4_K_M.gguf", "a.F16.gguf")).id == "Q4_K_M"  # type: ignore[union-attr]
    assert telling_offer(of("a.F16.gguf", "a.F32.gguf", "model.safetensors")).id == "F16"  # type: ignore[union-attr]


def check_of(services, machine: Machine) -> CheckResult:
    return result(machine, planned(None, services), CheckOptions(), (), ())


def test_an_opened_variant_is_judged_by_its_own_header(tmp_path: Path, files: dict[str, bytes]) -> None:
    with FakeHub({REPO: files}) as hub:
        services = services_at(hub, tmp_path)
        check = check_of(services, made.made_rtx_4090())

        async def work():
            listing, found = await pull.repository_offers(services, REPO)
            first = await opening.open_repository(services, check, listing, found)
            offer = next(one for one in found if one.id == "Q8_0")
            return first, await opening.open_offer(services, check, listing, found, offer)

        first, second = in_loop(services, work())
    before, after = first.of("Q8_0").plan, second.of("Q8_0").plan
    assert before is not None and after is not None
    assert (before.basis.memory, after.basis.memory) == ("table", "header")


def test_a_variant_of_the_catalogue_is_opened(tmp_path: Path, files: dict[str, bytes]) -> None:
    """Its header is kept, the list plans from it, and the engine's dry run is there, too."""
    with FakeHub({GGML_ORG: {PHONE_FILE: files["tiny.Q4_K_M.gguf"]}}) as hub:
        services = services_at(hub, tmp_path)
        check = check_of(services, made.made_laptop(made.DDR4_DUAL))
        assert basis(model_list.list_models(services, check)) == "table"
        in_loop(services, opening.open_variant(services, check, "autoglm-phone-9b", "Q4_K_M"))
    assert (services.cache / "dry-runs.json").exists()
    assert basis(model_list.list_models(services, check)) == "dry_run"
    (services.cache / "dry-runs.json").unlink()
    assert basis(model_list.list_models(services, check)) == "header"


def basis(listed: model_list.ModelList) -> str:
    (plan,) = (one.plan for one in listed.catalogue[0].variants if one.id == "Q4_K_M")
    assert plan is not None
    return plan.basis.memory


def test_a_gate_is_one_sentence(tmp_path: Path, files: dict[str, bytes]) -> None:
    with FakeHub({GGML_ORG: {PHONE_FILE: files["tiny.Q4_K_M.gguf"]}}, [gated()]) as hub:
        services = services_at(hub, tmp_path)
        check = check_of(services, made.made_rtx_4090())
        with pytest.raises(AppError, match="gated"):
            in_loop(services, opening.open_variant(services, check, "autoglm-phone-9b", "Q4_K_M"))


@pytest.mark.parametrize(("value", "off"), [("1", True), ("on", True), ("", False), ("0", False)])
def test_the_hub_s_own_word_for_offline(value: str, off: bool) -> None:
    assert opening.offline({"HF_HUB_OFFLINE": value}) is off
    assert opening.offline({}) is False


def test_two_who_want_the_same_header_share_one_request(tmp_path: Path, files: dict[str, bytes]) -> None:
    name = "tiny.Q8_0.gguf"
    with FakeHub({REPO: files}) as hub:
        services = services_at(hub, tmp_path)
        alone = services_at(hub, tmp_path / "alone")
        in_loop(alone, fetch_header(alone, f"{REPO}:Q8_0"))
        once = len(hub.of(name))
        hub.forget()

        async def both():
            return await asyncio.gather(*(fetch_header(services, f"{REPO}:Q8_0") for _ in range(3)))

        first, *others = in_loop(services, both())
        assert all(one == first for one in others) and len(hub.of(name)) == once


def test_a_source_that_says_nothing_holds_nobody_up(tmp_path: Path, files: dict[str, bytes]) -> None:
    """The other hub has answered; the limit is not spent on waiting for the one that does not."""
    silent = FakeHub({REPO: files}, [Fault(Silence(), at="listing", times=None)])
    with silent as deaf, FakeHub({REPO: files}) as hub:
        services = services_at(hub, tmp_path, MODELSCOPE_ENDPOINT=deaf.url)
        (entry,) = in_loop(services, fetch_header(services, PullRequest(f"{REPO}:Q8_0").target))
    assert entry.variant == "Q8_0"
