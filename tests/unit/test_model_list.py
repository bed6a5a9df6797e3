"""What the Models page lists: files and variants, judged for a machine."""

import asyncio
from dataclasses import replace

import pytest

from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.store import settings
from autoglm_desktop.store.elsewhere import Elsewhere
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.usecases import model_list
from autoglm_desktop.usecases.check import CheckOptions, run_check
from tests.fakes import made_machines as made
from tests.fakes.fake_downloads import keep_header
from tests.fakes.fake_services import made_services as with_engine
from tests.fakes.made_models import write_folder, write_unfinished
from tests.gui.made_checks import made_check, made_services


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "数据 home")


def entry(listed, variant, model=0):
    return next(found for found in listed.catalogue[model].variants if found.id == variant)


def test_without_a_check_the_catalogue_has_sizes_and_no_verdicts(services):
    listed = model_list.list_models(services, None)
    assert [found.model.id for found in listed.catalogue][:3] == [
        "autoglm-phone-9b",
        "autoglm-phone-9b-multilingual",
        "glm-4.1v-9b-thinking",
    ]
    variants = [v for found in listed.catalogue for v in found.variants]
    assert all(v.plan is None and v.verdict is None and v.bytes for v in variants)
    assert [found.wish for found in listed.catalogue] == ["phone", "phone", *["text"] * 5]
    assert listed.files == ()


def test_every_variant_is_judged_on_its_own(services):
    listed = model_list.list_models(services, made_check(made.made_rtx_4060(), services))
    assert entry(listed, "Q8_0").plan.rung == "gguf-split"
    assert entry(listed, "safetensors").plan.status == "too_big"
    assert entry(listed, "safetensors").plan.rung.startswith("transformers")
    listed = model_list.list_models(services, made_check(made.made_rtx_4090(), services))
    assert {v.verdict for v in listed.catalogue[0].variants if v.gguf} == {"runs_well"}
    assert listed.catalogue[0].recommended == "Q8_0"


def test_the_nearest_way_tells_why_a_variant_is_too_big(services):
    listed = model_list.list_models(services, made_check(made.made_small(), services))
    assert entry(listed, "Q8_0").plan.status == "too_big"
    assert entry(listed, "Q8_0").plan.reason.code == "ram_short"
    assert entry(listed, "Q8_0").verdict is None


def test_files_of_the_folder_and_added_ones(services, tmp_path):
    services.library.models.mkdir(parents=True)
    write_tiny_glm4(services.library.models / "inside.gguf")
    write_tiny_glm4(tmp_path / "outside 模型.gguf")
    model_list.add_file(services, tmp_path / "outside 模型.gguf")
    (services.library.models / "bad.gguf").write_bytes(b"GGUF, but not really")
    listed = model_list.list_models(services, made_check(made.made_laptop(made.DDR4_DUAL), services))
    found = {file.local.path.name: file for file in listed.files}
    assert set(found) == {"inside.gguf", "outside 模型.gguf", "bad.gguf"}
    assert found["outside 模型.gguf"].removable and not found["inside.gguf"].removable
    assert found["inside.gguf"].plan.verdict == "runs_well"
    assert found["bad.gguf"].plan is None and found["bad.gguf"].refusal is not None


def test_a_file_that_is_refused_is_not_remembered(services, tmp_path):
    (tmp_path / "no.gguf").write_bytes(b"no GGUF at all, whatever its name says")
    for path, code in ((tmp_path / "no.gguf", "gguf_not_a_gguf"), (tmp_path / "gone.gguf", "file_not_found"),
                       (tmp_path, "import_needs_a_file")):  # fmt: skip
        with pytest.raises(TargetError) as refused:
            model_list.add_file(services, path)
        assert refused.value.code == code
    assert model_list.list_models(services, None).files == ()


def test_the_folder_for_models_is_made_or_refused(services, tmp_path):
    folder = model_list.make_folder(services)
    assert folder.is_dir()
    (tmp_path / "a file").write_text("in the way")
    with pytest.raises(AppError) as refused:
        model_list.make_folder(made_services(tmp_path / "a file" / "home"))
    assert refused.value.code == "folder_not_writable"


