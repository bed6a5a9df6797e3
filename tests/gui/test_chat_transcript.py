"""The transcript: streamed and whole answers look the same; nothing is loaded; links act only when clicked."""

import pytest
from PySide6.QtCore import QEvent, QUrl
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QApplication

from autoglm_desktop.gui import theme
from autoglm_desktop.gui.chat import transcript as module
from autoglm_desktop.gui.chat.column import COLUMN_WIDTH
from autoglm_desktop.gui.chat.document import Entry
from autoglm_desktop.gui.chat.rendering import CODE, KIND, QUESTION
from autoglm_desktop.gui.chat.transcript import Transcript

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
        assert len(chat._text) - chat._committed <= len(paragraph)
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
                found[fragment.text()] = fragment.charFormat().anchorHref()
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


def test_earlier_messages_leave_the_view_where_it_is(transcript, qtbot):
    entries = [answer(n, "line\n\n" * 20) for n in range(6)]
    transcript.show_entries(entries[3:])
    bar = transcript.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    bar.setValue(5)
    below = bar.maximum() - bar.value()
    transcript.show_earlier(entries)
    assert bar.maximum() - bar.value() == below


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
