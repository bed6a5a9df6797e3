"""The 4-bit form on disk: written once, before the first forward, and read instead of quantising again."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from . import transformers_files as files
from .server import JobFailed

MARK = "autoglm-quantised.json"
VERSION = 1
SPARE_BYTES = 256 * 1024 * 1024
"""Left free on the disk besides the form itself."""


def describe(source: files.Folder, quantisation: str, dtype: str) -> dict[str, object]:
    """What a form was made of; kept in it and compared before it is read."""
    return {"version": VERSION, "quantisation": quantisation, "dtype": dtype, "source": source.stamp}


def usable(saved: str | None, wanted: dict[str, object]) -> files.Folder | None:
    """The saved form if it is whole and made of these weights in this way."""
    if saved is None or not (Path(saved) / MARK).is_file():
        return None
    try:
        mark = json.loads((Path(saved) / MARK).read_text(encoding="utf-8"))
        if mark != wanted:
            _note(f"{saved} was made of other weights or in another way; quantising again")
            return None
        return files.checked(saved)
    except (OSError, ValueError) as error:
        _note(f"{saved} can't be read: {error}")
    except JobFailed as failure:
        _note(f"{saved} is damaged: {failure}")
    return None


def save(model: Any, saved: str, mark: dict[str, object], size: int) -> bool:
    """Write the form beside its place and move it there; False (told in the log) where that can't be done."""
    target = Path(saved)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
        if free < size + SPARE_BYTES:
            _note(f"the 4-bit form takes {size} bytes, {free} are free: not saved")
            return False
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(part)
        (part / MARK).write_text(json.dumps(mark), encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        part.replace(target)
    except (OSError, RuntimeError, ValueError) as error:  # safetensors tells a full disk as its own error
        _note(f"the 4-bit form could not be saved: {type(error).__name__}: {error}")
        shutil.rmtree(part, ignore_errors=True)
        return False
    return True


def _note(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - stderr is the application's log
