"""What the chat tab says and where streamed Markdown may be cut. Pure functions."""

import datetime
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError, EngineError
from autoglm_desktop.core.protocol import Progress
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.gui.chat import exchange, words
from autoglm_desktop.gui.conversations import dates
from autoglm_desktop.gui.transcript import footers
from autoglm_desktop.gui.transcript.blocks import (
    TABLE_ROWS,
    long_table,
    next_cut,
    numbered_from,
    numbered_items,
    opened,
)
from autoglm_desktop.gui.transcript.entries import entries
from autoglm_desktop.host.install import InstallProgress
from autoglm_desktop.host.supervisor import LadderFailed, Step, Try
from autoglm_desktop.store.conversation_file import Opening
from autoglm_desktop.store.conversation_rescue import Rescue
from autoglm_desktop.store.conversations import Conversation, Facts, StoredMessage
from autoglm_desktop.usecases.session import SessionState
from autoglm_desktop.usecases.targets import Target

TARGET = Target("tiny", Path("tiny.gguf"))
CRASH = Try("gguf-cpu", "crashed", "SIGSEGV", 0.4)


def cut(text):
    at, _joined = next_cut(text)
    return text[:at], text[at:]


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        ("one paragraph", "one paragraph"),
        ("one\n\ntwo", "two"),
        ("one\n\n", "one\n\n"),
        ("one\n\n\n\ntwo\nlines", "two\nlines"),
        ("- a\n- b", "- b"),
        ("- a\n\n- b", "- b"),
        ("1. a\n\n2. b", "2. b"),
        ("1. a\n\n2", "1. a\n\n2"),
        ("- a\n\n-", "- a\n\n-"),
        ("- a\n\n  more of a", "- a\n\n  more of a"),
        ("- a\n\n    code of a", "- a\n\n    code of a"),
        ("- a\n  - nested", "- a\n  - nested"),
        ("- a\n  ```\n  x", "- a\n  ```\n  x"),
        ("- a\n\n**bold**", "**bold**"),
        ("words\n- a", "- a"),
        ("words\n2. no item", "words\n2. no item"),
        ("words\n-", "words\n-"),
        ("> q\n\n> r", "> q\n\n> r"),
        ("a\n\n```\nx\n\ny", "```\nx\n\ny"),
        ("a\n```\nx", "```\nx"),
        ("a\n```x``` b\nc", "a\n```x``` b\nc"),
        ("a\n\n# h\n\nb", "b"),
        ("| a |\n|---|\n| 1 |\n| 2 |", "| a |\n|---|\n| 1 |\n| 2 |"),
    ],
)
def test_where_markdown_is_cut(text, tail):
    assert cut(text)[1] == tail


@pytest.mark.parametrize(("text", "joined"), [("- a\n- b", True), ("a\n\n- b", False), ("- a\n\nb", False)])
def test_a_list_that_goes_on_is_known(text, joined):
    assert next_cut(text)[1] is joined


def test_a_cut_stays_a_cut_whatever_follows():
    text = "# A\n\ntext\n\n1. a\n\n2. b\n\n| a |\n|---|\n| b |\n\n- x\n\n  y\n\nend\n"
    cuts = [next_cut(text[:length])[0] for length in range(len(text) + 1)]
    assert cuts == sorted(cuts)
    assert set(cuts) == {0, text.index("text"), text.index("1."), text.index("2."), text.index("| a")}
    rest = text[text.index("| a") :]
    cuts = [next_cut(rest[:length])[0] for length in range(len(rest) + 1)]
    assert cuts == sorted(cuts)
    assert set(cuts) >= {0, rest.index("- x"), rest.index("end")}


def test_code_blocks_open_and_close():
    assert opened("```py") is None, "the line is not complete"
    assert opened("`code`\n") is None and opened("    ```\n") is None
    fence = opened("  ```py x\n  code")
    assert (fence.marks, fence.indent, fence.info, fence.length) == ("```", 2, "py x", 10)
    assert fence.closed_by("````") and fence.closed_by("``` ") and not fence.closed_by("``")
    assert not fence.closed_by("``` x") and not fence.closed_by("    ```") and not fence.closed_by("~~~")
    assert [fence.content(line) for line in ("    a", " b", "c")] == ["  a", "b", "c"]


def test_numbers_of_a_list_that_was_cut():
    assert numbered_from("1. b", 7) == "7. b" and numbered_from("- b", 7) == "- b"
    assert numbered_items("1. a\n   1. nested\n1. b\n") == 2


def state(phase, **values):
    return SessionState(phase, TARGET, **values)


def notice(shown_state, waiting=False, seen=0):
    return words.state_notice(shown_state, waiting=waiting, tries_seen=seen)


