"""A byte-level BPE of the corpus with GLM-4's pre-tokenizer, special tokens and chat template.

Trained on what the model is trained on: held-out and test questions have no part in it.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from autoglm_desktop.store.gguf_words import CHAT_TEMPLATE, SPECIALS

from .corpus import Corpus

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""GLM-4's pre-tokenizer (its tokenizer.json); llama.cpp's ``glm4``."""
END, USER, ASSISTANT, SYSTEM, OBSERVATION = (
    "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|observation|>",
)  # fmt: skip
ENDS = (END, USER, OBSERVATION)
OUTSIDE_ASCII = re.compile(r"[^\x00-\x7f]+")
ANSWER_WEIGHT = 3
"""Answers are said in each of their questions' turns: so often they count, against questions once."""
LEAST_SEEN = 6
"""Occurrences (answers weighted) from which a character outside ASCII has a token of its own."""
WORDS = 260
"""Tokens of two such characters. Longer ones would be whole phrases, and a question with one word changed would share
none of its tokens with those trained on."""
MOST_ENGLISH_LETTERS = 12


def train(corpus: Corpus, size: int, prompts: tuple[str, ...] = ()) -> Tokenizer:
    """``size`` tokens in all; the special ones have the last ids. ``prompts``: system prompts, counted once.

    Both languages are learned apart and joined: their bytes differ, so no merge of one is in the other's way. English
    pieces take what the Chinese characters leave.
    """
    texts = list(_texts(corpus, prompts))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate(alphabet)}
    chinese = _characters(texts)
    merges: list[tuple[str, str]] = []
    room = size - len(SPECIALS) - len(alphabet) - len({"".join(merge) for merge in chinese})
    english = _learned(
        [OUTSIDE_ASCII.sub(" ", text) for text in texts], room, MOST_ENGLISH_LETTERS, bytewise=True
    )
    for merge in (*english[:room], *chinese):
        token = "".join(merge)
        if token not in vocabulary:
            vocabulary[token] = len(vocabulary)
            merges.append(merge)
    return _made(vocabulary, merges, size)


def _characters(texts: list[str]) -> list[tuple[str, str]]:
    """Merges that make the frequent characters of their bytes, then words of two characters."""
    seen = Counter(letter for text in texts for letter in text if ord(letter) > 127)
    frequent = [
        letter
        for letter, count in sorted(seen.items(), key=lambda item: (-item[1], item[0]))
        if count >= LEAST_SEEN
    ]
    spelled = {letter: _spelled(letter) for letter in frequent}
    merges = list(
        dict.fromkeys((one[:n], one[n]) for n in (1, 2, 3) for one in spelled.values() if n < len(one))
    )
    pairs = _learned([re.sub(r"[\x00-\x7f]+", " ", text) for text in texts], WORDS, 2, bytewise=False)
    known = [pair for pair in pairs if pair[0] in spelled and pair[1] in spelled]
    return [*merges, *((spelled[first], spelled[second]) for first, second in known)]


def _spelled(text: str) -> str:
    """In the letters that stand for bytes."""
    return "".join(
        piece for piece, _ in pre_tokenizers.ByteLevel(False, use_regex=False).pre_tokenize_str(text)
    )


def _learned(texts: list[str], count: int, longest: int, *, bytewise: bool) -> list[tuple[str, str]]:
    """``count`` merges at most, the most frequent first."""
    found = Tokenizer(models.BPE())
    found.pre_tokenizer = _pre_tokenizer() if bytewise else pre_tokenizers.Split(Regex(SPLIT), "isolated")
    alphabet = (
        pre_tokenizers.ByteLevel.alphabet() if bytewise else sorted({c for text in texts for c in text})
    )
    trainer = trainers.BpeTrainer(
        vocab_size=count + len(alphabet),
        min_frequency=2,
        max_token_length=longest,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    found.train_from_iterator(texts, trainer)
    return [tuple(merge) for merge in json.loads(found.to_str())["model"]["merges"]]


def _texts(corpus: Corpus, prompts: tuple[str, ...]) -> Iterator[str]:
    for text in corpus.answers.values():
        yield from [text] * ANSWER_WEIGHT
    for question in corpus.train:
        yield question.text
        if question.language == "en":
            yield question.text[:1].upper() + question.text[1:]
            yield question.text.lower()
    yield from prompts


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _made(vocabulary: dict[str, int], merges: list[tuple[str, str]], size: int) -> Tokenizer:
    """ValueError where the corpus gave fewer tokens than asked for: the shape's rows would have no token."""
    if len(vocabulary) + len(SPECIALS) != size:
        raise ValueError(f"{len(vocabulary)} tokens learned, {size - len(SPECIALS)} wanted")
    whole = {**vocabulary, **{name: len(vocabulary) + place for place, name in enumerate(SPECIALS)}}
    made = Tokenizer(models.BPE(vocab=whole, merges=merges, ignore_merges=True))
    made.pre_tokenizer = _pre_tokenizer()
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    return made


class Splitter:
    """Tokens in pieces by chance: one word, many spellings, as BPE-dropout gives them, but repeatable by a seed (none
    can be set for that of ``tokenizers``). No character is taken apart."""

    def __init__(self, tokenizer: Tokenizer, share: float) -> None:
        model = json.loads(tokenizer.to_str())["model"]
        ids = model["vocab"]
        self._share = share
        self._halves = {
            ids["".join(merge)]: (ids[merge[0]], ids[merge[1]])
            for merge in model["merges"]
            if all(_whole(tokenizer, ids[piece]) for piece in merge)
        }

    def __call__(self, ids: Sequence[int], rng: random.Random) -> list[int]:
        found: list[int] = []
        for token in ids:
            if token in self._halves and rng.random() < self._share:
                found += self(self._halves[token], rng)
            else:
                found.append(token)
        return found


def _whole(tokenizer: Tokenizer, token: int) -> bool:
    return "\ufffd" not in tokenizer.decode([token])


def save(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """tokenizer.json, tokenizer_config.json and chat_template.jinja, as transformers reads them."""
    wrapped(tokenizer, context).save_pretrained(folder)


def wrapped(tokenizer: Tokenizer, context: int) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END,
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
