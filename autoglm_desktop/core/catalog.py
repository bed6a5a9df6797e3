"""What is known of the models this program offers. Values only; ``store.catalog`` reads ``catalog.toml``.

Every stated value carries where it comes from and whether somebody of this project has verified it; what is
unknown is None. Sizes of variants are computed from the model's shapes (``core.quantise``), never read from a
listing; a download says what the hub says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .machine import from_json
from .shapes import AUTOGLM_PHONE_9B, Glm4Shapes

SHAPES: Mapping[str, Glm4Shapes] = {"autoglm-phone-9b": AUTOGLM_PHONE_9B}
"""Text shapes by the name that ``catalog.toml`` uses."""

SAFETENSORS = "safetensors"
MADE = "made:"
FORMATS = ("gguf", SAFETENSORS)


@dataclass(frozen=True)
class StatedNumber:
    """A number with its source; ``verified``: seen by this project in the thing itself."""

    value: int | None
    source: str
    verified: bool = False


@dataclass(frozen=True)
class Source:
    """A place that publicly is said to hold a variant. ``evidence`` says where that was read.

    ``file`` and ``projector`` are file names in the repository, None where no listing could be read.
    """

    hub: str  # huggingface | modelscope
    repo: str
    evidence: str
    verified: bool = False
    file: str | None = None
    projector: str | None = None


@dataclass(frozen=True)
class Variant:
    """One downloadable form. ``id`` of a GGUF is its file type (``Q4_K_M``)."""

    id: str
    format: str
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Projector:
    """The vision part that belongs to a model's GGUF files."""

    type: str  # clip.projector_type
    file_bytes: StatedNumber


@dataclass(frozen=True)
class Model:
    """A model of the catalogue. ``phone``: made to drive a phone from screenshots."""

    id: str
    title: str
    phone: bool
    architecture: str
    shapes: str
    context: StatedNumber
    names: tuple[str, ...]
    variants: tuple[Variant, ...]
    projector: Projector | None = None
    warning: str | None = None

    def variant(self, name: str) -> Variant | None:
        """A variant by id, upper or lower case."""
        return next((v for v in self.variants if v.id.lower() == name.lower()), None)

    @property
    def text_shapes(self) -> Glm4Shapes:
        return SHAPES[self.shapes]


@dataclass(frozen=True)
class Catalog:
    models: tuple[Model, ...]

    def model(self, name: str) -> Model | None:
        """A model by its id, upper or lower case."""
        return next((m for m in self.models if m.id == name.lower()), None)

    def recognise(self, architecture: str, layers: int | None, names: tuple[str, ...]) -> Model | None:
        """The model that a file is, by its architecture, its layers and what it or its file is called.

        The longest matching name wins, so that ``…-multilingual`` is not taken for the plain model. A file
        with random weights for measurements says ``made:`` in its name and is never taken for the model.
        """
        if any(name.startswith(MADE) for name in names):
            return None
        texts = [plain_name(name) for name in names if name]
        found = [
            (len(alias), model)
            for model in self.models
            if model.architecture == architecture and model.text_shapes.layers == layers
            for alias in map(plain_name, model.names)
            if any(alias in text for text in texts)
        ]
        return max(found, key=lambda item: item[0])[1] if found else None


def plain_name(name: str) -> str:
    """Letters and digits only, lower case: ``AutoGLM-Phone 9B`` → ``autoglmphone9b``."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def parse(data: Mapping[str, object]) -> Catalog:
    """The catalogue from ``catalog.toml``'s tables. Raises ValueError naming what is wrong."""
    models = data.get("models")
    if data.get("schema") != 1 or not isinstance(models, list):
        raise ValueError("catalog: schema 1 with a list of models expected")
    catalog = Catalog(tuple(from_json(Model, item) for item in models))
    for model in catalog.models:
        _check(model)
    if len({model.id for model in catalog.models}) != len(catalog.models):
        raise ValueError("catalog: a model id is there twice")
    return catalog


def _check(model: Model) -> None:
    if model.id != model.id.lower():
        raise ValueError(f"catalog: {model.id}: ids are lower case")
    if model.shapes not in SHAPES:
        raise ValueError(f"catalog: {model.id}: unknown shapes {model.shapes!r}")
    ids = [variant.id for variant in model.variants]
    if not ids or len(set(ids)) != len(ids):
        raise ValueError(f"catalog: {model.id}: variants are missing or there twice")
    for variant in model.variants:
        if variant.format not in FORMATS:
            raise ValueError(f"catalog: {model.id}:{variant.id}: unknown format {variant.format!r}")
        if any(source.hub not in ("huggingface", "modelscope") for source in variant.sources):
            raise ValueError(f"catalog: {model.id}:{variant.id}: unknown hub")
