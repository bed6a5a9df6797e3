"""What a GGUF file says of itself, and whether it can be run. Values only; ``store.gguf`` reads them.

Bytes and elements; unknown is None. Nothing here trusts the file: a metadata value of another type than
llama.cpp expects counts as missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from .errors import Reason
from .gguf_types import ARCHITECTURES, FILE_TYPES, NO_TEXT_ARCHITECTURES, GgmlType, ValueType, tensor_bytes
from .shapes import WeightTable
from .shapes import weight_table as _weight_table


@dataclass(frozen=True)
class SkippedArray:
    """An array that was too long to keep (a vocabulary): its element type and count."""

    type: ValueType
    count: int


Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...] | SkippedArray


@dataclass(frozen=True)
class TensorInfo:
    """A tensor's place: ``offset`` counts from the start of the data section."""

    name: str
    shape: tuple[int, ...]
    type: GgmlType
    offset: int

    @property
    def size(self) -> int:
        return tensor_bytes(self.type, self.shape)


@dataclass(frozen=True)
class GgufHeader:
    """A GGUF file without its weights."""

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    data_offset: int
    file_size: int
    alignment: int
    path: str = field(default="", compare=False)

    @property
    def architecture(self) -> str:
        """``general.architecture``, ``""`` where the file names none."""
        return self.text("general.architecture") or ""

    @property
    def name(self) -> str | None:
        return self.text("general.name")

    @property
    def file_type(self) -> str | None:
        """The quantisation's name (``Q4_K_M``) as ``general.file_type`` states it."""
        number = self.integer("general.file_type")
        return FILE_TYPES.get(number & ~1024) if number is not None else None

    @property
    def block_count(self) -> int | None:
        return self.integer(self._key("block_count"))

    @property
    def context_length(self) -> int | None:
        return self.integer(self._key("context_length"))

    @property
    def embedding_length(self) -> int | None:
        return self.integer(self._key("embedding_length"))

    @property
    def feed_forward_length(self) -> int | None:
        return self.largest(self._key("feed_forward_length"))

    @property
    def head_count(self) -> int | None:
        """Attention heads; where layers differ, the most."""
        return self.largest(self._key("attention.head_count"))

    @property
    def head_count_kv(self) -> int | None:
        return self.largest(self._key("attention.head_count_kv")) or self.head_count

    @property
    def key_length(self) -> int | None:
        """Elements of one head's key; llama.cpp's default is embedding ÷ heads."""
        return self.integer(self._key("attention.key_length")) or self._embedding_per_head()

    @property
    def value_length(self) -> int | None:
        return self.integer(self._key("attention.value_length")) or self._embedding_per_head()

    @property
    def kv_elements_per_token(self) -> int | None:
        """Elements of K and V that one token takes in all layers (× 2 bytes for f16, × 34/32 for q8_0)."""
        layers, heads = self.block_count, self.head_count_kv
        key, value = self.key_length, self.value_length
        if layers is None or heads is None or key is None or value is None:
            return None
        return layers * heads * (key + value)

    @property
    def vocab_size(self) -> int | None:
        count = self.count("tokenizer.ggml.tokens")
        return count if count is not None else self.integer(self._key("vocab_size"))

    @property
    def has_mrope(self) -> bool:
        """Positions have sections; without them an image aborts the process (``src/models/glm4.cpp``)."""
        sections = self.metadata.get(self._key("rope.dimension_sections"))
        if not isinstance(sections, tuple) or len(sections) < 2:
            return False
        return all(isinstance(section, int) and section > 0 for section in sections[:2])

    @property
    def chat_template(self) -> str | None:
        return self.text("tokenizer.chat_template")

    @property
    def has_chat_template(self) -> bool:
        return bool(self.chat_template)

    @property
    def bos_token_id(self) -> int | None:
        return self.integer("tokenizer.ggml.bos_token_id")

    @property
    def eos_token_id(self) -> int | None:
        return self.integer("tokenizer.ggml.eos_token_id")

    @property
    def is_projector(self) -> bool:
        """A vision projector (mmproj), which belongs to a text model and is none."""
        return self.architecture == "clip" or self.text("general.type") == "mmproj"

    @property
    def projector_type(self) -> str | None:
        return self.text("clip.projector_type") or self.text("clip.vision.projector_type")

    @property
    def split_count(self) -> int:
        """Into how many files the model is split; this header then describes the tensors of one."""
        return self.integer("split.count") or 1

    @property
    def parameter_count(self) -> int:
        return sum(math.prod(tensor.shape) for tensor in self.tensors)

    @property
    def tensor_bytes(self) -> int:
        """All weights, padding not counted."""
        return sum(tensor.size for tensor in self.tensors)

    def tensor(self, name: str) -> TensorInfo | None:
        return next((tensor for tensor in self.tensors if tensor.name == name), None)

    def text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """A non-negative integer; any other value is None."""
        value = self.metadata.get(key)
        return value if _is_count(value) else None

    def largest(self, key: str) -> int | None:
        """An integer that some models give per layer: then the largest."""
        value = self.metadata.get(key)
        if isinstance(value, tuple):
            return max((item for item in value if _is_count(item)), default=None)
        return value if _is_count(value) else None

    def count(self, key: str) -> int | None:
        """Elements of an array, kept or skipped."""
        value = self.metadata.get(key)
        if isinstance(value, SkippedArray):
            return value.count
        return len(value) if isinstance(value, tuple) else None

    def _key(self, name: str) -> str:
        return f"{self.architecture}.{name}"

    def _embedding_per_head(self) -> int | None:
        embedding, heads = self.embedding_length, self.head_count
        return embedding // heads if embedding is not None and heads else None


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def weight_table(header: GgufHeader) -> WeightTable:
    """Bytes by embedding, layer and output, as this file has them."""
    return _weight_table((tensor.name, tensor.size) for tensor in header.tensors)


