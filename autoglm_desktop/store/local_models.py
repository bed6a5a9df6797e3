"""One model that lies on this machine, described from its header or its ``config.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core import folder_subject, gguf_names
from ..core.catalog import SAFETENSORS, Catalog, Model
from ..core.errors import Reason, TargetError
from ..core.gguf_header import GgufHeader
from . import gguf, safetensors

NOT_RUN = frozenset(("folder_quantised", "folder_unknown_kind"))
"""Why a folder that is whole can't be run."""
UNNAMED = frozenset(("", "gguf", "ggml", "model", "ggml-model"))
"""What the names of files that tell of no model come down to."""


@dataclass(frozen=True)
class LocalModel:
    """A GGUF file, or a folder with safetensors (``file_type`` ``safetensors``). ``model`` and ``variant`` are set
    where the catalogue recognises it; ``refusal`` says why it can answer no text; ``projector`` is the vision part
    beside it, where one belongs to it. ``place``: whose it is (``store.elsewhere.PLACES``), None: ours or added by
    path. ``repo``: ``owner/name`` where it is known. ``size_bytes`` of a folder: all its files."""

    path: Path
    name: str
    size_bytes: int
    architecture: str = ""
    file_type: str | None = None
    model: str | None = None
    variant: str | None = None
    refusal: Reason | None = None
    projector: Path | None = None
    header: GgufHeader | None = field(default=None, compare=False, repr=False)
    place: str | None = None
    repo: str | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing of it is missing or damaged, as far as headers tell; also where it can't be run yet."""
        return self.refusal is None or self.refusal.code in NOT_RUN

    @property
    def is_projector(self) -> bool:
        return self.header is not None and self.header.is_projector

    @property
    def is_folder(self) -> bool:
        return self.file_type == SAFETENSORS


def of_gguf(path: Path, header: GgufHeader, catalog: Catalog) -> LocalModel:
    """A file from its header."""
    refusal = gguf.refusal(header)
    if refusal is None and header.split_count > 1:
        refusal = Reason.of("gguf_split", path=str(path), count=header.split_count)
    known = catalog.recognise(header.architecture, header.block_count, (header.name or "", path.stem))
    return LocalModel(
        path=path,
        name=header.name or path.stem,
        size_bytes=header.file_size,
        architecture=header.architecture,
        file_type=header.file_type,
        model=known.id if known is not None else None,
        variant=header.file_type if known is not None else None,
        refusal=refusal,
        header=header,
    )


def of_folder(folder: safetensors.ModelFolder, catalog: Catalog, repo: str | None = None) -> LocalModel:
    """A safetensors folder from its ``config.json``; one that is not whole is refused with the reason."""
    size = sum(size for _, size in folder.files)
    name = repo.rpartition("/")[2] if repo else folder.path.name
    local = LocalModel(folder.path, name, size, file_type=SAFETENSORS, repo=repo)
    try:
        config = safetensors.read_config(folder.path)
        missing = safetensors.missing_shards(folder)
    except TargetError as error:
        return replace(local, refusal=Reason.of(error.code, **error.values))
    architecture = folder_subject.model_type(config)
    known = catalog.recognise(
        folder_subject.ARCHITECTURES.get(architecture, architecture),
        _layers(config),
        (name, folder.path.name),
    )
    refusal = folder_subject.refusal(config)
    if missing:
        refusal = Reason.of("shard_missing", name=missing[0], count=len(missing))
    elif not any(size for _, size in folder.weights):
        refusal = Reason.of("no_weights")
    elif not any(name in safetensors.TOKENIZERS for name, _ in folder.files):
        refusal = Reason.of("tokenizer_missing", name=safetensors.TOKENIZERS[0])
    return replace(
        local,
        architecture=architecture,
        model=known.id if known is not None else None,
        variant=SAFETENSORS if known is not None and folder_subject.quantisation(config) is None else None,
        refusal=refusal,
    )


def of_failure(path: Path, size: int, error: TargetError) -> LocalModel:
    """A file that is listed with the reason why it can't be used."""
    return LocalModel(path, path.stem, size, refusal=Reason.of(error.code, **error.values))


def placed(local: LocalModel, catalog: Catalog, **values: object) -> LocalModel:
    """With ``place``, ``repo`` or ``name``. What a file without a name is, and what a damaged one would have been, is
    told by where it came from."""
    local = _by_place(replace(local, **values), catalog)  # type: ignore[arg-type]
    if local.complete or local.repo is None or local.model is not None or local.is_projector:
        return local
    kind = local.file_type or gguf_names.parse(local.path.name).type
    known = _of_repo(catalog, local.repo)
    model = known.id if known is not None else None
    return replace(local, file_type=kind, model=model, variant=kind if known is not None else None)


def _by_place(local: LocalModel, catalog: Catalog) -> LocalModel:
    """A file that neither its header nor its own name names (``ggml-model-Q4_K_M.gguf``): by its repository, else by
    its folder."""
    header = local.header
    if header is None or header.name or header.is_projector or local.model is not None:
        return local
    base = gguf_names.parse(f"{local.path.stem}.gguf").base
    if base not in UNNAMED:
        return local
    name = local.repo.rpartition("/")[2] if local.repo else local.path.parent.name
    known = catalog.recognise(header.architecture, header.block_count, (name,))
    told = known.title if known is not None else name
    return replace(
        local,
        name=told if local.name == local.path.stem and (known is not None or local.repo) else local.name,
        model=known.id if known is not None else None,
        variant=local.file_type if known is not None else None,
    )


def of_variant(found: Iterable[LocalModel], variant: str | None) -> tuple[LocalModel, ...]:
    """Those that ``variant`` names (None: all): by the type or the stem of the file's name, as repositories offer them;
    where no name says it, by the type that the header states."""
    found = tuple(found)
    if variant is None:
        return found
    wanted = variant.casefold()
    by_name = tuple(local for local in found if wanted in _told_by_name(local))
    return by_name or tuple(local for local in found if (local.file_type or "").casefold() == wanted)


def _told_by_name(local: LocalModel) -> tuple[str, ...]:
    if local.is_folder:
        return (SAFETENSORS,)
    name = gguf_names.parse(local.path.name) if local.path.suffix.lower() == ".gguf" else None
    return ((name.type or "").casefold(), name.stem.casefold()) if name is not None else ()


def _of_repo(catalog: Catalog, repo: str) -> Model | None:
    def holds(model: Model) -> bool:
        sources = [source for variant in model.variants for source in variant.sources]
        return any(source.repo.lower() == repo.lower() for source in sources)

    return next(filter(holds, catalog.models), None)


def _layers(config: Mapping[str, object]) -> int | None:
    text = config.get("text_config")
    value = config.get("num_hidden_layers", text.get("num_hidden_layers") if isinstance(text, dict) else None)
    return value if isinstance(value, int) else None
