"""What the planner plans: a model of the catalogue with its variants, or one file that lies on disk.

Bytes. Built by ``of_model`` (sizes from the model's shapes) or ``of_header`` (sizes from the file itself).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from .catalog import SAFETENSORS, Model
from .errors import TargetError
from .gguf_header import GgufHeader, weight_table
from .gguf_types import tensor_bytes
from .quantise import tensor_types, weight_table_for
from .shapes import (
    LAYOUTS,
    VISION_LINEAR_PARAMETERS,
    VISION_PARAMETERS,
    ModelShapes,
    WeightTable,
    layer_of,
    layer_parameters,
    shape_key,
    text_shapes,
)

QUALITY_ORDER = ("Q8_0", "16-bit", "Q6_K", "Q5_K_M", "Q4_K_M", "nf4", "Q4_0", "IQ4_XS")
"""Variants of at least 4 bits, best first (docs/architecture.md, planner)."""

FEED_FORWARD_WHERE_UNKNOWN = 4  # times the embedding

PROJECTOR_WEIGHTS_BYTES = 1704 * 1024 * 1024
"""What llama.cpp allocates for the F16 glm4v projector (docs/numbers.md, section 5, measured)."""
PROJECTOR_Q8_0_BYTES = int(VISION_LINEAR_PARAMETERS * 8.5 / 8) + 2 * (
    VISION_PARAMETERS - VISION_LINEAR_PARAMETERS
)
"""The same with its linear layers in Q8_0, 8.5 bits a weight (computed, not measured yet)."""


@dataclass(frozen=True)
class TextShape:
    """The numbers that fix buffers, KV cache and arithmetic. ``kv_elements``: K and V of one token in all layers;
    ``layer_parameters``: weights of all layers' matrices; ``query_width``: elements of one token's queries; ``key``:
    by which measurements of the same shapes are found."""

    layers: int
    embedding: int
    feed_forward: int
    vocabulary: int
    kv_elements: int
    context: int | None = None
    layer_parameters: int = 0
    head_parameters: int = 0
    query_width: int = 0
    key: str = ""


@dataclass(frozen=True)
class GgufWeights:
    """The weights of one GGUF. ``matmul_bytes``: bytes by tensor type that matrix products read.

    ``installed``: lies on this machine; ``fetchable``: a public copy is evidenced. ``basis``: ``table`` (sizes from the
    model's shapes) or ``header`` (from the file's own).
    """

    variant: str
    table: WeightTable
    matmul_bytes: Mapping[str, int]
    file_bytes: int
    installed: bool = False
    fetchable: bool = False
    basis: str = "table"


@dataclass(frozen=True)
class ProjectorWeights:
    """A vision projector: bytes in memory and in its file. Its buffer is known for ``glm4v`` only.

    ``quantised_bytes``: in memory as Q8_0, which is made from the F16 file on this machine; None where it can't be.
    """

    memory_bytes: int
    file_bytes: int | None
    installed: bool = False
    quantised_bytes: int | None = None

    def bytes_as(self, kind: str) -> int:
        """In memory as ``f16`` (as the file has it) or ``q8_0``."""
        return (
            self.quantised_bytes if kind == "q8_0" and self.quantised_bytes is not None else self.memory_bytes
        )


@dataclass(frozen=True)
class SafetensorsWeights:
    """Parameter counts of a 16-bit folder, by how the transformers rungs treat them.

    ``head`` is 0 where the embedding is the head, too; ``head_copy``: parameters that the files hold twice;
    ``stored``: bytes of the files, where they are here.
    """

    embedding: int
    head: int
    layers: int
    vision: int
    vision_linear: int
    installed: bool = False
    head_copy: int = 0
    stored: int | None = None

    @property
    def parameters(self) -> int:
        """What a loaded model holds."""
        return self.embedding + self.head + self.layers + self.vision

    @property
    def file_bytes(self) -> int:
        if self.stored is not None:
            return self.stored
        return 2 * (self.embedding + self.head + self.head_copy + self.layers + self.vision)


@dataclass(frozen=True)
class Subject:
    """What is planned. ``shapes``: those of which cuts can be made to measure the speed, None where unknown."""

    id: str
    shape: TextShape
    gguf: tuple[GgufWeights, ...]
    phone: bool
    projector: ProjectorWeights | None = None
    safetensors: SafetensorsWeights | None = None
    shapes: ModelShapes | None = None

    @property
    def vision(self) -> bool:
        """Whether the model can look at pictures: with a projector, or with its own vision part."""
        folder = self.safetensors
        return self.projector is not None or (folder is not None and folder.vision > 0)

    @property
    def default_wish(self) -> str:
        """``phone`` where the model can look at screenshots, else ``text``."""
        return "phone" if self.phone and self.vision else "text"

    def weights(self, variant: str) -> GgufWeights | None:
        return next((w for w in self.gguf if w.variant.lower() == variant.lower()), None)

    def only(self, variant: str) -> Subject:
        """With the one GGUF variant; safetensors stay. Raises TargetError(variant_unknown)."""
        found = self.weights(variant)
        if found is None:
            folder = [SAFETENSORS] if self.safetensors is not None else []
            known = ", ".join([*folder, *(w.variant for w in self.gguf)])
            raise TargetError("variant_unknown", variant=variant, model=self.id, known=known)
        return replace(self, gguf=(found,))


@dataclass(frozen=True)
class Installed:
    """What of a catalogue model lies on this machine: variant ids, its projector, its safetensors folder."""

    variants: frozenset[str] = field(default_factory=frozenset)
    projector: bool = False


def of_model(model: Model, installed: Installed = Installed()) -> Subject:
    """A catalogue model, with sizes from its shapes."""
    shapes = model.text_shapes
    gguf = tuple(
        weights_of_shapes(
            variant.id,
            shapes,
            installed=variant.id in installed.variants,
            fetchable=bool(variant.sources),
        )
        for variant in model.variants
        if variant.format != SAFETENSORS
    )
    projector = None
    if model.projector is not None:
        size = model.projector.file_bytes.value
        projector = ProjectorWeights(PROJECTOR_WEIGHTS_BYTES, size, installed.projector, PROJECTOR_Q8_0_BYTES)
    return Subject(
        id=model.id,
        shape=_text_shape(shapes),
        gguf=gguf,
        phone=model.phone,
        projector=projector,
        safetensors=_safetensors(model, shapes, SAFETENSORS in installed.variants),
        shapes=shapes,
    )


def of_header(
    header: GgufHeader, name: str, *, phone: bool = False, projector: ProjectorWeights | None = None
) -> Subject:
    """A GGUF file that is there. Raises TargetError where its header leaves out what a plan needs."""
    if header.split_count > 1:
        raise TargetError("gguf_split", path=header.path, count=header.split_count)
    numbers = {
        "block_count": header.block_count,
        "embedding_length": header.embedding_length,
        "attention.head_count": header.head_count,
    }
    missing = [key for key, value in numbers.items() if not value]
    if missing:
        raise TargetError("gguf_incomplete", path=header.path, key=f"{header.architecture}.{missing[0]}")
    weights = weights_of_header(header, installed=True)
    return Subject(name, _header_shape(header), (weights,), phone, projector, shapes=shapes_of_header(header))


def weights_of_shapes(
    file_type: str, shapes: ModelShapes, *, installed: bool = False, fetchable: bool = False
) -> GgufWeights:
    """The weights that llama.cpp's quantiser makes of a model. ValueError for a file type that is not known."""
    table = weight_table_for(file_type, shapes)
    return GgufWeights(
        variant=file_type,
        table=table,
        matmul_bytes=_matmul_bytes(file_type, shapes),
        file_bytes=table.total + shapes.gguf_header_bytes,
        installed=installed,
        fetchable=fetchable,
    )


