"""Which blocks are there, who owns them, and the journal that remembers them."""

import json
import random

import pytest

from autoglm_desktop.store.transfer import journal
from autoglm_desktop.store.transfer.blocks import Blocks, from_ranges
from autoglm_desktop.store.transfer.values import Wanted, journal_of, part_of


def test_the_last_block_is_shorter_and_everything_adds_up():
    blocks = Blocks(250, 100)
    assert blocks.count == 3
    assert [blocks.length(index) for index in range(3)] == [100, 100, 50]
    blocks.finish(2)
    assert blocks.done_bytes == 50
    blocks.keep(0, 30)
    assert blocks.done_bytes == 80
    assert blocks.front_bytes == 0
    blocks.finish(0)
    blocks.finish(1)
    assert (blocks.done_bytes, blocks.front_bytes, blocks.complete) == (250, 250, True)


def test_an_empty_file_is_complete():
    assert Blocks(0, 100).complete


def test_blocks_are_handed_out_from_the_front_in_runs():
    blocks = Blocks(1000, 100, done={0, 3})
    assert blocks.claim("a", 4) == [1, 2]
    assert blocks.claim("b", 4) == [4, 5, 6, 7]
    assert blocks.claim("c", 4) == [8, 9]


def test_a_block_with_a_beginning_comes_first_in_its_run():
    blocks = Blocks(1000, 100)
    blocks.keep(2, 40)
    assert blocks.claim("a", 4) == [0, 1]
    assert blocks.claim("a", 4) == [2, 3, 4, 5]


def test_an_idle_lane_takes_what_another_has_not_begun():
    blocks = Blocks(600, 100)
    assert blocks.claim("a", 6) == [0, 1, 2, 3, 4, 5]
    assert blocks.claim("b", 4) == [3, 4, 5]
    assert blocks.owner[3] == "b"
    assert blocks.owner[2] == "a"


def test_the_block_being_fetched_is_never_taken():
    blocks = Blocks(100, 100)
    assert blocks.claim("a", 4) == [0]
    assert blocks.claim("b", 4) == []


def test_released_blocks_are_free_again():
    blocks = Blocks(300, 100)
    one, two = object(), object()
    blocks.claim(one, 2)
    blocks.claim(two, 1)
    blocks.release(one)
    assert blocks.claim(two, 4) == [0, 1]


def test_ranges_come_back_as_they_went():
    random.seed(5)
    for _round in range(50):
        done = set(random.sample(range(40), random.randint(0, 40)))
        blocks = Blocks(4000, 100, done=set(done))
        assert from_ranges(blocks.ranges(), 40) == done


def test_hostile_ranges_are_cut_to_the_file():
    assert from_ranges([[-5, 2], [3, 10**15]], 5) == {0, 1, 3, 4}


@pytest.fixture
def wanted(tmp_path):
    return Wanted(tmp_path / "模型 a.gguf", 250, sha256="ab" * 32, commit="c1")


def leave(wanted, *, kept=True):
    """An unfinished file as a pause leaves it."""
    blocks = Blocks(250, 100, done={0})
    blocks.keep(1, 33)
    with part_of(wanted.target).open("wb") as file:
        file.truncate(250)
    journal.save(wanted, journal.entry(wanted, blocks, blocks.kept if kept else {}))


def test_the_journal_gives_back_what_was_there(wanted):
    leave(wanted)
    found = journal.load(wanted)
    assert found is not None
    assert (found.done, found.kept, found.done_bytes) == ({0}, {1: 33}, 133)
    told = journal.unfinished(journal_of(wanted.target))
    assert (told.target, told.size, told.done_bytes) == (wanted.target, 250, 133)


def test_what_is_not_flushed_is_not_in_the_journal(wanted):
    leave(wanted, kept=False)
    assert journal.load(wanted).kept == {}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"sha256": "cd" * 32}, False),
        ({"size": 251}, False),
        ({"commit": "c2"}, True),  # the same hash: the same file, whatever the commit
        ({"sha256": None}, True),  # a source without hashes at the same commit
        ({"sha256": None, "commit": "c2"}, False),
        ({"sha256": None, "commit": None}, False),
        ({"size": None}, True),
    ],
)
def test_only_the_same_file_goes_on(wanted, change, same):
    leave(wanted)
    values = {"size": wanted.size, "sha256": wanted.sha256, "commit": wanted.commit, **change}
    assert (journal.load(Wanted(wanted.target, **values)) is not None) is same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"schema": 2}',
        json.dumps({"schema": 1, "size": -1, "block_bytes": 1, "done": [], "kept": {}}),
        json.dumps({"schema": 1, "size": 250, "block_bytes": 0, "done": [], "kept": {}}),
        json.dumps({"schema": 1, "size": 250, "block_bytes": 100, "done": [["a", 2]], "kept": {}}),
        json.dumps({"schema": 1, "size": 250, "block_bytes": 100, "done": [[1]], "kept": {}}),
        json.dumps({"schema": 1, "size": 250, "block_bytes": 100, "done": [], "kept": {"x": 1}}),
    ],
)
def test_a_damaged_journal_means_starting_anew(wanted, text):
    leave(wanted)
    data = json.loads(text) if text.startswith('{"schema": 1') else None
    if data is not None:
        data.update(sha256=wanted.sha256, git_sha1=None, commit="c1")
        text = json.dumps(data)
    journal_of(wanted.target).write_text(text, encoding="utf-8")
    assert journal.load(wanted) is None


def test_a_journal_without_its_file_is_worth_nothing(wanted):
    leave(wanted)
    part_of(wanted.target).unlink()
    assert journal.load(wanted) is None
