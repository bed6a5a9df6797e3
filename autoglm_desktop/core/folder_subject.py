"""A safetensors folder as the planner sees it: from its ``config.json`` and its files' tensor tables. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from . import safetensors_header
from .errors import Reason, TargetError
from .safetensors_header import Tensor
from .shapes import ModelShapes, shape_key
from .subject import Subject, TextShape

ARCHITECTURES = {"glm4v": "glm4", "glm4v_text": "glm4", "glm": "chatglm"}
"""``model_type`` of transformers → the GGUF architecture, where they differ (the catalogue has the latter)."""
NUMBERS = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
"""What a plan needs and every text model's config of transformers says."""


def model_type(config: Mapping[str, object]) -> str:
    """transformers' name of the kind of model; the class's name where a config has no other."""
    kind, names = config.get("model_type"), config.get("architectures")
    if isinstance(kind, str) and kind:
        return kind
    return str(names[0]) if isinstance(names, list) and names else ""


def quantisation(config: Mapping[str, object]) -> str | None:
    """How the weights of a folder are quantised already; None for 16 or 32 bits."""
    told = config.get("quantization_config") or config.get("quantization")
    if not told:
        return None
    name = told.get("quant_method") if isinstance(told, Mapping) else None
    return str(name or "quantised")


def refusal(config: Mapping[str, object]) -> Reason | None:
    """Why a whole folder can't be run; None where transformers may be tried."""
    kind = quantisation(config)
    if kind is not None:
        return Reason.of("folder_quantised", kind=kind)
    missing = [name for name in NUMBERS if _number(config, name) is None]
    if missing:
        return Reason.of("folder_unknown_kind", kind=model_type(config), key=missing[0])
    return None


def of_folder(
    config: Mapping[str, object],
    table: Iterable[Tensor],
    name: str,
    *,
    file_bytes: int,
    phone: bool = False,
) -> Subject:
    """A folder that is on this machine. ``file_bytes``: of its weight files. Raises TargetError (folder_quantised,
    folder_unknown_kind)."""
    reason = refusal(config)
    if reason is not None:
        raise TargetError(reason.code, path=name, **reason.as_dict())
    tensors = tuple(table)
    tied = _tied(config)
    weights = safetensors_header.weights(tensors, tied=tied, installed=True)
    return Subject(name, _shape(config, tensors), (), phone, safetensors=replace(weights, stored=file_bytes))


def _shape(config: Mapping[str, object], tensors: Iterable[Tensor]) -> TextShape:
    layers, embedding, heads, vocabulary = (_number(config, name) or 0 for name in NUMBERS)
    kv_heads = _number(config, "num_key_value_heads") or _number(config, "multi_query_group_num") or heads
    head_dim = _number(config, "head_dim") or (embedding // heads if heads else 0)
    feed_forward = _number(config, "intermediate_size") or 4 * embedding
    context = _number(config, "max_position_embeddings")
    matrices = sum(
        math.prod(one.shape)
        for one in tensors
        if len(one.shape) == 2 and ".layers." in one.name and "visual" not in one.name
    )
    architecture = ARCHITECTURES.get(model_type(config), model_type(config))
    shapes = ModelShapes(
        layers, embedding, feed_forward, vocabulary, heads, kv_heads, head_dim, context or 4096, head_dim,
        architecture=architecture,
    )  # fmt: skip
    return TextShape(
        layers=layers,
        embedding=embedding,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        kv_elements=shapes.kv_elements,
        context=context,
        layer_parameters=matrices,
        head_parameters=embedding * vocabulary,
        query_width=heads * head_dim,
        key=shape_key(shapes),
    )


def _number(config: Mapping[str, object], key: str) -> int | None:
    """From the text model's part of the config, where there is one."""
    text = config.get("text_config")
    for part in (text, config):
        value = part.get(key) if isinstance(part, Mapping) else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 40:
            return value
    return None


def _tied(config: Mapping[str, object]) -> bool:
    text = config.get("text_config")
    inner = text.get("tie_word_embeddings") if isinstance(text, Mapping) else None
    return bool(config.get("tie_word_embeddings") or inner)
