"""Headers before weights: of a variant that is not here the header is fetched and kept, and plans are made from it.

``with_headers`` never uses the network. ``fetch_header`` does, when somebody opens a variant, begins a download or
passes ``--fetch-headers``: one request for a range (16 MiB; more where the header says so), five seconds at most.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from ..core import safetensors_header
from ..core.catalog import SAFETENSORS, Model
from ..core.downloads import PullRequest
from ..core.errors import AppError, TargetError, TransferError
from ..core.gguf_header import GgufHeader
from ..core.repository import Listing, RemoteFile
from ..core.subject import SafetensorsWeights, Subject, weights_of_header
from ..store import gguf
from ..store.headers import MAX_HEAD_BYTES, Cached
from ..store.transfer.place import Place, TryAgain
from .pull_choose import choose
from .pull_find import candidates, look, most_telling
from .services import Services

log = logging.getLogger(__name__)

FIRST_BYTES = 16 << 20
LIMIT_S = 5.0
FIRST_TABLE_BYTES = 1 << 20
AT_ONCE = 8
PROJECTOR = "projector"
"""The variant under which a vision part's header is kept."""


async def fetch_header(services: Services, target: str, limit_s: float = LIMIT_S) -> tuple[Cached, ...]:
    """Fetch and keep the headers of a GGUF variant and of its vision part, or of all parts of a safetensors one.
    ``target``: as ``pull`` takes it.

    Raises TargetError, TransferError, AppError (header_slow, header_not_gguf, file_unwritable).
    """
    try:
        return await asyncio.wait_for(_fetch(services, target), limit_s)
    except asyncio.TimeoutError as error:
        raise AppError("header_slow", target=target, seconds=limit_s) from error


async def _fetch(services: Services, target: str) -> tuple[Cached, ...]:
    wanted, model = await candidates(services, PullRequest(target))
    looked = await look(services, wanted)
    errors: list[AppError] = [error for one in looked for error in one.errors]
    for one in looked:
        for listing in one.listings:
            try:
                offer = choose(one.candidate, listing, model)
            except TransferError as error:
                errors.append(error)
                continue
            if offer.id == SAFETENSORS:
                return (await _keep_tensors(services, listing, offer.files),)
            if len(offer.files) != 1:
                raise AppError("header_not_gguf", target=target)
            names = [(offer.files[0], one.candidate.variant or offer.id)]
            names += [(file, PROJECTOR) for file in offer.beside if file.path.lower().endswith(".gguf")]
            found = await asyncio.gather(*(_keep(services, listing, file, name) for file, name in names))
            return tuple(found)
    raise most_telling(errors) if errors else TargetError("target_unknown", target=target, known="")


async def _keep(services: Services, listing: Listing, file: RemoteFile, variant: str) -> Cached:
    """Read the head of a file and keep it. Raises TransferError, AppError."""
    known = services.headers.find(listing.repo, variant)
    if known is not None and listing.commit is not None and known.commit == listing.commit:
        return known
    place = services.web.source(listing.source).place(listing.repo, listing.commit, file)
    size = file.size
    wanted = FIRST_BYTES
    while True:
        head, total = await _read(place, wanted)
        size = size or total or len(head)
        header = _parse(head, size, file.path)
        if header is not None:
            break
        if len(head) >= min(size, MAX_HEAD_BYTES) or len(head) < wanted:
            raise TransferError("header_unreadable", name=file.name, source=listing.source)
        wanted *= 4
    head = head[: header.data_offset] or head
    entry = Cached(listing.repo, file.path, listing.commit, variant, size, len(head), time.time())
    return await _store(services, entry, head)