def test_other_programs_files_are_listed_and_not_removable(services, tmp_path):
    path = tmp_path / "person" / ".lmstudio" / "models" / "made" / "repo" / "x.gguf"
    path.parent.mkdir(parents=True)
    write_tiny_glm4(path)
    services.library.elsewhere = Elsewhere(tmp_path / "person", {}, "linux", shared=())
    (file,) = model_list.list_models(services, None).files
    assert (file.local.place, file.local.repo, file.removable) == ("lmstudio", "made/repo", False)


def test_a_safetensors_folder_counts_as_installed_and_waits_for_its_engine(services):
    write_folder(services.library.models / "zai-org" / "AutoGLM-Phone-9B")
    check = made_check(made.made_rtx_4090(), services)
    listed = model_list.list_models(services, check)
    assert entry(listed, "safetensors").installed and not entry(listed, "Q4_K_M").installed
    assert [file.refusal for file in listed.files] == [None]
    assert [file.plan.headline.code for file in listed.files] == ["fits_speed_unmeasured"]
    row = check.models[0].rung("transformers-16bit")
    assert (row.installed, row.engine_installed, check.models[0].chosen) == (True, False, None)


def test_downloads_that_have_begun_are_told(services):
    write_unfinished(services.library.models / "made" / "repo" / "x-Q4_K_M.gguf")
    listed = model_list.list_models(services, None)
    assert listed.files == () and [item.done_bytes for item in listed.unfinished] == [100]


def test_a_folder_that_is_gone_is_said_and_not_made(services, tmp_path):
    settings.update(services.home, models_folder=str(tmp_path / "usb" / "models"))
    listed = model_list.list_models(services, None)
    assert listed.folder_gone and listed.folder == tmp_path / "usb" / "models" and listed.files == ()
    with pytest.raises(AppError, match="models_folder_gone"):
        model_list.make_folder(services)
    assert not (tmp_path / "usb").exists()


def test_the_list_says_the_same_bytes_as_the_check(tmp_path):
    """A kept header, and buffers that an engine told the check: no engine is asked again."""
    services = with_engine(tmp_path / "home")
    model = services.library.catalog.model("qwen3-0.6b")
    write_tiny_glm4(tmp_path / "made.gguf", weight_type="Q8_0")
    keep_header(services, model.variant("Q8_0").sources[0].repo, "Q8_0", tmp_path / "made.gguf")
    whole = asyncio.run(run_check(services, CheckOptions()))
    named = asyncio.run(run_check(services, CheckOptions(target="qwen3-0.6b", variant="Q8_0")))
    deaf = replace(services, command=with_engine(tmp_path / "other", "hang").command)
    told = next(
        found for found in model_list.list_models(deaf, whole).catalogue if found.model.id == model.id
    )
    plan = next(found.plan for found in told.variants if found.id == "Q8_0")
    row = named.models[0].rung(plan.rung)
    assert row.basis.memory == plan.basis.memory == "dry_run"
    assert (row.memory["ram"].total, row.context, row.kv_type) == (
        plan.memory["ram"].total,
        plan.context,
        plan.kv_type,
    )
    assert row.memory["ram"].compute == plan.memory["ram"].compute


def test_a_file_says_the_same_bytes_as_its_check(tmp_path):
    services = with_engine(tmp_path / "home")
    services.library.models.mkdir(parents=True)
    path = services.library.models / "made.gguf"
    write_tiny_glm4(path)
    before = asyncio.run(run_check(services, CheckOptions()))
    (file,) = model_list.list_models(services, before).files
    assert file.plan.rung("gguf-cpu").basis.memory == "header"
    own = asyncio.run(run_check(services, CheckOptions(target=str(path))))
    (file,) = model_list.list_models(services, before).files
    row, told = own.models[0].rung("gguf-cpu"), file.plan.rung("gguf-cpu")
    assert told.basis.memory == "dry_run" and told.memory["ram"].compute == row.memory["ram"].compute


def test_what_has_arrived_since_the_check_counts(services):
    check = made_check(made.made_rtx_4090(), services)
    write_folder(services.library.models / "zai-org" / "AutoGLM-Phone-9B")
    listed = model_list.list_models(services, check)
    assert entry(listed, "safetensors").installed and entry(listed, "safetensors").plan.installed
