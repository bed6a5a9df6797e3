"""A safetensors folder as the planner sees it: config and tensor tables, made_ by the tests."""

import json
from dataclasses import replace

import pytest

from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.core.folder_subject import of_folder, refusal
from autoglm_desktop.core.ladder import plan_model, smaller_plans
from autoglm_desktop.core.machine import Machine, Memory
from autoglm_desktop.core.rungs import EngineState
from autoglm_desktop.core.safetensors_header import Tensor
from autoglm_desktop.core.units import GB, GIB
from autoglm_desktop.store import safetensors
from autoglm_desktop.texts import errors
from tests.fakes import made_machines as made

TEXT = {
    "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 128, "vocab_size": 512, "max_position_embeddings": 8192,
}  # fmt: skip
CONFIG = {"model_type": "glm4v", "text_config": TEXT, "vision_config": {"depth": 2}}
TABLE = (
    Tensor("model.language_model.embed_tokens.weight", (512, 64)),
    Tensor("model.language_model.layers.0.mlp.down_proj.weight", (64, 128)),
    Tensor("model.language_model.layers.0.input_layernorm.weight", (64,)),
    Tensor("model.visual.blocks.0.attn.proj.weight", (32, 32)),
    Tensor("lm_head.weight", (512, 64)),
)
TORCH = EngineState("torch-cpu", "transformers", True, "passed")
TORCH_CUDA = EngineState("torch-cuda", "transformers", True, "passed", gpu=True)


def folder(**config):
    return of_folder({**CONFIG, **config}, TABLE, "made", file_bytes=150_000, phone=False)


def test_parameters_by_part_and_the_text_models_numbers():
    subject = folder()
    weights, shape = subject.safetensors, subject.shape
    assert (weights.embedding, weights.head, weights.layers) == (512 * 64, 512 * 64, 64 * 128 + 64)
    assert (weights.vision, weights.vision_linear, weights.file_bytes) == (1024, 1024, 150_000)
    assert shape.kv_elements == 2 * 2 * 2 * 16 and (shape.layers, shape.vocabulary, shape.context) == (
        2,
        512,
        8192,
    )
    assert shape.layer_parameters == 64 * 128 and subject.vision and subject.gguf == ()


def test_a_tied_head_counts_once():
    weights = folder(tie_word_embeddings=True).safetensors
    assert (weights.head, weights.head_copy) == (0, 512 * 64)


def test_another_variant_than_the_folder_names_the_folder():
    with pytest.raises(TargetError) as caught:
        folder().only("Q4_K_M")
    assert caught.value.values["known"] == "safetensors"


def test_a_config_without_a_text_part():
    subject = of_folder({"model_type": "glm4", **TEXT}, TABLE, "made", file_bytes=1)
    assert subject.shape.layers == 2 and subject.default_wish == "text"


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({**CONFIG, "quantization_config": {"quant_method": "gptq"}}, "folder_quantised"),
        ({**CONFIG, "quantization_config": {"quant_method": "bitsandbytes"}}, "folder_quantised"),
        ({"model_type": "bert"}, "folder_unknown_kind"),
        ({"text_config": {**TEXT, "num_hidden_layers": "two"}}, "folder_unknown_kind"),
        ({"text_config": {**TEXT, "num_hidden_layers": True}}, "folder_unknown_kind"),
        ({"text_config": {**TEXT, "vocab_size": -5}}, "folder_unknown_kind"),
        ({"text_config": [1, 2]}, "folder_unknown_kind"),
        ({"text_config": {**TEXT, "hidden_size": 1 << 60}}, "folder_unknown_kind"),
    ],
)
def test_what_cannot_be_planned_is_refused(config, code):
    reason = refusal(config)
    assert reason is not None and reason.code == code
    with pytest.raises(TargetError, match=code):
        of_folder(config, TABLE, "made", file_bytes=1)


