"""The prompts that the user keeps: a small JSON file, replaced atomically under a lock."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..core.errors import AppError
from ..core.machine import from_json, to_json
from .conversation_rows import clean

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 5.0
LONGEST_NAME = 80
LONGEST_TEXT = 1_000_000
"""Characters; ``core.conversation.LONGEST_WORDS``."""


@dataclass(frozen=True)
class Prompt:
    """A system prompt with a name."""

    id: str
    name: str
    text: str


@dataclass(frozen=True)
class Kept:
    """``set_aside``: where a file that could not be read lies now; None: it could."""

    prompts: tuple[Prompt, ...]
    set_aside: Path | None = None


@dataclass(frozen=True)
class OwnPrompts:
    """The list in ``file``, by name. Every change raises AppError(state_unwritable) where it can't be written."""

    file: Path

    def read(self) -> Kept:
        """What is kept. A damaged file is set aside, so that new prompts can be kept; nothing of it is lost.

        Raises AppError(file_unreadable): the system refuses to give the file, AppError(state_unwritable): it is damaged
        and can't be set aside.
        """
        found = self._parsed()
        if found is not None:
            return Kept(found)
        with self._locked():
            return self._read()

    def keep(self, name: str, text: str) -> Kept:
        """Add a prompt. A name that exists gets a number."""
        added = uuid.uuid4().hex

        def change(known: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
            return (*known, Prompt(added, _free(name, known), clean(text)[:LONGEST_TEXT]))

        return self._change(change)

    def rename(self, prompt_id: str, name: str) -> Kept:
        def change(known: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
            others = tuple(one for one in known if one.id != prompt_id)
            found = tuple(one for one in known if one.id == prompt_id)
            return (*others, *(Prompt(one.id, _free(name, others), one.text) for one in found))

        return self._change(change)

    def remove(self, prompt_id: str) -> Kept:
        return self._change(lambda known: tuple(one for one in known if one.id != prompt_id))

    def put_back(self, prompt: Prompt) -> Kept:
        """Undo ``remove``."""
        return self._change(lambda known: (*(one for one in known if one.id != prompt.id), prompt))

    def _change(self, change: Callable[[tuple[Prompt, ...]], tuple[Prompt, ...]]) -> Kept:
        partial = self.file.with_suffix(f".{os.getpid()}.part")
        with self._locked():
            kept = self._read()
            prompts = tuple(sorted(change(kept.prompts), key=lambda one: one.name.casefold()))
            data = {"schema": 1, "prompts": [to_json(one) for one in prompts]}
            try:
                partial.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
                partial.replace(self.file)
            except OSError as error:
                partial.unlink(missing_ok=True)
                raise self._unwritable(error) from error
        return Kept(prompts, kept.set_aside)

    def _read(self) -> Kept:
        found = self._parsed()
        return Kept(found) if found is not None else Kept((), self._set_aside())

    def _parsed(self) -> tuple[Prompt, ...] | None:
        """None: it is damaged."""
        try:
            text = self.file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            detail = error.strerror or str(error)
            raise AppError("file_unreadable", path=str(self.file), detail=detail) from error
        try:
            return tuple(from_json(Prompt, one) for one in json.loads(text)["prompts"])
        except (ValueError, KeyError, TypeError, RecursionError):
            log.exception("own prompts damaged: %s", self.file)
            return None

    def _set_aside(self) -> Path:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        aside = self.file.with_name(f"{self.file.stem}.damaged-{stamp}{self.file.suffix}")
        try:
            self.file.replace(aside)
        except OSError as error:
            raise self._unwritable(error) from error
        return aside

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Raises AppError(state_unwritable)."""
        lock = FileLock(f"{self.file}.lock", timeout=LOCK_TIMEOUT_S)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:  # filelock's Timeout is one too
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _unwritable(self, error: OSError) -> AppError:
        return AppError("state_unwritable", path=str(self.file), detail=error.strerror or str(error))


def _free(name: str, known: tuple[Prompt, ...]) -> str:
    """A name that no other prompt has."""
    wanted = " ".join(clean(name).split())[:LONGEST_NAME]
    taken = {one.name for one in known}
    number, found = 2, wanted
    while found in taken:
        found, number = f"{wanted} ({number})", number + 1
    return found
