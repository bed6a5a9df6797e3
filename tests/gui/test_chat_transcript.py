"""The transcript: streamed and whole answers look the same; nothing is loaded; links act only when clicked."""

import dataclasses

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt, QUrl
from PySide6.QtGui import QTextCursor, QTextTable
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from autoglm_desktop.gui import theme
from autoglm_desktop.gui.transcript import backdrop, highlight, links
from autoglm_desktop.gui.transcript import transcript as module
from autoglm_desktop.gui.transcript.blocks import TABLE_ROWS
from autoglm_desktop.gui.transcript.code import CODE, KIND, QUESTION, is_code
from autoglm_desktop.gui.transcript.colouring import SAFE
from autoglm_desktop.gui.transcript.column import COLUMN_WIDTH
from autoglm_desktop.gui.transcript.document import Entry, Part
from autoglm_desktop.gui.transcript.transcript import Transcript
from autoglm_desktop.gui.transcript.window import MOST, MOST_CHARACTERS, PORTION, STEP

ANSWER = """# Heading

Some **bold** text, `code`, a [link](https://example.org/x) and 中文。

- one
- two
  - nested

1. first

2. second

```python
def f():

    return 1
```

| a | b |
|---|---|
| 1 | 2 |

> quoted

---
The end.
"""


@pytest.fixture
def transcript(qtbot):
    made = Transcript()
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.show()
    return made


def question(key, text):
    return Entry(key, "user", text)


def answer(key, text, **more):
    return Entry(key, "assistant", text, **more)


def text_of(transcript):
    return transcript.document().toPlainText()


def blocks(transcript):
    """(text, kind, heading level, in a list, in a table) of every block that is not empty."""
    found, block = [], transcript.document().begin()
    while block.isValid():
        form = block.blockFormat()
        if block.text():
            table = QTextCursor(block).currentTable() is not None
            found.append(
                (
                    block.text(),
                    form.intProperty(KIND),
                    form.headingLevel(),
                    block.textList() is not None,
                    table,
                )
            )
        block = block.next()
    return found


@pytest.mark.parametrize("size", [1, 7, 50])
def test_streamed_looks_like_whole(transcript, qtbot, size):
    transcript.show_entries([question(1, "q")])
    transcript.begin(answer(2, ""), "waiting")
    for start in range(0, len(ANSWER), size):
        transcript.chat.add(ANSWER[start : start + size])
        transcript.chat.draw()
    streamed = blocks(transcript)
    whole = Transcript()
    qtbot.addWidget(whole)
    whole.show_entries([question(1, "q"), answer(2, ANSWER)])
    assert streamed == [block for block in blocks(whole) if block[0]]
    assert ("def f():", CODE, 0, False, False) in streamed
    assert ("Heading", 0, 1, False, False) in streamed
    assert any(block[4] for block in streamed)


def test_drawing_costs_the_tail_only(transcript):
    transcript.begin(answer(2, ""), "")
    chat = transcript.chat
    paragraph = "Some words of a paragraph.\n\n"
    for _number in range(200):
        chat.add(paragraph)
        chat.draw()
        assert chat.undrawn <= len(paragraph)
    assert len(blocks(transcript)) == 200


def test_the_timer_draws_what_was_added(transcript, qtbot):
    transcript.begin(answer(2, ""), "Reading the question…")
    assert text_of(transcript) == "Reading the question…"
    transcript.add("Hel")
    transcript.add("lo")
    qtbot.waitUntil(lambda: text_of(transcript) == "Hello")


def test_a_frozen_answer_takes_no_more(transcript, qtbot):
    transcript.begin(answer(2, ""), "")
    transcript.add("until here")
    transcript.freeze()
    assert text_of(transcript) == "until here", "drawn at once"
    transcript.add(" and on")
    assert not transcript._timer.isActive()
    assert text_of(transcript) == "until here"


def test_html_and_pictures_stay_text(transcript, monkeypatch):
    loaded = []
    monkeypatch.setattr(Transcript, "loadResource", lambda self, kind, name: loaded.append(name))
    hostile = "<img src='http://x/1.png'> ![alt](http://x/2.png) ![](file:///etc/passwd)\n\n<b>b</b>\n\n<script>s</script>"
    transcript.show_entries([answer(1, hostile), question(2, "<img src='http://x/3.png'>")])
    transcript.grab()
    shown = text_of(transcript)
    assert "<img src='http://x/1.png'>" in shown and "<b>b</b>" in shown and "<script>" in shown
    assert "[picture: alt]" in shown
    assert "<img src='http://x/3.png'>" in shown, "questions are shown as they were typed"
    assert loaded == []