def test_loading_says_phase_rung_and_what_failed():
    step = Step(RungPlan("gguf-cpu-safe"), Progress("load", 0.5))
    found = notice(state("loading", step=step, tries=(CRASH,)), waiting=True)
    assert found.progress == 0.5
    assert "tiny" in found.text
    failed, trying = found.walk
    assert failed.state == "failed" and "SIGSEGV" in failed.said
    assert trying.state == "trying" and "safe" in trying.title and "50%" in trying.said
    assert "answered" in found.details[0]
    assert [action.name for action in found.actions] == ["cancel"]


def test_installing_says_the_stage():
    found = notice(state("installing", install=InstallProgress("build", None, "file 3")))
    assert found.progress == -1 and "file 3" in found.details[0]


def test_no_dead_end():
    errors = [
        EngineError("engine_died", kind="crashed", detail="x", rung="gguf-cpu"),
        EngineError("no_model_loaded"),
        EngineError("context_full", detail="9 of 8"),
        LadderFailed("no_rung_worked", (CRASH,), path="tiny.gguf", detail="x"),
        AppError("state_unwritable", path="c.sqlite3", detail="disk full"),
        EngineError("nothing_fits", reason=None),
    ]
    for error in errors:
        for partial in (True, False):
            found = words.failure_notice(error, partial=partial)
            assert found.text and found.actions, error
    failed = notice(state("failed", error=errors[0]))
    assert [action.name for action in failed.actions] == ["load", "models"]


def test_what_would_come_next_is_said_while_it_loads():
    step = Step(RungPlan("gguf-gpu"), Progress("load", 0.5))
    ahead = (RungPlan("gguf-gpu", context=4096), RungPlan("gguf-cpu"))
    found = notice(state("loading", step=step, ahead=ahead))
    assert "GGUF on the GPU → GGUF on the CPU" in found.details[0]
    assert [line.state for line in found.walk] == ["trying"]


def test_a_locked_rung_that_fails_can_be_unlocked():
    error = LadderFailed("locked_rung_failed", (CRASH,), rung="gguf-cpu", detail="x")
    failed = notice(state("failed", error=error, tries=(CRASH,), locked="gguf-cpu"))
    assert "unlock it" in failed.text
    assert [action.name for action in failed.actions] == ["unlock", "load", "models"]
    asked = words.failure_notice(error, partial=False, locked=True)
    assert [action.name for action in asked.actions] == ["unlock", "again", "models"]


def test_freeing_the_memory_is_no_failure():
    found = words.failure_notice(EngineError("engine_freed"), partial=True)
    assert found.tone == "warn" and [action.name for action in found.actions] == [
        "continue",
        "again",
        "close",
    ]


def test_a_partial_answer_can_be_continued():
    died = EngineError("engine_died", kind="crashed", detail="x", rung="")
    names = [action.name for action in words.failure_notice(died, partial=True).actions]
    assert names == ["continue", "again", "models"]
    assert "continue" not in [a.name for a in words.failure_notice(died, partial=False).actions]


def test_tries_are_told_until_they_are_closed():
    ready = state("ready", plan=RungPlan("gguf-cpu-safe"), tries=(CRASH, Try("gguf-cpu-safe", None, "", 1.0)))
    assert [line.state for line in notice(ready).walk] == ["failed"] and "SIGSEGV" in notice(ready).walk[
        0
    ].said
    assert notice(ready, seen=2) is None
    assert notice(state("idle")) is None


@pytest.mark.parametrize("kind", ["set_aside", "newer", "not_kept"])
def test_a_file_that_is_not_fine_is_said(kind):
    found = words.opening_notice(Opening(kind, Path("made/c.sqlite3"), "made detail"))
    assert found.text and found.actions
    assert words.opening_notice(Opening("fine", Path("c"))) is None


def test_what_was_rescued_is_counted():
    found = words.opening_notice(Opening("set_aside", Path("made/c.sqlite3"), rescued=Rescue(3, 41, 2)))
    assert "conversations: 3, messages: 41" in found.text


def answer(reason="stop", text="hello", **facts):
    return StoredMessage(2, 1, "assistant", text, 0.0, Facts(**facts), reason)


def test_the_small_print_is_what_was_measured():
    message = answer(tokens=128, tokens_per_s=12.34, first_token_s=0.41, rung="gguf-cpu", model="tiny")
    assert footers.footer(message) == (
        "128 tokens · 12.3 tokens/s · first token after 0.41 s · GGUF on the CPU · tiny"
    )
    assert footers.footer(answer(rung="gguf-cpu")) == "GGUF on the CPU"
    assert footers.footer(answer()) == ""