async def _keep_tensors(services: Services, listing: Listing, files: Sequence[RemoteFile]) -> Cached:
    """The tensor tables of all parts, kept as one. Raises TransferError, TargetError, AppError."""
    known = services.headers.find(listing.repo, SAFETENSORS)
    if known is not None and listing.commit is not None and known.commit == listing.commit:
        return known
    source = services.web.source(listing.source)
    gate = asyncio.Semaphore(AT_ONCE)

    async def table(file: RemoteFile) -> bytes:
        place = source.place(listing.repo, listing.commit, file)
        async with gate:
            start, _total = await _read(place, FIRST_TABLE_BYTES)
            length = safetensors_header.header_bytes(start)
            end = safetensors_header.LENGTH_BYTES + length
            if len(start) < end:
                start, _total = await _read(place, end)
        return start[safetensors_header.LENGTH_BYTES : end]

    parts = await asyncio.gather(*(table(file) for file in files))
    shapes = {
        tensor.name: {"shape": list(tensor.shape)}
        for part in parts
        for tensor in safetensors_header.tensors(part)
    }
    head = json.dumps(shapes).encode()
    size = sum(file.size or 0 for file in files)
    if len(head) > size:
        raise TransferError("header_unreadable", name=files[0].name, source=listing.source)
    entry = Cached(listing.repo, files[0].path, listing.commit, SAFETENSORS, size, len(head), time.time())
    return await _store(services, entry, head)


async def _store(services: Services, entry: Cached, head: bytes) -> Cached:
    try:
        await asyncio.to_thread(services.headers.add, entry, head)
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("file_unwritable", path=str(services.cache), detail=detail) from error
    return replace(entry, kept=len(head))


async def _read(place: Place, wanted: int) -> tuple[bytes, int | None]:
    """The first bytes, and the file's size where the place tells it."""
    head = bytearray()
    try:
        async with place.open(0, min(wanted, place.size or wanted)) as reply:
            async for chunk in reply.chunks:
                head += chunk
                if len(head) >= wanted:
                    break
            return bytes(head[:wanted]), reply.total
    except TryAgain as error:
        raise TransferError("download_unreachable", name=place.name, why=error.reason) from error


def _parse(head: bytes, size: int, path: str) -> GgufHeader | None:
    """None where the header is longer than what is there. Raises TargetError for what is no GGUF."""
    try:
        return gguf.parse_header(io.BytesIO(head), size, path=path)
    except TargetError as error:
        if error.code in ("gguf_truncated",) and len(head) < size:
            return None
        raise


def with_headers(services: Services, subject: Subject, model: Model, *, here: bool = True) -> Subject:
    """The subject with what headers tell: of files that are here, else of what is kept (not ``here``: of those alone).
    Reads files."""
    repos = {source.repo.lower() for form in model.variants for source in form.sources}
    kept = {
        entry.variant.lower(): entry
        for entry in reversed(services.headers.all())
        if entry.repo.lower() in repos
    }

    def told(variant: str) -> GgufHeader | None:
        entry = kept.get(variant.lower())
        return services.headers.gguf(entry) if entry is not None else None

    files = services.library.files() if here else ()
    installed = {local.variant: local.header for local in files if local.model == model.id and local.complete}
    weights = []
    for one in subject.gguf:
        header = installed.get(one.variant) if one.installed else told(one.variant)
        if header is not None and header.split_count <= 1 and header.tensors:
            one = weights_of_header(header, one.variant, installed=one.installed, fetchable=one.fetchable)
        weights.append(one)
    projector, vision = subject.projector, told(PROJECTOR)
    if projector is not None and not projector.installed and vision is not None and vision.is_projector:
        projector = replace(projector, memory_bytes=vision.tensor_bytes, file_bytes=vision.file_size)
    safetensors, table = subject.safetensors, kept.get(SAFETENSORS)
    if safetensors is not None and not safetensors.installed and table is not None:
        safetensors = _safetensors(services, table, tied=safetensors.head == 0) or safetensors
    return replace(subject, gguf=tuple(weights), projector=projector, safetensors=safetensors)


def _safetensors(services: Services, entry: Cached, *, tied: bool) -> SafetensorsWeights | None:
    """What a kept table tells; None where it can't be read (logged)."""
    try:
        return safetensors_header.weights(safetensors_header.tensors(services.headers.head(entry)), tied=tied)
    except (OSError, TargetError) as error:
        log.warning("cached tensors of %s: %s", entry.repo, error)
        return None