@pytest.fixture
def opened(monkeypatch):
    found = []
    monkeypatch.setattr(module.QDesktopServices, "openUrl", lambda url: found.append(url.toString()))
    return found


@pytest.mark.parametrize(
    ("url", "opens"),
    [
        ("https://example.org/", True),
        ("http://example.org/", True),
        ("mailto:a@example.org", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("ms-settings:x", False),
        ("act-0000000000000000:again:1", False),
        ("relative", False),
    ],
)
def test_only_web_links_open(transcript, opened, url, opens):
    acted = []
    transcript.acted.connect(lambda name, key: acted.append(name))
    transcript.anchorClicked.emit(QUrl(url))
    assert opened == ([url] if opens else [])
    assert acted == []


def test_actions_of_the_small_print(transcript, qtbot):
    entry = answer(7, "hello", footer="3 tokens", remarks=("Stopped.",), actions=(("again", "Try again"),))
    transcript.show_entries([entry])
    assert text_of(transcript) == "hello\nStopped.\n3 tokens   Try again"
    href = hrefs(transcript)["Try again"]
    with qtbot.waitSignal(transcript.acted) as acted:
        transcript.anchorClicked.emit(QUrl(href))
    assert acted.args == ["again", 7]


def hrefs(transcript):
    found, block = {}, transcript.document().begin()
    while block.isValid():
        for place in block:
            fragment = place.fragment()
            if fragment.charFormat().isAnchor():
                found[fragment.text().replace("\u00a0", " ")] = fragment.charFormat().anchorHref()
        block = block.next()
    return found


def test_what_did_not_change_is_not_drawn_again(transcript):
    first = [question(1, "question"), answer(2, "a", actions=(("again", "Try again"),))]
    transcript.show_entries(first)
    marker = QTextCursor(transcript.document())
    marker.setPosition(4)
    transcript.show_entries([first[0], answer(2, "a"), question(3, "r")])
    assert marker.position() == 4, "the first message was left alone"
    assert text_of(transcript).split() == ["question", "a", "r"]
    transcript.show_entries([])
    assert text_of(transcript) == ""
    transcript.show_entries([question(4, "s")])
    assert text_of(transcript) == "s"


def test_it_follows_the_end_unless_one_reads_above(transcript, qtbot):
    transcript.show_entries([answer(n, "line\n\n" * 40) for n in range(3)])
    bar = transcript.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())
    seen = []
    transcript.end_seen.connect(seen.append)
    bar.setValue(10)
    before = bar.maximum()
    transcript.begin(answer(9, ""), "")
    transcript.chat.add("more\n\n" * 40)
    transcript.chat.draw()
    qtbot.waitUntil(lambda: bar.maximum() > before)
    assert bar.value() == 10 and seen[-1] is False
    transcript.scroll_to_end()
    assert bar.value() == bar.maximum() and seen[-1] is True


def test_a_long_conversation_is_laid_out_near_the_view_only(transcript, qtbot):
    entries = [answer(n, f"message {n}\n\n" + "line\n\n" * 10) for n in range(400)]
    transcript.show_entries(entries)
    bar = transcript.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())
    assert [entry.key for entry in transcript.chat.entries] == list(range(400 - PORTION, 400))
    seen = set()
    for _step in range(3000):
        bar.setValue(bar.value() - 400)
        QApplication.processEvents()
        assert len(transcript.chat.entries) <= MOST
        seen.update(entry.key for entry in transcript.chat.entries)
        if transcript.chat.entries[0].key == 0 and bar.value() == 0:
            break
    assert seen == set(range(400)) and text_of(transcript).startswith("message 0\n")
    transcript.scroll_to_end()
    assert "message 399\n" in text_of(transcript) and bar.value() == bar.maximum()


def top_line(transcript):
    """(first line in view, its distance to the view's edge)."""
    block = transcript.cursorForPosition(QPoint(1, 1)).block()
    top = transcript.document().documentLayout().blockBoundingRect(block).top()
    return block.text(), int(top) - transcript.verticalScrollBar().value()