def weights_of_header(
    header: GgufHeader, variant: str | None = None, *, installed: bool = False, fetchable: bool = False
) -> GgufWeights:
    """The weights of a GGUF as its header tells them; ``variant`` (None: as the header says) names it."""
    table = weight_table(header)
    return GgufWeights(
        variant=variant or header.file_type or "GGUF",
        table=table,
        matmul_bytes=_sum_by_type(
            (t.type.name, t.size)
            for t in header.tensors
            if len(t.shape) > 1 and not _is_lookup(t.name, table.tied)
        ),
        file_bytes=header.file_size,
        installed=installed,
        fetchable=fetchable,
        basis="header",
    )


def shapes_of_header(header: GgufHeader) -> ModelShapes | None:
    """The shapes of a file of an architecture that ``core.shapes`` lays out; None for any other."""
    if header.architecture not in LAYOUTS or None in (header.block_count, header.embedding_length):
        return None
    heads, kv_heads, dim = header.head_count, header.head_count_kv, header.key_length
    if not heads or not kv_heads or not dim or not header.feed_forward_length or not header.vocab_size:
        return None
    prefix = header.architecture
    sections = header.metadata.get(f"{prefix}.rope.dimension_sections")
    four = tuple(sections) if isinstance(sections, (tuple, list)) and len(sections) == 4 else None
    return ModelShapes(
        layers=header.block_count or 0,
        embedding=header.embedding_length or 0,
        feed_forward=header.feed_forward_length,
        vocabulary=header.vocab_size,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=dim,
        context=header.context_length or 4096,
        rope_dims=header.integer(f"{prefix}.rope.dimension_count") or dim,
        rope_sections=(int(four[0]), int(four[1]), int(four[2]), int(four[3])) if four else None,
        architecture=prefix,
        tied=weight_table(header).tied,
    )