@pytest.mark.parametrize("reason", ["length", "cancelled", "failed", "unsaved", None])
def test_how_an_answer_ended_is_said(reason):
    assert len(footers.remarks(answer(reason))) == 1
    assert footers.remarks(answer("stop")) == ()


def test_left_out_messages_are_said():
    assert "2 of the oldest messages" in footers.remarks(answer(dropped=2))[0]


def test_only_the_last_answer_can_be_asked_for_again():
    question = StoredMessage(1, 1, "user", "q", 0.0)
    shown = entries([question, answer(), question, answer("length")], busy=False)
    assert [name for name, _text in shown[1].actions] == ["copy"]
    assert [name for name, _text in shown[3].actions] == ["copy", "continue", "again"]
    busy = entries([question, answer("length")], busy=True)
    assert [name for name, _text in busy[1].actions] == ["copy"]


def test_what_else_may_be_done_with_a_message():
    question = StoredMessage(1, 1, "user", "q", 0.0)
    shown = entries(
        [question, answer(), question, answer()], busy=False, can=frozenset(("edit", "again", "delete"))
    )
    names = [[name for name, _text in (*entry.actions, *entry.more)] for entry in shown]
    assert names == [
        ["edit", "copy", "delete"],
        ["copy", "again", "copy_markdown", "delete"],
        ["edit", "copy", "delete"],
        ["copy", "again", "copy_markdown", "delete"],
    ]
    busy = entries([question, answer()], busy=True, can=frozenset(("edit", "again", "delete")))
    names = [[name for name, _text in (*entry.actions, *entry.more)] for entry in busy]
    assert names == [["edit", "copy", "delete"], ["copy", "copy_markdown", "delete"]]


def test_conversations_are_grouped_by_local_days():
    noon = datetime.datetime(2026, 3, 10, 12).timestamp()
    days = [0, 0, 1, 3, 6, 7, 40, 400]
    talks = [Conversation(n, str(n), 0, noon - day * 86_400) for n, day in enumerate(days)]
    groups = dates.grouped(talks, noon)
    headings = [heading for heading, _members in groups]
    assert headings == [
        "Today", "Yesterday", "The last 7 days", "The last 30 days", "2026-01", "2025-02",
    ]  # fmt: skip
    assert [talk.id for _heading, members in groups for talk in members] == list(range(8))
    midnight = datetime.datetime(2026, 3, 10).timestamp()
    late = [Conversation(0, "", 0, midnight - 1)]
    assert dates.grouped(late, midnight)[0][0] == "Yesterday"


@pytest.mark.parametrize(("size", "room"), [(1400, ("It takes 1.3 GiB on the disk.",)), (None, ())])
def test_an_engine_that_is_missing_can_be_installed_from_where_it_is_said(size, room):
    error = EngineError("engine_not_installed", name="torch-cpu", size_mb=size)
    state = SessionState("failed", TARGET, error=error)
    found = words.state_notice(state, waiting=False, tries_seen=0)
    assert [action.text for action in found.actions] == ["Install torch-cpu", "Load again", "Choose a model"]
    assert [action.kind for action in found.actions].count("primary") == 1 and found.details == room
    assert words.engine_of(found.actions[0].name) == "torch-cpu" and words.engine_of("load") is None
    assert words.failure_notice(error, partial=False).actions[0] == found.actions[0]


ROW = "| 1 | 2 |\n"
HEADING = "| a | b |\n|:--|--:|\n"


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (HEADING + ROW * (TABLE_ROWS + 1), (len(HEADING), len(HEADING) + len(ROW) * TABLE_ROWS)),
        (HEADING + ROW * TABLE_ROWS, (0, 0)),
        (HEADING + ROW * TABLE_ROWS + ROW[:-1], (0, 0)),  # the line may go on
        (HEADING + ROW * TABLE_ROWS + "\nAfter | it\n", (0, 0)),
        (HEADING + ROW * 3 + "\n" + ROW * TABLE_ROWS, (0, 0)),
        (ROW * (TABLE_ROWS + 3), (0, 0)),
        ("| a |\n|---|---|\n" + ROW * (TABLE_ROWS + 1), (0, 0)),
        ("", (0, 0)),
    ],
)
def test_long_tables_are_cut(text, cut):
    assert long_table(text) == cut


def test_a_file_that_is_too_large_to_come_back_is_no_backup(tmp_path, monkeypatch):
    path = tmp_path / "all.json"
    path.write_text("{}", encoding="utf-8")
    assert exchange.written_notice("written", path).tone == "info"
    monkeypatch.setattr(exchange, "MOST_BYTES", 1)
    notice = exchange.written_notice("written", path)
    assert notice.tone == "warn" and "1 B" in notice.details[0]
    assert exchange.written_notice("written", tmp_path / "gone.json").tone == "info"
