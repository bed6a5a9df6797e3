"""What a repository of models offers: files, and the variants they make up. Values and rules, no I/O.

Sizes are bytes. Hashes are lower-case hex; what a listing does not say is None.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import Reason
from .file_names import check_path, check_type, folded
from .gguf_names import GgufName, parse

__all__ = [
    "SAFETENSORS",
    "Listing",
    "Offer",
    "RemoteFile",
    "check_path",
    "check_type",
    "find_offer",
    "make_listing",
    "offers",
]

SAFETENSORS = "safetensors"
PROJECTOR_TYPES = ("F16", "BF16", "F32", "Q8_0")
"""Of several projectors the first of these is taken."""

_SHARD = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository. ``path`` is relative, with ``/``. ``git_sha1`` is git's blob hash, which the
    Hugging Face hub gives for small files instead of ``sha256``."""

    path: str
    size: int | None
    sha256: str | None = None
    git_sha1: str | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Listing:
    """A repository at one commit, as one source lists it. ``commit`` is None where the source knows none (a
    folder). ``files`` have safe names and allowed types; ``refused`` are the others, each with the reason."""

    source: str
    repo: str
    commit: str | None
    files: tuple[RemoteFile, ...]
    refused: tuple[tuple[str, Reason], ...] = ()

    def file(self, path: str) -> RemoteFile | None:
        return next((file for file in self.files if file.path == path), None)


@dataclass(frozen=True)
class Offer:
    """One variant that a repository offers: ``id`` a quantisation type (``Q4_K_M``) or ``safetensors``.

    ``files`` are its weights (all parts), ``beside`` what goes with them: a projector, or the small files that
    a safetensors folder needs.
    """

    id: str
    files: tuple[RemoteFile, ...]
    beside: tuple[RemoteFile, ...] = ()

    @property
    def all_files(self) -> tuple[RemoteFile, ...]:
        return (*self.beside, *self.files)

    @property
    def size(self) -> int | None:
        """Bytes of all its files; None where a size is not known."""
        sizes = [file.size for file in self.all_files]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None


def make_listing(source: str, repo: str, commit: str | None, entries: Iterable[RemoteFile]) -> Listing:
    """The entries that may be fetched; the others with the reason. Of names that one file system could take for
    the same the first stays."""
    files: list[RemoteFile] = []
    refused: list[tuple[str, Reason]] = []
    taken: dict[str, str] = {}
    folders: set[str] = set()
    for entry in entries:
        reason = check_path(entry.path) or check_type(entry.path)
        key = folded(entry.path)
        above = [key[:place] for place, char in enumerate(key) if char == "/"]
        if reason is None and key in taken:
            reason = Reason.of("name_collides", other=taken[key])
        if reason is None and (key in folders or any(folder in taken for folder in above)):
            reason = Reason.of("name_file_and_folder")
        if reason is not None:
            refused.append((entry.path, reason))
            continue
        taken[key] = entry.path
        folders.update(above)
        files.append(entry)
    return Listing(source, repo, commit, tuple(files), tuple(refused))


def offers(listing: Listing) -> tuple[Offer, ...]:
    """The variants of a repository, the smallest first, those of unknown size last."""
    found = [*_gguf_offers(listing.files), *_safetensors_offers(listing.files)]
    return tuple(sorted(found, key=lambda offer: (offer.size is None, offer.size or 0)))


def find_offer(offers: Iterable[Offer], name: str) -> Offer | None:
    """The offer of that id, whatever its case."""
    wanted = name.casefold()
    return next((offer for offer in offers if offer.id.casefold() == wanted), None)


def _gguf_offers(files: Iterable[RemoteFile]) -> list[Offer]:
    groups: dict[str, list[tuple[GgufName, RemoteFile]]] = {}
    projectors: list[tuple[GgufName, RemoteFile]] = []
    for file in files:
        if not file.path.lower().endswith(".gguf"):
            continue
        name = parse(file.path)
        if name.projector:
            projectors.append((name, file))
        elif name.model:
            groups.setdefault(f"{name.stem}\n{name.parts}", []).append((name, file))
    whole = [sorted(group, key=lambda pair: pair[0].part) for group in groups.values() if _complete(group)]
    ids = _distinct([group[0][0] for group in whole])
    return [
        Offer(offer_id, tuple(file for _, file in group), _projector(group[0][0], projectors))
        for offer_id, group in zip(ids, whole, strict=True)
    ]


def _complete(group: list[tuple[GgufName, RemoteFile]]) -> bool:
    return sorted(name.part for name, _ in group) == list(range(1, len(group) + 1)) and group[0][
        0
    ].parts == len(group)


def _distinct(names: list[GgufName]) -> list[str]:
    """The type where only one has it, else the file's name, else its path."""
    forms = (
        [name.type or name.stem.rpartition("/")[2] for name in names],
        [name.stem.rpartition("/")[2] for name in names],
        [name.stem for name in names],
        [name.stem + (f" ({name.parts})" if name.parts > 1 else "") for name in names],
    )
    counts = [Counter(form.casefold() for form in column) for column in forms]
    chosen = []
    for row in zip(*forms, strict=True):
        free = (form for form, count in zip(row, counts, strict=True) if count[form.casefold()] == 1)
        chosen.append(next(free, row[-1]))
    return chosen


def _projector(model: GgufName, projectors: list[tuple[GgufName, RemoteFile]]) -> tuple[RemoteFile, ...]:
    """The one that goes with a model: of its own name where there is such, of the best type."""
    own = [pair for pair in projectors if pair[0].base == model.base] or projectors

    def rank(pair: tuple[GgufName, RemoteFile]) -> tuple[int, str]:
        kind = pair[0].type
        return (
            PROJECTOR_TYPES.index(kind) if kind in PROJECTOR_TYPES else len(PROJECTOR_TYPES),
            pair[1].path,
        )

    return (min(own, key=rank)[1],) if own else ()


def _safetensors_offers(files: Iterable[RemoteFile]) -> list[Offer]:
    root = sorted((file for file in files if "/" not in file.path), key=lambda file: file.path)
    weights = _weights([file for file in root if file.path.lower().endswith(".safetensors")])
    if not weights:
        return []
    beside = [file for file in root if _goes_along(file.path.lower(), sharded=len(weights) > 1)]
    return [Offer(SAFETENSORS, tuple(weights), tuple(beside))]


def _weights(found: list[RemoteFile]) -> list[RemoteFile]:
    """What transformers would load: one ``model.safetensors``, else its parts (all of them), else what is there."""
    single = [file for file in found if file.path == "model.safetensors"]
    if single:
        return single
    parts = [(match, file) for file in found if (match := _SHARD.fullmatch(file.path))]
    if parts:
        total = int(parts[0][0][2])
        complete = [int(match[1]) for match, _ in parts] == list(range(1, total + 1))
        return [file for _, file in parts] if complete else []
    return [file for file in found if not file.path.lower().startswith(("consolidated", "adapter"))]


def _goes_along(name: str, *, sharded: bool) -> bool:
    """Whether a small file of the root belongs to a safetensors folder."""
    if name.endswith(".index.json"):
        return sharded and name == "model.safetensors.index.json"
    return name.endswith((".json", ".jinja", ".txt", ".model")) and not name.startswith("adapter_")
