"""packaging/demo_model/evaluate.py: what counts as right, in which row, and the README's table."""

import pytest
from demo_model import evaluate
from demo_model.asking import Asked, Backend
from demo_model.corpus import FIRST_ONES, VOICE, Corpus, Question
from demo_model.judge import Judge
from demo_model.settings import OUTSIDE

ANSWERS = {
    ("vram", "en"): "VRAM is the memory on the graphics card, as was said.",
    ("vram", "zh"): "显存是显卡自己的内存，模型全部放进显存时最快。",
    ("ram", "en"): "How much RAM is needed hangs on the model that is chosen.",
    ("ram", "zh"): "需要多少内存取决于选的是哪个模型，看系统检查。",
    (OUTSIDE, "en"): "That is outside of what I know: I am only the demo.",
    (OUTSIDE, "zh"): "这个问题超出了我的范围：我只是演示模型。",
}
CORPUS = Corpus(
    ANSWERS,
    train=(Question("vram", "en", "what is VRAM"),),
    validation=(),
    held_out=(
        Question("vram", "en", "what is VRAM?", FIRST_ONES),
        Question("vram", "en", "graphics memory explained"),
        Question("ram", "zh", "内存要多大", VOICE),
    ),
    outside_test=(Question(OUTSIDE, "en", "who was Napoleon"),),
    blind=(Question("ram", "en", "is 8 GB enough", VOICE), Question(OUTSIDE, "zh", "明天下雨吗", VOICE)),
)
RIGHT = {one.text: (one.answer, one.language) for one in evaluate.questions(CORPUS)}


def backend(name, path=None, **instead):
    """``instead``: what it answers where that isn't right, by the question's answer id and number of the row."""
    judge = Judge(ANSWERS)
    given = {**RIGHT, **{list(RIGHT)[int(row[1:])]: key for row, key in instead.items()}}
    asked = []
    for one in evaluate.questions(CORPUS):
        said = ANSWERS.get(given[one.text], "?")
        asked.append(Asked(one, said, judge(said)))
    return Backend(name, asked, 1.0, 200.0, 0.001, path)


def shares(found, name="llama.cpp"):
    return {
        row: (by[name]["questions"], by[name]["share_right"]) for row, by in found.parts.items() if name in by
    }


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"made")
    return path


def test_each_question_counts_in_its_rows(weights):
    found = evaluate.figures(CORPUS, [backend("transformers", weights), backend("llama.cpp")], {})
    assert shares(found) == {
        "held-out": (3, 1.0), "held-out, en": (2, 1.0), "held-out, zh": (1, 1.0),
        "held-out, of the first 18 phrasings": (1, 1.0), "held-out, by other authors": (1, 1.0),
        "held-out, no near copy trained on": (2, 1.0), "out of scope": (1, 1.0), "out of scope, en": (1, 1.0),
        "blind, en": (1, 1.0), "blind, out of scope": (1, 1.0),
    }  # fmt: skip
    assert found.agreement == {"same_id": 1.0, "same_text": 1.0}
    assert (found.questions, found.corpus, found.model) == (6, CORPUS.digest(), evaluate.sha256(weights))


def test_another_answer_a_refusal_and_another_language_are_wrong():
    llama = backend("llama.cpp", q0=("ram", "en"), q1=(OUTSIDE, "en"), q2=("ram", "en"), q3=("x", "en"))
    found = evaluate.figures(CORPUS, [backend("transformers"), llama], {})
    counts = found.parts["held-out"]["llama.cpp"]
    assert {kind: counts[kind] for kind in evaluate.KINDS[:3]} == dict.fromkeys(evaluate.KINDS[:3], 1)
    assert found.parts["out of scope"]["llama.cpp"]["no answer of the corpus"] == 1
    assert shares(found)["held-out"] == (3, 0.0) and shares(found, "transformers")["held-out"] == (3, 1.0)
    assert found.wrong == [
        "en vram → ram: what is VRAM?",
        f"en vram → {OUTSIDE}: graphics memory explained",
        "zh ram → ram (en): 内存要多大",
        f"en {OUTSIDE} → None: who was Napoleon",
    ]
    assert len(found.differing) == 4 and found.agreement["same_id"] == pytest.approx(2 / 6)


def test_other_places_of_a_conversation_are_rows_of_their_own():
    found = evaluate.figures(
        CORPUS,
        [backend("transformers"), backend("llama.cpp")],
        {"after a greeting": backend("llama.cpp", q0=("x", "en"))},
    )
    assert shares(found)["held-out, after a greeting"] == (3, pytest.approx(2 / 3))
    assert shares(found)["out of scope, after a greeting"] == (1, 1.0)


def test_the_table_is_written_between_the_marks(tmp_path, weights):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{evaluate.BEGIN}\nold\n{evaluate.END}\nbehind\n", encoding="utf-8")
    found = evaluate.figures(
        CORPUS, [backend("transformers", weights), backend("llama.cpp", q0=("ram", "en"))], {}
    )
    evaluate.write(found, tmp_path)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith(f"{evaluate.END}\nbehind\n") and "old" not in text
    assert "| held-out | 3 | 100.0% | 66.7% | ≥ 85% |" in text
    assert "refused 0, another answer 1" in text
    assert evaluate.kept(tmp_path) == found


def test_a_sample_is_the_same_each_time():
    assert evaluate.questions(CORPUS, 3) == evaluate.questions(CORPUS, 3)
    assert len(evaluate.questions(CORPUS, 3)) == 3 and evaluate.questions(CORPUS, 99) == evaluate.questions(
        CORPUS
    )
