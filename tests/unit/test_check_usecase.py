"""The check as a use case: targets, machine files, JSON of the contract, and the document's example."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoglm_desktop import i18n
from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.core.machine import to_json as machine_to_json
from autoglm_desktop.core.rungs import RUNGS
from autoglm_desktop.core.units import GB
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases.check import CheckOptions, CheckResult, read_machine, run_check
from autoglm_desktop.usecases.check_json import to_json
from autoglm_desktop.usecases.services import Services, create_services
from tests.fakes import made_machines as made
from tests.fakes.made_check import example, example_machine

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "json.md"
RUNG_KEYS = {
    "rung", "variant", "dtype", "installed", "engine_installed", "download_bytes", "status", "reason", "context",
    "kv_type", "gpu_layers", "projector", "memory", "tokens_per_s", "prompt_tokens_per_s", "image_s", "load_s",
    "phone_step_s", "phone_step", "basis",
}  # fmt: skip
DEVICE_KEYS = {"weights", "kv_cache", "compute", "projector", "overhead", "margin", "total", "available"}


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = i18n.language()
    i18n.set_language("en")
    yield
    i18n.set_language(before)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return create_services(tmp_path / "home 家")


def check(services: Services, **options: object) -> CheckResult:
    return asyncio.run(run_check(services, CheckOptions(**options)))  # type: ignore[arg-type]


def machine_file(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "machine 机器.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def assert_contract(document: dict) -> None:
    """The shape of ``check --json``: keys, types, nothing that JSON can't say."""
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (
        set(document) == {"schema", "machine", "checks", "models", "costs", "measured"}
        and document["schema"] == 1
    )
    assert {"os", "cpu", "memory", "disks", "gpus", "runtime"} <= set(document["machine"])
    for item in document["checks"]:
        assert {"id", "status", "value", "required", "code", "advice"} <= set(item)
        for quantity in (item["value"], item["required"]):
            assert quantity is None or set(quantity) == {"number", "unit"}
    for model in document["models"]:
        assert set(model) == {"id", "wish", "verdict", "headline", "chosen", "recommended", "ladder", "helps"}
        assert [row["rung"] for row in model["ladder"]] == list(RUNGS)
        for row in model["ladder"]:
            assert set(row) == RUNG_KEYS | {"projector_type", "layers_by_gpu"}
            assert row["reason"] is None or set(row["reason"]) == {"code", "text"}
            assert set(row["basis"]) == {"memory", "speed"}
            for key, device in row["memory"].items():
                assert set(device) == DEVICE_KEYS | (
                    {"mapped", "private", "copied"} if key == "ram" else set()
                )
                assert all(value is None or type(value) is int for value in device.values())


def test_a_variant_leaves_out_the_models_without_it(services: Services, tmp_path: Path) -> None:
    described = tmp_path / "machine.json"
    described.write_text("{}", encoding="utf-8")
    found = check(services, machine_file=described, variant="q2_k")
    assert [model.id for model in found.models] == [
        "autoglm-phone-9b", "autoglm-phone-9b-multilingual", "glm-4-9b-0414",
    ]  # fmt: skip
    assert [subject.subject.id for subject in found.subjects] == [model.id for model in found.models]
    assert len(check(services, machine_file=described, variant="SafeTensors").models) == 7
    with pytest.raises(TargetError, match="variant_unknown"):
        check(services, machine_file=described, variant="Q9_9")


def test_this_machine(services: Services) -> None:
    seen: list[str] = []
    result = asyncio.run(run_check(services, CheckOptions(), lambda name, value: seen.append(name)))
    assert set(seen) == {"os", "cpu", "memory", "disk", "gpus", "runtime"}
    document = to_json(result)
    assert_contract(document)
    assert [model["id"] for model in document["models"]][:2] == [
        "autoglm-phone-9b",
        "autoglm-phone-9b-multilingual",
    ]
    assert [model["wish"] for model in document["models"]] == ["phone", "phone", *["text"] * 5]
    assert document["machine"]["memory"]["total_bytes"] > 0
    assert not services.home.exists(), "a check writes nothing"


@pytest.mark.parametrize(
    "machine", [made.made_rtx_4060(), made.made_mac(), made.made_small()], ids=["4060", "mac", "small"]
)
def test_described_machines(services: Services, tmp_path: Path, machine: object) -> None:
    path = machine_file(tmp_path, {"machine": machine_to_json(machine)})
    document = to_json(check(services, machine_file=path))
    assert_contract(document)
    assert document["machine"] == machine_to_json(machine)
    again = to_json(check(services, machine_file=machine_file(tmp_path, document)))
    assert again == document


def test_a_machine_in_part_gets_its_bandwidth_from_the_table(services: Services, tmp_path: Path) -> None:
    gpu = {"index": 0, "vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090", "memory_free_bytes": 23 * GB}
    result = check(services, machine_file=machine_file(tmp_path, {"gpus": [gpu]}), wish="text")
    assert result.machine.gpus[0].memory_bandwidth_bytes_per_s == 1008 * GB
    assert result.models[0].verdict == "runs_well"
    assert_contract(to_json(result))


