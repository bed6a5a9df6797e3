"""The dry run of real engines: its figures are those of a load, and no file makes it die."""

from dataclasses import replace

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.core.known_shapes import GLM_EDGE_1_5B, QWEN3_0_6B
from autoglm_desktop.core.quantise import tensor_types
from autoglm_desktop.core.shapes import AUTOGLM_PHONE_9B, text_shapes
from autoglm_desktop.store import gguf, gguf_tiny, sparse

from .jobs import ask

LAYOUTS = (
    protocol.Layout(256),
    protocol.Layout(1000),
    protocol.Layout(1024, "q8_0"),
    protocol.Layout(8192),
)
MIB = 2**20


def narrow(shapes):
    """The model with fewer and narrower layers."""
    sections = (4, 6, 6, 0) if shapes.rope_sections else None
    return replace(shapes, layers=3, embedding=256, feed_forward=864, vocabulary=700, heads=4, kv_heads=2, head_dim=64,
                   rope_dims=32 if sections else 64, rope_sections=sections)  # fmt: skip


def write(path, shapes, ftype="Q4_K_M"):
    types = {name: kind.name for name, kind in tensor_types(text_shapes(shapes), ftype).items()}
    gguf_tiny.write_cut(path, shapes, types, ftype)
    return path


def head_of(path, target):
    """A file as long, of which only the header is there."""
    sparse.copy_head(path, target, gguf.read_header(path).data_offset)
    return target


@pytest.mark.parametrize(
    "shapes", [AUTOGLM_PHONE_9B, GLM_EDGE_1_5B, QWEN3_0_6B], ids=lambda s: s.architecture
)
def test_the_figures_are_those_of_a_load(needs_llama, start_engine, tmp_path, shapes):
    path = write(tmp_path / "整个 model.gguf", narrow(shapes))
    head = head_of(path, tmp_path / "head 头.gguf")
    assert head.stat().st_size == path.stat().st_size
    engine = start_engine()
    sizes, _told = ask(engine, protocol.DryRun("llama.cpp", str(head), LAYOUTS))
    assert isinstance(sizes, protocol.Sizes), sizes
    assert [found.layout for found in sizes.sizes] == list(LAYOUTS)
    for found in sizes.sizes:
        job = protocol.Load("llama.cpp", str(path), found.layout.context, kv_type=found.layout.kv_type)
        proof = engine.job(job).proof
        assert set(found.memory) == {"ram"}
        for cause in ("kv_cache", "compute"):
            # llama.cpp's log rounds each buffer to 0.01 MiB
            assert found.memory["ram"][cause] == pytest.approx(proof.memory["ram"][cause], abs=0.011 * MIB)
        assert found.memory["ram"]["kv_cache"] > 0.05 * MIB and found.memory["ram"]["compute"] > MIB


def test_a_real_file_with_its_weights_will_do(needs_llama, start_engine, tiny_model):
    sizes, _told = ask(start_engine(), protocol.DryRun("llama.cpp", str(tiny_model), LAYOUTS[:1]))
    assert isinstance(sizes, protocol.Sizes)
    assert sizes.build.startswith("llama-cpp-python")


def test_the_same_layout_twice_is_answered_twice(needs_llama, start_engine, tiny_model):
    layouts = (LAYOUTS[0], LAYOUTS[3], LAYOUTS[0])
    sizes, _told = ask(start_engine(), protocol.DryRun("llama.cpp", str(tiny_model), layouts))
    assert [found.layout for found in sizes.sizes] == list(layouts)
    assert sizes.sizes[0] == sizes.sizes[2] != sizes.sizes[1]


def test_layers_on_a_gpu_that_is_not_there_are_laid_out_in_ram(needs_llama, start_engine, tiny_model):
    devices = start_engine().job(protocol.Devices("llama.cpp")).devices
    if not all(name.startswith("CPU") for name in devices):
        pytest.skip(f"this build has a GPU: {devices}")
    layouts = tuple(protocol.Layout(1024, gpu_layers=layers) for layers in (-1, 0, 2))
    sizes, _told = ask(start_engine(), protocol.DryRun("llama.cpp", str(tiny_model), layouts))
    assert [set(found.memory) for found in sizes.sizes] == [{"ram"}] * 3


@pytest.mark.parametrize(
    "damage", ["header_only", "half_a_header", "no_gguf", "empty", "missing", "a_folder"]
)
def test_bad_files_fail_and_the_engine_goes_on(needs_llama, start_engine, tiny_model, tmp_path, damage):
    path = tmp_path / "bad.gguf"
    header = gguf.read_header(tiny_model).data_offset
    data = tiny_model.read_bytes()
    contents = {
        "header_only": data[:header],
        "half_a_header": data[: header // 2],
        "no_gguf": b"x" * 999,
        "empty": b"",
    }
    if damage in contents:
        path.write_bytes(contents[damage])
    elif damage == "a_folder":
        path.mkdir()
    engine = start_engine()
    failed, _told = ask(engine, protocol.DryRun("llama.cpp", str(path), LAYOUTS))
    assert isinstance(failed, protocol.Failed)
    assert failed.kind == "bad_file" and failed.message and failed.id is None
    again, _told = ask(engine, protocol.DryRun("llama.cpp", str(tiny_model), LAYOUTS))
    assert isinstance(again, protocol.Sizes)


@pytest.mark.parametrize(
    "layout",
    [
        protocol.Layout(0),
        protocol.Layout(-5),
        protocol.Layout(2**32 + 256),
        protocol.Layout(10**30),
        protocol.Layout(1024, "q3_7"),
    ],
    ids=str,
)
def test_absurd_layouts_are_refused(needs_llama, start_engine, tiny_model, layout):
    engine = start_engine()
    failed, _told = ask(engine, protocol.DryRun("llama.cpp", str(tiny_model), (LAYOUTS[0], layout)))
    assert isinstance(failed, protocol.Failed) and failed.kind == "unsupported"
    assert isinstance(ask(engine, protocol.DryRun("llama.cpp", str(tiny_model), LAYOUTS))[0], protocol.Sizes)


def test_a_context_that_no_memory_could_hold_is_only_planned(needs_llama, start_engine, tiny_model):
    sizes, _told = ask(
        start_engine(), protocol.DryRun("llama.cpp", str(tiny_model), (protocol.Layout(1 << 23),))
    )
    expected = (1 << 23) * 2 * 2 * 2 * 64 * 2  # layers, K and V, heads, elements, bytes
    assert sizes.sizes[0].memory["ram"]["kv_cache"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("job", [("llama.cpp", ()), ("nonsense", LAYOUTS)])
def test_no_layouts_and_other_backends_are_refused(needs_llama, start_engine, tiny_model, job):
    backend, layouts = job
    failed, _told = ask(start_engine(), protocol.DryRun(backend, str(tiny_model), layouts))
    assert isinstance(failed, protocol.Failed) and failed.kind == "unsupported"
