"""An answer held to a JSON schema: llama.cpp's grammar sampler in front of the chain.

The chain chooses freely first; only where the grammar refuses its token are all tokens looked at, as llama.cpp's own
programs do it (``common/sampling.cpp``, ``common_sampler_sample``). What the grammar doesn't allow is never given to
it: ``llama_grammar_accept`` would throw through ctypes and end the process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np

from ..core import protocol
from ..core.json_grammar import grammar_of
from ..core.json_schema import SchemaRefused
from .llama_vocab import Vocabulary, after
from .sampling import Chooser, Free, make_chain
from .server import JobFailed

_TOKEN = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""``llama_token_data``"""


def make_chooser(
    sampling: protocol.Sampling, vocabulary: Vocabulary, cells: int, before: Iterable[int]
) -> Chooser:
    """``before``: tokens that the answer says already. Raises JobFailed(unsupported, bad_schema)."""
    if sampling.json_schema is None:
        return Free(sampling, vocabulary.size, cells, before)
    if not vocabulary.has_end:
        raise _refused("this model has no token that ends an answer")
    try:
        text = grammar_of(sampling.json_schema)
    except SchemaRefused as error:
        raise _refused(str(error)) from error
    grammar = native.llama_sampler_init_grammar(vocabulary.native, text.encode("utf-8"), b"root")
    if not grammar:
        raise _refused(
            "llama.cpp refuses the grammar made of it; perhaps a part of it refers to itself without end"
        )
    held = Held(grammar, make_chain(sampling, vocabulary.size, cells), vocabulary)
    try:
        for token in before:
            if not held.take(token):
                raise _refused("the answer that is to be continued does not begin as it demands")
    except BaseException:
        held.close()
        raise
    return held


class Held:
    """By a grammar and a sampler chain, both freed by ``close``.

    llama.cpp's grammar reads bytes that are no UTF-8 (0xC0 0xA2 is a quotation mark to it); only text is let through.
    """

    def __init__(self, grammar: Any, chain: Any, vocabulary: Vocabulary) -> None:
        self._grammar, self._chain, self._vocabulary = grammar, chain, vocabulary
        self._ids = np.arange(vocabulary.size, dtype=np.int32)
        self._data = np.zeros(vocabulary.size, _TOKEN)
        self._open = b""  # the first bytes of a character

    def choose(self, context: Any) -> int | None:
        logits = np.ctypeslib.as_array(native.llama_get_logits_ith(context, -1), (len(self._ids),))
        token = self._chosen(self._tokens(logits))
        if not self._allows(token):
            tokens = self._tokens(logits)
            native.llama_sampler_apply(self._grammar, ctypes.byref(tokens))
            if not self._left():
                return None
            token = self._chosen(tokens)
        self._accept(token)
        return token

    def take(self, token: int) -> bool:
        """A token that was said before; False where the grammar doesn't allow it."""
        if not self._allows(token):
            return False
        self._accept(token)
        return True

    def close(self) -> None:
        native.llama_sampler_free(self._grammar)
        native.llama_sampler_free(self._chain)

    def _tokens(self, logits: np.ndarray[Any, Any]) -> Any:
        """All tokens that say something and may follow the bytes before them, as far as one can tell at once."""
        self._data["id"], self._data["logit"] = self._ids, logits
        self._data["logit"][self._vocabulary.silent] = -np.inf
        if not self._open:
            self._data["logit"][self._vocabulary.broken] = -np.inf
        return _array(self._data)

    def _left(self) -> bool:
        """Whether the grammar has left a token; inside a character only what may follow stays."""
        if self._open:
            for token in np.flatnonzero(np.isfinite(self._data["logit"])):
                if after(self._open, self._vocabulary.piece(int(token))) is None:
                    self._data["logit"][token] = -np.inf
        return bool(np.isfinite(self._data["logit"]).any())

    def _chosen(self, tokens: Any) -> int:
        native.llama_sampler_apply(self._chain, ctypes.byref(tokens))
        return int(tokens.data[tokens.selected].id)

    def _allows(self, token: int) -> bool:
        if after(self._open, self._vocabulary.piece(token)) is None:
            return False
        one = np.zeros(1, _TOKEN)
        one["id"] = token
        tokens = _array(one)
        native.llama_sampler_apply(self._grammar, ctypes.byref(tokens))
        return bool(np.isfinite(one["logit"][0]))

    def _accept(self, token: int) -> None:
        self._open = after(self._open, self._vocabulary.piece(token)) or b""
        native.llama_sampler_accept(self._grammar, token)
        native.llama_sampler_accept(self._chain, token)


def _array(data: np.ndarray[Any, Any]) -> Any:
    """``data`` as llama.cpp takes it; the samplers write into it."""
    found: Any = native.llama_token_data_array()
    found.data = data.ctypes.data_as(native.llama_token_data_p)
    found.size, found.selected, found.sorted = len(data), -1, False
    return found


def _refused(why: str) -> JobFailed:
    return JobFailed("unsupported", f"{protocol.BAD_SCHEMA}: {why}")
