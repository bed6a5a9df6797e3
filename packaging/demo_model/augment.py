"""Other ways to write a question, by chance: as people type, in both languages. Only training questions pass here."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from .corpus import Question, read_toml
from .settings import CORPUS

TALK = frozenset({"greeting", "thanks", "bye"})
"""Whose meaning a greeting before or thanks behind would change."""

BEFORE = {
    "en": (
        "please tell me: ", "can you tell me ", "could you tell me, ", "hi, ", "hello, ", "hey, ", "Hi! ",
        "Hello! ",
        "excuse me, ", "quick question: ", "a question: ", "I have a question: ", "I want to know: ",
        "I wonder, ",
        "just asking, ", "sorry, ", "ok, ", "so ", "and ", "please, ", "well, ", "one more thing: ",
        "good morning, ",
        "I'd like to know ", "tell me ", "say, ", "hey there, ", "now ", "maybe you know: ", "question: ",
    ),
    "zh": (
        "请问", "请问一下，", "请问，", "想问一下，", "我想知道", "我想问", "麻烦问一下，", "你好，",
        "您好，", "你好，请问",
        "请教一下，", "那么", "那", "另外，", "还有，", "问一下：", "有个问题：", "不好意思，",
        "想了解一下，", "请告诉我，",
        "顺便问一下，", "嗨，", "麻烦告诉我", "我问一下，", "对了，", "哈喽，",
    ),
}  # fmt: skip
BEHIND = {
    "en": (" please", ", please", " thanks", ", thanks", " thank you", ", thank you!", " pls", " exactly",
    " then",
           " here", " now", ", please?"),
    "zh": ("呢", "啊", "呀", "，谢谢", "，谢谢！", "，麻烦了", "？谢谢", "，急", "，求助", "，求解", "来着"),
}  # fmt: skip
EXCHANGED = read_toml(CORPUS / "synonyms.toml")
"""By language: words, and what may stand in their place."""
SMALL_WORDS = frozenset(
    [
        "the",
        "a",
        "an",
        "my",
        "please",
        "of",
        "this",
        "do",
        "does",
        "is",
        "are",
        "it",
        "on",
        "for",
        "to",
        "me",
        "you",
        "can",
    ]
)
NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok",
    "o": "ipl", "p": "ol",
    "a": "qsz", "s": "awd", "d": "sef", "f": "drg", "g": "fth", "h": "gyj", "j": "huk", "k": "jil",
    "l": "kop", "z": "asx",
    "x": "zsc", "c": "xdv", "v": "cfb", "b": "vgn", "n": "bhm", "m": "njk",
}  # fmt: skip
HALF_TO_FULL = str.maketrans(",?!:;()", "，？！：；（）")
FULL_TO_HALF = str.maketrans("，？！：；（）。", ",?!:;().")
_WORD = re.compile(r"[A-Za-z]{4,}")
_HAN = r"\u3400-\u9fff"
_HAN_LATIN = re.compile(rf"(?<=[{_HAN}])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?=[{_HAN}])")
_BLANKED = re.compile(rf"(?<=[{_HAN}]) (?=[A-Za-z0-9])|(?<=[A-Za-z0-9]) (?=[{_HAN}])")
_MARKS = "?!.。？！"
_HAN_ANY = re.compile(rf"[{_HAN}]")
THINNED = 0.15
PARTICLES = ("的", "了", "吗", "呢", "一下", "请", "我", "这个", "啊")

Change = Callable[[str, random.Random], str]


def varied(question: Question, rng: random.Random) -> str:
    """The question as somebody else might type it; often as it stands. Never empty."""
    text = question.text
    if rng.random() < 0.2:
        return text
    for share, change in _CHANGES[question.language]:
        if rng.random() < share:
            text = change(text, rng).strip() or text
    if question.answer not in TALK:
        if rng.random() < 0.15:
            text = _before(text, question.language, rng)
        if rng.random() < 0.08:
            text = _behind(text, question.language, rng)
    return _cased(text, rng) if question.language == "en" else text


def _exchanged(others: Mapping[str, Sequence[str]]) -> Change:
    places = {word: re.compile(_bounded(word), re.IGNORECASE) for word in others}

    def change(text: str, rng: random.Random) -> str:
        lower = text.lower()
        found = [word for word in others if word.lower() in lower and places[word].search(text)]
        if not found:
            return text
        word = rng.choice(found)
        new = rng.choice(others[word])
        return places[word].sub(lambda _found: new, text, count=1)

    return change


def _bounded(word: str) -> str:
    """Latin words are whole words."""
    return rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])" if word.isascii() else re.escape(word)


def _marks(text: str, rng: random.Random) -> str:
    bare = text.rstrip(_MARKS + " ")
    if not bare:
        return text
    return bare + rng.choice(("", "", "", "?", "?", "??", " ?", ".", "!", "...", "？", "?!"))


def _marks_zh(text: str, rng: random.Random) -> str:
    bare = text.rstrip(_MARKS + " ")
    if not bare:
        return text
    return bare + rng.choice(("", "", "", "？", "？", "?", "??", "。", "！", "？？", "…"))


def _without_small_word(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if word.lower() in SMALL_WORDS]
    if len(words) < 4 or not places:
        return text
    del words[rng.choice(places)]
    return " ".join(words)


def _without_words(text: str, rng: random.Random) -> str:
    """As keywords are typed: no small words but the question's own."""
    words = text.split(" ")
    kept = [word for word in words if word.lower() not in SMALL_WORDS]
    return " ".join(kept) if len(kept) > 2 else text


