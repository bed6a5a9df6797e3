"""Loading model folders through transformers: precisions, the saved 4-bit form, and folders that are refused."""

import json
import shutil

import pytest

from autoglm_desktop.core import protocol, safetensors_header, torch_memory

pytest.importorskip("transformers", reason="transformers is not installed in this environment (extra: torch)")
from autoglm_desktop.engine import transformers_failures as failures
from autoglm_desktop.engine.server import JobFailed
from tests.engine.transformers_support import InProcess, Remembering, picture


def failure(folder, **job):
    with pytest.raises(JobFailed) as failed:
        InProcess(folder, **job)
    return failed.value


def names(folder):
    from safetensors import safe_open

    found = set()
    for part in folder.glob("*.safetensors"):
        with safe_open(str(part), "pt") as file:
            found |= set(file.keys())
    return found


@pytest.mark.parametrize(
    ("dtype", "quantisation", "modules"),
    [("fp32", None, 0), ("bf16", None, 0), ("fp16", None, 0), ("bf16", "int8", 12), ("bf16", "nf4", 12),
     ("bf16", "nf4-lean", 27)],
)  # fmt: skip
def test_the_proof_is_read_from_the_model(made_glm4v, dtype, quantisation, modules):
    loaded = InProcess(made_glm4v, dtype=dtype, quantisation=quantisation)
    proof = loaded.proof
    # Text: 2 layers of 6 linear layers; the vision part has 14, the output is 1.
    assert proof.quantised_modules == modules
    assert (proof.gpu_layers, proof.total_layers) == (0, 3)
    assert (proof.dtype, proof.context, proof.backend) == (dtype, 1024, "transformers")
    assert "transformers 5" in proof.build and proof.devices[0].startswith("CPU")
    memory = proof.memory["ram"]
    assert proof.footprint_bytes == memory["weights"] + memory["projector"]
    width = 4 if dtype == "fp32" else 2
    assert memory["kv_cache"] == 2 * 2 * 2 * 32 * width * 1024  # layers, K and V, heads, head size
    assert proof.projector == "cpu Glm4vVisionModel"
    assert proof.image_s > 0 and proof.warm_up_tokens_per_s > 0
    assert loaded.ask("hello")[0]


@pytest.fixture(scope="module")
def wider(tmp_path_factory):
    """Wide enough that bitsandbytes' tables (1 KiB a tensor) weigh no more than in a real model."""
    pytest.importorskip("transformers")
    from tests.fakes import made_transformers

    return made_transformers.make_glm4v(tmp_path_factory.mktemp("wide") / "model", width=768, layers=3)


@pytest.mark.parametrize(
    ("quantisation", "rung", "within"),
    [(None, "transformers-16bit", 0.001), ("int8", "transformers-int8", 0.01), ("nf4", "transformers-nf4", 0.01),
     ("nf4-lean", "transformers-nf4-lean", 0.02)],
)  # fmt: skip
def test_bytes_are_what_the_planner_counts(wider, quantisation, rung, within):
    """Text and vision bytes by the planner's own functions, from the files' headers."""
    table = []
    for part in sorted(wider.glob("*.safetensors")):
        data = part.read_bytes()
        length = safetensors_header.header_bytes(data)
        table += safetensors_header.tensors(data[8 : 8 + length])
    planned = safetensors_header.weights(table)
    memory = InProcess(wider, dtype="bf16", quantisation=quantisation).proof.memory["ram"]
    assert memory["weights"] == pytest.approx(torch_memory.transformers_text_bytes(rung, planned), rel=within)
    assert memory["projector"] == pytest.approx(
        torch_memory.transformers_vision_bytes(rung, planned), rel=within
    )


def test_loading_is_told_by_bytes(made_glm4v):
    plain = InProcess(made_glm4v)
    fractions = plain.channel.progress("load")
    assert fractions[0] == 0 and fractions == sorted(fractions) and fractions[-1] == pytest.approx(1)
    assert len(fractions) > 20
    assert plain.channel.progress("warm_up") == [0, 1]
    quantised = InProcess(made_glm4v, dtype="bf16", quantisation="nf4")
    assert quantised.channel.progress("quantise")[-1] == pytest.approx(1)
    assert not quantised.channel.progress("load")


