"""``autoglm-desktop models``, ``verify TARGET``, ``remove TARGET`` and ``import PATH``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from .core import demo as the_demo
from .core.errors import Reason
from .core.machine import to_json
from .core.units import format_bytes
from .i18n import _, ngettext
from .store.library import Library, LocalModel
from .store.paths import expanded
from .store.transfer.journal import Unfinished
from .texts import demo as demo_texts
from .texts import places, reasons
from .texts.disk import verified_text
from .texts.downloads import note_lines
from .usecases import demo, disk_use, made_projectors, on_disk, saved_forms
from .usecases.on_disk import DiskProgress, Report
from .usecases.services import create_services

T = TypeVar("T")


async def models(options: argparse.Namespace) -> int:
    """The catalogue, the models on this machine, downloads that have begun, and the disk."""
    services = create_services()
    library = services.library
    files = await asyncio.to_thread(library.files)
    unfinished = await asyncio.to_thread(library.unfinished)
    use = await on_disk.disk_use(services)
    made = await asyncio.to_thread(made_projectors.made, library)
    forms = await saved_forms.forms(services)
    demo_bytes = await asyncio.to_thread(demo.size_bytes, services)
    if options.json:
        document = as_json(library, files, unfinished, use, made, forms, demo_bytes=demo_bytes)
        print(json.dumps(document, ensure_ascii=False))
        return 0
    print(_("Models this program knows:"))
    for model in library.catalog.models:
        variants = ", ".join(variant.id for variant in model.variants)
        print(f"  {model.id} ({model.title}): {variants}")
    print(_("Model files on this machine:") if files else _("No model file is on this machine yet."))
    for local in files:
        print(_file_line(local))
    if made:
        print(_("Vision parts that were made smaller here; they are made again when they are needed:"))
    for one in made:
        print(f"  {one.path} · {format_bytes(one.size_bytes)}")
    if forms:
        print(_("4-bit forms that were saved here; they are made again when they are needed:"))
    for form in forms:
        print(f"  {form.path} · {form.quantisation} · {format_bytes(form.size_bytes)}")
    if unfinished:
        print(_("Downloads that are not complete:"))
    for item in unfinished:
        print(f"  {item.target} · {format_bytes(item.done_bytes)} / {format_bytes(item.size)}")
    if demo_bytes is not None:
        print(demo_texts.listed(format_bytes(demo_bytes)))
    print(_use_line(use))
    if services.models_folder_gone:
        print(
            _("The folder for models {folder} is not there; is its disk connected?").format(folder=use.folder)
        )
    print(
        _("Put GGUF files into {folder}, or name one: autoglm-desktop import PATH").format(
            folder=library.models
        )
    )
    return 0


def _file_line(local: LocalModel) -> str:
    place = places.origin(local.place) if local.place is not None else ""
    parts = [local.name, local.file_type or "", format_bytes(local.size_bytes), place, str(local.path)]
    line = "  " + " · ".join(part for part in parts if part)
    return "\n    ".join((line, *note_lines((local.refusal,)))) if local.refusal is not None else line


def _use_line(use: on_disk.DiskUse) -> str:
    taken = _("Models take {size}").format(size=format_bytes(use.models_bytes))
    if use.partial_bytes:
        more = format_bytes(use.partial_bytes)
        taken = _("Models take {size}, unfinished downloads {more}").format(
            size=format_bytes(use.models_bytes), more=more
        )
    if use.free_bytes is None:
        return _("{sentence}.").format(sentence=taken)
    return _("{taken}; {free} are free.").format(taken=taken, free=format_bytes(use.free_bytes))


def as_json(
    library: Library,
    files: tuple[LocalModel, ...],
    unfinished: tuple[Unfinished, ...] = (),
    use: on_disk.DiskUse | None = None,
    made: tuple[made_projectors.MadeProjector, ...] = (),
    forms: tuple[saved_forms.SavedForm, ...] = (),
    *,
    demo_bytes: int | None = None,
) -> dict[str, Any]:
    """The document of ``models --json``. ``demo_bytes`` None: it is missing."""
    use = use or disk_use.measure(library.models)
    return {
        "schema": 1,
        "catalog": [
            {"id": model.id, "title": model.title, "variants": [variant.id for variant in model.variants]}
            for model in library.catalog.models
        ],
        "files": [_file_json(local) for local in files],
        "unfinished": [
            {"path": str(item.target), "size_bytes": item.size, "done_bytes": item.done_bytes}
            for item in unfinished
        ],
        "made": [*map(_made_json, made), *map(_made_json, forms)],
        "disk": {
            "models_bytes": use.models_bytes,
            "unfinished_bytes": use.partial_bytes,
            "free_bytes": use.free_bytes,
        },
        "folder": to_json(str(library.models)),
        "demo": _demo_json(library, demo_bytes),
    }


def _demo_json(library: Library, size_bytes: int | None) -> dict[str, Any] | None:
    if library.demo is None or size_bytes is None:
        return None
    return {"name": the_demo.NAME, "path": str(library.demo.folder), "size_bytes": size_bytes}


def _made_json(one: made_projectors.MadeProjector | saved_forms.SavedForm) -> dict[str, Any]:
    return {"path": str(one.path), "size_bytes": one.size_bytes, "source": one.source}


def _file_json(local: LocalModel) -> dict[str, Any]:
    return {
        "path": str(local.path),
        "name": local.name,
        "size_bytes": local.size_bytes,
        "architecture": local.architecture or None,
        "file_type": local.file_type,
        "model": local.model,
        "variant": local.variant,
        "refusal": _reason(local.refusal),
        "projector": None if local.projector is None else str(local.projector),
        "place": local.place,
        "repo": local.repo,
    }


def _reason(reason: Reason | None) -> dict[str, str] | None:
    return None if reason is None else {"code": reason.code, "text": reasons.text(reason)}


async def verify(options: argparse.Namespace) -> int:
    """Read every file of a model; exit status 1 where something is damaged or missing."""
    services = create_services()
    found = await _shown(lambda report: on_disk.verify(services, options.target, report), _("Checking"))
    if options.json:
        document = {"schema": 1, "target": options.target, "ok": found.ok}
        print(
            json.dumps(
                {**document, "files": [_verified_json(file) for file in found.files]}, ensure_ascii=False
            )
        )
    else:
        for file in found.files:
            print(f"{file.path}: {verified_text(file)}")
        print(_("Everything is there.") if found.ok else _("Something is damaged or missing; get it again."))
    return 0 if found.ok else 1


def _verified_json(file: on_disk.VerifiedFile) -> dict[str, Any]:
    return {
        "path": str(file.path),
        "status": file.status,
        "by": file.by,
        "size_bytes": file.size,
        "expected_bytes": file.expected_size,
        "reason": _reason(file.reason),
    }


async def remove(options: argparse.Namespace) -> int:
    """Delete a model; having typed it is consent."""
    services = create_services()
    found = await on_disk.remove(services, await on_disk.removal(services, options.target))
    if options.json:
        document = {
            "schema": 1,
            "target": options.target,
            "deleted": [str(path) for path in found.files],
            "freed_bytes": found.freed_bytes,
            "forgotten": [str(path) for path in found.forgotten],
        }
        print(json.dumps(document, ensure_ascii=False))
        return 0
    for path in found.forgotten:
        print(_("{path} is no longer in the list; the file stays.").format(path=path))
    if found.files:
        count = len(found.files)
        text = ngettext(
            "{count} file was deleted, {size} are free again.",
            "{count} files were deleted, {size} are free again.",
            count,
        )
        print(text.format(count=count, size=format_bytes(found.freed_bytes)))
    return 0


async def import_file(options: argparse.Namespace) -> int:
    """Use a model where it lies, or copy it into the models folder."""
    services = create_services()
    path = expanded(options.path)
    found = await _shown(
        lambda report: on_disk.import_path(services, path, options.copy, report), _("Copying")
    )
    for local in found.models:
        if found.copied:
            text = _("{name} was copied to {path}.")
        else:
            text = _("{name} is in the list now and stays where it is: {path}")
        print(text.format(name=local.name, path=local.path))
        if local.refusal is not None:
            print(f"    {reasons.text(local.refusal)}")
    return 0


async def _shown(work: Callable[[Report], Coroutine[Any, Any, T]], word: str) -> T:
    """Progress on stderr: one line that changes on a terminal, nothing in a pipe."""
    shown = False

    def report(progress: DiskProgress) -> None:
        nonlocal shown
        if sys.stderr.isatty() and progress.total_bytes:
            shown = True
            name = Path(progress.path).name if progress.path is not None else ""
            percent = 100 * progress.done_bytes // progress.total_bytes
            print(f"\r\x1b[K{word} {percent:3d} % {name}", end="", file=sys.stderr, flush=True)

    try:
        return await work(report)
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