def _header_shape(header: GgufHeader) -> TextShape:
    embedding = header.embedding_length or 0
    shapes = shapes_of_header(header)
    layers = [t for t in header.tensors if len(t.shape) > 1 and layer_of(t.name) is not None]
    heads, dim = header.head_count or 0, header.key_length or 0
    return TextShape(
        layers=header.block_count or 0,
        embedding=embedding,
        feed_forward=header.feed_forward_length or FEED_FORWARD_WHERE_UNKNOWN * embedding,
        vocabulary=header.vocab_size or 0,
        kv_elements=header.kv_elements_per_token or 0,
        context=header.context_length,
        layer_parameters=sum(math.prod(t.shape) for t in layers),
        head_parameters=embedding * (header.vocab_size or 0),
        query_width=heads * dim,
        key=shape_key(shapes) if shapes is not None else "",
    )


def at_least_4_bits(variant: str) -> bool:
    """Whether a variant keeps 4 bits a weight or more, by its name; an unknown name counts as such."""
    match = re.search(r"(\d+)", variant)
    return match is None or int(match.group(1)) >= 4


def _text_shape(shapes: ModelShapes) -> TextShape:
    return TextShape(
        layers=shapes.layers,
        embedding=shapes.embedding,
        feed_forward=shapes.feed_forward,
        vocabulary=shapes.vocabulary,
        kv_elements=shapes.kv_elements,
        context=shapes.context,
        layer_parameters=layer_parameters(shapes),
        head_parameters=shapes.embedding * shapes.vocabulary,
        query_width=shapes.heads * shapes.head_dim,
        key=shape_key(shapes),
    )


def _safetensors(model: Model, shapes: ModelShapes, installed: bool) -> SafetensorsWeights | None:
    if model.variant(SAFETENSORS) is None:
        return None
    table = weight_table_for("F16", shapes)
    matrix = shapes.embedding * shapes.vocabulary
    return SafetensorsWeights(
        embedding=matrix,
        head=0 if shapes.tied else matrix,
        layers=sum(table.layers) // 2,
        vision=VISION_PARAMETERS if model.vision else 0,
        vision_linear=VISION_LINEAR_PARAMETERS if model.vision else 0,
        installed=installed,
        head_copy=matrix if shapes.tied and shapes.head_in_safetensors else 0,
    )


def _is_lookup(name: str, tied: bool) -> bool:
    """Tensors that rows are taken from instead of being multiplied; a tied embedding is the output, too."""
    return name.startswith("token_embd.") and not tied


@lru_cache(maxsize=256)
def _matmul_bytes(file_type: str, shapes: ModelShapes) -> Mapping[str, int]:
    tensors = text_shapes(shapes)
    types = tensor_types(tensors, file_type, grouped_queries=shapes.grouped_queries)
    return _sum_by_type(
        (types[t.name].name, tensor_bytes(types[t.name], t.shape))
        for t in tensors
        if len(t.shape) > 1 and not _is_lookup(t.name, shapes.tied)
    )


def _sum_by_type(sizes: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for kind, size in sizes:
        total[kind] = total.get(kind, 0) + size
    return total
