"""Pictures of a conversation for whoever answers: which are shown, how large, and what is said of the others."""

import asyncio
import contextlib
import dataclasses
import io
import random
from pathlib import Path

import pytest
from PIL import Image

from autoglm_desktop.core.catalog import Catalog
from autoglm_desktop.core.errors import AppError, EngineError, TargetError
from autoglm_desktop.core.pictures import MOST_TOKENS, room_left, shares, shown_size
from autoglm_desktop.core.protocol import Message, Proof, Sampling
from autoglm_desktop.core.rungs import PhoneStep, RungPlan
from autoglm_desktop.store import conversation_pictures
from autoglm_desktop.store.conversations import Picture, StoredMessage
from autoglm_desktop.store.library import Library
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases import pictures as pictures_module
from autoglm_desktop.usecases.chat_messages import as_messages
from autoglm_desktop.usecases.chat_pictures import RemoteShow, SessionShow, sizes
from autoglm_desktop.usecases.loading import Wishes
from autoglm_desktop.usecases.pictures import Limits, Pictures
from autoglm_desktop.usecases.session_state import SessionState
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_services

TARGET = Target("made", Path("/made/model.gguf"))
PLAN = RungPlan("gguf-cpu", context=10_240, phone_step=PhoneStep(3354, 2000, 0, 200))
READY = SessionState(
    "ready", TARGET, plan=PLAN, proof=Proof("llama.cpp", "made", projector="cpu glm4v F16", context=10_240)
)
BLIND = dataclasses.replace(READY, proof=Proof("llama.cpp", "made", context=10_240))
SHOT = Picture("a" * 64, "png", 1080, 2400, 7, "shot.png")  # 3354 tokens
SMALL = Picture("b" * 64, "png", 540, 1200, 7, "small.png")  # 817 tokens
TINY = Picture("c" * 64, "png", 84, 84, 7, "icon.png")  # 9 tokens
REPLY = 1024


def asked(*pictures, text="q"):
    return StoredMessage(1, 1, "user", text, 0.0, pictures=pictures)


def said(text="a"):
    return StoredMessage(2, 1, "assistant", text, 0.0)


class Loadable:
    """Becomes ready when it is loaded."""

    def __init__(self, state=READY, after=READY, error=None):
        self.state, self.after, self.error = state, after, error
        self.wishes, self.loads = Wishes(rung="gguf-cpu"), []

    async def ensure(self, target, wishes):
        self.loads.append((target, wishes))
        if self.error is not None and wishes.wish == "phone":
            raise self.error
        self.state = self.after
        return self.state


# How large


@pytest.mark.parametrize(
    ("wants", "room", "found"),
    [
        ((100, 100), 300, (100, 100)),
        ((100, 100), 100, (50, 50)),
        ((10, 500, 500), 310, (10, 150, 150)),
        ((500, 10, 200), 410, (200, 10, 200)),
        ((5, 5), 0, (0, 0)),
        ((), 100, ()),
    ],
)
def test_a_room_is_shared(wants, room, found):
    assert shares(wants, room) == found


def test_each_picture_of_a_question_gets_all_where_there_is_room():
    limits = Limits(10_240, 3354)
    assert sizes([asked(SHOT, SMALL)], "", REPLY, limits) == {SHOT: 3354, SMALL: 3354}


def test_the_room_is_shared_where_it_is_short():
    found = sizes(
        [asked(SHOT, dataclasses.replace(SHOT, sha256="d" * 64), SMALL)], "", REPLY, Limits(5000, None)
    )
    first, second, small = found.values()
    assert (
        small == MOST_TOKENS
        and abs(first - second) <= 1
        and 5000 - REPLY - 200 < first + second + 817 <= 5000 - REPLY
    )


def test_no_larger_than_wished_or_proven():
    wished = dataclasses.replace(SHOT, most_tokens=500)
    assert sizes([asked(wished, SMALL)], "", REPLY, Limits(10_240, 600)) == {
        wished: 500,
        SMALL: 600,
    }


def test_too_many_for_the_context_are_refused_with_the_numbers():
    many = [dataclasses.replace(SHOT, sha256=f"{number:064}") for number in range(60)]
    with pytest.raises(AppError) as caught:
        sizes([asked(*many)], "", REPLY, Limits(4096, None))
    assert caught.value.code == "pictures_no_room" and "60" in errors.text(caught.value)
    assert sizes(
        [asked(*[dataclasses.replace(TINY, sha256=f"{n:064}") for n in range(60)])],
        "",
        REPLY,
        Limits(4096, 9),
    )


