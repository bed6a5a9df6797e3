"""Access tokens of hubs: from the environment, this run's memory, the system's keyring, or ``hf auth login``.

A token never goes into a file, a log or an error of ours. Names: ``huggingface``, ``hf-mirror``, ``modelscope``, or an
endpoint's origin (``https://host``). The mirror is a third party: it gets only a token that was given for it.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from ..core.errors import AppError

log = logging.getLogger(__name__)

SERVICE = "autoglm-desktop"
KEYRING_TIMEOUT_S = 5.0
MAX_TOKEN_CHARS = 4096
ENVIRONMENT, RUN, KEYRING, LOGIN = "environment", "run", "keyring", "login"
"""Where a token comes from; ``login``: the file of ``hf auth login``, which is only read."""

VARIABLES = {
    "huggingface": ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
    "modelscope": ("MODELSCOPE_API_TOKEN",),
}

T = TypeVar("T")


class Backend(Protocol):
    """The part of a keyring that is used."""

    priority: float

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


class KeyringUnusable(Exception):
    """No keyring, a plain-text one, a locked one, or one that doesn't answer. Never with a token in it."""


def system_backend() -> Backend:
    """The system's keyring. Raises whatever the package raises."""
    import keyring

    return keyring.get_keyring()  # type: ignore[return-value]


def _safe(backend: Backend) -> Backend:
    """The backend, or the best one that a chain of several holds, if it keeps secrets safe. Raises KeyringUnusable:
    those below 1 write plain text, or can't do anything."""
    for one in getattr(backend, "backends", None) or [backend]:
        if one.priority >= 1:
            return one  # type: ignore[no-any-return]
    raise KeyringUnusable(f"{type(backend).__name__} is no safe place")


def clean(token: str | None) -> str | None:
    """A token without the white space and quotes around it; None where it can't be one: empty, several words, not
    ASCII."""
    text = (token or "").strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    usable = text.isascii() and text.isprintable() and " " not in text and len(text) <= MAX_TOKEN_CHARS
    return text if text and usable else None


@dataclass
class Keys:
    """Safe from several threads. ``get`` may take seconds where a keyring is slow: not for an event loop."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    backend: Callable[[], Backend] = field(default=system_backend, repr=False)
    timeout_s: float = KEYRING_TIMEOUT_S
    _run: dict[str, str] = field(default_factory=dict, repr=False)
    _read: dict[str, str | None] = field(default_factory=dict, repr=False)
    _broken: bool = False
    _asking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, name: str) -> str | None:
        """The token for a source; None where there is none."""
        return self._find(name)[0]

    def where(self, name: str) -> str | None:
        """Where its token comes from: one of the constants above; None without a token."""
        return self._find(name)[1]

    def set(self, name: str, token: str) -> str:
        """Keep a token: KEYRING, or RUN where no keyring can (it is gone when the program ends). Raises
        AppError(token_wrong)."""
        text = clean(token)
        if text is None:
            raise AppError("token_wrong", source=name)
        self._run.pop(name, None)
        try:
            self._ask(lambda backend: backend.set_password(SERVICE, name, text))
        except KeyringUnusable as error:
            log.info("the token for %s is kept for this run only: %s", name, error)
            self._run[name] = text
            return RUN
        self._read[name] = text
        return KEYRING

    def forget(self, name: str) -> None:
        """Forget what ``set`` kept. The environment and the file of ``hf auth login`` stay as they are. Raises
        AppError(token_not_forgotten) where the keyring still has it."""
        self._run.pop(name, None)
        if self._from_keyring(name) is None:
            return
        try:
            self._ask(lambda backend: backend.delete_password(SERVICE, name))
        except KeyringUnusable as error:
            raise AppError("token_not_forgotten", source=name, detail=str(error)) from error
        self._read[name] = None

    def _find(self, name: str) -> tuple[str | None, str | None]:
        sources: tuple[tuple[str, Callable[[str], str | None]], ...] = (
            (ENVIRONMENT, self._from_environment),
            (RUN, self._run.get),
            (KEYRING, self._from_keyring),
            (LOGIN, self._from_login),
        )
        for where, look in sources:
            token = look(name)
            if token:
                return token, where
        return None, None

    def _from_environment(self, name: str) -> str | None:
        """An origin that HF_ENDPOINT or MODELSCOPE_ENDPOINT names gets the variable set beside it."""
        if "://" in name:
            for hub, variable in (("huggingface", "HF_ENDPOINT"), ("modelscope", "MODELSCOPE_ENDPOINT")):
                if _origin(self.environment.get(variable, "")) == _origin(name):
                    return self._from_environment(hub)
            return None
        found = (clean(self.environment.get(variable)) for variable in VARIABLES.get(name, ()))
        return next((token for token in found if token), None)

    def _from_keyring(self, name: str) -> str | None:
        with self._asking:  # once, however many connections want it
            if name not in self._read and not self._broken:
                try:
                    self._read[name] = clean(self._ask(lambda backend: backend.get_password(SERVICE, name)))
                except KeyringUnusable as error:
                    log.info("no token is read from a keyring: %s", error)
                    self._broken = True
            return self._read.get(name)

    def _from_login(self, name: str) -> str | None:
        if name != "huggingface":
            return None
        try:
            return clean(self._login_file().read_text(encoding="utf-8")[:MAX_TOKEN_CHARS])
        except (OSError, ValueError):
            return None

    def _login_file(self) -> Path:
        def folder(variable: str, other: Path) -> Path:
            text = self.environment.get(variable)
            return Path(os.path.expandvars(text)).expanduser() if text else other

        cache = folder("XDG_CACHE_HOME", Path("~/.cache").expanduser())
        return folder("HF_TOKEN_PATH", folder("HF_HOME", cache / "huggingface") / "token")

    def _ask(self, work: Callable[[Backend], T]) -> T:
        """Ask the keyring in a thread of its own: a locked one may wait for a person, for ever. Raises
        KeyringUnusable."""
        answers: queue.SimpleQueue[tuple[bool, T | str]] = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put((True, work(_safe(self.backend()))))
            except KeyringUnusable as error:
                answers.put((False, str(error)))
            except BaseException as error:  # noqa: BLE001 - panics of native code, too; the text may quote the token
                answers.put((False, type(error).__name__))

        threading.Thread(target=run, name="keyring", daemon=True).start()
        try:
            fine, answer = answers.get(timeout=self.timeout_s)
        except queue.Empty:
            raise KeyringUnusable("it does not answer") from None
        if not fine:
            raise KeyringUnusable(str(answer))
        return answer  # type: ignore[return-value]


def _origin(address: str) -> tuple[str, str] | None:
    """Scheme and host with port, in one form; None for no address."""
    parts = urlsplit(address.strip())
    return (parts.scheme.lower(), parts.netloc.lower()) if parts.netloc else None
