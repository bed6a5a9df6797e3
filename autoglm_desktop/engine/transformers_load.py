"""Loading a model folder through transformers: class, precision, place, 4-bit form, warm-up and proof."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
import transformers

from ..core import protocol
from . import transformers_failures as failures
from . import transformers_files as files
from . import transformers_lean as lean
from . import transformers_place as places
from . import transformers_proof as proofs
from . import transformers_saved as saved_form
from .server import JobFailed
from .transformers_pictures import PictureReader
from .transformers_progress import reported
from .transformers_warm import WarmUp, warm_up

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
KEPT_IN_16_BIT = ["lm_head", "model.visual", "model.vision_tower"]
"""What int8 and nf4 don't quantise; the planner counts it so."""

Progress = Callable[[str, float], None]


@dataclass
class Loaded:
    """A loaded model. ``device``: where its inputs go; ``pictures``: None where it takes none; ``keys``: what the plan
    calls torch's GPUs."""

    model: Any
    tokenizer: Any
    folder: files.Folder
    pictures: PictureReader | None
    device: Any
    context: int
    keys: dict[str, str]
    proof: protocol.Proof


def build() -> str:
    names = []
    for package in ("transformers", "torch", "accelerate", "bitsandbytes"):
        try:
            names.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            names.append(f"{package} missing")
    return " · ".join(names)


def open_model(job: protocol.Load, progress: Progress) -> Loaded:
    """Check the folder, load, save the 4-bit form where asked, warm up, prove. Raises JobFailed."""
    started = time.perf_counter()
    _demand_possible(job)
    if job.threads is not None:
        torch.set_num_threads(max(1, job.threads))
    transformers.utils.logging.set_verbosity_error()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # int8 would warn at every product
    folder = files.checked(job.model)
    files.demand_tokenizer(folder)
    with failures.translated("bad_file"):
        config = _config(folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder.path), local_files_only=True, trust_remote_code=False
        )
    _demand_vocabulary(tokenizer, config)
    place = places.placement(job)
    with failures.translated():
        model = _load(job, folder, config, place, progress)
    memory = proofs.bytes_by_device(model)
    proofs.demand(model, job, place, memory)
    pictures = PictureReader.of(folder.path, model)
    device = _input_device(model)
    progress("warm_up", 0.0)
    with failures.translated():
        tokens = job.projector.image_tokens if job.projector is not None else 0
        warm = warm_up(model, device, job.context, pictures, tokens)
    progress("warm_up", 1.0)
    proof = _proof(job, model, memory, warm, time.perf_counter() - started)
    proof = replace(proof, memory=place.named(proof.memory))
    return Loaded(model, tokenizer, folder, pictures, device, job.context, dict(place.keys), proof)


def _demand_possible(job: protocol.Load) -> None:
    if job.context < 1:
        raise JobFailed("unsupported", f"a context of {job.context} tokens")
    if job.kv_type != "f16":
        raise JobFailed(
            "unsupported", f"KV cache {job.kv_type!r}: transformers keeps it in the model's own type"
        )
    if job.dtype is not None and job.dtype not in DTYPES:
        raise JobFailed("unsupported", f"dtype {job.dtype!r}")
    if job.quantisation is not None and job.quantisation not in proofs.QUANTISED:
        raise JobFailed("unsupported", f"quantisation {job.quantisation!r}")


def _config(folder: files.Folder) -> Any:
    kind = folder.config.get("model_type")
    if kind not in transformers.CONFIG_MAPPING:
        raise JobFailed(
            "unsupported", f"transformers {transformers.__version__} knows no model of type {kind!r}"
        )
    return transformers.AutoConfig.from_pretrained(
        str(folder.path), local_files_only=True, trust_remote_code=False
    )


def _demand_vocabulary(tokenizer: Any, config: Any) -> None:
    """Tokenizer and model checked against each other: a token beyond the embedding would be read out of bounds."""
    rows = config.get_text_config().vocab_size
    if len(tokenizer) > rows:
        raise JobFailed(
            "bad_file", f"tokenizer_mismatch: {len(tokenizer)} tokens, the model has rows for {rows}"
        )


def model_class(config: Any) -> Any:
    """transformers' own class for a config. Raises JobFailed(unsupported)."""
    for mapping in (
        transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        transformers.MODEL_FOR_CAUSAL_LM_MAPPING,
    ):
        if type(config) in mapping:
            found = mapping[type(config)]
            return found[0] if isinstance(found, (tuple, list)) else found
    raise JobFailed("unsupported", f"transformers has no chat model of type {config.model_type!r}")