def test_a_context_full_of_words_is_refused():
    with pytest.raises(AppError) as caught:
        sizes([asked(SHOT, text="x" * 12_000)], "", 16, Limits(4096, None))
    assert caught.value.code == "pictures_no_room"


def test_older_pictures_are_shown_while_there_is_room_as_large_as_they_were():
    one, two, three = (dataclasses.replace(SHOT, sha256=letter * 64) for letter in "123")
    limits = Limits(10_240, 3354)
    first = sizes([asked(one)], "", REPLY, limits)
    second = sizes([asked(one), said(), asked(two)], "", REPLY, limits)
    third = sizes([asked(one), said(), asked(two), said(), asked(three)], "", REPLY, limits)
    assert first == {one: 3354} and second == {one: 3354, two: 3354}
    assert third == {two: 3354, three: 3354}, "the oldest is left out, the others stay as they were"


def test_before_one_that_is_left_out_none_is_shown():
    history = [asked(TINY), said(), asked(SHOT), said(), asked(SMALL)]
    assert sizes(history, "", REPLY, Limits(4096, None)) == {SMALL: MOST_TOKENS}


def test_a_question_without_pictures_leaves_the_older_ones_what_words_leave():
    assert sizes([asked(SMALL), said(), asked()], "", REPLY, Limits(4096, None)) == {SMALL: MOST_TOKENS}
    assert sizes([asked(SMALL), said("x" * 9000), asked()], "", REPLY, Limits(4096, None)) == {}


def test_a_line_is_refused_when_it_is_new_and_left_out_when_it_is_old():
    line = Picture("e" * 64, "png", 4000, 2, 7)
    with pytest.raises(AppError) as caught:
        sizes([asked(line)], "", REPLY, Limits(4096, None))
    assert caught.value.code == "picture_too_narrow"
    assert sizes([asked(SMALL, line), said(), asked()], "", REPLY, Limits(4096, None)) == {SMALL: MOST_TOKENS}


def test_whatever_is_asked_fits():
    chance = random.Random(4)
    shown = 0
    for _number in range(400):
        context = chance.randrange(2000, 20_000)
        proven = chance.choice([None, 817, 3354])
        history = []
        for turn in range(chance.randrange(1, 6)):
            pictures = tuple(
                Picture(
                    f"{turn}-{place}", "png", chance.randrange(60, 1500), chance.randrange(60, 3000), 7, "",
                    chance.choice([None, None, 200, 1000]),
                )
                for place in range(chance.randrange(0, 4))
            )  # fmt: skip
            history += [
                asked(*pictures, text="x" * chance.randrange(0, 3000)),
                said("y" * chance.randrange(0, 3000)),
            ]
        history.pop()
        try:
            found = sizes(history, "system", REPLY, Limits(context, proven))
        except AppError as error:
            assert error.code == "pictures_no_room"
            continue
        shown += len(found)
        used = {one: shown_size(one.width, one.height, most).tokens for one, most in found.items()}
        assert all(one in found for one in history[-1].pictures)
        assert all(count <= (proven or MOST_TOKENS) for count in used.values())
        assert all(count <= one.most_tokens for one, count in used.items() if one.most_tokens is not None)
        newest = sum(used[one] for one in history[-1].pictures)
        assert newest <= room_left(context, "system" + history[-1].text, REPLY)
        if len(found) > len(history[-1].pictures):
            words = "system" + "".join(message.text for message in history)
            assert sum(used.values()) <= room_left(context, words, REPLY)
    assert shown > 500


# Shown


@pytest.fixture
def kept(tmp_path):
    folder = tmp_path / "pictures"

    def keep(colour, name="shot.png", size=(540, 1200)):
        path = tmp_path / name
        Image.new("RGB", size, colour).save(path)
        return conversation_pictures.keep(folder, path)

    keep.folder = folder
    return keep


@pytest.fixture
def show(tmp_path, kept, monkeypatch):
    """(Shown, the files of its parts as they were meanwhile) for a history. ``see``: what can look at pictures."""

    def run(history, session=None, *, see=lambda _library, target: target, remote=False, own=None):
        monkeypatch.setattr(pictures_module, "seeing", see)

        async def work():
            made = own or Pictures(made_services(tmp_path / "家 home"))
            library = Library(tmp_path / "models", tmp_path, Catalog(()))
            shows = (
                RemoteShow(made, kept.folder)
                if remote
                else SessionShow(session or Loadable(), library, made, kept.folder)
            )
            try:
                async with shows(history, "", Sampling(max_tokens=REPLY)) as shown:
                    return shown, [Path(part["file"]).stat().st_size for part in shown.parts.values()]
            finally:
                await made.close()

        return asyncio.run(work())

    return run


