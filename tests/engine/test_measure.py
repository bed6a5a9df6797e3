"""The job ``measure`` of real engines on tiny models: what is timed, what is refused, how it ends."""

import asyncio
import itertools
import math
from dataclasses import replace

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.core.cut_times import solve
from autoglm_desktop.core.cuts import plan_cuts
from autoglm_desktop.core.shapes import ModelShapes
from autoglm_desktop.store import gguf_tiny

from .jobs import ask

SMALL = ModelShapes(
    layers=6, embedding=256, feed_forward=864, vocabulary=2000, heads=4, kv_heads=2, head_dim=64,
    context=4096, rope_dims=32, rope_sections=(4, 6, 6, 0),
)  # fmt: skip


def measure(model, **values):
    return protocol.Measure("llama.cpp", str(model), **{"batch": 64, "rounds": 3, "limit_s": 20.0, **values})


def test_each_depth_has_a_decode_and_a_prefill(needs_llama, start_engine, tiny_model):
    # one thread: two wait for each other, for as long as another process has one of the cores
    measured, told = ask(start_engine(), measure(tiny_model, depths=(300, 0, 300), threads=1))
    assert isinstance(measured, protocol.Measured), measured
    assert [(p.kind, p.depth, p.tokens) for p in measured.points] == [
        ("decode", 0, 1), ("prefill", 0, 64), ("decode", 300, 1), ("prefill", 300, 64),
    ]  # fmt: skip
    for point in measured.points:
        assert 0 < point.least <= point.seconds and 1 <= point.rounds <= 3
    assert measured.points[0].least < measured.points[1].least, "64 tokens in the time of one"
    assert (measured.gpu_layers, measured.total_layers) == (0, 3)
    assert measured.threads and measured.build.startswith("llama-cpp-python")
    fractions = [event.fraction for event in told if event.phase == "warm_up"]
    assert fractions[-1] == 1.0 and len(fractions) >= 4


@pytest.mark.parametrize("extra", [True, False])
def test_options_threads_and_kv_type_are_those_of_a_load(needs_llama, start_engine, tiny_model, extra):
    options = protocol.EngineOptions(use_extra_bufts=extra)
    job = measure(tiny_model, options=options, threads=1, kv_type="q8_0")
    measured, _told = ask(start_engine(), job)
    assert isinstance(measured, protocol.Measured), measured
    assert measured.threads == 1


def test_a_limit_that_is_over_at_once_still_times_the_first_depth(needs_llama, start_engine, tiny_model):
    measured, _told = ask(start_engine(), measure(tiny_model, depths=(0, 2048), rounds=1000, limit_s=1e-6))
    assert [(p.kind, p.depth, p.rounds) for p in measured.points] == [("decode", 0, 1), ("prefill", 0, 1)]


def test_the_time_is_shared_out(needs_llama, tiny_model, monkeypatch):
    """In this process, by a made clock that ticks a second whenever it is looked at."""
    from autoglm_desktop.engine import measure as module

    clock = itertools.count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(clock)))
    job = measure(tiny_model, depths=(0, 64, 1 << 14), rounds=1000, limit_s=300.0)
    points = module.measure(job, lambda _phase, _fraction: None).points
    assert [point.depth for point in points[:4]] == [0, 0, 64, 64]
    assert 64 < points[4].depth == points[5].depth < 1 << 14, "as deep as the time allows"
    assert len(points) == 6 and all(1 <= point.rounds < 150 for point in points)
    assert next(clock) < 330


@pytest.mark.parametrize(
    "values",
    [
        {"rounds": 0}, {"rounds": -3}, {"rounds": 10**6}, {"batch": 0}, {"batch": 513}, {"depths": ()},
        {"depths": (-1,)},
        {"depths": (0, 1 << 40)}, {"limit_s": 0.0}, {"limit_s": -1.0}, {"limit_s": math.nan}, {"limit_s": math.inf},
        {"threads": 0}, {"threads": 10**6}, {"kv_type": "f64"}, {"device": "CUDA7"}, {"device": ""},
    ],
    ids=str,
)  # fmt: skip
def test_nonsense_is_refused(needs_llama, start_engine, tiny_model, values):
    engine = start_engine()
    failed, _told = ask(engine, measure(tiny_model, **values))
    assert isinstance(failed, protocol.Failed), failed
    assert failed.kind == "unsupported" and failed.message
    assert isinstance(ask(engine, measure(tiny_model))[0], protocol.Measured)


