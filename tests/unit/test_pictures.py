"""Pictures: how large they are shown, and decoding every kind to upright RGB."""

import asyncio
import io
import os
import random
import stat
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.pictures import (
    MOST_MEGAPIXELS,
    MOST_TOKENS,
    REPLY_TOKENS,
    PictureSize,
    room_for_picture,
    shown_size,
)
from autoglm_desktop.store import picture_file, picture_folder
from autoglm_desktop.store.picture_file import read_picture
from autoglm_desktop.usecases.pictures import Pictures
from tests.fakes.fake_services import made_services


@pytest.mark.parametrize(
    ("width", "height", "shown", "tokens"),
    [  # docs/numbers.md, section 5
        (540, 1200, (532, 1204), 817),
        (720, 1600, (728, 1596), 1482),
        (1080, 2400, (1092, 2408), 3354),
        (2400, 1080, (2408, 1092), 3354),
        (1440, 3200, (1428, 3192), 5814),
        (28, 28, (84, 84), 9),
        (1, 1, (84, 84), 9),
        (8000, 8000, (2184, 2184), 6084),
    ],
)
def test_shown_sizes(width, height, shown, tokens):
    size = shown_size(width, height)
    assert (size.width, size.height) == shown and size.tokens == tokens


def test_the_size_is_the_processors_own():
    module = pytest.importorskip(
        "transformers.models.glm4v.image_processing_pil_glm4v",
        reason="transformers is not installed here (extra: torch)",
    )
    rng, compared = random.Random(0), 0
    for _ in range(2000):
        width, height = (int(10 ** rng.uniform(0, 4)) for _ in range(2))
        if max(width, height) > 150 * min(width, height) or min(width, height) < 4:
            continue
        high, wide = module.smart_resize(2, height, width)
        if wide * high > MOST_TOKENS * 784:
            continue  # a narrow one that the processor itself rounds up beyond its limit
        assert shown_size(width, height) == PictureSize(wide, high), (width, height)
        compared += 1
    assert compared > 1000


def test_no_picture_takes_more_than_its_room():
    rng = random.Random(1)
    for _ in range(3000):
        most = rng.randrange(1, 4000)
        width, height = rng.randrange(1, 4000), rng.randrange(20, 4000)
        if max(width, height) > 200 * min(width, height):
            continue
        size = shown_size(width, height, most)
        assert 1 <= size.tokens <= most, (width, height, most)
        assert size.width % 28 == size.height % 28 == 0
        if size.tokens > 60 and max(width, height) < 4 * min(width, height):
            assert size.width / size.height == pytest.approx(width / height, rel=0.3)


def test_a_line_is_refused_and_no_room_is_a_bug():
    with pytest.raises(AppError) as caught:
        shown_size(4001, 20)
    assert caught.value.code == "picture_too_narrow"
    with pytest.raises(ValueError, match="0 tokens"):
        shown_size(100, 100, 0)


@pytest.mark.parametrize(
    ("context", "proven", "prompt", "reply", "room"),
    [
        (10_240, 3354, "x" * 300, 1024, 3354),
        (10_240, None, "x" * 300, 1024, MOST_TOKENS),
        (4096, 3354, "x" * 300, 1024, 4096 - 100 - 64 - 1024),
        (4096, 3354, "", 9000, 4096 - 64 - REPLY_TOKENS),
        (4096, 3354, "", 16, 3354),
        (1024, 3354, "x" * 6000, 1024, 0),
    ],
)
def test_the_room_for_a_picture(context, proven, prompt, reply, room):
    assert room_for_picture(context, proven, prompt, reply) == room


# Decoding. A picture of three columns: red, green, blue.
COLOURS = ((250, 10, 20), (20, 240, 30), (10, 30, 250))


