"""The Q8_0 vision part made from the one in 16 bits: read back, value by value. made_ files of tiny shapes."""

import numpy as np
import pytest

from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.core.gguf_projector import MADE_FROM, made_from, origin, quantised_bytes
from autoglm_desktop.core.gguf_vision import missing_part
from autoglm_desktop.store import gguf_projector
from autoglm_desktop.store.gguf import read_header
from tests.fakes.made_glm4v import write_projector, write_text

LINEAR = {
    *(f"v.blk.{n}.{p}.weight" for n in (0, 1) for p in ("attn_qkv", "attn_out", "ffn_gate", "ffn_up", "ffn_down")),
    "mm.model.fc.weight", "mm.gate.weight", "mm.up.weight", "mm.down.weight",
}  # fmt: skip


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "模型 models"
    folder.mkdir()
    return write_projector(folder / "mmproj-made-F16.gguf")


def raw(path, header, tensor):
    with path.open("rb") as file:
        file.seek(header.data_offset + tensor.offset)
        return file.read(tensor.size)


def floats(kind, data):
    if kind == "Q8_0":
        blocks = np.frombuffer(data, np.uint8).reshape(-1, 34)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        return (scale * blocks[:, 2:].view(np.int8).astype(np.float32)).reshape(-1)
    return np.frombuffer(data, {"F16": "<f2", "F32": "<f4"}[kind]).astype(np.float32)


def test_linear_layers_become_q8_0_and_nothing_else(source):
    target = source.with_name("mmproj-made-Q8_0.gguf")
    size = gguf_projector.write_q8_0(source, target)
    before, after = read_header(source), read_header(target)
    assert size == target.stat().st_size < source.stat().st_size
    assert [t.name for t in after.tensors] == [t.name for t in before.tensors]
    assert {t.name for t in after.tensors if t.type.name == "Q8_0"} == LINEAR
    assert after.tensor_bytes == quantised_bytes(before)
    assert missing_part(after) is None, "llama.cpp can use it as it can use the other"
    for tensor in after.tensors:
        old = before.tensor(tensor.name)
        assert tensor.shape == old.shape
        if tensor.name not in LINEAR:
            assert raw(target, after, tensor) == raw(source, before, old)


def test_values_are_within_half_a_step(source):
    """A step is the block's largest value ÷ 127; its scale is rounded to 16 bits (2**-11)."""
    target = source.with_name("q8.gguf")
    gguf_projector.write_q8_0(source, target)
    before, after = read_header(source), read_header(target)
    for name in LINEAR:
        old = floats("F16", raw(source, before, before.tensor(name))).reshape(-1, 32)
        new = floats("Q8_0", raw(target, after, after.tensor(name))).reshape(-1, 32)
        step = np.abs(old).max(1, keepdims=True) / 127
        assert np.all(np.abs(new - old) <= step * (0.5 + 127 * 2**-11) + 1e-7)
        assert np.abs(new - old).max() > 0, "it is quantised"


def test_metadata_is_kept_in_type_and_value(source):
    target = source.with_name("q8.gguf")
    gguf_projector.write_q8_0(source, target)
    before, after = read_header(source), read_header(target)
    added = {"general.file_type": 7, MADE_FROM: f"{source.name} {source.stat().st_size}"}
    assert dict(after.metadata) == {**before.metadata, **added}
    assert made_from(after) == origin(before)
    assert made_from(before) is None
    start = source.read_bytes().index(b"clip.vision.image_mean")
    value = source.read_bytes()[start : start + 22 + 16 + 12]  # key, kinds, count, three floats
    assert value in target.read_bytes()


@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_the_size_is_known_before(tmp_path, kind):
    path = write_projector(tmp_path / "a.gguf", weight_type=kind)
    gguf_projector.write_q8_0(path, tmp_path / "b.gguf")
    assert quantised_bytes(read_header(path)) == read_header(tmp_path / "b.gguf").tensor_bytes


@pytest.mark.parametrize("made", ["another kind", "quantised", "text"])
def test_what_cannot_be_made_smaller_is_refused(tmp_path, made):
    path = tmp_path / "a.gguf"
    if made == "text":
        write_text(path)
    else:
        write_projector(path, **({"kind": "internvl"} if made == "another kind" else {"weight_type": "Q8_0"}))
    assert quantised_bytes(read_header(path)) is None
    with pytest.raises(TargetError) as caught:
        gguf_projector.write_q8_0(path, tmp_path / "b.gguf")
    assert caught.value.code == "projector_not_convertible" and not (tmp_path / "b.gguf").exists()


def test_a_full_disk_is_said_before(source):
    with pytest.raises(AppError) as caught:
        gguf_projector.write_q8_0(source, source.with_name("b.gguf"), free_bytes=lambda _folder: 1000)
    assert caught.value.code == "disk_full" and caught.value.values["free"] == 1000
    assert [path.name for path in source.parent.iterdir()] == [source.name]


def test_a_stop_leaves_nothing(source):
    class Stopped(Exception):
        pass

    seen = []

    def report(fraction):
        seen.append(fraction)
        if fraction > 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        gguf_projector.write_q8_0(source, source.with_name("b.gguf"), report)
    assert seen == sorted(seen) and [path.name for path in source.parent.iterdir()] == [source.name]


def test_a_file_that_became_shorter_leaves_nothing(source):
    header = read_header(source)
    last = header.tensors[-1]

    def report(_fraction):
        with source.open("r+b") as file:
            file.truncate(header.data_offset + last.offset)

    with pytest.raises(TargetError) as caught:
        gguf_projector.write_q8_0(source, source.with_name("b.gguf"), report)
    assert caught.value.code == "gguf_truncated"
    assert [path.name for path in source.parent.iterdir()] == [source.name]


def test_large_tensors_are_done_in_pieces(source, monkeypatch):
    whole, pieces = source.with_name("whole.gguf"), source.with_name("pieces.gguf")
    gguf_projector.write_q8_0(source, whole)
    monkeypatch.setattr(gguf_projector, "PIECE", 96)
    gguf_projector.write_q8_0(source, pieces)
    assert whole.read_bytes() == pieces.read_bytes()