def test_parts_are_as_large_as_there_is_room(show, kept):
    red = kept("red")
    wished = dataclasses.replace(red, most_tokens=200)
    history = [asked(red), said(), asked(wished)]
    shown, files = show(history)
    sides = [(part["width"], part["height"]) for part in shown.parts.values()]
    small = shown_size(540, 1200, 200)
    assert sides == [(small.width, small.height), (532, 1204)] and shown.unseen == 0
    assert files == [3 * width * height for width, height in sides]
    (first, _said, last) = as_messages(history, "", shown.parts)
    assert first.content[0]["width"] == 532 and last.content[0]["width"] == small.width


def test_without_pictures_nothing_is_loaded(show):
    session = Loadable(SessionState("idle", TARGET))
    shown, _files = show([asked(), said(), asked()], session)
    assert (dict(shown.parts), shown.unseen, session.loads) == ({}, 0, [])


def test_a_model_that_is_not_loaded_is_loaded_to_see(show, kept):
    session = Loadable(SessionState("idle", TARGET))
    narrowed = dataclasses.replace(TARGET, file=Path("/made/seeing.gguf"))
    shown, _files = show([asked(kept("red"))], session, see=lambda _library, _target: narrowed)
    assert session.loads == [(narrowed, Wishes(rung="gguf-cpu", wish="phone"))] and len(shown.parts) == 1


def test_what_is_loaded_is_not_loaded_again(show, kept):
    session = Loadable()
    show([asked(kept("red"))], session)
    assert session.loads == []


def blind(_library, target):
    raise TargetError("vision_none", name=target.name)


@pytest.mark.parametrize("state", [SessionState("idle", TARGET), BLIND])
def test_a_model_that_cannot_see_says_why(show, kept, state):
    session = Loadable(state)
    with pytest.raises(TargetError) as caught:
        show([asked(kept("red"))], session, see=blind)
    assert caught.value.code == "vision_none" and not session.loads


def test_a_model_that_was_loaded_without_its_eyes_says_so(show, kept):
    with pytest.raises(EngineError) as caught:
        show([asked(kept("red"))], Loadable(BLIND))
    assert caught.value.code == "no_vision_loaded"


def test_without_a_model_it_is_said(show, kept):
    with pytest.raises(EngineError) as caught:
        show([asked(kept("red"))], Loadable(SessionState()))
    assert caught.value.code == "no_model_loaded"


def test_older_pictures_that_a_text_model_cannot_see_are_counted(show, kept):
    history = [asked(kept("red"), kept("blue")), said(), asked()]
    session = Loadable(SessionState("idle", TARGET), BLIND)
    shown, _files = show(history, session, see=blind)
    assert (dict(shown.parts), shown.unseen) == ({}, 2)
    assert session.loads == [(TARGET, Wishes(rung="gguf-cpu"))], "as it would be for words"


def test_older_pictures_are_no_reason_to_fail_where_words_would_work(show, kept):
    session = Loadable(SessionState("idle", TARGET), BLIND, EngineError("nothing_fits"))
    shown, _files = show([asked(kept("red")), said(), asked()], session)
    assert shown.unseen == 1 and [wishes.wish for _target, wishes in session.loads] == ["phone", None]


@pytest.mark.parametrize("remote", [False, True])
def test_a_file_that_is_gone_is_said_of_a_new_picture_and_counted_of_an_old_one(show, kept, remote):
    red, blue = kept("red", "红 red.png"), kept("blue")
    (kept.folder / red.file_name).unlink()
    with pytest.raises(AppError) as caught:
        show([asked(red)], remote=remote)
    assert caught.value.code == "picture_gone"
    sentence = errors.text(caught.value)
    assert "红 red.png" in sentence and red.sha256 not in sentence
    shown, _files = show([asked(red), said(), asked(blue)], remote=remote)
    assert list(shown.parts) == [blue] and shown.unseen == 1


def test_a_damaged_file_is_called_by_the_name_that_people_know(show, kept):
    red = kept("red", "screen.png")
    file = kept.folder / red.file_name
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(AppError) as caught:
        show([asked(red)])
    assert "screen.png is damaged" in errors.text(caught.value)
    pasted = dataclasses.replace(red, name="")
    with pytest.raises(AppError) as caught:
        show([asked(pasted)])
    assert errors.text(caught.value).startswith("The pasted picture is damaged")


