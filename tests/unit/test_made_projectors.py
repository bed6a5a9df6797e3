"""Vision parts made smaller here: when they are made, where they lie, that they are listed and go with their model."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core import gguf_names
from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.core.gguf_projector import made_from
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.store import gguf_projector
from autoglm_desktop.store.gguf import read_header
from autoglm_desktop.usecases import local_subject, made_projectors, on_disk, plan
from autoglm_desktop.usecases.local_subject import LocalSubject
from tests.fakes.fake_services import made_services
from tests.fakes.made_glm4v import write_projector, write_text


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "家 home")


@pytest.fixture
def folder(services):
    found = services.library.models / "owner" / "repo"
    found.mkdir(parents=True)
    write_text(found / "made-Q4_K_M.gguf")
    write_projector(found / "mmproj-made-F16.gguf")
    return found


def ready(services, path, kind="q8_0", report=lambda _fraction: None):
    return asyncio.run(made_projectors.ready(services, path, kind, report))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["f16", None])
def test_nothing_is_made_unless_it_is_wanted(services, folder, kind):
    source = folder / "mmproj-made-F16.gguf"
    assert ready(services, source, kind) == source
    assert names(folder) == ["made-Q4_K_M.gguf", "mmproj-made-F16.gguf"]


def test_it_is_made_once_and_lies_beside_its_source(services, folder):
    source, seen = folder / "mmproj-made-F16.gguf", []
    made = ready(services, source, report=seen.append)
    assert made == folder / "mmproj-made-Q8_0.gguf" and seen[-1] == 1.0
    before = made.stat().st_mtime_ns
    assert ready(services, source) == made and made.stat().st_mtime_ns == before
    assert ready(services, made) == made, "it is small already"
    assert names(folder) == ["made-Q4_K_M.gguf", "mmproj-made-F16.gguf", "mmproj-made-Q8_0.gguf"]


def test_one_of_an_older_file_or_a_damaged_one_is_made_afresh(services, folder):
    source = folder / "mmproj-made-F16.gguf"
    made = ready(services, source)
    write_projector(source, weight_type="F32")
    assert made_from(read_header(ready(services, source))) == f"{source.name} {source.stat().st_size}"
    made.write_bytes(b"GGUF damaged")
    assert made_from(read_header(ready(services, source))) is not None


def test_the_model_keeps_its_16_bit_vision_part(services, folder):
    ready(services, folder / "mmproj-made-F16.gguf")
    (local,) = services.library.files()
    assert local.projector == folder / "mmproj-made-F16.gguf"


def test_another_programs_folder_is_not_written_to(services, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    source = write_projector(other / "mmproj.gguf")
    made = ready(services, source)
    assert made.name == "mmproj-Q8_0.gguf" and made.is_relative_to(services.library.models / "made")
    assert names(other) == ["mmproj.gguf"]


def test_what_was_made_is_listed_and_can_be_removed(services, folder):
    assert made_projectors.made(services.library) == ()
    made = ready(services, folder / "mmproj-made-F16.gguf")
    (found,) = made_projectors.made(services.library)
    assert (found.path, found.source) == (made, "mmproj-made-F16.gguf")
    assert found.size_bytes == made.stat().st_size
    going = asyncio.run(on_disk.removal(services, made))
    assert going.files == (made,)
    asyncio.run(on_disk.remove(services, going))
    assert names(folder) == ["made-Q4_K_M.gguf", "mmproj-made-F16.gguf"]
    assert made_projectors.made(services.library) == ()


def test_it_goes_with_its_model(services, folder):
    made = ready(services, folder / "mmproj-made-F16.gguf")
    going = asyncio.run(on_disk.removal(services, folder / "made-Q4_K_M.gguf"))
    assert made in going.files and folder / "mmproj-made-F16.gguf" in going.files
    asyncio.run(on_disk.remove(services, going))
    assert not folder.exists()


def test_a_q8_0_file_that_somebody_else_made_is_not_ours(services, folder):
    write_projector(folder / "mmproj-other-Q8_0.gguf", weight_type="Q8_0")
    assert made_projectors.made(services.library) == ()


def test_another_kind_is_refused(services, folder):
    source = write_projector(folder / "mmproj-vl-F16.gguf", kind="internvl")
    with pytest.raises(TargetError) as caught:
        ready(services, source)
    assert caught.value.code == "projector_not_convertible"
    assert "mmproj-vl-Q8_0.gguf" not in names(folder)


def test_cancelling_leaves_nothing(services, folder, monkeypatch):
    source, release = folder / "mmproj-made-F16.gguf", threading.Event()
    convert = gguf_projector.quantise_rows

    async def cancelled():
        begun, loop = asyncio.Event(), asyncio.get_running_loop()

        def held(*values):
            loop.call_soon_threadsafe(begun.set)
            release.wait(30)
            return convert(*values)

        monkeypatch.setattr(gguf_projector, "quantise_rows", held)
        task = asyncio.ensure_future(made_projectors.ready(services, source, "q8_0"))
        await asyncio.wait_for(begun.wait(), 30)
        task.cancel()
        loop.call_soon(release.set)  # after the task has heard of it
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert names(folder) == ["made-Q4_K_M.gguf", "mmproj-made-F16.gguf"]


def test_two_that_want_it_at_once_make_it_once(services, folder):
    source = folder / "mmproj-made-F16.gguf"

    async def both():
        one = replace(services)
        return await asyncio.gather(*(made_projectors.ready(s, source, "q8_0") for s in (services, one)))

    first, second = asyncio.run(both())
    assert first == second and first.is_file()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mmproj-made-F16", "mmproj-made-Q8_0"),
        ("mmproj-model-fp16", "mmproj-model-Q8_0"),
        ("AutoGLM-Phone-9B-mmproj", "AutoGLM-Phone-9B-mmproj-Q8_0"),
        ("Q4_K_M-mmproj-bf16", "Q4_K_M-mmproj-Q8_0"),
    ],
)
def test_the_name_tells_the_type(name, expected):
    assert gguf_names.with_type(name, "Q8_0") == expected
    assert gguf_names.parse(f"{expected}.gguf").type == "Q8_0"
    assert Path(expected).name == expected


def test_files_of_one_model_share_its_vision_part(services, folder):
    """The plan counts with it for each of them, wherever it lies."""
    other = services.library.models / "owner" / "other" / "made-Q8_0.gguf"
    other.parent.mkdir()
    write_text(other)
    parts = [
        local_subject.of_local_file(services.library, services.library.at(path), "made")
        for path in (folder / "made-Q4_K_M.gguf", other)
    ]
    first, second = (
        replace(part.subject.gguf[0], variant=name) for part, name in zip(parts, "ab", strict=True)
    )
    both = local_subject.together([
        LocalSubject(replace(part.subject, gguf=(weights,)), {weights.variant: next(iter(part.files.values()))})
        for part, weights in zip(parts, (first, second), strict=True)
    ])  # fmt: skip
    assert both.subject.projector is not None
    wanted = RungPlan("gguf-cpu", variant="b", projector="cpu", projector_type="f16")
    assert plan._files(both, wanted).projector == folder / "mmproj-made-F16.gguf"
    assert plan._files(both, replace(wanted, projector="none")).projector is None