@pytest.mark.parametrize("quantisation", ["nf4", "nf4-lean"])
def test_the_4_bit_form_is_saved_once_and_read_again(made_glm4v, tmp_path, quantisation):
    job = {"dtype": "bf16", "quantisation": quantisation, "saved": str(tmp_path / "保存 4-bit"), "save": True}
    first = InProcess(made_glm4v, **job)
    assert first.channel.progress("quantise")
    saved = tmp_path / "保存 4-bit"
    assert not (tmp_path / "保存 4-bit.part").exists()
    embeddings = [name for name in names(saved) if name.endswith("embed_tokens.weight")]
    assert len(embeddings) == (1 if quantisation == "nf4" else 0)
    again = InProcess(made_glm4v, **job)
    assert again.channel.progress("load") and not again.channel.progress("quantise")
    assert again.proof.quantised_modules == first.proof.quantised_modules
    assert again.proof.memory["ram"]["weights"] == first.proof.memory["ram"]["weights"]
    content = [picture(tmp_path), {"type": "text", "text": "what?"}]
    assert again.ask(content)[0] == first.ask(content)[0]


def test_a_form_of_other_weights_is_not_read(made_glm4v, tmp_path):
    job = {"dtype": "bf16", "quantisation": "nf4", "saved": str(tmp_path / "form"), "save": True}
    InProcess(made_glm4v, **job)
    part = next((tmp_path / "form").glob("*.safetensors"))
    part.write_bytes(part.read_bytes()[:-8])
    damaged = InProcess(made_glm4v, **job)
    assert damaged.channel.progress("quantise")
    assert InProcess(made_glm4v, **job).channel.progress("load"), "it was not written anew"
    other = InProcess(made_glm4v, **{**job, "dtype": "fp16", "save": False})
    assert other.channel.progress("quantise")


def test_a_form_that_can_not_be_loaded_is_made_anew(made_glm4v, tmp_path, capsys):
    job = {"dtype": "bf16", "quantisation": "nf4", "saved": str(tmp_path / "form"), "save": True}
    first = InProcess(made_glm4v, **job)
    path = tmp_path / "form" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(
        json.dumps({**config, "quantization_config": {"quant_method": "nobody_knows"}}), encoding="utf-8"
    )
    again = InProcess(made_glm4v, **job)
    assert again.channel.progress("quantise") and "can't be loaded" in capsys.readouterr().err
    assert again.ask("hello")[0] == first.ask("hello")[0]
    third = InProcess(made_glm4v, **job)
    assert not third.channel.progress("quantise")


def test_no_room_for_the_form_is_no_failure(made_glm4v, tmp_path, monkeypatch, capsys):
    from autoglm_desktop.engine import transformers_saved

    monkeypatch.setattr(transformers_saved, "SPARE_BYTES", 1 << 62)
    saved = tmp_path / "form"
    loaded = InProcess(made_glm4v, dtype="bf16", quantisation="nf4", saved=str(saved), save=True)
    assert not saved.exists() and "not saved" in capsys.readouterr().err
    assert loaded.ask("hello")[0]


def test_an_nf4_lean_model_says_what_its_embedding_on_the_device_would(made_glm4v):
    """Only the embedding's place differs from a model quantised the same way."""
    import torch
    from transformers import BitsAndBytesConfig, Glm4vForConditionalGeneration

    lean = InProcess(made_glm4v, dtype="bf16", quantisation="nf4-lean")
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16, llm_int8_skip_modules=[],
    )  # fmt: skip
    whole = Glm4vForConditionalGeneration.from_pretrained(
        made_glm4v, dtype=torch.bfloat16, quantization_config=config, device_map={"": "cpu"}
    )
    ids = torch.arange(40).reshape(1, 40)
    with torch.inference_mode():
        assert torch.equal(whole(input_ids=ids).logits, lean.backend._loaded.model(input_ids=ids).logits)