def test_self_test_of_a_described_engine_counts(services: Services, tmp_path: Path) -> None:
    machine = made.with_engine(made.made_laptop(), "safe_mode")
    path = machine_file(tmp_path, machine_to_json(machine))
    row = check(services, machine_file=path).models[0].rung("gguf-cpu")
    assert row.reason is not None and (row.status, row.reason.code) == ("unavailable", "crashes_here")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", "machine_file_not_json"),
        ("", "machine_file_not_json"),
        ("[" * 100_000, "machine_file_not_json"),
        ("[]", "machine_file_wrong"),
        ("3", "machine_file_wrong"),
        ({"memory": {"total_bytes": "much"}}, "machine_file_wrong"),
        ({"memory": {"total_bytes": True}}, "machine_file_wrong"),
        ({"memory": {"total_bytes": 1.5}}, "machine_file_wrong"),
        ('{"memory": {"total_bytes": NaN}}', "machine_file_wrong"),
        ('{"memory": {"total_bytes": 1e400}}', "machine_file_wrong"),
        ({"gpus": {}}, "machine_file_wrong"),
        ({"gpus": [{"name": "no index"}]}, "machine_file_wrong"),
        ({"gpus": [{"index": 0, "vendor": "nvidia", "compute_capability": [8]}]}, "machine_file_wrong"),
        ({"machine": {"cpu": []}}, "machine_file_wrong"),
        ({"memory": {"total_bytes": -1}}, "machine_file_wrong"),
        ({"memory": {"total_bytes": 10**400}}, "machine_file_wrong"),
        (
            {"gpus": [{"index": 0, "vendor": "nvidia", "memory_bandwidth_bytes_per_s": -5}]},
            "machine_file_wrong",
        ),
        ('{"gpus": [{"index": 0, "vendor": "nvidia", "power_limit_w": NaN}]}', "machine_file_wrong"),
        ('{"gpus": [{"index": 0, "vendor": "nvidia", "power_limit_w": 1e999}]}', "machine_file_wrong"),
    ],
)
def test_wrong_machine_files_are_one_sentence(tmp_path: Path, content: object, code: str) -> None:
    path = machine_file(tmp_path, content)
    with pytest.raises(AppError) as caught:
        read_machine(path)
    assert caught.value.code == code
    text = errors.text(caught.value)
    assert str(path) in text and "\n" not in text and text.endswith(".")


def test_machine_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(AppError, match="machine_file_unreadable"):
            read_machine(path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(AppError, match="machine_file_not_json"):
        read_machine(binary)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "windows.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(machine_to_json(made.made_laptop())).encode())
    assert read_machine(path) == made.made_laptop()


def test_a_file_as_target(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "my model 模型.gguf"
    write_tiny_glm4(path, context=2048)
    described = machine_file(tmp_path, machine_to_json(made.with_engine(made.made_laptop(made.DDR4_DUAL))))
    result = check(services, target=str(path), machine_file=described)
    assert_contract(to_json(result))
    (model,) = result.models
    assert (model.wish, model.chosen, model.verdict) == ("text", "gguf-cpu", "runs_well")
    row = model.rung("gguf-cpu")
    assert (row.installed, row.download_bytes, row.context) == (True, 0, 2048)
    assert (row.projector, row.basis.memory) == ("none", "header")
    assert model.rung("transformers-16bit").reason is not None


def test_memory_of_a_file_is_its_tensors(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    write_tiny_glm4(path, weight_type="Q8_0")
    described = machine_file(tmp_path, machine_to_json(made.made_rtx_4060()))
    result = check(services, target=str(path), machine_file=described)
    row = result.models[0].rung("gguf-gpu")
    from autoglm_desktop.store import gguf

    assert sum(device.weights for device in row.memory.values()) == gguf.read_header(path).tensor_bytes


@pytest.mark.parametrize(
    ("target", "code"),
    [("nothing-like-this", "target_unknown"), ("./missing.gguf", "file_not_found"),
     ("autoglm-phone-9b:Q9_9", "variant_unknown")],
)  # fmt: skip
def test_targets_that_are_nothing(services: Services, target: str, code: str) -> None:
    with pytest.raises(TargetError) as caught:
        check(services, target=target)
    assert caught.value.code == code


def test_a_projector_alone_is_no_model(services: Services, tmp_path: Path) -> None:
    from tests.unit.test_library import made_projector

    path = made_projector(tmp_path / "mmproj.gguf")
    with pytest.raises(TargetError, match="projector_alone") as caught:
        check(services, target=str(path))
    assert str(path) in errors.text(caught.value)


def test_model_and_variant_as_target(services: Services, tmp_path: Path) -> None:
    described = machine_file(tmp_path, machine_to_json(made.made_rtx_4090()))
    result = check(
        services, target="AutoGLM-Phone-9B:q6_k", machine_file=described, wish="text", context=5000
    )
    (model,) = result.models
    assert (model.id, model.wish) == ("autoglm-phone-9b", "text")
    row = model.rung("gguf-gpu")
    assert (row.variant, row.context) == ("Q6_K", 5000)


def test_what_lies_here_is_installed_only_here(services: Services, tmp_path: Path) -> None:
    from tests.unit.test_library import made_phone_model

    made_phone_model(services.models / "AutoGLM-Phone-9B-Q4_K_M.gguf")
    here = check(services, target="autoglm-phone-9b", wish="text").models[0]
    assert here.rung("gguf-cpu-safe").installed
    described = machine_file(tmp_path, machine_to_json(made.made_laptop()))
    there = check(services, target="autoglm-phone-9b", wish="text", machine_file=described).models[0]
    assert not there.rung("gguf-cpu").installed


def test_the_example_in_the_document_is_what_the_program_says(services: Services, tmp_path: Path) -> None:
    text = DOCUMENT.read_text("utf-8")
    shown = json.loads(text.split("<!-- example: check -->")[1].split("```json")[1].split("```")[0])
    assert_contract(shown)
    assert shown == json.loads(json.dumps(example())), "run python -m tests.fakes.made_check and paste it"
    path = machine_file(tmp_path, {"machine": shown["machine"]})
    document = to_json(check(services, target="autoglm-phone-9b", machine_file=path))
    assert document == shown
    assert example_machine().gpus[0].name == shown["machine"]["gpus"][0]["name"]
