"""A loaded model's vocabulary: text to tokens, tokens to bytes, and the tokens that control a conversation."""

from __future__ import annotations

import codecs
import ctypes
import functools
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np

from . import prompt
from .server import JobFailed

UNKNOWN, CONTROL = 1 << 0, 1 << 3  # llama.h: LLAMA_TOKEN_ATTR_UNKNOWN, LLAMA_TOKEN_ATTR_CONTROL
PICTURE_ENDS = ("<|begin_of_image|>", "<|end_of_image|>")


def after(begun: bytes, more: bytes) -> bytes | None:
    """The first bytes of a character that is still open behind ``begun``, one such, and ``more``; None where this is
    no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        decoder.decode(begun + more)
    except UnicodeDecodeError:
        return None
    left: bytes = decoder.getstate()[0]
    half = (
        left[:1] == b"\xed" and left[1:2] >= b"\xa0"
    )  # of a surrogate pair: the decoder says so a byte late
    return None if half else left


class Vocabulary:
    """Reads llama.cpp's vocabulary of one model."""

    def __init__(self, vocab: Any) -> None:
        self.native = self._vocab = vocab
        self.size: int = native.llama_vocab_n_tokens(vocab)
        self._pieces: dict[int, bytes] = {}

    def control_tokens(self) -> tuple[str, ...]:
        """The texts that mean something to the model (``<|user|>`` …)."""
        found = []
        for token in range(self.size):
            if native.llama_vocab_get_attr(self._vocab, token) & CONTROL:
                text = self.text(token)
                if len(text) > 2:
                    found.append(text)
        return tuple(found)

    @functools.cached_property
    def silent(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Control tokens but those that end an answer: they say nothing, whatever a grammar reads in their names."""
        found = [
            token
            for token in range(self.size)
            if native.llama_vocab_get_attr(self._vocab, token) & (UNKNOWN | CONTROL) and not self.ends(token)
        ]
        return np.array(found, np.int32)

    @functools.cached_property
    def broken(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Tokens whose bytes no text can begin with: continuations, and what is nowhere in UTF-8."""
        pieces = enumerate(map(self._spelled, range(self.size)))
        found = [token for token, piece in pieces if not piece.isascii() and after(b"", piece) is None]
        return np.array(found, np.int32)

    def text(self, token: int) -> str:
        raw: bytes = native.llama_vocab_get_text(self._vocab, token)
        return raw.decode("utf-8", "replace")

    def piece(self, token: int) -> bytes:
        """The bytes of a token as they appear in the answer (control tokens: none)."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._spelled(token)
        return known

    def _spelled(self, token: int) -> bytes:
        size = -256
        while size < 0:  # a piece that is longer says, negative, how long
            buffer = (ctypes.c_char * -size)()
            size = native.llama_token_to_piece(self._vocab, token, buffer, -size, 0, False)
        return buffer.raw[:size]

    def ends(self, token: int) -> bool:
        """Whether an answer ends with this token."""
        return bool(native.llama_vocab_is_eog(self._vocab, token))

    @property
    def has_end(self) -> bool:
        """Whether there is a token that ends an answer."""
        return bool(native.llama_vocab_eos(self._vocab) >= 0 or native.llama_vocab_eot(self._vocab) >= 0)

    def tokens(self, text: str, control: bool = True) -> list[int]:
        """``control``: control tokens in ``text`` count as such; else they are text. Raises JobFailed(unsupported)."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 16
        buffer = (native.llama_token * size)()
        count = native.llama_tokenize(self._vocab, data, len(data), buffer, size, False, control)
        if count < 0:
            raise JobFailed("unsupported", f"the prompt could not be tokenised ({count})")
        return list(buffer[:count])

    def beginning(self) -> int | None:
        """The token that every prompt has to begin with; None: the model wants none."""
        bos = native.llama_vocab_bos(self._vocab)
        return bos if native.llama_vocab_get_add_bos(self._vocab) and bos >= 0 else None

    def picture_ends(self) -> tuple[int, int]:
        """The tokens around a picture. Raises JobFailed(bad_file): a vocabulary without them can show none."""
        ends = [self.tokens(text) for text in PICTURE_ENDS]
        if any(len(tokens) != 1 for tokens in ends):
            raise JobFailed("bad_file", "vision_no_tokens: the vocabulary has no tokens around pictures")
        return ends[0][0], ends[1][0]

    def template(self, model: Any, architecture: str) -> prompt.Template:
        """The file's chat template. Raises JobFailed(bad_file)."""
        source = native.llama_model_chat_template(model, None)
        if source:
            text = source.decode("utf-8", "replace")
        elif architecture == "glm4":
            text = prompt.GLM4_TEMPLATE
        else:
            raise JobFailed("bad_file", "no_chat_template: the file holds no chat template")
        special = {}
        for name, function in (("bos_token", native.llama_vocab_bos), ("eos_token", native.llama_vocab_eos)):
            token = function(self._vocab)
            special[name] = self.text(token) if token >= 0 else ""
        return prompt.Template(text, special)