def test_what_is_pasted_and_no_picture_has_a_sentence(tmp_path):
    with pytest.raises(AppError) as caught:
        conversation_pictures.keep(tmp_path, b"no picture")
    assert errors.text(caught.value).startswith("What was pasted is no picture")


def test_a_server_gets_all_of_them_whole(show, kept):
    red, blue = kept("red", size=(1440, 3200)), dataclasses.replace(kept("blue"), most_tokens=100)
    shown, _files = show([asked(red), said(), asked(blue)], remote=True)
    sides = {picture: (part["width"], part["height"]) for picture, part in shown.parts.items()}
    assert sides[red] == (1428, 3192) and shown_size(540, 1200, 100) == shown_size(*sides[blue])


# Files


def png(colour, size=(560, 560)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


ONE = 3 * 560 * 560


def test_files_are_bounded_and_never_removed_while_they_are_needed(tmp_path):
    async def work():
        own = Pictures(made_services(tmp_path / "home"), kept_bytes=2 * ONE)
        seen = []
        for number in range(12):
            async with own.held() as prepare:
                one = await prepare(png((number, 0, 0)))
                two = await prepare(png((0, number + 1, 0)))
                three = await prepare(png((0, 0, number + 1)))
                assert all(prepared.file.is_file() for prepared in (one, two, three))
            seen.append(len(list(one.file.parent.glob("*"))))
        await own.close()
        return seen

    assert asyncio.run(work()) == [2] * 12


def test_a_picture_that_another_request_needs_stays(tmp_path):
    async def work():
        own = Pictures(made_services(tmp_path / "home"), kept_bytes=0)
        first = await own.prepare(png("red"))
        async with own.held() as outer:
            second = await outer(png("green"))
            async with own.held() as inner:
                same = await inner(png("green"))
                third = await inner(png("blue"))
                again = await inner(png("red"))
            found = [one.file.is_file() for one in (first, second, same, third, again)]
        after = [one.file.is_file() for one in (first, second)]
        await own.close()
        return found, after

    assert asyncio.run(work()) == ([True, True, True, False, True], [True, False])


def test_what_was_prepared_under_its_name_is_not_decoded_again(tmp_path, monkeypatch):
    decoded = []
    whole = pictures_module.read_picture
    monkeypatch.setattr(
        pictures_module, "read_picture", lambda source: decoded.append(source) or whole(source)
    )

    async def work():
        own = Pictures(made_services(tmp_path / "home"), kept_bytes=2 * ONE)
        for _turn in range(3):
            async with own.held() as prepare:
                one = await prepare(png("red"), MOST_TOKENS, "r")
                small = await prepare(png("red"), 100, "r")
        one.file.unlink()
        async with own.held() as prepare:
            anew = await prepare(png("red"), MOST_TOKENS, "r")
        assert anew == one and anew.file.is_file() and small.size.tokens <= 100
        await own.close()

    asyncio.run(work())
    assert len(decoded) == 3


def test_one_that_was_removed_is_made_again(tmp_path):
    async def work():
        own = Pictures(made_services(tmp_path / "home"), kept_bytes=0)
        for _turn in range(2):
            async with own.held() as prepare:
                one = await prepare(png("red"), MOST_TOKENS, "r")
                assert one.file.stat().st_size == ONE
            assert not one.file.exists()
        await own.close()

    asyncio.run(work())


def test_a_request_that_fails_or_is_cancelled_lets_go(tmp_path):
    async def work():
        own = Pictures(made_services(tmp_path / "home"), kept_bytes=0)
        with contextlib.suppress(AppError):
            async with own.held() as prepare:
                one = await prepare(png("red"))
                await prepare(b"no picture")

        async def stuck():
            async with own.held() as prepare:
                await prepare(png("red"))
                held.set()
                await asyncio.Event().wait()

        held = asyncio.Event()
        task = asyncio.ensure_future(stuck())
        await held.wait()
        during = one.file.is_file()
        task.cancel()
        await asyncio.wait({task})
        after = one.file.is_file()
        await own.close()
        return during, after

    assert asyncio.run(work()) == (True, False)


def test_a_part_goes_where_its_picture_stands():
    parts = {SMALL: {"type": "image", "file": "s"}}
    found = as_messages([asked(SHOT, SMALL, text="look")], "", parts)
    assert found == (Message("user", [{"type": "image", "file": "s"}, {"type": "text", "text": "look"}]),)