def test_messages_that_are_added_or_dropped_leave_the_view_where_it_is(transcript, qtbot):
    entries = [answer(n, "\n\n".join(f"message {n} line {m}" for m in range(12))) for n in range(300)]
    transcript.show_entries(entries)
    bar = transcript.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())
    for _turn in range(12):
        bar.setValue(40)
        before, first = top_line(transcript), transcript.chat.entries[0].key
        transcript._extend()
        assert transcript.chat.entries[0].key == first - STEP
        assert top_line(transcript) == before
    for _turn in range(6):
        bar.setValue(bar.maximum() - 40)
        before, last = top_line(transcript), transcript.chat.entries[-1].key
        transcript._extend()
        assert transcript.chat.entries[-1].key == last + STEP and len(transcript.chat.entries) <= MOST
        assert top_line(transcript) == before
    shown = transcript.chat.entries
    fresh = Transcript()
    qtbot.addWidget(fresh)
    fresh.chat.show(shown)
    assert blocks(fresh) == blocks(transcript)


def test_a_message_far_away_is_brought_into_view(transcript, qtbot):
    transcript.show_entries([answer(n, f"message {n}") for n in range(1000)])
    transcript.show_message(17)
    assert "message 17\n" in text_of(transcript) and transcript.focused == 17
    assert len(transcript.chat.entries) <= MOST
    transcript.scroll_to_start()
    assert text_of(transcript).startswith("message 0\n")
    transcript.show_message(5000)
    assert transcript.focused == 17, "nothing happens for a message that is not there"


def test_an_answer_begins_at_the_end_wherever_one_reads(transcript):
    transcript.show_entries([answer(n, f"message {n}") for n in range(1000)])
    transcript.show_message(3)
    transcript.begin(answer(5000, ""), "waiting")
    assert text_of(transcript).endswith("message 999\nwaiting")


def test_a_new_scheme_recolours_old_and_growing_messages(transcript, qapp):
    transcript.show_entries([question(1, "q"), answer(2, "`code`")])
    transcript.begin(answer(3, ""), "")
    transcript.add("so far")
    theme.apply(qapp, theme.Scheme.DARK)
    QApplication.sendEvent(transcript, QEvent(QEvent.Type.PaletteChange))
    assert text_of(transcript).split() == ["q", "code", "so", "far"]
    code = next(
        place.fragment().charFormat().background().color().name()
        for place in transcript.document().findBlockByNumber(1)
    )
    assert code == theme.colour("code").name() == "#242932"
    assert transcript.chat.live is not None


def test_the_column_stays_readable_on_wide_windows(transcript, qtbot):
    transcript.show_entries([answer(1, "word " * 400)])
    transcript.resize(2400, 600)
    qtbot.waitUntil(lambda: transcript.viewport().width() < 1000)
    assert COLUMN_WIDTH - 60 <= transcript.document().textWidth() <= COLUMN_WIDTH + 60
    transcript.resize(400, 600)
    qtbot.waitUntil(lambda: transcript.viewport().width() <= 400)
    assert transcript.horizontalScrollBar().maximum() == 0


def test_long_words_and_code_do_not_widen_it(transcript, qtbot):
    long = "x" * 3000
    transcript.show_entries([question(1, long), answer(2, f"```\n{long}\n```\n\n{long}")])
    transcript.resize(500, 600)
    qtbot.waitUntil(lambda: transcript.viewport().width() <= 500)
    assert transcript.document().size().width() <= transcript.viewport().width() + 1


def test_a_bubble_is_painted_behind_a_question(transcript):
    transcript.show_entries([question(1, "short")])
    picture = transcript.viewport().grab().toImage()
    bubble = theme.colour("bubble").name()
    colours = {picture.pixelColor(x, y).name() for x in range(0, 300, 2) for y in range(0, 80, 2)}
    assert bubble in colours
    assert blocks(transcript)[0][1] == QUESTION


def test_a_table_at_the_beginning(transcript):
    transcript.show_entries([answer(1, "| a |\n|---|\n| 1 |\n")])
    assert [block[0] for block in blocks(transcript)] == ["a", "1"]