def _other_order(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    if len(words) < 4:
        return text
    place = rng.randrange(len(words) - 1)
    words[place], words[place + 1] = words[place + 1], words[place]
    return " ".join(words)


def _thinned(text: str, rng: random.Random) -> str:
    """Each word is left out by a small chance: no single one may decide alone."""
    words = text.split(" ")
    kept = [word for word in words if rng.random() > THINNED]
    return " ".join(kept) if len(kept) > 1 else text


def _shuffled(text: str, rng: random.Random) -> str:
    """Words in any order."""
    words = text.rstrip(_MARKS + " ").split(" ")
    rng.shuffle(words)
    return " ".join(words)


def _thinned_zh(text: str, rng: random.Random) -> str:
    kept = "".join(letter for letter in text if rng.random() > THINNED / 2)
    return kept if len(kept) > 3 and _HAN_ANY.search(kept) else text


def _turned_zh(text: str, rng: random.Random) -> str:
    """The end before the beginning."""
    if len(text) < 6:
        return text
    place = rng.randrange(2, len(text) - 1)
    return text[place:].rstrip(_MARKS) + text[:place]


def _without_particle(text: str, rng: random.Random) -> str:
    found = [part for part in PARTICLES if part in text]
    shorter = text.replace(rng.choice(found), "", 1) if found else text
    return shorter if len(shorter) > 3 and _HAN_ANY.search(shorter) else text


def _mistyped(text: str, rng: random.Random) -> str:
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    place = rng.randrange(word.start() + 1, word.end())
    kind, letter = rng.randrange(4), text[place]
    if kind == 0:
        return text[:place] + text[place + 1 :]
    if kind == 1:
        return text[:place] + letter + text[place:]
    if kind == 2:
        return text[: place - 1] + letter + text[place - 1] + text[place + 1 :]
    return text[:place] + rng.choice(NEIGHBOURS.get(letter.lower(), letter)) + text[place + 1 :]


def _mistyped_zh(text: str, rng: random.Random) -> str:
    if len(text) < 6:
        return text
    place = rng.randrange(1, len(text))
    if rng.random() < 0.5:
        return text[:place] + text[place + 1 :]
    return text[: place - 1] + text[place] + text[place - 1] + text[place + 1 :]


def _widths(text: str, rng: random.Random) -> str:
    return text.translate(rng.choice((HALF_TO_FULL, FULL_TO_HALF)))


def _spaced(text: str, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return _BLANKED.sub("", text)
    return re.sub(" {2,}", " ", _HAN_LATIN.sub(" ", text))


def _lower(text: str, rng: random.Random) -> str:
    return text.lower()


def _before(text: str, language: str, rng: random.Random) -> str:
    opening = rng.choice(BEFORE[language])
    if language == "en" and opening[-2] != "!":
        acronym = text[:2].isupper() or text[:2] in ("I ", "I'")
        text = text if acronym else text[:1].lower() + text[1:]
    return opening + text


def _behind(text: str, language: str, rng: random.Random) -> str:
    return text.rstrip(_MARKS + " ") + rng.choice(BEHIND[language])


def _cased(text: str, rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.3:
        return text.lower()
    if chance < 0.55:
        return text[:1].upper() + text[1:]
    return text.upper() if chance < 0.565 else text


_CHANGES: dict[str, tuple[tuple[float, Change], ...]] = {
    "en": (
        (0.5, _exchanged(EXCHANGED["en"])), (0.35, _exchanged(EXCHANGED["en"])), (0.15, _without_small_word),
        (0.06, _without_words), (0.3, _thinned), (0.12, _shuffled), (0.1, _other_order),
        (0.2, _mistyped), (0.5, _marks), (0.01, _widths),
    ),
    "zh": (
        (0.5, _exchanged(EXCHANGED["zh"])), (0.35, _exchanged(EXCHANGED["zh"])), (0.15, _without_particle),
        (0.3, _thinned_zh), (0.08, _turned_zh), (0.08, _mistyped_zh),
        (0.5, _marks_zh), (0.15, _widths), (0.25, _spaced), (0.1, _lower),
    ),
}  # fmt: skip
