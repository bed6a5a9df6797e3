"""nf4-lean: every linear layer in 4 bits, vision and output too; the embedding stays in RAM.

Only the rows that a prompt needs travel to the device. The embedding is read from the original files, so a saved
4-bit form does not hold it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from safetensors import safe_open

from .server import JobFailed


class HostEmbedding(torch.nn.Module):  # type: ignore[misc]
    """Looks up rows of a tensor in RAM. The tensor is no parameter: nothing moves, quantises or saves it."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = rows, width
        self.host: list[Any] = []

    def forward(self, ids: Any) -> Any:
        table = self.host[0]
        return functional.embedding(ids.to(table.device), table).to(ids.device)


def lean_class(base: Any) -> Any:
    """``base`` with its input embedding replaced by a HostEmbedding. Raises JobFailed for tied embeddings."""

    def initialise(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        base.__init__(self, config, *args, **kwargs)
        if config.get_text_config().tie_word_embeddings:
            raise JobFailed("unsupported", "nf4-lean: the model takes its embedding for the output, too")
        replace_embedding(self)

    ignored = [*(base._keys_to_ignore_on_load_unexpected or []), r"embed_tokens\.weight$"]
    return type(
        base.__name__, (base,), {"__init__": initialise, "_keys_to_ignore_on_load_unexpected": ignored}
    )


def replace_embedding(model: Any) -> None:
    table = model.get_input_embeddings()
    name = next((name for name, module in model.named_modules() if module is table), None)
    if name is None or not name.endswith("embed_tokens"):
        raise JobFailed("unsupported", f"nf4-lean: the embedding is called {name!r}")
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, HostEmbedding(table.num_embeddings, table.embedding_dim))


def read_embedding(model: Any, part: tuple[Path, str] | None, dtype: Any) -> None:
    """Give a lean model its embedding from the original file. Raises JobFailed(bad_file)."""
    if part is None:
        raise JobFailed("bad_file", "missing_tensor: embed_tokens.weight")
    path, name = part
    with safe_open(str(path), framework="pt", device="cpu") as file:
        table = file.get_tensor(name).to(dtype)
    module = model.get_input_embeddings()
    if tuple(table.shape) != (module.num_embeddings, module.embedding_dim):
        raise JobFailed("bad_file", f"size mismatch: {name} is {tuple(table.shape)}")
    module.host.append(table)


def host_tables(model: Any) -> list[Any]:
    """The tensors that HostEmbeddings hold."""
    return [table for module in model.modules() if isinstance(module, HostEmbedding) for table in module.host]


def plain_name(name: str) -> str:
    """A module's name without layer numbers, for messages."""
    return re.sub(r"\.\d+\.", ".*.", name)
