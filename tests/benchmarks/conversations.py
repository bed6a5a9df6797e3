"""Conversations on disk: search over 100,000 messages, a conversation of 10,000, and 50 deaths while an answer streams.

Texts are made of random words and characters, the same ones every time.
"""

import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from autoglm_desktop.store import conversation_search
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases.answer_writer import SAVE_EVERY_S
from tests.unit.conversation_writer import text_of

from .timing import PYTHON, interleaved, median_range

MESSAGES, CONVERSATIONS, LONG = 100_000, 1_000, 10_000
AIM_SEARCH_S, AIM_OPEN_S, AIM_LOST_S = 0.2, 0.3, 1.0
ROUNDS = 5
KILLS = 50
CHARACTERS = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会"
    "可主发年动同工也能下过子说产种面而方后多定行学法所民得经"
)
ROOT = Path(__file__).resolve().parents[2]


def measure() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return [*_searching(Path(folder) / "search"), *_opening(Path(folder) / "open"), *_dying(Path(folder))]


def _searching(folder: Path) -> list[str]:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(2, 9))) for _word in range(20_000)]
    store = Conversations(folder / "c.sqlite3")
    store.open()
    _write(store, [_text(chance, words, number) for number in range(MESSAGES)], MESSAGES // CONVERSATIONS)
    begun = time.perf_counter()
    while not conversation_search.index_some(store):
        pass
    indexing = time.perf_counter() - begun
    queries = {
        "a word of two characters, in 100 messages": "设置",
        "one character that stands everywhere": "的",
        "three characters": "不了有",
        "a word that stands everywhere": "the",
        "a letter that is still being typed": "a",
        "two words": f"{words[5]} 设置",
        "nothing there": "没有这个词",
    }
    found = interleaved(ROUNDS, **{name: _timed(store, query) for name, query in queries.items()})
    scan = interleaved(ROUNDS, scan=lambda: _seconds(lambda: _scan(store, "设置")))["scan"]
    worst = max(max(times) for times in found.values())
    usual = statistics.median(found["a word of two characters, in 100 messages"])
    size = (folder / "c.sqlite3").stat().st_size
    store.close()
    return [
        f"{MESSAGES:,} messages of about 350 characters, Chinese and Latin; {size / 1e6:.0f} MB with the index, which "
        f"takes {indexing:.0f} s to make at once.",
        "",
        *(
            f"- {name}: {median_range([1000 * one for one in times], 'ms', 1)}"
            for name, times in found.items()
        ),
        f"- the slowest of all: {worst * 1000:.0f} ms (aim: at most {AIM_SEARCH_S * 1000:.0f})",
        f"- reading every text instead (LIKE): {median_range([1000 * one for one in scan], 'ms', 0)}; "
        f"{statistics.median(scan) / usual:.0f} times as long as the first",
        "",
    ]


def _opening(folder: Path) -> list[str]:
    chance = random.Random(2)
    store = Conversations(folder / "c.sqlite3")
    store.open()
    words = ["word", "another", "文字", "third"]
    _write(store, [_text(chance, words, number) for number in range(LONG)], LONG)
    found = interleaved(
        ROUNDS,
        ours=lambda: _seconds(lambda: store.messages(1)),
        bare=lambda: _seconds(
            lambda: store.rows("SELECT * FROM messages WHERE conversation = 1 ORDER BY id")
        ),
    )
    assert len(store.messages(1)) == LONG
    store.close()
    ratio = statistics.median(found["ours"]) / statistics.median(found["bare"])
    return [
        f"- a conversation of {LONG:,} messages, read with its versions: "
        f"{median_range([1000 * one for one in found['ours']], 'ms', 0)} (aim, with what is shown of it: at most "
        f"{AIM_OPEN_S * 1000:.0f}); its rows alone {median_range([1000 * one for one in found['bare']], 'ms', 0)}, "
        f"ratio {ratio:.1f}",
    ]


def _dying(folder: Path) -> list[str]:
    chance = random.Random(3)
    lost, sound = [], 0
    for number in range(KILLS):
        seconds, right = _death(folder / f"{number}.sqlite3", chance.uniform(0.1, 2.6))
        lost.append(seconds)
        sound += right
    return [
        f"- killed {KILLS} times at random moments of 300 tokens/s: the oldest text that was lost had been shown for "
        f"{median_range(lost, 's', 2)} (aim: at most {AIM_LOST_S:.0f}); sound by `PRAGMA integrity_check`, with all "
        f"the text before: {sound} of {KILLS}",
    ]


def _death(path: Path, after_s: float) -> tuple[float, bool]:
    """(how long the oldest lost text had been shown, whether the rest is right)"""
    command = [PYTHON, "-m", "tests.unit.conversation_writer", str(path), "300", str(SAVE_EVERY_S)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8") as writer:
        said = [writer.stdout.readline()]
        time.sleep(after_s)
        writer.kill()
        dead = time.monotonic()
        said += writer.stdout.read().split("\n")[:-1]
    times = {int(line.split()[1]): float(line.split()[2]) for line in said if line.startswith("shown")}
    store = Conversations(path)
    opening = store.open()
    kept = store.messages(1)[1].text
    count = kept.count(" ")
    sound = (
        opening.kind == "fine"
        and kept == text_of(count)
        and store.rows("PRAGMA integrity_check") == [("ok",)]
    )
    store.close()
    return dead - times.get(count + 1, dead), sound


def _write(store: Conversations, texts: list[str], each: int) -> None:
    """Conversations of ``each`` messages."""
    with store.change() as database:
        for number in range(len(texts) // each):
            database.execute(
                "INSERT INTO conversations (id, title, created, updated) VALUES (?, ?, 0, 0)",
                (number + 1, f"made {number}"),
            )
        database.executemany(
            "INSERT INTO messages (id, conversation, role, text, created, parent) VALUES (?, ?, ?, ?, 0, ?)",
            [
                (
                    place + 1,
                    place // each + 1,
                    ("user", "assistant")[place % 2],
                    text,
                    place if place % each else None,
                )
                for place, text in enumerate(texts)
            ],
        )


def _text(chance: random.Random, words: list[str], number: int) -> str:
    rare = " 手机设置" if number % 1000 == 999 else ""
    return f"{' '.join(chance.choices(words, k=35))} the {''.join(chance.choices(CHARACTERS, k=150))}{rare}"


def _timed(store: Conversations, query: str):
    return lambda: _seconds(lambda: conversation_search.search(store, query))


def _scan(store: Conversations, word: str) -> None:
    store.rows("SELECT id FROM messages WHERE text LIKE ? ORDER BY id DESC LIMIT 100", (f"%{word}%",))


def _seconds(work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
