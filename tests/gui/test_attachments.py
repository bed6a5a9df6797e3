"""Pictures beside a question: real files through the real archive, good and bad ones."""

import asyncio
import struct
import zlib

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QColor, QImage

from autoglm_desktop import i18n
from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.core.picture_cost import PictureCost, Range
from autoglm_desktop.core.pictures import TEMPLATE_TOKENS, PictureSize, shown_size
from autoglm_desktop.core.rungs import DeviceMemory, PhoneStep, RungPlan
from autoglm_desktop.gui.composer import attachments as module
from autoglm_desktop.gui.composer.attachment_values import most_for
from autoglm_desktop.gui.composer.attachments import MOST, Attachments
from autoglm_desktop.gui.widgets import picture_sources
from autoglm_desktop.store.conversations import Conversations, Picture, StoredMessage
from autoglm_desktop.texts import pictures as texts
from autoglm_desktop.usecases import chat_pictures
from autoglm_desktop.usecases.archive import Archive
from autoglm_desktop.usecases.pictures import Limits

PLAN = RungPlan(
    "gguf-gpu", context=8_192, image_s=6.0, prompt_tokens_per_s=900.0, phone_step=PhoneStep(3_354, 2_000, 0, 150),
    memory={"gpu:0": DeviceMemory(kv_cache=320 * 2**20)},
)  # fmt: skip


