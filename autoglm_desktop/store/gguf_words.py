"""The tokenizer and chat template of models made here: byte-level BPE of llama.cpp's pre-tokenizer ``glm4``.

A vocabulary is 256 byte tokens, the pieces of a few sentences, fillers, GLM-4's special tokens and unused
ones. The sentences are what such a model says (``store.gguf_speech`` arranges its weights so): printable text
whose Chinese characters are cut in the middle of their bytes, so that streams meet incomplete UTF-8.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass

SENTENCES: tuple[tuple[bytes, ...], ...] = tuple(
    tuple(piece.encode() if isinstance(piece, str) else piece for piece in sentence)
    for sentence in (
        ("This", " model", " knows", " one", " fixed", " table", " of", " words", ".\n"),
        ("它", "只", b"\xe4\xbc", b"\x9a\xe8", b"\xaf\xb4", "这",
         b"\xe5\x87\xa0\xe5\x8f", b"\xa5\xe8", b"\xaf\x9d", "。", "\n\n"),
        ("- ", "Nothing", " here", " was", " learned;", " every", " weight", " is", " made.\n\n"),
        ("1. ", b"\xe6\x89\x93\xe5", b"\xbc\x80", "微", "信", b"\xef\xbc", b"\x8c\xe7", b"\x82\xb9",
         b"\xe5\x87\xbb", b"\xe5\x8f\x91\xe9", b"\x80\x81", b" \xf0\x9f", b"\x98\x80", "。\n"),
    )
)  # fmt: skip
"""Pieces in order; none stands twice, so each has one successor, and none is a single byte."""

SPECIALS: tuple[str, ...] = (
    "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
    "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>",
    "<|end_of_video|>", "<|image|>", "<|video|>",
)  # fmt: skip
"""GLM-4's special tokens in their order (ids 151329 to 151344 in GLM-4.1V's tokenizer)."""

FIRST_SPECIAL_OF_GLM4 = 151_329

CHAT_TEMPLATE = """\
[gMASK]<sop>
{%- for message in messages %}
{{- '<|observation|>' if message.role == 'tool' else '<|' + message.role + '|>' }}
{{- '\\n' }}
{%- if message.content is string %}
{{- message.content }}
{%- else %}
{%- for part in message.content or [] %}
{%- if part is string %}
{{- part }}
{%- elif part.type == 'image' or part.type == 'image_url' %}
{{- '<|begin_of_image|><|image|><|end_of_image|>' }}
{%- elif part.type == 'text' %}
{{- part.text }}
{%- endif %}
{%- endfor %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|assistant|>\\n' }}
{%- endif %}"""
"""GLM-4's conversation form, for contents that are strings or lists of parts."""

MERGES = ("Ġ t", "h e", "i n", "r e", "o n")
NORMAL, CONTROL, UNUSED = 1, 3, 5  # llama_token_type


@dataclass(frozen=True)
class Vocabulary:
    """Tokens as a GGUF file stores them, and the ids of those that matter."""

    tokens: tuple[str, ...]
    types: tuple[int, ...]
    sentences: tuple[tuple[int, ...], ...]
    first_special: int

    def special(self, token: str) -> int:
        return self.first_special + SPECIALS.index(token)


def vocabulary(size: int) -> Vocabulary:
    """A vocabulary of ``size`` tokens; from 151,552 on the special tokens have GLM-4's ids.

    ValueError below what bytes, sentences and special tokens need (about 350).
    """
    pieces = [piece for sentence in SENTENCES for piece in sentence]
    normal = list(dict.fromkeys([*_byte_tokens(), *(merge.replace(" ", "") for merge in MERGES)]))
    spoken = {piece: len(normal) + index for index, piece in enumerate(pieces)}
    normal += [_spelled(piece) for piece in pieces]
    first_special = FIRST_SPECIAL_OF_GLM4 if size >= FIRST_SPECIAL_OF_GLM4 + len(SPECIALS) else len(normal)
    if size < first_special + len(SPECIALS):
        raise ValueError(f"{size} tokens are too few, {first_special + len(SPECIALS)} are needed")
    known = set(normal)
    if len(known) < len(normal):
        raise AssertionError("a token stands twice, on which llama.cpp aborts")
    fillers = (word for word in _words() if word not in known)
    normal += itertools.islice(fillers, first_special - len(normal))
    unused = [f"[PAD{index}]" for index in range(first_special + len(SPECIALS), size)]
    return Vocabulary(
        tokens=(*normal, *SPECIALS, *unused),
        types=(*[NORMAL] * len(normal), *[CONTROL] * len(SPECIALS), *[UNUSED] * len(unused)),
        sentences=tuple(tuple(spoken[piece] for piece in sentence) for sentence in SENTENCES),
        first_special=first_special,
    )


def expected_reply(tokens: int) -> str:
    """What a model made here answers greedily, cut after ``tokens`` tokens and to whole characters."""
    ring = itertools.cycle(piece for sentence in SENTENCES for piece in sentence)
    return b"".join(itertools.islice(ring, tokens)).decode("utf-8", "ignore")


def _byte_characters() -> dict[int, str]:
    """GPT-2's printable stand-in for each byte: itself where printable, else a character from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


_CHARACTERS = _byte_characters()


def _byte_tokens() -> list[str]:
    return [_CHARACTERS[byte] for byte in range(256)]


def _spelled(piece: bytes) -> str:
    return "".join(_CHARACTERS[byte] for byte in piece)


def _words() -> Iterator[str]:
    """Endless distinct fillers: aa, Ġaa, ab, Ġab …"""
    for length in itertools.count(2):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            word = "".join(letters)
            yield word
            yield "Ġ" + word
