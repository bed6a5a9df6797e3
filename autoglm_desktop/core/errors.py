"""Expected failures.

AppError                     one sentence for the user; never a traceback
├── TargetError              the model the user named cannot be used
├── TransferError            a source cannot give what was asked for
├── EngineError              an engine could not be installed, started or kept
└── ServiceError             the HTTP service cannot start or refuses a request

``core`` holds codes and values only; ``texts.errors`` turns them into sentences.
Anything that is not an AppError is a bug and goes to the log with its traceback.
"""

from __future__ import annotations

import dataclasses


class AppError(Exception):
    """An expected failure: ``code`` names the sentence in ``texts.errors``, ``values`` fill it."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code, values)
        self.code = code
        self.values = values

    def __str__(self) -> str:
        details = ", ".join(f"{key}={value!r}" for key, value in self.values.items())
        return f"{self.code}({details})"


class TargetError(AppError):
    """The model that was named does not exist, cannot be read or is no model."""


class TransferError(AppError):
    """A source (a hub, an endpoint, a folder) cannot give a listing or a file: final, with what to do."""


class EngineError(AppError):
    """An engine environment or process could not be made to work."""


class ServiceError(AppError):
    """The HTTP service cannot start, or a request to it is refused."""


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why something is as it is: a code and the numbers for the sentence (``texts.reasons``)."""

    code: str
    values: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of(cls, code: str, **values: object) -> Reason:
        return cls(code, tuple(values.items()))

    def as_dict(self) -> dict[str, object]:
        return dict(self.values)