def test_who_reads_above_the_end_stays_there_when_the_answer_ends(transcript, qapp):
    words = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(200))
    transcript.show_entries([question(1, "x")])
    transcript.begin(answer(2, ""), "…")
    transcript.add(words)
    transcript.freeze()
    qapp.processEvents()
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    place = bar.value()
    transcript.show_entries([question(1, "x"), answer(2, words, footer="200 tokens")])
    qapp.processEvents()
    assert bar.value() == place < bar.maximum()
    transcript.scroll_to_end()
    transcript.show_entries([question(1, "x"), answer(2, words, footer="200 tokens"), question(3, "y")])
    qapp.processEvents()
    assert bar.value() == bar.maximum()


CODE_ANSWER = "Look:\n```python\ndef f():\n\n    return 'x'\n```\n\n- a\n  ```\n  nested\n  ```\n"


def test_a_code_block_is_copied_whole(transcript, qapp):
    transcript.show_entries([answer(1, CODE_ANSWER)])
    copies = [
        fragment.charFormat().anchorHref() for fragment in fragments(transcript) if fragment.text() == "Copy"
    ]
    found = []
    transcript.copied.connect(lambda: found.append(qapp.clipboard().text()))
    for href in copies:
        transcript.anchorClicked.emit(QUrl(href))
    assert found == ["def f():\n\n    return 'x'", "nested"]


def fragments(transcript):
    block = transcript.document().begin()
    while block.isValid():
        for place in block:
            yield place.fragment()
        block = block.next()


def test_what_is_selected_is_copied_without_small_print(transcript):
    shown = [
        question(1, "q"),
        answer(2, CODE_ANSWER, footer="3 tokens", actions=(("copy", "Copy"),)),
        question(3, "r"),
    ]
    transcript.show_entries(shown)
    transcript.selectAll()
    copied = transcript.createMimeDataFromSelection()
    assert copied.text() == "q\nLook:\ndef f():\n\n    return 'x'\na\nnested\nr"
    assert not copied.hasHtml()


def test_a_message_is_copied_as_text_and_as_markdown(transcript, qapp):
    text = "# Head\n\n**bold** and [a](https://example.org)\n\n- one\n"
    parts = (Part("thinking", "hm", 1.0), Part("text", text))
    transcript.show_entries([question(1, "*q*"), answer(2, text, parts=parts)])
    clipboard = qapp.clipboard()
    transcript.act("copy", 2)
    assert clipboard.text() == "Head\nbold and a\none"
    transcript.act("copy_markdown", 2)
    assert clipboard.text() == text
    transcript.act("copy", 1)
    assert clipboard.text() == "*q*", "a question is copied as it was typed"


def test_thinking_is_shown_collapsed_with_its_seconds(transcript):
    parts = (Part("thinking", "first *this*", 12.3), Part("text", "The **answer**"))
    transcript.show_entries([answer(1, "The **answer**", parts=parts), question(2, "next")])
    assert text_of(transcript) == "▸ Thought for 12 s\nThe answer\nnext"
    link = hrefs(transcript)["▸ Thought for 12 s"]
    transcript.anchorClicked.emit(QUrl(link))
    assert text_of(transcript) == "▾ Thought for 12 s\nfirst *this*\nThe answer\nnext"
    transcript.anchorClicked.emit(QUrl(link))
    assert text_of(transcript) == "▸ Thought for 12 s\nThe answer\nnext"


def test_thinking_as_it_is_streamed(transcript):
    transcript.show_entries([question(1, "q")])
    transcript.begin(answer(2, ""), "waiting")
    for kind, text in (("thinking", "hm "), ("thinking", "yes"), ("text", "It"), ("text", " is")):
        transcript.add(text, kind)
        transcript._draw()
        if kind == "thinking":
            assert text_of(transcript) == "q\n▸ Thinking…"
    assert transcript.chat.live.body[0].text == "hm yes" and transcript.chat.live.text == "It is"
    assert text_of(transcript).endswith(" s\nIt is") and "▸ Thought for" in text_of(transcript)
    parts = (Part("thinking", "hm yes", 42.0), Part("text", "It is **so**"))
    transcript.show_entries([question(1, "q"), answer(2, "It is **so**", parts=parts, footer="5 tokens")])
    assert text_of(transcript) == "q\n▸ Thought for 42 s\nIt is so\n5 tokens"


