"""What share of the answers is right, in figures.json and in the README's table.

Held-out phrasings, out-of-scope test questions and the blind ones are asked, each as a conversation of its own
(``asking``). An answer counts by its id and language (``judge``).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .asking import Asked, Backend, alone, openings, questions, through_llama, through_transformers
from .corpus import FIRST_ONES, VOICE, Corpus, Question
from .settings import LANGUAGES, OUTSIDE

__all__ = ["alone", "openings", "questions", "through_llama", "through_transformers"]

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
NEAR_COPY = 0.75
"""Likeness (of letter triples) to a training phrasing of the same answer from which a held-out one counts as near."""
AIMS = {"held-out": 0.85, "held-out, en": 0.8, "held-out, zh": 0.8, "out of scope": 0.8}
"""Least shares that the model was made for."""
SAME_AIM = 0.99


@dataclass
class Figures:
    """``model``: SHA-256 of the weights' file; ``corpus``: ``Corpus.digest``. ``parts``: row → backend → counts.
    ``wrong``: every wrong answer of the last backend; ``differing``: where the backends give different answers."""

    model: str = ""
    corpus: str = ""
    questions: int = 0
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    agreement: dict[str, float] = field(default_factory=dict)
    backends: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


def figures(corpus: Corpus, backends: Sequence[Backend], others: Mapping[str, Backend]) -> Figures:
    """``others``: what llama.cpp answered in other places of a conversation."""
    found = Figures(corpus=corpus.digest(), questions=len(backends[0].answers))
    copies = near_copies(corpus, [one.question for one in backends[0].answers])
    blind = frozenset(one.text for one in corpus.blind)
    for backend in backends:
        if backend.weights is not None:
            found.model = sha256(backend.weights)
        for name, chosen in _parts(copies, blind).items():
            _put(found, name, backend, [one for one in backend.answers if chosen(one)])
        found.backends[backend.name] = {
            "seconds": round(backend.seconds, 1), "tokens_per_s": backend.speed, "first_token_s": backend.first_token,
        }  # fmt: skip
    found.wrong = [_told(one, blind) for one in backends[-1].answers if not one.right]
    for name, backend in others.items():
        for kind, outside in (("held-out", False), ("out of scope", True)):
            chosen = _asked(blind, outside=outside)
            _put(found, f"{kind}, {name}", backend, [one for one in backend.answers if chosen(one)])
    if len(backends) == 2:
        _compare(found, list(zip(backends[0].answers, backends[1].answers, strict=True)))
    return found


def _put(found: Figures, row: str, backend: Backend, part: Sequence[Asked]) -> None:
    if part:
        found.parts.setdefault(row, {})[backend.name] = _counted(part)


def _told(one: Asked, blind: frozenset[str]) -> str:
    mark = " (blind)" if one.question.text in blind else ""
    return f"{one.question.language}{mark} {one.question.answer} → {_given(one)}: {one.question.text}"


def _given(one: Asked) -> str:
    """The answer that came, with its language where the question's is another."""
    verdict = one.verdict
    same = verdict.language in (None, one.question.language)
    return str(verdict.answer) if same else f"{verdict.answer} ({verdict.language})"


