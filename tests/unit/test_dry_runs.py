"""Dry runs of plans that fit: asked for once, kept, never in the way. The engine is a fake one."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.machine import Gpu, Machine
from autoglm_desktop.core.protocol import Layout
from autoglm_desktop.core.rungs import ModelPlan, RungPlan
from autoglm_desktop.store import gguf
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.headers import Cached
from autoglm_desktop.usecases.check import CheckOptions, run_check
from autoglm_desktop.usecases.dry_runs import (
    dry_runs,
    dry_runs_of_files,
    head_of_file,
    heads_of_model,
    layouts,
)
from tests.fakes.fake_engine import KV_BYTES_PER_TOKEN
from tests.fakes.fake_services import made_services, plan

LAYOUTS = (Layout(4096), Layout(8192, "q8_0"))
TOLD = {"kv_cache": KV_BYTES_PER_TOKEN * 4096, "compute": 160_000_000}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "模型 tiny.gguf"
    write_tiny_glm4(path)
    return path


def ask(services, path: Path, laid=LAYOUTS, **more):
    wanted = [({"Q8_0": head_of_file(path)}, {"Q8_0": laid})]
    return asyncio.run(dry_runs(services, wanted, **more))[0]


def of(*rows: RungPlan) -> ModelPlan:
    return ModelPlan("made", "text", "runs", None, None, None, rows)  # type: ignore[arg-type]


def test_what_the_engine_tells_is_kept(tmp_path: Path, tiny: Path) -> None:
    services = made_services(tmp_path / "家")
    told = ask(services, tiny)
    assert set(told) == {("Q8_0", layout) for layout in LAYOUTS}
    assert told["Q8_0", LAYOUTS[0]] == {"ram": TOLD}
    assert [path.name for path in services.cache.iterdir()] == ["dry-runs.json"]
    deaf = made_services(tmp_path / "家", "hang")
    assert ask(deaf, tiny) == told, "no engine was asked again"
    moved = tmp_path / "another name.gguf"
    shutil.copy(tiny, moved)
    assert ask(deaf, moved) == told
    assert not ask(deaf, tiny, (Layout(512),), limit_s=0.2)


def test_another_build_is_asked_anew(tmp_path: Path, tiny: Path) -> None:
    services = made_services(tmp_path / "home")
    assert ask(services, tiny)
    (one,) = services.environments.installed()
    services.environments.write(replace(one.record, version="0.3.99"), own=False)
    deaf = replace(services, command=made_services(tmp_path / "other", "hang").command)
    assert not ask(deaf, tiny, limit_s=0.2)


@pytest.mark.parametrize("mode", ["crash-load", "bad-file"])
def test_an_engine_that_fails_is_not_asked_again(tmp_path: Path, tiny: Path, mode: str) -> None:
    services = made_services(tmp_path / "home", mode)
    assert ask(services, tiny) == {}

    async def never(environment):
        raise AssertionError("asked again")

    assert ask(services, tiny, start=never) == {}


def test_an_engine_that_does_not_start_changes_nothing(tmp_path: Path, tiny: Path) -> None:
    services = made_services(tmp_path / "home")

    async def broken(environment):
        raise EngineError("engine_start_failed", command="x", detail="y")

    assert ask(services, tiny, start=broken) == {}
    assert not (services.cache / "dry-runs.json").exists()
    assert ask(services, tiny)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"told": [1]}', '{"told": {"a": {"ram": 7}}}', '{"told": {"a": {"ram": {"x": -1}}}}']
)  # fmt: skip
def test_a_damaged_file_counts_as_empty(tmp_path: Path, tiny: Path, content: str) -> None:
    services = made_services(tmp_path / "home")
    services.cache.mkdir(parents=True)
    (services.cache / "dry-runs.json").write_text(content, encoding="utf-8")
    assert ask(services, tiny)
    assert len(json.loads((services.cache / "dry-runs.json").read_text("utf-8"))["told"]) == len(LAYOUTS)


def test_a_cache_that_cannot_be_made_changes_nothing(tmp_path: Path, tiny: Path) -> None:
    services = made_services(tmp_path / "home")
    services.cache.write_text("a file where the folder would be")
    assert ask(services, tiny) == {}


def test_without_an_engine_nothing_is_told(tmp_path: Path, tiny: Path) -> None:
    services = made_services(tmp_path / "home")
    (one,) = services.environments.installed()
    services.environments.write(replace(one.record, self_test="failed"), own=False)
    assert ask(services, tiny) == {}
    assert not services.cache.exists()


def test_layouts_of_the_plans_that_fit() -> None:
    fits = plan("gguf-cpu")
    ladder = of(
        replace(fits, variant="Q8_0", gpu_layers=0),
        replace(fits, rung="gguf-cpu-safe", variant="Q8_0", gpu_layers=0),
        replace(fits, rung="gguf-gpu", variant="Q4_K_M", gpu_layers=41, kv_type="q8_0"),
        replace(fits, rung="gguf-split", variant="Q6_K", status="too_big"),
        replace(fits, rung="transformers-nf4", variant="safetensors"),
    )
    card = Gpu(0, "nvidia", "made")
    assert layouts(ladder, Machine(gpus=(card,))) == {
        "Q8_0": (Layout(4096),),
        "Q4_K_M": (Layout(4096, "q8_0", 41),),
    }
    two = Machine(gpus=(card, replace(card, index=1)))
    assert layouts(ladder, two) == {"Q8_0": (Layout(4096),)}, "an engine may count the cards otherwise"


def test_layers_on_a_card_need_an_engine_with_cards(tmp_path: Path, tiny: Path) -> None:
    services = made_services(tmp_path / "home")
    assert ask(services, tiny, (Layout(4096, gpu_layers=41),)) == {}


def test_a_kept_header_will_do(tmp_path: Path, tiny: Path) -> None:
    services = made_services(tmp_path / "home")
    model = services.library.catalog.models[0]
    variant = next(one for one in model.variants if one.id == "Q4_K_M")
    header = gguf.read_header(tiny)
    entry = Cached(
        variant.sources[0].repo, "x.gguf", "a" * 40, "Q4_K_M", header.file_size, header.data_offset
    )
    services.headers.add(entry, tiny.read_bytes()[: header.data_offset])
    heads = heads_of_model(services, model, ("Q4_K_M", "Q8_0"))
    assert {name: head.kept.repo for name, head in heads.items() if head.kept} == {"Q4_K_M": entry.repo}
    (told,) = asyncio.run(dry_runs(services, [(heads, {"Q4_K_M": LAYOUTS, "Q8_0": LAYOUTS})]))
    assert set(told) == {("Q4_K_M", layout) for layout in LAYOUTS}
    assert not list(services.cache.glob("dry-run-*"))


def test_a_check_and_a_plan_use_it(tmp_path: Path, tiny: Path) -> None:
    services = made_services(tmp_path / "home")
    found = asyncio.run(run_check(services, CheckOptions(str(tiny), context=4096)))
    row = found.models[0].rung("gguf-cpu")
    assert row.basis.memory == "dry_run" and row.memory["ram"].compute == 160_000_000
    plan = found.models[0]
    told = asyncio.run(dry_runs_of_files(services, found.machine, {row.variant or "": tiny}, plan))
    assert {layout.context for _variant, layout in told} == {4096}