def test_thinking_can_be_watched_while_it_is_streamed(transcript):
    transcript.begin(answer(2, ""), "waiting")
    transcript.add("hm ", "thinking")
    transcript._draw()
    transcript.anchorClicked.emit(QUrl(hrefs(transcript)["▸ Thinking…"]))
    assert text_of(transcript) == "▾ Thinking…\nhm "
    transcript.add("yes", "thinking")
    transcript.add("So", "text")
    transcript._draw()
    lines = text_of(transcript).split("\n")
    assert lines[0].startswith("▾ Thought for") and lines[1:] == ["hm yes", "So"]


def test_text_that_turns_out_to_be_thinking(transcript):
    transcript.begin(answer(2, ""), "waiting")
    transcript.add("I wonder", "text")
    transcript._draw()
    transcript.add("", "relabel")
    transcript.add("Yes.", "text")
    transcript._draw()
    lines = text_of(transcript).split("\n")
    assert lines[0].startswith("▸ Thought for") and lines[1:] == ["Yes."]


def test_a_finished_answer_is_not_drawn_again(transcript, monkeypatch):
    transcript.show_entries([question(1, "q")])
    transcript.begin(answer(2, ""), "…")
    transcript.add(ANSWER[:-20])
    transcript.freeze()
    monkeypatch.setattr(transcript.chat._writer, "write", lambda *_all: pytest.fail("drawn again"))
    transcript.show_entries([question(1, "q"), answer(2, ANSWER, footer="9 tokens")])
    monkeypatch.undo()
    whole = Transcript()
    whole.show_entries([question(1, "q"), answer(2, ANSWER, footer="9 tokens")])
    assert blocks(transcript) == blocks(whole)
    whole.deleteLater()


def test_links_that_are_defined_at_the_end(transcript):
    text = "See [this][1].\n\nMore.\n\n[1]: https://example.org/x\n"
    transcript.begin(answer(2, ""), "…")
    for start in range(0, len(text), 5):
        transcript.add(text[start : start + 5])
        transcript._draw()
    transcript.show_entries([answer(2, text)])
    assert hrefs(transcript) == {"this": "https://example.org/x"}


def test_direction_characters_are_spelled_out(transcript):
    transcript.show_entries([question(1, "a\u202eb"), answer(2, "c\u2066`d\u200f`\u2069")])
    assert text_of(transcript) == "a[U+202E]b\nc[U+2066]d[U+200F][U+2069]"


def test_a_link_that_reads_like_another_address_says_where_it_leads(transcript):
    transcript.show_entries(
        [answer(1, "[https://bank.example](https://evil.example/x) [docs](https://example.org)")]
    )
    assert text_of(transcript) == "https://bank.example [evil.example] docs"


def test_addresses_are_shown_in_ascii():
    assert links.address(QUrl("https://ехample.org/ä")) == "https://xn--ample-ywe6i.org/%C3%A4"


def test_versions_of_a_message(transcript):
    acted = []
    transcript.acted.connect(lambda name, key: acted.append((name, key)))
    transcript.show_entries([answer(1, "a", footer="f", version=2, versions=3)])
    assert text_of(transcript) == "a\nf   ‹ 2/3 ›"
    for href in hrefs(transcript).values():
        transcript.anchorClicked.emit(QUrl(href))
    assert acted == [("older", 1), ("newer", 1)]
    transcript.show_entries([answer(1, "a", version=1, versions=2)])
    assert set(hrefs(transcript)) == {"›"}