@pytest.mark.parametrize(
    "job", [{"max_memory": {"gpu:0": 1 << 33}}, {"gpu_layers": -1}, {"devices": ("cuda:3",)}]
)
def test_a_gpu_that_is_not_there_is_not_proven(made_glm4, job, monkeypatch):
    from autoglm_desktop.engine import transformers_place

    monkeypatch.setattr(transformers_place, "gpu_type", lambda: None)
    failed = failure(made_glm4, **job)
    assert (failed.kind, str(failed).split(":")[0]) == ("not_proven", "gpu_not_seen")


@pytest.mark.parametrize(
    ("job", "count", "device_map", "max_memory", "keys"),
    [
        ({}, 0, {"": "cpu"}, None, {}),
        ({"max_memory": {"ram": 9}}, 1, {"": "cpu"}, None, {}),
        ({"max_memory": {"gpu:0": 9, "ram": 9}}, 2, {"": "cuda:0"}, None, {"gpu:0": "gpu:0"}),
        ({"max_memory": {"gpu:1": 9}}, 1, {"": "cuda:0"}, None, {"gpu:0": "gpu:1"}),  # gpu:0 is no card of torch's
        ({"max_memory": {"gpu:1": 9}, "devices": ("cuda:0",)}, 2, {"": "cuda:0"}, None, {"gpu:0": "gpu:1"}),
        ({"gpu_layers": -1}, 1, {"": "cuda:0"}, None, {}),
        ({"max_memory": {"gpu:0": 90, "gpu:1": 45}}, 2, "sequential", {0: 90, 1: 45, "cpu": 0}, None),
        ({"max_memory": {"gpu:0": 90, "gpu:1": 45}, "quantisation": "nf4"}, 2, "sequential",
         {0: 100, 1: 50, "cpu": 0}, None),
    ],
)  # fmt: skip
def test_places(monkeypatch, job, count, device_map, max_memory, keys):
    from autoglm_desktop.engine import transformers_place

    monkeypatch.setattr(transformers_place, "gpu_type", lambda: "cuda" if count else None)
    monkeypatch.setattr(transformers_place, "_count", lambda _kind: count)
    place = transformers_place.placement(protocol.Load("transformers", "", 1024, **job))
    assert (place.device_map, place.max_memory) == (device_map, max_memory)
    assert place.wants_gpu == (device_map != {"": "cpu"})
    if keys is not None:
        assert dict(place.keys) == keys
        assert place.named({"ram": {}, "gpu:0": {"weights": 1}}).keys() == {"ram", keys.get("gpu:0", "gpu:0")}


def test_what_is_not_quantised_is_not_proven(made_glm4v):
    from autoglm_desktop.engine import transformers_place, transformers_proof

    model = InProcess(made_glm4v).backend._loaded.model
    place = transformers_place.Placement({"": "cpu"})
    memory = transformers_proof.bytes_by_device(model)
    for quantisation in ("int8", "nf4", "nf4-lean"):
        job = protocol.Load("transformers", "", 1024, quantisation=quantisation)
        with pytest.raises(JobFailed, match="not_quantised") as failed:
            transformers_proof.demand(model, job, place, memory)
        assert failed.value.kind == "not_proven"
    on_gpu = transformers_place.Placement("sequential", None, True)
    with pytest.raises(JobFailed, match="gpu_not_used"):
        transformers_proof.demand(model, protocol.Load("transformers", "", 1024), on_gpu, memory)
    with pytest.raises(JobFailed, match="dtype"):
        job = protocol.Load("transformers", "", 1024, dtype="bf16")
        transformers_proof.demand(model, job, place, memory)


def copied(source, target):
    shutil.copytree(source, target)
    return target


def test_folders_that_are_none(tmp_path, made_glm4):
    assert "no_folder" in str(failure(tmp_path / "nowhere"))
    assert "no_config" in str(failure(tmp_path))
    assert failure(tmp_path).kind == "bad_file"
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(made_glm4 / "config.json", only)
    assert "missing_file" in str(failure(only))


def test_pickles_are_refused_unread(tmp_path, made_glm4):
    folder = copied(made_glm4, tmp_path / "m")
    for part in folder.glob("*.safetensors*"):
        part.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"made: never opened")
    failed = failure(folder)
    assert failed.kind == "bad_file" and "pickle_refused: pytorch_model.bin" in str(failed)


