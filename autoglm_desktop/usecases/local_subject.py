"""Files of one model that are on this machine as one subject of planning: a folder, GGUF files, their projector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.catalog import SAFETENSORS
from ..core.errors import TargetError
from ..core.folder_subject import of_folder
from ..core.gguf_header import refusal
from ..core.subject import Subject, of_header
from ..store import gguf, safetensors
from ..store.library import Library, LocalModel, projector_weights


@dataclass(frozen=True)
class LocalSubject:
    """``files``: what each variant of the subject is loaded from."""

    subject: Subject
    files: Mapping[str, LocalModel]

    @property
    def paths(self) -> dict[str, Path]:
        return {variant: local.path for variant, local in self.files.items()}

    def only(self, variants: Sequence[str]) -> LocalSubject:
        """With these variants alone."""
        subject = self.subject
        gguf_files = tuple(weights for weights in subject.gguf if weights.variant in variants)
        folder = subject.safetensors if SAFETENSORS in variants else None
        files = {variant: local for variant, local in self.files.items() if variant in variants}
        return LocalSubject(replace(subject, gguf=gguf_files, safetensors=folder), files)


def of_local_file(library: Library, local: LocalModel, name: str | None = None) -> LocalSubject:
    """One file or folder. Raises TargetError where it can answer no text."""
    reason = local.refusal
    if reason is not None:
        raise TargetError(reason.code, **{"path": str(local.path), **reason.as_dict()})
    model = library.catalog.model(local.model) if local.model is not None else None
    phone = model.phone if model is not None else False
    name = name or local.name
    if local.is_folder:
        subject = _of_folder(local.path, name, phone=phone)
        return LocalSubject(subject, {SAFETENSORS: local})
    header = local.header or gguf.read_header(local.path)
    reason = refusal(header)
    if reason is not None:
        raise TargetError(reason.code, **{"path": str(local.path), **reason.as_dict()})
    projector = projector_weights(local.projector) if local.projector is not None else None
    subject = of_header(header, name, phone=phone, projector=projector)
    return LocalSubject(subject, {subject.gguf[0].variant: local})


def together(parts: Sequence[LocalSubject]) -> LocalSubject:
    """Files of one model as one; of two with the same variant the first counts."""
    first = parts[0].subject
    weights = {one.variant: one for part in reversed(parts) for one in part.subject.gguf}
    files = {variant: local for part in reversed(parts) for variant, local in part.files.items()}
    subjects = [part.subject for part in parts]
    # What a GGUF's header tells of shapes is more exact than a config.
    shaped = next((one for one in subjects if one.gguf), first)
    subject = replace(
        shaped,
        id=first.id,
        gguf=tuple(weights.values()),
        phone=any(one.phone for one in subjects),
        projector=next((one.projector for one in subjects if one.projector is not None), None),
        safetensors=next((one.safetensors for one in subjects if one.safetensors is not None), None),
    )
    return LocalSubject(subject, files)


def _of_folder(path: Path, name: str, *, phone: bool) -> Subject:
    try:
        folder = safetensors.model_folder(path)
    except OSError as error:
        raise TargetError("file_unreadable", path=str(path), detail=error.strerror or str(error)) from error
    if folder is None:
        raise safetensors.no_model(path)
    config, table = safetensors.read_config(path), safetensors.tensor_table(folder)
    size = sum(size for _name, size in folder.weights)
    return of_folder(config, table, name, file_bytes=size, phone=phone)