def test_layers_that_lie_on_no_gpu_are_no_measurement_of_one(needs_llama, start_engine, tiny_model):
    engine = start_engine()
    devices = engine.job(protocol.Devices("llama.cpp")).devices
    if not all(name.startswith("CPU") for name in devices):
        pytest.skip(f"this build has a GPU: {devices}")
    assert ask(engine, measure(tiny_model, gpu_layers=-1))[0].kind == "not_proven"
    assert ask(engine, measure(tiny_model, gpu_layers=-1, device=devices[0]))[0].kind == "unsupported"
    assert isinstance(ask(engine, measure(tiny_model, device=devices[0]))[0], protocol.Measured)
    assert isinstance(ask(engine, measure(tiny_model, device="CPU"))[0], protocol.Measured)


@pytest.mark.parametrize("damage", ["truncated", "no_gguf", "missing"])
def test_bad_files(needs_llama, start_engine, tiny_model, tmp_path, damage):
    path = tmp_path / "bad.gguf"
    if damage != "missing":
        data = tiny_model.read_bytes()
        path.write_bytes(data[: len(data) // 2] if damage == "truncated" else b"nothing" * 99)
    failed, _told = ask(start_engine(), measure(path))
    assert isinstance(failed, protocol.Failed) and failed.kind == "bad_file"


def test_a_loaded_model_makes_room(needs_llama, engine, tiny_model):
    assert isinstance(ask(engine, measure(tiny_model))[0], protocol.Measured)
    assert engine.ask("hello")[1].kind == "unsupported"
    assert isinstance(engine.job(protocol.Load("llama.cpp", str(tiny_model), 512)), protocol.Ready)


def test_closing_the_engine_ends_it_in_the_middle(needs_llama, start_engine, tiny_model):
    engine = start_engine()

    async def begin_and_close():
        await engine.process._send(measure(tiny_model, depths=(0, 1 << 16), rounds=1000, limit_s=3600.0))
        while (await engine.process._next(None)).phase != "warm_up":
            pass
        await engine.process.close()
        return engine.process.exit

    ended = engine.loop.run_until_complete(asyncio.wait_for(begin_and_close(), 30))
    assert ended is not None and ended.kind is None, "killed, or died"


@pytest.mark.parametrize("architecture", ["glm4", "chatglm", "qwen3"])
def test_cuts_of_each_architecture_run_and_are_solved(needs_llama, start_engine, tmp_path, architecture):
    shapes = SMALL
    if architecture != "glm4":
        tied = architecture == "qwen3"
        shapes = replace(SMALL, architecture=architecture, rope_dims=64, rope_sections=None, tied=tied)
    cuts = plan_cuts(shapes, "Q4_K_M", disk_limit=60_000_000)
    engine, times = start_engine(), {}
    for cut in cuts.files:
        path = tmp_path / f"{cut.name} 切.gguf"
        assert gguf_tiny.write_cut(path, cut.shapes, dict(cut.types), "Q4_K_M") == path.stat().st_size
        answer, _told = ask(engine, measure(path, depths=cut.depths, rounds=20))
        assert isinstance(answer, protocol.Measured), answer
        assert answer.total_layers == cut.shapes.layers + 1
        times[cut.name] = [answer]
    assert [point.depth for point in times["attention"][0].points] == [0, 0, 4096, 4096]
    speed = solve(cuts, "cpu", times)
    if speed is not None:  # a noisy machine may contradict itself
        assert speed.decode_s(6, 0) > 0 and speed.prefill_s(6, 512) > 0