@pytest.fixture
def archive(bridge, tmp_path):
    made = Archive(Conversations(tmp_path / "数据" / "conversations.sqlite3"))
    asyncio.run_coroutine_threadsafe(made.open(), bridge._loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(made.close(), bridge._loop).result(10)


@pytest.fixture
def attachments(qtbot, bridge, archive):
    made = Attachments(bridge, archive)
    yield made
    made.clear()


def drawn(path, size=(540, 1200), colour="#406080", **options):
    Image.new("RGB", size, colour).save(path, **options)
    return path


def given(qtbot, attachments, *sources):
    attachments.give(sources)
    qtbot.waitUntil(lambda: attachments.ready)


def huge_png(path, width=20_000, height=10_000):
    """made: a PNG that says it has 200 megapixels; its data is that of one line."""

    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_pictures_keep_their_order_names_and_contents(qtbot, attachments, archive, tmp_path):
    paths = [drawn(tmp_path / f"图 {number}.png", colour=(number * 40, 0, 0)) for number in range(4)]
    given(qtbot, attachments, *paths)
    assert [picture.name for picture in attachments.pictures()] == [path.name for path in paths]
    for picture, path in zip(attachments.pictures(), paths, strict=True):
        assert (archive.pictures / picture.file_name).read_bytes() == path.read_bytes()
    assert attachments.refused == ()


def test_a_turned_photograph_is_upright(qtbot, attachments, tmp_path):
    """EXIF 6: the camera was held upright; the file's left edge is the top."""
    image = Image.new("RGB", (400, 200), "blue")
    image.paste("red", (0, 0, 100, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    given(qtbot, attachments, tmp_path / "photo.jpg")
    (item,) = attachments.items
    assert (item.picture.width, item.picture.height) == (200, 400)
    small = item.thumbnail
    assert small.width() < small.height()
    top, bottom = (QColor(small.pixel(small.width() // 2, y)) for y in (2, small.height() - 3))
    assert top.red() > 200 and bottom.blue() > 200
    assert (item.size.width < item.size.height) and item.size == shown_size(200, 400)


def test_a_clipboard_image_is_encoded_elsewhere_and_kept(qtbot, attachments):
    image = QImage(120, 80, QImage.Format.Format_RGB32)
    image.fill("#aa5500")
    given(qtbot, attachments, image)
    (picture,) = attachments.pictures()
    assert (picture.width, picture.height, picture.extension, picture.name) == (120, 80, "png", "")


def test_of_an_animation_the_first_frame_is_shown_and_said(qtbot, attachments, tmp_path):
    frames = [Image.new("RGB", (64, 64), shade) for shade in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "still.gif")
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    given(qtbot, attachments, *(tmp_path / name for name in ("moving.gif", "still.gif", "moving.webp")))
    assert [item.animated for item in attachments.items] == [True, False, True]
    assert QColor(attachments.items[0].thumbnail.pixel(5, 5)).red() > 200


@pytest.mark.parametrize(
    "make, code, words",
    [
        (lambda path: path.write_bytes(b"made: no picture"), "picture_unknown", "is no picture"),
        (huge_png, "picture_too_large", "200 megapixels"),
        (lambda path: drawn(path, (3_000, 10)), "picture_too_narrow", "3000 × 10"),
        (lambda path: path.mkdir(), "picture_no_file", "is no file"),
        (lambda path: None, "file_not_found", ""),
    ],
    ids=["text", "huge", "narrow", "folder", "missing"],
)
def test_what_is_no_picture_is_refused_in_one_sentence(qtbot, attachments, tmp_path, make, code, words):
    path = tmp_path / "坏 picture.png"
    make(path)
    given(qtbot, attachments, path)
    (refused,) = attachments.refused
    sentence = texts.error_text(refused.error, refused.name)
    assert refused.error.code == code and attachments.items == ()
    assert (
        words.replace("3000", "3,000") in sentence and str(tmp_path) not in sentence and "?" not in sentence
    )
    assert ("坏 picture.png" in sentence) == (code != "picture_too_narrow")


def test_what_has_no_name_is_refused_in_words_that_need_none(qtbot, attachments):
    given(qtbot, attachments, b"made: no picture", b"\x89PNG\r\n\x1a\nmade")
    for refused in attachments.refused:
        sentence = texts.error_text(refused.error, refused.name)
        assert "pasted" in sentence and "  " not in sentence and sentence[0].isupper()
    attachments.dismiss(0)
    assert len(attachments.refused) == 1
    attachments.give(())
    assert attachments.refused == (), "another try forgets the one before"


def test_a_picture_that_is_given_twice_is_there_once(qtbot, attachments, tmp_path):
    first = drawn(tmp_path / "first.png")
    other = tmp_path / "copy.png"
    other.write_bytes(first.read_bytes())
    given(qtbot, attachments, first, other)
    assert [item.name for item in attachments.items] == ["first.png"] and attachments.items[0].again
    given(qtbot, attachments, drawn(tmp_path / "third.png", colour="red"))
    assert not attachments.items[0].again


def test_no_more_than_fit_into_one_question(qtbot, attachments, tmp_path):
    paths = [drawn(tmp_path / f"{number}.png", (30, 30), (number, 0, 0)) for number in range(MOST + 3)]
    given(qtbot, attachments, *paths)
    assert len(attachments.items) == MOST
    (refused,) = attachments.refused
    assert str(MOST) in texts.error_text(refused.error, refused.name)


def test_one_that_is_removed_while_it_is_read_does_not_come_back(qtbot, attachments, tmp_path):
    attachments.give([drawn(tmp_path / "a.png"), drawn(tmp_path / "b.png", colour="red")])
    attachments.remove(0)
    qtbot.waitUntil(lambda: attachments.ready and attachments.items[0].thumbnail is not None)
    assert [item.name for item in attachments.items] == ["b.png"] and attachments.refused == ()


def test_clearing_while_reading_leaves_nothing(qtbot, attachments, tmp_path):
    attachments.give([drawn(tmp_path / "a.png")])
    attachments.clear()
    given(qtbot, attachments, drawn(tmp_path / "b.png", colour="red"))
    assert [item.name for item in attachments.items] == ["b.png"]


def test_one_picture_is_read_at_a_time(qtbot, attachments, monkeypatch, tmp_path):
    """A decoded picture is up to 300 MB."""
    now, most = [0], [0]
    keep = module.picture_thumbs.keep

    async def watched(*arguments):
        now[0] += 1
        most[0] = max(most[0], now[0])
        try:
            return await keep(*arguments)
        finally:
            now[0] -= 1

    monkeypatch.setattr(module.picture_thumbs, "keep", watched)
    given(qtbot, attachments, *(drawn(tmp_path / f"{n}.png", colour=(n, 9, 9)) for n in range(5)))
    assert most == [1] and len(attachments.pictures()) == 5


def test_an_unexpected_failure_does_not_hold_the_question_back(
    qtbot, attachments, bridge, monkeypatch, tmp_path
):
    async def broken(*_arguments):
        raise RuntimeError("made: a bug")

    monkeypatch.setattr(module.picture_thumbs, "keep", broken)
    with qtbot.waitSignal(bridge.crashed):
        attachments.give([drawn(tmp_path / "a.png")])
    qtbot.waitUntil(lambda: attachments.ready)
    assert attachments.items == ()


def test_pictures_of_a_draft_are_there_at_once_and_those_whose_file_is_gone_are_told(
    qtbot, attachments, archive, tmp_path
):
    given(qtbot, attachments, drawn(tmp_path / "a.png"), drawn(tmp_path / "b.png", colour="red"))
    attachments.set_scale(0, 300)
    pictures = attachments.pictures()
    attachments.clear()
    (archive.pictures / pictures[1].file_name).unlink()
    attachments.set_pictures(pictures)
    assert attachments.pictures() == pictures and attachments.ready
    qtbot.waitUntil(lambda: bool(attachments.refused) and attachments.items[0].thumbnail is not None)
    assert attachments.pictures() == pictures[:1] and attachments.pictures()[0].most_tokens == 300
    assert attachments.items[0].cost.tokens <= 300
    assert "b.png" in texts.error_text(attachments.refused[0].error, attachments.refused[0].name)


def test_a_draft_with_a_picture_that_no_model_can_see_does_no_harm(qtbot, attachments):
    attachments.set_pictures([Picture("0" * 64, "png", 1, 900, 10, "line.png")])
    assert attachments.items[0].cost is None and attachments.choices(0) == () and attachments.tokens == 0
    qtbot.waitUntil(lambda: bool(attachments.refused))


def test_each_choice_is_shown_as_it_was_offered(qtbot, attachments, tmp_path):
    attachments.set_plan(PLAN, 4_000)
    sizes = [(540, 1200), (1080, 2400), (1600, 900), (333, 777), (60, 40)]
    given(qtbot, attachments, *(drawn(tmp_path / f"{w}.png", (w, h)) for w, h in sizes))
    for index in range(len(sizes)):
        offered = attachments.choices(index)
        assert offered[0].most_tokens is None and len({choice.size for choice in offered}) == len(offered)
        for choice in offered:
            attachments.set_scale(index, choice.most_tokens)
            item = attachments.items[index]
            assert item.size == choice.size and item.cost == choice.cost
            assert item.cost.seconds.low > 0 and item.cost.kv_bytes > 0


def test_sizes_and_costs_follow_the_model_and_its_room(qtbot, attachments, tmp_path):
    given(qtbot, attachments, drawn(tmp_path / "a.png", (1080, 2400)))
    assert attachments.items[0].cost == PictureCost(3_354, None, None)
    changes = []
    attachments.changed.connect(lambda: changes.append(attachments.tokens))
    attachments.set_plan(PLAN, 2_000)
    assert attachments.items[0].cost.tokens <= 2_000 and attachments.fit.shrunk
    attachments.set_plan(PLAN, 2_000)
    assert len(changes) == 1, "nothing new, nothing said"
    attachments.set_plan(PLAN, 0)
    assert attachments.fit.too_little and attachments.items[0].cost.tokens == 3_354
    before = attachments.items[0].cost.seconds
    attachments.set_plan(PLAN, 6_000, image_s=12.0)
    assert attachments.items[0].cost.seconds.high > before.high
    assert not attachments.fit.too_little and not attachments.fit.shrunk
    proven = RungPlan("gguf-gpu", phone_step=PhoneStep(817, 2_000, 0, 150))
    attachments.set_plan(proven, 6_000)
    assert attachments.items[0].cost.tokens <= 817, "no more than loading has proven"


@pytest.mark.parametrize("room", [100, 700, 1_200, 4_000, 20_000])
def test_what_is_shown_is_what_the_question_will_show(qtbot, attachments, tmp_path, room):
    """The strip and the use case divide the room alike."""
    attachments.set_plan(PLAN, room)
    sizes = [(1080, 2400), (540, 1200), (300, 200)]
    given(qtbot, attachments, *(drawn(tmp_path / f"{w}.png", (w, h)) for w, h in sizes))
    attachments.set_scale(0, 900)
    pictures = attachments.pictures()
    question = StoredMessage(1, 1, "user", "", 0.0, pictures=pictures)
    limits = Limits(room + TEMPLATE_TOKENS, 3_354)
    try:
        wanted = chat_pictures.sizes([question], "", 0, limits)
    except AppError as error:
        assert error.code == "pictures_no_room" and attachments.fit.too_little
        return
    assert not attachments.fit.too_little
    for item in attachments.items:
        assert item.size == shown_size(item.picture.width, item.picture.height, wanted[item.picture])


def test_most_for_leads_to_the_very_size():
    picture = Picture("0", "png", 1080, 2400, 1)
    for most in range(8, 3_400, 37):
        size = shown_size(1080, 2400, most)
        found = most_for(picture, size)
        assert shown_size(1080, 2400, found) == size and found <= most


# --- sentences


@pytest.mark.parametrize(
    "low, high, text",
    [
        (0.1, 0.4, "under 1 s"), (1.6, 2.2, "about 2 s"), (7.7, 10.6, "about 8–11 s"), (0.4, 1.2, "about 1 s"),
        (0.2, 1.8, "about 1–2 s"), (55.0, 119.0, "about 55–119 s"), (100.0, 200.0, "about 2–3 min"),
        (1e4, 2e4, "about 167–333 min"),
    ],
)  # fmt: skip
def test_seconds_as_somebody_who_waits_reads_them(low, high, text):
    assert texts.duration_text(Range(low, high)) == text


def test_what_is_not_known_is_left_out():
    size = PictureSize(532, 1204)
    assert texts.choice_text(size, PictureCost(817, None, None)) == "532×1204: 817 tokens"
    assert (
        texts.choice_text(size, PictureCost(817, Range(1.9, 2.2), None)) == "532×1204: 817 tokens, about 2 s"
    )
    assert texts.cost_text(PictureCost(817, None, None)) == "" == texts.cost_tip(PictureCost(817, None, None))
    assert texts.cost_text(PictureCost(817, Range(2, 2), 2**25)) == "about 2 s · 32 MiB of memory"
    assert texts.together_text(2, 1_634, None) == "2 pictures: 1,634 tokens"
    assert "remove some" in texts.too_little_text(2, 40) and "remove it" in texts.too_little_text(1, 40)
    assert "larger" in texts.shrunk_text(1) and "share" in texts.shrunk_text(2)


def test_an_error_never_shows_a_path_of_this_machine():
    error = TargetError(
        "file_unreadable", path="/home/made/secret/a.png", detail="[Errno 5] /home/made/secret/a.png"
    )
    sentence = texts.error_text(error, "a.png")
    assert "a.png" in sentence and "secret" not in sentence
    assert "left out" in texts.error_text(AppError("pictures_too_many", most=20), "")


def test_sentences_in_chinese():
    i18n.set_language("zh_CN")
    assert texts.duration_text(Range(1.9, 2.2)) != "about 2 s"


# --- what is dropped and pasted


def mime(*, text=None, files=(), image=False, formats=(), html=None, urls=()):
    data = QMimeData()
    if files or urls:
        data.setUrls([*(QUrl.fromLocalFile(str(file)) for file in files), *map(QUrl, urls)])
    if text is not None:
        data.setText(text)
    if html is not None:
        data.setHtml(html)
    if image:
        picture = QImage(4, 4, QImage.Format.Format_RGB32)
        picture.fill("red")
        data.setImageData(picture)
    for kind, content in formats:
        data.setData(kind, content)
    return data


@pytest.mark.parametrize(
    "data, wanted",
    [
        (mime(image=True), True),
        (mime(image=True, text="a table"), False),
        (mime(image=True, text=" \n"), True),
        (mime(image=True, html="<img src='https://example.org/a.png'>"), True),
        (mime(image=True, urls=["https://example.org/a.png"]), True),
        (mime(formats=[("image/webp", b"made")]), True),
        (mime(text="words"), False),
        (mime(files=["/made/a.PNG"]), True),
        (mime(files=["/made/notes.txt", "/made/a.jpeg"]), True),
        (mime(files=["/made/photo.HEIC"]), True),
        (mime(files=["/made/notes.txt"]), False),
        (mime(urls=["https://example.org/a.png"]), False),
    ],
    ids=[
        "image", "office", "blank text", "browser", "dragged from a browser", "format", "text", "file", "mixed",
        "a kind that cannot be read", "other file", "address",
    ],
)  # fmt: skip
def test_what_is_a_picture_to_someone_who_writes(qapp, data, wanted):
    assert picture_sources.is_for_chat(data) == wanted


def test_files_go_before_what_a_program_puts_beside_them(qapp, tmp_path):
    path = drawn(tmp_path / "a.png", (4, 4))
    assert picture_sources.sources_of(mime(files=[path], image=True)) == [path]
    (kept,) = picture_sources.sources_of(mime(image=True, formats=[("image/png", b"made")]))
    assert kept == b"made"
    (image,) = picture_sources.sources_of(mime(image=True))
    assert isinstance(image, QImage)
    assert picture_sources.as_png(image).startswith(b"\x89PNG")
