"""What the planner plans of a repository: the variants it offers, as far as something tells their shapes. Pure, bytes.

One header tells the shapes of the whole repository: quantisations of one model differ in their types alone. A file that
is named after another model, one in several parts (no engine here takes them), and a type that neither the quantiser's
rules nor a size tells, stay unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .catalog import SAFETENSORS
from .gguf_header import GgufHeader
from .gguf_names import parse
from .quantise import FTYPES
from .repository import Offer
from .subject import GgufWeights, ProjectorWeights, Subject, of_header, weights_of_header, weights_of_shapes

TABLE_TOLERANCE = 0.05
"""A listed size further from the table's says that the file was made otherwise; then the size alone counts."""


def of_repository(
    repo: str, offers: Sequence[Offer], headers: Mapping[str, GgufHeader]
) -> tuple[Subject, ...]:
    """A repository of which nothing but the ``headers`` (by offer's id) is known: one subject for each model that its
    files are named after and a header tells of. Raises TargetError where a header leaves out what a plan needs."""
    models: dict[str, list[Offer]] = {}
    for offer in offers:
        if is_single_gguf(offer):
            models.setdefault(parse(offer.files[0].path).base, []).append(offer)
    found = []
    for own in models.values():
        first = next((offer for offer in own if offer.id in headers), None)
        if first is not None:
            base = of_header(headers[first.id], repo, projector=_projector(own))
            found.append(with_offers(base, own, headers))
    return tuple(found)


def with_offers(base: Subject, offers: Sequence[Offer], headers: Mapping[str, GgufHeader]) -> Subject:
    """``base`` with what the offers weigh: from their own headers, else from its shapes, else from their size."""
    like = next(iter(base.gguf), None)
    told = ((offer, headers.get(offer.id)) for offer in offers if is_single_gguf(offer))
    found = [_weights(base, like, offer, header) for offer, header in told]
    safetensors = base.safetensors if any(offer.id == SAFETENSORS for offer in offers) else None
    return replace(base, gguf=tuple(one for one in found if one is not None), safetensors=safetensors)


def is_single_gguf(offer: Offer) -> bool:
    """Whether its weights are one GGUF file."""
    return offer.id != SAFETENSORS and len(offer.files) == 1


def _weights(
    base: Subject, like: GgufWeights | None, offer: Offer, header: GgufHeader | None
) -> GgufWeights | None:
    if header is not None and header.tensors:
        return weights_of_header(header, offer.id, fetchable=True)
    size = offer.files[0].size
    kind = parse(offer.files[0].path).type or ""
    if base.shapes is not None and kind in FTYPES:
        table = weights_of_shapes(kind, base.shapes, fetchable=True)
        expected = table.table.total + _no_weights(like) if like is not None else table.file_bytes
        if size is None or abs(expected - size) <= TABLE_TOLERANCE * size:
            return replace(table, variant=offer.id, file_bytes=size or expected)
    if size is None or like is None or not like.table.total:
        return None
    return replace(_scaled(like, size), variant=offer.id, installed=False, fetchable=True, basis="table")


def _no_weights(like: GgufWeights) -> int:
    """Bytes of a file that are header and vocabulary."""
    return like.file_bytes - like.table.total


def _scaled(like: GgufWeights, size: int) -> GgufWeights:
    """The same model at another size: what is no weight (header and vocabulary) stays as large as it was."""
    table = like.table
    share = max(size - _no_weights(like), 0) / table.total
    layers = tuple(int(layer * share) for layer in table.layers)
    scaled = replace(
        table,
        embedding=int(table.embedding * share),
        layers=layers,
        output=int(table.output * share),
        other=int(table.other * share),
    )
    products = {kind: int(bytes_ * share) for kind, bytes_ in like.matmul_bytes.items()}
    return replace(like, table=scaled, matmul_bytes=products, file_bytes=size)


def _projector(offers: Sequence[Offer]) -> ProjectorWeights | None:
    beside = (file for offer in offers for file in offer.beside if file.path.lower().endswith(".gguf"))
    size = next((file.size for file in beside), None)
    return ProjectorWeights(size, size) if size else None