@pytest.mark.parametrize("name", ["weights.bin", "weights.pt"])
def test_pickles_that_an_index_names_are_refused_unread(tmp_path, made_glm4, name):
    """transformers would read them: it goes by the index."""
    folder = copied(made_glm4, tmp_path / "m")
    index = folder / "model.safetensors.index.json"
    data = json.loads(index.read_text(encoding="utf-8"))
    data["weight_map"][next(iter(data["weight_map"]))] = name
    index.write_text(json.dumps(data), encoding="utf-8")
    (folder / name).write_bytes(b"made: never opened")
    failed = failure(folder)
    assert failed.kind == "bad_file" and f"pickle_refused: {name}" in str(failed)


def test_a_missing_part_is_named(tmp_path, made_glm4):
    folder = copied(made_glm4, tmp_path / "m")
    part = sorted(folder.glob("*.safetensors"))[-1]
    part.unlink()
    failed = failure(folder)
    assert failed.kind == "bad_file" and part.name in str(failed)


@pytest.mark.parametrize("damage", ["cut", "header", "no_tensor", "shape", "index", "empty_index", "config"])
def test_damaged_files_are_bad_files(tmp_path, made_glm4, damage):
    folder = copied(made_glm4, tmp_path / "m")
    part = sorted(folder.glob("*.safetensors"))[0]
    index = folder / "model.safetensors.index.json"
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:-100])
    elif damage == "header":
        part.write_bytes(b"\xff" * 8 + part.read_bytes()[8:])
    elif damage == "no_tensor":
        from safetensors.torch import load_file, save_file

        tensors = load_file(str(part))
        del tensors[sorted(tensors)[-1]]
        save_file(tensors, str(part), {"format": "pt"})
    elif damage == "shape":
        config = json.loads((folder / "config.json").read_text())
        config["intermediate_size"] = 128
        (folder / "config.json").write_text(json.dumps(config))
    elif damage == "index":
        index.write_text("{")
    elif damage == "empty_index":
        index.write_text("{}")
    else:
        (folder / "config.json").write_text("[]")
    failed = failure(folder)
    assert failed.kind == "bad_file", failed


def test_an_index_that_names_other_folders_is_refused(tmp_path, made_glm4):
    folder = copied(made_glm4, tmp_path / "m")
    index = folder / "model.safetensors.index.json"
    data = json.loads(index.read_text())
    data["weight_map"] = dict.fromkeys(data["weight_map"], "../other/model.safetensors")
    index.write_text(json.dumps(data))
    assert failure(folder).kind == "bad_file"


@pytest.mark.parametrize(
    "change",
    [{"model_type": "nobody_knows"}, {"model_type": "made", "auto_map": {"AutoConfig": "made.Config"}}],
)
def test_models_that_transformers_does_not_know_run_no_code(tmp_path, made_glm4, change):
    folder = copied(made_glm4, tmp_path / "m")
    config = {**json.loads((folder / "config.json").read_text()), **change}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "made.py").write_text("raise SystemExit('remote code was run')")
    assert failure(folder).kind == "unsupported"


def test_a_folder_without_tokenizer_is_refused(tmp_path, made_glm4):
    folder = shutil.copytree(made_glm4, tmp_path / "copy")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    found = failure(folder)
    assert (found.kind, str(found)) == ("bad_file", "missing_file: tokenizer.json")


def test_what_people_read_of_an_error_is_its_first_paragraph():
    with pytest.raises(JobFailed) as failed, failures.translated():
        raise ValueError("it is\nbroken\n\nYou can `pip install` something else.")
    assert str(failed.value) == "ValueError: it is broken"


def test_a_tokenizer_of_another_model_is_refused(tmp_path, made_glm4):
    folder = copied(made_glm4, tmp_path / "m")
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["model"]["vocab"]["one too many"] = 512
    path.write_text(json.dumps(data), encoding="utf-8")
    failed = failure(folder)
    assert failed.kind == "bad_file" and "tokenizer_mismatch" in str(failed)


@pytest.mark.parametrize(
    "job", [{"dtype": "fp8"}, {"quantisation": "int3"}, {"kv_type": "q8_0"}, {"context": 0}]
)
def test_jobs_that_can_not_be(made_glm4, job):
    assert failure(made_glm4, **job).kind == "unsupported"


