"""What is known of the models this program offers. Values only; ``store.catalog`` reads ``catalog.toml``.

Every stated value carries where it comes from and whether somebody of this project has verified it; what is
unknown is None. Sizes of variants are computed from the model's shapes (``core.quantise``), never read from a
listing; a download says what the hub says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .conversation import RANGES
from .known_shapes import SHAPES
from .machine import from_json
from .shapes import VISION_PARAMETERS, ModelShapes, parameters

SAFETENSORS = "safetensors"
MADE = "made:"
FORMATS = ("gguf", SAFETENSORS)
HUBS = ("huggingface", "modelscope")
NOTES = ("early_conversions", "projector_not_evidenced", "maker_conversion_untried")
"""Codes that ``Model.notes`` may hold; their sentences stand in ``texts.reasons``."""

SMALL_PARAMETERS = 5_000_000_000
"""Up to here a model is one for weak machines: 4 bits of it take 3 GB."""

DERIVED = frozenset(("base", "abliterated", "uncensored", "embedding", "reranker", "draft", "lora"))
"""Words in a name that say: not the model itself, but its base or something made from it."""


@dataclass(frozen=True)
class StatedNumber:
    """A number with its source; ``value`` None: not known. ``verified``: seen by this project in the thing itself."""

    source: str
    value: int | None = None
    verified: bool = False


@dataclass(frozen=True)
class StatedText:
    """A word with its source, like ``StatedNumber``."""

    source: str
    value: str | None = None
    verified: bool = False


@dataclass(frozen=True)
class StatedSampling:
    """How the model's makers sample, all from one ``source``; None: not told there. Names and meaning are those of
    ``protocol.Sampling``. ``core.sampling_defaults`` fills what is None."""

    source: str
    verified: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


@dataclass(frozen=True)
class Source:
    """A place that publicly is said to hold a variant. ``evidence`` says where that was read.

    ``file`` and ``projector`` are file names in the repository, None where none was read: the hub's listing
    tells them. ``projector_repo``: the repository on the same hub that holds the projector, None for ``repo``.
    ``gated``: whether the hub wants its licence accepted first, None where that is not known.
    """

    hub: str  # huggingface | modelscope
    repo: str
    evidence: str
    verified: bool = False
    file: str | None = None
    projector: str | None = None
    projector_repo: str | None = None
    gated: bool | None = None

    @property
    def projector_place(self) -> str:
        """The repository to look for the projector in."""
        return self.projector_repo or self.repo


@dataclass(frozen=True)
class Variant:
    """One downloadable form. ``id`` of a GGUF is its file type (``Q4_K_M``). Sources: the first is preferred."""

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
    """A model of the catalogue. ``phone``: made to drive a phone from screenshots. ``notes``: codes of ``NOTES``
    that users should read before a download. ``sampling`` None: nobody of this project read how it is to be sampled."""

    id: str
    title: str
    phone: bool
    architecture: str
    shapes: str
    context: StatedNumber
    names: tuple[str, ...]
    license: StatedText
    variants: tuple[Variant, ...]
    projector: Projector | None = None
    notes: tuple[str, ...] = ()
    sampling: StatedSampling | None = None

    def variant(self, name: str) -> Variant | None:
        """A variant by id, upper or lower case."""
        return next((v for v in self.variants if v.id.lower() == name.lower()), None)

    @property
    def text_shapes(self) -> ModelShapes:
        return SHAPES[self.shapes]

    @property
    def vision(self) -> bool:
        """Whether it can look at pictures, given its projector."""
        return self.projector is not None

    @property
    def parameters(self) -> int:
        """Weights of text and vision part, each counted once."""
        return parameters(self.text_shapes) + (VISION_PARAMETERS if self.vision else 0)

    @property
    def small(self) -> bool:
        """A model for weak machines."""
        return self.parameters <= SMALL_PARAMETERS


@dataclass(frozen=True)
class Catalog:
    models: tuple[Model, ...]

    def model(self, name: str) -> Model | None:
        """A model by its id, upper or lower case."""
        return next((m for m in self.models if m.id == name.lower()), None)

    def recognise(self, architecture: str, layers: int | None, names: tuple[str, ...]) -> Model | None:
        """The model that a file is, by its architecture, its layers and what it or its file is called.

        The longest matching name wins, so that ``…-multilingual`` is not taken for the plain model. A file
        with random weights for measurements says ``made:`` in its name and is never taken for the model. A
        name that tells of a base or of something made from a model (``DERIVED``) tells nothing: AutoGLM's own
        GGUF may call itself by the base it was trained from, and is known by its file name then.
        """
        alike = [m for m in self.models if m.architecture == architecture and m.text_shapes.layers == layers]
        return _called(alike, names)

    def called(self, name: str) -> Model | None:
        """The model that a server or a person means by a name: its id, or a name that holds one of its names
        (``zai-org/AutoGLM-Phone-9B``), by the rules of ``recognise``."""
        return self.model(name) or _called(self.models, (name,))


def _called(models: Sequence[Model], names: tuple[str, ...]) -> Model | None:
    """The model with the longest name that one of ``names`` holds."""
    if any(name.startswith(MADE) for name in names):
        return None
    texts = [plain_name(name) for name in names if name and not DERIVED & set(_words(name))]
    found = [
        (len(alias), model)
        for model in models
        for alias in map(plain_name, model.names)
        if any(alias in text for text in texts)
    ]
    return max(found, key=lambda item: item[0])[1] if found else None


def plain_name(name: str) -> str:
    """Letters and digits only, lower case: ``AutoGLM-Phone 9B`` → ``autoglmphone9b``."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", name.lower())


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
    unknown = [note for note in model.notes if note not in NOTES]
    if unknown:
        raise ValueError(f"catalog: {model.id}: unknown note {unknown[0]!r}")
    if model.architecture != model.text_shapes.architecture:
        raise ValueError(f"catalog: {model.id}: {model.shapes!r} is no {model.architecture}")
    if model.sampling is not None:
        _check_sampling(model.id, model.sampling)
    ids = [variant.id for variant in model.variants]
    if not ids or len(set(ids)) != len(ids):
        raise ValueError(f"catalog: {model.id}: variants are missing or there twice")
    for variant in model.variants:
        if variant.format not in FORMATS:
            raise ValueError(f"catalog: {model.id}:{variant.id}: unknown format {variant.format!r}")
        if any(source.hub not in HUBS for source in variant.sources):
            raise ValueError(f"catalog: {model.id}:{variant.id}: unknown hub")


def _check_sampling(model: str, sampling: StatedSampling) -> None:
    for name, (least, most) in RANGES.items():
        value = getattr(sampling, name, None)
        if value is not None and not least <= value <= most:
            raise ValueError(f"catalog: {model}: {name} {value} is not between {least:g} and {most:g}")
