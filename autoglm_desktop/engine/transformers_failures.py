"""What torch, transformers and safetensors raise, as the protocol's failure kinds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .server import JobFailed

OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "failed to allocate",
    "dispatched on the cpu or the disk",  # bitsandbytes: the plan's GPUs don't hold the model
    "no space left on device",
    "cublas_status_alloc_failed",
)
BAD_FILE = (
    "size mismatch",
    "safetensor",
    "invalid header",
    "header too large",
    "file_size",
    "metadataincomplete",
)
UNSUPPORTED = (
    "trust_remote_code", "does not recognize this architecture", "does not support an attention", "unrecognized",
    "only supported for", "compute capability",
)  # fmt: skip


MOST_CHARACTERS = 400
"""Of a message that people read."""


def kind_of(error: Exception) -> str | None:
    """The failure kind that an exception stands for; None where it says nothing known."""
    text = f"{type(error).__name__} {error}".lower()
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        part in text for part in OUT_OF_MEMORY
    ):
        return "out_of_memory"
    if isinstance(error, ImportError):
        return "missing_dependency"
    if any(part in text for part in UNSUPPORTED):
        return "unsupported"
    if type(error).__name__ == "SafetensorError" or any(part in text for part in BAD_FILE):
        return "bad_file"
    return None


@contextmanager
def translated(otherwise: str = "crashed") -> Iterator[None]:
    """Raise JobFailed instead of what torch or transformers raise. ``otherwise``: what an unknown error stands for."""
    try:
        yield
    except JobFailed:
        raise
    except Exception as error:
        kind = kind_of(error) or otherwise
        logging.getLogger(__name__).warning(
            "%s", error, exc_info=True
        )  # stderr: the application's log has it whole
        raise JobFailed(kind, f"{type(error).__name__}: {first_paragraph(str(error))}") from error


def first_paragraph(text: str) -> str:
    """What an error says, without the advice on pip and git that transformers adds."""
    lines = text.strip().split("\n\n")[0].splitlines()
    return " ".join(line.strip() for line in lines)[:MOST_CHARACTERS]


def free_cached() -> None:
    """Give back what torch keeps of freed GPU memory."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