def _load(
    job: protocol.Load, folder: files.Folder, config: Any, place: places.Placement, progress: Progress
) -> Any:
    dtype_name = job.dtype or "bf16"
    dtype = DTYPES[dtype_name]
    cls = model_class(config)
    if job.quantisation == "nf4-lean":
        cls = lean.lean_class(cls)
    four_bit = job.quantisation in ("nf4", "nf4-lean")
    mark = saved_form.describe(folder, job.quantisation or "", dtype_name)
    form = saved_form.usable(job.saved, mark) if four_bit else None
    model = _from_form(cls, form, dtype, place, progress) if form is not None else None
    if model is None:
        phase = "load" if job.quantisation is None else "quantise"
        with reported(folder.tensors, lambda fraction: progress(phase, fraction)):
            model = _from_pretrained(cls, folder, dtype, place, _quantisation(job, dtype))
        if four_bit and job.save and job.saved is not None:
            saved_form.save(model, job.saved, mark, proofs.footprint(proofs.bytes_by_device(model)))
    if job.quantisation == "nf4-lean":
        lean.read_embedding(model, folder.part_of("embed_tokens.weight"), dtype)
    return model.eval()


def _from_form(
    cls: Any, form: files.Folder, dtype: Any, place: places.Placement, progress: Progress
) -> Any | None:
    """The model from its saved form; None (told in the log) where that can't be loaded, whatever is wrong with it."""
    try:
        with failures.translated(), reported(form.tensors, lambda fraction: progress("load", fraction)):
            return _from_pretrained(cls, form, dtype, place, None)
    except JobFailed as failure:
        if failure.kind == "out_of_memory":
            raise
        print(f"{form.path} can't be loaded: {failure}", file=sys.stderr)  # noqa: T201 - the application's log
    return None


def _from_pretrained(
    cls: Any, source: files.Folder, dtype: Any, place: places.Placement, quantisation: Any
) -> Any:
    options = {"quantization_config": quantisation} if quantisation is not None else {}
    model, info = cls.from_pretrained(
        str(source.path),
        dtype=dtype,
        device_map=place.device_map,
        max_memory=place.max_memory,
        attn_implementation="sdpa",
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # told below, with the tensor's name
        **options,
    )
    for name, there, wanted in sorted(info["mismatched_keys"]):
        raise JobFailed(
            "bad_file", f"size mismatch: {name} is {tuple(there)}, the config says {tuple(wanted)}"
        )
    missing = sorted(info["missing_keys"])
    if missing:
        raise JobFailed("bad_file", f"missing_tensor: {len(missing)}, {missing[0]} first")
    where = set((getattr(model, "hf_device_map", None) or {}).values())
    if place.wants_gpu and where & {"cpu", "disk"}:
        raise JobFailed(
            "out_of_memory", "the plan's memory does not hold the model: layers would be left over"
        )
    return model


def _quantisation(job: protocol.Load, dtype: Any) -> Any:
    if job.quantisation is None:
        return None
    if job.quantisation == "int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=KEPT_IN_16_BIT)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=[] if job.quantisation == "nf4-lean" else KEPT_IN_16_BIT,
    )


def _input_device(model: Any) -> Any:
    """The first GPU that holds weights, else the CPU: an embedding on the host takes ids from anywhere."""
    found = {parameter.device for parameter in model.parameters() if parameter.device.type != "meta"}
    return min(found, key=lambda device: (device.type == "cpu", device.index or 0))


def _proof(
    job: protocol.Load, model: Any, memory: dict[str, dict[str, int]], warm: WarmUp, seconds: float
) -> protocol.Proof:
    on_gpu, total = proofs.gpu_layers(model)
    for cause, sizes in (("kv_cache", warm.kv_cache), ("compute", warm.compute)):
        for device, size in sizes.items():
            memory.setdefault(device, {})[cause] = size
    used = [name for name in places.names() if _used(name, memory)]
    return protocol.Proof(
        backend="transformers",
        build=build(),
        devices=tuple(used),
        gpu_layers=on_gpu,
        total_layers=total,
        memory=memory,
        quantised_modules=proofs.quantised_modules(model),
        kv_type=warm.kv_type,
        context=job.context,
        threads=torch.get_num_threads(),
        load_s=seconds,
        warm_up_tokens_per_s=warm.tokens_per_s,
        image_s=warm.image_s,
        projector=warm.vision,
        dtype=proofs.DTYPE_NAMES.get(model.dtype),
        footprint_bytes=proofs.footprint(memory),
        options=protocol.EngineOptions(),  # none of them is for torch
    )


def _used(name: str, memory: dict[str, dict[str, int]]) -> bool:
    label = name.partition(" (")[0]
    return "ram" in memory if label == "CPU" else f"gpu:{label.partition(':')[2]}" in memory
