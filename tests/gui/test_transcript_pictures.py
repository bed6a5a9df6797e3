"""Pictures and actions in the transcript: their room, their decoding, what is clicked, copied, said and kept."""

import dataclasses
import weakref

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QSize, Qt, QUrl
from PySide6.QtGui import QColor, QGuiApplication, QImage, QTextCursor
from PySide6.QtWidgets import QPushButton, QToolTip, QVBoxLayout, QWidget

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.gui.transcript import keys, message_menu, picture_lines, step_picture, thumbnails
from autoglm_desktop.gui.transcript.answer_steps import step_of
from autoglm_desktop.gui.transcript.entry import Entry, Part, Shown
from autoglm_desktop.gui.transcript.picture_viewer import PictureViewer
from autoglm_desktop.gui.transcript.thumbnails import MOST_WAITING, Thumbnails, decoded
from autoglm_desktop.gui.transcript.transcript import Transcript

TAP = 'do(action="Tap", element=[500,500])'
HOSTILE = "a\u202egnp.exe <img src=x>\n\u2066<b>b</b>.png"


@pytest.fixture
def window(qtbot, bridge):
    made = QWidget()
    column = QVBoxLayout(made)
    column.setContentsMargins(0, 0, 0, 0)
    made.before = QPushButton("before")
    made.transcript = Transcript(bridge=bridge)
    made.after = QPushButton("after")
    for widget in (made.before, made.transcript, made.after):
        column.addWidget(widget)
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def transcript(window):
    return window.transcript


def save(path, colour="red", size=(540, 1200), **more):
    Image.new("RGB", size, colour).save(path, **more)
    return Shown(path, *size, path.name, 817)


def question(key, text, *pictures):
    return Entry(key, "user", text, pictures=pictures)


def answer(key, written, picture=None, said=""):
    text = f"{said}\n{written}".strip()
    step = step_of(f"{said}<answer>{written}", text, picture)
    return Entry(key, "assistant", text, "footer", actions=(("copy", "Copy"),), step=step)


def ready(transcript, qtbot):
    """Until the pictures that are seen are decoded."""
    transcript.viewport().grab()
    qtbot.waitUntil(lambda: not transcript.thumbnails.busy)
    return transcript.viewport().grab().toImage()


def places(transcript, name="picture"):
    """Where links of a name are, in the viewport."""
    found = {}
    for y in range(0, transcript.viewport().height(), 6):
        for x in range(0, transcript.viewport().width(), 6):
            url = QUrl(transcript.anchorAt(QPoint(x, y)))
            if url.scheme() == transcript.scheme and url.path().startswith(name):
                found.setdefault(url.path(), []).append(QPoint(x, y))
    return {path: points[len(points) // 2] for path, points in found.items()}


def has(image, colour):
    return any(
        image.pixelColor(x, y) == QColor(colour)
        for x in range(0, image.width(), 4)
        for y in range(0, image.height(), 4)
    )


def viewer_of(window):
    return window.findChild(PictureViewer)


def opened(window, qtbot, key=1, place=0):
    window.transcript.show_picture(key, place)
    view = viewer_of(window)
    qtbot.waitUntil(lambda: view.area.image is not None)
    return view


# --- room ---


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1080, 2400), (99, 220)),
        ((4000, 3000), (293, 220)),
        ((20, 30), (40, 40)),
        ((3000, 15), (300, 40)),
        ((0, 0), (40, 40)),
    ],
)
def test_the_room_of_a_picture(size, expected):
    assert picture_lines.box(*size, picture_lines.ALONE) == QSize(*expected)


def test_nothing_moves_when_a_picture_comes(transcript, qtbot, tmp_path):
    shown = save(tmp_path / "a.png")
    transcript.show_entries([question(1, "look", shown), Entry(2, "assistant", "It is red.")])
    before = transcript.document().size()
    assert not has(transcript.viewport().grab().toImage(), "red")
    assert has(ready(transcript, qtbot), "red")
    assert transcript.document().size() == before