def striped(width=90, height=30):
    pixels = np.zeros((height, width, 3), np.uint8)
    for index, colour in enumerate(COLOURS):
        pixels[:, index * width // 3 : (index + 1) * width // 3] = colour
    return Image.fromarray(pixels)


def saved(path, image, **options):
    image.save(path, **options)
    return path


def colours(bitmap):
    """Of the middle of each third, left to right."""
    pixels = np.frombuffer(bitmap.pixels(bitmap.width, bitmap.height), np.uint8)
    pixels = pixels.reshape(bitmap.height, bitmap.width, 3)
    return [tuple(int(v) for v in pixels[bitmap.height // 2, bitmap.width * i // 6]) for i in (1, 3, 5)]


def close_to(found, wanted, within=12):
    assert np.abs(np.array(found, int) - np.array(wanted, int)).max() <= within, found


@pytest.mark.parametrize(
    ("ending", "options"),
    [("png", {}), ("jpg", {"quality": 95}), ("webp", {"lossless": True}), ("bmp", {}), ("gif", {})],
)
def test_every_format(tmp_path, ending, options):
    bitmap = read_picture(saved(tmp_path / f"图 片.{ending}", striped(), **options))
    assert (bitmap.width, bitmap.height) == (90, 30)
    close_to(colours(bitmap), COLOURS)


def test_the_ending_does_not_count(tmp_path):
    path = saved(tmp_path / "shot.png", striped()).rename(tmp_path / "shot.txt")
    close_to(colours(read_picture(path)), COLOURS)
    close_to(colours(read_picture(path.read_bytes())), COLOURS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright(tmp_path, orientation):
    """EXIF says how a camera was held: the stored picture is turned the other way."""
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    image = striped()
    for step in undo.get(orientation, []):
        image = image.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    bitmap = read_picture(saved(tmp_path / "photo.jpg", image, quality=95, exif=exif))
    assert (bitmap.width, bitmap.height) == (90, 30)
    close_to(colours(bitmap), COLOURS)


def test_damaged_exif_says_nothing(tmp_path):
    path = saved(tmp_path / "photo.jpg", striped(), quality=95, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    close_to(colours(read_picture(path)), COLOURS)


def test_what_is_transparent_is_white(tmp_path):
    image = striped().convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.uint8([255, 128, 0]), 30)[None].repeat(30, 0)))
    found = colours(read_picture(saved(tmp_path / "glass.png", image)))
    half = tuple(int(value * 128 / 255 + 255 * 127 / 255) for value in COLOURS[1])
    close_to(found, [COLOURS[0], half, (255, 255, 255)], 2)


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    image = striped().quantize(3)
    red = min(range(3), key=lambda i: -image.getpalette()[3 * i])
    found = colours(read_picture(saved(tmp_path / "p.png", image, transparency=red)))
    close_to(found, [(255, 255, 255), COLOURS[1], COLOURS[2]])


def test_a_transparent_colour_without_a_palette_is_white(tmp_path):
    found = colours(read_picture(saved(tmp_path / "t.png", striped(), transparency=COLOURS[2])))
    close_to(found, [COLOURS[0], COLOURS[1], (255, 255, 255)], 0)


def test_sixteen_bits_of_grey_are_scaled(tmp_path):
    values = np.repeat(np.uint16([0, 32_896, 65_535]), 30)[None].repeat(30, 0)
    found = colours(read_picture(saved(tmp_path / "deep.png", Image.fromarray(values))))
    close_to(found, [(0,) * 3, (128,) * 3, (255,) * 3], 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_fewer_channels(tmp_path, mode):
    values = np.repeat(np.uint8([0, 255, 0]), 30)[None].repeat(30, 0)
    found = colours(read_picture(saved(tmp_path / "grey.png", Image.fromarray(values).convert(mode))))
    close_to(found, [(0,) * 3, (255,) * 3, (0,) * 3])


def test_a_cmyk_jpeg(tmp_path):
    found = colours(
        read_picture(saved(tmp_path / "print.jpg", striped().convert("CMYK"), quality=95, subsampling=0))
    )
    close_to(found, COLOURS, 20)


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_of_an_animation_the_first_frame(tmp_path, ending):
    frames = [striped(), Image.new("RGB", (90, 30)), Image.new("RGB", (90, 30), (255, 255, 255))]
    path = saved(
        tmp_path / f"film.{ending}", frames[0], save_all=True, append_images=frames[1:], lossless=True
    )
    with Image.open(path) as film:
        assert film.n_frames == 3
    close_to(colours(read_picture(path)), COLOURS)


def refused(source):
    with pytest.raises(AppError) as caught:
        read_picture(source)
    return caught.value


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "gif"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, ending):
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    whole = saved(tmp_path / f"whole.{ending}", Image.fromarray(noise)).read_bytes()
    for cut in (0, 5, 20, 40, len(whole) // 3, len(whole) // 2, len(whole) * 9 // 10):
        error = refused(whole[:cut])
        assert error.code in ("picture_unknown", "picture_damaged"), (cut, error)


def test_damage_anywhere_is_a_picture_or_a_sentence(tmp_path):
    rng, codes = np.random.default_rng(0), []
    for ending in ("png", "jpg", "webp", "bmp", "gif"):
        whole = saved(
            tmp_path / f"whole.{ending}", striped(), **({"exif": Image.Exif()} if ending == "jpg" else {})
        )
        for _ in range(150):
            data = bytearray(whole.read_bytes())
            for place in rng.integers(0, len(data), 3):
                data[place] = rng.integers(0, 256)
            try:
                read_picture(bytes(data))
            except AppError as error:
                codes.append(error.code)
    assert len(codes) > 100
    assert set(codes) <= {"picture_unknown", "picture_damaged", "picture_too_large"}


@pytest.mark.parametrize("name", ["text.txt", "page.html", "drawing.svg", "scan.tiff"])
def test_bytes_that_are_no_picture(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"<svg/> this is no picture" * 40)
    if name == "scan.tiff":
        striped().save(path)
    assert refused(path).code == "picture_unknown"


def test_a_large_file_that_is_no_picture_is_not_read(tmp_path):
    """As long as a model's file: what comes back in time has not read it."""
    path = tmp_path / "model.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF")
        file.truncate(1 << 40 if sys.platform == "linux" else 1 << 20)
    assert refused(path).code == "picture_unknown"


def test_what_is_no_file(tmp_path):
    assert refused(tmp_path / "none.png").code == "file_not_found"
    assert refused(tmp_path).code == "picture_no_file"
    assert refused(tmp_path / "a\0b").code in ("file_not_found", "file_unreadable")


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="needs a user without all rights")
def test_a_file_that_may_not_be_read(tmp_path):
    path = saved(tmp_path / "own.png", striped())
    path.chmod(0)
    assert refused(path).code == "file_unreadable"


def test_a_bomb_is_refused_before_it_is_unpacked():
    """Some bytes of PNG that would be 12 GB of pixels."""
    data = io.BytesIO()
    Image.new("1", (8, 8)).save(data, "PNG")
    head = bytearray(data.getvalue())
    head[16:24] = (65_000).to_bytes(4, "big") * 2
    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
    error = refused(bytes(head))
    assert error.code == "picture_too_large" and error.values["most"] == MOST_MEGAPIXELS
    assert error.values["megapixels"] == 4225


def test_a_stretched_picture_keeps_its_corners(tmp_path):
    """No borders: a place on the screen is the same share of the picture before and after."""
    bitmap = read_picture(saved(tmp_path / "shot.png", striped(90, 200)))
    pixels = np.frombuffer(bitmap.pixels(84, 196), np.uint8).reshape(196, 84, 3)
    close_to([tuple(pixels[0, 0]), tuple(pixels[195, 42]), tuple(pixels[0, 83])], COLOURS, 3)


# The private folder.
def test_a_folder_is_private_and_goes_with_its_owner(tmp_path):
    own = picture_folder.own_folder(tmp_path / "pictures")
    if sys.platform != "win32":
        assert stat.S_IMODE(own.path.stat().st_mode) == 0o700
    (own.path / "a.rgb").write_bytes(b"abc")
    own.remove()
    assert [path.name for path in (tmp_path / "pictures").iterdir() if path.name != "all.lock"] == []


def test_the_folder_of_a_crashed_process_goes_at_the_next_start(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from autoglm_desktop.store.picture_folder import own_folder;"
        "own = own_folder(Path(sys.argv[1])); (own.path / 'a.rgb').write_bytes(b'x'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    living = picture_folder.own_folder(tmp_path / "other")
    assert len(list(tmp_path.glob("pictures-*/a.rgb"))) == 1
    picture_folder.sweep(tmp_path)
    assert list(tmp_path.glob("pictures-*")) == []
    living.remove()


def test_what_another_process_uses_stays(tmp_path):
    one, two = picture_folder.own_folder(tmp_path), picture_folder.own_folder(tmp_path)
    picture_folder.sweep(tmp_path)
    assert one.path != two.path and one.path.is_dir() and two.path.is_dir()
    one.remove()
    two.remove()
    picture_folder.sweep(tmp_path / "never made")
    assert not (tmp_path / "never made").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AppError) as caught:
        picture_folder.own_folder(tmp_path / "file" / "pictures")
    assert caught.value.code == "folder_not_writable"


def test_the_loop_runs_while_a_picture_is_read(tmp_path, monkeypatch):
    """Decoding waits for the loop here: it could not if it ran on it."""
    asked, answered = threading.Event(), threading.Event()
    whole = picture_file._decoded

    def slow(data, name):
        asked.set()
        assert answered.wait(30)
        return whole(data, name)

    monkeypatch.setattr(picture_file, "_decoded", slow)

    async def run():
        pictures = Pictures(made_services(tmp_path / "home"))
        work = asyncio.ensure_future(pictures.prepare(saved(tmp_path / "a.png", striped())))
        while not asked.is_set():
            await asyncio.sleep(0)
        answered.set()
        prepared = await work
        again = await pictures.prepare(tmp_path / "a.png")
        assert again == prepared and prepared.file.stat().st_size == 140 * 56 * 3
        assert prepared.part == {"type": "image", "file": str(prepared.file), "width": 140, "height": 56}
        await pictures.close()
        assert not prepared.file.exists()

    asyncio.run(run())


def test_what_a_picture_says_of_its_maker_is_in_no_log(caplog):
    caplog.set_level("DEBUG")
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "my secret place", 6
    data = io.BytesIO()
    Image.new("RGB", (60, 40)).save(data, "JPEG", exif=exif)
    assert (read_picture(data.getvalue()).width, read_picture(data.getvalue()).height) == (40, 60)
    assert "secret" not in caplog.text
