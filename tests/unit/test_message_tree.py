"""The tree of a conversation's messages."""

import random

from autoglm_desktop.core.message_tree import below, newest_below, path, tree_of, versions

# 1 ─ 2 ─ 3 ─ 6
#       └ 4 ─ 5
# 7 ─ 8        (another version of the first question)
LINKS = [(1, None), (2, 1), (3, 2), (4, 2), (5, 4), (6, 3), (7, None), (8, 7)]
TREE = tree_of(LINKS)


def test_the_transcript_is_the_path_to_the_head():
    assert path(TREE, 6) == (1, 2, 3, 6)
    assert path(TREE, 4) == (1, 2, 4)
    assert path(TREE, 99) == path(TREE, None) == (7, 8), "a head that is gone: the newest message"
    assert path(tree_of([]), None) == ()


def test_versions_are_siblings():
    assert versions(TREE, 3) == versions(TREE, 4) == (3, 4)
    assert versions(TREE, 7) == (1, 7)
    assert versions(TREE, 2) == ()


def test_choosing_a_version_shows_the_newest_of_what_follows_it():
    assert newest_below(TREE, 1) == 5
    assert newest_below(TREE, 3) == 6
    assert newest_below(TREE, 8) == 8


def test_what_is_below():
    assert below(TREE, [2]) == (2, 3, 4, 5, 6)
    assert below(TREE, [1, 7]) == (1, 2, 3, 4, 5, 6, 7, 8)


def test_damaged_links_make_no_ring_and_lose_nothing():
    random.seed(7)
    for _round in range(200):
        links = [(n, random.choice([None, *range(1, 30)])) for n in range(1, 30)]
        tree = tree_of(links)
        assert below(tree, tree.children[None]) == tuple(range(1, 30))
        for head in range(1, 30):
            assert path(tree, head)[-1] == head


def test_a_chain_of_ten_thousand_is_no_recursion():
    tree = tree_of([(n, n - 1 if n > 1 else None) for n in range(1, 10_001)])
    assert len(path(tree, 10_000)) == len(below(tree, [1])) == newest_below(tree, 1) == 10_000