def test_the_keyboard_acts_on_the_message_in_focus(transcript, qtbot, qapp):
    acted = []
    transcript.acted.connect(lambda name, key: acted.append((name, key)))
    more = (("delete", "Delete from here on"),)
    transcript.show_entries(
        [
            Entry(1, "user", "first", actions=(("edit", "Edit"),), more=more),
            answer(
                2, "**second**", actions=(("copy", "Copy"), ("again", "Try again")), version=1, versions=2
            ),
        ]
    )
    key = Qt.Key
    qtbot.keyClick(transcript, key.Key_E)
    assert acted == [], "no message has the focus"
    qtbot.keyClick(transcript, key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert transcript.focused == 2 and "second" in transcript.accessibleDescription()
    qtbot.keyClick(transcript, key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert qapp.clipboard().text() == "second"
    qtbot.keyClick(transcript, key.Key_R)
    qtbot.keyClick(transcript, key.Key_E)  # an answer offers no editing
    qtbot.keyClick(transcript, key.Key_Right, Qt.KeyboardModifier.AltModifier)
    qtbot.keyClick(transcript, key.Key_Up, Qt.KeyboardModifier.AltModifier)
    qtbot.keyClick(transcript, key.Key_E)
    qtbot.keyClick(transcript, key.Key_Delete)
    assert acted == [("again", 2), ("newer", 2), ("edit", 1), ("delete", 1)]


def test_the_menu_of_a_message_has_its_actions_and_links(transcript):
    transcript.show_entries(
        [
            answer(
                1,
                "[x](https://example.org/a) [y](file:///etc)",
                actions=(("copy", "Copy"),),
                more=(("delete", "Del"),),
            )
        ]
    )
    menu = transcript.menu_of(1)
    assert [action.text() for action in menu.actions() if action.text()] == [
        "Copy", "Del", "x: https://example.org/a",
    ]  # fmt: skip


def test_the_menu_acts(transcript, opened):
    acted = []
    transcript.acted.connect(lambda name, key: acted.append((name, key)))
    transcript.show_entries([answer(1, "[x](https://example.org/a)", more=(("delete", "Del"),))])
    for action in transcript.menu_of(1).actions():
        action.trigger()
    assert acted == [("delete", 1)] and opened == ["https://example.org/a"]


def test_code_gets_its_colours(transcript, qtbot):
    transcript.show_entries([answer(1, CODE_ANSWER)])
    line = next(block for block in all_blocks(transcript) if block.text() == "def f():")
    qtbot.waitUntil(lambda: line.userState() == SAFE)
    spans = [
        (part.start, part.length, part.format.foreground().color().name()) for part in line.layout().formats()
    ]
    assert (0, 3, theme.colour("code_keyword").name()) in spans
    inner = next(block for block in all_blocks(transcript) if "return" in block.text())
    assert inner.userState() != SAFE, "a lexer must not begin in a body"


def all_blocks(transcript):
    block = transcript.document().begin()
    while block.isValid():
        yield block
        block = block.next()


@pytest.mark.parametrize("size", [1, 30, 400])
def test_colours_do_not_depend_on_how_code_came(transcript, qtbot, size):
    lines = [f'def f{n}():\n    """text\n    if\n    """\n    return {n}  # note\n' for n in range(40)]
    text = "```python\n" + "\n".join(lines) + "```\n"
    transcript.begin(answer(1, ""), "…")
    for start in range(0, len(text), size):
        transcript.chat.add(text[start : start + size])
        transcript.chat.draw()
        transcript.colouriser._work()
    qtbot.waitUntil(lambda: not transcript.colouriser.busy)
    code = [block for block in all_blocks(transcript) if is_code(block)]
    lexer = highlight.lexer_of("python")
    whole = highlight.colour_lines(lexer, [block.text() for block in code])
    shown = [[(part.start, part.length) for part in block.layout().formats()] for block in code]
    assert shown == [[span[:2] for span in line.spans] for line in whole]


def test_an_unknown_language_stays_plain(transcript, qtbot):
    transcript.show_entries([answer(1, "```nosuchlanguage\nx = 1\n```\n")])
    qtbot.waitUntil(lambda: not transcript.colouriser.busy)
    assert all(not block.layout().formats() for block in all_blocks(transcript))


def test_a_long_code_block_is_painted_by_what_is_seen(transcript):
    transcript.show_entries([answer(1, "```\n" + "line\n" * 3000 + "```\n")])
    transcript.verticalScrollBar().setValue(transcript.verticalScrollBar().maximum() // 2)
    asked = []
    real = backdrop._text_rect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backdrop, "_text_rect", lambda *a, **k: asked.append(1) or real(*a, **k))
        transcript.viewport().grab()
    assert 0 < len(asked) < 200


def test_a_very_long_question_is_shown_in_part(transcript):
    transcript.show_entries([question(1, "x" * 50_000)])
    assert len(text_of(transcript)) < 21_000 and "30000 more characters" in text_of(transcript)


def test_tab_leaves_the_conversation(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    before, made, after = QPushButton("a", window), Transcript(window), QPushButton("b", window)
    made.show_entries([answer(1, "[x](https://example.org) [y](https://example.org/y)")])
    window.show()
    made.setFocus()
    made.focusNextPrevChild(True)
    assert window.focusWidget() is after
    made.setFocus()
    made.focusNextPrevChild(False)
    assert window.focusWidget() is before


def test_another_conversation_begins_at_its_end(transcript, qtbot):
    bar = transcript.verticalScrollBar()
    transcript.show_entries([answer(n, "line\n\n" * 40) for n in range(3)])
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    bar.setValue(10)
    transcript.show_entries([answer(n, "other\n\n" * 40) for n in range(10, 13)])
    QApplication.processEvents()
    assert bar.value() == bar.maximum() > 0


def test_small_print_comes_and_goes_without_drawing_messages_again(transcript, monkeypatch):
    edit = (("edit", "Edit"),)
    plain = [
        question(1, "q"),
        answer(2, "a\n\n```\nx\n```\n"),
        question(3, "r"),
        answer(4, "| t |\n|---|\n| 1 |\n"),
    ]
    full = [dataclasses.replace(entry, actions=edit, footer="f") for entry in plain]
    transcript.show_entries(plain)
    before = blocks(transcript)
    monkeypatch.setattr(transcript.chat._writer, "write", lambda *_all: pytest.fail("drawn again"))
    for _turn in range(2):
        transcript.show_entries(full)
        assert text_of(transcript).split() == [
            "q", "f", "Edit", "a", "Copy", "x", "f", "Edit", "r", "f", "Edit", "t", "1", "f", "Edit",
        ]  # fmt: skip
        transcript.show_entries(plain)
        assert blocks(transcript) == before
    monkeypatch.undo()
    transcript.chat.cut(2)
    assert text_of(transcript).split() == ["q", "a", "Copy", "x"]


def test_a_huge_answer_is_not_drawn_again_though_what_came_before_it_goes(transcript, monkeypatch):
    text = "".join(f"{n}. item of a long list\n" for n in range(1, MOST_CHARACTERS // 20))
    transcript.show_entries([question(1, "q")])
    transcript.begin(answer(2, ""), "…")
    transcript.add(text)
    transcript._draw()
    monkeypatch.setattr(transcript.chat._writer, "write", lambda *_all: pytest.fail("drawn again"))
    transcript.show_entries([question(1, "q"), answer(2, text, footer="f")])
    assert [entry.key for entry in transcript.chat.entries] == [2]
    assert text_of(transcript).startswith("item of") and text_of(transcript).endswith("\nf")


def rows(count):
    return "| a | b |\n|---|---|\n" + "".join(f"| {n} | `x{n}` |\n" for n in range(count))


@pytest.mark.parametrize("size", [40, 5000])
def test_a_long_table_goes_on_below_with_its_heading(transcript, qtbot, size):
    text = f"Before.\n\n{rows(2 * TABLE_ROWS + 10)}\nAfter.\n"
    transcript.begin(answer(2, ""), "")
    for start in range(0, len(text), size):
        transcript.chat.add(text[start : start + size])
        transcript.chat.draw()
        assert transcript.chat.undrawn < size + 20 * (TABLE_ROWS + 2)
    tables = [
        frame for frame in transcript.document().rootFrame().childFrames() if isinstance(frame, QTextTable)
    ]
    assert [table.rows() for table in tables] == [TABLE_ROWS + 1, TABLE_ROWS + 1, 11]
    words = [block[0] for block in blocks(transcript)]
    assert words.count("a") == 3
    assert [word for word in words if word.startswith("x")] == [f"x{n}" for n in range(2 * TABLE_ROWS + 10)]
    assert words[-1] == "After."
    whole = Transcript()
    qtbot.addWidget(whole)
    whole.show_entries([answer(2, text)])
    assert blocks(whole) == blocks(transcript)


def test_an_answer_that_goes_on_is_there_once(transcript):
    transcript.show_entries([question(1, "q"), answer(2, "One **two**", footer="96 tokens")])
    transcript.begin(answer(2, "One **two**"), "…")
    transcript.add(" three")
    transcript._draw()
    assert text_of(transcript) == "q\nOne two three"
    transcript.show_entries([question(1, "q"), answer(2, "One **two** three", footer="97 tokens")])
    assert text_of(transcript) == "q\nOne two three\n97 tokens"
