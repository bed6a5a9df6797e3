"""packaging/demo_model/corpus: clean, true to the documentation and the program's words; its split, and the judge."""

from __future__ import annotations

import itertools
import random
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from demo_model import augment, corpus, evaluate
from demo_model.corpus import FIRST_ONES, VARIANT, VOICE, Corpus, bare
from demo_model.judge import Judge
from demo_model.settings import CORPUS, FIRST, HELD_OUT, LANGUAGES, OUTSIDE

from autoglm_desktop import cli_parser

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = (
    "README.md",
    "docs/*.md",
    "autoglm_desktop/cli*.py",
    "autoglm_desktop/po.py",
    "resources/i18n/zh_CN.po",
)
HAN = re.compile(r"[\u3400-\u9fff]")
LEAST_PHRASINGS = {"own": 16, "voices": 5}
MOST_WORDS, MOST_CHARACTERS, MOST_SENTENCES = 55, 110, 5
EXAMPLES = frozenset(("prices.toml", "pictures/", '"hello"', '"你好"', "shot.png", "key.txt", "32768"))
"""Words of commands that no text of the documentation has."""


@cache
def topics() -> tuple[dict, ...]:
    files = sorted(CORPUS.glob("topics_*.toml"))
    return tuple(answer for path in files for answer in corpus.read_toml(path)["answer"])


@cache
def loaded() -> Corpus:
    return corpus.load()


@cache
def documentation() -> str:
    paths = itertools.chain.from_iterable(sorted(ROOT.glob(pattern)) for pattern in DOCUMENTED)
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return "\n".join([*texts, *(text.replace('"\n"', "") for text in texts if "msgid" in text)]).casefold()


def questions() -> list[tuple[str, str, str]]:
    """(where, language, text) of every question of every file, in the files' order."""
    found = []
    for answer in topics():
        found += [(answer["id"], name, text) for name in LANGUAGES for text in answer[f"questions_{name}"]]
    for file in ("voices.toml", "blind.toml"):
        for key, answer in corpus.read_toml(CORPUS / file).items():
            found += [(f"{key} in {file}", name, text) for name in LANGUAGES for text in answer[name]]
    outside = corpus.read_toml(CORPUS / "out_of_scope.toml")
    for part in ("train", "test"):
        found += [
            (f"{OUTSIDE} {part}", name, text) for name in LANGUAGES for text in outside[f"{part}_{name}"]
        ]
    return found


def answers() -> list[tuple[str, str, str]]:
    return [(name, language, text) for (name, language), text in loaded().answers.items()]


def test_no_question_stands_twice():
    """Neither within a file nor in two of them: what is held out, and the blind ones, would have been trained on."""
    seen: dict[str, str] = {}
    twice = []
    for where, _language, text in questions():
        other = seen.setdefault(bare(text), where)
        if other is not where:
            twice.append(f"{where}, {other}: {text}")
    assert twice == []
    assert len(seen) == len(questions())


def test_no_two_answers_have_a_question_of_the_same_words():
    """In whatever order. Within an answer it is another phrasing."""
    seen: dict[str, str] = {}
    same = []
    for answer in topics():
        for text in (*answer["questions_en"], *answer["questions_zh"]):
            words = unicodedata.normalize("NFKC", text).casefold()
            bag = " ".join(sorted(re.findall(r"[\w+./<>=–-]+", words)))
            if seen.setdefault(bag, answer["id"]) != answer["id"]:
                same.append(f"{answer['id']}, {seen[bag]}: {text}")
    assert same == []


def test_every_question_is_of_its_language():
    for where, language, text in questions():
        assert bool(HAN.search(text)) == (language == "zh"), (where, text)
        assert text == text.strip() and "  " not in text and len(text) < 600, (where, text)


def test_every_answer_has_its_texts():
    names = [answer["id"] for answer in topics()]
    assert len(set(names)) == len(names) >= 100
    for answer in topics():
        assert set(answer) == {"id", "en", "zh", "questions_en", "questions_zh"}, answer["id"]
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", answer["id"])
        for language in LANGUAGES:
            assert len(answer[f"questions_{language}"]) >= LEAST_PHRASINGS["own"], answer["id"]
    voices, blind = (corpus.read_toml(CORPUS / file) for file in ("voices.toml", "blind.toml"))
    assert set(voices) == set(names) and set(blind) <= {*names, OUTSIDE}
    for name, by_language in voices.items():
        assert min(len(by_language[language]) for language in LANGUAGES) >= LEAST_PHRASINGS["voices"], name


def test_answers_are_short_and_clean():
    wrong = []
    for name, language, text in answers():
        plain = re.sub(r"`[^`]*`|https?://\S+", "", text)
        if bool(HAN.search(text)) != (language == "zh"):
            wrong.append(f"{name} {language}: not of its language")
        if language == "en" and len(text.split()) > MOST_WORDS:
            wrong.append(f"{name}: {len(text.split())} words")
        if language == "zh" and len(plain) > MOST_CHARACTERS:
            wrong.append(f"{name}: {len(plain)} characters without commands")
        if language == "zh" and re.search(r"[\u3400-\u9fff][,;?!]", text):
            wrong.append(f"{name}: half-width marks behind Chinese")
        if (
            text != text.strip()
            or "  " in text
            or len(re.findall(r"[.!?。！？](?:\s|$)", text)) > MOST_SENTENCES
        ):
            wrong.append(f"{name} {language}: blanks, or many sentences")
    assert wrong == []
    assert len({text for _name, _language, text in answers()}) == len(answers())


