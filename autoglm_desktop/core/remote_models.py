"""The models that a server says it offers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .remote import Endpoint, RemoteError

MOST_MODELS = 2000


@dataclass(frozen=True)
class RemoteModel:
    """A model that a server offers. ``context``: tokens, where the server tells."""

    name: str
    context: int | None = None


def models_of(found: object, endpoint: Endpoint) -> tuple[RemoteModel, ...]:
    """The models of a list, in its order, once each. Raises RemoteError(remote_not_openai)."""
    entries = found.get("data") if isinstance(found, dict) else None
    if entries is None and isinstance(found, dict) and found.get("object") == "list":
        entries = []  # Ollama without a model
    if not isinstance(entries, list):
        raise RemoteError("remote_not_openai", name=endpoint.name, address=endpoint.url)
    models: dict[str, RemoteModel] = {}
    for entry in entries[:MOST_MODELS]:
        name = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(name, str) and name.strip() and name.isprintable():
            models.setdefault(name, RemoteModel(name, _context(entry)))
    return tuple(models.values())


def _context(entry: dict[str, Any]) -> int | None:
    """vLLM and SGLang tell max_model_len, LM Studio and hubs another name, llama-server it in ``meta``."""
    meta = entry.get("meta")
    told = [entry.get(key) for key in ("max_model_len", "context_length", "loaded_context_length")]
    told.append(meta.get("n_ctx") if isinstance(meta, dict) else None)
    return next((n for n in told if isinstance(n, int) and not isinstance(n, bool) and n > 0), None)