def test_without_a_card_it_runs_on_the_processor_and_says_so():
    machine = replace(made.made_laptop(), gpus=())
    found = plan_model(machine, folder(), engines=(TORCH,))
    row = found.rung("transformers-16bit")
    assert (row.status, row.reason.code, found.chosen) == ("fits", "torch_on_processor", "transformers-16bit")
    assert set(row.memory) == {"ram"} and row.memory["ram"].weights == 2 * (2 * 512 * 64 + 64 * 128 + 64)
    assert row.memory["ram"].projector == 2 * 1024
    assert {found.rung(other).status for other in ("transformers-int8", "transformers-nf4")} == {
        "unavailable"
    }
    assert found.headline.as_dict()["place"].code == "place_processor-16bit"


def test_a_card_that_torch_cannot_use_does_not_decide_the_processors_type():
    """float16 has a smaller range than the bfloat16 that models are trained in."""
    (gpu,) = made.made_rtx_4090().gpus
    machine = replace(made.made_rtx_4090(), gpus=(replace(gpu, compute_capability=(5, 2)),))
    row = plan_model(machine, folder(), engines=(TORCH,)).rung("transformers-16bit")
    assert (row.status, row.reason.code, row.dtype) == ("fits", "torch_on_processor", "bfloat16")


def test_too_little_ram_is_too_big_there():
    big = replace(folder().safetensors, layers=9_000_000_000)
    subject = replace(folder(), safetensors=big)
    machine = Machine(memory=Memory(total_bytes=16 * GIB, available_bytes=12 * GIB))
    row = plan_model(machine, subject, engines=(TORCH,)).rung("transformers-16bit")
    assert (row.status, row.reason.code) == ("too_big", "ram_short")


def test_with_a_card_it_runs_there():
    found = plan_model(made.made_rtx_4090(), folder(), engines=(TORCH_CUDA,))
    row = found.rung("transformers-16bit")
    assert row.status == "fits" and "gpu:0" in row.memory and found.chosen == "transformers-16bit"


def test_after_out_of_memory_a_folder_has_smaller_contexts():
    subject = replace(folder(), phone=True, shape=replace(folder().shape, context=None))
    start = plan_model(made.made_rtx_4090(), subject, "phone", engines=(TORCH_CUDA,)).rung(
        "transformers-16bit"
    )
    found = list(smaller_plans(start, made.made_rtx_4090(), subject))
    assert [row.context for row in found] == [8192] and found[0].rung == "transformers-16bit"
    assert found[0].memory["gpu:0"].total < start.memory["gpu:0"].total


def test_decode_on_the_processor_is_at_most_the_rams_bandwidth():
    machine = made.made_laptop()
    machine = replace(machine, gpus=(), cpu=replace(machine.cpu, memory_bandwidth_bytes_per_s=40 * GB))
    big = replace(folder().safetensors, layers=9_000_000_000)
    subject = replace(folder(), safetensors=big)
    row = plan_model(machine, subject, engines=(TORCH,)).rung("transformers-16bit")
    assert row.tokens_per_s == pytest.approx(40e9 / 18e9, rel=0.01)
    unknown = replace(machine, cpu=replace(machine.cpu, memory_bandwidth_bytes_per_s=None))
    assert plan_model(unknown, subject, engines=(TORCH,)).rung("transformers-16bit").tokens_per_s is None


def made_shard(path, table):
    header = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]} for name, shape in table.items()
    }
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)


def test_the_index_says_which_files_count(tmp_path):
    made_shard(tmp_path / "model-1.safetensors", {"a": [2, 3]})
    made_shard(tmp_path / "consolidated.safetensors", {"b": [5]})
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1.safetensors"}}')
    table = safetensors.tensor_table(safetensors.model_folder(tmp_path))
    assert [(one.name, one.shape) for one in table] == [("a", (2, 3))]
    (tmp_path / "model.safetensors.index.json").unlink()
    assert len(safetensors.tensor_table(safetensors.model_folder(tmp_path))) == 2


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 64, b"\x02\x00\x00\x00\x00\x00\x00\x00[]"])
def test_a_damaged_shard_is_named(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TargetError) as told:
        safetensors.tensor_table(safetensors.model_folder(tmp_path))
    assert told.value.code == "safetensors_damaged" and str(tmp_path) in str(told.value.values["path"])
    assert "header" not in errors.text(told.value)  # English that no translation reaches