def refusal(header: GgufHeader) -> Reason | None:
    """Why the file can answer no text, or None. Says nothing of images and memory.

    Codes: ``projector_alone``, ``adapter_alone``, ``unknown_architecture`` (architecture),
    ``not_a_text_model`` (architecture), ``no_weights``, ``no_tokenizer``, ``tokenizer_mismatch`` (tokens, wanted). Any
    other architecture that llama.cpp knows is left to it.
    """
    kind = header.text("general.type")
    if header.is_projector:
        return Reason.of("projector_alone")
    if kind in ("adapter", "imatrix"):
        return Reason.of("adapter_alone")
    if header.architecture not in ARCHITECTURES:
        return Reason.of("unknown_architecture", architecture=header.architecture)
    if header.architecture in NO_TEXT_ARCHITECTURES:
        return Reason.of("not_a_text_model", architecture=header.architecture)
    if not header.tensors:
        return Reason.of("no_weights")
    model = header.text("tokenizer.ggml.model")
    if model in (None, "none", "no_vocab") or not header.count("tokenizer.ggml.tokens"):
        return Reason.of("no_tokenizer")
    return _tokenizer_fault(header, header.count("tokenizer.ggml.tokens") or 0)


def _tokenizer_fault(header: GgufHeader, tokens: int) -> Reason | None:
    """A vocabulary that isn't the weights' own, or whose tables differ in length (llama.cpp reads on behind their end:
    ``llama_vocab::impl::load``). End tokens that aren't in it would let no answer end; 2^32 − 1 stands for none."""
    table = header.tensor("token_embd.weight")
    counts = [header.count(f"tokenizer.ggml.{name}") for name in ("token_type", "scores")]
    if table is not None and len(table.shape) == 2:
        counts.append(table.shape[-1])
    for name in ("eos", "eot"):
        token = header.integer(f"tokenizer.ggml.{name}_token_id")
        if token is not None and tokens <= token < (1 << 32) - 1:
            return Reason.of("tokenizer_mismatch", tokens=tokens, wanted=token + 1)
    for count in counts:
        if count is not None and count != tokens:
            return Reason.of("tokenizer_mismatch", tokens=tokens, wanted=count)
    return None
