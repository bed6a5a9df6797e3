"""Plans from headers: of files that are here, and of those that were fetched before a file and are kept. No network."""

from __future__ import annotations

import logging
from dataclasses import replace

from ..core import safetensors_header
from ..core.catalog import SAFETENSORS, Model
from ..core.errors import TargetError
from ..core.gguf_header import GgufHeader
from ..core.subject import SafetensorsWeights, Subject, weights_of_header
from ..store.headers import Cached
from .services import Services

log = logging.getLogger(__name__)

PROJECTOR = "projector"
"""The variant under which a vision part's header is kept."""


def with_headers(services: Services, subject: Subject, model: Model, *, here: bool = True) -> Subject:
    """The subject with what headers tell: of files that are here, else of what is kept (not ``here``: of those alone).
    Reads files."""
    sources = [source for form in model.variants for source in form.sources]
    repos = {repo.lower() for one in sources for repo in (one.repo, one.projector_repo) if repo}
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
