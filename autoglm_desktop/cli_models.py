"""``autoglm-desktop models`` and ``autoglm-desktop import PATH``."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from .core.errors import TargetError
from .core.machine import to_json
from .core.units import format_bytes
from .i18n import _
from .store.library import Library, LocalModel
from .store.paths import expanded
from .texts import reasons
from .usecases.services import create_services


async def models(options: argparse.Namespace) -> int:
    """The catalogue and the files on this machine."""
    library = create_services().library
    files = await asyncio.to_thread(library.files)
    if options.json:
        print(json.dumps(as_json(library, files), ensure_ascii=False))
        return 0
    print(_("Models this program knows:"))
    for model in library.catalog.models:
        variants = ", ".join(variant.id for variant in model.variants)
        print(f"  {model.id} ({model.title}): {variants}")
    print(_("Model files on this machine:") if files else _("No model file is on this machine yet."))
    for local in files:
        print(_file_line(local))
    print(
        _("Put GGUF files into {folder}, or name one: autoglm-desktop import PATH").format(
            folder=library.models
        )
    )
    return 0


def _file_line(local: LocalModel) -> str:
    parts = [local.name, local.file_type or "", format_bytes(local.size_bytes), str(local.path)]
    line = "  " + " · ".join(part for part in parts if part)
    return f"{line}\n    {reasons.text(local.refusal)}" if local.refusal is not None else line


def as_json(library: Library, files: tuple[LocalModel, ...]) -> dict[str, Any]:
    """The document of ``models --json``."""
    return {
        "schema": 1,
        "catalog": [
            {"id": model.id, "title": model.title, "variants": [variant.id for variant in model.variants]}
            for model in library.catalog.models
        ],
        "files": [
            {
                "path": str(local.path),
                "name": local.name,
                "size_bytes": local.size_bytes,
                "architecture": local.architecture or None,
                "file_type": local.file_type,
                "model": local.model,
                "variant": local.variant,
                "refusal": _refusal(local),
                "projector": None if local.projector is None else str(local.projector),
            }
            for local in files
        ],
        "folder": to_json(str(library.models)),
    }


def _refusal(local: LocalModel) -> dict[str, str] | None:
    if local.refusal is None:
        return None
    return {"code": local.refusal.code, "text": reasons.text(local.refusal)}


async def import_file(options: argparse.Namespace) -> int:
    """Remember a GGUF file where it lies."""
    library = create_services().library
    path = expanded(options.path)
    if not path.exists():
        raise TargetError("file_not_found", path=options.path)
    if path.is_dir():
        raise TargetError("import_needs_a_file", path=options.path)
    local = await asyncio.to_thread(library.add, path)
    if local.refusal is not None:
        await asyncio.to_thread(library.forget, path)
        raise TargetError(local.refusal.code, **{"path": options.path, **local.refusal.as_dict()})
    print(
        _("{name} is in the list now and stays where it is: {path}").format(name=local.name, path=local.path)
    )
    return 0