def _compare(found: Figures, pairs: Sequence[tuple[Asked, Asked]]) -> None:
    found.differing = [
        f"{a.question.language} {a.question.answer} → {_given(a)} | {_given(b)}: {a.question.text}"
        for a, b in pairs
        if _given(a) != _given(b)
    ]
    found.agreement = {
        "same_id": 1 - len(found.differing) / len(pairs),
        "same_text": sum(a.said == b.said for a, b in pairs) / len(pairs),
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _asked(
    blind: frozenset[str], language: str | None = None, *, outside: bool = False, unseen: bool = False
) -> Callable[[Asked], bool]:
    """Of a language (None: of any), out of scope or not, blind or not."""
    return lambda one: (
        (one.question.answer == OUTSIDE) == outside
        and (one.question.text in blind) == unseen
        and language in (None, one.question.language)
    )


def _parts(copies: frozenset[str], blind: frozenset[str]) -> Mapping[str, Callable[[Asked], bool]]:
    every = _asked(blind)
    parts: dict[str, Callable[[Asked], bool]] = {"held-out": every}
    for name in LANGUAGES:
        parts[f"held-out, {name}"] = _asked(blind, name)
    parts["held-out, of the first 18 phrasings"] = lambda one: every(one) and one.question.kind == FIRST_ONES
    parts["held-out, by other authors"] = lambda one: every(one) and one.question.kind == VOICE
    parts["held-out, no near copy trained on"] = lambda one: every(one) and one.question.text not in copies
    parts["out of scope"] = _asked(blind, outside=True)
    for name in LANGUAGES:
        parts[f"out of scope, {name}"] = _asked(blind, name, outside=True)
    for name in LANGUAGES:
        parts[f"blind, {name}"] = _asked(blind, name, unseen=True)
    parts["blind, out of scope"] = _asked(blind, outside=True, unseen=True)
    return parts


KINDS = ("refused", "another answer", "other language", "no answer of the corpus")


def _kind(one: Asked) -> str:
    if one.right:
        return "right"
    if one.verdict.answer is None:
        return "no answer of the corpus"
    if one.verdict.answer == one.question.answer:
        return "other language"
    return "refused" if one.verdict.answer == OUTSIDE else "another answer"


def _counted(part: Sequence[Asked]) -> dict[str, Any]:
    kinds = Counter(_kind(one) for one in part)
    exact = sum(one.verdict.exact for one in part)
    return {
        "questions": len(part),
        **kinds,
        "share_right": kinds["right"] / len(part),
        "word_for_word": exact,
    }


def near_copies(corpus: Corpus, asked: Iterable[Question]) -> frozenset[str]:
    """Held-out phrasings that are much like one that was trained on under the same answer."""
    trained: dict[tuple[str, str], list[frozenset[str]]] = {}
    for one in corpus.train:
        trained.setdefault((one.answer, one.language), []).append(_triples(one.text))
    found = set()
    for one in asked:
        mine = _triples(one.text)
        for other in trained.get((one.answer, one.language), ()):
            if 2 * len(mine & other) >= NEAR_COPY * (len(mine) + len(other)):
                found.add(one.text)
                break
    return frozenset(found)


def _triples(text: str) -> frozenset[str]:
    bare = " " + "".join(c for c in text.casefold() if c.isalnum() or c == " ").strip() + " "
    size = 3 if text.isascii() else 2
    return frozenset(bare[i : i + size] for i in range(len(bare) - size + 1))


def markdown(found: Figures) -> str:
    """The figures as the README shows them."""
    names = list(found.backends)
    lines = [
        "| questions | number | " + " | ".join(f"right, {name}" for name in names) + " | aim |",
        "|---" * (3 + len(names)) + "|",
    ]
    for part, by_backend in found.parts.items():
        number = next(iter(by_backend.values()))["questions"]
        shares = " | ".join(
            f"{by_backend[name]['share_right']:.1%}" if name in by_backend else "" for name in names
        )
        aim = f"≥ {AIMS[part]:.0%}" if part in AIMS else ""
        lines.append(f"| {part} | {number} | {shares} | {aim} |")
    lines += ["", *_sentences(found)]
    return "\n".join(lines) + "\n"


def _sentences(found: Figures) -> list[str]:
    lines = []
    llama = found.backends.get("llama.cpp", {})
    held = found.parts.get("held-out", {}).get("llama.cpp")
    if held:
        wrong = {kind: held.get(kind, 0) for kind in KINDS}
        told = ", ".join(f"{kind} {number}" for kind, number in wrong.items())
        lines.append(f"Held-out questions that llama.cpp answered wrong: {told}.")
    if found.agreement:
        same, text = found.agreement["same_id"], found.agreement["same_text"]
        lines.append(
            f"Both backends give the same answer to {same:.2%} of all (aim: ≥ {SAME_AIM:.0%}), "
            f"word for word to {text:.2%}."
        )
    if llama.get("tokens_per_s"):
        lines.append(
            f"llama.cpp, median of all: {llama['tokens_per_s']:.0f} tokens/s, "
            f"first token after {1000 * llama['first_token_s']:.0f} ms (model loaded, no process between)."
        )
    return lines


def write(found: Figures, folder: Path) -> None:
    """figures.json, and the table between the marks of a README that lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(found), ensure_ascii=False, indent=1)
    (folder / "figures.json").write_text(text + "\n", encoding="utf-8")
    if (folder / "README.md").is_file():
        write_table(folder)


def kept(folder: Path) -> Figures:
    """What figures.json holds. Raises OSError, ValueError, TypeError for one of another make."""
    return Figures(**json.loads((folder / "figures.json").read_text(encoding="utf-8")))


def write_table(folder: Path) -> None:
    """The README's table, of the figures.json beside it."""
    readme = folder / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{markdown(kept(folder))}{END}{after}", encoding="utf-8")