def test_pictures_are_upright(transcript, qtbot, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    image = Image.new("RGB", (300, 100), "blue")
    image.paste("red", (0, 0, 100, 100))
    image.save(tmp_path / "a.png", exif=exif)
    turned = decoded(tmp_path / "a.png", 50, 150)
    assert (turned.pixelColor(25, 10), turned.pixelColor(25, 140)) == (QColor("red"), QColor("blue"))


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\nno picture", b"GIF89a"])
def test_a_file_that_is_missing_or_damaged_says_so(transcript, qtbot, tmp_path, content):
    path = tmp_path / "gone.png"
    if content is not None:
        path.write_bytes(content)
    transcript.show_entries([question(1, "look", Shown(path, 540, 1200, "gone.png"))])
    size = transcript.document().size()
    ready(transcript, qtbot)
    error = transcript.thumbnails.error(path)
    assert error is not None
    assert transcript.document().size() == size
    (at,) = places(transcript).values()
    told = transcript.told_of(QUrl(transcript.anchorAt(at)))
    assert "gone.png" in told
    assert ("this picture is missing" in told) == (content is None)


def test_without_a_path_it_is_missing(transcript, qtbot):
    transcript.show_entries([question(1, "look", Shown(None, 540, 1200, "x.png"))])
    ready(transcript, qtbot)
    transcript.show_picture(1)
    assert "missing" in viewer_of(transcript.window()).message.text()


def test_failures_are_forgotten_with_the_conversation(transcript, qtbot, tmp_path):
    shown = Shown(tmp_path / "late.png", 540, 1200, "late.png")
    transcript.show_entries([question(1, "look", shown)])
    ready(transcript, qtbot)
    save(tmp_path / "late.png")
    transcript.show_entries([question(5, "another")])
    transcript.show_entries([question(1, "look", shown)])
    assert has(ready(transcript, qtbot), "red")


# --- decoding and memory ---


def test_what_was_not_seen_lately_is_given_back(bridge, qtbot, tmp_path):
    size = QSize(100, 100)
    made = Thumbnails(bridge, most_bytes=5 * 100 * 100 * 4)
    paths = [save(tmp_path / f"{n}.png", size=(100, 100)).path for n in range(9)]
    kept = []
    for path in paths:
        made.image(path, size)
        qtbot.waitUntil(lambda: not made.busy)
        kept.append(weakref.ref(made.image(path, size)))
        made.image(paths[0], size)  # seen all the time
        qtbot.waitUntil(lambda: not made.busy)
    assert made.bytes <= 5 * 100 * 100 * 4
    assert isinstance(made.image(paths[0], size), QImage)
    assert made.image(paths[1], size) is None


def test_what_is_seen_now_is_decoded_first_and_old_wishes_are_dropped(bridge, qtbot, tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(
        thumbnails,
        "decoded",
        lambda path, w, h: order.append(path.name) or QImage(w, h, QImage.Format.Format_RGB32),
    )
    made = Thumbnails(bridge)
    for number in range(3 * MOST_WAITING):
        made.image(tmp_path / f"{number}", QSize(4, 4))
    qtbot.waitUntil(lambda: not made.busy)
    assert order[:2] == ["0", f"{3 * MOST_WAITING - 1}"]
    assert len(order) == MOST_WAITING + 1


def test_one_is_decoded_at_a_time(qtbot, tmp_path):
    class Job:
        def __init__(self):
            self.ended = self

        def connect(self, _slot):
            pass

    class Bridge:
        jobs = 0

        def submit(self, *_all):
            self.jobs += 1
            return Job()

    fake = Bridge()
    made = Thumbnails(fake)
    for number in range(5):
        assert made.image(tmp_path / f"{number}", QSize(4, 4)) is None
    assert fake.jobs == 1


def test_pictures_far_away_are_not_decoded(transcript, qtbot, tmp_path):
    shown = [save(tmp_path / f"{n}.png", size=(60, 60)) for n in range(60)]
    transcript.show_entries([question(n, "x\n" * 6, shown[n % 60]) for n in range(300)])
    ready(transcript, qtbot)
    assert 0 < len(transcript.thumbnails._kept) < 20
    transcript.scroll_to_start()
    ready(transcript, qtbot)
    assert len(transcript.thumbnails._kept) < 40


# --- actions ---


def test_an_action_is_said_and_drawn(transcript, qtbot, tmp_path):
    shown = save(tmp_path / "a.png", "white")
    transcript.show_entries([question(1, "tap"), answer(2, TAP, shown)])
    text = transcript.document().toPlainText()
    assert "Tap at 500, 500" in text
    assert "do(" not in text
    image = ready(transcript, qtbot)
    (at,) = places(transcript).values()
    assert has(image, "#e0006c")
    assert image.pixelColor(at.x() - 40, at.y() - 90) == QColor("white")


def test_what_stands_before_an_action_stays(transcript):
    transcript.show_entries([question(1, "tap"), answer(2, TAP, said="I see **it**.")])
    text = transcript.document().toPlainText()
    assert text.index("I see it.") < text.index("Tap at 500, 500")


def test_the_action_as_it_was_written_is_folded(transcript, qtbot):
    transcript.show_entries([question(1, "tap"), answer(2, TAP), question(3, "more")])
    transcript.setFocus()
    transcript.focus_entry(2)
    qtbot.keyClick(transcript, Qt.Key.Key_W)
    assert TAP in transcript.document().toPlainText()
    copies = [QUrl(transcript.anchorAt(at)) for at in places(transcript, "code").values()]
    transcript.anchorClicked.emit(copies[0])
    assert QGuiApplication.clipboard().text() == TAP
    qtbot.keyClick(transcript, Qt.Key.Key_W)
    assert TAP not in transcript.document().toPlainText()
    assert "more" in transcript.document().toPlainText()


def test_an_action_is_copied_as_it_was_written(transcript):
    written = 'do(action="Type", text="*a* `b` <b>c</b>")'
    transcript.show_entries([question(1, "type"), answer(2, written)])
    transcript.act("copy", 2)
    assert QGuiApplication.clipboard().text() == written
    transcript.act("copy_markdown", 2)
    assert QGuiApplication.clipboard().text() == written


def test_marks_in_an_action_cannot_end_its_code(transcript):
    written = 'do(action="Type", text="a\n```\n<b>b</b>\n````\nc")'
    transcript.show_entries([question(1, "type"), answer(2, written)])
    transcript.act("written", 2)
    assert written in transcript.document().toPlainText()
    assert step_picture.fenced("a").startswith("```python\n")


def test_hidden_characters_of_an_action_are_not_shown(transcript):
    transcript.show_entries([question(1, "x"), answer(2, 'finish(message="a\u202eb <b>c</b>")')])
    assert "Finished: ab <b>c</b>" in transcript.document().toPlainText()


def test_an_action_comes_with_the_finished_answer(transcript, tmp_path, monkeypatch):
    shown = save(tmp_path / "a.png", "white")
    asked = question(1, "tap", shown)
    transcript.show_entries([asked])
    transcript.begin(Entry(2, "assistant", ""), "…")
    for start in range(0, len(TAP), 5):
        transcript.add(TAP[start : start + 5])
        transcript._draw()
        assert TAP[: start + 5] in transcript.document().toPlainText()
    transcript.show_entries([asked, answer(2, TAP, shown)])
    assert "Tap at 500, 500" in transcript.document().toPlainText()
    bar = transcript.verticalScrollBar()
    assert bar.value() == bar.maximum()
    monkeypatch.setattr(transcript.chat._writer, "write", lambda *_all: pytest.fail("written again"))
    transcript.show_entries([asked, answer(2, TAP, shown)])


def test_a_streamed_answer_that_becomes_an_action_is_written_once(transcript, tmp_path):
    """With thinking before it, as the model answers."""
    transcript.show_entries([question(1, "tap")])
    transcript.begin(Entry(2, "assistant", ""), "…")
    transcript.add("made: the fourth row", "thinking")
    transcript.add(TAP)
    transcript.freeze()
    parts = (Part("thinking", "made: the fourth row", 2.0), Part("text", TAP))
    done = dataclasses.replace(answer(2, TAP), parts=parts)
    transcript.show_entries([question(1, "tap"), done])
    text = transcript.document().toPlainText()
    assert (text.count("Thought for"), text.count("Tap at")) == (1, 1)
    assert TAP not in text


# --- clicking, keys, words ---


def test_a_click_opens_the_picture_and_nothing_else(window, transcript, qtbot, tmp_path, monkeypatch):
    from PySide6.QtGui import QDesktopServices

    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: pytest.fail(f"opened {url}"))
    acted = []
    transcript.acted.connect(lambda *all_: acted.append(all_))
    transcript.show_entries([question(1, "look", save(tmp_path / "a.png"), save(tmp_path / "b.png", "blue"))])
    ready(transcript, qtbot)
    found = places(transcript)
    assert set(found) == {"picture.0:1", "picture.1:1"}
    before = transcript.verticalScrollBar().value()
    qtbot.mouseClick(transcript.viewport(), Qt.MouseButton.LeftButton, pos=found["picture.1:1"])
    assert transcript.verticalScrollBar().value() == before
    view = viewer_of(window)
    qtbot.waitUntil(lambda: view.area.image is not None)
    assert view.area.image.pixelColor(5, 5) == QColor("blue")
    assert acted == []
    assert not transcript.textCursor().hasSelection()


def test_a_key_and_the_menu_open_the_picture(window, transcript, qtbot, tmp_path):
    transcript.show_entries([question(1, "look", save(tmp_path / "a.png")), Entry(2, "assistant", "ok")])
    assert message_menu.SHORTCUTS["picture"] == "P"
    transcript.setFocus()
    transcript.focus_entry(2)
    qtbot.keyClick(transcript, Qt.Key.Key_P)
    assert viewer_of(window) is None
    transcript.focus_entry(1)
    assert "Show the picture" in [action.text() for action in transcript.menu_of(1).actions()]
    assert "Show the picture" not in [action.text() for action in transcript.menu_of(2).actions()]
    qtbot.keyClick(transcript, Qt.Key.Key_P)
    assert viewer_of(window) is not None


def test_thinking_and_code_have_their_keys_and_menus(transcript, qtbot):
    parts = (Part("thinking", "made thought", 2.0), Part("text", "```python\na = 1\n```\n\n```\nb\n```"))
    transcript.show_entries([question(1, "q"), Entry(2, "assistant", parts[1].text, parts=parts)])
    transcript.setFocus()
    transcript.focus_entry(2)
    qtbot.keyClick(transcript, Qt.Key.Key_T)
    assert "made thought" in transcript.document().toPlainText()
    menu = {action.text(): action for action in transcript.menu_of(2).actions()}
    assert {"Show or hide what it thought", "Copy code block 1 (python)", "Copy code block 2"} <= set(menu)
    menu["Copy code block 1 (python)"].trigger()
    assert QGuiApplication.clipboard().text() == "a = 1"


def test_thinking_opens_while_it_is_written(transcript, qtbot):
    transcript.show_entries([question(1, "q")])
    transcript.begin(Entry(2, "assistant", ""), "…")
    transcript.add("made thought", "thinking")
    transcript._draw()
    transcript.setFocus()
    transcript.focus_entry(2)
    qtbot.keyClick(transcript, Qt.Key.Key_T)
    assert "made thought" in transcript.document().toPlainText()
    transcript.add(" goes on", "thinking")
    transcript._draw()
    assert "made thought goes on" in transcript.document().toPlainText()


def test_a_selection_has_the_names_of_pictures(transcript, tmp_path):
    one, other = save(tmp_path / "a.png"), save(tmp_path / "b.png")
    transcript.show_entries([question(1, "look", one, other), answer(2, TAP, one)])
    transcript.selectAll()
    copied = transcript.createMimeDataFromSelection().text()
    assert copied.startswith("[picture: a.png] [picture: b.png]\nlook\n")
    assert "Tap at 500, 500\n[picture: a.png]" in copied
    assert "\ufffc" not in copied
    cursor = transcript.textCursor()
    cursor.setPosition(2)
    cursor.setPosition(3, QTextCursor.MoveMode.KeepAnchor)
    transcript.setTextCursor(cursor)
    assert transcript.createMimeDataFromSelection().text() == "[picture: b.png]"


def test_names_of_files_are_shown_as_text(window, transcript, qtbot, tmp_path, monkeypatch):
    shown = dataclasses.replace(save(tmp_path / "a.png"), name=HOSTILE)
    transcript.show_entries([question(1, "look", shown)])
    said = picture_lines.name(shown)
    assert "\u202e" not in said
    assert "[U+202E]gnp.exe" in said
    assert "\n" not in said
    ready(transcript, qtbot)
    (at,) = places(transcript).values()
    monkeypatch.setattr(QToolTip, "showText", lambda *_all: None)
    transcript._hovered(QUrl(transcript.anchorAt(at)))
    assert "<img" not in transcript.viewport().toolTip()
    assert "&lt;img" in transcript.viewport().toolTip()
    transcript.selectAll()
    assert "\u202e" not in transcript.createMimeDataFromSelection().text()
    assert "\u202e" not in keys.spoken(transcript.chat.entries[0])
    view = opened(window, qtbot)
    assert "\u202e" not in view.caption.text()


def test_long_names_are_cut_in_the_middle():
    said = picture_lines.name(Shown(None, 1, 1, "a" * 500 + ".png"))
    assert len(said) == picture_lines.LONGEST_NAME
    assert said.endswith(".png")
    assert picture_lines.name(Shown(None, 1, 1)) == "Picture"


def test_a_model_cannot_put_a_picture_or_its_link_into_an_answer(transcript):
    text = "![x](picture.0:1) <img src='picture.0:1'> \ufffc [y](act:picture.0:1)"
    transcript.show_entries([Entry(2, "assistant", text)])
    block = transcript.document().begin()
    while block.isValid():
        for place in block:
            assert place.fragment().charFormat().objectType() == 0
        assert "\ufffc" not in block.text()
        block = block.next()


def test_what_is_said_to_screen_readers(tmp_path):
    shown = save(tmp_path / "a.png")
    assert (
        keys.spoken(question(1, "look", shown))
        == "You: look. Pictures: a.png · 540 × 1200 · at most 817 tokens"
    )
    assert keys.spoken(answer(2, TAP)) == "Answer: Tap at 500, 500"


def test_tab_comes_in_marks_a_message_and_goes_on(window, transcript, qtbot):
    transcript.show_entries([question(1, "look"), Entry(2, "assistant", "ok")])
    window.before.setFocus()
    assert transcript.focused is None
    qtbot.keyClick(window.before, Qt.Key.Key_Tab)
    assert window.focusWidget() is transcript
    assert transcript.focused in (1, 2)
    assert transcript.accessibleDescription()
    qtbot.keyClick(transcript, Qt.Key.Key_Tab)
    assert window.focusWidget() is window.after
    qtbot.keyClick(window.after, Qt.Key.Key_Backtab)
    assert window.focusWidget() is transcript


def test_errors_have_a_sentence():
    assert picture_lines.failure(AppError("file_not_found", path="x\u202e.png")) == (
        "The file of this picture is missing: x[U+202E].png."
    )