def test_commands_in_answers_are_those_of_the_program():
    """What begins with launch.py is parsed by the program itself; options, variables and files stand in the docs."""
    parser = cli_parser.build_parser()
    unknown = []
    for name, _language, text in answers():
        for command in re.findall(r"`([^`]+)`", text):
            words = re.sub(r"^(python3|py) (?=launch\.py)", "", command).split()
            if words[0] in ("launch.py", "chat"):
                parser.parse_args(words[words[0] == "launch.py" :])
            elif not all(word in EXAMPLES or word.casefold() in documentation() for word in words):
                unknown.append((name, command))
    assert unknown == []


def test_labels_quoted_in_answers_are_the_window_s():
    missing = []
    for name, language, text in answers():
        quoted = re.findall(r'"([A-Z][^"]{2,40})"' if language == "en" else r"“([^”]{2,24})”", text)
        for label in quoted:
            if label.rstrip(".…").casefold() not in documentation():
                missing.append(f"{name} {language}: {label}")
    assert missing == []


def test_a_fifth_of_every_answer_is_held_out_in_each_language():
    parts = [Counter((q.answer, q.language, q.kind) for q in part) for part in loaded().parts]
    _train, validation, held, *_ = parts
    every = sum(parts[:3], Counter())
    for name, language in itertools.product(loaded().ids, LANGUAGES):
        if name == OUTSIDE:
            assert not any(held[name, language, kind] for kind in corpus.KINDS)
            continue
        asked = {kind: every[name, language, kind] for kind in corpus.KINDS}
        out = {kind: held[name, language, kind] for kind in corpus.KINDS}
        assert asked[FIRST_ONES] == min(FIRST, asked[FIRST_ONES] + asked[VARIANT])
        assert sum(out.values()) == round(HELD_OUT * sum(asked.values())), name
        assert all(out[kind] == round(HELD_OUT * asked[kind]) for kind in (FIRST_ONES, VOICE)), name
        chosen = {kind: validation[name, language, kind] for kind in corpus.KINDS}
        assert chosen[VOICE] == 1 and chosen[FIRST_ONES] + chosen[VARIANT] == 1, name


def test_the_split_is_the_same_each_time_and_its_parts_share_nothing():
    again = corpus.load()
    assert again == loaded() and again.digest() == loaded().digest()
    texts = [one.text.casefold() for part in loaded().parts for one in part]
    assert len(set(texts)) == len(texts) == len(questions())
    assert {one.answer for one in loaded().outside_test} == {OUTSIDE}


def made_corpus(folder: Path, answer: str = "The answer.", blind: str = "blind one") -> Path:
    """One answer of ten phrasings in each language, and three by somebody else."""
    folder.mkdir()
    ten, three = (
        [f"{word} {number}" for number in range(count)] for word, count in (("own", 10), ("voice", 3))
    )
    texts = {
        "topics_01.toml": f"[[answer]]\nid = 'made'\nen = '{answer}'\nzh = '答'\n"
        f"questions_en = {ten}\nquestions_zh = {[f'{text} 问' for text in ten]}\n",
        "voices.toml": f"[made]\nen = {three}\nzh = {[f'{text} 问' for text in three]}\n",
        "blind.toml": f"[made]\nen = ['{blind}']\nzh = ['另一个']\n",
        "out_of_scope.toml": "en = 'No.'\nzh = '不'\ntrain_en = ['x']\ntrain_zh = ['外']\n"
        "test_en = ['y']\ntest_zh = ['内']\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_another_text_is_another_corpus(tmp_path):
    digest = corpus.load(made_corpus(tmp_path / "one")).digest()
    assert corpus.load(made_corpus(tmp_path / "same")).digest() == digest
    assert corpus.load(made_corpus(tmp_path / "two", answer="An answer.")).digest() != digest
    assert corpus.load(made_corpus(tmp_path / "three", blind="other one")).digest() != digest


def test_a_question_in_two_parts_is_refused(tmp_path):
    with pytest.raises(ValueError, match="stands under"):
        corpus.load(made_corpus(tmp_path / "corpus", blind="Own 3"))


def test_nothing_held_out_comes_out_by_variation():
    """What differs from a training phrasing in typing only may, by chance."""
    whole = loaded()
    secret = {one.text for one in (*whole.held_out, *whole.outside_test, *whole.blind)}
    rng = random.Random(0)
    made = [augment.varied(one, rng) for one in whole.train[::3]]
    assert all(text.strip() for text in made)
    assert len(secret.intersection(made)) < 0.005 * len(made)


def test_variation_keeps_the_language():
    """But where a Chinese question has one Chinese word, for which an English one may stand (显卡, GPU)."""
    rng = random.Random(1)
    asked = loaded().train[::3]
    other = [one for one in asked if bool(HAN.search(augment.varied(one, rng))) != (one.language == "zh")]
    assert len(other) < 0.002 * len(asked), other
    assert {one.language for one in other} <= {"zh"}


def test_synonyms_are_other_words_of_the_same_language():
    words = corpus.read_toml(CORPUS / "synonyms.toml")
    assert set(words) == set(LANGUAGES)
    for word, others in words["en"].items():
        assert not HAN.search("".join((word, *others))), word
    for by_word in words.values():
        assert all(
            others and word not in others and len(set(others)) == len(others)
            for word, others in by_word.items()
        )


@pytest.mark.parametrize("cut", [1.0, 0.6])
def test_an_answer_is_known_by_its_text_or_its_beginning(cut):
    judge = Judge(loaded().answers)
    for name, language, text in answers()[::20]:
        found = judge(text[: max(30, round(cut * len(text)))])
        assert (found.answer, found.language) == (name, language)
    assert judge("something else entirely, said by nobody here").answer is None
    assert judge("").answer is None


def test_near_copies_are_some_of_what_is_held_out():
    sample = loaded().held_out[::10]
    assert 0 < len(evaluate.near_copies(loaded(), sample)) < len(sample)