def test_kinds_of_failures():
    import torch

    from autoglm_desktop.engine.transformers_failures import kind_of

    assert kind_of(torch.OutOfMemoryError("CUDA out of memory.")) == "out_of_memory"
    assert (
        kind_of(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"))
        == "out_of_memory"
    )
    dispatched = "Some modules are dispatched on the CPU or the disk. Make sure you have enough GPU RAM"
    assert kind_of(ValueError(dispatched)) == "out_of_memory"
    assert (
        kind_of(ImportError("Using `bitsandbytes` 4-bit quantization requires bitsandbytes"))
        == "missing_dependency"
    )
    assert kind_of(ValueError("Loading this requires trust_remote_code=True")) == "unsupported"
    assert kind_of(RuntimeError("CUDA error: an illegal memory access was encountered")) is None


def test_a_quantiser_that_is_not_installed_is_told(made_glm4, monkeypatch):
    import transformers.quantizers.quantizer_bnb_4bit as quantizer

    monkeypatch.setattr(quantizer, "is_bitsandbytes_available", lambda: False)
    failed = failure(made_glm4, dtype="bf16", quantisation="nf4")
    assert failed.kind == "missing_dependency" and "bitsandbytes" in str(failed)


def test_unloading_frees_the_model(made_glm4):
    loaded = InProcess(made_glm4)
    loaded.backend.unload()
    with pytest.raises(JobFailed, match="no model"):
        loaded.ask("hello")
    assert isinstance(loaded.channel, Remembering) and loaded.backend.memory().resident_bytes != 0


@pytest.mark.parametrize("kind", ["LlamaConfig", "Qwen2Config", "Gemma3TextConfig", "GPTNeoXConfig"])
@pytest.mark.parametrize("quantisation", [None, "nf4"])
def test_other_text_models(tmp_path, kind, quantisation):
    """Another layout of modules, tied embeddings, sliding windows: a second turn says what a fresh model says."""
    import transformers

    from tests.fakes import made_transformers

    values = {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.1}  # fmt: skip
    if kind == "Gemma3TextConfig":
        values |= {"head_dim": 16, "sliding_window": 32}
    if kind == "Qwen2Config":
        values |= {"tie_word_embeddings": True}
    folder = made_transformers.make_text(tmp_path / "m", getattr(transformers, kind)(**values))
    loaded = InProcess(folder, dtype="bf16", quantisation=quantisation)
    assert (loaded.proof.quantised_modules > 0) == (quantisation is not None)
    answer, _ = loaded.ask("hello " * 30)
    warm, done = loaded.ask("hello " * 30, answer, "more")
    assert (done.usage.cached_tokens > 100) == (kind != "Gemma3TextConfig")
    loaded.backend._cache.clear()
    assert loaded.ask("hello " * 30, answer, "more")[0] == warm


def test_nf4_lean_needs_an_embedding_of_its_own(tmp_path):
    import transformers

    from tests.fakes import made_transformers

    config = transformers.Qwen2Config(
        vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    folder = made_transformers.make_text(tmp_path / "m", config)
    failed = failure(folder, dtype="bf16", quantisation="nf4-lean")
    assert failed.kind == "unsupported" and "takes its embedding for the output" in str(failed)


def test_numbers_that_are_none_are_not_proven(tmp_path, made_glm4):
    """What float16 makes of weights that are too large for it."""
    from safetensors.torch import load_file, save_file

    folder = copied(made_glm4, tmp_path / "m")
    for part in folder.glob("*.safetensors"):
        tensors = load_file(str(part))
        save_file({name: value * 1e30 for name, value in tensors.items()}, str(part), {"format": "pt"})
    failed = failure(folder, dtype="fp16")
    assert failed.kind == "not_proven" and "not_finite" in str(failed)


def test_options_that_torch_has_not_are_not_claimed(made_glm4):
    asked = protocol.EngineOptions(memory_lock=True, huge_pages=True, numa="isolate")
    assert InProcess(made_glm4, options=asked).proof.options == protocol.EngineOptions()
