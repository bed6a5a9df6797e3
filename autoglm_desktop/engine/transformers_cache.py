"""The KV cache of a transformers model across turns: what two prompts share is evaluated once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import DynamicCache

from .transformers_prompt import Key


class PromptCache:
    """``keys`` says what the cache holds, token by token."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self.keys: list[Key] = []
        self.cells: Any = DynamicCache(config=config)

    def keep(self, wanted: Sequence[Key]) -> int:
        """Forget what ``wanted`` does not begin with; its last token is always evaluated. → tokens kept."""
        shared = 0
        for old, new in zip(self.keys, wanted[:-1], strict=False):
            if old != new:
                break
            shared += 1
        self.cut(shared)
        return len(self.keys)

    def cut(self, count: int) -> None:
        """Keep the first ``count`` tokens, also where a forward was broken off; caches that can't start anew."""
        del self.keys[count:]
        if not self.keys:
            self.clear()
            return
        try:
            for layer in self.cells.layers:
                surplus = layer.get_seq_length() - len(self.keys)
                if surplus:
                    layer.crop(-surplus)
        except (RuntimeError, ValueError, AttributeError):  # sliding windows and recurrent states
            self.clear()

    def clear(self) -> None:
        self.keys = []
        self.cells = DynamicCache(config=self._config)
